"""Preferences: hints before priorities, each side between the best and the worst, equal ones by name."""

from __future__ import annotations

import pytest

from junctor.mcp.preferences import Candidate, Preferences, rank

FAST = Candidate(name="fast", usd=2.0, latency_s=0.2, quality=0.3)
CHEAP = Candidate(name="cheap", usd=0.1, latency_s=2.0, quality=0.5)
ABLE = Candidate(name="able", usd=20.0, latency_s=4.0, quality=0.9)
ALL = [FAST, CHEAP, ABLE]


def _order(preferences: Preferences, candidates: list[Candidate] = ALL) -> list[str]:
    return [one.name for one in rank(candidates, preferences)]


@pytest.mark.parametrize(
    ("preferences", "first"),
    [
        (Preferences(cost=1), "cheap"),
        (Preferences(speed=1), "fast"),
        (Preferences(intelligence=1), "able"),
        (Preferences(cost=1, hints=["able"]), "able"),
        (Preferences(intelligence=1, hints=["nobody", "FAST"]), "fast"),
    ],
)
def test_what_counts_alone_decides_and_a_hint_before_it(preferences: Preferences, first: str) -> None:
    assert _order(preferences)[0] == first


def test_the_hints_that_fit_come_in_their_order() -> None:
    assert _order(Preferences(cost=1, hints=["able", "fast"])) == ["able", "fast", "cheap"]


def test_without_any_preference_all_are_equal_and_stand_by_name() -> None:
    ranked = rank(ALL, Preferences())
    assert [(one.name, one.score) for one in ranked] == [("able", 0.0), ("cheap", 0.0), ("fast", 0.0)]


def test_by_prices_alone_the_dearer_is_taken_to_be_abler_and_the_cheaper_quicker() -> None:
    bare = [Candidate(name="a", usd=1.0), Candidate(name="b", usd=9.0), Candidate(name="c")]
    assert _order(Preferences(intelligence=1), bare)[0] == "b"
    assert _order(Preferences(speed=1), bare)[0] == "a"
    assert _order(Preferences(cost=1), bare)[-2:] == ["b", "c"], "an unknown price is no low one"


def test_no_candidate_is_no_rank() -> None:
    assert rank([], Preferences(cost=1)) == []
