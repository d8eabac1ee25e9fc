"""`sessions:` and `escalation:` of the fleet file: what is wrong is told with path and hint, what is right arrives."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from junctor import config
from junctor.exceptions import ConfigError

FLEET: dict[str, Any] = {
    "version": 1,
    "state": "process",
    "providers": {"near": {"adapter": "openai", "base_url": "http://127.0.0.1:9/v1"}},
    "deployments": {
        "small": {"model": "near/small", "rpm": 60, "price": {"input": 1, "output": 1}, "quality": 0.5},
        "large": {"model": "near/large", "rpm": 60, "price": {"input": 9, "output": 9}, "quality": 0.9},
    },
    "groups": {"g": {"members": ["small", "large"], "objective": "cheapest"}},
}


def read(group: dict[str, Any] | None = None, **sections: Any) -> config.Config:
    groups = {"g": {**FLEET["groups"]["g"], **(group or {})}}
    return config.from_mapping({**FLEET, "groups": groups, **sections})


def compiled(fleet: config.Config) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(config.compile(fleet, secrets=False).fleet)
    return found


def test_a_fleet_that_says_nothing_of_sessions_compiles_as_it_always_did() -> None:
    body = compiled(read())
    assert "sessions" not in body
    assert "one_way" not in body["groups"][0]
    assert "prefill_us_per_token" not in body["balance"]


def test_what_is_said_of_sessions_reaches_the_core_in_its_units() -> None:
    fleet = read(sessions={"idle_s": 60, "most": 7, "budget_usd": 0.25, "budget_tokens": 9_000})
    assert compiled(fleet)["sessions"] == {"idle_s": 60, "most": 7, "usd_micros": 250_000, "tokens": 9_000}
    body = compiled(read({"escalation": "one-way"}, balance={"prefill_us_per_token": 20}))
    assert body["groups"][0]["one_way"] is True
    assert body["sessions"] == {"idle_s": 3_600, "most": 10_000, "usd_micros": None, "tokens": None}
    assert body["balance"]["prefill_us_per_token"] == 20


CASCADE = {"steps": ["small", "large"], "signal": "schema", "accept": 1, "escalation": "one-way"}


@pytest.mark.parametrize(
    ("group", "sections", "message"),
    [
        (
            {},
            {"sessions": {}},
            "sessions: binds nothing; give it budget_usd or budget_tokens, or a group or cascade escalation: one-way",
        ),
        (
            {"objective": "balanced", "escalation": "one-way"},
            {},
            "groups.g.escalation: does nothing without an objective: load alone chooses; give the group an objective",
        ),
        (
            {"objective": {"quality": 0}, "escalation": "one-way"},
            {},
            "groups.g.escalation: does nothing without an objective: load alone chooses; give the group an objective",
        ),
        (
            {"members": ["small"], "escalation": "one-way"},
            {},
            "groups.g.escalation: does nothing: its members are of one quality; say which is stronger by `quality`",
        ),
        ({"escalation": "twice"}, {}, "groups.g.escalation: "),
        ({}, {"sessions": {"budget_usd": 0}}, "sessions.budget_usd: "),
        ({}, {"sessions": {"budget_tokens": 1, "idle_s": 0}}, "sessions.idle_s: "),
        ({}, {"sessions": {"budget_tokens": 1, "most": 0}}, "sessions.most: "),
        ({}, {"sessions": {"budget": 1}}, "sessions.budget: "),
        ({}, {"balance": {"prefill_us_per_token": -1}}, "balance.prefill_us_per_token: "),
    ],
)
def test_what_is_wrong_is_told(group: dict[str, Any], sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(group, **sections)
    assert message in str(caught.value)


def test_a_cascade_that_goes_one_way_is_enough_to_say_something_of_sessions() -> None:
    fleet = read(sessions={"idle_s": 60}, cascades={"c": CASCADE})
    assert fleet.cascades["c"].one_way
    assert fleet.sessions is not None
    assert read(cascades={"c": {**CASCADE, "escalation": "free"}}).sessions is None
