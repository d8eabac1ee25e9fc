"""A transport of asyncio's own sockets: HTTP/1.1 with kept-alive connections, no further library.

A library with a runtime of its own must wake the event loop from another thread for every piece that arrives. Plain
asyncio does that with a system call, so such a transport costs more than the request itself where uvloop is missing,
and most of all on streams. Here bytes are parsed in the callback that delivers them, and a fork breaks nothing.

Left out on purpose: HTTP/2, proxies, redirects, cookies, compression. Who needs a proxy or HTTP/2 uses
`PyreqwestTransport` or `HttpxTransport`.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec

from junctor.request import HttpRequest
from junctor.transport.base import Response, TransportError
from junctor.transport.http1 import BadHttp, ResponseParser

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""A whole answer; longer ones are refused. The longest real ones carry images and have some MiB."""

PAUSE_BYTES: Final = 256 * 1024
"""A stream whose reader is this far behind stops reading from the socket until it caught up."""

MAX_TARGETS: Final = 10_000
"""Remembered addresses; past this they are forgotten all at once and found again."""


class Target(msgspec.Struct, frozen=True):
    """Where a URL leads: the connection's key, and the request's first lines."""

    host: str
    port: int
    tls: bool
    head: str


class DirectTransport:
    """Sends requests over asyncio's own connections, each kept for the next request to the same host.

    `connect_timeout_s` bounds a connection's making; `idle_timeout_s` is how long an unused one is trusted;
    `max_idle` how many per host are kept. `tls` replaces the default TLS context (own roots, client certificates).
    """

    def __init__(
        self,
        *,
        connect_timeout_s: float = 10.0,
        idle_timeout_s: float = 55.0,
        max_idle: int = 256,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._max_idle = max_idle
        self._tls = tls
        self._targets: dict[tuple[str, str], Target] = {}
        self._idle: dict[tuple[str, int, bool], list[_Connection]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """Send and read the whole answer within `timeout_s` seconds."""
        connection = await self._exchange(request, timeout_s, whole=True)
        parser = connection.parser
        pieces = parser.pieces
        response = Response(parser.status, parser.headers, pieces[0] if len(pieces) == 1 else b"".join(pieces))
        self._put_back(connection)
        return response

    def stream(self, request: HttpRequest, *, timeout_s: float) -> _Stream:
        """Send and hand over the answer at its headers, which must come within `timeout_s` seconds."""
        return _Stream(self, request, timeout_s)

    async def close(self) -> None:
        """Close every idle connection. Closing twice is harmless; a later request opens anew."""
        idle, self._idle = self._idle, {}
        if self._loop is asyncio.get_running_loop() and self._process == os.getpid():
            for connections in idle.values():
                for connection in connections:
                    connection.abort()

    async def _exchange(self, request: HttpRequest, timeout_s: float, *, whole: bool) -> _Connection:
        """Send, and wait for the whole answer or its head."""
        if timeout_s <= 0:
            raise TransportError("timeout", "no time was left to send the request")
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self._process != os.getpid():
            self._move_to(loop)
        target = self._target(request)
        wire = _wire(request, target)
        due = loop.time() + timeout_s
        connection = self._take_idle(target, loop.time())
        if connection is not None:
            try:
                return await connection.ask(wire, due, whole=whole)
            except _ClosedWhileIdle:
                pass  # The server closed it before it saw the request: nothing was done twice by asking again.
        connection = await self._connect(target, min(timeout_s, self._connect_timeout_s))
        try:
            return await connection.ask(wire, due, whole=whole)
        except _ClosedWhileIdle:
            raise TransportError("connection", f"{target.host} closed the connection without an answer") from None

    async def _connect(self, target: Target, timeout_s: float) -> _Connection:
        loop = asyncio.get_running_loop()
        tls: ssl.SSLContext | None = None
        if target.tls:
            tls = self._tls = self._tls or ssl.create_default_context()
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop, (target.host, target.port, target.tls)), target.host, target.port, ssl=tls
                )
        except TimeoutError:
            raise TransportError("timeout", f"no connection to {target.host} within {timeout_s:g} s") from None
        except (OSError, ssl.SSLError) as error:
            raise TransportError("connection", f"no connection to {target.host}: {_reason(error)}") from None
        return connection

    def _target(self, request: HttpRequest) -> Target:
        key = (request.method, request.url)
        target = self._targets.get(key)
        if target is None:
            if len(self._targets) >= MAX_TARGETS:
                self._targets.clear()
            target = self._targets[key] = _parse_target(request)
        return target

    def _take_idle(self, target: Target, now: float) -> _Connection | None:
        connections = self._idle.get((target.host, target.port, target.tls))
        while connections:
            connection = connections.pop()
            if connection.alive and now - connection.idle_since <= self._idle_timeout_s:
                return connection
            connection.abort()
        return None

    def _put_back(self, connection: _Connection) -> None:
        if not connection.alive or not connection.parser.reusable or connection.loop is not self._loop:
            connection.abort()
            return
        connections = self._idle.setdefault(connection.key, [])
        if len(connections) >= self._max_idle:
            connection.abort()
            return
        connection.idle_since = connection.loop.time()
        connections.append(connection)

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Another loop or a forked child: the old connections belong to the other side and are left to it."""
        self._idle = {}
        self._loop = loop
        self._process = os.getpid()


class _ClosedWhileIdle(Exception):
    """A kept-alive connection ended without a single byte of an answer."""


class _Connection(asyncio.Protocol):
    """One connection with at most one exchange on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, key: tuple[str, int, bool]) -> None:
        self.loop = loop
        self.key = key
        self.alive = True
        self.idle_since = 0.0
        self.parser = ResponseParser()
        self.failure: TransportError | None = None
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._whole = True
        self._size = 0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from asyncio's

    async def ask(self, wire: bytes, due: float, *, whole: bool) -> _Connection:
        """Send a request and wait until its answer is whole, or its head is there."""
        assert self._transport is not None
        self.parser = ResponseParser()
        self._whole, self._size = whole, 0
        waiter = self._waiter = self.loop.create_future()
        timer = self.loop.call_at(due, self._late)
        try:
            self._transport.write(wire)
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
                self._break(TransportError("connection", f"the answer is longer than {MAX_BODY_BYTES} bytes"))
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
            if not self.parser.status and exc is None:
                self._fail(_ClosedWhileIdle())
            else:
                self._break(TransportError("connection", str(error) if exc is None else _reason(exc)))
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


class _Stream:
    """One streamed exchange: a context manager around it and, inside, the answer itself."""

    __slots__ = ("_connection", "_request", "_timeout_s", "_transport", "headers", "read_chunk", "status")

    status: int
    headers: Mapping[str, str]

    def __init__(self, transport: DirectTransport, request: HttpRequest, timeout_s: float) -> None:
        self._transport = transport
        self._request = request
        self._timeout_s = timeout_s
        self._connection: _Connection | None = None

    async def __aenter__(self) -> _Stream:
        connection = await self._transport._exchange(self._request, self._timeout_s, whole=False)
        self._connection = connection
        self.status = connection.parser.status
        self.headers = connection.parser.headers
        self.read_chunk = connection.more
        return self

    async def __aexit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.parser.done and not connection.parser.pieces:
            self._transport._put_back(connection)
        else:
            connection.abort()

    async def read(self) -> bytes:
        """Everything that is still to come."""
        pieces = []
        while (piece := await self.read_chunk()) is not None:
            pieces.append(piece)
        return b"".join(pieces)


def _parse_target(request: HttpRequest) -> Target:
    parts = urlsplit(request.url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("http", "https") or not host or any(ord(c) <= 32 or ord(c) > 126 for c in request.url):
        raise TransportError("connection", "the request could not be built: its URL is malformed")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    name = f"[{host}]" if ":" in host else host
    place = name if port is None else f"{name}:{port}"
    head = f"{request.method} {path} HTTP/1.1\r\nhost: {place}\r\nuser-agent: junctor\r\naccept-encoding: identity\r\n"
    return Target(host, port or (443 if tls else 80), tls, head)


def _wire(request: HttpRequest, target: Target) -> bytes:
    """The request as bytes. A header with a line break would smuggle a second one in, so the breaks are counted."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
    if fields.count("\n") != len(request.headers) or fields.count("\r") != len(request.headers):
        raise TransportError("connection", "the request could not be built: a header contains a line break")
    try:
        return f"{target.head}{fields}content-length: {len(request.body)}\r\n\r\n".encode("latin-1") + request.body
    except UnicodeEncodeError:
        raise TransportError("connection", "the request could not be built: a header is no latin-1 text") from None


def _reason(error: Exception) -> str:
    """Why, without the peer's address book: the system's own words where it has some."""
    return getattr(error, "strerror", None) or type(error).__name__
