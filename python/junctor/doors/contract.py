"""What every door must offer, and what it is told of its caller.

A door is pure, as an adapter is: bytes into a request, a reply or events into bytes, no I/O and no clock. What moves
the bytes (an ASGI server, an HTTP client's transport) knows no dialect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Literal, Protocol

import msgspec

from junctor.relay import Raw
from junctor.reply import Embeddings, Event, Reply, Usage

Kind = Literal["chat", "embeddings", "count"]
"""What is asked for: an answer, vectors, or how many tokens a request would have."""


class Incoming(msgspec.Struct, frozen=True):
    """One HTTP request of a caller. Header names are lower-case; `path` has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Incoming({self.method} {self.path}, {len(self.body)} bytes)"


class Stream(Protocol):
    """The bytes of a streamed answer, piece by piece."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def __anext__(self) -> Awaitable[bytes]: ...

    async def aclose(self) -> None:
        """Leave: what is still running is cancelled and settled. Harmless after the end."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """What goes back to the caller: a whole body, or the bytes of a stream as they come.

    Whoever takes a stream iterates it to its end or closes it (`aclose`), which cancels and settles the call.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | Stream

    def __repr__(self) -> str:
        size = f"{len(self.body)} bytes" if isinstance(self.body, bytes) else "a stream"
        return f"Answer({self.status}, {size})"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's request in canonical form.

    `options` are the messages or inputs and the keyword options that `Client.chat` or `embed` take. `person` stands for
    whoever asks through the caller; it keeps requests together where neither a session nor a prompt's beginning does.
    """

    model: str
    options: dict[str, Any]
    stream: bool = False
    kind: Kind = "chat"
    person: str | None = None

    def __repr__(self) -> str:
        return f"Asked({self.kind}, {self.model!r}, stream={self.stream})"


class Stamp(msgspec.Struct, frozen=True):
    """What an answer carries of its own: an id, the wall clock's time in seconds, the model that answers."""

    id: str
    at_s: int
    model: str


class StreamWriter(Protocol):
    """Turns the events of one answer into the bytes of the caller's dialect. One writer serves one stream."""

    def write(self, event: Event | Raw) -> bytes:
        """The bytes for one event; may be empty. The bytes for `Done` end the stream."""
        ...

    def fail(self, error: Exception) -> bytes:
        """The bytes that tell, in the dialect's own way, that the stream broke. It never looks like a proper end."""
        ...


class Door(Protocol):
    """One API that callers speak."""

    @property
    def name(self) -> str:
        """The dialect's name, the same as that of the adapter that speaks it."""
        ...

    def read(self, incoming: Incoming) -> Asked:
        """What is asked. Raises `InvalidRequest`, naming the field, if it makes no sense."""
        ...

    def whole(self, reply: Reply | Embeddings, asked: Asked, stamp: Stamp) -> bytes:
        """The body of a finished answer."""
        ...

    def writer(self, asked: Asked, stamp: Stamp) -> StreamWriter:
        """A fresh writer for one stream."""
        ...

    def refuse(self, error: Exception, request_id: str = "") -> Answer:
        """The dialect's own error for `error`: status, headers (`retry-after` among them) and body."""
        ...


class Charge(Protocol):
    """What a call holds of its caller's own limits."""

    def settle(self, usage: Usage | None, cost_usd_micros: int) -> None:
        """The call is over, well or not. Called exactly once; `usage` is None where nothing is known."""
        ...


class Caller(Protocol):
    """Who asks, as far as the process knows: a gateway's key, or the program itself."""

    def options(self, asked: Asked) -> Mapping[str, Any]:
        """Options that the caller cannot set for itself, such as its tenant. Raises `Refused` for a forbidden group."""
        ...

    def admit(self, asked: Asked, input_tokens: int, output_tokens: int | None) -> Charge:
        """Hold the estimate against the caller's own limits. Raises `NoCapacity` or `Refused`."""
        ...
