"""HTTP/1.1 as a test server needs it: one protocol per connection, and full control over every byte that leaves.

Frameworks hide what a test of a router must do on purpose: stop after a header, cut a chunk in half, reset a
connection, send nothing for a while. So this is a raw `asyncio.Protocol`, about as much HTTP as clients really use:
keep-alive, pipelining (answers leave in order), bodies by Content-Length, answers by length, in chunks or until close.
Rejected: `asyncio.streams` (a task and two buffers per connection; half the speed) and any dependency.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final, Protocol, cast

from junctor.testing.app import App, Framing, Headers, Request

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_AHEAD_BYTES: Final = 1024 * 1024  # pipelined input held while an answer is on its way; reading pauses above it

REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
                  411: "Length Required", 413: "Content Too Large", 429: "Too Many Requests",
                  500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
                  504: "Gateway Timeout", 529: "Overloaded"}  # fmt: skip


class BadRequest(Exception):
    """The client's bytes are not HTTP as this server speaks it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Observer(Protocol):
    """Who is told what happens on connections. `Server` is one."""

    def connected(self, connection: Connection) -> None:
        """A client has connected."""

    def arrived(self, request: Request) -> None:
        """A request is complete and goes to the application."""

    def failed(self, error: BaseException) -> None:
        """The application raised."""

    def disconnected(self, connection: Connection) -> None:
        """The connection is gone."""


def head(status: int, headers: Headers, extra: str) -> bytes:
    """The status line and headers as they go over the wire; `extra` is the framing header, if any."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{lines}{extra}\r\n".encode("latin-1")


def parse_head(raw: bytes) -> Request:
    """The request line and headers, without the blank line."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not method or not target or not version.startswith("HTTP/1."):
        raise BadRequest(400, f"not an HTTP/1 request line: {first[:80]!r}")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest(400, f"a header line without a colon: {line[:80]!r}")
        headers[name.lower()] = value.strip()
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    return Request(method, target, headers)


def body_bytes(headers: Mapping[str, str]) -> int:
    """How long the request's body is. Chunked request bodies are refused: the SDKs send lengths."""
    if "transfer-encoding" in headers:
        raise BadRequest(411, "send the body with a Content-Length")
    text = headers.get("content-length", "0")
    if not text.isdecimal():
        raise BadRequest(400, f"content-length is {text[:20]!r}, not a number")
    if int(text) > MAX_BODY_BYTES:
        raise BadRequest(413, f"the body has {text} bytes, at most {MAX_BODY_BYTES} are read")
    return int(text)


class Connection(asyncio.Protocol):
    """One client connection: requests are parsed as they come and answered one after the other."""

    def __init__(self, app: App, observer: Observer) -> None:
        self._app = app
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._pending: tuple[Request, int] | None = None
        self._answer: WireAnswer | None = None
        self.task: asyncio.Task[None] | None = None
        self._reading = True
        self._pumping = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self._observer.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._observer.disconnected(self)
        self._writable.set()
        if self.task is not None:
            self.task.cancel("the client has left")

    def data_received(self, data: bytes) -> None:
        self._input += data
        if self._answer is None:
            self._pump()
        elif len(self._input) > MAX_AHEAD_BYTES and self._reading:
            self._reading = False
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def reset(self) -> None:
        """Break the connection at once: zero linger makes the kernel send RST instead of FIN."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def writable(self) -> None:
        """Wait until the client has read enough."""
        await self._writable.wait()

    def finished(self, *, keep: bool) -> None:
        """The current answer is complete: take the next request, or close."""
        self._answer = None
        self.task = None
        if not keep:
            self.transport.close()
        elif not self._pumping:
            self._pump()

    def _pump(self) -> None:
        # A loop, not recursion: a thousand pipelined requests must not be a thousand frames deep.
        self._pumping = True
        try:
            while self._answer is None and not self.transport.is_closing():
                request = self._next_request()
                if request is None:
                    break
                self._start(request)
        except BadRequest as bad:
            self.transport.write(
                head(bad.status, [("content-type", "text/plain")], f"content-length: {len(str(bad))}\r\n")
                + str(bad).encode("latin-1", "replace")
            )
            self.transport.close()
        finally:
            self._pumping = False

    def _next_request(self) -> Request | None:
        if self._pending is None and not self._read_head():
            return None
        assert self._pending is not None
        request, length = self._pending
        if len(self._input) < length:
            return None
        request.body = bytes(self._input[:length])
        del self._input[:length]
        self._pending = None
        request.arrived_s = self._loop.time()
        return request

    def _read_head(self) -> bool:
        while self._input.startswith(b"\r\n"):  # clients may send an empty line between requests
            del self._input[:2]
        at = self._input.find(b"\r\n\r\n")
        if at > MAX_HEAD_BYTES or (at < 0 and len(self._input) > MAX_HEAD_BYTES):
            raise BadRequest(400, f"the head is longer than {MAX_HEAD_BYTES} bytes")
        if at < 0:
            self._resume()
            return False
        request = parse_head(bytes(self._input[:at]))
        del self._input[: at + 4]
        self._pending = (request, body_bytes(request.headers))
        if request.headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._resume()
        return True

    def _resume(self) -> None:
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()

    def _start(self, request: Request) -> None:
        answer = self._answer = WireAnswer(self, keep=request.headers.get("connection", "").lower() != "close")
        self._observer.arrived(request)
        try:
            work = self._app(request, answer)
        except Exception as error:
            self._crashed(error)
            return
        if work is not None:
            self.task = self._loop.create_task(self._run(work, answer))
        elif self._answer is answer and not self.transport.is_closing():
            self._crashed(RuntimeError(f"the application returned without answering {request!r}"))

    async def _run(self, work: Coroutine[Any, Any, None], answer: WireAnswer) -> None:
        try:
            await work
        except Exception as error:
            self._crashed(error)
            return
        if self._answer is answer and not self.transport.is_closing():
            self._crashed(RuntimeError("the application's coroutine ended without ending its answer"))

    def _crashed(self, error: Exception) -> None:
        """The application's own fault: told to the observer, and to the client by a broken connection."""
        self._observer.failed(error)
        self.transport.abort()


class WireAnswer:
    """The answer to one request on one connection; see `Answer` for the methods."""

    __slots__ = ("_chunked", "_connection", "_keep", "_transport")

    def __init__(self, connection: Connection, *, keep: bool) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._keep = keep
        self._chunked = False

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        self._transport.write(head(status, headers, f"content-length: {len(body)}\r\n") + body)
        self._connection.finished(keep=self._keep)

    def begin(self, status: int, headers: Headers, *, framing: Framing = "chunked", length: int | None = None) -> None:
        self._chunked = framing == "chunked"
        self._keep = self._keep and framing != "close"
        extra = {"chunked": "transfer-encoding: chunked\r\n", "length": f"content-length: {length}\r\n",
                 "close": "connection: close\r\n"}[framing]  # fmt: skip
        self._transport.write(head(status, headers, extra))

    def write(self, piece: bytes) -> None:
        # A server that lags writes on before it hears that the client has left; asyncio would grumble on stderr.
        if piece and not self._transport.is_closing():
            self._transport.write(self._framed(piece))

    def write_all(self, pieces: Iterable[bytes]) -> None:
        self._transport.write(b"".join([self._framed(piece) for piece in pieces if piece]))

    def _framed(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece

    async def flush(self) -> None:
        await self._connection.writable()

    def end(self) -> None:
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")
        self._connection.finished(keep=self._keep)

    def close(self) -> None:
        self._transport.close()

    def reset(self) -> None:
        self._connection.reset()
