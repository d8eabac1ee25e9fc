"""Observers hear of every call, with its times and outcome, and a broken one hurts nobody."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from junctor.exceptions import InvalidRequest, JunctorError, NoCapacity, Refused, StreamInterrupted
from junctor.observe import Observed, Observer
from junctor.observe.watch import server_of
from junctor.testing.scripted import Outcome, fail, hang, ok, raise_connection, stream
from tests.client.stage import MESSAGES, Stage, outcomes, read
from tests.client.test_hedge import hedging

TENANT = contextvars.ContextVar("TENANT", default="nobody")


class Notes(Observer):
    """Keeps what it is told."""

    def __init__(self, *, keeps_content: bool = False) -> None:
        self.keeps_content = keeps_content
        self.calls: list[Observed] = []
        self.marks: list[object] = []
        self.threads: set[str] = set()
        self.counters: Mapping[str, int] = {}

    def attached(self, counters: Mapping[str, int]) -> None:
        self.counters = counters

    def begun(self) -> object:
        return TENANT.get()

    def ended(self, call: Observed, mark: object) -> None:
        self.calls.append(call)
        self.marks.append(mark)
        self.threads.add(threading.current_thread().name)


def staged(script: dict[str, list[Outcome]], **more: Any) -> tuple[Stage, Notes]:
    notes = Notes()
    return Stage(script, observers=[notes], **more), notes


def test_a_retried_call_is_told_once_with_both_attempts_and_their_times() -> None:
    """Waiting, the providers' time and what is left of the call are told apart."""
    stage, notes = staged({"a": [fail(500, after_s=0.25)], "b": [ok(after_s=1.0)]})
    stage.chat(tenant="acme", session="s-1", max_tokens=9, temperature=0.5, stop="END")
    stage.tell()
    (call,) = notes.calls
    first, second = call.attempts
    assert call.outcome == "ok"
    assert outcomes(call.receipt) == [("a", "server"), ("b", "ok")]
    assert (first.address, first.port, second.address) == ("a.scripted", 80, "b.scripted")
    assert (call.tenant, call.session) == ("acme", "s-1")
    assert call.parameters == {"max_tokens": 9, "temperature": 0.5, "stop": "END"}
    assert call.waited_s > 0
    assert call.duration_s == pytest.approx(1.25 + call.waited_s)
    assert call.overhead_us == 0, "on a clock that stands still while code runs"
    assert call.began_ns == first.began_ns < first.ended_ns < second.began_ns < second.ended_ns == call.ended_ns
    assert call.answered is not None
    assert call.answered.model == "scripted-model"
    assert call.content is None


ENDINGS: list[tuple[str, list[Outcome], dict[str, Any]]] = [
    ("ok", [ok()], {}),
    ("invalid_request", [fail(400)], {}),
    ("auth", [fail(401)] * 3, {}),
    ("connection", [raise_connection()] * 3, {}),
    ("deadline", [hang()], {"deadline_s": 1.0}),
]


@pytest.mark.parametrize(("word", "script", "options"), ENDINGS, ids=[word for word, _, _ in ENDINGS])
def test_an_outcome_is_the_word_of_the_calls_end(word: str, script: list[Outcome], options: dict[str, Any]) -> None:
    """The failure kind of the last attempt, or why there was none."""
    stage, notes = staged({"a": script})
    with contextlib.suppress(JunctorError):
        stage.chat(**options)
    stage.tell()
    assert [call.outcome for call in notes.calls] == [word]


def test_refusals_and_want_of_capacity_are_outcomes_too() -> None:
    """A call that nobody may take has no attempt; neither has one that finds everybody busy, or a wrong one."""
    limits = {"a": [{"dimension": "rpm", "limit": 1, "window_s": 60}]}
    stage, notes = staged({"a": [ok()]}, limits=limits)
    stage.chat()
    with pytest.raises(NoCapacity):
        stage.chat(max_wait_s=0.0)
    with pytest.raises(Refused):
        stage.run(stage.client.chat("g", [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]))
    with pytest.raises(InvalidRequest):
        stage.chat("unheard-of")
    stage.tell()
    assert [(call.outcome, len(call.attempts)) for call in notes.calls] == [
        ("ok", 1),
        ("no_capacity", 0),
        ("refused", 0),
        ("invalid_request", 0),
    ]


def test_a_stream_tells_its_first_content() -> None:
    """From the call's beginning, failed attempts included; the attempt tells its own."""
    stage, notes = staged({"a": [fail(503, after_s=0.5)], "b": [stream("x", "y", after_s=0.5, gap_s=1.0)]})
    assert stage.stream().text == "xy"
    stage.tell()
    (call,) = notes.calls
    assert call.streamed
    assert call.outcome == "ok"
    last = call.last
    assert last is not None
    assert last.first_content_s is not None
    assert call.first_content_s is not None
    assert call.first_content_s == pytest.approx(0.5 + call.waited_s + last.first_content_s)
    assert call.duration_s >= call.first_content_s + 1.0, "the pieces are a second apart"
    assert call.overhead_us == 0


def test_a_broken_stream_is_interrupted_and_one_that_is_left_is_cancelled() -> None:
    """The first is a provider's fault, the second its caller's wish."""
    stage, notes = staged({"a": [stream("x", "y", cut_after=1), stream("x", "y", gap_s=1.0)]})
    assert isinstance(stage.stream().error, StreamInterrupted)

    async def leave() -> None:
        async with stage.client.stream("g", MESSAGES) as events:
            async for _ in events:
                return

    stage.run(leave())
    stage.tell()
    assert [call.outcome for call in notes.calls] == ["interrupted", "cancelled"]


def test_a_cancelled_call_is_told_as_cancelled() -> None:
    """Also while it waits for its provider."""
    stage, notes = staged({"a": [hang()]})

    async def scenario() -> None:
        task = asyncio.create_task(stage.client.chat("g", MESSAGES))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stage.run(scenario())
    stage.tell()
    (call,) = notes.calls
    assert call.outcome == "cancelled"
    assert call.duration_s == 0.5


def test_each_call_has_the_mark_of_its_own_task() -> None:
    """`begun` runs where the caller runs, `ended` on the client's thread."""
    stage, notes = staged({"a": []}, otherwise=ok(after_s=0.1))

    async def scenario() -> None:
        async def one(name: str) -> None:
            TENANT.set(name)
            await stage.client.chat("g", MESSAGES, tenant=name)
            await read(stage.client)

        await asyncio.gather(one("ann"), one("bob"))

    stage.run(scenario())
    stage.tell()
    assert sorted(zip(notes.marks, [call.tenant or "" for call in notes.calls], strict=True)) == [
        ("ann", ""),
        ("ann", "ann"),
        ("bob", ""),
        ("bob", "bob"),
    ]
    assert notes.threads == {"junctor-receipts"}


class Broken(Observer):
    """Raises wherever it can."""

    def begun(self) -> object:
        raise ZeroDivisionError

    def ended(self, call: Observed, mark: object) -> None:
        assert (call.outcome, mark) == ("ok", None)
        raise SystemExit


def test_a_broken_observer_hurts_neither_the_call_nor_the_others() -> None:
    """It is counted twice, as a callback that raised."""
    notes, told = Notes(), list[object]()
    stage = Stage({"a": [ok()]}, observers=[Broken(), notes], on_receipt=told.append)
    assert stage.chat().text == "fine"
    stage.tell()
    assert notes.counters["callback_error"] == 2
    assert len(notes.calls) == len(told) == 1
    stage.assert_released()


def test_content_is_kept_for_those_alone_who_ask() -> None:
    """As it was when the call began: a caller who goes on with the conversation does not change what is told."""
    plain, keeper = Notes(), Notes(keeps_content=True)
    stage = Stage({"a": [ok("the answer"), stream("half", "rest", cut_after=1)]}, observers=[plain, keeper])
    messages: list[Any] = list(MESSAGES)
    reply = stage.run(stage.client.chat("g", messages))
    messages.append(reply.message)
    stage.stream()
    stage.tell()
    assert [call.content for call in plain.calls] == [None, None]
    whole, half = (call.content for call in keeper.calls)
    assert whole is not None
    assert half is not None
    assert (whole.messages, whole.text) == (tuple(MESSAGES), "the answer")
    assert half.text == "half"


def test_a_hedged_call_counts_both_attempts_once() -> None:
    """Two providers asked at the same time are no overhead, and no time is counted twice."""
    notes = Notes()
    stage = hedging({"a": [hang()], "b": [ok(after_s=0.5)]}, observers=[notes])
    stage.chat(max_tokens=10)
    stage.tell()
    (call,) = notes.calls
    assert [(attempt.told.deployment, attempt.told.hedge) for attempt in call.attempts] == [("a", False), ("b", True)]
    assert [attempt.address for attempt in call.attempts] == ["a.scripted", "b.scripted"]
    assert (call.outcome, call.overhead_us, call.waited_s) == ("ok", 0, 0.0)
    assert call.attempts[0].began_ns < call.attempts[1].began_ns < call.attempts[0].ended_ns <= call.ended_ns


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://api.openai.com/v1", ("api.openai.com", 443)),
        ("http://user:secret@[::1]:8080/v1?key=secret", ("::1", 8080)),
        ("http://a:99999", ("", None)),
        ("no address", ("", None)),
    ],
)
def test_a_server_is_told_without_whoever_logs_in(url: str, server: tuple[str, int | None]) -> None:
    """Host and port, and the scheme's port where none is written."""
    assert server_of(url) == server
