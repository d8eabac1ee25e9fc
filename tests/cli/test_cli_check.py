"""`junctor check`: statuses, lines, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_a_sound_file_is_status_0(run: Run, fleet: Path) -> None:
    status, out, err = run("check", str(fleet))
    assert (status, err) == (0, "")
    assert out == f"{fleet}: no problem found\n"


def test_an_error_is_status_1_and_one_line_with_its_place(run: Run, fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("members: [big-us, big-eu]", "members: [big-us, big-eo]"))
    status, out, err = run("check", str(fleet))
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "error: fleet.yaml:12: groups.strong.members[1]: there is no deployment 'big-eo'; did you mean 'big-eu'?",
        f"{fleet}: 1 error, 0 warnings",
    ]


def test_a_warning_is_status_0_unless_strict(run: Run, fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("members: [small-us, small-eu]", "members: [small-us]"))
    assert run("check", str(fleet)).status == 0
    status, out, _ = run("check", "--strict", str(fleet))
    assert status == 1
    assert "warning: fleet.yaml:13: groups.small: has one member" in out


def test_json_has_every_problem_with_its_parts(run: Run, fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("rpm: 60", "rmp: 60", 1))
    status, out, err = run("check", "--json", str(fleet))
    told = json.loads(out)
    assert (status, err) == (1, "")
    assert told.keys() == {"file", "ok", "errors", "warnings", "problems"}
    assert (told["file"], told["ok"], told["errors"], told["warnings"]) == (str(fleet), False, 1, 0)
    (problem,) = told["problems"]
    assert problem["severity"] == "error"
    assert problem["path"] == "deployments.big-us.rmp"
    assert problem["line"] == 6
    assert "did you mean 'rpm'?" in problem["message"]


def test_json_of_a_sound_file_is_ok(run: Run, fleet: Path) -> None:
    assert json.loads(run("check", "--json", str(fleet)).out)["ok"] is True


def test_a_file_that_cannot_be_read_is_status_2(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    status, out, err = run("check", str(missing))
    assert (status, out) == (2, "")
    assert err == f"junctor: {missing} cannot be read (No such file or directory); give the path of a file\n"


@pytest.mark.parametrize(
    "raw", [b"", b"~", b"- 1", b"version: [1\n", b"\xff\xfe", b"a: !run x", b"[" * 9000, b"x" * 1_000_000]
)
def test_what_is_no_fleet_file_at_all_is_told_with_status_2(run: Run, fleet: Path, raw: bytes) -> None:
    fleet.write_bytes(raw)
    status, out, err = run("check", str(fleet))
    assert (status, err, out.count("\n")) == (2, "", 2)
    assert out.startswith("error: fleet.yaml:")
    told = json.loads(run("check", "--json", str(fleet)).out)
    assert [problem["unreadable"] for problem in told["problems"]] == [True]


def test_toml_that_python_cannot_convert_is_told_with_status_2(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(f"version = {'9' * 5000}\n")
    status, out, _ = run("check", str(file))
    assert (status, out.count("\n")) == (2, 2)
