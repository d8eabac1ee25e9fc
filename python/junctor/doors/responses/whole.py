"""A finished answer as a response object.

The object repeats much of the request, because the SDK's types demand it. What another provider thought is a reasoning
item with a summary; what that provider must see again is the last item, reasoning with encrypted content of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.adapters.lenient import loads
from junctor.doors.carry import MARK, packed
from junctor.doors.contract import Asked, Stamp
from junctor.doors.splice import COST, with_cost
from junctor.relay import kept_body
from junctor.reply import Reply, ToolCall, Usage

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ECHOED: Final = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)

_encode: Final = msgspec.json.Encoder().encode


def whole(reply: Reply, asked: Asked, stamp: Stamp) -> bytes:
    """The body; the provider's own with the cost put in where it speaks this dialect."""
    raw = kept_body(reply)
    if raw is not None:
        return with_cost(raw, reply.cost_usd)
    return _encode(finished(shell(asked, stamp), reply, output_of(reply, asked, stamp)))


def shell(asked: Asked, stamp: Stamp) -> dict[str, Any]:
    """The response object before anything was said."""
    native = asked.options["native"].body
    body: dict[str, Any] = {
        "id": f"resp_{stamp.id}",
        "object": "response",
        "created_at": stamp.at_s,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": stamp.model,
        "output": [],
        "parallel_tool_calls": native.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "store": False,
        "tool_choice": native.get("tool_choice") or "auto",
        "tools": [_whole_tool(tool) for tool in native.get("tools") or ()],
        "usage": None,
    }
    body.update({name: native[name] for name in _ECHOED if native.get(name) is not None})
    return body


def _whole_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool with the fields that may be left out of a request and not out of a response."""
    return {"parameters": None, "strict": None, **tool} if tool.get("type") == "function" else tool


def finished(body: dict[str, Any], reply: Reply, output: list[dict[str, Any]]) -> dict[str, Any]:
    """The response object when everything was said."""
    body["output"] = output
    body["status"] = "completed"
    if (reason := _INCOMPLETE.get(reply.finish_reason)) is not None:
        body["status"] = "incomplete"
        body["incomplete_details"] = {"reason": reason}
    if reply.model:
        body["model"] = reply.model
    if reply.usage.known:
        body["usage"] = usage_of(reply.usage, reply.cost_usd)
    return body


def output_of(reply: Reply, asked: Asked, stamp: Stamp) -> list[dict[str, Any]]:
    """The items of an answer, in the order in which a stream would open them."""
    items: list[dict[str, Any]] = []
    if reply.reasoning:
        items.append(thought(f"rs_{stamp.id}", reply.reasoning))
    if reply.text or reply.refusal or not reply.tool_calls:
        items.append(message(f"msg_{stamp.id}", reply))
    free = custom_names(asked)
    for place, call in enumerate(reply.tool_calls):
        items.append(called(f"fc_{stamp.id}_{place}", call, custom=call.name in free))
    if (carried := carried_item(reply, stamp)) is not None:
        items.append(carried)
    return items


def message(id: str, reply: Reply) -> dict[str, Any]:
    """What was said, or refused, as an item."""
    content: list[dict[str, Any]] = []
    if reply.text or not reply.refusal:
        content.append(text_part(reply.text, reply))
    if reply.refusal:
        content.append({"type": "refusal", "refusal": reply.refusal})
    return {"id": id, "type": "message", "role": "assistant", "status": "completed", "content": content}


def text_part(text: str, reply: Reply | None = None) -> dict[str, Any]:
    """Text as a part of a message."""
    logprobs = (reply.logprobs or {}).get("content") if reply is not None else None
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}


def called(id: str, call: ToolCall, *, custom: bool) -> dict[str, Any]:
    """A call as an item, one with free text if the tool was given so."""
    if custom:
        return {
            "id": id,
            "type": "custom_tool_call",
            "call_id": call.id,
            "name": call.name,
            "input": free_text(call.arguments),
        }
    return {
        "id": id,
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    }


def free_text(arguments: str) -> str:
    """The text in a call of a function that stands for a tool of free text."""
    found = loads(arguments)
    return found["input"] if isinstance(found, dict) and isinstance(found.get("input"), str) else arguments


def thought(id: str, text: str) -> dict[str, Any]:
    """Another provider's shown thinking as an item that is known again when it comes back."""
    summary = [{"type": "summary_text", "text": text}]
    return {"id": id, "type": "reasoning", "summary": summary, "encrypted_content": MARK}


def carried_item(reply: Reply, stamp: Stamp) -> dict[str, Any] | None:
    """What the provider of this reply must see again, as an item that clients return."""
    fields = reply.message.get("provider_fields")
    if not fields:
        return None
    return {"id": f"rs_{stamp.id}_again", "type": "reasoning", "summary": [], "encrypted_content": packed(fields)}


def custom_names(asked: Asked) -> frozenset[str]:
    """The tools of the request that take free text."""
    tools = asked.options["native"].body.get("tools") or ()
    return frozenset(str(tool.get("name")) for tool in tools if tool.get("type") == "custom")


def usage_of(usage: Usage, cost_usd: float) -> Mapping[str, Any]:
    """Tokens as this API counts them, and what the whole call cost."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
        COST: cost_usd,
    }
