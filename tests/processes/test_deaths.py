"""Workers that are killed: what they held is free within two seconds, and nobody else's is touched."""

from __future__ import annotations

import random
import signal
import time
from functools import partial
from typing import Any

import pytest

from tests.processes.fleets import fleet, limit
from tests.processes.workers import Nursery, Worker, seats_of, several, until

PLACES = 40
REAPED_S = 2.0
"""Within this time a dead worker is swept away (B51, C20)."""
FLEET = fleet("a", "b", limits={"a": [limit("concurrency", PLACES)], "b": [limit("concurrency", PLACES)]})


def in_flight(told: dict[str, Any]) -> int:
    return sum(deployment["in_flight"] for deployment in told["deployments"].values())


def reserved(worker: Worker) -> int:
    count: int = worker.ask("snapshot")["counters"]["reserved"]
    return count


def more_reserved(worker: Worker, than: int) -> bool:
    return reserved(worker) > than


def taken(told: dict[str, Any]) -> int:
    """Places taken of both concurrency limits."""
    return sum(PLACES - told["pools"][name]["concurrency"]["level"] for name in ("a", "b"))


def test_what_a_killed_worker_held_is_free_within_two_seconds_and_the_others_keep_theirs(
    nursery: Nursery, directory: str
) -> None:
    """B51, C20: fifty in flight, SIGKILL."""
    one, two = several(nursery, 2, directory=directory, fleet=FLEET)
    assert (one.ask("reserve", count=20), two.ask("reserve", count=50)) == (20, 50)
    assert in_flight(one.ask("snapshot")) == 70
    two.kill()
    assert until(lambda: in_flight(one.ask("snapshot")) == 20, "reaped", within_s=REAPED_S) < REAPED_S
    told = one.ask("snapshot")
    assert (taken(told), told["counters"]["reaped"]) == (20, 1)
    assert [each["pid"] for each in told["processes"]] == [one.pid]
    assert one.ask("reserve", count=100) == 60, "every place is free again"
    one.ask("settle")
    assert in_flight(one.ask("snapshot")) == 0


def test_when_all_are_killed_the_next_ones_find_everything_free(nursery: Nursery, directory: str) -> None:
    """B52: the first that starts takes it all back, at once."""
    workers = several(nursery, 4, directory=directory, fleet=FLEET)
    assert [worker.ask("reserve", count=15) for worker in workers] == [15] * 4
    for worker in workers:
        worker.kill()
    (new,) = several(nursery, 1, directory=directory, fleet=FLEET)
    told = new.ask("snapshot")
    assert (in_flight(told), taken(told), told["counters"]["reaped"]) == (0, 0, 4)
    assert told["counters"]["reserved"] == 60, "counts of the dead are kept"
    assert new.ask("reserve", count=100) == 2 * PLACES


def test_a_stopped_worker_keeps_what_it_holds_while_others_sweep(nursery: Nursery, directory: str) -> None:
    """B53: SIGSTOP for several sweeps, and no place is given twice after SIGCONT."""
    stopped, other = several(nursery, 2, directory=directory, fleet=FLEET)
    third = nursery.worker()
    third.ask("open_router", directory=directory, fleet=FLEET)
    assert (stopped.ask("reserve", count=30), other.ask("reserve", count=10)) == (30, 10)
    stopped.send(signal.SIGSTOP)
    # Each death needs a sweep of its own to be found: sweeping goes on without the stopped one.
    for _ in range(3):
        third.kill()
        until(lambda: len(list(seats_of(other))) == 2, "the dead one's seat is free", within_s=REAPED_S)
        assert in_flight(other.ask("snapshot")) == 40
        third = nursery.worker()
        third.ask("open_router", directory=directory, fleet=FLEET)
    assert other.ask("reserve", count=100) == 40, "not one place of the stopped one's"
    stopped.send(signal.SIGCONT)
    assert stopped.ask("settle") == 30
    told = other.ask("snapshot")
    assert (in_flight(told), taken(told)) == (50, 50)
    other.ask("settle")
    told = stopped.ask("snapshot")
    assert (in_flight(told), taken(told)) == (0, 0)


def test_a_storm_of_kills_leaves_nothing_behind(nursery: Nursery, directory: str, storm: int) -> None:
    """B51, B63, C19: workers that reserve and settle are killed at random moments, and new ones start.

    After each round of kills all that is in flight is what the quiet ones hold, within two seconds.
    """
    draw = random.Random(51)
    (quiet,) = several(nursery, 1, directory=directory, fleet=FLEET)
    (told,) = several(nursery, 1, directory=directory, fleet=FLEET)
    kept, kills = quiet.ask("reserve", count=7), 0
    free_cells = told.ask("snapshot")["state"]["free_cells"]
    for _ in range(8 * storm):
        victims = several(nursery, 8, directory=directory, fleet=FLEET)
        for victim in victims:
            victim.tell("churn", seed=draw.getrandbits(32), most=draw.choice((1, 8, 40)))
        before = reserved(told)
        until(partial(more_reserved, told, before + 50), "they are at it")
        for victim in victims:
            spin(draw.random() * 0.002)
            nursery.forget(victim)
        kills += len(victims)
        until(lambda: in_flight(told.ask("snapshot")) == kept, "all that died is free", within_s=REAPED_S)
        seen = told.ask("snapshot")
        assert (taken(seen), seen["counters"]["reaped"], len(seen["processes"])) == (kept, kills, 2)
        assert seen["state"]["free_cells"] == free_cells, "no block is lost"
        assert all(deployment["age_s"] == 0 or kept for deployment in seen["deployments"].values())
    assert quiet.ask("settle") == kept
    seen = told.ask("snapshot")
    assert (in_flight(seen), taken(seen)) == (0, 0)
    assert [each["age_s"] for each in seen["deployments"].values()] == [0, 0], "and nothing looks hung"


def spin(seconds: float) -> None:
    """A moment that no scheduler rounds up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize("busy", [2, 6])
def test_a_death_among_busy_workers_is_swept_away_in_time_too(nursery: Nursery, directory: str, busy: int) -> None:
    """C20: the gauges of the dead one are corrected although the others' attempts move them all the time."""
    workers = several(nursery, busy, directory=directory, fleet=FLEET)
    quiet, dying = several(nursery, 2, directory=directory, fleet=FLEET)
    assert (quiet.ask("reserve", count=5), dying.ask("reserve", count=20)) == (5, 20)
    for number, worker in enumerate(workers):
        worker.tell("churn_for", seconds=3.0, seed=number, most=3)
    died = time.monotonic()
    dying.kill()
    # Seventeen of the eighty places could be taken by the busy ones, and five by the quiet one.
    until(lambda: in_flight(quiet.ask("snapshot")) <= 5 + 3 * busy, "reaped", within_s=10)
    assert time.monotonic() - died < REAPED_S
    assert sum(worker.answer() for worker in workers) > 1000, "they were busy"
    until(lambda: in_flight(quiet.ask("snapshot")) == 5, "all settled", within_s=REAPED_S)
