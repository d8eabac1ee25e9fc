"""The parts of Anthropic's answers that we read, as types. Every field has a default."""

from __future__ import annotations

from typing import Any

import msgspec

from junctor.adapters.draft import UNKNOWN_USAGE
from junctor.reply import Usage


class OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class CacheCreation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: int | None = None


class UsageShape(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None

    def update(self, later: UsageShape) -> None:
        """Takes over what a later event counted; counts are running totals, and absent ones keep their value."""
        for name in self.__struct_fields__:
            value = getattr(later, name)
            if value is not None:
                setattr(self, name, value)

    def usage(self) -> Usage:
        """The counts in canonical form: the input as Anthropic tells it leaves the cached parts out."""
        if self.input_tokens is None and self.output_tokens is None:
            return UNKNOWN_USAGE
        read = max(self.cache_read_input_tokens or 0, 0)
        written = max(self.cache_creation_input_tokens or 0, 0)
        details, kept = self.output_tokens_details, self.cache_creation
        return Usage(
            max(self.input_tokens or 0, 0) + read + written,
            max(self.output_tokens or 0, 0),
            read,
            written,
            max(details.thinking_tokens or 0, 0) if details is not None else 0,
            True,
            min(max(kept.ephemeral_1h_input_tokens or 0, 0), written) if kept is not None else 0,
        )


class Block(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    citations: list[Any] | None = None


class StopDetails(msgspec.Struct, gc=False):
    explanation: str | None = None


class Answer(msgspec.Struct, gc=False):
    """A whole message, or the opening one of a stream."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: UsageShape | None = None
    error: Any = None


class Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class StreamEvent(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: dict[str, Any] | None = None
    message: Answer | None = None
    usage: UsageShape | None = None
    error: Any = None


answer_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
event_decoder: msgspec.json.Decoder[StreamEvent] = msgspec.json.Decoder(StreamEvent)
