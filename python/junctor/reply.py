"""What comes back: one canonical reply, usage, rate limits, and the events of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from junctor.failures import Failure

if TYPE_CHECKING:
    from junctor.receipts import Receipt, Trail

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "unknown"]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens as the provider counted them.

    `input_tokens` is the whole prompt, cached parts included; `output_tokens` the whole answer, reasoning included.
    `cached_tokens` of the input were read from the provider's prompt cache, `cache_write_tokens` were written to it, of
    which `cache_write_1h_tokens` for an hour; `reasoning_tokens` of the output were not shown. `known` is False when
    the provider reported no usage.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    known: bool = True
    cache_write_1h_tokens: int = 0


class ToolCall(msgspec.Struct, frozen=True):
    """A function that the model wants called. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class RateLimit(msgspec.Struct, frozen=True):
    """What a provider's headers say about one limit. `reset_s` is seconds from the response; None where not told.

    An entry that says neither limit nor remaining stands for a header that made no sense.
    """

    dimension: Literal["rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd"]
    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


def as_tuples(limits: tuple[RateLimit, ...]) -> list[tuple[str, int | None, int | None, float | None]]:
    """Rate limits in the plain form that the core takes."""
    return [(limit.dimension, limit.limit, limit.remaining, limit.reset_s) for limit in limits]


class Traced(msgspec.Struct, dict=True):
    """What a client returns: it knows the trail of its call, which is no field, so encoding leaves it out."""

    @property
    def receipt(self) -> Receipt | None:
        """Why this deployment, what was tried, what it cost. None on what no client made."""
        trail = cast("Trail | None", self.__dict__.get("trail"))
        return None if trail is None else trail.receipt()

    def remember(self, trail: Trail) -> None:
        """Tie this to the trail of its call."""
        self.__dict__["trail"] = trail


class Reply(Traced, kw_only=True):
    """A finished answer.

    `text` is the visible text ("" if the answer is only tool calls); `reasoning` what the provider shows of the model's
    thinking. `message` is the assistant message in OpenAI's shape, ready to be appended to the conversation, with
    whatever a provider needs to see again (signatures, thinking blocks) under `provider_fields`.
    `cost_usd` and `receipt` are filled by the client; the receipt is put together when it is first looked at, because
    most calls never look.
    """

    text: str
    message: dict[str, Any]
    finish_reason: FinishReason
    usage: Usage
    model: str = ""
    id: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    refusal: str | None = None
    logprobs: Any = None
    rate_limits: tuple[RateLimit, ...] = ()
    cost_usd: float = 0.0


class Embeddings(Traced, kw_only=True):
    """Vectors, one per input and in the order of the inputs.

    `cost_usd` and `receipt` are filled by the client, as on a `Reply`. `usage` has input tokens only.
    """

    vectors: list[list[float]]
    usage: Usage
    model: str = ""
    rate_limits: tuple[RateLimit, ...] = ()
    cost_usd: float = 0.0


class TextDelta(msgspec.Struct, frozen=True, tag="text"):
    """More visible text."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, tag="reasoning"):
    """More of the model's shown thinking."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True, tag="tool_call"):
    """More of tool call number `index`: `id` and `name` come with its first piece, `arguments` is appended."""

    index: int
    arguments: str
    id: str | None = None
    name: str | None = None


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The provider said why the answer ends."""

    reason: FinishReason


class StreamError(msgspec.Struct, frozen=True, tag="error"):
    """The provider reported an error inside the stream."""

    failure: Failure


class Done(msgspec.Struct, kw_only=True, tag="done"):
    """The last event of a stream that ended properly: the whole reply, as `chat` would have returned it."""

    reply: Reply


Event = TextDelta | ReasoningDelta | ToolCallDelta | Finish | StreamError | Done
