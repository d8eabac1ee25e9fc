"""Two containers with one volume: process ids repeat, and nobody is taken for another."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.processes.fleets import fleet, limit
from tests.processes.workers import Nursery, several, until

APART = ("unshare", "--pid", "--fork", "--kill-child")
"""A namespace of its own for process ids, as containers have."""
PLACES = 40
FLEET = fleet("a", limits={"a": [limit("concurrency", PLACES)]})


def test_containers_whose_processes_have_the_same_ids_share_and_are_told_apart(folder: Path, directory: str) -> None:
    """B54: also when the id of a dead one is in use by a living one next door."""
    if subprocess.run([*APART, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a namespace")
    rooms = [folder / "one", folder / "two"]
    for room in rooms:
        room.mkdir()
    with Nursery(rooms[0], prefix=APART) as here, Nursery(rooms[1], prefix=APART) as there:
        (one,) = several(here, 1, directory=directory, fleet=FLEET)
        (two,) = several(there, 1, directory=directory, fleet=FLEET)
        assert (one.ask("reserve", count=12), two.ask("reserve", count=7)) == (12, 7)
        told = one.ask("snapshot")
        first, second = told["processes"]
        assert first["pid"] == second["pid"], "the same id in both"
        assert first["seat"] != second["seat"]
        assert (first["own"], second["own"]) == (True, False)
        assert told["deployments"]["a"]["in_flight"] == 19
        two.kill()
        until(lambda: one.ask("snapshot")["deployments"]["a"]["in_flight"] == 12, "reaped", within_s=2)
        assert one.ask("snapshot")["counters"]["reaped"] == 1
        (three,) = several(there, 1, directory=directory, fleet=FLEET)
        assert three.ask("reserve", count=100) == PLACES - 12
        assert one.ask("settle") == 12
        assert three.ask("snapshot")["deployments"]["a"]["in_flight"] == PLACES - 12
