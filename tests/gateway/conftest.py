"""One gateway on loopback for all tests of a module that only ask it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from junctor.testing import Key, SimulatedProvider
from tests.gateway import serving


class Served(NamedTuple):
    """A gateway, the provider behind it, and a key for it: everything may be asked with it."""

    gateway: serving.Running
    provider: SimulatedProvider
    key: str


@pytest.fixture
def folder(runtime_directory: Path) -> Iterator[Path]:
    """A directory for one test's files and segments. Short, because a socket's address must be."""
    with tempfile.TemporaryDirectory(dir=runtime_directory) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def served(runtime_directory: Path) -> Iterator[Served]:
    """One worker over one simulated provider that speaks both dialects."""
    with tempfile.TemporaryDirectory(dir=runtime_directory) as name, provider() as behind:
        folder = Path(name)
        file = folder / "fleet.json.yaml"
        secrets, section = serving.keys(team={"tenant": "acme", "concurrency": 100})
        file.write_text(json.dumps(serving.fleet(behind.base_url("openai"), behind.base_url("anthropic"), section)))
        with serving.running(folder, file) as gateway:
            yield Served(gateway, behind, secrets["team"])


def provider() -> contextlib.AbstractContextManager[SimulatedProvider]:
    """Both dialects, short answers, in a thread."""
    secrets = serving.SECRETS
    behind = [Key(secrets["UP_OPENAI"], dialect="openai"), Key(secrets["UP_ANTHROPIC"], dialect="anthropic")]
    return SimulatedProvider(behind, output_tokens=5).in_thread()
