"""Streams of the responses interface: named events, until one carries the finished response.

Complete means that the last event came: `response.completed`, or `response.incomplete` for an answer that was cut. The
items are kept as they are finished, because some hosts leave them out of the last event. A host that sends no pieces of
an item, only its end, is understood too.
"""

from __future__ import annotations

from typing import Final

from junctor.adapters import faults
from junctor.adapters.draft import CallDraft, Draft
from junctor.adapters.lenient import decode, loads
from junctor.adapters.openai.parse import classify, failure_of
from junctor.adapters.openai_responses.items import ADAPTER
from junctor.adapters.openai_responses.parse import (
    CALLS,
    add_logprobs,
    arguments_of,
    failed,
    finish,
    native,
    open_call,
    read_item,
)
from junctor.adapters.openai_responses.shapes import Item, Response, StreamEvent, event_decoder
from junctor.adapters.reader import DraftReader
from junctor.adapters.sse import parse_block
from junctor.failures import Failure
from junctor.reply import Event, Finish, ReasoningDelta, Reply, TextDelta, ToolCallDelta

MAX_ITEMS: Final = 4096  # an answer with searches has some dozens; bounds what a broken stream can open

_THOUGHT: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ARGUMENTS: Final = frozenset({"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"})
_ARGUMENTS_DONE: Final = frozenset({"response.function_call_arguments.done", "response.custom_tool_call_input.done"})
_BEGUN: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDED: Final = frozenset({"response.completed", "response.incomplete", "response.done"})
_BROKEN: Final = frozenset({"response.failed", "response.cancelled"})


class ResponsesReader(DraftReader):
    """Reads one stream; see `StreamReader`."""

    __slots__ = ("_begun", "_calls", "_items", "_last", "_thought")

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[int, CallDraft] = {}
        self._items: dict[int, Item] = {}
        self._begun: set[int] = set()  # messages and thoughts of which some piece has come
        self._thought: tuple[int | None, int | None, int | None] | None = None  # the piece of reasoning being written
        self._last: Response | None = None

    def close(self) -> Reply | Failure:
        if self._failure is not None:
            return self._failure
        if not self._done:
            self._read_rest()
        if self._failure is not None:
            return self._failure
        if self._last is not None:
            items = self._last.output or [item for _, item in sorted(self._items.items())]
            return self._draft.reply(native(self._last, items), ADAPTER)
        if self._seen:
            return faults.truncated()
        rest = self._sse.rest().strip()
        return classify(200, {}, rest) if rest.startswith(b"{") else faults.malformed("a stream without any event")

    def _read_rest(self) -> None:
        """The last event of a host that does not end it by an empty line."""
        block = parse_block(self._sse.rest().strip())
        if block is not None and self._seen:
            event = decode(event_decoder, StreamEvent, block[1])
            if event is not None and event.type in _ENDED:
                self._end(event, [])

    def _read(self, name: bytes, data: bytes, events: list[Event], /) -> None:
        event = decode(event_decoder, StreamEvent, data)
        if event is None:
            if data.strip() not in (b"", b"[DONE]"):
                self._fail(faults.malformed(f"a stream event of {len(data)} bytes that is not JSON"), events)
            return
        kind = event.type
        if kind == "response.output_text.delta":
            self._text(event, event.delta, events)
        elif kind in _THOUGHT:
            self._think(event, event.delta, events)
        elif kind in _ARGUMENTS:
            self._argue(event.output_index, event.delta, events)
        elif kind == "error" or (kind is None and (event.error or name == b"error")):
            self._fail(failure_of(event.error or loads(data), None, {}, None), events)
        else:
            self._seldom(event, kind or "", events)
        self._seen = self._seen or kind is not None

    def _seldom(self, event: StreamEvent, kind: str, events: list[Event]) -> None:
        response = event.response
        if kind == "response.output_item.added" and event.item is not None:
            if event.item.get("type") in CALLS:
                self._open(event.output_index, event.item, events)
        elif kind == "response.output_item.done" and event.item is not None:
            self._close_item(event.output_index, event.item, events)
        elif kind in _ARGUMENTS_DONE:
            self._argue_whole(event.output_index, event.arguments or event.input, events)
        elif kind == "response.refusal.delta":
            self._draft.refusal.append(event.delta or "")
            self._begun.add(event.output_index or 0)
        elif kind in _BEGUN and response is not None:
            self._draft.id, self._draft.model = response.id or "", response.model or ""
        elif kind in _ENDED:
            self._end(event, events)
        elif kind in _BROKEN:
            if response is not None and response.usage is not None:
                self._draft.usage = response.usage.usage()
            self._fail(failed(response or Response(status=kind)), events)

    def _text(self, event: StreamEvent, text: str | None, events: list[Event]) -> None:
        if event.logprobs:
            add_logprobs(self._draft, event.logprobs)
        if text:
            self._begun.add(event.output_index or 0)
            self._draft.text.append(text)
            self._draft.chunks += 1
            events.append(TextDelta(text))

    def _think(self, event: StreamEvent, text: str | None, events: list[Event]) -> None:
        if not text:
            return
        place = (event.output_index, event.summary_index, event.content_index)
        if self._thought is not None and self._thought != place:
            text = "\n\n" + text
        self._thought = place
        self._begun.add(event.output_index or 0)
        self._draft.reasoning.append(text)
        self._draft.chunks += 1
        events.append(ReasoningDelta(text))

    def _open(self, place: int | None, item: Item, events: list[Event]) -> CallDraft:
        call = open_call(self._draft, item)
        index = call.index if place is None else place
        if len(self._draft.calls) > MAX_ITEMS:
            self._fail(faults.malformed(f"more than {MAX_ITEMS} tool calls in one answer"), events)
            return call
        self._calls[index] = call
        self._draft.chunks += 1
        events.append(ToolCallDelta(call.index, "", call.id, call.name))
        return call

    def _argue(self, place: int | None, text: str | None, events: list[Event]) -> None:
        call = self._calls.get(place) if place is not None else next(reversed(self._calls.values()), None)
        if call is not None and text:
            call.arguments.append(text)
            self._draft.chunks += 1
            events.append(ToolCallDelta(call.index, text))

    def _argue_whole(self, place: int | None, text: str | None, events: list[Event]) -> None:
        """Arguments that are told at once, where no piece of them came before."""
        call = self._calls.get(place) if place is not None else next(reversed(self._calls.values()), None)
        if call is not None and not call.arguments:
            self._argue(place, text, events)

    def _close_item(self, place: int | None, item: Item, events: list[Event]) -> None:
        index = len(self._items) if place is None else place
        if len(self._items) >= MAX_ITEMS:
            self._fail(faults.malformed(f"more than {MAX_ITEMS} items in one answer"), events)
            return
        self._items[index] = item
        if item.get("type") in CALLS:
            if index not in self._calls:
                self._open(index, item, events)
            self._argue_whole(index, arguments_of(item), events)
        elif index not in self._begun:
            self._whole_item(index, item, events)

    def _whole_item(self, index: int, item: Item, events: list[Event]) -> None:
        """A message or a thought of which no piece came."""
        whole = Draft()
        read_item(whole, item)
        place = StreamEvent(output_index=index)
        self._text(place, "".join(whole.text), events)
        self._think(place, "".join(whole.reasoning), events)
        self._draft.refusal.extend(whole.refusal)

    def _end(self, event: StreamEvent, events: list[Event]) -> None:
        response = event.response or Response(status="completed")
        if response.status is None:
            response.status = "incomplete" if event.type == "response.incomplete" else "completed"
        if not self._items:
            for index, item in enumerate(response.output or ()):
                self._close_item(index, item, events)
        finish(self._draft, response)
        self._last = response
        self._done = True
        events.append(Finish(self._draft.finish or "unknown"))
