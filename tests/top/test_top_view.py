"""Pictures and their lines: pure, so every size and every oddity is tried without a process."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
import pytest

from junctor.cli.text import Paint, width
from junctor.top import SORTS, Picture, lines, members, ordered, picture
from tests.top.pictures import PROCESS, fleet_of, look, pictured

PLAIN = Paint(False)


def test_rates_and_shares_are_those_since_the_look_before() -> None:
    told = pictured({"a": {"attempts": 30, "refusals": 4}, "b": {"attempts": 10}}, counters={"reserved": 40})
    a, b, c = told.deployments
    assert (a.share, b.share, c.share) == (0.75, 0.25, 0.0)
    assert (a.per_s["attempts"], a.per_s["refusals"]) == (15.0, 2.0)
    assert told.counters["reserved"] == msgspec.convert({"count": 40, "per_s": 20.0}, type(told.counters["reserved"]))
    assert told.over_s == 2.0


def test_two_looks_at_one_moment_and_counts_that_fell_give_no_rates() -> None:
    """A segment that was made anew counts from zero: nothing is known yet, and nothing is negative."""
    fleet = fleet_of(["a"])
    many, few = look(fleet, 100.0, {"a": {"attempts": 30}}), look(fleet, 101.0, {"a": {"attempts": 3}})
    for before, after in ((many, few), (many, many)):
        (row,) = picture(before, after, names=["a"]).deployments
        assert (row.share, row.per_s["attempts"]) == (0.0, 0.0)


def test_the_screen_of_a_usual_day() -> None:
    """As a person sees it, letter by letter."""
    told = pictured(
        {
            "a": {"attempts": 30, "in_flight": 3, "latency_s": 0.42},
            "b": {"attempts": 10, "breaker": "open", "breaker_s": 27.6, "success": 0.42, "refusals": 5},
            "c": {"gone": True},
        },
        counters={"reserved": 40, "no_capacity": 3, "probe": 0},
        processes=[PROCESS, PROCESS | {"seat": 1, "pid": 4712, "behind": True, "since_s": 99}],
        is_newest=False,
    )
    assert lines(told, PLAIN, columns=79) == [
        " junctor top  config  2 processes",
        " 20.0 attempts/s · 3 in flight · 2.5 refusals/s · 1 of 2 deployments out",
        " this file is not what the newest process runs: reload, or undo the change",
        "",
        " deployment share   /s in flight state        free latency   ok refused/s",
        " a            75% 15.0         3 closed         3%  420 ms 100%",
        " b            25%  5.0         0 failures 28s   3%  800 ms  42%       2.5",
        " c                               not running",
        "",
        " limits of        level        limit  free",
        " org        tpm  12,000  of  400,000    3%",
        " a          rpm      45  of       60   75%",
        " b          rpm      45  of       60   75%",
        " c          rpm      45  of       60   75%",
        "",
        " processes   pid   up  config",
        " seat 1     4712   3s  5f28e41ed3ac6302  behind",
        " seat 0     4711  62s  5f28e41ed3ac6302",
        "",
        " reserved 40 (20.0/s) · no_capacity 3 (1.5/s)",
    ]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({}, "closed"),
        ({"breaker": "open", "breaker_s": 27.6}, "failures 28s"),
        ({"breaker": "open", "breaker_reason": "config", "breaker_s": 290.0}, "config 5m"),
        ({"breaker": "forced_open"}, "open by hand"),
        ({"breaker": "half_open"}, "probing"),
        ({"held_s": 4.2}, "held 4s"),
        ({"held_s": 3_600.0, "exhausted": True}, "used up 1h"),
        ({"held_s": 9.0, "breaker": "open", "breaker_s": 3.0}, "failures 3s"),
        ({"gone": True}, "not running"),
    ],
)
def test_a_state_is_told_with_its_reason_and_its_time(seen: dict[str, Any], said: str) -> None:
    (row,) = [line for line in lines(pictured({"a": seen}), PLAIN, columns=79) if line.startswith(" a ")][:1]
    assert f" {said} " in f"{row} "


@pytest.mark.parametrize("columns", [20, 40, 79, 99, 119, 200])
@pytest.mark.parametrize("room", [3, 5, 8, 12, 23, 40, 1_000_000])
@pytest.mark.parametrize("colour", [False, True])
def test_it_fits_whatever_the_size(columns: int, room: int, colour: bool) -> None:
    """No line is longer than the terminal, no picture higher; a thousand deployments or none that runs."""
    for told in _crowded_and_empty():
        shown = lines(told, Paint(colour), columns=columns, room=room)
        assert len(shown) <= room
        assert max(width(line) for line in shown) <= columns


@cache
def _crowded_and_empty() -> tuple[Picture, Picture]:
    names = [f"deployment-with-a-rather-long-name-{number}" for number in range(1_000)]
    busy = {name: {"attempts": number, "breaker": "open", "breaker_s": 300.0} for number, name in enumerate(names)}
    crowd = [PROCESS | {"seat": seat} for seat in range(200)]
    counters = {f"counter_number_{number}": 10_000_000 for number in range(24)}
    return (
        pictured(busy, names=names, processes=crowd, counters=counters, leases={"org": {"rpm": {"lent": 12}}}),
        pictured({name: {"gone": True} for name in "abc"}, processes=[]),
    )


def test_of_a_thousand_the_busiest_are_shown_and_the_others_counted() -> None:
    names = [f"d{number}" for number in range(1_000)]
    told = pictured({name: {"attempts": number} for number, name in enumerate(names)}, names=names)
    told = msgspec.structs.replace(told, deployments=tuple(ordered(told.deployments, "attempts")))
    shown = lines(told, PLAIN, columns=79, room=23)
    rows = [line.split()[0] for line in shown if re.match(r" d\d+ .*closed", line)]
    assert rows == [f"d{999 - place}" for place in range(len(rows))]
    assert len(rows) >= 4
    assert f" and {1_000 - len(rows):,} more deployments" in shown


def test_what_does_not_fit_is_counted_line_for_line() -> None:
    """The line that counts takes a line itself: nothing is left out without being told."""
    crowd = [PROCESS | {"seat": seat} for seat in range(30)]
    shown = lines(pictured({}, processes=crowd), PLAIN, columns=79, room=23)
    listed = sum(line.startswith(" seat ") for line in shown)
    assert f" and {30 - listed} more processes" in shown


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("attempts", "busy"),
        ("in-flight", "loaded"),
        ("free", "empty"),
        ("latency", "slow"),
        ("success", "failing"),
        ("refusals", "refusing"),
        ("state", "ill"),
        ("name", "busy"),
    ],
)
def test_each_sort_has_its_first(sort: str, first: str) -> None:
    names = ["busy", "loaded", "empty", "slow", "failing", "refusing", "ill", "absent"]
    limits = {name: {"rpm": {"limit": 60, "level": 45, "free": 0.0 if name == "empty" else 0.75}} for name in names}
    told = pictured(
        {
            "busy": {"attempts": 50},
            "loaded": {"in_flight": 9},
            "slow": {"latency_s": 9.0},
            "failing": {"success": 0.1},
            "refusing": {"refusals": 9},
            "ill": {"breaker": "open"},
            "absent": {"gone": True},
        },
        names=names,
        pools=limits,
    )
    rows = ordered(told.deployments, sort)
    assert (rows[0].name, rows[-1].name) == (first, "absent")
    assert set(SORTS) >= {sort}


def test_a_group_a_model_and_a_deployment_are_found_by_name() -> None:
    fleet = fleet_of(["a", "b"])
    assert members(fleet, "strong") == ("a", "b")
    assert members(fleet, "near/m") == ("a", "b")
    assert members(fleet, "b") == ("b",)
    assert members(fleet, "nobody") == ()


def test_leases_are_told_if_there_are_any() -> None:
    assert not any("leases" in line for line in lines(pictured({}), PLAIN, columns=79))
    leases = {"coordinator": "away", "hosts": 3, "failures": 1_200}
    shown = lines(pictured({}, leases=leases), PLAIN, columns=79)
    at = shown.index(" leases")
    assert shown[at + 1] == " coordinator away  hosts 3  failures 1,200"
