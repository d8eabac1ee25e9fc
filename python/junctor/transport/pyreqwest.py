"""A transport by pyreqwest, Rust's hyper and reqwest behind asyncio: for proxies, HTTP/2, the platform's certificates.

It is not the default, for three measured reasons (docs/decisions/002). Every wake-up crosses from a Rust thread into
the event loop, so a stream of fifty events costs about three times what `DirectTransport` needs. A cancelled request is
only forgotten: the runtime goes on with it, and the provider goes on writing, until a timeout. And the Rust thread does
not survive a fork; we remember which process started a runtime and refuse, rather than hang, when a child has none.

It also reads a whole answer to its end before anybody sees its size: time bounds such an answer here, nothing else.

Streams are opened with a read buffer of one byte: pyreqwest otherwise collects 64 KiB before it hands anything over.
Redirects are not followed, because a redirect would carry the key to another host. Compression is not asked for:
answers are small, and a compressing proxy holds events back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError, RequestTimeoutError
from pyreqwest.proxy import ProxyBuilder

from junctor.request import HttpRequest
from junctor.transport.base import Response, TransportError, TransportFailure

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.http import HeaderMap
    from pyreqwest.request import RequestBuilder, StreamRequest
    from pyreqwest.response import ResponseBodyReader

STREAM_BUFFER_BYTES: Final = 1
"""Hand over every piece of a streamed body as it comes; 0 would cost one more wake-up per stream."""

READ_TIMEOUT_S: Final = 300.0
"""Longest silence of a server. It ends what a cancelled caller left behind; callers' own times are shorter."""


class PyreqwestTransport:
    """Sends requests by pyreqwest. The HTTP client is made at first use and made anew in a forked child.

    Options: `max_connections` requests in flight at once (None: no bound); `connect_timeout_s`, `idle_timeout_s` of a
    kept-alive connection; `proxy` an URL for all traffic ("" ignores the environment's proxies, None follows them);
    `ca_pem` a further trusted root; `identity_pem` a client certificate with its key; `verify=False` trusts anyone and
    is for tests only; `multithreaded` uses pyreqwest's many-threaded runtime.
    """

    def __init__(
        self,
        *,
        max_connections: int | None = None,
        connect_timeout_s: float = 10.0,
        idle_timeout_s: float = 60.0,
        proxy: str | None = None,
        ca_pem: bytes | None = None,
        identity_pem: bytes | None = None,
        verify: bool = True,
        multithreaded: bool = False,
    ) -> None:
        self._max_connections = max_connections
        self._connect_timeout = timedelta(seconds=connect_timeout_s)
        self._idle_timeout = timedelta(seconds=idle_timeout_s)
        self._proxy = proxy
        self._ca_pem = ca_pem
        self._identity_pem = identity_pem
        self._verify = verify
        self._multithreaded = multithreaded
        self._client: Client | None = None
        self._process = 0

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """Send and read the whole answer within `timeout_s` seconds."""
        if timeout_s <= 0:
            raise TransportError("timeout", "no time was left to send the request")
        try:
            answer = await self._builder(request).timeout(timedelta(seconds=timeout_s)).build().send()
            body = await answer.bytes()
        except (PyreqwestError, ValueError) as error:
            raise _translated(error) from None
        return Response(answer.status, _joined(answer.headers), body.to_bytes())

    def stream(self, request: HttpRequest, *, timeout_s: float) -> _Stream:
        """Send and hand over the answer at its first bytes, which must come within `timeout_s` seconds."""
        return _Stream(self, request, timeout_s)

    async def close(self) -> None:
        """Close every connection. Closing twice is harmless; a later request opens anew."""
        client, self._client = self._client, None
        if client is not None and self._process == os.getpid():
            await client.close()

    def _builder(self, request: HttpRequest) -> RequestBuilder:
        client = self._client
        if client is None or self._process != os.getpid():
            client = self._open()
        return client.request(request.method, request.url).headers(request.headers).body_bytes(request.body)

    def _open(self) -> Client:
        multithreaded = _living_runtime(self._multithreaded)
        builder = ClientBuilder().runtime_multithreaded(multithreaded).max_connections(self._max_connections)
        builder = (
            builder.user_agent("junctor")
            .follow_redirects(False)
            .referer(False)
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
        )
        builder = builder.read_timeout(timedelta(seconds=READ_TIMEOUT_S))
        builder = builder.connect_timeout(self._connect_timeout).pool_idle_timeout(self._idle_timeout)
        if self._proxy is not None:
            builder = builder.proxy(ProxyBuilder.all(self._proxy)) if self._proxy else builder.no_proxy()
        if self._ca_pem is not None:
            builder = builder.add_root_certificate_pem(self._ca_pem)
        if self._identity_pem is not None:
            builder = builder.identity_pem(self._identity_pem)
        if not self._verify:
            builder = builder.danger_accept_invalid_certs(True)
        self._client = builder.build()
        self._process = os.getpid()
        return self._client


class _Stream:
    """One streamed exchange: a context manager around it and, inside, the answer itself."""

    __slots__ = ("_exchange", "_reader", "_request", "_timeout_s", "_transport", "headers", "status")

    status: int
    headers: Mapping[str, str]

    def __init__(self, transport: PyreqwestTransport, request: HttpRequest, timeout_s: float) -> None:
        self._transport = transport
        self._request = request
        self._timeout_s = timeout_s
        self._exchange: StreamRequest | None = None
        self._reader: ResponseBodyReader | None = None

    async def __aenter__(self) -> _Stream:
        try:
            builder = self._transport._builder(self._request)
            exchange = builder.streamed_read_buffer_limit(STREAM_BUFFER_BYTES).build_streamed()
            async with asyncio.timeout(self._timeout_s):
                answer = await exchange.__aenter__()
        except (PyreqwestError, ValueError, TimeoutError) as error:
            raise _translated(error) from None
        self._exchange = exchange
        self._reader = answer.body_reader
        self.status = answer.status
        self.headers = _joined(answer.headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.__aexit__(None, None, None)

    async def read_chunk(self) -> bytes | None:
        """The next bytes as they arrived, or None after a proper end."""
        assert self._reader is not None, "read_chunk() belongs inside the stream's block"
        try:
            chunk = await self._reader.read_chunk()
        except PyreqwestError as error:
            raise _translated(error) from None
        return None if chunk is None else chunk.to_bytes()

    async def read(self) -> bytes:
        """Everything that is still to come."""
        pieces = []
        while (piece := await self.read_chunk()) is not None:
            pieces.append(piece)
        return b"".join(pieces)


def _joined(headers: HeaderMap) -> Mapping[str, str]:
    """The headers with one value per name: the library shows only the first where a name was sent twice."""
    if headers.keys_len() == len(headers):
        return headers
    return {name: ", ".join(headers.getall(name)) for name in headers}


_runtime_owner: dict[bool, int] = {}
"""Which process started pyreqwest's single-threaded (False) and many-threaded (True) runtime: both are global there."""


def _living_runtime(wanted: bool) -> bool:
    """The runtime to use in this process: the wanted one, or the other if the wanted one died with a fork."""
    process = os.getpid()
    for multithreaded in (wanted, not wanted):
        if _runtime_owner.setdefault(multithreaded, process) == process:
            return multithreaded
    raise TransportError(
        "connection",
        "pyreqwest's runtimes were started before this process was forked and do not survive it; "
        "send the first request after forking, start workers by 'spawn', or use another transport",
    )


def _translated(error: Exception) -> TransportError:
    """The same trouble in our words, without the URL or a header that the library may quote."""
    if isinstance(error, ValueError):
        return TransportError(
            "connection", "the request could not be built: its URL or one of its headers is malformed"
        )
    kind: TransportFailure = "timeout" if isinstance(error, RequestTimeoutError | TimeoutError) else "connection"
    cause = ""
    if isinstance(error, DetailedPyreqwestError) and (causes := error.details.get("causes")):
        deepest = causes[-1]["message"]
        cause = f": {deepest}" if "://" not in deepest else ""
    return TransportError(kind, f"{type(error).__name__}{cause}")
