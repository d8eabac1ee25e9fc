"""One HTTP/1.1 connection on an asyncio transport: at most one exchange at a time, parsed where the bytes arrive.

asyncio's streams (`StreamReader`) would copy every piece once more and wake a task per read. A protocol with one future
does neither: a whole answer costs one wake-up, and pieces of a stream that arrive together are handed over together.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, cast

from junctor.transport.base import MAX_BODY_BYTES, TransportError, too_long
from junctor.transport.http1 import BadHttp, ResponseParser
from junctor.transport.pool import Key, Pool

PAUSE_BYTES: Final = 256 * 1024
"""A stream whose reader is this far behind stops reading from the socket until it caught up."""


class ClosedWithoutAnswer(Exception):
    """The connection ended without a single byte of an answer.

    On a kept one that is to be expected: the server may close it while the request is on its way.
    """


class Wire:
    """A request as bytes, with the key in them: it shows itself to nobody, so no report of local variables tells it."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"Wire({len(self.data)} bytes)"


class Connection(asyncio.Protocol):
    """One connection with at most one exchange on it. It goes back to no other pool than the one it was made for."""

    def __init__(self, key: Key, pool: Pool) -> None:
        self.loop = pool.loop
        self.key = key
        self.pool = pool
        self.alive = True
        self.idle_since = 0.0
        self.parser = ResponseParser()
        self.failure: TransportError | None = None
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._whole = True
        self._answered = False
        self._size = 0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from asyncio's

    async def ask(self, wire: Wire, due: float, *, whole: bool) -> Connection:
        """Send a request and wait until its answer is whole, or its head is there."""
        assert self._transport is not None
        self.parser = ResponseParser()
        self._whole, self._answered, self._size = whole, False, 0
        waiter = self._waiter = self.loop.create_future()
        timer = self.loop.call_at(due, self._late)
        try:
            self._transport.write(wire.data)
            await waiter
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiter = None
            timer.cancel()
        return self

    async def more(self) -> bytes | None:
        """What has arrived of the body since the last call; waits for something. None after its end."""
        parser = self.parser
        if not parser.pieces and not parser.done:
            if self.failure is not None:
                raise self.failure
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            except BaseException:
                self.abort()
                raise
            finally:
                self._waiter = None
        if not parser.pieces:
            return None
        pieces, parser.pieces = parser.pieces, []
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def data_received(self, data: bytes) -> None:
        """asyncio's callback."""
        parser = self.parser
        self._answered = True
        try:
            parser.feed(data)
        except BadHttp as error:
            self._break(TransportError("connection", str(error)))
            return
        if self._whole:
            self._size += len(data)
            if parser.done:
                self._wake()
            elif self._size > MAX_BODY_BYTES:
                self._break(too_long())
        elif parser.status and (parser.pieces or parser.done or self._size == 0):
            self._size += len(data)
            self._wake()
            if self._size > PAUSE_BYTES and not self._paused and self._transport is not None and not parser.done:
                self._paused = True
                self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's callback."""
        self.alive = False
        if self._waiter is None and self.parser.done:
            return
        try:
            self.parser.end()
        except BadHttp as error:
            if not self._answered and not isinstance(self.failure, TransportError):
                self._fail(ClosedWithoutAnswer())
            else:
                self._break(TransportError("connection", str(error) if exc is None else reason(exc)))
            return
        self._wake()

    def abort(self) -> None:
        """Close at once; whatever still comes is dropped."""
        self.alive = False
        if self._transport is not None:
            self._transport.abort()

    def _late(self) -> None:
        self._break(TransportError("timeout", "no answer in time"))

    def _break(self, failure: TransportError) -> None:
        self.failure = self.failure or failure
        self._fail(failure)
        self.abort()

    def _fail(self, failure: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(failure)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def reason(error: Exception) -> str:
    """Why, in the system's own words where it has some; they name neither URL nor header."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}; if its authority is to be trusted, set SSL_CERT_FILE or pass tls="
    return getattr(error, "strerror", None) or type(error).__name__
