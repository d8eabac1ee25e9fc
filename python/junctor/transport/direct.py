"""A transport of asyncio's own sockets: HTTP/1.1 with kept-alive connections, no further library.

A library with a runtime of its own must wake the event loop from another thread for every piece that arrives. Plain
asyncio does that with a system call, so such a transport costs more than the request itself where uvloop is missing,
and most of all on streams. Here bytes are parsed in the callback that delivers them, and a fork breaks nothing.

Left out on purpose: HTTP/2, proxies, redirects, cookies, compression. Who needs a proxy or HTTP/2 uses
`PyreqwestTransport` or `HttpxTransport`.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import msgspec

from junctor.request import HttpRequest
from junctor.transport.base import Response, TransportError
from junctor.transport.connection import ClosedWithoutAnswer, Connection, Wire, reason
from junctor.transport.per_loop import PerLoop
from junctor.transport.pool import Key, Pool

STALE_S: Final = 1.0
"""A kept connection that the server had closed says so within a round trip. One that ends without an answer later than
this may have been at work on the request, and asking again in silence could pay for it twice."""

OUR_OWN: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What this machine ran out of (descriptors, memory) is no failure of the provider, so it stays an `OSError`."""

MAX_TARGETS: Final = 10_000
"""Remembered addresses; past this they are forgotten all at once and found again."""


class Target(msgspec.Struct, frozen=True):
    """Where a URL leads: the connection's key, and the request's first lines."""

    key: Key
    head: str

    @property
    def host(self) -> str:
        return self.key[0]


class DirectTransport:
    """Sends requests over asyncio's own connections, each kept for the next request to the same host.

    An `OSError` of this machine's own making (no descriptors left) is raised as it is and blames no provider.
    How many requests are under way at once is the fleet's to say (`concurrency` of a deployment or pool): waiting there
    is no failure.

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
        self._tls = tls
        self._targets: dict[tuple[str, str], Target] = {}
        self._pools = PerLoop(lambda loop: Pool(loop, idle_timeout_s=idle_timeout_s, max_idle=max_idle))

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """Send and read the whole answer within `timeout_s` seconds."""
        connection = await self._exchange(request, timeout_s, whole=True)
        parser = connection.parser
        pieces = parser.pieces
        response = Response(parser.status, parser.headers, pieces[0] if len(pieces) == 1 else b"".join(pieces))
        connection.pool.put_back(connection)
        return response

    def stream(self, request: HttpRequest, *, timeout_s: float) -> _Stream:
        """Send and hand over the answer at its headers, which must come within `timeout_s` seconds."""
        return _Stream(self, request, timeout_s)

    async def close(self) -> None:
        """Close every idle connection, and each of the others when its exchange ends.

        Closing twice is harmless; a later request opens anew.
        """
        here = asyncio.get_running_loop()
        for loop, pool in self._pools.take_all():
            if loop is here:
                pool.close()
            else:
                with suppress(RuntimeError):  # it was closed a moment ago, in its own thread
                    loop.call_soon_threadsafe(pool.close)

    async def leave_loop(self) -> None:
        """As `close`, for the connections of the running event loop alone, which is about to end."""
        pool = self._pools.take_here()
        if pool is not None:
            pool.close()

    async def _exchange(self, request: HttpRequest, timeout_s: float, *, whole: bool) -> Connection:
        """Send, and wait for the whole answer or its head."""
        if timeout_s <= 0:
            raise TransportError("timeout", "no time was left to send the request")
        pool = self._pools.here()
        loop = pool.loop
        target = self._target(request)
        wire = Wire(_wire(request, target))
        now = loop.time()
        due, stale_until = now + timeout_s, now + STALE_S
        connection = pool.take(target.key, now)
        if connection is not None:
            try:
                return await connection.ask(wire, due, whole=whole)
            except ClosedWithoutAnswer:
                # So soon, it was closed before it saw the request: nothing is done twice by asking again.
                if loop.time() > stale_until:
                    raise _unanswered(target) from None
        connection = await self._connect(target, pool, min(due - loop.time(), self._connect_timeout_s))
        try:
            return await connection.ask(wire, due, whole=whole)
        except ClosedWithoutAnswer:
            raise _unanswered(target) from None

    async def _connect(self, target: Target, pool: Pool, timeout_s: float) -> Connection:
        host, port, secure = target.key
        tls: ssl.SSLContext | None = None
        if secure:
            tls = self._tls = self._tls or ssl.create_default_context()
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await pool.loop.create_connection(
                    lambda: Connection(target.key, pool), host, port, ssl=tls
                )
        except TimeoutError:
            raise TransportError("timeout", f"no connection to {target.host} within {timeout_s:g} s") from None
        except (OSError, ssl.SSLError) as error:
            if error.errno in OUR_OWN:
                raise
            raise TransportError("connection", f"no connection to {target.host}: {reason(error)}") from None
        return connection

    def _target(self, request: HttpRequest) -> Target:
        key = (request.method, request.url)
        target = self._targets.get(key)
        if target is None:
            if len(self._targets) >= MAX_TARGETS:
                self._targets.clear()
            target = self._targets[key] = _parse_target(request)
        return target


class _Stream:
    """One streamed exchange: a context manager around it and, inside, the answer itself."""

    __slots__ = ("_connection", "_request", "_timeout_s", "_transport", "headers", "read_chunk", "status")

    status: int
    headers: Mapping[str, str]

    def __init__(self, transport: DirectTransport, request: HttpRequest, timeout_s: float) -> None:
        self._transport = transport
        self._request = request
        self._timeout_s = timeout_s
        self._connection: Connection | None = None

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
            connection.pool.put_back(connection)
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
    return Target((host, port or (443 if tls else 80), tls), head)


def _unanswered(target: Target) -> TransportError:
    return TransportError("connection", f"{target.host} closed the connection without an answer")


def _wire(request: HttpRequest, target: Target) -> bytes:
    """The request as bytes. A header with a line break would smuggle a second one in, so the breaks are counted."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
    if fields.count("\n") != len(request.headers) or fields.count("\r") != len(request.headers):
        raise TransportError("connection", "the request could not be built: a header contains a line break")
    try:
        return f"{target.head}{fields}content-length: {len(request.body)}\r\n\r\n".encode("latin-1") + request.body
    except UnicodeEncodeError:
        raise TransportError("connection", "the request could not be built: a header is no latin-1 text") from None
