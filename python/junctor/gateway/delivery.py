"""An answer on its way to the client: a body at once, or pieces as they come and as fast as they are taken.

The next piece is asked for only after the server took the last one, and the server takes it only when its own buffer
has room, so a slow reader slows its upstream down and memory stays bounded. One that takes nothing for a while is left:
its upstream is paid for. The same timer serves a whole stream; it is touched when it fires and not for every piece.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from junctor.doors.contract import Answer, Stream
from junctor.gateway.interruption import Interruption, Send


class Delivery:
    """Sends one answer. `began` tells whether its status is out, `sent` how many bytes of the body are."""

    __slots__ = ("_send", "began", "sent", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = False
        self.sent = 0
        self.status = 0

    async def whole(self, answer: Answer, body: bytes, *, length: int) -> None:
        """Status, headers and body; `length` is that of the body, also where it is asked for without one (HEAD)."""
        await self._begin(answer.status, answer.headers, length)
        self.sent = len(body)
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, answer: Answer, pieces: Stream, interruption: Interruption, *, patience_s: float) -> None:
        """Status and headers, then each piece. Whatever happens, `pieces` is closed, which settles the call."""
        loop = asyncio.get_running_loop()
        reader = _Reader(interruption, loop, patience_s)
        send = self._send
        try:
            await self._begin(answer.status, answer.headers, None)
            async for piece in pieces:
                if piece:
                    reader.since = loop.time()
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    reader.since = None
                    self.sent += len(piece)
            await self.finish()
        finally:
            reader.stop()
            await pieces.aclose()

    async def finish(self, last: bytes = b"") -> None:
        """The end of a stream, after a last piece if there is one to say."""
        self.sent += len(last)
        await self._send({"type": "http.response.body", "body": last})

    async def _begin(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        written = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        if length is not None and "content-length" not in headers:
            written.append((b"content-length", str(length).encode()))
        self.began = True
        self.status = status
        start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": written}
        await self._send(start)


class _Reader:
    """Notices a reader who takes nothing: `since` is when the server was last given a piece that it has not taken."""

    __slots__ = ("_interruption", "_loop", "_patience_s", "_timer", "since")

    def __init__(self, interruption: Interruption, loop: asyncio.AbstractEventLoop, patience_s: float) -> None:
        self._interruption = interruption
        self._loop = loop
        self._patience_s = patience_s
        self.since: float | None = None
        self._timer: asyncio.TimerHandle | None = loop.call_later(patience_s, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._loop.time()
        due = (now if self.since is None else self.since) + self._patience_s
        if now >= due:
            self._interruption.interrupt("stuck")
        else:
            self._timer = self._loop.call_at(due, self._look)
