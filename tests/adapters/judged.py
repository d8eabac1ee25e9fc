"""What the official SDKs' own types say of bodies; see `sdk_oracle`, which runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def verdicts(adapter: str, bodies: Mapping[str, str]) -> dict[str, str | None] | str:
    """What is wrong with each body, or None, by its name; or a text saying that the SDK is absent."""
    oracle = Path(__file__).with_name("sdk_oracle.py")
    lines = "\n".join(bodies.values())
    ran = subprocess.run([sys.executable, oracle, adapter], input=lines, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    if "absent" in answers[0]:
        return str(answers[0]["absent"])
    return {name: answer["error"] for name, answer in zip(bodies, answers, strict=True)}


def accepted(adapter: str, bodies: Mapping[str, str]) -> dict[str, str | None]:
    """The same; the test is skipped where the SDK is absent."""
    found = verdicts(adapter, bodies)
    if isinstance(found, str):
        pytest.skip(f"the official SDK of {adapter} is not installed: {found}")
    return found
