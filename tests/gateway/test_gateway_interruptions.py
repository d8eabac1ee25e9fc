"""Requests that are cut short: by their client, by time, by the end. Whatever happens, everything is released."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from junctor.gateway import interruption
from junctor.testing.scripted import hang, ok, stream
from tests.gateway.test_gateway_keys import until
from tests.gateway.visit import ASK, CHAT, MESSAGES, Place, Visit

STREAM = {**ASK, "stream": True}


def started(place: Place, visit: Visit) -> asyncio.Task[None]:
    """The visit under way, as a server would run it."""
    return asyncio.create_task(place.gateway(visit.scope, visit.receive, visit.send))


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_client_that_leaves_cancels_its_upstream(path: str, streamed: bool, pieces: int) -> None:
    """B32: whole or streamed, in each dialect, also where the body's end comes in a message of its own."""

    async def scene() -> None:
        place = Place({"a": [stream("x", stall_after=1) if streamed else hang()]})
        visit = Visit(path, {**ASK, "stream": streamed})
        if pieces == 2:
            visit._pieces.append(b"")
            visit.scope["headers"].append((b"content-length", str(len(visit._pieces[0])).encode()))
        running = started(place, visit)
        await until(lambda: place.provider.open == 1)
        await asyncio.sleep(0)
        visit.leave()
        await running
        assert place.provider.sent[0].state == "abandoned"
        assert not visit.seen.ended
        assert place.told[0].ended == "gone"
        place.assert_released()

    asyncio.run(scene())


def test_requests_listen_together_and_what_is_answered_before_never_does() -> None:
    """One waking of the server's thread serves all that run; the server is asked nothing for a finished one."""

    async def scene() -> None:
        place = Place({"a": [ok("quick"), hang(), hang()]})
        asked: list[str] = []

        def noted(name: str) -> tuple[Visit, asyncio.Task[None]]:
            visit = Visit(CHAT, ASK)

            async def receive() -> Any:
                asked.append(name)
                return await visit.receive()

            return visit, asyncio.create_task(place.gateway(visit.scope, receive, visit.send))

        quick, answered = noted("quick")
        await answered
        (leaving, gone), (staying, under_way) = noted("leaving"), noted("staying")
        await until(lambda: len(asked) == 5)
        assert asked == ["quick", "leaving", "staying", "leaving", "staying"]
        leaving.leave()
        await gone
        assert (quick.seen.status, [told.ended for told in place.told]) == (200, ["ok", "gone"])
        staying.leave()
        await under_way
        place.assert_released()

    asyncio.run(scene())


def test_a_client_that_leaves_before_its_body_came_has_asked_nothing() -> None:
    """No answer, no upstream, one line in the log."""

    async def scene() -> None:
        place = Place({"a": []})
        visit = Visit(CHAT, b'{"mod', stalls=True)
        running = started(place, visit)
        visit.leave()
        await running
        assert (visit.seen.status, place.told[0].ended, place.provider.sent) == (0, "gone", [])
        place.assert_released()

    asyncio.run(scene())


@pytest.mark.parametrize(("path", "kind"), [(CHAT, "invalid_request_error"), (MESSAGES, "invalid_request_error")])
def test_a_body_that_does_not_come_is_a_408(path: str, kind: str) -> None:
    """In the dialect's form, and the connection is given up."""

    async def scene() -> None:
        place = Place({"a": []}, body_timeout_s=0.05)
        visit = Visit(path, b'{"mod', stalls=True)
        await place.gateway(visit.scope, visit.receive, visit.send)
        assert (visit.seen.status, visit.seen.json()["error"]["type"]) == (408, kind)
        assert visit.seen.headers["connection"] == "close"
        assert place.told[0].ended == "slow"
        place.assert_released()

    asyncio.run(scene())


def test_a_reader_who_takes_nothing_is_left_and_one_who_is_slow_is_not() -> None:
    """The patience is for one piece, not for the stream; the upstream is released with the reader."""

    async def scene() -> None:
        place = Place({"a": [stream(*"abcdefgh"), stream(*"abcd")]}, write_timeout_s=0.1)
        stuck = Visit(CHAT, STREAM, reading=asyncio.Event())
        await place.gateway(stuck.scope, stuck.receive, stuck.send)
        assert (stuck.seen.pieces, place.told[0].ended) == ([], "stuck")
        place.assert_released()
        reading = asyncio.Event()
        reading.set()
        slow = Visit(CHAT, STREAM, reading=reading)
        await place.gateway(slow.scope, slow.receive, slow.send)
        assert (slow.seen.text, place.told[1].ended) == ("abcd", "ok")

    asyncio.run(scene())


def test_a_slow_reader_holds_its_upstream_back() -> None:
    """Nothing is read ahead: while one piece is not taken, the provider's stream is asked for no further one."""

    async def scene() -> None:
        place = Place({"a": [stream(*(["x" * 1000] * 200))]})
        reading = asyncio.Event()
        visit = Visit(CHAT, STREAM, reading=reading)
        running = started(place, visit)
        await until(lambda: place.provider.open == 1)
        for _ in range(500):
            await asyncio.sleep(0)
        assert place.provider.open == 1, "a stream that is read ahead would be at its end by now"
        assert visit.seen.pieces == []
        reading.set()
        await running
        assert len(visit.seen.text) == 200_000
        place.assert_released()

    asyncio.run(scene())


@pytest.mark.parametrize(("path", "mark"), [(CHAT, b'data: {"error"'), (MESSAGES, b"event: error")])
def test_draining_waits_and_then_tells_streams_in_their_dialect(path: str, mark: bytes) -> None:
    """A stream that goes on too long gets its dialect's error and no proper end; a whole answer gets a 503."""

    async def scene() -> None:
        place = Place({"a": [stream("one", " two", stall_after=2), hang(), ok("in time")]})
        streamed, whole = Visit(path, STREAM), Visit(path, ASK)
        running = [started(place, streamed)]
        await until(lambda: streamed.seen.pieces)
        running.append(started(place, whole))
        await until(lambda: place.provider.open == 2)
        place.gateway.drain(within_s=0.1)
        assert (await place.ask(path)).status == 200, "whoever comes before the door is shut is served"
        await asyncio.gather(*running)
        assert mark in streamed.seen.pieces[-1]
        assert b"shutting down" in streamed.seen.pieces[-1]
        assert b"[DONE]" not in streamed.seen.body
        assert streamed.seen.ended
        assert (whole.seen.status, whole.seen.headers["retry-after"]) == (503, "1")
        assert sorted(told.ended for told in place.told) == ["drained", "drained", "ok"]
        place.assert_released()
        await place.gateway.aclose()

    asyncio.run(scene())


def test_closing_waits_for_what_runs() -> None:
    """`aclose` returns after the last request, which has its whole answer. Twice is harmless."""

    async def scene() -> None:
        place = Place({"a": [ok("late", after_s=0.05)]})
        visit = Visit()
        running = started(place, visit)
        await until(lambda: place.provider.open == 1)
        await place.gateway.aclose()
        assert running.done()
        assert visit.seen.status == 200
        await place.gateway.aclose()

    asyncio.run(scene())


def test_a_cancellation_by_the_server_is_passed_on_and_releases_everything() -> None:
    """What is not ours to catch is not caught, at any step of a whole answer and of a stream."""

    async def scene() -> None:
        for body in (ASK, STREAM):
            for steps in range(1, 40):
                place = Place({"a": [stream("one", " two", " three")]})
                visit = Visit(CHAT, body)
                running = started(place, visit)
                for _ in range(steps):
                    await asyncio.sleep(0)
                running.cancel()
                [outcome] = await asyncio.gather(running, return_exceptions=True)
                assert outcome is None or isinstance(outcome, asyncio.CancelledError)
                place.assert_released()

    asyncio.run(scene())
    gc.collect()  # a generator that was left open would warn here


def test_thousands_of_requests_and_hundreds_of_streams_that_are_left_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B32, small: two thousand answers and three hundred streams, every third left by its client at some step."""
    monkeypatch.setattr(interruption, "TOGETHER_S", 0.0)  # these answers are quicker than the usual look

    async def scene() -> None:
        place = Place({"a": []}, keys={"team": {"concurrency": 1000, "rpm": 10**6, "usd_per_day": 1000}},
                      otherwise=stream("one", " two", " three"))  # fmt: skip
        headers = place.bearer("team")

        async def one(number: int, body: Any) -> int:
            visit = Visit(CHAT, body, headers=headers)
            running = started(place, visit)
            if number % 3 == 0:
                for _ in range(number % 29):
                    await asyncio.sleep(0)
                visit.leave()
            await running
            return visit.seen.status

        for count, body in ((2_000, ASK), (300, STREAM)):
            for first in range(0, count, 100):
                statuses = await asyncio.gather(*(one(first + number, body) for number in range(100)))
                assert set(statuses) <= {0, 200}
        place.assert_released()
        assert place.gateway._limits is not None
        assert place.gateway._limits.snapshot()["team"]["concurrency"] == 1000
        assert {told.ended for told in place.told} == {"ok", "gone"}

    asyncio.run(scene())
