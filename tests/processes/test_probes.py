"""A half-open breaker of all workers has one probe, and one that dies with its worker is replaced after its lease."""

from __future__ import annotations

import time

from tests.processes.fleets import Fleet, fleet
from tests.processes.workers import Nursery, Worker, several, until

WORKERS = 16


def two(lease_s: float) -> Fleet:
    """`a` is preferred whenever it may be asked, and `b` is there so that nobody has to force anything."""
    spec = fleet("a", "b")
    a, b = spec["deployments"]
    a.update(weight=1e6, first_content_timeout_s=lease_s)
    b.update(weight=1e-3)
    return spec


def trip(worker: Worker) -> None:
    """`a` fails until its breaker opens; then the next one who asks for it by its name is its probe, and gives up:
    whoever comes next probes."""
    for _ in range(5):
        assert worker.ask("reserved_of", model="a") == "a"
        worker.ask("settle", outcome="server")
    assert worker.ask("snapshot")["deployments"]["a"]["breaker"] == "open"
    assert worker.ask("reserved_of", model="all") == "b"
    worker.ask("settle")
    assert worker.ask("reserved_of", model="a") == "a"
    worker.ask("cancel")


def test_sixteen_workers_at_once_send_one_probe(nursery: Nursery, directory: str, storm: int) -> None:
    """B11, C7: in every generation."""
    workers = several(nursery, WORKERS, directory=directory, fleet=two(20.0))
    trip(workers[0])
    probes = workers[0].ask("snapshot")["counters"]["probe"]
    rounds = 15 * storm
    for turn in range(1, rounds + 1):
        at = time.monotonic() + 0.02
        for worker in workers:
            worker.tell("probe_at", monotonic_s=at)
        chosen = [worker.answer() for worker in workers]
        assert sorted(chosen) == ["a"] + ["b"] * (WORKERS - 1)
        told = workers[0].ask("snapshot")
        assert (told["deployments"]["a"]["breaker"], told["counters"]["probe"]) == ("half_open", probes + turn)
        for worker in workers:
            worker.tell("cancel")
        for worker in workers:
            worker.answer()


def test_a_probe_that_dies_with_its_worker_is_replaced_after_its_lease(nursery: Nursery, directory: str) -> None:
    """B13, C8: and not before, and once."""
    lease_s = 1.0
    one, other = several(nursery, 2, directory=directory, fleet=two(lease_s))
    trip(other)
    until(lambda: one.ask("reserved_of", model="all") == "a", "the probe", within_s=1)  # breakers have 16 ms ticks
    began = time.monotonic()
    one.kill()
    until(lambda: other.ask("reserved_of", model="all") == "a", "another probe", within_s=10 * lease_s)
    assert time.monotonic() - began > lease_s - 0.5, "not before the lease is over"
    assert other.ask("snapshot")["counters"]["probe_lost"] == 1
    other.ask("settle")
    assert other.ask("snapshot")["deployments"]["a"]["breaker"] == "closed"
