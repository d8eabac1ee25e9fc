"""Surroundings of the tests with older clients: nothing is fetched, shared states lie in a directory of this run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before LiteLLM is imported: else it looks for a newer table of prices in the network, three times.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


@pytest.fixture(autouse=True)
def runtime_directory() -> Iterator[Path]:
    """Segments of one test are nobody else's, and gone after it."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(prefix="junctor-older-", dir=memory if memory.is_dir() else None) as folder,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("JUNCTOR_RUNTIME_DIR", folder)
        yield Path(folder)
