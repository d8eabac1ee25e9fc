"""Forks after a router was opened: the child serves at once from a seat of its own, and whatever it does with what it
inherited, the parent's things are the parent's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from junctor.testing import Server
from tests.processes.fleets import fleet, fleet_file, limit
from tests.processes.test_exact import Places
from tests.processes.workers import Nursery, Worker, several, until

PLACES = 40
FLEET = fleet("a", limits={"a": [limit("concurrency", PLACES)]})
SERVES_S = 1.0
"""Within this time a forked child serves (B55, C22)."""
REAPED_S = 2.0


def in_flight(worker: Worker) -> int:
    count: int = worker.ask("snapshot")["deployments"]["a"]["in_flight"]
    return count


def seats(worker: Worker) -> list[int]:
    return sorted(each["pid"] for each in worker.ask("snapshot")["processes"])


def forked(nursery: Nursery, parent: Worker) -> Worker:
    parent.ask("fork")
    return nursery.arrival()


def after_a_sweep(nursery: Nursery, directory: str, watcher: Worker) -> None:
    """Returns when a sweep has found a worker dead that died after this was called."""
    (victim,) = several(nursery, 1, directory=directory, fleet=FLEET)
    reaped = watcher.ask("snapshot")["counters"]["reaped"]
    victim.kill()
    until(lambda: watcher.ask("snapshot")["counters"]["reaped"] > reaped, "a sweep", within_s=REAPED_S)


@pytest.mark.parametrize("end", ["settle", "drop", "cancel"])
def test_a_forked_child_serves_at_once_and_does_not_end_what_it_inherited(
    nursery: Nursery, directory: str, end: str
) -> None:
    """B55, C22: neither by settling nor by its garbage collector."""
    (parent,) = several(nursery, 1, directory=directory, fleet=FLEET)
    assert parent.ask("reserve", count=10) == 10
    child = forked(nursery, parent)
    began = time.monotonic()
    assert child.ask("reserve", count=5) == 5
    assert time.monotonic() - began < SERVES_S
    assert seats(parent) == seats(child) == sorted((parent.pid, child.pid))
    assert in_flight(parent) == 15
    child.ask(end)
    assert in_flight(child) == 10
    after_a_sweep(nursery, directory, parent)
    assert seats(child) == sorted((parent.pid, child.pid)), "both live, both keep their seats"
    child.kill()
    until(lambda: seats(parent) == [parent.pid], "reaped", within_s=REAPED_S)
    assert parent.ask("settle") == 10
    assert in_flight(parent) == 0


def test_a_dead_parent_is_swept_away_although_a_forked_child_lives(nursery: Nursery, directory: str) -> None:
    """B56: the child has inherited the parent's open file, and never used it."""
    parent, other = several(nursery, 2, directory=directory, fleet=FLEET)
    assert parent.ask("reserve", count=10) == 10
    child = forked(nursery, parent)
    parent.kill()
    until(lambda: in_flight(other) == 0, "reaped", within_s=REAPED_S)
    assert child.lives
    assert child.ask("reserve", count=5) == 5, "and now it has come to a seat of its own"
    assert seats(other) == sorted((other.pid, child.pid))


def test_a_grandchild_of_a_process_that_ended_serves(nursery: Nursery, directory: str) -> None:
    """Daemons fork twice and end in between; a child of a child has inherited what was inherited."""
    parent, other = several(nursery, 2, directory=directory, fleet=FLEET)
    assert parent.ask("reserve", count=3) == 3
    child = forked(nursery, parent)
    child.tell("fork_and_exit")
    grandchild = nursery.arrival()
    child.ended()
    assert grandchild.ask("reserve", count=4) == 4
    grandchild.ask("settle")
    assert in_flight(other) == 3
    assert seats(other) == sorted((parent.pid, other.pid, grandchild.pid))


def test_forking_among_threads_that_reserve_hangs_nobody(nursery: Nursery, directory: str) -> None:
    """B55, C22: the child has one of the parent's threads, and whatever the others were doing."""
    (parent,) = several(nursery, 1, directory=directory, fleet=FLEET)
    parent.ask("start_threads", count=4)
    for _ in range(12):
        child = forked(nursery, parent)
        began = time.monotonic()
        assert child.ask("reserve", count=2) == 2
        assert time.monotonic() - began < SERVES_S
        assert child.ask("settle") == 2
        nursery.forget(child)
    (watcher,) = several(nursery, 1, directory=directory, fleet=FLEET)
    nursery.forget(parent)
    until(lambda: (in_flight(watcher), seats(watcher)) == (0, [watcher.pid]), "nothing is left", within_s=REAPED_S)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_executors_and_multiprocessing_share_whatever_their_start_method(
    nursery: Nursery, directory: str, method: str
) -> None:
    """B55: concurrent.futures and multiprocessing, begun after the router was opened."""
    (parent,) = several(nursery, 1, directory=directory, fleet=FLEET)
    assert parent.ask("reserve", count=10) == 10
    told: list[list[Any]] = parent.ask("in_a_pool", method=method, directory=directory, fleet=FLEET)
    assert all(shared and served for _, shared, served in told)
    assert parent.ask("in_a_process", method=method, directory=directory, fleet=FLEET) == 0
    snapshot = parent.ask("snapshot")
    assert (snapshot["deployments"]["a"]["in_flight"], snapshot["counters"]["reserved"]) == (10, 14)


@pytest.mark.parametrize("command", ["sleep_at", "spawn_under_uvloop"])
def test_child_programs_tear_nothing_down(nursery: Nursery, directory: str, command: str) -> None:
    """B57: subprocess, asyncio and uvloop fork too, and run another program."""
    parent, other = several(nursery, 2, directory=directory, fleet=FLEET)
    assert parent.ask("reserve", count=10) == 10
    parent.ask(command, path="/bin/true")
    after_a_sweep(nursery, directory, other)
    assert (in_flight(other), seats(other)) == (10, sorted((parent.pid, other.pid)))
    assert parent.ask("settle") == 10
    assert in_flight(other) == 0


def test_a_client_that_was_used_before_a_fork_is_used_after_it(nursery: Nursery, folder: Path) -> None:
    """C22: connections of the parent are not the child's, and both go on."""
    with Server(Places()).in_thread() as server:
        parent = nursery.worker()
        parent.ask("open_file", path=str(fleet_file(folder, server.url, concurrency=5)))
        parent.ask("keep_client")
        assert parent.ask("call") == "Hi"
        child = forked(nursery, parent)
        began = time.monotonic()
        assert child.ask("call") == "Hi"
        assert time.monotonic() - began < SERVES_S
        assert parent.ask("call") == "Hi"
        assert child.ask("snapshot")["counters"]["reserved"] == 3
