"""Credentials that run out, fetched on a thread, once for everybody who waits.

The clouds' libraries fetch credentials by blocking calls: to a metadata server, a token service, a browser's cache.
Called where a request is signed, one of them would hold up every other call of the event loop, and every call would do
it at the same moment. So the last credentials are kept; a fetch runs on a thread of its own, everybody who needs it
waits for that one, and it begins some minutes before the end, while the old ones still serve.

There is no lock: two threads of a program may begin a fetch at the same moment, which costs a fetch. A fork takes no
thread along, so a fetch that began before it counts as none in the child.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, NamedTuple, TypeVar

from junctor.signing.contract import SigningError

AHEAD_S: Final = 240.0
"""How long before their end credentials are renewed. Google's metadata server has new ones from then on, AWS's
earlier."""
MARGIN_S: Final = 30.0
"""Credentials that end sooner are not used: the request must arrive while they hold, by the provider's clock."""
PAUSE_S: Final = 10.0
"""Between two tries to renew ahead of time that fail."""

T = TypeVar("T")


class Held(NamedTuple, Generic[T]):
    """Credentials, and whether they will still hold in so many seconds."""

    value: T
    holds: Callable[[float], bool]


class Renewal(Generic[T]):
    """The current credentials. `fetch` is called on a thread and may raise anything."""

    def __init__(self, fetch: Callable[[], Held[T]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._held: Held[T] | None = None
        self._running: tuple[int, Future[None]] | None = None
        self._next_s = float("-inf")

    def current(self) -> T | None:
        """Credentials that hold for now; None if there are none. Begins a renewal when their end is near."""
        held = self._held
        if held is None or not held.holds(MARGIN_S):
            return None
        if not held.holds(AHEAD_S) and self._clock() >= self._next_s:
            self._next_s = self._clock() + PAUSE_S
            self._begin()
        return held.value

    def prepare(self) -> None:
        """Begin to fetch credentials if there are none that hold. How that ends, whoever waits for them hears."""
        if self.current() is None:
            self._begin()

    async def obtain(self) -> None:
        """Wait for fresh credentials. Raises `SigningError` if they cannot be had; a cancelled wait stops no fetch."""
        if self.current() is None:  # somebody else's fetch may have ended between the question and the wait
            await asyncio.shield(asyncio.wrap_future(self._begin()))

    def _begin(self) -> Future[None]:
        running = self._running
        if running is not None and running[0] == os.getpid() and not running[1].done():
            return running[1]
        future: Future[None] = Future()
        self._running = (os.getpid(), future)
        threading.Thread(target=self._run, args=(future,), name="junctor-credentials", daemon=True).start()
        return future

    def _run(self, future: Future[None]) -> None:
        try:
            self._held = self._fetch()
        except SigningError as error:
            future.set_exception(error)
        except BaseException as error:  # a library's own error may quote what it read: only its kind is told
            future.set_exception(SigningError(f"credentials could not be fetched ({type(error).__name__})"))
        else:
            future.set_result(None)
