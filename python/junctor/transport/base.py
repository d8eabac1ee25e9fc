"""The seam between junctor and the network: bytes out, bytes in, nothing about providers.

A client that calls one HTTP library everywhere can neither be tested without sockets nor moved to a faster library.
So the seam is three methods wide. A transport sends what an adapter built and hands back what came; it follows no
redirect, retries nothing and judges no status. `junctor.testing.ScriptedProvider` is one that needs no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Literal, Protocol

import msgspec

from junctor.request import HttpRequest

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""A whole answer; a longer one is a `TransportError`. The longest real ones carry images and have some MiB."""

TransportFailure = Literal["connection", "timeout", "auth"]


class TransportError(Exception):
    """The exchange did not happen or broke: `kind` says whether time ran out, the connection failed, or nobody could
    sign the request (`auth`, which no transport raises itself).

    The message carries neither a secret nor a URL's query.
    """

    def __init__(self, kind: TransportFailure, message: str) -> None:
        super().__init__(message)
        self.kind: TransportFailure = kind


def too_long() -> TransportError:
    """The answer is longer than anybody means it to be."""
    return TransportError("connection", f"the answer is longer than {MAX_BODY_BYTES} bytes")


class Response(msgspec.Struct, frozen=True):
    """A whole answer. Header names are lower-case; a name that was sent twice has both values, joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamedResponse(Protocol):
    """An answer whose body is still arriving. Header names are lower-case."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; a name that was sent twice has both values, joined by a comma."""

    async def read_chunk(self) -> bytes | None:
        """The next bytes as they arrived, or None after a proper end. A broken body raises `TransportError`."""

    async def read(self) -> bytes:
        """Everything that is still to come."""


class Transport(Protocol):
    """Sends requests. One transport serves one event loop; connections are made lazily."""

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """Send and read the whole answer within `timeout_s` seconds.

        Any status is an answer. Raises `TransportError` when the connection fails, time runs out, or the answer is
        longer than `MAX_BODY_BYTES`, as far as the library underneath tells that in time.
        """

    def stream(self, request: HttpRequest, *, timeout_s: float) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send and hand over the answer at its headers, which must come within `timeout_s` seconds.

        Leaving the block before the end closes the connection. Time between chunks is the caller's to watch.
        """

    async def close(self) -> None:
        """Close every connection. Closing twice is harmless."""
