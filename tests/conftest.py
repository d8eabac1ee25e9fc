"""How property tests draw their examples: the same ones in every run, and fresh ones for `make explore`.

A gate that now and then fails by an unlucky draw teaches people to run it again. So the ordinary run is deterministic,
and looking for new failures is a word of its own. No example has a time limit: a busy machine is no failure.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = 150
"""Examples per property in the ordinary run."""

settings.register_profile(
    "ordinary",
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore",
    settings.get_profile("ordinary"),
    max_examples=int(os.environ.get("JUNCTOR_CASES", str(EXAMPLES))),
    derandomize=False,
    print_blob=True,
)
settings.load_profile("ordinary")


@pytest.fixture(scope="session", autouse=True)
def runtime_directory() -> Iterator[Path]:
    """Segments of the tests lie in a directory of this run, and are gone after it."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(prefix="junctor-tests-", dir=memory if memory.is_dir() else None) as folder,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("JUNCTOR_RUNTIME_DIR", folder)
        yield Path(folder)
