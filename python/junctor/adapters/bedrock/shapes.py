"""The parts of Converse's answers that we read, as types. Every field has a default."""

from __future__ import annotations

from typing import Any

import msgspec

from junctor.adapters.draft import UNKNOWN_USAGE
from junctor.reply import Usage


class UsageShape(msgspec.Struct, gc=False):
    inputTokens: int | None = None
    outputTokens: int | None = None
    cacheReadInputTokens: int | None = None
    cacheWriteInputTokens: int | None = None
    cacheReadInputTokenCount: int | None = None  # the older spelling, still sent beside the newer one
    cacheWriteInputTokenCount: int | None = None

    def usage(self) -> Usage:
        """The counts in canonical form: the input as Bedrock tells it leaves the cached parts out."""
        if self.inputTokens is None and self.outputTokens is None:
            return UNKNOWN_USAGE
        read = max(self.cacheReadInputTokens or self.cacheReadInputTokenCount or 0, 0)
        written = max(self.cacheWriteInputTokens or self.cacheWriteInputTokenCount or 0, 0)
        return Usage(max(self.inputTokens or 0, 0) + read + written, max(self.outputTokens or 0, 0), read, written)


class ToolUse(msgspec.Struct, gc=False):
    toolUseId: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    type: str | None = None

    @property
    def server(self) -> bool:
        """Whether the provider runs the tool itself, so that the caller has nothing to do."""
        return self.type == "server_tool_use"


class ReasoningText(msgspec.Struct, gc=False):
    text: str | None = None
    signature: str | None = None


class Reasoning(msgspec.Struct, gc=False):
    reasoningText: ReasoningText | None = None


class Words(msgspec.Struct, gc=False):
    text: str | None = None


class Cited(msgspec.Struct, gc=False):
    content: list[Words] | None = None


class Block(msgspec.Struct, gc=False):
    text: str | None = None
    toolUse: ToolUse | None = None
    reasoningContent: Reasoning | None = None
    citationsContent: Cited | None = None

    @property
    def plain(self) -> bool:
        """Nothing is lost if only text and calls go back."""
        return self.text is not None or (self.toolUse is not None and not self.toolUse.server)


class Message(msgspec.Struct, gc=False):
    content: list[Block] | None = None


class Output(msgspec.Struct, gc=False):
    message: Message | None = None


class Answer(msgspec.Struct, gc=False):
    """A whole answer."""

    output: Output | None = None
    stopReason: str | None = None
    usage: UsageShape | None = None


class CallDelta(msgspec.Struct, gc=False):
    input: str | None = None


class ReasoningDelta(msgspec.Struct, gc=False):
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None


class Delta(msgspec.Struct, gc=False):
    text: str | None = None
    toolUse: CallDelta | None = None
    reasoningContent: ReasoningDelta | None = None
    citation: Any = None
    toolResult: Any = None


class StreamEvent(msgspec.Struct, gc=False):
    """The payload of any frame: which of its fields are there depends on the event's name."""

    contentBlockIndex: int = 0
    start: dict[str, Any] | None = None
    delta: Delta | None = None
    stopReason: str | None = None
    usage: UsageShape | None = None


answer_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
event_decoder: msgspec.json.Decoder[StreamEvent] = msgspec.json.Decoder(StreamEvent)
