"""One limit for all workers of a host: not one unit above it, and hardly one below (C1, C2)."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from junctor.testing import Server
from junctor.testing.app import Answer, Request
from tests.processes.fleets import fleet, fleet_file, limit
from tests.processes.workers import WAIT_S, Nursery, several

RPM, TOKENS, EACH = 400, 40_000, 50
"""Requests and tokens per second, and tokens per request: far below what even one busy worker asks for."""
BURST_S = 0.25
SECONDS = 1.5
MODELS = ("requests", "tokens", "both", "alone")
FLEET = fleet(
    *MODELS,
    limits={
        "requests": [limit("rpm", RPM, burst_s=BURST_S)],
        "tokens": [limit("tpm", TOKENS, burst_s=BURST_S)],
        # The tokens bind: 500 requests' worth of them.
        "both": [limit("rpm", 2 * RPM, burst_s=BURST_S), limit("input_tpm", 25_000, burst_s=BURST_S)],
        "alone": [limit("concurrency", 1)],
    },
)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_workers_that_take_all_they_can_get_exactly_the_limit(
    nursery: Nursery, folder: Path, directory: str, count: int, storm: int
) -> None:
    """C1, C2: requests, tokens, two limits at once, and one at a time, counted by the workers themselves."""
    workers = several(nursery, count, directory=directory, fleet=FLEET)
    for worker in workers:
        worker.tell("hammer", seconds=SECONDS * storm, models=MODELS, tokens=EACH, lock=str(folder / "lock"))
    within_s = WAIT_S + SECONDS * storm
    told: list[dict[str, Any]] = [worker.answer(within_s=within_s) for worker in workers]
    longest = max(each["ended"] for each in told) - min(each["began"] for each in told)
    # While all of them asked; those that began late or ended early left nothing unused but at the edges.
    shortest = min(each["ended"] for each in told) - min(each["began"] for each in told)

    def admitted(what: str, model: str) -> int:
        return sum(each[what][model] for each in told)

    def holds(units: int, per_s: int, most_at_once: int) -> None:
        assert units <= per_s * longest + per_s * BURST_S + 1e-9
        # A refund at the end is capacity that nobody could use any more.
        assert units >= 0.99 * (per_s * shortest + per_s * BURST_S) - most_at_once

    holds(admitted("counts", "requests"), RPM, 1)
    holds(admitted("spent", "tokens"), TOKENS, EACH * count)
    holds(admitted("spent", "both"), 25_000, EACH * count)
    assert admitted("counts", "both") <= 2 * RPM * (longest + BURST_S)
    assert admitted("counts", "alone") > 100
    assert sum(each["broken"] for each in told) == 0, "two were admitted at once"
    assert sum(each["in_flight"] for each in workers[0].ask("snapshot")["deployments"].values()) == 0


class Places:
    """A provider that counts how many requests it has at once."""

    def __init__(self) -> None:
        self.now = self.most = self.served = 0
        self._lock = threading.Lock()

    async def __call__(self, _: Request, answer: Answer) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        await asyncio.sleep(0.004)
        with self._lock:
            self.now -= 1
            self.served += 1
        answer.send(200, [("content-type", "application/json")], BODY)


BODY = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
)


def test_a_concurrency_limit_is_never_exceeded_as_the_provider_counts(nursery: Nursery, folder: Path) -> None:
    """C1 over real sockets: eight workers with four tasks each, and never more than five requests at the provider."""
    provider = Places()
    with Server(provider).in_thread() as server:
        path = fleet_file(folder, server.url, concurrency=5)
        workers = nursery.workers(8)
        for worker in workers:
            worker.ask("open_file", path=str(path))
        for worker in workers:
            worker.tell("chat", count=40, tasks=4)
        assert sum(worker.answer() for worker in workers) == 320
        assert (provider.served, provider.most) == (320, 5)
