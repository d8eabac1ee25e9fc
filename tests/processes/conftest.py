"""A nursery and a runtime directory of each test's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.workers import Nursery

STORM = int(os.environ.get("JUNCTOR_STORM", "1"))
"""How many times as long a storm is: 1 in the ordinary run."""

if not hasattr(os, "pidfd_open"):
    collect_ignore_glob = ["test_*.py"]  # state is shared on Linux alone


@pytest.fixture
def storm() -> int:
    """How many times as long a storm is."""
    return STORM


@pytest.fixture
def folder(runtime_directory: Path) -> Iterator[Path]:
    """A directory for segments and for the test's own files. Short, because a socket's address must be."""
    with tempfile.TemporaryDirectory(dir=runtime_directory) as name:
        yield Path(name)


@pytest.fixture
def nursery(folder: Path) -> Iterator[Nursery]:
    """Where workers come from."""
    with Nursery(folder) as made:
        yield made


@pytest.fixture
def directory(folder: Path) -> str:
    """A runtime directory."""
    return str(folder / "run")
