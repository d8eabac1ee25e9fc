"""A finished answer as an Anthropic message.

What another provider thought is shown as a thinking block whose signature is ours, and what that provider must see
again is the last block, redacted thinking; clients return both, and `read` knows them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.adapters.tools import arguments_object
from junctor.doors.carry import MARK, packed
from junctor.doors.contract import Stamp
from junctor.doors.splice import COST, with_cost
from junctor.relay import kept_body
from junctor.reply import FinishReason, Reply, Usage

STOP: Final[Mapping[FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "unknown": "end_turn",
}

_encode: Final = msgspec.json.Encoder().encode


def whole(reply: Reply, stamp: Stamp) -> bytes:
    """The body; the provider's own with the cost put in where it speaks this dialect."""
    raw = kept_body(reply)
    if raw is not None:
        return with_cost(raw, reply.cost_usd)
    return _encode(
        {
            "id": f"msg_{stamp.id}",
            "type": "message",
            "role": "assistant",
            "model": reply.model or stamp.model,
            "content": _content(reply),
            "stop_reason": STOP[reply.finish_reason],
            "stop_sequence": None,
            "usage": usage_of(reply.usage, reply.cost_usd),
        }
    )


def _content(reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": MARK})
    if text := reply.text or reply.refusal:
        blocks.append({"type": "text", "text": text})
    for call in reply.tool_calls:
        arguments = arguments_object(call.arguments)
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    if (carried := carried_block(reply)) is not None:
        blocks.append(carried)
    return blocks


def carried_block(reply: Reply) -> dict[str, Any] | None:
    """What the provider of this reply must see again, as a block that clients return."""
    fields = reply.message.get("provider_fields")
    return {"type": "redacted_thinking", "data": packed(fields)} if fields else None


def usage_of(usage: Usage, cost_usd: float) -> dict[str, Any]:
    """Tokens as Anthropic counts them, cached ones beside the input, and what the whole call cost."""
    return {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        COST: cost_usd,
    }
