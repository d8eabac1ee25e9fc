"""`junctor top` beside real workers: what it sees, what it leaves alone, how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from junctor import runtime
from junctor.cli import main
from junctor.cli.top import SORTS as OFFERED
from junctor.top import SORTS
from tests.top.worker import Worker

Start = Callable[[Path], Worker]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `junctor top` in this process, with looks that are close together."""

    def ran(*argv: str) -> tuple[int, str, str]:
        status = main(["top", *argv, "--interval", "0.1"])
        said = capsys.readouterr()
        return status, said.out, said.err

    return ran


def _json(run: Run, *argv: str) -> dict[str, Any]:
    status, out, err = run(*argv, "--json")
    assert (status, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    return told


def _row(told: dict[str, Any], name: str) -> dict[str, Any]:
    (row,) = (row for row in told["deployments"] if row["name"] == name)
    return dict(row)


def test_json_tells_what_the_workers_do(fleet: Path, start: Start, run: Run) -> None:
    """Two workers, one state: what one holds and what the other settled are in one picture."""
    one, two = start(fleet), start(fleet)
    one.do("held.append(router.reserve('big-us', input_tokens=10, output_tokens=10))")
    two.do("router.reserve('big-eu', input_tokens=90, output_tokens=5).settle('ok', input_tokens=90, output_tokens=4)")
    two.do("[router.reserve('small').settle('server') for _ in range(5)]")
    told = _json(run, str(fleet))
    assert told.keys() == {
        "file", "segment", "at_s", "over_s", "is_newest", "deployments", "limits", "processes", "counters", "leases",
    }  # fmt: skip
    assert told["is_newest"] is True
    assert told["over_s"] >= 0.1
    assert _row(told, "big-us")["seen"]["in_flight"] == 1
    assert _row(told, "big-eu")["seen"]["succeeded"] == 1
    ill = _row(told, "small")["seen"]
    assert (ill["breaker"], ill["breaker_reason"]) == ("open", "failures")
    assert 0 < ill["breaker_s"] <= 30
    own = {(limit["pool"], limit["dimension"]): limit for limit in told["limits"]}
    assert own["big-us", "rpm"]["limit"] == 60
    assert own["org", "rpm"]["level"] in (5_998, 5_999, 6_000)
    assert own["big-eu", "concurrency"]["level"] == 8
    processes = {process["pid"]: process for process in told["processes"]}
    assert processes.keys() == {one.process.pid, two.process.pid}
    assert all(each["alive"] and not each["behind"] and each["up_s"] < 600 for each in processes.values())
    assert told["counters"]["reserved"]["count"] == 7


def test_looking_takes_no_seat_and_writes_no_word(fleet: Path, start: Start, run: Run) -> None:
    """Byte for byte the segment is as it was, and no file was made beside it."""
    worker = start(fleet)
    worker.do("router.reserve('small').settle('ok')")
    folder = Path(runtime.directory())
    files = sorted(folder.iterdir())
    segment = Path(_json(run, str(fleet))["segment"])
    before = segment.read_bytes()
    assert len(_json(run, str(fleet))["processes"]) == 1
    assert segment.read_bytes() == before
    assert sorted(folder.iterdir()) == files


def test_a_deployment_that_nobody_runs_is_told_apart(fleet: Path, start: Start, run: Run) -> None:
    """The file has one more than the workers have read: it is not running, and the picture says why."""
    worker = start(fleet)
    fleet.write_text(fleet.read_text().replace("groups:", "  new: {model: near/new, rpm: 5}\ngroups:"))
    told = _json(run, str(fleet))
    assert told["is_newest"] is False
    assert _row(told, "new") == {
        "name": "new", "running": False, "share": 0.0, "per_s": {}, "limits": [], "seen": None,
    }  # fmt: skip
    status, out, _ = run(str(fleet), "--once")
    assert status == 0
    assert " new" in out
    assert "not running" in out
    assert "this file is not what the newest process runs" in out
    worker.do("router.reload_from('fleet.yaml')")
    assert _row(_json(run, str(fleet)), "new")["running"] is True


def test_a_killed_worker_is_listed_until_it_is_swept(fleet: Path, start: Start, run: Run) -> None:
    """An observer sweeps nothing: it says who is gone, and whoever works next clears it away."""
    alive, dead = start(fleet), start(fleet)
    dead.do("held.append(router.reserve('small'))")
    dead.kill()
    told = _json(run, str(fleet))
    assert {each["pid"]: each["alive"] for each in told["processes"]} == {
        alive.process.pid: True,
        dead.process.pid: False,
    }
    assert _row(told, "small")["seen"]["in_flight"] == 1
    assert "gone, not yet swept" in run(str(fleet), "--once")[1]
    alive.do("until(lambda: len(router.snapshot()['processes']) == 1)")
    told = _json(run, str(fleet))
    assert [each["pid"] for each in told["processes"]] == [alive.process.pid]
    assert _row(told, "small")["seen"]["in_flight"] == 0


def test_a_worker_that_runs_an_older_file_is_behind(fleet: Path, start: Start, run: Run) -> None:
    old, new = start(fleet), start(fleet)
    fleet.write_text(fleet.read_text().replace("rpm: 6000", "rpm: 5000"))
    new.do("router.reload_from('fleet.yaml')")
    told = _json(run, str(fleet))
    assert {each["pid"]: each["behind"] for each in told["processes"]} == {
        old.process.pid: True,
        new.process.pid: False,
    }
    assert "behind" in run(str(fleet), "--once")[1]


def test_a_group_is_shown_alone(fleet: Path, start: Start, run: Run) -> None:
    start(fleet)
    assert [row["name"] for row in _json(run, str(fleet), "--group", "strong", "--sort", "name")["deployments"]] == [
        "big-eu",
        "big-us",
    ]
    told = _json(run, str(fleet), "--group", "near/small")
    assert [row["name"] for row in told["deployments"]] == ["small"]
    assert told["limits"] == []
    status, out, err = run(str(fleet), "--group", "strnog")
    assert (status, out) == (2, "")
    assert err == "junctor: --group is 'strnog', which nothing is called; did you mean 'strong'?\n"


def test_nobody_has_it_open(fleet: Path, start: Start, run: Run) -> None:
    """Never opened, and open no more: one sentence, status 1."""
    place = f"nothing in {runtime.directory()} for file {os.path.realpath(fleet)}"
    assert run(str(fleet)) == (
        1,
        "",
        f"junctor: no process of this user has fleet.yaml open ({place}); start a worker, then look again\n",
    )
    worker = start(fleet)
    assert run(str(fleet))[0] == 0
    worker.leave()
    assert run(str(fleet)) == (
        1,
        "",
        "junctor: no process has fleet.yaml open any more; start a worker, then look again\n",
    )


def test_a_fleet_of_one_process_cannot_be_looked_at(fleet: Path, run: Run) -> None:
    fleet.write_text(fleet.read_text().replace("version: 1", "version: 1\nstate: process"))
    said = "each process keeps a state of its own that nobody else can see"
    assert run(str(fleet)) == (1, "", f"junctor: fleet.yaml says `state: process`: {said}\n")


def test_a_directory_of_somebody_else_is_told(fleet: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that is there and cannot be trusted is no state."""
    open_to_all = Path("open")
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setenv(runtime.DIRECTORY_VARIABLE, str(open_to_all.absolute()))
    status, out, err = run(str(fleet))
    assert (status, out) == (1, "")
    assert err.startswith("junctor: the state of fleet.yaml cannot be looked at: the runtime directory ")
    assert list(open_to_all.iterdir()) == []
    monkeypatch.setenv(runtime.DIRECTORY_VARIABLE, str(Path("missing").absolute()))
    assert run(str(fleet))[0] == 1
    assert not Path("missing").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("rpm: 6000", "rmp: 6000"), "junctor: fleet.yaml:5: pools.org.rmp: "),
        (("version: 1", "version: 2"), "junctor: fleet.yaml:1: version: "),
    ],
)
def test_a_wrong_file_is_status_2(fleet: Path, run: Run, change: tuple[str, str], said: str) -> None:
    fleet.write_text(fleet.read_text().replace(*change))
    status, out, err = run(str(fleet))
    assert (status, out) == (2, "")
    assert err.startswith(said)


def test_a_missing_file_is_status_2(run: Run) -> None:
    assert run("missing.yaml")[0] == 2


def test_the_help_offers_what_the_view_can_do() -> None:
    assert tuple(SORTS) == OFFERED
