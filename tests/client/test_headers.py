"""What providers say in headers, through the whole client: believed within bounds, or counted as nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from junctor.exceptions import NoCapacity, RateLimited
from junctor.testing.scripted import fail, ok
from tests.client.stage import Stage, outcomes

DATE = "Wed, 19 Aug 2026 14:34:22 GMT"
AHEAD = "Thu, 20 Aug 2026 14:34:22 GMT"
LIMITS: list[Mapping[str, Any]] = [
    {"dimension": "rpm", "limit": 100, "window_s": 60, "burst_s": 60},
    {"dimension": "tpm", "limit": 60_000, "window_s": 60, "burst_s": 60},
]

HINTS: list[tuple[dict[str, str], float]] = [
    ({"retry-after": "-1"}, 1.0),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "1e18"}, 3_600.0),
    ({"retry-after": "NaN"}, 1.0),
    ({"retry-after": "soon"}, 1.0),
    ({"retry-after": "Wed, 19 Aug 2026 14:33:22 GMT", "date": DATE}, 0.0),
    # The provider's clock is a day ahead of anybody else's: only its own difference counts.
    ({"retry-after": "Thu, 20 Aug 2026 14:34:29 GMT", "date": AHEAD}, 7.0),
    ({"retry-after": AHEAD, "date": DATE}, 3_600.0),
    ({"retry-after": "86400"}, 3_600.0),
    ({"Retry-After": "7"}, 7.0),
    ({"retry-after-ms": "1e999"}, 3_600.0),
    ({}, 1.0),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("headers", "held_s"), HINTS)
def test_a_hint_holds_a_deployment_for_an_hour_at_most_and_no_caller_past_its_deadline(
    headers: dict[str, str], held_s: float, streamed: bool
) -> None:
    """B38: the hold, the delay that the next caller is told, and the time that this one takes."""
    refused = fail(429, message="slow down", headers=headers.items())
    stage = Stage({"a": [refused, refused]}, fleet={"retry": {"ratio": 0.0, "floor_per_s": 0.0}})
    while stage.router.try_retry():
        pass
    error = stage.stream(deadline_s=2.0).error if streamed else _error(stage)
    assert isinstance(error, RateLimited)
    assert stage.clock.now_s() <= 2.05
    assert stage.deployment("a")["held_s"] == pytest.approx(held_s, abs=0.002)
    assert stage.deployment("a")["breaker"] == "closed"
    if held_s:
        with pytest.raises(NoCapacity) as told:
            stage.chat(max_wait_s=0.0)
        assert told.value.retry_after_s == pytest.approx(held_s, abs=0.002)
    stage.assert_released()


@pytest.mark.parametrize(("headers", "held_s"), HINTS)
def test_no_hint_makes_a_call_outlive_its_deadline(headers: dict[str, str], held_s: float) -> None:
    """B38: with retries, at a lone deployment that answers so every time: over within 50 ms of the deadline."""
    stage = Stage({"a": []}, otherwise=fail(429, message="slow down", headers=headers.items()))
    for _ in range(20):
        begun_s = stage.clock.now_s()
        with pytest.raises((RateLimited, NoCapacity)):
            stage.chat(deadline_s=5.0)
        assert stage.clock.now_s() - begun_s <= 5.05
        assert stage.deployment("a")["held_s"] <= max(held_s, 60.0)
        stage.clock.advance(1.0)
    stage.assert_released()


def test_a_longer_hold_is_not_shortened_by_a_later_hint() -> None:
    """B39: two calls under way; the second answer asks for less."""
    stage = Stage({"a": [fail(429, message="x", headers=[("retry-after", hint)]) for hint in ("30", "2")]})
    first, second = stage.router.reserve("a"), stage.router.reserve("a")
    first.settle("rate_limit", retry_after_s=30.0)
    stage.clock.advance(1.0)
    second.settle("rate_limit", retry_after_s=2.0)
    assert stage.deployment("a")["held_s"] == pytest.approx(29.0)


LIES = ["-5", "NaN", "1e308", "inf", "", "9" * 400, "9007199254740993", "4, 5000", "soon", "0x10"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("lie", LIES)
def test_a_lying_remaining_is_counted_and_lifts_nothing(lie: str, status: int, streamed: bool) -> None:
    """B35: as remaining and as limit, whatever case the name is written in, on answers and on refusals."""
    headers = [
        ("X-RateLimit-Limit-Requests", "100"),
        ("x-RATELIMIT-remaining-requests", lie),
        ("x-ratelimit-limit-tokens", lie),
        ("x-ratelimit-remaining-tokens", "59000"),
    ]
    answer = ok(headers=headers) if status == 200 else fail(429, message="slow", headers=headers)
    stage = Stage({"a": [answer]}, limits={"a": LIMITS}, fleet={"retry": {"ratio": 0.0, "floor_per_s": 0.0}})
    while stage.router.try_retry():
        pass
    streamed_or_not = stage.stream if streamed else stage.chat
    if status == 200:
        streamed_or_not(max_tokens=10)
    elif streamed:
        assert stage.stream(max_tokens=10).error is not None
    else:
        with pytest.raises(RateLimited):
            stage.chat(max_tokens=10)
    snapshot = stage.router.snapshot()
    assert snapshot["counters"]["bad_header"] == 2
    limits = snapshot["pools"]["a"]
    assert {name: limit["limit"] for name, limit in limits.items()} == {"rpm": 100, "tpm": 60_000}
    assert limits["rpm"]["level"] == 99
    assert limits["tpm"]["level"] <= 59_000, "what is no lie is believed"


def test_a_huge_remaining_and_a_huge_limit_lift_nothing() -> None:
    """B35: numbers that can be read: the lower of what is known and what is told, also for an operator's own limit."""
    for remaining, limit in [("9007199254740992", "9007199254740992"), ("4999", "5000"), ("5000", "100")]:
        headers = [("x-ratelimit-limit-requests", limit), ("x-ratelimit-remaining-requests", remaining)]
        stage = Stage({"a": []}, otherwise=ok(headers=headers), limits={"a": LIMITS})
        for used in range(1, 20):
            stage.chat()
            rpm = stage.router.snapshot()["pools"]["a"]["rpm"]
            assert (rpm["limit"], rpm["level"]) == (100, 100 - used)
        lies = 19 if int(remaining) > int(limit) else 0
        assert stage.router.snapshot()["counters"]["bad_header"] == lies, "a higher limit than ours is no lie"


def test_what_is_left_for_us_is_believed_at_once() -> None:
    """B34: another host burns the same key; the next call waits instead of being refused."""
    headers = [("x-ratelimit-limit-requests", "100"), ("x-ratelimit-remaining-requests", "0")]
    stage = Stage({"a": [ok(headers=headers)], "b": []}, otherwise=ok(), limits={"a": LIMITS})
    stage.chat()
    assert stage.router.snapshot()["pools"]["a"]["rpm"]["level"] == 0
    assert outcomes(stage.chat().receipt) == [("b", "ok")]


def _error(stage: Stage) -> Exception:
    with pytest.raises(RateLimited) as caught:
        stage.chat(deadline_s=2.0)
    return caught.value
