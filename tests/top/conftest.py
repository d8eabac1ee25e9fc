"""A fleet file, and workers that have it open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.top.worker import Worker

FLEET = """\
version: 1
providers:
  near: {adapter: openai, base_url: http://127.0.0.1:9/v1}
pools:
  org: {rpm: 6000, tpm: 600_000, burst_s: 60}
deployments:
  big-us: {model: near/big, rpm: 60, burst_s: 60, pools: [org]}
  big-eu: {model: near/big, rpm: 60, burst_s: 60, concurrency: 8, pools: [org]}
  small: {model: near/small}
groups:
  strong: {members: [big-us, big-eu], fallback: [small]}
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet file that nobody has open, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    return Path("fleet.yaml")


@pytest.fixture
def start() -> Iterator[Callable[[Path], Worker]]:
    """Starts workers; those that are left at the end of a test are killed."""
    started: list[Worker] = []

    def one(file: Path) -> Worker:
        started.append(Worker(file))
        return started[-1]

    yield one
    for worker in started:
        if worker.process.poll() is None:
            worker.kill()
