"""A timer for waits that come by the hundred: first content, then the silence between contents, then the deadline.

`asyncio.timeout` around every read would cost more than parsing what was read: two timer operations and a context
manager per chunk. Here one timer handle serves the whole stream and is touched only when it fires.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from junctor.transport.base import TransportError

T = TypeVar("T")


class Watchdog:
    """Interrupts a guarded await when `due` passes.

    `due` moves with every content and its timer does not: when the timer fires early it only sets itself again. While
    nothing is guarded (the caller is busy with an event) it does nothing, so a slow consumer is not a slow provider.
    """

    __slots__ = ("_cancelling", "_loop", "_task", "_timer", "barked", "due")

    def __init__(self, due: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancelling = 0
        self.barked = False
        self.due = due

    async def guard(self, awaitable: Awaitable[T]) -> T:
        """Await, but not past `due`: then `TransportError("timeout")`. Cancellation from outside passes through."""
        task = self._task = asyncio.current_task()
        assert task is not None, "a stream must be read inside a task"
        self._cancelling = task.cancelling()
        if self._timer is None:
            self._timer = self._loop.call_at(self.due, self._fire)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self.barked and task.uncancel() <= self._cancelling:
                raise TransportError("timeout", "no content came in time") from None
            raise
        finally:
            self._task = None

    def move(self, due: float) -> None:
        """Set `due`, perhaps to an earlier time than the timer was armed for."""
        self.due = due
        if self._timer is not None and self._timer.when() > due:
            self._timer.cancel()
            self._timer = None

    def check(self, now: float) -> None:
        """For reads that never wait: a flood of keep-alives must not starve the timer."""
        if now >= self.due:
            raise TransportError("timeout", "no content came in time")

    def stop(self) -> None:
        """No more guarding."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self.due:
            self._timer = self._loop.call_at(self.due, self._fire)
            return
        self.barked = True
        self._task.cancel()
