"""The events of an answer as a stream of response events: items that open, grow and close, then the whole.

Items are numbered in the order in which they open. Calls stay open until something else begins or all is over, since
some providers interleave their arguments; a call of a free-text tool opens when its text is whole, because the text
lies inside arguments that only make sense together.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from junctor.doors.carry import MARK
from junctor.doors.contract import Asked, Stamp
from junctor.doors.errors import fault_of, openai_error
from junctor.doors.responses.whole import (
    called,
    carried_item,
    custom_names,
    finished,
    message,
    shell,
    text_part,
    thought,
)
from junctor.doors.splice import block_with_cost
from junctor.relay import Raw, kept_ending
from junctor.reply import Done, Event, ReasoningDelta, Reply, TextDelta, ToolCall, ToolCallDelta

_encode: Final = msgspec.json.Encoder().encode


class _Open:
    """One item while it grows."""

    __slots__ = ("call_id", "id", "index", "kind", "name", "pieces")

    def __init__(self, kind: str, index: int, id: str, call_id: str = "", name: str = "") -> None:
        self.kind = kind
        self.index = index
        self.id = id
        self.call_id = call_id
        self.name = name
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class ResponseWriter:
    """Writes one stream; see `StreamWriter`."""

    __slots__ = ("_asked", "_calls", "_custom", "_items", "_open", "_sequence", "_shell", "_stamp")

    def __init__(self, asked: Asked, stamp: Stamp) -> None:
        self._asked = asked
        self._stamp = stamp
        self._shell: dict[str, Any] = {}
        self._sequence = 0
        self._items: list[dict[str, Any]] = []  # closed and open ones, by their index
        self._open: _Open | None = None  # the open text or reasoning
        self._calls: dict[int, _Open] = {}
        self._custom = custom_names(asked)

    def write(self, event: Event | Raw) -> bytes:
        kind = event.__class__
        if kind is Raw:
            return event.blocks  # type: ignore[union-attr]  # its class was looked at, which is faster than isinstance
        if kind is TextDelta:
            return self._text(event.text)  # type: ignore[union-attr]  # as above
        if isinstance(event, ReasoningDelta):
            return self._reasoning(event.text)
        if isinstance(event, ToolCallDelta):
            return self._call(event)
        return self._end(event.reply) if isinstance(event, Done) else b""

    def fail(self, error: Exception) -> bytes:
        fault = openai_error(fault_of(error))
        told = {"code": fault["code"] or "server_error", "message": fault["message"]}
        body = {**(self._shell or shell(self._asked, self._stamp)), "status": "failed", "error": told}
        return self._event("response.failed", response=body)

    def _event(self, kind: str, **fields: Any) -> bytes:
        number = self._sequence
        self._sequence += 1
        event = {"type": kind, "sequence_number": number, **fields}
        return b"event: " + kind.encode() + b"\ndata: " + _encode(event) + b"\n\n"

    def _begin(self) -> bytes:
        if self._shell:
            return b""
        self._shell = shell(self._asked, self._stamp)
        return self._event("response.created", response=self._shell) + self._event(
            "response.in_progress", response=self._shell
        )

    def _text(self, text: str) -> bytes:
        opened, before = self._open, b""
        if opened is None or opened.kind != "text":
            before = self._begin() + self._close()
            opened = self._open = self._take("text", f"msg_{self._stamp.id}")
            item = {"id": opened.id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
            before += self._added(opened, item)
            before += self._event("response.content_part.added", **self._at(opened), part=text_part(""))
        opened.pieces.append(text)
        return before + self._event("response.output_text.delta", **self._at(opened), delta=text, logprobs=[])

    def _reasoning(self, text: str) -> bytes:
        opened, before = self._open, b""
        if opened is None or opened.kind != "reasoning":
            before = self._begin() + self._close()
            opened = self._open = self._take("reasoning", f"rs_{self._stamp.id}")
            item = {"id": opened.id, "type": "reasoning", "summary": [], "encrypted_content": MARK}
            before += self._added(opened, item)
            before += self._event(
                "response.reasoning_summary_part.added", **self._at(opened), part={"type": "summary_text", "text": ""}
            )
        opened.pieces.append(text)
        return before + self._event("response.reasoning_summary_text.delta", **self._at(opened), delta=text)

    def _call(self, event: ToolCallDelta) -> bytes:
        before = b"" if self._calls else self._begin() + self._close()
        opened = self._calls.get(event.index)
        if opened is None:
            opened = self._take("call", f"fc_{self._stamp.id}_{event.index}", event.id or "", event.name or "")
            self._calls[event.index] = opened
            if opened.name not in self._custom:
                item = {**called(opened.id, ToolCall(opened.call_id, opened.name, ""), custom=False)}
                before += self._added(opened, {**item, "status": "in_progress"})
        if not event.arguments:
            return before
        opened.pieces.append(event.arguments)
        if opened.name in self._custom:
            return before
        at = {"item_id": opened.id, "output_index": opened.index}
        return before + self._event("response.function_call_arguments.delta", **at, delta=event.arguments)

    def _take(self, kind: str, id: str, call_id: str = "", name: str = "") -> _Open:
        index = len(self._items)
        taken = {item.get("id") for item in self._items}
        opened = _Open(kind, index, id if id not in taken else f"{id}_{index}", call_id, name)
        self._items.append({"id": opened.id})
        return opened

    def _at(self, opened: _Open) -> dict[str, Any]:
        part = "summary_index" if opened.kind == "reasoning" else "content_index"
        return {"item_id": opened.id, "output_index": opened.index, part: 0}

    def _added(self, opened: _Open, item: dict[str, Any]) -> bytes:
        return self._event("response.output_item.added", output_index=opened.index, item=item)

    def _finish(self, opened: _Open, item: dict[str, Any]) -> bytes:
        self._items[opened.index] = item
        return self._event("response.output_item.done", output_index=opened.index, item=item)

    def _close(self) -> bytes:
        """Close whatever is open."""
        opened, self._open = self._open, None
        if opened is not None:
            return self._close_text(opened) if opened.kind == "text" else self._close_reasoning(opened)
        calls, self._calls = list(self._calls.values()), {}
        return b"".join(self._close_call(each) for each in calls)

    def _close_text(self, opened: _Open) -> bytes:
        text = opened.text
        part = text_part(text)
        item = {"id": opened.id, "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        return (
            self._event("response.output_text.done", **self._at(opened), text=text, logprobs=[])
            + self._event("response.content_part.done", **self._at(opened), part=part)
            + self._finish(opened, item)
        )

    def _close_reasoning(self, opened: _Open) -> bytes:
        text = opened.text
        part = {"type": "summary_text", "text": text}
        return (
            self._event("response.reasoning_summary_text.done", **self._at(opened), text=text)
            + self._event("response.reasoning_summary_part.done", **self._at(opened), part=part)
            + self._finish(opened, thought(opened.id, text))
        )

    def _close_call(self, opened: _Open) -> bytes:
        custom = opened.name in self._custom
        item = called(opened.id, ToolCall(opened.call_id, opened.name, opened.text or "{}"), custom=custom)
        at = {"item_id": opened.id, "output_index": opened.index}
        if custom:
            return (
                self._added(opened, {**item, "input": ""})
                + self._event("response.custom_tool_call_input.delta", **at, delta=item["input"])
                + self._event("response.custom_tool_call_input.done", **at, input=item["input"])
                + self._finish(opened, item)
            )
        done = self._event("response.function_call_arguments.done", **at, arguments=item["arguments"], name=opened.name)
        return done + self._finish(opened, item)

    def _end(self, reply: Reply) -> bytes:
        ending = kept_ending(reply)
        if ending is not None:
            return b"".join(
                block_with_cost(block, reply.cost_usd, "response") if b'"usage"' in block else block for block in ending
            )
        before = self._begin() + self._close()
        if not any(item.get("type") in ("message", "function_call", "custom_tool_call") for item in self._items):
            opened = self._take("text", f"msg_{self._stamp.id}")
            item = message(opened.id, reply)
            before += self._added(opened, {**item, "status": "in_progress", "content": []})
            before += self._finish(opened, item)
        if (carried := carried_item(reply, self._stamp)) is not None:
            opened = self._take("reasoning", carried["id"])
            before += self._added(opened, carried) + self._finish(opened, carried)
        body = finished(self._shell, reply, self._items)
        return before + self._event(f"response.{body['status']}", response=body)
