"""ConverseStream: blocks that open, grow and close, until `messageStop`; the usage comes after it.

A stream that ends before `messageStop` was cut. One that lost only what follows is a whole answer with unknown usage.
An exception frame can come at any place, even after text.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from junctor.adapters import faults
from junctor.adapters.bedrock.event_stream import EventStreamDecoder
from junctor.adapters.bedrock.parse import BROKEN_OFF, FINISH, classify, failure_of, native_of
from junctor.adapters.bedrock.shapes import Delta, StreamEvent, event_decoder
from junctor.adapters.draft import CallDraft, settled_finish
from junctor.adapters.lenient import decode, loads
from junctor.adapters.reader import DraftReader
from junctor.failures import Failure
from junctor.reply import Event, Finish, ReasoningDelta, Reply, TextDelta

MAX_BLOCKS: Final = 4096  # more than any answer has; bounds what a broken stream can open
_BRACE: Final = 0x7B  # as the first byte of a length it would mean two gigabytes, so it begins no frame
_ERROR: Final = b"!"  # in front of the name of an exception frame; no event's name begins so


class _Open:
    """One content block while it grows."""

    __slots__ = ("call", "citations", "json", "redacted", "results", "signature", "start", "text", "thinking")

    def __init__(self, start: dict[str, Any], call: CallDraft | None) -> None:
        self.start = start
        self.call = call
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.json: list[str] = []
        self.redacted: list[str] = []
        self.results: list[Any] = []
        self.citations: list[Any] = []
        self.signature: str | None = None

    def native(self) -> dict[str, Any] | None:
        """The block as the whole message would hold it; None if nothing came."""
        if self.citations:
            return {"citationsContent": {"content": [{"text": "".join(self.text)}], "citations": self.citations}}
        if self.text:
            return {"text": "".join(self.text)}
        if self.thinking or self.signature is not None:
            text: dict[str, Any] = {"text": "".join(self.thinking)}
            if self.signature is not None:
                text["signature"] = self.signature
            return {"reasoningContent": {"reasoningText": text}}
        if self.redacted:
            return {"reasoningContent": {"redactedContent": _joined(self.redacted)}}
        if isinstance(use := self.start.get("toolUse"), dict):
            found = loads("".join(self.call.arguments if self.call is not None else self.json))
            return {"toolUse": {**use, "input": found if isinstance(found, dict) else {}}}
        if isinstance(result := self.start.get("toolResult"), dict):
            return {"toolResult": {**result, "content": self.results}}
        return None


def _joined(pieces: list[str]) -> str:
    """Base64 pieces as one; each was encoded alone."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(map(b64decode, pieces))).decode()
    except (binascii.Error, ValueError):
        return "".join(pieces)


class BedrockReader(DraftReader):
    """Reads one stream; see `StreamReader`."""

    __slots__ = ("_blocks", "_frames", "_plain", "_text")

    def __init__(self) -> None:
        super().__init__()
        self._frames = EventStreamDecoder()
        self._blocks: dict[int, _Open] = {}
        self._plain = True
        self._text: bool | None = None  # whether JSON came in place of frames: an error, kept as it is until the end

    def close(self) -> Reply | Failure:
        if self._failure is not None:
            return self._failure
        if self._draft.finish is not None:
            native = None
            if not self._plain:
                blocks = (self._blocks[index].native() for index in sorted(self._blocks))
                native = native_of([block for block in blocks if block is not None])
            return self._draft.reply(native, "bedrock")
        if self._seen or self._frames.pending:
            return faults.truncated()
        rest = self._sse.rest().strip()
        return classify(200, {}, rest) if rest else faults.malformed("a stream without any event")

    def _payloads(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._text is None and chunk:
            self._text = chunk[0] == _BRACE
        if self._text:
            self._sse.feed(chunk)
            return
        for headers, payload in self._frames.feed(chunk):
            kind = headers.get(":message-type", "event")
            if kind == "event":
                yield headers.get(":event-type", "").encode(), payload
            elif kind == "exception":
                yield _ERROR + headers.get(":exception-type", "").encode(), payload
            else:
                text = msgspec.json.encode({"message": headers.get(":error-message", "")})
                yield _ERROR + headers.get(":error-code", "").encode(), text

    def _read(self, name: bytes, data: bytes, events: list[Event], /) -> None:
        if name.startswith(_ERROR):
            found = loads(data)
            fields = found if isinstance(found, dict) else {}
            text = faults.words_of(fields.get("message") or fields.get("originalMessage"))
            self._fail(failure_of(name[1:].decode("utf-8", "replace"), text, None, {}), events)
            return
        event = decode(event_decoder, StreamEvent, data)
        if event is None:
            self._fail(faults.malformed(f"a stream event of {len(data)} bytes that is not JSON"), events)
        elif name == b"contentBlockDelta":
            if event.delta is not None:
                self._delta(event.contentBlockIndex, event.delta, events)
        elif name == b"contentBlockStart":
            self._start(event.contentBlockIndex, event.start or {}, events)
        elif name == b"contentBlockStop":
            self._stop(event.contentBlockIndex, events)
        elif name == b"messageStart":
            self._message(events)
        elif name == b"messageStop":
            self._message_stop(event.stopReason or "", events)
        elif name == b"metadata" and event.usage is not None and (usage := event.usage.usage()).known:
            self._draft.usage = usage

    def _message(self, events: list[Event]) -> None:
        if self._draft.chunks:  # something upstream began anew; what was handed over cannot be taken back
            self._fail(faults.malformed("a second message began inside the stream"), events)
        self._seen = True

    def _start(self, index: int, start: dict[str, Any], events: list[Event]) -> None:
        self._seen = True
        if len(self._blocks) >= MAX_BLOCKS:
            self._fail(faults.malformed(f"more than {MAX_BLOCKS} content blocks in one answer"), events)
            return
        call = None
        use = start.get("toolUse")
        if isinstance(use, dict) and use.get("type") != "server_tool_use":
            call = self._begin_call(use.get("toolUseId"), use.get("name"), events)
        elif start:
            self._plain = False
        self._blocks[index] = _Open(start, call)

    def _delta(self, index: int, delta: Delta, events: list[Event]) -> None:
        if index not in self._blocks:  # text and reasoning have no opening event
            self._start(index, {}, events)
        opened = self._blocks.get(index)
        if opened is None:
            return
        if delta.text:
            opened.text.append(delta.text)
            self._draft.text.append(delta.text)
            self._draft.chunks += 1
            events.append(TextDelta(delta.text))
        elif delta.toolUse is not None:
            self._json(opened, delta.toolUse.input or "", events)
        elif delta.reasoningContent is not None:
            self._reasoning(opened, delta.reasoningContent, events)
        elif delta.citation is not None:
            opened.citations.append(delta.citation)
            self._plain = False
        elif isinstance(delta.toolResult, list):
            opened.results.extend(delta.toolResult)

    def _reasoning(self, opened: _Open, delta: Any, events: list[Event]) -> None:
        self._plain = False
        if delta.text:
            opened.thinking.append(delta.text)
            self._draft.reasoning.append(delta.text)
            self._draft.chunks += 1
            events.append(ReasoningDelta(delta.text))
        elif delta.signature is not None:
            opened.signature = (opened.signature or "") + delta.signature
        elif delta.redactedContent:
            opened.redacted.append(delta.redactedContent)

    def _json(self, opened: _Open, text: str, events: list[Event]) -> None:
        if not text:
            return
        call = opened.call
        if call is None:
            opened.json.append(text)
            return
        self._grow_call(call, text, events)

    def _stop(self, index: int, events: list[Event]) -> None:
        """A call without any argument piece has none: an empty object."""
        opened = self._blocks.get(index)
        if opened is not None and opened.call is not None and not opened.call.arguments:
            self._json(opened, "{}", events)

    def _message_stop(self, reason: str, events: list[Event]) -> None:
        self._seen = True
        if self._draft.finish is not None:
            return
        if reason in BROKEN_OFF:
            self._fail(faults.malformed(f"stopReason {reason}"), events)
            return
        for index in self._blocks:
            self._stop(index, events)
        finish = settled_finish(FINISH.get(reason, "unknown"), self._draft.calls)
        self._draft.finish = finish
        events.append(Finish(finish))
