"""Conditions: the short form of the file and the core's form say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Fleet = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def when(fleet_of: Fleet) -> Callable[[dict[str, Any]], Any]:
    """What a condition compiles to."""

    def compiled(condition: dict[str, Any]) -> Any:
        rules = [{"when": condition, "use": "a"}]
        fleet = {"version": 1, "deployments": {"a": {"model": "openai/gpt-4.1"}}, "rules": rules}
        return fleet_of(fleet)["rules"][0]["when"]

    return compiled


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("<500", None, 499),
        ("<= 500", None, 500),
        (">500", 501, None),
        (">=1_000", 1000, None),
        ("500..2000", 500, 2000),
        (" 500 .. 500 ", 500, 500),
        ("=7", 7, 7),
        ("1,000", 1000, 1000),
        (7, 7, 7),
        ({"min": 3}, 3, None),
        ({"min": 3, "max": 4}, 3, 4),
        ("<=0", None, 0),
    ],
)
def test_every_way_to_write_a_range(
    when: Callable[..., Any], written: object, low: int | None, high: int | None
) -> None:
    assert when({"input_tokens": written}) == {"number": "input_tokens", "min": low, "max": high}


@pytest.mark.parametrize(
    ("written", "core"),
    [
        ({}, {}),
        ({"task": "chat"}, {"attribute": "task", "one_of": ["chat"]}),
        ({"priority": [1, "1", 2]}, {"attribute": "priority", "one_of": ["1", "2"]}),
        ({"model": "auto"}, {"attribute": "model", "one_of": ["auto"]}),
        ({"streaming": False}, {"flag": "streaming", "is": False}),
        ({"tags": {"beta": True}}, {"attribute": "beta", "one_of": ["true"]}),
        ({"tags": {"env": {"prefix": "prod"}}}, {"attribute": "env", "prefix": "prod"}),
        ({"tags": {"team": {"present": True}}}, {"attribute": "team", "present": True}),
        ({"tags": {"team": {"present": False}}}, {"not": {"attribute": "team", "present": True}}),
        ({"not": {"task": "a"}}, {"not": {"attribute": "task", "one_of": ["a"]}}),
        ({"any": [{"task": "a"}, {}]}, {"any": [{"attribute": "task", "one_of": ["a"]}, {}]}),
        ({"all": []}, {"all": []}),
        (
            {"user_tier": "free", "tools": True},
            {"all": [{"attribute": "user_tier", "one_of": ["free"]}, {"flag": "tools", "is": True}]},
        ),
    ],
)
def test_every_kind_of_condition(when: Callable[..., Any], written: dict[str, Any], core: object) -> None:
    assert when(written) == core
