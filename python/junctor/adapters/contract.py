"""What every provider dialect must offer.

An adapter is pure: it turns a request into bytes and bytes into a reply, reads no clock and does no I/O. So one table
of cases tests all of them, and a recorded exchange can be replayed byte for byte. A base class with hooks was rejected
for building and parsing: the dialects share small functions there, not a shape of control flow. Stream readers do share
one (`reader`), and an adapter is a value of functions (`dialect`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from junctor.failures import Failure
from junctor.reply import Embeddings, Event, RateLimit, Reply, Usage
from junctor.request import ChatRequest, EmbeddingRequest, Endpoint, HttpRequest


class StreamReader(Protocol):
    """Turns the bytes of one streamed answer into events. One reader serves one stream and is not shared.

    No input raises: bytes that make no sense become a `StreamError` event and the `Failure` that `close` returns.
    """

    @property
    def usage(self) -> Usage:
        """What is known of the tokens so far; `known` is False until the provider told them."""
        ...

    @property
    def text(self) -> str:
        """The visible text so far."""
        ...

    @property
    def logprobs(self) -> Any:
        """The log-probabilities so far, as a reply has them; None if none came."""
        ...

    @property
    def output_chunks(self) -> int:
        """How many pieces of content (text, reasoning, tool arguments) were seen so far."""
        ...

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes; `chunk` may be cut anywhere, even inside a character."""
        ...

    def close(self) -> Reply | Failure:
        """The whole reply if the terminal marker was seen; otherwise why not (`truncated`, `malformed`, …)."""
        ...


class Adapter(Protocol):
    """One provider dialect as pure functions."""

    @property
    def name(self) -> str:
        """The adapter's name, as in the config and in `provider_options`."""
        ...

    @property
    def default_base_url(self) -> str:
        """The provider's own address, used when the config names none."""
        ...

    @property
    def key_env(self) -> str:
        """The environment variable that customarily holds the key."""
        ...

    def build(self, request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
        """The HTTP request for `request` at `endpoint`.

        `HttpRequest.dropped` names every parameter that could not be said in this dialect, or only approximately.

        Raises `InvalidRequest` if a message cannot be expressed at all (unknown role or content part).
        """
        ...

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
        """A whole response. `headers` have lower-case names. Never raises, whatever the bytes."""
        ...

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """The failure that a response with an error stands for, whatever its status says."""
        ...

    def reader(self) -> StreamReader:
        """A fresh reader for one stream."""
        ...

    def rate_limits(self, headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
        """What the response's headers say about limits; nonsense is left out."""
        ...

    @property
    def build_embeddings(self) -> Callable[[EmbeddingRequest, Endpoint], HttpRequest] | None:
        """Makes the HTTP request for vectors; None if the dialect has none."""
        ...

    @property
    def parse_embeddings(self) -> Callable[[int, Mapping[str, str], bytes], Embeddings | Failure] | None:
        """Reads a whole response to it, as `parse` does for chats. The vectors are in the order of the inputs."""
        ...
