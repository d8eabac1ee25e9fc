"""Credentials that run out: fetched once for everybody, on a thread, and before their end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from junctor.signing import SigningError
from junctor.signing.renewal import AHEAD_S, MARGIN_S, PAUSE_S, Held, Renewal


class Source:
    """Where credentials come from: numbered ones that last `lasts_s`, given when `gate` opens."""

    def __init__(self, lasts_s: float = 3600.0) -> None:
        self.now_s = 0.0
        self.lasts_s = lasts_s
        self.fetches = 0
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.done = threading.Semaphore(0)
        self.failure: Exception | None = None

    def fetch(self) -> Held[int]:
        self.fetches += 1
        number = self.fetches
        self.threads.add(threading.get_ident())
        try:
            assert self.gate.wait(10)
            if self.failure is not None:
                raise self.failure
            ends_s = self.now_s + self.lasts_s
            return Held(number, lambda seconds: self.now_s + seconds < ends_s)
        finally:
            self.done.release()

    def renewal(self) -> Renewal[int]:
        return Renewal(self.fetch, clock=lambda: self.now_s)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do; it has been told to."""
    deadline = threading.Event()
    for _ in range(1000):
        if condition():
            return
        deadline.wait(0.005)
    raise AssertionError("the other thread never did it")


def test_credentials_can_be_asked_for_before_anybody_needs_them() -> None:
    source = Source()
    source.gate.clear()
    renewal = source.renewal()
    renewal.prepare()
    renewal.prepare()
    assert renewal.current() is None
    source.gate.set()
    until(lambda: renewal.current() == 1)
    renewal.prepare()
    asyncio.run(renewal.obtain())
    assert source.fetches == 1


def test_everybody_waits_for_one_fetch_and_the_event_loop_does_not() -> None:
    source = Source()
    source.gate.clear()
    renewal = source.renewal()
    turns = 0

    async def scenario() -> None:
        nonlocal turns
        waiting = [asyncio.ensure_future(renewal.obtain()) for _ in range(100)]
        for _ in range(50):
            await asyncio.sleep(0)
            turns += 1
        assert not any(task.done() for task in waiting)
        source.gate.set()
        await asyncio.gather(*waiting)

    assert renewal.current() is None
    asyncio.run(scenario())
    assert (turns, source.fetches, renewal.current()) == (50, 1, 1)
    assert threading.get_ident() not in source.threads


def test_loops_of_several_threads_share_a_fetch() -> None:
    source = Source()
    source.gate.clear()
    renewal = source.renewal()
    renewal._begin()
    threads = [threading.Thread(target=lambda: asyncio.run(renewal.obtain())) for _ in range(3)]
    for thread in threads:
        thread.start()
    source.gate.set()
    for thread in threads:
        thread.join(10)
    assert (source.fetches, renewal.current()) == (1, 1)


def test_a_call_that_gives_up_stops_nobody_elses_fetch() -> None:
    source = Source()
    source.gate.clear()
    renewal = source.renewal()

    async def scenario() -> None:
        patient = asyncio.ensure_future(renewal.obtain())
        hasty = asyncio.ensure_future(renewal.obtain())
        await asyncio.sleep(0)
        hasty.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hasty
        source.gate.set()
        await patient

    asyncio.run(scenario())
    assert (source.fetches, renewal.current()) == (1, 1)


def test_renewal_begins_before_the_end_while_the_old_ones_still_serve() -> None:
    source = Source(lasts_s=1000.0)
    renewal = source.renewal()
    asyncio.run(renewal.obtain())
    source.now_s = 1000.0 - AHEAD_S - 1
    assert renewal.current() == 1
    assert source.fetches == 1
    source.now_s = 1000.0 - AHEAD_S + 1
    assert renewal.current() == 1, "nobody waits"
    assert source.done.acquire(timeout=10) and source.done.acquire(timeout=10)  # noqa: PT018 - two fetches, in order
    until(lambda: renewal.current() == 2)
    assert source.fetches == 2


def test_a_renewal_that_fails_is_tried_again_after_a_pause_and_not_by_every_call() -> None:
    source = Source(lasts_s=1000.0)
    renewal = source.renewal()
    asyncio.run(renewal.obtain())
    source.failure = OSError("the metadata server is away")
    source.now_s = 1000.0 - AHEAD_S + 1
    for _ in range(20):
        assert renewal.current() == 1
    until(lambda: source.fetches == 2)
    source.now_s += PAUSE_S / 2
    assert renewal.current() == 1
    assert source.fetches == 2
    source.failure = None
    source.now_s += PAUSE_S
    assert renewal.current() == 1
    until(lambda: renewal.current() == 3)


def test_credentials_at_their_end_are_not_used() -> None:
    source = Source(lasts_s=1000.0)
    renewal = source.renewal()
    asyncio.run(renewal.obtain())
    source.gate.clear()
    source.now_s = 1000.0 - MARGIN_S
    assert renewal.current() is None
    source.gate.set()


def test_a_failure_says_what_kind_it_was_and_quotes_nothing() -> None:
    source = Source()
    renewal = source.renewal()
    for failure, words in (
        (OSError("https://user:canary-7f3a@sts.example"), r"^credentials could not be fetched \(OSError\)$"),
        (SigningError("no AWS credentials were found"), "^no AWS credentials were found$"),
    ):
        source.failure = failure
        with pytest.raises(SigningError, match=words) as caught:
            asyncio.run(renewal.obtain())
        assert caught.value.kind == "auth"
    source.failure = None
    asyncio.run(renewal.obtain())
    assert renewal.current() == 3, "after a failure the next one who asks tries again"
