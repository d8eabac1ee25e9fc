"""The parts of OpenAI's answers that we read, as types. Every field has a default: hosts leave out any of them."""

from __future__ import annotations

from typing import Any

import msgspec

from junctor.adapters.draft import UNKNOWN_USAGE
from junctor.reply import Usage


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class UsageShape(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cached_tokens: int | None = None  # Moonshot
    num_cached_tokens: int | None = None  # Mistral, where it gives no details

    def usage(self) -> Usage:
        """The counts in canonical form; `known` is False if the host counted nothing."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return UNKNOWN_USAGE
        details = self.prompt_tokens_details
        cached = details.cached_tokens if details is not None else None
        if cached is None:
            cached = self.prompt_cache_hit_tokens or self.cached_tokens or self.num_cached_tokens or 0
        reasoning = self.completion_tokens_details.reasoning_tokens or 0 if self.completion_tokens_details else 0
        prompt, completion = self.prompt_tokens or 0, self.completion_tokens or 0
        if reasoning and self.total_tokens == prompt + completion + reasoning:
            completion += reasoning  # xAI counts reasoning beside the answer, not within it
        return Usage(
            max(prompt, 0),
            max(completion, 0),
            max(cached, 0),
            max(details.cache_write_tokens or 0, 0) if details is not None else 0,
            max(reasoning, 0),
        )


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class Custom(msgspec.Struct, gc=False):
    name: str | None = None
    input: str | None = None


class Call(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None


class Said(msgspec.Struct, gc=False):
    """A message of a whole answer, or a delta of a streamed one: the same fields."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    audio: dict[str, Any] | None = None


class Choice(msgspec.Struct, gc=False):
    index: int | None = None
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class Groq(msgspec.Struct, gc=False):
    usage: UsageShape | None = None


class Answer(msgspec.Struct, gc=False):
    """A chat completion, or a chunk of one."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: UsageShape | None = None
    x_groq: Groq | None = None
    error: Any = None


answer_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
