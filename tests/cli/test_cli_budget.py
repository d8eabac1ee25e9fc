"""`junctor budget`: a month's money by hand, what a mix may not say, and a log beside the plan."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from junctor.planning import spent
from junctor.planning.mix import Margins

Run = Callable[..., Any]

MIX: dict[str, Any] = {
    "version": 1,
    "days": 30,
    "peak": 2,
    "margins": {"attempts": 1, "conversation": 2, "prompts": 1, "trials": 1, "unplanned": 1},
    "traffic": [
        {"name": "talk", "per_day": 100, "request": {"input_tokens": 1000, "output_tokens": 200}},
        {"name": "read", "per_day": 10, "cached_share": 0.5,
         "request": {"task": "extraction", "input_tokens": 2000, "output_tokens": 500}},
    ],
}  # fmt: skip


def written(**changed: Any) -> str:
    """The mix with these sections in place of its own, as a file in the working directory."""
    Path("mix.yaml").write_bytes(msgspec.yaml.encode(MIX | changed))
    return "mix.yaml"


def planned(run: Run, fleet: Path, *argv: str, status: int = 0, **changed: Any) -> dict[str, Any]:
    """The plan as JSON."""
    ran = run("budget", "--json", str(fleet), written(**changed), *argv)
    assert (ran.status, ran.err) == (status, "")
    told: dict[str, Any] = json.loads(ran.out)
    return told


def test_the_sum_is_calls_times_price_after_the_rule_had_its_word(run: Run, fleet: Path) -> None:
    told = planned(run, fleet)
    talk, read = told["lines"]
    # 1000 tokens at $5 and 200 at $25 a million are 10,000 micro-dollars, 3,000 times; both deployments cost the same
    assert (talk["group"], talk["cost"], talk["least"], talk["most"]) == ("strong", 30_000_000, 30_000_000, 30_000_000)
    # the rule caps the answer at 100 tokens: 2000 at $1 and 100 at $5 are 2,500, 300 times; no cheaper cached price
    assert (read["group"], read["rule"], read["output_tokens"], read["cost"]) == ("small", "extraction", 100, 750_000)
    assert (told["plain"], told["margin"], told["total"]) == (30_750_000, 2.0, 61_500_000)
    assert told["over"] is False


def test_shares_are_those_that_the_core_draws(run: Run, fleet: Path) -> None:
    talk, _ = planned(run, fleet)["lines"]
    assert sum(talk["shares"].values()) == pytest.approx(1)
    assert talk["shares"]["big-eu"] == pytest.approx(2 / 3, abs=0.1)
    law = [{"name": "law", "per_day": 1, "request": {"data": "eu-personal", "input_tokens": 900, "output_tokens": 9}}]
    assert planned(run, fleet, traffic=law)["lines"][0]["shares"] == {"big-eu": 1.0}


def test_cached_tokens_cost_what_cached_tokens_cost(run: Run, fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("input: 1, output: 5", "input: 1, cached_input: 0.1, output: 5"))
    _, read = planned(run, fleet)["lines"]
    assert read["cost"] == 300 * (1_000 + 100 + 500)


def test_usual_margins_are_the_rule_of_thumb_and_the_product_of_their_parts() -> None:
    assert round(Margins().together, 2) == 1.70
    assert Margins(attempts=2, conversation=3, prompts=1, trials=1, unplanned=1).together == 6


def test_limits_are_held_against_the_busiest_minute(run: Run, fleet: Path) -> None:
    """60 a minute at each of two; 2 × 200,000 a day / 1,440 = 278 a minute are too many for them."""
    busy = [MIX["traffic"][0] | {"per_day": 200_000}]
    told = planned(run, fleet, traffic=busy, status=1)
    needs = {(need["pool"], need["dimension"]): need["needed"] for need in told["needs"]}
    assert sum(needs.values()) == pytest.approx(200_000 * 2 / 1_440)
    assert told["short"] == 2
    said = run("budget", str(fleet), written(traffic=busy))
    assert said.status == 1
    assert "rpm of big-eu is too small" in said.out


def test_daily_limits_are_held_against_a_day(run: Run, fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("region: us, rpm: 60", "region: us, rpd: 150, usd_per_day: 0.5"))
    fleet.write_text(fleet.read_text().replace("members: [big-us, big-eu]", "members: [big-us]"))
    told = planned(run, fleet, traffic=MIX["traffic"][:1], status=1)
    assert {need["dimension"]: (need["needed"], need["limit"]) for need in told["needs"]} == {
        "rpd": (100, 150),
        "usd_per_day": (1_000_000, 500_000),
    }


def test_over_budget_and_unserved_are_reasons_not_to_go_live(run: Run, fleet: Path) -> None:
    assert planned(run, fleet, budget_usd=61.5)["over"] is False
    assert planned(run, fleet, budget_usd=61.49, status=1)["over"] is True
    lost = [{"name": "pictures", "per_day": 1, "request": {"needs": ["images"], "input_tokens": 9}}]
    ran = run("budget", str(fleet), written(traffic=lost))
    assert ran.status == 1
    assert "nobody may serve 'pictures'" in ran.out
    refused = [{"name": "robots", "per_day": 1, "request": {"user_tier": "robot", "input_tokens": 9}}]
    assert planned(run, fleet, traffic=refused, status=1)["lines"][0]["shares"] == {}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"days": 0}, "days: 0 is not a number from 1 to 366"),
        ({"traffic": []}, "traffic"),
        ({"margins": {"retries": 1.1}}, "margins.retries"),
        ({"margins": {"attempts": 0.5}}, "margins.attempts: 0.5 is not a number from 1 to 10"),
        ({"traffic": [MIX["traffic"][0] | {"per_day": -1}]}, "traffic[0].per_day: -1 is not a number from 0.001"),
        ({"traffic": [MIX["traffic"][0] | {"request": {"temprature": 1}}]}, "the request of 'talk'"),
        ({"version": 2}, "version"),
    ],
)
def test_what_a_mix_may_not_say_is_named(run: Run, fleet: Path, changed: dict[str, Any], says: str) -> None:
    ran = run("budget", str(fleet), written(**changed))
    assert (ran.status, ran.out) == (2, "")
    assert "mix.yaml" in ran.err
    assert says in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("text", ["traffic: [", "- 1", "", "\xff"])
def test_what_is_no_mix_is_one_line(run: Run, fleet: Path, text: str) -> None:
    Path("mix.yaml").write_bytes(text.encode("latin-1"))
    ran = run("budget", str(fleet), "mix.yaml")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "mix.yaml" in ran.err


def log_of(*calls: tuple[int, str, float]) -> list[bytes]:
    """Lines of a log: hour, group and dollars of each call."""
    return [
        msgspec.json.encode({"event": "call", "time": f"2026-11-0{1 + hour // 24}T{hour % 24:02}:00:00.000Z",
                             "group": group, "cost_usd": usd}) + b"\n"
        for hour, group, usd in calls
    ]  # fmt: skip


def test_a_log_is_summed_by_group_and_scaled_to_the_month(run: Run, fleet: Path) -> None:
    lines = [*log_of((0, "strong", 1.0), (24, "strong", 2.0), (48, "small", 0.5)), b"Listening on port 80\n", b"{}\n"]
    told = spent(lines)
    assert (told.calls, told.cost, told.span_s, told.foreign) == (3, 3_500_000, 172_800, 2)
    assert told.by_group == {"small": 500_000, "strong": 3_000_000}
    assert told.over(30) == 52_500_000
    assert told.attempts is None
    with gzip.open("log.gz", "wb") as log:
        log.writelines(lines)
    assert planned(run, fleet, "--log", "log.gz")["spent"]["projected"] == 52_500_000
    ran = run("budget", str(fleet), written(), "--log", "log.gz")
    assert "$52.50 in 30 days at that rate, 85% of the plan" in ran.out
    assert "2 lines of the log told of no call" in ran.out


def test_a_short_or_empty_log_says_nothing_of_a_month() -> None:
    assert spent([]).over(30) is None
    assert spent(log_of((0, "strong", 1.0))).over(30) is None


def test_attempts_of_a_log_measure_their_margin() -> None:
    attempt = {"event": "attempt", "time": "2026-11-01T00:00:00.000Z"}
    lines = [
        msgspec.json.encode(attempt | {"outcome": outcome, "cost_usd": usd})
        for outcome, usd in [("ok", 0.75), ("ok", 0.25), ("truncated", 0.1), ("cancelled", 0.05)]
    ]
    told = spent(lines).attempts
    assert told is not None
    assert math.isclose(told, 1.15)


def test_a_log_that_ends_in_the_middle_is_named(run: Run, fleet: Path) -> None:
    Path("log.gz").write_bytes(gzip.compress(b"".join(log_of((0, "strong", 1.0))))[:-9])
    ran = run("budget", str(fleet), written(), "--log", "log.gz")
    assert ran.status == 2
    assert "log.gz" in ran.err
