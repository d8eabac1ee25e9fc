"""Replies and events of streams as LangChain's messages and chunks.

What a provider must see again goes into `additional_kwargs`, which LangChain keeps through streams, stores and
checkpoints; the reasoning goes where its content blocks look for it. `response_metadata["junctor"]` is the receipt in
short: plain data, because a checkpoint has to hold it. The whole receipt is for `Client(on_receipt=...)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.content import InvalidToolCall
from langchain_core.messages.tool import ToolCall as Called
from langchain_core.messages.tool import ToolCallChunk

from junctor.langchain.messages import PROVIDER_FIELDS
from junctor.reply import Done, Event, ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from junctor.receipts import Receipt
    from junctor.reply import Reply, ToolCall, Usage

ABOUT: Final = "junctor"
"""The key of `response_metadata` under which a message's receipt stands in short."""

_REASONING: Final = "reasoning_content"


def message_of(reply: Reply) -> AIMessage:
    """The whole answer."""
    calls, broken = _calls(reply.tool_calls)
    extra = _extra(reply)
    if reply.reasoning:
        extra[_REASONING] = reply.reasoning
    return AIMessage(
        content=reply.text,
        tool_calls=calls,
        invalid_tool_calls=broken,
        additional_kwargs=extra,
        usage_metadata=_usage(reply.usage),
        response_metadata=_metadata(reply),
    )


def chunk_of(event: Event) -> AIMessageChunk | None:
    """One event of a stream; what the chunks merge to equals `message_of` the reply. None for what says nothing yet."""
    if isinstance(event, TextDelta):
        return AIMessageChunk(content=event.text)
    if isinstance(event, ReasoningDelta):
        return AIMessageChunk(content="", additional_kwargs={_REASONING: event.text})
    if isinstance(event, ToolCallDelta):
        call = ToolCallChunk(
            type="tool_call_chunk", index=event.index, id=event.id, name=event.name, args=event.arguments
        )
        return AIMessageChunk(content="", tool_call_chunks=[call])
    if isinstance(event, Done):
        return AIMessageChunk(
            content="",
            additional_kwargs=_extra(event.reply),
            usage_metadata=_usage(event.reply.usage),
            response_metadata=_metadata(event.reply),
            chunk_position="last",
        )
    return None


def cost_usd_micros(message: AIMessage) -> int:
    """What this answer cost, in millionths of a dollar; nothing if LangChain's cache gave it."""
    usage: Mapping[str, Any] = message.usage_metadata or {}
    if usage.get("total_cost") == 0:
        return 0
    return int(message.response_metadata.get(ABOUT, {}).get("cost_usd_micros", 0))


def _calls(calls: tuple[ToolCall, ...]) -> tuple[list[Called], list[InvalidToolCall]]:
    good: list[Called] = []
    broken: list[InvalidToolCall] = []
    for call in calls:
        try:
            arguments = json.loads(call.arguments or "{}", strict=False)
            if not isinstance(arguments, dict):
                raise ValueError(f"the arguments are no object but {type(arguments).__name__}")
        except ValueError as error:
            broken.append(
                InvalidToolCall(
                    type="invalid_tool_call", id=call.id, name=call.name, args=call.arguments, error=str(error)
                )
            )
        else:
            good.append({"type": "tool_call", "id": call.id, "name": call.name, "args": arguments})
    return good, broken


def _extra(reply: Reply) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if reply.refusal:
        extra["refusal"] = reply.refusal
    if fields := reply.message.get("provider_fields"):
        extra[PROVIDER_FIELDS] = fields
    return extra


def _usage(usage: Usage) -> UsageMetadata | None:
    if not usage.known:
        return None
    into = InputTokenDetails(cache_read=usage.cached_tokens, cache_creation=usage.cache_write_tokens)
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_token_details=into,
        output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens),
    )


def _metadata(reply: Reply) -> dict[str, Any]:
    told: dict[str, Any] = {"model_name": reply.model, "finish_reason": reply.finish_reason}
    if reply.id:
        told["id"] = reply.id
    if reply.logprobs is not None:
        told["logprobs"] = reply.logprobs
    if (receipt := reply.receipt) is not None:
        told[ABOUT] = _in_short(receipt)
    return told


def _in_short(receipt: Receipt) -> dict[str, Any]:
    decision = receipt.decision
    told = {
        "deployment": receipt.deployment,
        "asked": decision and decision.asked,
        "group": decision and decision.group,
        "rule": decision and decision.rule,
        "downgrade": receipt.downgrade,
        "dropped": list(receipt.dropped),
        "notes": list(receipt.notes),
    }
    always = {"attempts": len(receipt.attempts), "cost_usd_micros": receipt.cost_usd_micros}
    return {key: value for key, value in told.items() if value} | always
