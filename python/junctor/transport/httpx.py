"""The httpx transport, for programs that bring their own `httpx.AsyncClient`.

It costs some forty times more than the default per request, and is worth it where a client already carries the
proxies, certificates, event hooks or mounts that a company requires..

A client made here belongs to the event loop that made it and is made anew in another loop or a forked child; one that
was handed in is used as it is and stays its owner's to close.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx

from junctor.request import HttpRequest
from junctor.transport.base import MAX_BODY_BYTES, Response, TransportError, too_long
from junctor.transport.per_loop import PerLoop


class HttpxTransport:
    """Sends requests by httpx.

    `client` is used if given; otherwise one is made at first use with `max_connections`, `proxy` (an URL), `verify` and
    `trust_env` (follow the environment's proxies).
    """

    def __init__(
        self,
        client: httpx.AsyncClient | None = None,
        *,
        max_connections: int | None = 1_000,
        proxy: str | None = None,
        verify: bool = True,
        trust_env: bool = True,
    ) -> None:
        self._given = client
        self._made = PerLoop(
            lambda _: httpx.AsyncClient(
                limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=100),
                proxy=proxy,
                verify=verify,
                trust_env=trust_env,
                timeout=None,
                headers={"accept-encoding": "identity", "user-agent": "junctor"},
            )
        )

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """Send and read the whole answer within `timeout_s` seconds."""
        client = self._living_client()
        try:
            message = _message(client, request)
            async with asyncio.timeout(timeout_s):
                answer = await client.send(message, stream=True, follow_redirects=False)
                try:
                    body = await _bounded(answer)
                finally:
                    await answer.aclose()
        except _BROKEN as error:
            raise _translated(error) from None
        return Response(answer.status_code, answer.headers, body)

    def stream(self, request: HttpRequest, *, timeout_s: float) -> _Stream:
        """Send and hand over the answer at its headers, which must come within `timeout_s` seconds."""
        return _Stream(self, request, timeout_s)

    async def close(self) -> None:
        """Close the connections made here; a client that was handed in stays open."""
        here = asyncio.get_running_loop()
        for loop, client in self._made.take_all():
            if loop is here:
                await client.aclose()

    async def leave_loop(self) -> None:
        """As `close`, for the connections of the running event loop, which is about to end."""
        client = self._made.take_here()
        if client is not None:
            await client.aclose()

    def _living_client(self) -> httpx.AsyncClient:
        return self._given or self._made.here()


class _Stream:
    """One streamed exchange: a context manager around it and, inside, the answer itself."""

    status: int
    headers: Mapping[str, str]

    def __init__(self, transport: HttpxTransport, request: HttpRequest, timeout_s: float) -> None:
        self._transport = transport
        self._request = request
        self._timeout_s = timeout_s
        self._answer: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]

    async def __aenter__(self) -> _Stream:
        client = self._transport._living_client()
        try:
            message = _message(client, self._request)
            async with asyncio.timeout(self._timeout_s):
                answer = self._answer = await client.send(message, stream=True, follow_redirects=False)
        except _BROKEN as error:
            raise _translated(error) from None
        self.status = answer.status_code
        self.headers = answer.headers
        self._chunks = answer.aiter_bytes()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._answer is not None:
            await self._answer.aclose()

    async def read_chunk(self) -> bytes | None:
        """The next bytes as they arrived, or None after a proper end."""
        try:
            return await anext(self._chunks, None)
        except _BROKEN as error:
            raise _translated(error) from None

    async def read(self) -> bytes:
        """Everything that is still to come."""
        pieces = []
        while (piece := await self.read_chunk()) is not None:
            pieces.append(piece)
        return b"".join(pieces)


async def _bounded(answer: httpx.Response) -> bytes:
    """The whole body, as it is after decompression: a small one may unpack to any size."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise too_long()
    return bytes(body)


def _message(client: httpx.AsyncClient, request: HttpRequest) -> httpx.Request:
    return client.build_request(request.method, request.url, headers=dict(request.headers), content=request.body)


_BROKEN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError)


def _translated(error: Exception) -> TransportError:
    """The same trouble in our words: httpx's messages may quote the URL with its query."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return TransportError("timeout", f"{type(error).__name__}: no answer in time")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return TransportError("connection", "the request could not be built: its URL is malformed")
    detail = str(error)
    return TransportError(
        "connection", type(error).__name__ + (f": {detail}" if detail and "://" not in detail else "")
    )
