"""The parts of responses and their stream events that we read, as types. Every field has a default."""

from __future__ import annotations

from typing import Any

import msgspec

from junctor.adapters.draft import UNKNOWN_USAGE
from junctor.adapters.openai.shapes import InputDetails, OutputDetails
from junctor.reply import Usage

Item = dict[str, Any]


class UsageShape(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def usage(self) -> Usage:
        """The counts in canonical form; `known` is False if the host counted nothing."""
        if self.input_tokens is None and self.output_tokens is None:
            return UNKNOWN_USAGE
        read, written = self.input_tokens_details, self.output_tokens_details
        return Usage(
            max(self.input_tokens or 0, 0),
            max(self.output_tokens or 0, 0),
            max(read.cached_tokens or 0, 0) if read is not None else 0,
            max(read.cache_write_tokens or 0, 0) if read is not None else 0,
            max(written.reasoning_tokens or 0, 0) if written is not None else 0,
        )


class Cause(msgspec.Struct, gc=False):
    reason: str | None = None


class Response(msgspec.Struct):
    """A whole response, or one inside an event. `content_filters` is there at Azure only, be it null."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Item] | None = None
    usage: UsageShape | None = None
    incomplete_details: Cause | None = None
    error: Any = None
    content_filters: msgspec.Raw = msgspec.Raw(b"")


class StreamEvent(msgspec.Struct):
    """One event of a stream; most carry a `delta` and the place it belongs to."""

    type: str | None = None
    delta: str | None = None
    output_index: int | None = None
    summary_index: int | None = None
    content_index: int | None = None
    item: Item | None = None
    response: Response | None = None
    arguments: str | None = None
    input: str | None = None
    logprobs: list[Any] | None = None
    error: Any = None


response_decoder: msgspec.json.Decoder[Response] = msgspec.json.Decoder(Response)
event_decoder: msgspec.json.Decoder[StreamEvent] = msgspec.json.Decoder(StreamEvent)
