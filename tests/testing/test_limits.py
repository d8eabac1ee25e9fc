"""A simulated key's limits are real: exactly the limit is admitted, and the refusal says when to come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.testing import Key, Limits, ManualTime, SimulatedProvider
from junctor.testing.clock import PlainClock
from junctor.testing.quota import Bucket, Quota
from tests.testing.raw import DIALECTS, Got, ask, on_manual_time


def limited(dialect: str, limits: Limits, clock: PlainClock) -> SimulatedProvider:
    key = Key("k", dialect=dialect, limits=limits)
    return SimulatedProvider([key], clock=clock.now_s, wall=lambda: 1_800_000_000.0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_exactly_the_limit_is_admitted_in_one_instant_and_one_more_per_refill(dialect: str) -> None:
    clock = PlainClock()

    async def scenario() -> None:
        async with limited(dialect, Limits(rpm=20), clock) as provider:
            statuses = [(await ask(provider, dialect)).status for _ in range(50)]
            assert statuses == [200] * 20 + [429] * 30
            assert provider.counts().throttled == 30
            clock.advance(3.0)  # 20 a minute are one in three seconds
            assert [(await ask(provider, dialect)).status for _ in range(3)] == [200, 429, 429]

    on_manual_time(scenario())


def refused(dialect: str, limits: Limits, **fields: Any) -> Got:
    """The first refusal of a key with these limits."""

    async def scenario() -> Got:
        async with limited(dialect, limits, PlainClock()) as provider:
            while (got := await ask(provider, dialect, **fields)).status == 200:
                pass
            return got

    return on_manual_time(scenario())


def test_openai_says_in_headers_and_words_when_to_come_back() -> None:
    got = refused("openai", Limits(rpm=3))
    assert (got.headers["retry-after"], got.headers["retry-after-ms"]) == ("20", "20000")
    assert got.headers["x-ratelimit-limit-requests"] == "3"
    assert got.headers["x-ratelimit-remaining-requests"] == "0"
    assert got.headers["x-ratelimit-reset-requests"] == "1m0s"
    error = got.json()["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert "on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s." in error["message"]


def test_openai_charges_max_tokens_and_refuses_what_can_never_fit_without_a_hint() -> None:
    got = refused("openai", Limits(tpm=1000), max_tokens=400)
    assert "on tokens per min (TPM): Limit 1000, Used 800, Requested 400" in got.json()["error"]["message"]
    assert got.headers["retry-after"] == "12"
    larger = refused("openai", Limits(tpm=1000), max_tokens=1001)
    assert "Request too large" in larger.json()["error"]["message"]
    assert "retry-after" not in larger.headers


def test_anthropic_charges_output_afterwards_and_tells_four_limits_with_times() -> None:
    got = refused("anthropic", Limits(rpm=100, input_tpm=100_000, output_tpm=60), max_tokens=1000)
    assert "rate limit of 60 output tokens per minute" in got.json()["error"]["message"]
    assert got.headers["anthropic-ratelimit-output-tokens-remaining"] == "0"
    assert got.headers["anthropic-ratelimit-input-tokens-remaining"] == "100000"  # rounded to a thousand
    assert got.headers["anthropic-ratelimit-tokens-limit"] == "100060"
    assert got.headers["anthropic-ratelimit-requests-reset"].startswith("2027-01-15T08:")
    # 24 words an answer: the third brings 60 to -12, and a level of 1 is needed to be admitted
    assert got.headers["retry-after"] == "13"


def test_gemini_says_everything_in_the_body() -> None:
    got = refused("gemini", Limits(rpm=6))
    assert not [name for name in got.headers if "limit" in name or "retry" in name]
    error = got.json()["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert "PerMinute" in error["details"][0]["violations"][0]["quotaId"]
    assert error["details"][1]["retryDelay"] == "10s"


def test_keys_of_one_quota_share_it() -> None:
    limits = Limits(rpm=4)

    async def scenario() -> None:
        keys = [Key("a", limits=limits, quota="org"), Key("b", limits=limits, quota="org")]
        async with SimulatedProvider(keys, clock=PlainClock().now_s) as provider:
            statuses = [(await ask(provider, key="ab"[number % 2])).status for number in range(6)]
            assert statuses == [200] * 4 + [429] * 2
            assert (provider.counts(key="a").ok, provider.counts(key="b").ok) == (2, 2)

    on_manual_time(scenario())
    with pytest.raises(ValueError, match="states other limits for quota 'org'"):
        SimulatedProvider([Key("a", limits=limits, quota="org"), Key("b", quota="org")])


def test_successful_answers_tell_what_is_left() -> None:
    async def scenario() -> Mapping[str, str]:
        async with limited("openai", Limits(rpm=5000, tpm=2_000_000), PlainClock()) as provider:
            return (await ask(provider)).headers

    headers = on_manual_time(scenario())
    assert headers["x-ratelimit-remaining-requests"] == "4999"
    assert headers["x-ratelimit-reset-requests"] == "12ms"


def test_a_wrong_key_a_wrong_region_and_a_wrong_dialect_are_refused() -> None:
    async def scenario() -> None:
        async with SimulatedProvider([Key("k", region="us"), Key("e", region="eu")]) as provider:
            assert (await ask(provider, key="nobody")).status == 401
            assert (await ask(provider, key="e", region="us")).status == 401
            assert (await ask(provider, "anthropic", key="k")).status == 401
            assert provider.unknown_keys == 3
            assert provider.counts().requests == 0

    on_manual_time(scenario())


@given(
    st.integers(1, 1000),
    st.floats(1.0, 60.0),
    st.lists(st.tuples(st.integers(0, 100), st.floats(0.0, 30.0)), max_size=60),
)
def test_a_bucket_never_admits_more_than_its_burst_and_what_flowed_in(
    limit: int, burst_s: float, steps: list[tuple[int, float]]
) -> None:
    bucket = Bucket(limit, window_s=60.0, burst_s=burst_s, now_s=0.0)
    now_s = admitted = 0.0
    for amount, pause_s in steps:
        now_s += pause_s
        bucket.refill(now_s)
        if bucket.wait_s(amount) == 0.0:
            bucket.level -= amount
            admitted += amount
    assert admitted <= bucket.capacity + limit * now_s / 60.0 + 1e-6


def test_a_refused_request_takes_nothing_from_any_bucket() -> None:
    quota = Quota(Limits(rpm=10, tpm=100), now_s=0.0)
    before = quota.standings(0.0)
    refusal = quota.admit({"rpm": 1, "tpm": 101}, 0.0)
    assert refusal is not None
    assert (refusal.dimension, refusal.retry_after_s) == ("tpm", None)
    assert quota.standings(0.0) == before


def test_the_hint_is_the_earliest_time_at_which_the_request_passes() -> None:
    quota = Quota(Limits(tpm=600), now_s=0.0)
    assert quota.admit({"tpm": 600}, 0.0) is None
    refusal = quota.admit({"tpm": 50}, 0.0)
    assert refusal is not None
    assert refusal.retry_after_s == pytest.approx(5.0)
    assert quota.admit({"tpm": 50}, 4.99) is not None
    assert quota.admit({"tpm": 50}, 5.0) is None


def test_limits_can_run_on_manual_time() -> None:
    time = ManualTime()

    async def scenario() -> None:
        import asyncio

        async with SimulatedProvider([Key("k", limits=Limits(rpm=1))], clock=time.now_s) as provider:
            assert [(await ask(provider)).status for _ in range(2)] == [200, 429]
            await asyncio.sleep(60)
            assert (await ask(provider)).status == 200

    time.run(scenario())
