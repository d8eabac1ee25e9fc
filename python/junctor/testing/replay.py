"""Replays one exact answer, byte for byte, cut and delayed where a test wants it.

Parsers and clients are judged by what providers really sent, and by the worst way it can arrive: in single bytes, with
pauses, ending in the middle of an event, or never. Recording proxies keep neither chunk boundaries nor broken ends;
this server takes the bytes (of a recorded case, or your own) and a `Delivery` that says how they travel.

```python
case = Exchange.load("recorded/anthropic/messages/case.json")
async with ReplayServer([(case, Delivery(chunk_bytes=7, cut_at=400))]) as server:
    await client.post(server.url + "/v1/messages")
```
"""

from __future__ import annotations

import base64
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import msgspec

from junctor.testing.app import Answer, Framing, Request
from junctor.testing.playback import Ending, Play, play_out
from junctor.testing.server import Server, run_in_thread

FRAMING_HEADERS: Final = frozenset({"transfer-encoding", "content-length", "content-encoding", "connection"})


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One answer as it is sent: status, headers in order, body. `request` is the JSON it answered, where known.

    Headers that describe framing are left out when it is served: the `Delivery` decides about framing.
    """

    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)
    body: bytes = b""
    request: Any = None

    @classmethod
    def load(cls, path: str | Path) -> Exchange:
        """A recorded case from its JSON file: `response` with `status`, `headers` and one of `json`, `text`, `b64`.

        Raises ValueError for a case that kept no bytes (its source had stripped the framing of the stream).
        """
        case = msgspec.json.decode(Path(path).read_bytes())
        response = case["response"]
        return cls(
            status=response["status"],
            headers=tuple((response.get("headers") or {"content-type": _content_type(response)}).items()),
            body=_body(response, path),
            request=(case.get("request") or {}).get("json"),
        )


def _content_type(response: dict[str, Any]) -> str:
    # Some sources kept no headers; clients and parsers need at least the type.
    if response.get("text") is not None:
        return "text/event-stream"
    return "application/json" if response.get("b64") is None else "application/vnd.amazon.eventstream"


def _body(response: dict[str, Any], path: str | Path) -> bytes:
    if response.get("text") is not None:
        return str(response["text"]).encode()
    if response.get("b64") is not None:
        return base64.b64decode(response["b64"])
    if response.get("json") is not None:
        return msgspec.json.encode(response["json"])
    raise ValueError(f"{path}: the response has none of json, text, b64; choose a case that kept its bytes")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer travels. Offsets are bytes of the body, times are seconds.

    - `chunk_bytes`: size of the pieces (default: all at once); several sizes are used in turn, the last one repeats.
      With `framing` `chunked` each piece is one HTTP chunk; `length` and `close` send the bare bytes.
    - `delays_s`: the pause before each piece; the last one repeats.
    - `cut_at`: the connection ends (`how`: `close` or `reset`) after that many bytes, inside the body as HTTP sees it.
    - `stall_at`: silence after that many bytes, until the client leaves.
    - `before_headers`: the connection is closed, reset or left silent before anything was sent.
    """

    chunk_bytes: int | Sequence[int] | None = None
    delays_s: Sequence[float] = ()
    cut_at: int | None = None
    how: Literal["close", "reset"] = "close"
    stall_at: int | None = None
    before_headers: Literal["close", "reset", "stall"] | None = None
    framing: Framing = "chunked"

    def __post_init__(self) -> None:
        sizes = [self.chunk_bytes] if isinstance(self.chunk_bytes, int) else self.chunk_bytes
        if sizes is not None and (not sizes or min(sizes) < 1):
            raise ValueError(f"chunk_bytes is {self.chunk_bytes!r}, allowed are sizes of 1 byte and more")
        for name, at in (("cut_at", self.cut_at), ("stall_at", self.stall_at)):
            if at is not None and at < 0:
                raise ValueError(f"{name} is {at}, allowed is 0 or more bytes")
        for name, word, allowed in (
            ("how", self.how, ("close", "reset")),
            ("before_headers", self.before_headers, (None, "close", "reset", "stall")),
            ("framing", self.framing, get_args(Framing)),
        ):
            if word not in allowed:
                raise ValueError(f"{name} is {word!r}, allowed are {', '.join(filter(None, allowed))}")
        if self.cut_at is not None and self.stall_at is not None:
            raise ValueError("cut_at and stall_at are both given; a body ends in one way")

    def play(self, exchange: Exchange) -> Play:
        """The exchange with this delivery applied."""
        stop = self.cut_at if self.cut_at is not None else self.stall_at
        ending: Ending = self.before_headers or (
            "end" if stop is None else "stall" if self.cut_at is None else self.how
        )
        return Play(
            exchange.status,
            [(name, value) for name, value in exchange.headers if name.lower() not in FRAMING_HEADERS],
            list(self._pieces(exchange.body[:stop])),
            ending=ending,
            framing=self.framing,
            length=len(exchange.body),
            delays_s=self.delays_s,
            silent=self.before_headers is not None,
        )

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        if self.chunk_bytes is None:
            yield body
            return
        sizes = [self.chunk_bytes] if isinstance(self.chunk_bytes, int) else self.chunk_bytes
        at = index = 0
        while at < len(body):
            size = sizes[min(index, len(sizes) - 1)]
            yield body[at : at + size]
            at, index = at + size, index + 1


class ReplayServer:
    """Answers each request with the next exchange of a list; the last one is repeated.

    Entries are an `Exchange`, or a pair of it and its `Delivery`. `received` holds the requests that came.
    """

    def __init__(self, exchanges: Iterable[Exchange | tuple[Exchange, Delivery]], *, port: int = 0) -> None:
        pairs = [each if isinstance(each, tuple) else (each, Delivery()) for each in exchanges]
        if not pairs:
            raise ValueError("no exchange was given; a replay server needs at least one")
        self._plays = [delivery.play(exchange) for exchange, delivery in pairs]
        self.received: list[Request] = []
        self.server = Server(self._serve, port=port)

    @property
    def url(self) -> str:
        """The root address, without a slash at the end. Every path and method is answered."""
        return self.server.url

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *rest: object) -> None:
        await self.server.__aexit__(exc_type, *rest)

    def in_thread(self) -> AbstractContextManager[ReplayServer]:
        """The same server in a thread with an event loop of its own."""
        return run_in_thread(self)

    def _serve(self, request: Request, answer: Answer) -> Coroutine[Any, Any, None]:
        play = self._plays[min(len(self.received), len(self._plays) - 1)]
        self.received.append(request)
        return play_out(answer, play)
