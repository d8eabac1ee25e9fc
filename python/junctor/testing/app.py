"""What an application of the loopback server sees: a request, and an answer that it writes byte by byte if it likes.

An application is a function of the two. It may answer at once and return None, which costs no task, or return a
coroutine, which is cancelled when the client leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, unquote

Headers = Iterable[tuple[str, str]]
Framing = Literal["chunked", "length", "close"]


class Request:
    """One request as it came. Header names are lower-case; `target` is the path with its query.

    `arrived_s` is the event loop's time when the request was complete.
    """

    __slots__ = ("arrived_s", "body", "headers", "method", "target")

    def __init__(
        self, method: str, target: str, headers: Mapping[str, str], *, body: bytes = b"", arrived_s: float = 0.0
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.arrived_s = arrived_s

    @property
    def path(self) -> str:
        """The target without its query, percent-decoded."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The target's query; the last value of a repeated name."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path}, {len(self.body)} bytes)"


class Answer(Protocol):
    """Where an application writes its answer: one of `send`, or `begin` … `end`, or an early `close` or `reset`."""

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer at once, with Content-Length."""

    def begin(self, status: int, headers: Headers, *, framing: Framing = "chunked", length: int | None = None) -> None:
        """Status and headers now. `length` bytes are promised when `framing` is `length`."""

    def write(self, piece: bytes) -> None:
        """More of the body; one chunk when the framing is chunked. Nothing is sent for an empty piece."""

    def write_all(self, pieces: Iterable[bytes]) -> None:
        """Several pieces, each its own chunk, handed to the network together."""

    async def flush(self) -> None:
        """Wait while the client reads more slowly than we write."""

    def end(self) -> None:
        """The proper end of the body."""

    def close(self) -> None:
        """Close the connection after what was written: the client sees a body that stops."""

    def reset(self) -> None:
        """Break the connection at once (TCP RST): the client sees an error."""


App = Callable[[Request, Answer], Coroutine[Any, Any, None] | None]
