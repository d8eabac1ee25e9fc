"""Anthropic's streams: blocks that open, grow and close, until `message_stop`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from junctor.adapters import faults
from junctor.adapters.anthropic.parse import FINISH, classify, failure_of, native_of, refusal_of
from junctor.adapters.anthropic.shapes import Delta, StopDetails, StreamEvent, UsageShape, event_decoder
from junctor.adapters.draft import CallDraft, settled_finish
from junctor.adapters.lenient import decode, loads
from junctor.adapters.reader import DraftReader
from junctor.adapters.sse import parse_block
from junctor.failures import Failure
from junctor.reply import Event, Finish, ReasoningDelta, Reply, TextDelta, Usage

MAX_BLOCKS: Final = 4096  # more than any answer has; bounds what a broken stream can open


class _Open:
    """One content block while it grows."""

    __slots__ = ("block", "call", "citations", "json", "kind", "signature", "text")

    def __init__(self, block: dict[str, Any], call: CallDraft | None) -> None:
        self.block = block
        self.kind = block.get("type")
        self.call = call
        self.text: list[str] = []
        self.json: list[str] = []
        self.signature: str | None = None
        self.citations: list[Any] = []

    def native(self) -> dict[str, Any]:
        """The block as the whole message would hold it."""
        block = dict(self.block)
        if self.kind in ("text", "thinking"):
            block[self.kind] = str(block.get(self.kind) or "") + "".join(self.text)
        if self.signature is not None:
            block["signature"] = self.signature
        if self.citations:
            before = block.get("citations")
            block["citations"] = [*(before if isinstance(before, list) else ()), *self.citations]
        written = "".join(self.call.arguments if self.call is not None else self.json)
        if written and isinstance(found := loads(written), dict):
            block["input"] = found
        return block


class AnthropicReader(DraftReader):
    """Reads one stream; see `StreamReader`."""

    __slots__ = ("_blocks", "_counts", "_details", "_plain")

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, _Open] = {}
        self._counts = UsageShape()
        self._details: StopDetails | None = None
        self._plain = True

    @property
    def usage(self) -> Usage:
        return self._counts.usage()

    def close(self) -> Reply | Failure:
        if self._failure is not None:
            return self._failure
        rest = self._sse.rest().strip()
        if rest and not self._done and (block := parse_block(rest)) is not None:
            event = decode(event_decoder, StreamEvent, block[1])
            self._done = self._seen and event is not None and event.type == "message_stop"
        if self._done:
            return self._reply()
        if self._seen:
            return faults.truncated()
        return classify(200, {}, rest) if rest.startswith(b"{") else faults.malformed("a stream without any event")

    def _read(self, _name: bytes, data: bytes, events: list[Event], /) -> None:
        event = decode(event_decoder, StreamEvent, data)
        if event is None:
            if data.strip():
                self._fail(faults.malformed(f"a stream event of {len(data)} bytes that is not JSON"), events)
            return
        kind = event.type
        if kind == "content_block_delta":
            if event.delta is not None:
                self._delta(event.index, event.delta, events)
        elif kind == "content_block_start":
            self._start(event.index, event.content_block or {}, events)
        elif kind == "content_block_stop":
            self._stop(event.index, events)
        elif kind == "message_start":
            self._message(event, events)
        elif kind == "message_delta":
            self._message_delta(event, events)
        elif kind == "message_stop":
            self._message_stop(events)
        elif kind == "error" or event.error:
            self._fail(failure_of(event.error, None, {}), events)

    def _message(self, event: StreamEvent, events: list[Event]) -> None:
        if self._draft.chunks:  # something upstream began anew; what was handed over cannot be taken back
            self._fail(faults.malformed("a second message began inside the stream"), events)
            return
        self._seen = True
        message = event.message
        if message is None:
            return
        self._draft.id = message.id or ""
        self._draft.model = message.model or ""
        if message.usage is not None:
            self._counts.update(message.usage)

    def _start(self, index: int, block: dict[str, Any], events: list[Event]) -> None:
        self._seen = True
        if len(self._blocks) >= MAX_BLOCKS:
            self._fail(faults.malformed(f"more than {MAX_BLOCKS} content blocks in one answer"), events)
            return
        kind = block.get("type")
        call = None
        if kind == "tool_use":
            call = self._begin_call(block.get("id"), block.get("name"), events)
        elif kind != "text":
            self._plain = False
        opened = self._blocks[index] = _Open(block, call)
        if kind == "text" and isinstance(text := block.get("text"), str) and text:
            opened.block = {**block, "text": ""}
            self._delta(index, Delta(type="text_delta", text=text), events)

    def _delta(self, index: int, delta: Delta, events: list[Event]) -> None:
        opened = self._blocks.get(index)
        if opened is None:  # a block that was never opened: its kind follows from the delta
            self._start(index, {"type": "thinking" if delta.thinking is not None else "text"}, events)
            if (opened := self._blocks.get(index)) is None:
                return
        if delta.text:
            opened.text.append(delta.text)
            self._draft.text.append(delta.text)
            self._draft.chunks += 1
            events.append(TextDelta(delta.text))
        elif delta.partial_json:
            self._json(opened, delta.partial_json, events)
        elif delta.thinking:
            opened.text.append(delta.thinking)
            self._draft.reasoning.append(delta.thinking)
            self._draft.chunks += 1
            events.append(ReasoningDelta(delta.thinking))
        elif delta.signature is not None:
            opened.signature = (opened.signature or "") + delta.signature
        elif delta.citation is not None:
            opened.citations.append(delta.citation)
            self._plain = False

    def _json(self, opened: _Open, text: str, events: list[Event]) -> None:
        call = opened.call
        if call is None:
            opened.json.append(text)
            return
        self._grow_call(call, text, events)

    def _stop(self, index: int, events: list[Event]) -> None:
        """A call without any argument piece gets what its opening held: an empty object, as a rule."""
        opened = self._blocks.get(index)
        if opened is None or opened.call is None or opened.call.arguments:
            return
        given = opened.block.get("input")
        self._json(opened, msgspec.json.encode(given if isinstance(given, dict) else {}).decode(), events)

    def _message_delta(self, event: StreamEvent, events: list[Event]) -> None:
        if event.usage is not None:
            self._counts.update(event.usage)
        delta = event.delta
        if delta is None or not delta.stop_reason:
            return
        self._details = delta.stop_details
        self._finish(settled_finish(FINISH.get(delta.stop_reason, "unknown"), self._draft.calls), events)

    def _message_stop(self, events: list[Event]) -> None:
        if not self._seen:
            self._fail(faults.malformed("a stream without a message"), events)
            return
        self._done = True
        self._finish(settled_finish("unknown", self._draft.calls), events)

    def _finish(self, reason: Any, events: list[Event]) -> None:
        if self._draft.finish is not None:
            return
        for index in self._blocks:
            self._stop(index, events)
        self._draft.finish = reason
        events.append(Finish(reason))

    def _reply(self) -> Reply:
        draft = self._draft
        draft.usage = self._counts.usage()
        native = None
        if not self._plain:
            native = native_of(draft.model, [self._blocks[index].native() for index in sorted(self._blocks)])
        reply = draft.reply(native, "anthropic")
        reply.refusal = refusal_of(reply.finish_reason, self._details, reply.text)
        if reply.refusal:
            reply.message["refusal"] = reply.refusal
            reply.message["content"] = reply.text or None
        return reply
