"""One deadline over everything: in backoff, in the queue, in an attempt, in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from junctor.exceptions import (
    DeadlineExceeded,
    InvalidRequest,
    NoCapacity,
    ServerError,
    StreamInterrupted,
    TooLarge,
)
from junctor.testing.scripted import fail, hang, ok, stream
from tests.client.stage import MESSAGES, Stage, outcomes, read

ONE_PER_MINUTE: dict[str, list[Mapping[str, Any]]] = {
    "a": [{"dimension": "rpm", "limit": 1, "window_s": 60, "burst_s": 60}]
}


def test_a_chat_ends_with_its_deadline_in_the_middle_of_an_attempt() -> None:
    """B50, C17: within 50 ms, everything released, the deployment not blamed for the caller's impatience."""
    stage = Stage({"a": [hang()]})
    with pytest.raises(DeadlineExceeded, match="deadline of 2 s passed after 1 attempt;") as caught:
        stage.chat(deadline_s=2.0)
    assert 2.0 <= stage.clock.now_s() <= 2.05
    assert isinstance(caught.value, TimeoutError)
    assert outcomes(caught.value.receipt) == [("a", "cancelled")]
    assert stage.deployment("a")["failed"] == 0
    stage.assert_released()


def test_a_deployment_that_had_its_own_time_is_blamed() -> None:
    """The whole first-content timeout, and still no answer: that is a failure."""
    stage = Stage({"a": [hang()]})
    with pytest.raises(DeadlineExceeded):
        stage.chat(deadline_s=20.0)
    stage.assert_released()
    assert stage.deployment("a")["failed"] == 1


def test_a_stream_ends_with_its_deadline_before_content() -> None:
    """The same for a stream that nobody has seen anything of."""
    stage = Stage({"a": [stream("a", stall_after=0)]})
    error = stage.stream(deadline_s=2.0).error
    assert isinstance(error, DeadlineExceeded)
    assert 2.0 <= stage.clock.now_s() <= 2.05
    stage.assert_released()


def test_a_deadline_after_content_is_an_interruption() -> None:
    """The partial text is worth more than the word deadline, which is the cause."""
    stage = Stage({"a": [stream(*"abcdefgh", gap_s=0.5)]})
    streamed = stage.stream(deadline_s=2.2)
    assert isinstance(streamed.error, StreamInterrupted)
    assert isinstance(streamed.error.__cause__, DeadlineExceeded)
    assert streamed.error.partial == streamed.text != ""
    assert 2.2 <= stage.clock.now_s() <= 2.25
    assert stage.deployment("a")["failed"] == 0
    stage.assert_released()


def test_no_backoff_outlives_the_deadline() -> None:
    """B38, B50: the provider asks for an hour, the caller has two seconds: fail now, with what the provider said."""
    stage = Stage({"a": [fail(429, retry_after_s=3_600)]})
    with pytest.raises(Exception, match="429") as caught:
        stage.chat(deadline_s=2.0)
    assert stage.clock.now_s() < 0.2
    assert outcomes(getattr(caught.value, "receipt", None)) == [("a", "rate_limit")]
    stage.assert_released()


def test_a_deadline_in_backoff_fails_with_the_last_failure() -> None:
    """Too little is left for another attempt: the provider's own error, at once."""
    stage = Stage({"a": [fail(500), ok()]})
    with pytest.raises(ServerError):
        stage.chat(deadline_s=0.3)
    assert stage.clock.now_s() <= 0.35
    stage.assert_released()


def test_a_queue_shorter_than_the_deadline_is_waited_in() -> None:
    """A1-empty: capacity that comes within `max_wait_s` is waited for, with jitter, and then used."""
    limits: dict[str, list[Mapping[str, Any]]] = {
        "a": [{"dimension": "rpm", "limit": 60, "window_s": 60, "burst_s": 1}]
    }
    stage = Stage({"a": [ok(), ok()]}, limits=limits)
    stage.chat()
    reply = stage.chat()
    assert outcomes(reply.receipt) == [("a", "ok")]
    assert 0.7 <= stage.clock.now_s() <= 1.6
    assert stage.client.counters["capacity_wait"] >= 1
    stage.assert_released()


@pytest.mark.parametrize("options", [{}, {"deadline_s": 1.0}, {"max_wait_s": 0.0}])
def test_a_queue_longer_than_the_wait_is_refused_at_once(options: dict[str, Any]) -> None:
    """B8: no caller waits for what will not come in time; the error says when it would."""
    stage = Stage({"a": [ok()]}, limits=ONE_PER_MINUTE)
    stage.chat()
    with pytest.raises(NoCapacity) as caught:
        stage.chat(**options)
    assert 50 <= caught.value.retry_after_s <= 60
    assert stage.clock.now_s() == 0.0
    assert caught.value.receipt is not None
    assert caught.value.receipt.failed_decision is not None
    assert caught.value.receipt.failed_decision.refusals
    stage.assert_released()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_deadline_that_expires_in_the_queue_is_kept(streamed: bool) -> None:
    """B50: fifty callers for one place a second: who is not served in time is told so in time, and holds nothing."""
    limits: dict[str, list[Mapping[str, Any]]] = {
        "a": [
            {"dimension": "rpm", "limit": 60, "window_s": 60, "burst_s": 1},
            {"dimension": "concurrency", "limit": 2, "window_s": 1, "burst_s": 1},
        ]
    }
    stage = Stage({"a": []}, otherwise=ok(after_s=0.3), limits=limits)
    took_s: list[tuple[float, bool]] = []

    async def one(deadline_s: float) -> None:
        begun_s, error = stage.clock.now_s(), None
        try:
            if streamed:
                error = (await read(stage.client, deadline_s=deadline_s, max_wait_s=60.0)).error
            else:
                await stage.client.chat("g", MESSAGES, deadline_s=deadline_s, max_wait_s=60.0)
        except (NoCapacity, DeadlineExceeded) as late:
            error = late
        took_s.append((stage.clock.now_s() - begun_s - deadline_s, error is None))

    async def scenario() -> None:
        await asyncio.gather(*(one(0.5 + number / 10) for number in range(50)))

    stage.run(scenario())
    assert len(took_s) == 50
    assert max(over_s for over_s, _ in took_s) <= 0.05
    assert 3 <= sum(served for _, served in took_s) < 20
    assert stage.client.counters["capacity_wait"] > 10, "they did wait"
    stage.assert_released()
    stage.clock.advance(60)
    levels = {name: limit["level"] for name, limit in stage.router.snapshot()["pools"]["a"].items()}
    assert levels == {"rpm": 1, "concurrency": 2}


def test_a_request_that_never_fits_is_refused_without_a_wait() -> None:
    """B22: more than a whole window of every limit: said at once, however long the caller would wait."""
    limits: dict[str, list[Mapping[str, Any]]] = {
        "a": [{"dimension": "tpm", "limit": 1_000, "window_s": 60, "burst_s": 60}]
    }
    stage = Stage({"a": []}, otherwise=ok(), limits=limits)
    for _ in range(2):
        with pytest.raises(TooLarge) as caught:
            stage.chat(max_tokens=1_001, max_wait_s=60.0)
        assert caught.value.receipt is not None
        stage.chat(max_tokens=400)
    assert stage.clock.now_s() == 0.0
    assert len(stage.provider.sent) == 2
    stage.assert_released()


def test_a_deadline_too_short_to_start_sends_nothing() -> None:
    """Under 100 ms no provider answers; the tokens would be spent for nobody."""
    stage = Stage({"a": [ok()]})
    with pytest.raises(DeadlineExceeded, match="after 0 attempts"):
        stage.chat(deadline_s=0.05)
    assert stage.provider.sent == []


@pytest.mark.parametrize("deadline_s", [0, -1, float("nan"), float("inf")])
def test_a_deadline_is_a_positive_number(deadline_s: float) -> None:
    """Nonsense is told before anything is held."""
    stage = Stage({"a": [ok()]})
    with pytest.raises(InvalidRequest, match="deadline_s"):
        stage.chat(deadline_s=deadline_s)


def test_overshoot_stays_below_fifty_milliseconds_for_every_deadline() -> None:
    """C17 over a spread of deadlines and a provider that fails slowly, streamed and not."""
    for tenth in range(2, 40):
        deadline_s = tenth / 10
        for streamed in (False, True):
            stage = Stage({"a": [], "b": [], "c": []}, otherwise=fail(500, after_s=0.31))

            async def scenario(stage: Stage = stage, streamed: bool = streamed, deadline_s: float = deadline_s) -> None:
                if streamed:
                    assert (await read(stage.client, deadline_s=deadline_s)).error is not None
                    return
                with pytest.raises(Exception, match=r"500|deadline"):
                    await stage.client.chat("g", MESSAGES, deadline_s=deadline_s)

            stage.run(scenario())
            assert stage.clock.now_s() <= deadline_s + 0.05
            stage.assert_released()


def test_the_outer_timeout_of_a_caller_works_too() -> None:
    """`asyncio.timeout` around a call is a cancellation like any other."""
    stage = Stage({"a": [hang()]})

    async def scenario() -> None:
        async with asyncio.timeout(1.0):
            await stage.client.chat("g", MESSAGES)

    with pytest.raises(TimeoutError):
        stage.run(scenario())
    stage.assert_released()
