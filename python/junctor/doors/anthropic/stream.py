"""The events of an answer as Anthropic's stream: blocks that open, grow and close.

Text and thinking follow each other, so one closes when another kind begins. Calls may grow side by side (some
providers interleave their arguments), so they stay open until something else begins or all is over.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from junctor.doors.anthropic.whole import STOP, carried_block, usage_of
from junctor.doors.carry import MARK
from junctor.doors.contract import Stamp
from junctor.doors.errors import anthropic_error, fault_of
from junctor.doors.splice import block_with_cost
from junctor.relay import Raw, kept_ending
from junctor.reply import Done, Event, ReasoningDelta, Reply, TextDelta, ToolCallDelta, Usage

_encode: Final = msgspec.json.Encoder().encode
_NONE_YET: Final = {**usage_of(Usage(), 0.0)}
_NONE_YET.pop("cost_usd")


def _event(name: bytes, data: Any) -> bytes:
    return b"event: " + name + b"\ndata: " + _encode(data) + b"\n\n"


class MessageWriter:
    """Writes one stream; see `StreamWriter`."""

    __slots__ = ("_begun", "_calls", "_head", "_kind", "_next", "_stamp")

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._begun = False
        self._next = 0  # the index of the next block
        self._kind = ""  # the kind of the open text or thinking block, or "calls"
        self._head = b""  # what every delta of that block begins with
        self._calls: dict[int, int] = {}  # open calls: which block each of them is

    def write(self, event: Event | Raw) -> bytes:
        kind = event.__class__
        if kind is Raw:
            return event.blocks  # type: ignore[union-attr]  # its class was looked at, which is faster than isinstance
        if kind is TextDelta:
            return self._grow("text", event.text)  # type: ignore[union-attr]  # as above
        if isinstance(event, ReasoningDelta):
            return self._grow("thinking", event.text)
        if isinstance(event, ToolCallDelta):
            return self._call(event)
        return self._end(event.reply) if isinstance(event, Done) else b""

    def fail(self, error: Exception) -> bytes:
        return _event(b"error", anthropic_error(fault_of(error), self._stamp.id))

    def _grow(self, kind: str, text: str) -> bytes:
        before = b"" if self._kind == kind else self._open(kind)
        return before + self._head + _encode(text) + b"}}\n\n"

    def _open(self, kind: str) -> bytes:
        before = self._begin() + self._close()
        index, self._kind = self._take_index(), kind
        empty: dict[str, Any] = {"type": "text", "text": ""}
        if kind == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
        self._head = (
            f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{index},'
            f'"delta":{{"type":"{kind}_delta","{kind}":'
        ).encode()
        return before + _event(
            b"content_block_start", {"type": "content_block_start", "index": index, "content_block": empty}
        )

    def _call(self, event: ToolCallDelta) -> bytes:
        before = b""
        if self._kind != "calls":
            before, self._kind = self._begin() + self._close(), "calls"
        block = self._calls.get(event.index)
        if block is None:
            block = self._calls[event.index] = self._take_index()
            empty = {"type": "tool_use", "id": event.id or f"toolu_{block}", "name": event.name or "", "input": {}}
            before += _event(
                b"content_block_start", {"type": "content_block_start", "index": block, "content_block": empty}
            )
        if not event.arguments:
            return before
        delta = {"type": "input_json_delta", "partial_json": event.arguments}
        return before + _event(b"content_block_delta", {"type": "content_block_delta", "index": block, "delta": delta})

    def _take_index(self) -> int:
        self._next += 1
        return self._next - 1

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        message: dict[str, Any] = {
            "id": f"msg_{self._stamp.id}",
            "type": "message",
            "role": "assistant",
            "model": self._stamp.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _NONE_YET,
        }
        return _event(b"message_start", {"type": "message_start", "message": message})

    def _close(self) -> bytes:
        """Close whatever is open."""
        kind, self._kind = self._kind, ""
        if not kind:
            return b""
        if kind == "calls":
            blocks, self._calls = list(self._calls.values()), {}
        else:
            blocks = [self._next - 1]
        before = b""
        if kind == "thinking":
            delta = {"type": "signature_delta", "signature": MARK}
            before = _event(b"content_block_delta", {"type": "content_block_delta", "index": blocks[0], "delta": delta})
        return before + b"".join(
            _event(b"content_block_stop", {"type": "content_block_stop", "index": block}) for block in blocks
        )

    def _end(self, reply: Reply) -> bytes:
        ending = kept_ending(reply)
        if ending is not None:
            return b"".join(
                block_with_cost(block, reply.cost_usd) if b'"usage"' in block else block for block in ending
            )
        before = self._begin()
        if reply.refusal and not reply.text:
            before += self._grow("text", reply.refusal)
        before += self._close()
        if (carried := carried_block(reply)) is not None:
            index = self._take_index()
            before += _event(
                b"content_block_start", {"type": "content_block_start", "index": index, "content_block": carried}
            )
            before += _event(b"content_block_stop", {"type": "content_block_stop", "index": index})
        delta = {"stop_reason": STOP[reply.finish_reason], "stop_sequence": None}
        usage = usage_of(reply.usage, reply.cost_usd)
        before += _event(b"message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
        return before + _event(b"message_stop", {"type": "message_stop"})
