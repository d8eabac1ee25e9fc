"""Hands the receipts of finished calls to the program's callback and its observers, on a thread of its own.

A callback runs code that we do not know: it writes to a file, takes a lock, waits for a database. Called on the event
loop it would hold up every other request for as long; awaited, it would hold up its own. So finished calls go into a
bounded queue, and one daemon thread per client calls the callback with one receipt after the other, in the order in
which the calls ended. Putting one in never waits: a receipt that finds the queue full is dropped and counted. The
receipt is put together on that thread too, so the event loop pays for one `put` and no more.

Rejected: calling it on the loop and timing it (a slow one is known when the harm is done); the loop's executor (its
threads are the program's, its queue has no bound, and it keeps no order); `queue.Queue`, whose lock is taken again by
a stream that the garbage collector finishes during a `put`. `SimpleQueue` allows that.

What it costs: a callback that computes for long still takes its share of the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections import Counter
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from junctor.observe.watch import Watchers
    from junctor.receipts import Receipt, Trail

MAX_WAITING: Final = 4_096
"""Receipts that may wait: four seconds of a thousand calls each. They take about a kilobyte apiece."""

SLOW_S: Final = 0.1
"""A callback that takes longer is counted as slow: at ten calls a second it could no longer keep up."""

REST_S: Final = 0.005
"""How long the thread rests once the queue is empty: waking up for each receipt would cost as much as telling it."""

CLOSE_S: Final = 5.0
"""How long closing waits for the receipts that are still in the queue."""


class Sink:
    """A callback, observers or both, with a queue and a thread that starts with the first receipt and anew in a fork.

    `counters` is told `callback_error`, `callback_slow`, `callback_dropped`, and in `callback_us` the microseconds that
    the callback has taken in all.
    """

    def __init__(
        self,
        callback: Callable[[Receipt], object] | None,
        counters: Counter[str],
        watchers: Watchers | None = None,
    ) -> None:
        self._waiting: SimpleQueue[Trail | None] = SimpleQueue()
        if inspect.iscoroutinefunction(callback):
            raise TypeError(
                "on_receipt is a coroutine function, but it is called on a thread without an event loop; "
                "give a plain function, which may use asyncio.run_coroutine_threadsafe"
            )
        self._callback = callback
        self._watchers = watchers
        self._counters = counters
        self._thread: threading.Thread | None = None
        self._closed: threading.Thread | None = None
        self._process = 0

    def put(self, trail: Trail) -> None:
        """The call of this trail is over: its receipt is told soon. Never waits and never raises."""
        alive = self._thread is not None and self._process == os.getpid()
        if (alive or self._start()) and self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(trail)
        else:
            self._counters["callback_dropped"] += 1

    async def close(self) -> None:
        """Wait, for at most `CLOSE_S`, until every receipt was told; the others are dropped and counted."""
        thread, self._thread = self._thread, None
        self._closed = thread or self._closed
        if thread is None or self._process != os.getpid():
            return
        self._waiting.put(None)
        await asyncio.get_running_loop().run_in_executor(None, thread.join, CLOSE_S)
        if thread.is_alive():
            self._counters["callback_dropped"] += _emptied(self._waiting)
            self._waiting.put(None)

    def __del__(self) -> None:
        # A client that was dropped without closing: its thread tells what waits and ends.
        self._waiting.put(None)

    def _start(self) -> bool:
        """A thread with a queue of its own; what waits in an older one is told before, or by the parent process.

        False if the system has no thread to give, or the interpreter is about to end.
        """
        self._waiting = SimpleQueue()
        arguments = (self._waiting, self._callback, self._watchers, self._counters, self._closed)
        thread = threading.Thread(target=_tell_all, args=arguments, name="junctor-receipts", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread, self._process = thread, os.getpid()
        return True


def _tell_all(
    waiting: SimpleQueue[Trail | None],
    callback: Callable[[Receipt], object] | None,
    watchers: Watchers | None,
    counts: Counter[str],
    before: threading.Thread | None,
) -> None:
    """The thread: it knows the queue and not the sink, so it keeps no forgotten client alive."""
    if before is not None:
        before.join()  # one callback at a time, also for a client that is used while or after it closes
    while (trail := waiting.get()) is not None:
        began = perf_counter()
        try:
            if watchers is not None:
                watchers.tell(trail)
            if callback is not None:
                callback(trail.receipt())
        except BaseException:  # SystemExit too: nobody above would hear of it, and the next receipts wait
            counts["callback_error"] += 1
        took_s = perf_counter() - began
        counts["callback_us"] += int(took_s * 1_000_000)
        if took_s > SLOW_S:
            counts["callback_slow"] += 1
        if not waiting.qsize():
            sleep(REST_S)


def _emptied(waiting: SimpleQueue[Trail | None]) -> int:
    """Take everything out of the queue; how many receipts that were."""
    count = 0
    try:
        while True:
            count += waiting.get_nowait() is not None
    except Empty:
        return count
