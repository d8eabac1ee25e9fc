"""The parts of Gemini's answers that we read, as types. Every field has a default."""

from __future__ import annotations

from typing import Any

import msgspec

from junctor.adapters.draft import UNKNOWN_USAGE
from junctor.reply import Usage


class UsageShape(msgspec.Struct, gc=False):
    promptTokenCount: int | None = None
    candidatesTokenCount: int | None = None
    thoughtsTokenCount: int | None = None
    cachedContentTokenCount: int | None = None
    toolUsePromptTokenCount: int | None = None
    totalTokenCount: int | None = None

    def usage(self) -> Usage:
        """The counts in canonical form: thoughts belong to the output, results of Google's own tools to the input."""
        if self.promptTokenCount is None and self.candidatesTokenCount is None:
            return UNKNOWN_USAGE
        thoughts = max(self.thoughtsTokenCount or 0, 0)
        return Usage(
            max(self.promptTokenCount or 0, 0) + max(self.toolUsePromptTokenCount or 0, 0),
            max(self.candidatesTokenCount or 0, 0) + thoughts,
            max(self.cachedContentTokenCount or 0, 0),
            0,
            thoughts,
        )


class FunctionCall(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    partialArgs: list[dict[str, Any]] | None = None
    willContinue: bool | None = None


class Part(msgspec.Struct, gc=False):
    text: str | None = None
    thought: bool | None = None
    functionCall: FunctionCall | None = None
    thoughtSignature: str | None = None


class Content(msgspec.Struct, gc=False):
    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False):
    content: Content | None = None
    finishReason: str | int | None = None
    finishMessage: str | None = None
    logprobsResult: dict[str, Any] | None = None


class PromptFeedback(msgspec.Struct, gc=False):
    blockReason: str | int | None = None
    blockReasonMessage: str | None = None


class Answer(msgspec.Struct, gc=False):
    candidates: list[Candidate] | None = None
    promptFeedback: PromptFeedback | None = None
    usageMetadata: UsageShape | None = None
    modelVersion: str | None = None
    responseId: str | None = None
    error: Any = None


answer_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
