"""The events of an answer as chat completion chunks.

Everything that all chunks of one stream share is encoded once; a chunk of text is then three joined pieces. The
reasons for an end, logprobs and what another provider must see again come with the last chunk of content, since only
the whole answer has them. Usage comes in a chunk of its own, and only if it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.doors.contract import Asked, Stamp
from junctor.doors.errors import fault_of, openai_error
from junctor.doors.openai.whole import finish_of, usage_of
from junctor.doors.splice import block_with_cost
from junctor.relay import Raw, kept_ending
from junctor.reply import Done, Event, ReasoningDelta, Reply, TextDelta, ToolCallDelta

DONE: Final = b"data: [DONE]\n\n"

_encode: Final = msgspec.json.Encoder().encode


class ChatWriter:
    """Writes one stream; see `StreamWriter`."""

    __slots__ = ("_begun", "_head", "_usage")

    def __init__(self, asked: Asked, stamp: Stamp) -> None:
        head = {
            "id": f"chatcmpl-{stamp.id}",
            "object": "chat.completion.chunk",
            "created": stamp.at_s,
            "model": stamp.model,
        }
        self._head = b"data: " + _encode(head)[:-1]
        self._begun = False
        self._usage = wants_usage(asked)

    def write(self, event: Event | Raw) -> bytes:
        kind = event.__class__
        if kind is Raw:
            return event.blocks  # type: ignore[union-attr]  # its class was looked at, which is faster than isinstance
        if kind is TextDelta:
            return self._delta(b'{"content":' + _encode(event.text) + b"}")  # type: ignore[union-attr]  # as above
        if isinstance(event, Done):
            return self._end(event.reply)
        if isinstance(event, ReasoningDelta):
            return self._delta(b'{"reasoning_content":' + _encode(event.text) + b"}")
        if isinstance(event, ToolCallDelta):
            return self._delta(_encode({"tool_calls": [_call(event)]}))
        return b""

    def fail(self, error: Exception) -> bytes:
        return b"data: " + _encode({"error": openai_error(fault_of(error))}) + b"\n\n"

    def _delta(self, delta: bytes) -> bytes:
        if not self._begun:
            self._begun = True
            delta = b'{"role":"assistant",' + delta[1:]
        return self._head + b',"choices":[{"index":0,"delta":' + delta + b',"logprobs":null,"finish_reason":null}]}\n\n'

    def _end(self, reply: Reply) -> bytes:
        ending = kept_ending(reply)
        if ending is not None:
            return b"".join(self._own(block, reply) for block in ending)
        choice: dict[str, Any] = {
            "index": 0,
            "delta": self._last_delta(reply),
            "logprobs": {"content": None, "refusal": None, **reply.logprobs} if reply.logprobs else None,
            "finish_reason": finish_of(reply),
        }
        end = self._head + b',"choices":[' + _encode(choice) + b"]}\n\n"
        if self._usage and reply.usage.known:
            end += self._head + b',"choices":[],"usage":' + _encode(usage_of(reply.usage, reply.cost_usd)) + b"}\n\n"
        return end + DONE

    def _last_delta(self, reply: Reply) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if not self._begun:
            delta["role"] = "assistant"
        if reply.refusal:
            delta["refusal"] = reply.refusal
        if fields := reply.message.get("provider_fields"):
            delta["provider_fields"] = fields
        return delta

    def _own(self, block: bytes, reply: Reply) -> bytes:
        """One of the provider's last blocks: with the cost, or left out if it is usage that nobody asked for."""
        if b'"usage"' not in block:
            return block
        if not self._usage and b'"choices":[]' in block.replace(b" ", b""):
            return b""
        return block_with_cost(block, reply.cost_usd)


def wants_usage(asked: Asked) -> bool:
    """Whether the caller asked for the usage of a stream."""
    native = asked.options.get("native")
    options = native.body.get("stream_options") if native is not None else None
    return isinstance(options, Mapping) and bool(options.get("include_usage"))


def _call(event: ToolCallDelta) -> dict[str, Any]:
    if event.id is None:
        return {"index": event.index, "function": {"arguments": event.arguments}}
    function = {"name": event.name or "", "arguments": event.arguments}
    return {"index": event.index, "id": event.id, "type": "function", "function": function}
