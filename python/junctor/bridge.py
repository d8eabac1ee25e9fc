"""A bridge to the engine for callers without an event loop: one loop, on a thread of its own.

**Problem.** The engine is asyncio; a program on a sync SDK has threads, forks, and no place to close things properly.

**Choice.** A line is a daemon thread that runs one event loop. It starts with the first sync request, never at import,
and all threads of the program share it: the engine holds thousands of requests in one loop, and kept connections are
of use to everybody. A child of a fork has no copy of the thread, so it gets a line of its own when it first asks; the
parent's, which it inherited in memory, it never touches. A line that ends cancels what still runs, and whoever waits
for that is told. A thread that is interrupted while it waits (Ctrl-C) cancels what it waited for.

**Rejected.** `asyncio.run` for each request: connections could not be kept. A loop for each thread: as many sets of
connections, and nobody who closes them. Locks around the starting: a child that forks while one is held waits forever;
a dictionary's `setdefault` decides between two threads as well.

**Cost.** A piece of an answer crosses two threads; what that takes is less than what our sockets save
(`python -m benches.python.bench_dropin`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

END_S: Final = 5.0
"""How long ending waits for what was cancelled; the receipts' thread waits as long for its callback."""


class Line:
    """One event loop on a thread, from its making to its end. `farewell` is run on it last."""

    def __init__(self, farewell: Callable[[], Awaitable[None]]) -> None:
        self._process = os.getpid()
        # Between asking for something and the end. The garbage collector may strike inside and release an answer, which
        # asks once more, so it is reentrant. Neither the loop's own thread nor a child of a fork ever takes it.
        self._lock = threading.RLock()
        self._ended = False
        started: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]
        started = concurrent.futures.Future()
        arguments = (started, farewell)
        self._thread = threading.Thread(target=_work, args=arguments, name="junctor-bridge", daemon=True)
        self._thread.start()
        self._loop, self._over = started.result()

    def run(self, work: Coroutine[Any, Any, T], cut: Callable[[], Exception]) -> T:
        """The result of `work`, done on this line. Raises `cut()` if the line has ended or ends meanwhile."""
        future = self._begin(work)
        if future is None:
            raise cut()
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise cut() from None
        except BaseException:
            future.cancel()  # interrupted here, while it goes on there; harmless if it raised this itself
            raise

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """As `run`, for what releases something: the end of the line releases it as well.

        On the line's own thread only the garbage collector calls this, and the loop hears of its generators by itself.
        """
        future = self._begin(work)
        if future is not None:
            with suppress(concurrent.futures.CancelledError):
                future.result()

    def end(self) -> None:
        """Cancel what runs, say farewell, and wait for at most `END_S` seconds. Harmless after a fork, or twice."""
        if self._process != os.getpid():
            return
        with self._lock:
            if not self._ended:
                self._ended = True
                self._loop.call_soon_threadsafe(self._over.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(END_S)

    def _begin(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T] | None:
        # The loop calls in order, so everything that was begun before the end is there to be cancelled at the end.
        if self._process == os.getpid() and threading.current_thread() is not self._thread:
            with self._lock:
                if not self._ended:
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        return None


class Bridge:
    """The line of this process, made when it is first needed."""

    def __init__(self, farewell: Callable[[], Awaitable[None]]) -> None:
        self._farewell = farewell
        self._lines: dict[int, Line] = {}

    @property
    def is_open(self) -> bool:
        """Whether this process has a line."""
        return os.getpid() in self._lines

    def line(self) -> Line:
        """The line to ask on now."""
        process = os.getpid()
        line = self._lines.get(process)
        if line is None:
            fresh = Line(self._farewell)
            line = self._lines.setdefault(process, fresh)
            if line is not fresh:
                fresh.end()
        return line

    def end(self) -> None:
        """End the line, if there is one. A later request makes another."""
        line = self._lines.pop(os.getpid(), None)
        if line is not None:
            line.end()


def _work(
    started: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]],
    farewell: Callable[[], Awaitable[None]],
) -> None:
    """The thread: it knows the loop and nobody who uses it, so it keeps no forgotten transport alive."""

    async def main() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        started.set_result((loop, over))
        await over.wait()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await loop.shutdown_asyncgens()
        await farewell()

    # Not `asyncio.run`: it ends the loop's executor by a thread, which no interpreter starts that is about to end.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
