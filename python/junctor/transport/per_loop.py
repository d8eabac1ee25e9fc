"""What belongs to one event loop, apart for each.

A connection lives in the loop that made it, and a client may be used from several loops in several threads. So whatever
holds connections is made once per loop and touched by that loop's own thread only: no lock, and nothing of a strange
loop's in anybody's hands.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes one `T` for each event loop of this process, when the loop first asks."""

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], T]) -> None:
        self._make = make
        self._all: dict[tuple[int, asyncio.AbstractEventLoop], T] = {}
        self._last: tuple[int, asyncio.AbstractEventLoop, T] | None = None

    def here(self) -> T:
        """The running loop's own. What was made before a fork is the parent's, and not given to a child."""
        process, loop = os.getpid(), asyncio.get_running_loop()
        last = self._last  # read once: a moment later it may be another thread's
        if last is not None and last[1] is loop and last[0] == process:
            return last[2]
        own = self._all.get((process, loop))
        if own is None:
            for gone in [key for key in list(self._all) if key[0] != process or key[1].is_closed()]:
                self._all.pop(gone, None)
            own = self._all[process, loop] = self._make(loop)
        self._last = (process, loop, own)
        return own

    def take_here(self) -> T | None:
        """Forget the running loop's own, for whoever closes it; None if there is none."""
        self._last = None
        return self._all.pop((os.getpid(), asyncio.get_running_loop()), None)

    def take_all(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """Forget all of them; those of this process whose loops are not closed, for whoever closes them."""
        everything, self._all, self._last = self._all, {}, None
        return [
            (loop, own)
            for (process, loop), own in everything.items()
            if process == os.getpid() and not loop.is_closed()
        ]
