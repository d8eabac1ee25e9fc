"""Older clients, in an environment of their own: LiteLLM's Router and the SDKs before the newest major versions.

They cannot be installed beside what the other tests use, so pytest is started there, over `tests/older`.
"""

from __future__ import annotations

import os
import subprocess

import pytest

from scripts.markdown import ROOT

PYTHON = ROOT / ".venv-older" / "bin" / "python"
MOST_S = 300


@pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-older here: `make test` makes it (scripts/setup_older.sh)")
def test_older_clients() -> None:
    """All of `tests/older` passes there."""
    # LiteLLM is large: its bytecode is kept for the next run, whatever this one keeps.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    words = [str(PYTHON), "-m", "pytest", "-q", "-c", "tests/older/pytest.ini", "tests/older"]
    run = subprocess.run(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=MOST_S
    )
    assert run.returncode == 0, f"{' '.join(words)}\n{run.stdout}"
