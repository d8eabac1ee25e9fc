"""Fixtures: the command as a function, and fleet files to give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from junctor.cli import main

FLEET = """\
version: 1
providers:
  near: {adapter: openai, base_url: http://127.0.0.1:9/v1}
  far: {adapter: anthropic, base_url: http://127.0.0.1:9}
deployments:
  big-us: {model: near/big, region: us, rpm: 60, price: {input: 5, output: 25}, capabilities: [tools, streaming]}
  big-eu:
    {model: near/big, region: eu, rpm: 60, price: {input: 5, output: 25}, capabilities: [tools, streaming], weight: 2}
  small-us: {model: far/small, region: us, rpm: 60, price: {input: 1, output: 5}, capabilities: [tools, streaming]}
  small-eu: {model: far/small, region: eu, rpm: 60, price: {input: 1, output: 5}, capabilities: [tools, streaming]}
groups:
  strong: {members: [big-us, big-eu], fallback: [small]}
  small: {members: [small-us, small-eu]}
compliance:
  - {name: EU personal data, when: {data: eu-personal}, require: {region: eu}}
rules:
  - {name: extraction, when: {task: extraction}, use: small, max_tokens: 100, effort: low}
  - {name: nothing for robots, when: {user_tier: robot}, refuse: people only}
  - {name: otherwise, use: strong}
"""


class Ran(NamedTuple):
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def ran(*argv: str) -> Ran:
        status = main(argv)
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return ran


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet file without errors, in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("fleet.yaml")
    path.write_text(FLEET, encoding="utf-8")
    return path
