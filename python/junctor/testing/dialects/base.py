"""What one dialect has to know, and the request as every dialect reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from junctor.testing.app import Request
from junctor.testing.prompt_cache import Block, characters
from junctor.testing.quota import Dimension, Refusal, Standing
from junctor.testing.speech import Said

ErrorKind = Literal[
    "auth",
    "permission",
    "not_found",
    "invalid_request",
    "context_length",
    "rate_limit",
    "quota",
    "overloaded",
    "server",
]
HeaderList = list[tuple[str, str]]


class Invalid(Exception):
    """The request's body is not what the API takes. The message says what is missing."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a provider understands it.

    `tool` is the function it should call, if any; `vectors` what is answered where embeddings are asked for; `echo`
    what the answer repeats of the request; `blocks` are those of a prompt with cache points; `logprobs` says whether it
    wants those of each token, `top_logprobs` with how many alternatives.
    """

    model: str
    stream: bool
    input_tokens: int
    max_tokens: int | None = None
    tool: str | None = None
    tool_schema: Mapping[str, Any] = {}
    answer_schema: Mapping[str, Any] | None = None
    blocks: tuple[Block, ...] = ()
    stream_usage: bool = True
    sse: bool = True
    vectors: tuple[tuple[float, ...], ...] = ()
    base64: bool = False
    echo: Mapping[str, Any] = {}
    logprobs: bool = False
    top_logprobs: int = 0


class Frames(NamedTuple):
    """A streamed answer in events: before the first content, content, and after it."""

    prelude: list[bytes]
    content: list[bytes]
    end: list[bytes]


class Dialect(Protocol):
    """One provider's API: reading requests, writing answers, errors, limits."""

    @property
    def name(self) -> str:
        """As the adapter that speaks it is called."""

    @property
    def base_path(self) -> str:
        """What its SDKs and adapters expect at the end of a base URL."""

    def serves(self, path: str) -> bool:
        """Whether the path is this API's endpoint."""

    def secret(self, request: Request) -> str | None:
        """The API key that the request carries."""

    def read(self, request: Request) -> Ask:
        """The request, or `Invalid`."""

    def amounts(self, ask: Ask) -> dict[Dimension, int]:
        """What admission charges, by this provider's accounting."""

    def settled(self, said: Said) -> dict[Dimension, int]:
        """What is charged when the answer is known."""

    def reply(self, ask: Ask, said: Said) -> bytes:
        """A whole answer."""

    def frames(self, ask: Ask, said: Said) -> Frames:
        """A streamed answer."""

    def stream_headers(self, ask: Ask) -> HeaderList:
        """The content type of a stream."""

    def common_headers(self, number: int) -> HeaderList:
        """Headers of every answer: request id and the like."""

    def limit_headers(self, standings: Mapping[Dimension, Standing], now_epoch_s: float) -> HeaderList:
        """Rate-limit headers; empty where the provider sends none."""

    def error(self, kind: ErrorKind, message: str | None = None, *, number: int = 0) -> tuple[int, bytes]:
        """Status and body of an error. `message` None: the provider's usual words."""

    def refused(self, ask: Ask, refusal: Refusal, *, number: int = 0) -> tuple[int, HeaderList, bytes]:
        """The 429 of a real limit, with its hint."""

    def throttled(self, retry_after_s: float | None, *, number: int = 0) -> tuple[int, HeaderList, bytes]:
        """A 429 with a hint of this many seconds, or with none."""

    def stream_error(self, kind: ErrorKind) -> bytes:
        """The error event inside a stream."""


def decode(body: bytes) -> dict[str, Any]:
    """The body as a JSON object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"We could not parse the JSON body of your request: {error}") from error


def required(body: Mapping[str, Any], name: str, kind: type) -> Any:
    """`body[name]` of the right type and not empty."""
    value = body.get(name)
    if not isinstance(value, kind) or not value:
        raise Invalid(f"Missing or invalid required parameter: '{name}'.")
    return value


def count_tokens(value: Any) -> int:
    """A rough count over all strings of a JSON value: a quarter of the characters, at least one."""
    return max(1, characters(value) // 4)


def sse(event: object, *, end: bytes = b"\n\n") -> bytes:
    """One server-sent event with a JSON value as its data."""
    return b"data: " + msgspec.json.encode(event) + end
