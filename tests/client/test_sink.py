"""Callbacks (B68): one that raises, blocks, re-enters or cannot keep up delays and fails no call."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from junctor import sink
from junctor.client import Client
from junctor.receipts import Receipt, Trail
from junctor.reply import Reply
from junctor.testing.scripted import fail, ok, stream
from tests.client.stage import MESSAGES, Stage, outcomes

PATIENCE_S = 30.0
"""A hang of the code under test fails its test instead of the whole run; nobody waits so long otherwise."""


class Blocked:
    """A callback that stops at its first receipt until it is let go. Keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Receipt] = []
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, receipt: Receipt) -> None:
        self.told.append(receipt)
        self.reached.set()
        assert self.let_go.wait(PATIENCE_S)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    callback = Blocked()
    yield callback
    callback.let_go.set()


def test_a_callback_that_raises_is_counted_and_hurts_nobody() -> None:
    """After chats, streams and failures alike; even `SystemExit` ends neither the call nor the thread."""
    errors: list[BaseException] = [ZeroDivisionError(), SystemExit(), KeyboardInterrupt()]
    stage = Stage({"a": [ok(), stream("x"), fail(400)]}, on_receipt=lambda _: _raise(errors.pop()))
    assert stage.chat().text == "fine"
    assert stage.stream().text == "x"
    with pytest.raises(Exception, match="400"):
        stage.chat()
    stage.tell()
    assert stage.client.counters["callback_error"] == 3
    stage.assert_released()


def test_a_callback_that_blocks_delays_no_call(blocked: Blocked) -> None:
    """A hundred calls come and go while it stands still, in no time at all; afterwards it hears of every one."""
    stage = Stage({"a": []}, otherwise=ok(), on_receipt=blocked)
    stage.chat()
    assert blocked.reached.wait(PATIENCE_S)

    async def scenario() -> list[Reply]:
        return await asyncio.gather(*(stage.client.chat("g", MESSAGES) for _ in range(100)))

    before_s = stage.clock.now_s()
    assert len(stage.run(scenario())) == 100
    assert stage.clock.now_s() == before_s
    stage.assert_released()
    assert len(blocked.told) == 1
    blocked.let_go.set()
    stage.tell()
    assert len(blocked.told) == 101
    assert stage.client.counters["callback_dropped"] == 0


def test_a_callback_may_use_the_client_and_the_router() -> None:
    """No lock is held while it runs: it asks the router anything, and sends another call through the loop."""
    seen: list[Any] = []

    def callback(receipt: Receipt) -> None:
        seen.append(outcomes(receipt))
        if len(seen) > 1:
            return
        with stage.router.reserve("g") as inner:
            inner.settle("ok")
        seen.append(stage.router.explain("g").deployment)
        seen.append(stage.router.snapshot()["deployments"]["a"]["in_flight"])
        again = asyncio.run_coroutine_threadsafe(stage.client.chat("g", MESSAGES), loops[0])
        seen.append(again.result(PATIENCE_S).text)

    async def scenario() -> None:
        loops.append(asyncio.get_running_loop())
        await stage.client.chat("g", MESSAGES)
        await stage.client.aclose()  # the callback's own call is made while closing waits for it
        await stage.client.aclose()

    loops: list[asyncio.AbstractEventLoop] = []
    stage = Stage({"a": [ok("first"), ok("second")]}, on_receipt=callback)
    stage.run(scenario())
    assert seen == [[("a", "ok")], "a", 0, "second", [("a", "ok")]]


def test_what_a_callback_cannot_keep_up_with_is_dropped_and_counted(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue has a bound, and a call that finds it full goes on."""
    monkeypatch.setattr(sink, "MAX_WAITING", 3)
    stage = Stage({"a": []}, otherwise=ok(), on_receipt=blocked)
    stage.chat()
    assert blocked.reached.wait(PATIENCE_S)
    for _ in range(10):
        assert stage.chat().text == "fine"
    assert stage.client.counters["callback_dropped"] == 7
    blocked.let_go.set()
    stage.tell()
    assert len(blocked.told) == 4


def test_receipts_are_told_in_the_order_in_which_calls_ended() -> None:
    """Of many calls at once, with waits of different length."""
    told: list[str | None] = []
    names = [f"d{number}" for number in range(20)]
    waits = {name: 0.1 * ((number * 7) % 20) for number, name in enumerate(names)}
    stage = Stage({name: [ok(after_s=waits[name])] for name in names}, on_receipt=lambda r: told.append(r.deployment))

    async def scenario() -> None:
        await asyncio.gather(*(stage.client.chat(name, MESSAGES) for name in names))

    stage.run(scenario())
    stage.tell()
    assert told == sorted(names, key=waits.__getitem__)


def test_closing_waits_for_what_is_to_be_told_but_not_for_ever(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback that never returns loses the rest of its receipts, and the count says how many."""
    monkeypatch.setattr(sink, "CLOSE_S", 0.0)
    before = _receipt_threads()
    stage = Stage({"a": []}, otherwise=ok(), on_receipt=blocked)
    for _ in range(5):
        stage.chat()
    assert blocked.reached.wait(PATIENCE_S)
    stage.tell()
    assert stage.client.counters["callback_dropped"] == 4
    blocked.let_go.set()
    assert _ends(_receipt_threads() - before)
    assert len(blocked.told) == 1


def test_a_closed_client_tells_of_later_calls_too() -> None:
    """Whoever goes on using it gets a new thread."""
    told: list[Receipt] = []
    stage = Stage({"a": [ok(), ok()]}, on_receipt=told.append)
    for count in (1, 2):
        stage.chat()
        stage.tell()
        assert len(told) == count


def test_slow_callbacks_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`callback_us` is the sum, `callback_slow` counts those that took longer than a tenth of a second."""
    times = iter([0.0, 0.05, 1.0, 1.5])
    monkeypatch.setattr(sink, "perf_counter", lambda: next(times))
    stage = Stage({"a": [ok(), ok()]}, on_receipt=lambda _: None)
    stage.chat()
    stage.chat()
    stage.tell()
    assert stage.client.counters["callback_slow"] == 1
    assert stage.client.counters["callback_us"] == 550_000


def test_without_a_callback_or_a_call_there_is_no_thread() -> None:
    """Nothing is started that nobody needs; the thread of a client that is forgotten ends."""
    before = _receipt_threads()
    stage = Stage({"a": [ok(), ok()]})
    stage.chat()
    told: list[Receipt] = []
    idle = Client(stage.router, stage.provider, on_receipt=told.append)
    assert _receipt_threads() == before
    stage.run(idle.chat("g", MESSAGES))
    assert len(_receipt_threads()) == len(before) + 1
    del idle
    gc.collect()
    assert _ends(_receipt_threads() - before)
    assert len(told) == 1


def test_no_thread_to_be_had_is_a_dropped_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the system's limit, or while the interpreter ends, the call itself goes on."""
    monkeypatch.setattr(threading.Thread, "start", lambda _: _raise(RuntimeError("can't start new thread")))
    stage = Stage({"a": [ok()]}, on_receipt=lambda _: None)
    assert stage.chat().text == "fine"
    assert stage.client.counters["callback_dropped"] == 1


def test_a_coroutine_function_is_refused_at_once() -> None:
    """It would be called and never run."""

    async def callback(receipt: Receipt) -> None:
        raise AssertionError(receipt)

    with pytest.raises(TypeError, match="give a plain function"):
        Stage({"a": []}, on_receipt=callback)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_tells_its_own_receipts(tmp_path: Any) -> None:
    """The parent's thread is not in the child, and what waited in the parent is the parent's to tell."""
    heard = tmp_path / "heard"

    def callback(receipt: Receipt) -> None:
        with heard.open("a") as file:
            file.write(f"{os.getpid()} {receipt.dropped[0]}\n")

    told = sink.Sink(callback, Counter())
    told.put(_trail("before"))
    child = os.fork()
    if child == 0:
        try:
            told.put(_trail("inside"))
            asyncio.run(told.close())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    told.put(_trail("after"))
    asyncio.run(told.close())
    lines = heard.read_text().splitlines()
    assert sorted(lines) == sorted([f"{os.getpid()} before", f"{child} inside", f"{os.getpid()} after"])


def test_many_threads_may_look_at_one_finished_receipt() -> None:
    """The caller reads `reply.receipt` while the thread puts the same receipt together."""
    stage = Stage({"a": []}, otherwise=ok(), on_receipt=lambda receipt: told.append(receipt))
    told: list[Receipt] = []
    seen = [stage.chat().receipt for _ in range(200)]
    stage.tell()
    assert told == seen


def _trail(mark: str) -> Trail:
    trail = Trail()
    trail.drop((mark,))
    trail.over = True
    return trail


def _raise(error: BaseException) -> None:
    raise error


def _receipt_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "junctor-receipts"}


def _ends(threads: set[threading.Thread]) -> bool:
    """Whether all of these come to their end."""
    until_s = time.monotonic() + PATIENCE_S
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
