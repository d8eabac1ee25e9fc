"""A finished answer as a chat completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.doors.contract import Stamp
from junctor.doors.splice import with_cost
from junctor.relay import kept_body
from junctor.reply import FinishReason, Reply, Usage

FINISH: Final[Mapping[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "unknown": "stop",
}

_encode: Final = msgspec.json.Encoder().encode


def whole(reply: Reply, stamp: Stamp) -> bytes:
    """The body; the provider's own with the cost put in where it speaks this dialect."""
    raw = kept_body(reply)
    if raw is not None:
        return with_cost(raw, reply.cost_usd)
    body: dict[str, Any] = {
        "id": f"chatcmpl-{stamp.id}",
        "object": "chat.completion",
        "created": stamp.at_s,
        "model": reply.model or stamp.model,
        "choices": [
            {
                "index": 0,
                "message": _message(reply),
                "logprobs": _logprobs(reply),
                "finish_reason": finish_of(reply),
            }
        ],
    }
    if reply.usage.known:
        body["usage"] = usage_of(reply.usage, reply.cost_usd)
    return _encode(body)


def finish_of(reply: Reply) -> str:
    """Why the answer ended. A model that refuses in words ends as OpenAI's do: properly, with a refusal."""
    if reply.finish_reason == "refusal" and reply.refusal:
        return "stop"
    return FINISH[reply.finish_reason]


def _message(reply: Reply) -> dict[str, Any]:
    message = {**reply.message, "refusal": reply.refusal}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    return message


def _logprobs(reply: Reply) -> Any:
    return {"content": None, "refusal": None, **reply.logprobs} if reply.logprobs else None


def usage_of(usage: Usage, cost_usd: float) -> dict[str, Any]:
    """Tokens as OpenAI counts them, and what the whole call cost."""
    prompt: dict[str, int] = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "cost_usd": cost_usd,
    }
