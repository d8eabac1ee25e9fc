"""Signals: exact numbers, and nothing that looks like a number where there is none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.cascade import signals
from junctor.cascade.signals import LOGPROB_SIGNALS, Tokens, agreement, normalised, read, tokens_of, verbal_score

GOOD = st.floats(min_value=-50, max_value=0)
KEYS = st.sampled_from(["content", "logprob", "top_logprobs"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)
)


def told(*logprobs: Any, tops: list[list[float]] | None = None) -> dict[str, Any]:
    """Log-probabilities as providers tell them."""
    return {
        "content": [
            {
                "token": "x",
                "logprob": value,
                "top_logprobs": [{"token": "y", "logprob": top} for top in (tops[place] if tops else ())],
            }
            for place, value in enumerate(logprobs)
        ]
    }


def test_exact_numbers() -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    even = told(half, quarter, tops=[[half, half], [quarter, half, quarter]])
    assert read("mean_logprob", even).value == pytest.approx(math.log(0.125) / 2)
    assert read("min_logprob", even).value == pytest.approx(quarter)
    assert read("margin", even).value == pytest.approx((0.0 + 0.25) / 2)
    assert read("entropy", even).value == pytest.approx(-(math.log(2) + 1.5 * math.log(2)) / 2)


def test_what_the_alternatives_leave_open_counts_as_one_token_more() -> None:
    listed = told(math.log(0.5), tops=[[math.log(0.5), math.log(0.25)]])
    assert read("entropy", listed).value == pytest.approx(-1.5 * math.log(2))


@pytest.mark.parametrize(
    ("logprobs", "why"),
    [
        (None, "the answer came without log-probabilities"),
        ({}, "the answer came without log-probabilities"),
        ([], "the answer came without log-probabilities"),
        ({"content": None}, "the answer came without log-probabilities"),
        ({"content": []}, "the list of log-probabilities is empty"),
        ({"content": "-0.1"}, "the log-probabilities are no list of tokens"),
        ({"content": [3]}, "token 1 has no log-probability"),
        (told(-0.1, None), "token 2 has no log-probability"),
        (told(-0.1, True), "token 2 has no log-probability"),
        (told(-0.1, "-0.2"), "token 2 has no log-probability"),
        (told(math.nan), "token 1 has the log-probability nan"),
        (told(-math.inf), "token 1 has the log-probability -inf"),
        (told(0.25), "token 1 has the log-probability 0.25, which is above 0"),
        (told(-0.1, tops=[[0.5, -0.1]]), "token 1: an alternative has the log-probability 0.5, which is above 0"),
    ],
)
def test_what_is_no_reading_says_why(logprobs: Any, why: str) -> None:
    for signal in LOGPROB_SIGNALS:
        assert read(signal, logprobs) == (None, why)


def test_without_alternatives_there_is_no_entropy() -> None:
    for signal in ("entropy", "margin"):
        assert read(signal, told(-0.1)) == (None, "the answer came without the alternatives of each token")
        assert read(signal, told(-0.1, -0.1, tops=[[-0.1, -3.0], [-0.1]])).value is None


def test_a_hair_above_zero_is_rounding() -> None:
    assert read("min_logprob", told(1e-7)).value == 0.0


@settings(max_examples=60)
@given(st.lists(GOOD, min_size=1, max_size=50))
def test_the_mean_lies_between_the_minimum_and_zero_and_order_does_not_matter(values: list[float]) -> None:
    mean, least = read("mean_logprob", told(*values)).value, read("min_logprob", told(*values)).value
    assert mean is not None
    assert least == min(values)
    assert least - 1e-9 <= mean <= 0
    assert read("mean_logprob", told(*reversed(values))).value == mean


@settings(max_examples=60)
@given(st.lists(GOOD, min_size=1, max_size=20), st.integers(0, 19), st.floats(0.01, 10))
def test_a_less_likely_token_never_raises_confidence(values: list[float], place: int, less: float) -> None:
    worse = [value - less if at == place % len(values) else value for at, value in enumerate(values)]
    for signal in ("mean_logprob", "min_logprob"):
        before, after = read(signal, told(*values)).value, read(signal, told(*worse)).value
        assert before is not None
        assert after is not None
        assert after <= before


@settings(max_examples=60)
@given(st.lists(st.lists(st.floats(0.001, 1), min_size=2, max_size=6), min_size=1, max_size=10))
def test_entropy_and_margin_stay_in_their_ranges(weights: list[list[float]]) -> None:
    tops = [[math.log(one / (sum(row) * 1.1)) for one in row] for row in weights]
    logprobs = told(*[row[0] for row in tops], tops=tops)
    entropy, margin = read("entropy", logprobs).value, read("margin", logprobs).value
    assert entropy is not None
    assert margin is not None
    assert -math.log(7) - 1e-9 <= entropy <= 0
    assert 0 <= margin <= 1


@settings(max_examples=60)
@given(ANYTHING)
def test_whatever_a_provider_sends_is_a_finite_number_or_a_reason(logprobs: Any) -> None:
    for signal in LOGPROB_SIGNALS:
        value, why = read(signal, logprobs)
        assert (value is None and why) or (value is not None and math.isfinite(value))


def test_tokens_are_what_they_were() -> None:
    assert tokens_of(told(-1, -0.5)) == Tokens((-1.0, -0.5), ())


def test_samples_are_compared_without_case_punctuation_and_width() -> None:
    assert normalised("  The Answer is: \uff14\uff12! ") == "the answer is 42"
    assert agreement("Paris.", ["paris", "PARIS!", "Lyon"]) == pytest.approx(2 / 3)
    assert normalised("…!") == ""


@pytest.mark.parametrize(("text", "value"), [("85", 0.85), (" 7% ", 0.07), ("100/100", 1.0), ("0.", 0.0)])
def test_a_verbal_score_is_a_number_from_0_to_100(text: str, value: float) -> None:
    assert verbal_score(text) == (value, "")


@pytest.mark.parametrize("text", ["", "about 85", "0.85", "101", "-5", "85 or 90", "NaN", "1e2", "eighty", "٨٥٫"])
def test_anything_else_is_no_score(text: str) -> None:
    assert verbal_score(text) == (None, "the score is no whole number from 0 to 100")


@pytest.mark.parametrize(
    ("told", "value"), [(True, 1.0), (False, 0.0), (0.5, 0.5), (3, 3.0), (None, None), (math.nan, None), ("yes", None)]
)
def test_a_programs_own_check_says_yes_no_or_a_number(told: object, value: float | None) -> None:
    reading = signals.user_score(told)
    assert reading.value == value
    assert bool(reading.why) == (value is None)
