"""Cancelled anywhere, nothing stays behind: no permit, no hold, no open connection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from junctor.client import Client
from junctor.receipts import Receipt
from junctor.reply import TextDelta
from junctor.request import HttpRequest
from junctor.testing.scripted import fail, hang, ok, raise_connection, stream
from junctor.transport.base import Response, StreamedResponse
from tests.client.stage import MESSAGES, Stage, outcomes, read, turns

LIMITS: list[Mapping[str, Any]] = [
    {"dimension": "rpm", "limit": 60_000, "window_s": 60, "burst_s": 60},
    {"dimension": "tpm", "limit": 1_000_000, "window_s": 60, "burst_s": 60},
    {"dimension": "concurrency", "limit": 1, "window_s": 1, "burst_s": 1},
]
Make = Callable[[], Stage]
SCENES: dict[str, Make] = {
    "chat that waits for its answer": lambda: Stage({"a": [ok(after_s=1.0)]}),
    "chat that fails over": lambda: Stage({"a": [fail(500, after_s=0.5)], "b": [ok(after_s=0.5)]}),
    "chat that comes back": lambda: Stage({"a": [fail(500), raise_connection(after_s=0.2), ok(after_s=0.2)]}),
    "chat that hangs": lambda: Stage({"a": [hang()], "b": [hang()]}),
    "stream": lambda: Stage({"a": [stream(*"abcdefgh", after_s=0.3, gap_s=0.1)]}),
    "stream that fails over": lambda: Stage(
        {"a": [stream("a", error_after=0, after_s=0.3, gap_s=0.1)], "b": [stream(*"abc", after_s=0.3, gap_s=0.1)]}
    ),
    "stream that stalls": lambda: Stage({"a": [stream("a", "b", stall_after=1, gap_s=0.1)]}),
}


def called(stage: Stage, scene: str) -> Coroutine[Any, Any, Any]:
    if scene.startswith("stream"):
        return read(stage.client, max_tokens=10)
    return stage.client.chat("g", MESSAGES, max_tokens=10)


def limited(scene: str) -> Stage:
    """The scene with limits on every deployment, so that a lost hold would show."""
    stage = SCENES[scene]()
    names = list(stage.router.snapshot()["deployments"])
    limits = dict.fromkeys(names, LIMITS)
    fresh = Stage({name: [] for name in names}, limits=limits)
    fresh.provider = stage.provider
    fresh.client._transport = stage.provider
    return fresh


@pytest.mark.parametrize("scene", SCENES)
def test_cancelled_at_any_step_everything_is_released(scene: str) -> None:
    """Step k of the task, for every k until it is done: in flight 0, concurrency given back, nobody left open."""
    for step in range(400):
        stage = limited(scene)

        async def scenario(stage: Stage = stage, step: int = step) -> bool:
            task = asyncio.ensure_future(called(stage, scene))
            await turns(step)
            done = task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return done

        done = stage.run(scenario())
        assert_nothing_left(stage)
        if done or step > 60:  # what follows waits for time, which the next test moves
            break


@pytest.mark.parametrize("scene", SCENES)
def test_cancelled_at_any_time_everything_is_released(scene: str) -> None:
    """The same along the time axis: in backoff, in a timer, between two chunks."""
    for tick in range(60):
        stage = limited(scene)

        async def scenario(stage: Stage = stage, at_s: float = tick * 0.05) -> None:
            task = asyncio.ensure_future(called(stage, scene))
            await asyncio.sleep(at_s)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stage.run(scenario())
        assert_nothing_left(stage)


def assert_nothing_left(stage: Stage) -> None:
    stage.assert_released()
    pools = stage.router.snapshot()["pools"]
    assert {name: dimensions["concurrency"]["level"] for name, dimensions in pools.items()} == dict.fromkeys(pools, 1)
    assert stage.router.snapshot()["counters"].get("abandoned", 0) == 0


def test_twenty_thousand_cancelled_streams_leave_nothing() -> None:
    """B32: with concurrency 1, one lost permit would stop the next stream; no limit stays charged, no object stays."""
    stage = Stage({"a": []}, otherwise=stream("one", "two", "three"), limits={"a": LIMITS})
    fresh = stage.router.snapshot()["pools"]
    objects = []

    async def scenario() -> None:
        for number in range(20_000):
            async with stage.client.stream("g", MESSAGES, max_tokens=2) as events:
                async for event in events:
                    assert event == TextDelta("one")
                    break
            stage.clock.advance(0.01)
            stage.provider.sent.clear()
            if number in (999, 19_999):
                gc.collect()
                objects.append(len(gc.get_objects()))

    stage.run(scenario())
    assert_nothing_left(stage)
    stage.clock.advance(60)
    assert stage.router.snapshot()["pools"] == fresh, "every limit is full again"
    assert objects[1] - objects[0] < 100, objects


def test_a_stream_cut_by_the_caller_settles_what_was_used() -> None:
    """The prompt and the pieces that came are charged; the rest of the estimate is given back; usage is not known."""
    receipts: list[Receipt] = []
    stage = Stage({"a": [stream(*"abcdefgh")]}, on_receipt=receipts.append)

    async def scenario() -> None:
        events = stage.client.stream("g", MESSAGES, max_tokens=1_000)
        async for event in events:
            if event == TextDelta("c"):
                break
        await events.aclose()
        await events.aclose()

    stage.run(scenario())
    stage.assert_released()
    stage.tell()
    (attempt,) = receipts[0].attempts
    assert (attempt.outcome, attempt.usage_known, attempt.output_tokens) == ("cancelled", False, 3)


def test_an_abandoned_iterator_is_released_by_the_event_loop() -> None:
    """A `break` without `async with`: the generator's finalizer closes it on the loop's next turns."""
    stage = Stage({"a": [stream("one", "two", gap_s=0.1)]})

    async def scenario() -> None:
        async for _ in stage.client.stream("g", MESSAGES):
            break
        await turns(5)
        stage.assert_released()

    stage.run(scenario())


def test_a_stream_that_nobody_reads_sends_nothing() -> None:
    """Nothing is held before the first event is asked for."""
    stage = Stage({"a": [ok()]})

    async def scenario() -> None:
        unread = stage.client.stream("g", MESSAGES)
        await turns(5)
        await unread.aclose()

    stage.run(scenario())
    assert stage.provider.sent == []
    stage.assert_released()


def test_cancellation_is_not_swallowed_by_a_timer_that_fires_with_it() -> None:
    """The caller's cancel and the first-content timer at the same instant: the cancel wins."""
    stage = Stage({"a": [hang()], "b": [ok()]})

    async def scenario() -> None:
        task = asyncio.ensure_future(read(stage.client))
        asyncio.get_running_loop().call_at(20.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    stage.run(scenario())
    stage.assert_released()


def test_a_slow_consumer_is_not_a_slow_provider() -> None:
    """The idle timer runs while the provider is waited for, not while the caller thinks for an hour."""
    stage = Stage({"a": [stream("one", " two", " three")]})

    async def scenario() -> str:
        text = ""
        async for event in stage.client.stream("g", MESSAGES, deadline_s=100_000):
            text += getattr(event, "text", "")
            await asyncio.sleep(3_600)
        return text

    assert stage.run(scenario()) == "one two three"
    stage.assert_released()


def test_the_receipt_of_a_cancelled_call_is_told() -> None:
    """The sink hears of every call that ended, this way too, and once."""
    receipts: list[Receipt] = []
    stage = Stage({"a": [hang()]}, on_receipt=receipts.append)

    async def scenario() -> None:
        task = asyncio.ensure_future(stage.client.chat("g", MESSAGES))
        await turns(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stage.run(scenario())
    stage.tell()
    assert [outcomes(receipt) for receipt in receipts] == [[("a", "cancelled")]]


class BrokenTransport:
    """A transport with a fault of its own: what it raises is no `TransportError`."""

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        raise ZeroDivisionError(request, timeout_s)

    def stream(self, request: HttpRequest, *, timeout_s: float) -> AbstractAsyncContextManager[StreamedResponse]:
        raise ZeroDivisionError(request, timeout_s)

    async def close(self) -> None:
        pass


def test_a_programming_error_below_releases_everything_and_is_not_hidden() -> None:
    """It is nobody's failure: not retried, not counted against the deployment, and raised as it is."""
    stage = Stage({"a": []}, limits={"a": LIMITS})
    stage.client = Client(stage.router, BrokenTransport())
    with pytest.raises(ZeroDivisionError):
        stage.chat()
    assert isinstance(stage.stream().error, ZeroDivisionError)
    assert_nothing_left(stage)
    assert stage.deployment("a")["failed"] == 0
