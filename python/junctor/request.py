"""What a caller asks for, and where it is sent: the OpenAI chat shape, with types.

Messages, tools and `response_format` stay plain dictionaries in OpenAI's shape: they are the field's common tongue and
callers already have them in that form. Adapters read them; nothing rewrites them on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from junctor.signing import Signer

Message = Mapping[str, Any]


class Vector(Protocol):
    """One vector of numbers: a list, an array of any library, or a buffer of float32 or float64, which is quickest."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class Native(msgspec.Struct, frozen=True):
    """The body as its caller wrote it, in the dialect of the adapter of this name.

    Where the deployment speaks the same dialect its adapter sends this body, with only the model, the stream options
    and what rules changed written anew, so nothing that the provider understands is lost. Whoever changes the messages
    or tools of a request takes its native body away.

    `demands` names what the request makes no sense without and no other dialect has: there it is refused. `drops` names
    what is left out in other dialects, for the receipt.
    """

    dialect: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = {}
    demands: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chat request in canonical form (OpenAI chat completions, minus what only transports need).

    `max_tokens` bounds the answer, reasoning included. `effort` is one of none, minimal, low, medium, high, xhigh, max.
    `provider_options` maps an adapter name to fields that are merged into that provider's body as they are. `native`
    is set by doors only.
    """

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: str | Sequence[str] | None = None
    seed: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    effort: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] | None = None
    provider_options: Mapping[str, Mapping[str, Any]] = {}
    native: Native | None = None


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Texts, or prompts as token ids, of which vectors are wanted. One vector per input, in their order.

    `dimensions` shortens the vectors where the model can. `provider_options` maps an adapter name to fields that are
    merged into that provider's body as they are.
    """

    inputs: Sequence[str] | Sequence[Sequence[int]]
    dimensions: int | None = None
    user: str | None = None
    provider_options: Mapping[str, Mapping[str, Any]] = {}


class Secret:
    """A secret value that shows itself to nobody: `repr`, `str` and formatting print its reference only."""

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, reference: str) -> None:
        self._value = value
        self.reference = reference

    def reveal(self) -> str:
        """The secret itself. Only adapters call this, when they write the authentication header."""
        return self._value

    def hide_in(self, text: str) -> str:
        """The text with its reference wherever the secret stood."""
        return text.replace(self._value, f"<{self.reference}>")

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.reference)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a deployment is reached: address, model name at the provider, key and timeouts in seconds.

    `adapter` is the dialect it is spoken to in, `dialects` all that it understands, by their adapters' names; empty
    means that one alone. A `signer` proves who asks where a key alone does not; an endpoint has one or the other.
    `api_version` is for providers that want it in the address, as Azure does; `bytes_per_token` says how the model's
    tokenizer cuts text, for estimates; `model_status` that the model is deprecated or retired, with the dates, as of
    when the fleet was read.
    """

    deployment: str
    provider: str
    adapter: str
    model: str
    base_url: str
    key: Secret | None = None
    signer: Signer | None = None
    headers: Mapping[str, str] = {}
    dialects: tuple[str, ...] = ()
    api_version: str | None = None
    bytes_per_token: float = 3.5
    max_output_tokens: int | None = None
    first_content_timeout_s: float = 20.0
    idle_timeout_s: float = 30.0
    model_status: str = ""


class HttpRequest(msgspec.Struct, frozen=True):
    """What a transport sends. `dropped` names the request's parameters that this provider cannot express.

    `notes` say what was rewritten so that it can be: `tools.get_weather: $ref inlined (bedrock)`.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url.partition('?')[0]}, {len(self.body)} bytes)"
