"""A reload in one worker: the others follow or are listed as behind, and what they hold stays theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from junctor.testing import Server
from tests.processes.fleets import fleet, fleet_file, limit
from tests.processes.test_exact import Places
from tests.processes.workers import Nursery, Worker, several, until


def behind(worker: Worker) -> dict[int, bool]:
    """Whether each process, by its id, runs another configuration than the newest."""
    return {each["pid"]: each["behind"] for each in worker.ask("snapshot")["processes"]}


def places(worker: Worker) -> int:
    limit: int = worker.ask("snapshot")["pools"]["only"]["concurrency"]["limit"]
    return limit


def test_workers_follow_a_reload_by_their_clients_calls_or_when_they_are_told(nursery: Nursery, folder: Path) -> None:
    """One reloads, one calls, one has a loop of its own."""
    with Server(Places()).in_thread() as server:
        path = fleet_file(folder, server.url, concurrency=5)
        one, calling, own_loop = nursery.workers(3)
        for worker in (one, calling, own_loop):
            worker.ask("open_file", path=str(path))
        calling.ask("keep_client")
        fleet_file(folder, server.url, concurrency=9)
        one.ask("reload_from", path=str(path))
        assert behind(one) == {one.pid: False, calling.pid: True, own_loop.pid: True}
        calling.ask("call")
        until(lambda: places(calling) == 9, "it follows")
        assert behind(one) == {one.pid: False, calling.pid: False, own_loop.pid: True}
        assert places(own_loop) == 5
        assert own_loop.ask("catch_up") is True
        assert places(own_loop) == 9
        assert not any(behind(one).values())


def test_a_worker_whose_file_says_otherwise_is_listed_as_behind(nursery: Nursery, folder: Path) -> None:
    """Two files of one name, as after half of a roll-out."""
    files = []
    for name in ("old", "new"):
        (folder / name).mkdir()
        told = json.loads(fleet_file(folder / name, "http://127.0.0.1:9", concurrency=5).read_text())
        files.append(folder / name / "fleet.yaml")
        files[-1].write_text(json.dumps({**told, "name": "one"}))
    old, new = nursery.workers(2)
    old.ask("open_file", path=str(files[0]))
    new.ask("open_file", path=str(files[1]))
    files[1].write_text(files[1].read_text().replace('"concurrency": 5', '"concurrency": 9'))
    new.ask("reload_from", path=str(files[1]))
    assert old.ask("catch_up") is False
    assert behind(new) == behind(old) == {old.pid: True, new.pid: False}
    assert (places(old), places(new)) == (5, 9)
    assert (old.ask("reserve", count=20), new.ask("reserve", count=20)) == (5, 4), "one gauge, each by its own limit"


def names(prefix: str, count: int) -> dict[str, Any]:
    """A fleet of deployments with these names, each with a limit of its own."""
    own = [f"{prefix}{number}" for number in range(count)]
    return fleet(*own, hash=prefix, limits={name: [limit("concurrency", 10)] for name in own})


def test_nothing_of_an_older_fleet_is_given_back_while_somebody_runs_it(nursery: Nursery, directory: str) -> None:
    """Removed and renamed deployments: those who still run them keep their limits, whatever others reload."""
    old, new = several(nursery, 2, directory=directory, fleet=names("old", 20))
    assert old.ask("reserve", count=4, model="old0") == 4
    new.ask("reload", fleet=names("renamed", 20))
    new.ask("reload", fleet=names("more", 20))
    with pytest.raises(AssertionError, match="ConfigError"):
        new.ask("reload", fleet=names("tooo_many", 20))
    assert old.ask("reserve", count=20, model="old0") == 6, "four and six: the limit has not forgotten"
    assert new.ask("reserve", count=20, model="more3") == 10
    assert old.ask("settle") == new.ask("settle") == 10
    told = old.ask("snapshot")["deployments"]
    assert (told["old0"]["in_flight"], told["old0"]["attempts"]) == (0, 10)
    nursery.forget(old)
    until(lambda: len(behind(new)) == 1, "reaped", within_s=2)
    new.ask("reload", fleet=names("tooo_many", 20))
    assert new.ask("reserve", count=20, model="tooo_many1") == 10


def test_attempts_under_way_end_where_they_are_when_another_worker_reloads(nursery: Nursery, directory: str) -> None:
    """B64 among processes: the deployment is gone from the newest fleet before its attempts are over."""
    one, two = several(nursery, 2, directory=directory, fleet=names("d", 3))
    assert (one.ask("reserve", count=3, model="d1"), two.ask("reserve", count=5, model="d1")) == (3, 5)
    one.ask("reload", fleet=names("d", 1))
    assert one.ask("settle") == 3
    two.ask("reload", fleet=names("d", 1))
    assert two.ask("settle") == 5
    one.ask("reload", fleet=names("d", 3))
    told = one.ask("snapshot")
    assert told["deployments"]["d1"]["in_flight"] == 0
    assert told["pools"]["d1"]["concurrency"]["level"] == 10
