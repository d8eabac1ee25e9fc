"""One request under way, and everything that may interrupt it.

**Problem.** A client that leaves must cost nothing further: its upstream is cancelled and settled, whether the answer
is whole or a stream. ASGI tells of it by a message that has to be waited for beside the work, a slow sender and a slow
reader need a timer, and at the end of draining whatever still runs has to hear of it.

**Choice.** All of them cancel the request's own task and leave the reason here, so the work itself is one straight line
without a second task. The message is listened for by a callback on the future that `receive` gives (granian's is one
already; a coroutine of another server becomes a task). Nothing is interrupted twice, and nothing once it is over.

To ask for that message wakes the server's thread, and its answer wakes ours: as much as the rest of the bookkeeping if
each request does it by itself. So requests begin to listen together, `TOGETHER_S` after the first of them asked: one
waking serves all that run then, and what was answered before never asks. A client that leaves earlier is noticed then.

Rejected: a task group with a watching task per request (a second place at which a cancellation has to be understood);
to look for a client only after its request has lasted for a while (each would still wake two threads by itself).

**Cost.** One list entry and one set entry per request, a callback for those that listen, a timer where bytes are
waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Literal

TOGETHER_S: Final = 0.05
"""How long requests wait for each other before they listen. What an upstream may do for nobody is that much more."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Reason = Literal["gone", "slow", "stuck", "drained"]


class Interruption:
    """Interrupts the current task for one of four reasons, told in `why`.

    `gone`: the client left. `slow`: its body took too long. `stuck`: it takes nothing of its answer. `drained`: the
    server is about to end.
    """

    __slots__ = ("_heard", "_loop", "_over", "_receive", "_task", "_timer", "why")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None, "an ASGI application is called inside a task"
        self._task = task
        self._heard: asyncio.Future[Message] | None = None
        self._receive: Receive | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self.why: Reason | None = None

    def interrupt(self, why: Reason) -> None:
        """Cancel the request for this reason, unless it is over or was interrupted before."""
        if self.why is None and not self._over:
            self.why = why
            self._task.cancel()

    def ours(self) -> Reason | None:
        """To be asked when a cancellation arrives: our reason, taken off the task; None if it is somebody else's."""
        if self.why is not None:
            self._task.uncancel()
        return self.why

    def follow(self, receive: Receive) -> None:
        """From now on notice when the client leaves. The body must have been read."""
        if self._over:
            return
        self._receive = receive
        told: Any = receive()
        if not hasattr(told, "add_done_callback"):
            told = self._loop.create_task(told)
        self._heard = told
        told.add_done_callback(self._listen)

    def expire(self, after_s: float, why: Reason) -> None:
        """Interrupt after this many seconds, in place of an earlier timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(after_s, self.interrupt, why)

    def relax(self) -> None:
        """No timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stop(self) -> None:
        """The request is over: listen to nothing."""
        self._over = True
        self.relax()
        heard, self._heard = self._heard, None
        if heard is not None:
            heard.remove_done_callback(self._listen)  # or cancelling it would call once more
            heard.cancel()

    def _listen(self, heard: asyncio.Future[Message]) -> None:
        if self._over or heard.cancelled():
            return
        if heard.exception() is not None or heard.result()["type"] == "http.disconnect":
            self.interrupt("gone")
        elif self._receive is not None:  # the empty end of a body whose length was known
            self.follow(self._receive)


class Followers:
    """The requests of one gateway that are about to listen whether their clients are still there."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[tuple[Interruption, Receive]] = []

    def add(self, interruption: Interruption, receive: Receive) -> None:
        """Let this request follow its client, together with others."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # another loop's timer may never fire
            self._loop, self._waiting = loop, []
        if not self._waiting:
            loop.call_later(TOGETHER_S, self._follow)
        self._waiting.append((interruption, receive))

    def _follow(self) -> None:
        waiting, self._waiting = self._waiting, []
        for interruption, receive in waiting:
            interruption.follow(receive)
