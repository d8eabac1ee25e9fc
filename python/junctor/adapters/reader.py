"""What the stream readers of all dialects do alike: take events from bytes, stop at the first failure, keep a draft.

The dialects differ in what an event says and in what ends a stream; those two are a subclass's. How bytes become
events, that nothing raises, and that nothing is read after the end or a failure is here once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from junctor.adapters import faults
from junctor.adapters.draft import CallDraft, Draft
from junctor.adapters.sse import BrokenFraming, SseDecoder
from junctor.failures import Failure
from junctor.reply import Event, StreamError, ToolCallDelta, Usage


class DraftReader:
    """A `StreamReader` that fills a draft, all but its `close`: each dialect ends in its own way."""

    __slots__ = ("_done", "_draft", "_failure", "_seen", "_sse")

    def __init__(self) -> None:
        self._sse = SseDecoder()
        self._draft = Draft()
        self._failure: Failure | None = None
        self._seen = False  # something came that belongs to this dialect
        self._done = False  # the terminal marker came

    @property
    def usage(self) -> Usage:
        return self._draft.usage

    @property
    def text(self) -> str:
        return "".join(self._draft.text)

    @property
    def logprobs(self) -> Any:
        return self._draft.logprobs

    @property
    def output_chunks(self) -> int:
        return self._draft.chunks

    def feed(self, chunk: bytes) -> list[Event]:
        events: list[Event] = []
        if self._failure is not None:
            return events
        try:
            for name, data in self._payloads(chunk):
                if self._done or self._failure is not None:
                    break
                self._read(name, data, events)
        except BrokenFraming as error:
            self._fail(faults.malformed(str(error)), events)
        return events

    def _payloads(self, chunk: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Name and data of every event that these bytes complete. Raises `BrokenFraming`."""
        return self._sse.feed(chunk)

    def _read(self, name: bytes, data: bytes, events: list[Event], /) -> None:
        """One event of the dialect: fill the draft, and append what its caller should see."""
        raise NotImplementedError  # each dialect has its own events; there is nothing that all of them do

    def _begin_call(self, id: object, name: object, events: list[Event]) -> CallDraft:
        """Another tool call; one without an id gets one from its number."""
        calls = self._draft.calls
        call = CallDraft(len(calls), str(id or f"call_{len(calls)}"), str(name or ""))
        calls.append(call)
        self._draft.chunks += 1
        events.append(ToolCallDelta(call.index, "", call.id, call.name))
        return call

    def _grow_call(self, call: CallDraft, arguments: str, events: list[Event]) -> None:
        """More of a call's arguments."""
        call.arguments.append(arguments)
        self._draft.chunks += 1
        events.append(ToolCallDelta(call.index, arguments))

    def _fail(self, failure: Failure, events: list[Event]) -> None:
        self._failure = failure
        events.append(StreamError(failure))
