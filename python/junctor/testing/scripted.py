"""A provider that follows a script: no sockets, no real time, every request kept.

Tests of failover, retry and streaming want to say "the first answer is a 429 with a hint, the second hangs, the third
is fine", and to look at what was sent. Patching an HTTP library ties such tests to it; this is a `Transport`, the same
seam that the real ones fill, and it answers in the dialect that the request's path names.

```python
scripted = ScriptedProvider({"a": [fail(429, retry_after_s=2), ok("hello")], "b": [stream("one", " two", cut_after=1)]})
```

A script belongs to a key or to a host: requests find theirs by the API key they carry, else by the host name they go
to (`http://a.scripted/...`, see `base_url`). Together with `ManualTime` a scenario of an hour takes milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from junctor.request import Endpoint, HttpRequest, Secret
from junctor.testing.app import Request
from junctor.testing.dialects import DIALECTS, Ask, Dialect, ErrorKind, dialect_of
from junctor.testing.outcomes import (
    Outcome,
    fail,
    hang,
    ok,
    raise_connection,
    raise_timeout,
    raw,
    stream,
    tool_call,
)
from junctor.testing.speech import Said, halves
from junctor.transport.base import Response, StreamedResponse, TransportError

__all__ = [
    "Outcome",
    "ScriptExhausted",
    "ScriptedProvider",
    "Sent",
    "fail",
    "hang",
    "ok",
    "raise_connection",
    "raise_timeout",
    "raw",
    "stream",
    "tool_call",
]

DOMAIN: Final = ".scripted"
KIND_OF_STATUS: Final[dict[int, ErrorKind]] = {
    401: "auth", 403: "permission", 404: "not_found", 429: "rate_limit", 503: "overloaded", 529: "overloaded",
}  # fmt: skip


class ScriptExhausted(AssertionError):
    """A request came for which the script has no outcome left, or no script at all."""


class Sent(msgspec.Struct, kw_only=True):
    """One request that was sent: to whom, when (loop time), and how it ended.

    `state`: `open`, `done` (the answer was read to its end, errors included), `failed` (a `TransportError` was raised)
    or `abandoned` (the caller cancelled, or left a stream early).
    """

    name: str
    request: HttpRequest
    at_s: float
    state: Literal["open", "done", "failed", "abandoned"] = "open"

    def json(self) -> Any:
        """The request's body, decoded."""
        return msgspec.json.decode(self.request.body)


class _Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    chunks: list[bytes]
    ending: Literal["end", "connection", "stall"] = "end"


class ScriptedProvider:
    """A `Transport` whose answers are a script: `{name: outcomes}`, one outcome for each request.

    When a script has run out, `otherwise` answers; without it `ScriptExhausted` is raised. `sent` keeps every request
    in the order of sending.
    """

    def __init__(self, script: Mapping[str, Iterable[Outcome]], *, otherwise: Outcome | None = None) -> None:
        self._left = {name: list(outcomes) for name, outcomes in script.items()}
        self._otherwise = otherwise
        self.sent: list[Sent] = []
        self.closed = False

    def base_url(self, name: str, dialect: str = "openai") -> str:
        """A base URL whose requests follow the script of `name`."""
        return f"http://{name}{DOMAIN}{DIALECTS[dialect].base_path}"

    def endpoint(self, name: str, *, dialect: str = "openai", model: str = "scripted-model") -> Endpoint:
        """An endpoint whose requests follow the script of `name`."""
        return Endpoint(
            deployment=name, provider=dialect, adapter=dialect, model=model, base_url=self.base_url(name, dialect),
            key=Secret(f"scripted-key-{name}", f"scripted:{name}"),
        )  # fmt: skip

    def add(self, name: str, *outcomes: Outcome) -> None:
        """Append to the script of `name`."""
        self._left.setdefault(name, []).extend(outcomes)

    def left(self, name: str) -> int:
        """How many outcomes the script of `name` still holds."""
        return len(self._left.get(name, ()))

    @property
    def open(self) -> int:
        """Requests under way now."""
        return sum(sent.state == "open" for sent in self.sent)

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """The next outcome as a whole answer; see `junctor.transport.base.Transport`."""
        with self._sending(request) as (sent, outcome):
            async with _deadline(sent, timeout_s):
                answer = await _perform(request, outcome)
                body = await ScriptedStream(answer, sent, gap_s=outcome.gap_s).read()
        return Response(answer.status, answer.headers, body)

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, timeout_s: float) -> AsyncIterator[StreamedResponse]:
        """The next outcome in chunks; see `junctor.transport.base.Transport`."""
        with self._sending(request) as (sent, outcome):
            async with _deadline(sent, timeout_s):
                answer = await _perform(request, outcome)
            yield ScriptedStream(answer, sent, gap_s=outcome.gap_s)

    async def close(self) -> None:
        """Nothing to close; `closed` says that it was asked."""
        self.closed = True

    @contextmanager
    def _sending(self, request: HttpRequest) -> Iterator[tuple[Sent, Outcome]]:
        name, outcome = self._next(request)
        sent = Sent(name=name, request=request, at_s=asyncio.get_running_loop().time())
        self.sent.append(sent)
        try:
            yield sent, outcome
        except TransportError:
            sent.state = "failed"
            raise
        finally:
            if sent.state == "open":
                sent.state = "abandoned"

    def _next(self, request: HttpRequest) -> tuple[str, Outcome]:
        name = self._name(request)
        outcomes = self._left.get(name)
        if outcomes:
            return name, outcomes.pop(0)
        if self._otherwise is not None:
            return name, self._otherwise
        number = sum(sent.name == name for sent in self.sent) + 1
        raise ScriptExhausted(
            f"no outcome for request {number} to {name!r} ({request!r}); scripts: {', '.join(self._left) or 'none'}"
        )

    def _name(self, request: HttpRequest) -> str:
        wire = wire_request(request)
        dialect = dialect_of(wire.path)
        secret = dialect.secret(wire) if dialect is not None else None
        if secret in self._left:
            return str(secret)
        host = urlsplit(request.url).netloc.rpartition("@")[2].partition(":")[0]
        return host.removesuffix(DOMAIN)


class ScriptedStream:
    """The `StreamedResponse` of a script."""

    def __init__(self, answer: _Answer, sent: Sent, *, gap_s: float) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._sent = sent
        self._chunks = list(reversed(answer.chunks))
        self._ending = answer.ending
        self._gap_s = gap_s

    async def read_chunk(self) -> bytes | None:
        """The next chunk, or None at the proper end."""
        if self._chunks:
            await asyncio.sleep(self._gap_s)
            return self._chunks.pop()
        if self._ending == "stall":
            await asyncio.get_running_loop().create_future()
        if self._ending == "connection":
            raise TransportError("connection", "the connection was lost inside the body")
        self._sent.state = "done"
        return None

    async def read(self) -> bytes:
        """Everything that is left."""
        chunks = []
        while (chunk := await self.read_chunk()) is not None:
            chunks.append(chunk)
        return b"".join(chunks)


@asynccontextmanager
async def _deadline(sent: Sent, timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as late:
        raise TransportError("timeout", f"no answer from {sent.name} within {timeout_s:g} s") from late


def wire_request(request: HttpRequest) -> Request:
    """The request as a server would see it."""
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, target, headers, body=request.body)


async def _perform(request: HttpRequest, outcome: Outcome) -> _Answer:
    await asyncio.sleep(outcome.after_s)
    if outcome.does == "hang":
        await asyncio.get_running_loop().create_future()
    if outcome.does == "raise":
        raise TransportError(outcome.failure, outcome.message or outcome.failure)
    if outcome.does == "raw":
        return _Answer(outcome.status, _lower(outcome.headers), [outcome.body] if outcome.body else [])
    wire = wire_request(request)
    dialect = dialect_of(wire.path)
    if dialect is None:
        raise ScriptExhausted(f"{request!r} names no dialect's path; script it with raw(status, body)")
    return _failed(dialect, outcome) if outcome.does == "fail" else _spoken(dialect, wire, outcome)


def _failed(dialect: Dialect, outcome: Outcome) -> _Answer:
    kind = outcome.kind or KIND_OF_STATUS.get(outcome.status, "server" if outcome.status >= 500 else "invalid_request")
    hint: list[tuple[str, str]] = []
    if kind == "rate_limit" and outcome.message is None:
        _, hint, body = dialect.throttled(outcome.retry_after_s)
    else:
        _, body = dialect.error(kind, outcome.message)
        if outcome.retry_after_s is not None:
            hint = [("retry-after", f"{outcome.retry_after_s:g}")]
    headers = [("content-type", "application/json"), *hint, *outcome.headers]
    return _Answer(outcome.status, _lower(headers), [body])


def _spoken(dialect: Dialect, wire: Request, outcome: Outcome) -> _Answer:
    ask = dialect.read(wire)
    said = Said(
        pieces=outcome.pieces,
        tool=outcome.tool,
        arguments=halves(outcome.arguments) if outcome.tool else (),
        finish="tool" if outcome.tool else "stop",
        input_tokens=ask.input_tokens if outcome.input_tokens is None else outcome.input_tokens,
        output_tokens=max(1, len(outcome.pieces)) if outcome.output_tokens is None else outcome.output_tokens,
        usage=outcome.usage,
        logprobs=outcome.logprobs,
    )
    if not ask.stream:
        return _Answer(
            200, _lower([("content-type", "application/json"), *outcome.headers]), [dialect.reply(ask, said)]
        )
    headers = _lower([*dialect.stream_headers(ask), *outcome.headers])
    return _broken_stream(dialect, ask, said, outcome, headers)


def _broken_stream(dialect: Dialect, ask: Ask, said: Said, outcome: Outcome, headers: dict[str, str]) -> _Answer:
    frames = dialect.frames(ask, said)
    everything = frames.prelude + frames.content + frames.end
    if outcome.cut_after is not None:
        ending: Literal["end", "connection"] = "end" if outcome.cut == "clean" else "connection"
        return _Answer(200, headers, frames.prelude + frames.content[: outcome.cut_after], ending)
    if outcome.error_after is not None:
        error = dialect.stream_error(outcome.error)
        return _Answer(200, headers, [*frames.prelude, *frames.content[: outcome.error_after], error])
    if outcome.stall_after is not None:
        return _Answer(200, headers, frames.prelude + frames.content[: outcome.stall_after], "stall")
    return _Answer(200, headers, everything)


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
