"""Outages: fallback groups, the retry budget, probes, and what a total failure costs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from junctor.exceptions import BadRequest, JunctorError, NoCapacity, RateLimited, Refused, ServerError
from junctor.reply import Done, TextDelta
from junctor.testing.scripted import fail, hang, ok, stream
from tests.client.stage import MESSAGES, Stage, outcomes, turns


def trip(stage: Stage, name: str) -> None:
    """Open a deployment's breaker by five hard failures."""
    for _ in range(5):
        stage.router.reserve(name).settle("server")
    assert stage.deployment(name)["breaker"] == "open"


def test_a_group_that_is_down_falls_back_visibly() -> None:
    """B8: the fallback group serves, and the reply says that it is a downgrade."""
    small = {"name": "small", "members": ["b"]}
    stage = Stage({"a": [], "b": [ok("small answer")]}, members=["a"], fallback=["small"], groups=[small])
    trip(stage, "a")
    reply = stage.chat()
    assert reply.text == "small answer"
    assert reply.receipt is not None
    assert reply.receipt.downgrade is True
    assert reply.receipt.decision is not None
    assert reply.receipt.decision.group == "small"


def test_a_failed_attempt_falls_back_within_the_call() -> None:
    """The only member fails: the fallback group is elsewhere too."""
    small = {"name": "small", "members": ["b"]}
    stage = Stage({"a": [fail(500)], "b": [ok()]}, members=["a"], fallback=["small"], groups=[small])
    reply = stage.chat()
    assert outcomes(reply.receipt) == [("a", "server"), ("b", "ok")]
    assert reply.receipt is not None
    assert reply.receipt.downgrade is True


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("attempts", "made"), [(1, 1), (2, 2), (9, 3)])
def test_a_call_may_ask_for_fewer_attempts_and_gets_no_more_than_the_fleets(
    attempts: int, made: int, streamed: bool
) -> None:
    """`attempts=1` is a single try; the fleet's number is the most there is, hedges included."""
    stage = Stage({"a": [], "b": [], "c": [], "d": []}, otherwise=fail(500), hedge=True)
    error = stage.stream(attempts=attempts).error if streamed else _error(stage, attempts=attempts)
    assert isinstance(error, ServerError)
    assert len(stage.provider.sent) == made
    stage.assert_released()


def test_a_single_try_is_not_hedged() -> None:
    """A second attempt beside a slow first one would be one more than was asked for."""
    stage = Stage({"a": [ok(after_s=9.0)], "b": [ok()]}, hedge=True)
    for _ in range(20):
        stage.router.note_call()
    assert outcomes(stage.chat(attempts=1, max_tokens=10).receipt) == [("a", "ok")]


def test_everything_down_is_a_fast_no_capacity() -> None:
    """B8: with all breakers open and the forced probes spent, the answer is immediate and says when to come back."""
    stage = Stage({"a": [], "b": []}, otherwise=fail(500))
    trip(stage, "a")
    trip(stage, "b")
    spent, errors = 0, []
    for _ in range(20):
        begun_s = stage.clock.now_s()
        errors.append(_error(stage))
        assert stage.clock.now_s() - begun_s < 5.0, "long before the deadline of 10 s"
        spent += isinstance(errors[-1], NoCapacity)
    assert spent >= 10
    assert all(0 < error.retry_after_s <= 60 for error in errors if isinstance(error, NoCapacity))
    retried = stage.router.snapshot()["counters"]["retried"]
    assert retried <= 0.2 * len(errors) + 30, "a fresh purse holds what ten quiet seconds leave in it"
    stage.assert_released()


def test_a_lone_deployment_is_probed_at_most_once_a_second() -> None:
    """B9: no exemption for groups of one, which would hide the outage and hammer the provider."""
    stage = Stage({"a": []}, otherwise=fail(500))
    trip(stage, "a")
    begun_s = stage.clock.now_s()
    for _ in range(200):
        _error(stage)
        stage.clock.advance(0.05)
    elapsed_s = stage.clock.now_s() - begun_s
    assert 1 <= len(stage.provider.sent) <= elapsed_s + 1
    assert stage.router.snapshot()["counters"]["forced_probe"] <= elapsed_s + 1
    stage.assert_released()


def test_a_cancelled_probe_lets_the_next_caller_probe_at_once() -> None:
    """B12: the caller went away, which says nothing about the deployment."""
    stage = Stage({"a": [hang(), ok()]})
    trip(stage, "a")
    stage.clock.advance(31)

    async def scenario() -> None:
        task = asyncio.ensure_future(stage.client.chat("g", MESSAGES))
        await turns(5)
        assert stage.deployment("a")["breaker"] == "half_open"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (stage.deployment("a")["breaker"], stage.deployment("a")["breaker_s"]) == ("open", 0.0)
        await stage.client.chat("g", MESSAGES)

    stage.run(scenario())
    assert stage.deployment("a")["breaker"] == "closed"


def test_a_probe_that_meets_a_callers_mistake_is_not_wedged() -> None:
    """B14: a 400 is no verdict; the next call probes again and closes."""
    stage = Stage({"a": [fail(400), ok()]})
    trip(stage, "a")
    stage.clock.advance(31)
    with pytest.raises(BadRequest):
        stage.chat()
    assert stage.chat().text == "fine"
    assert stage.deployment("a")["breaker"] == "closed"


def test_a_streaming_probe_closes_at_its_first_content() -> None:
    """B16: a long healthy answer does not keep everybody else out."""
    stage = Stage({"a": [stream(*"abcdefgh", gap_s=5)]})
    trip(stage, "a")
    stage.clock.advance(31)

    async def scenario() -> list[str]:
        states = []
        async for event in stage.client.stream("g", MESSAGES):
            if isinstance(event, TextDelta | Done):
                states.append(stage.deployment("a")["breaker"])
        return states

    assert set(stage.run(scenario())) == {"closed"}


def test_a_429_during_a_probe_keeps_the_breaker_open_for_its_hint() -> None:
    """B17: at least as long as the provider asked for, and the open time grows."""
    stage = Stage({"a": [fail(429, retry_after_s=100)]})
    trip(stage, "a")
    stage.clock.advance(31)
    with pytest.raises(RateLimited):
        stage.chat(deadline_s=5)
    assert stage.deployment("a")["breaker"] == "open"
    assert stage.deployment("a")["breaker_s"] >= 99


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_retry_storm_is_bounded(status: int) -> None:
    """B49, C16: everything fails at 500 calls a second; attempts stay within 1.2 of the calls."""
    stage = Stage({"a": [], "b": [], "c": []}, otherwise=fail(status))
    calls = 5_000

    async def one() -> None:
        with pytest.raises(JunctorError):
            await stage.client.chat("g", MESSAGES, deadline_s=10.0)

    async def scenario() -> None:
        tasks = []
        for _ in range(calls):
            tasks.append(asyncio.ensure_future(one()))
            await asyncio.sleep(0.002)
        await asyncio.gather(*tasks)

    stage.run(scenario())
    assert len(stage.provider.sent) <= 1.2 * calls
    retried = stage.router.snapshot()["counters"]["retried"]
    assert retried <= 0.2 * calls, "calls that found nobody pay in as well, so no floor comes on top"
    stage.assert_released()


def test_without_a_retry_left_the_first_failure_is_told() -> None:
    """The budget is shared by all calls of a router: when it is used up, nobody knocks twice."""
    stage = Stage({"a": [fail(500)], "b": [ok()]}, fleet={"retry": {"ratio": 0.0, "floor_per_s": 0.0}})
    while stage.router.try_retry():
        pass
    error = _error(stage)
    assert outcomes(error.receipt) == [("a", "server")]


def test_every_call_pays_a_fifth_of_a_retry_into_the_budget() -> None:
    """SPEC A5: amplification is bounded by the calls themselves, not by the clock."""
    stage = Stage({"a": []}, otherwise=ok(), fleet={"retry": {"ratio": 0.2, "floor_per_s": 0.0}})
    while stage.router.try_retry():
        pass
    for _ in range(50):
        stage.chat()
    retries = 0
    while stage.router.try_retry():
        retries += 1
    assert retries == 10


def test_at_most_three_attempts() -> None:
    """SPEC A5: a fourth helps nobody."""
    stage = Stage({"a": [], "b": [], "c": []}, otherwise=fail(500))
    error = _error(stage)
    assert [deployment for deployment, _ in outcomes(error.receipt)] == ["a", "b", "c"]


def test_the_same_deployment_is_asked_again_only_after_all_others_and_later() -> None:
    """Distinct deployments first; the second knock at one door waits half a second or what the provider said."""
    stage = Stage({"a": [fail(500), ok()], "b": [fail(500)]})
    assert outcomes(stage.chat().receipt) == [("a", "server"), ("b", "server"), ("a", "ok")]
    at_s = [sent.at_s for sent in stage.provider.sent]
    assert at_s[1] - at_s[0] <= 0.05
    assert at_s[2] - at_s[1] >= 0.5
    hinted = Stage({"a": [fail(429, retry_after_s=3), ok()]})
    hinted.chat()
    assert 3.0 <= hinted.clock.now_s() <= 3.8


def test_excluded_deployments_are_reached_on_no_path() -> None:
    """Invariant 10: a retry meets the law again, and says so rather than break it."""
    law = [{"name": "eu", "when": {"attribute": "data", "one_of": ["eu"]}, "require": {"provider": ["nobody"]}}]
    stage = Stage({"a": [], "b": []}, otherwise=ok(), fleet={"compliance": law})
    with pytest.raises(Refused) as caught:
        stage.chat(data="eu")
    assert set(caught.value.refusals) == {"a", "b"}
    assert stage.provider.sent == []
    assert stage.chat().text == "fine"


def _error(stage: Stage, **options: Any) -> JunctorError:
    with pytest.raises(JunctorError) as caught:
        stage.chat(deadline_s=10.0, **options)
    return caught.value
