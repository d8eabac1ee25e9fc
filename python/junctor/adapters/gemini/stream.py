"""Gemini's streams: partial answers until one carries a finish reason.

There is no other terminal marker, so a stream that never says why it ends was cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from junctor.adapters import faults
from junctor.adapters.draft import CallDraft, settled_finish
from junctor.adapters.gemini import partial_args
from junctor.adapters.gemini.json_array import JsonArrayDecoder
from junctor.adapters.gemini.parse import (
    blocked,
    call_id,
    call_of,
    classify,
    failure_of,
    finish_of,
    logprobs_of,
    native_parts,
)
from junctor.adapters.gemini.shapes import Answer, Candidate, FunctionCall, Part, answer_decoder
from junctor.adapters.lenient import decode
from junctor.adapters.reader import DraftReader
from junctor.failures import Failure
from junctor.reply import Event, Finish, ReasoningDelta, Reply, TextDelta, ToolCallDelta

MAX_PARTS: Final = 65536  # bounds what a stream that never ends can pile up


class _Growing:
    """A call whose arguments come in pieces."""

    __slots__ = ("arguments", "call")

    def __init__(self, call: CallDraft) -> None:
        self.call = call
        self.arguments: dict[str, Any] = {}


class GeminiReader(DraftReader):
    """Reads one stream; see `StreamReader`."""

    __slots__ = ("_array", "_began", "_growing", "_native", "_plain")

    def __init__(self) -> None:
        super().__init__()
        self._array: JsonArrayDecoder | None = None
        self._native: list[dict[str, Any] | list[str]] = []  # a list is a run of plain text
        self._plain = True
        self._growing: _Growing | None = None
        self._began = False

    def close(self) -> Reply | Failure:
        if self._failure is not None:
            return self._failure
        if self._draft.finish is not None:
            native = None if self._plain else {"parts": _parts(self._native)}
            return self._draft.reply(native, "gemini")
        if self._seen:
            return faults.truncated()
        rest = (self._sse if self._array is None else self._array).rest().strip()
        return classify(200, {}, rest) if rest.startswith(b"{") else faults.malformed("a stream without any event")

    def _payloads(self, chunk: bytes) -> Iterable[tuple[bytes, bytes]]:
        if not self._began and (first := chunk.lstrip()[:1]):
            self._began = True
            if first == b"[":
                self._array = JsonArrayDecoder()
        if self._array is not None:
            return [(b"", data) for data in self._array.feed(chunk)]
        return self._sse.feed(chunk)

    def _read(self, _name: bytes, data: bytes, events: list[Event], /) -> None:
        answer = decode(answer_decoder, Answer, data)
        if answer is None:
            if data.strip() and data.strip() != b"[DONE]":
                self._fail(faults.malformed(f"a stream event of {len(data)} bytes that is not JSON"), events)
            return
        if answer.error:
            self._fail(failure_of(answer.error, None, {}), events)
            return
        self._seen = True
        draft = self._draft
        if answer.responseId and not draft.id:
            draft.id = answer.responseId
        if answer.modelVersion and not draft.model:
            draft.model = answer.modelVersion
        if answer.usageMetadata is not None and (usage := answer.usageMetadata.usage()).known:
            draft.usage = usage
        if answer.candidates:
            self._candidate(answer.candidates[0], data, events)
        elif (refused := blocked(answer.promptFeedback, 200)) is not None:
            self._fail(refused, events)

    def _candidate(self, candidate: Candidate, data: bytes, events: list[Event]) -> None:
        parts = (candidate.content.parts or []) if candidate.content is not None else []
        for part in parts:
            self._part(part, events)
        if parts:
            self._keep(parts, data)
        if candidate.logprobsResult is not None and (found := logprobs_of(candidate.logprobsResult)) is not None:
            if self._draft.logprobs is None:
                self._draft.logprobs = {"content": []}
            self._draft.logprobs["content"].extend(found["content"])
        if candidate.finishReason and self._draft.finish is None:
            self._end_growing(events)
            finish = settled_finish(finish_of(candidate.finishReason), self._draft.calls)
            self._draft.finish = finish
            events.append(Finish(finish))

    def _part(self, part: Part, events: list[Event]) -> None:
        draft = self._draft
        if part.functionCall is not None:
            self._call(part.functionCall, part.thoughtSignature, events)
        elif part.text:
            draft.chunks += 1
            if part.thought:
                draft.reasoning.append(part.text)
                events.append(ReasoningDelta(part.text))
            else:
                draft.text.append(part.text)
                events.append(TextDelta(part.text))

    def _call(self, call: FunctionCall, signature: str | None, events: list[Event]) -> None:
        growing = self._growing
        if call.partialArgs or call.willContinue or (growing is not None and not call.name):
            self._grow(call, signature, events)
            return
        if not call.name and not bytes(call.args):
            return
        draft = self._draft
        whole = call_of(call, len(draft.calls), draft.id)
        opened = CallDraft(len(draft.calls), whole.id, whole.name)
        opened.arguments.append(whole.arguments)
        draft.calls.append(opened)
        draft.chunks += 1
        events.append(ToolCallDelta(opened.index, whole.arguments, whole.id, whole.name))

    def _grow(self, call: FunctionCall, signature: str | None, events: list[Event]) -> None:
        draft = self._draft
        if call.name:
            self._end_growing(events)
            number = len(draft.calls)
            opened = CallDraft(number, call_id(call.id, number, draft.id, call.name), call.name)
            draft.calls.append(opened)
            draft.chunks += 1
            self._growing = _Growing(opened)
            self._keep_growing(self._growing, call, signature)
            events.append(ToolCallDelta(number, "", opened.id, opened.name))
        growing = self._growing
        if growing is None:
            return
        for piece in call.partialArgs or ():
            partial_args.apply(growing.arguments, piece)
        if not call.willContinue:
            self._end_growing(events)

    def _keep_growing(self, growing: _Growing, call: FunctionCall, signature: str | None) -> None:
        native: dict[str, Any] = {"name": call.name, "args": growing.arguments}  # filled as the pieces come
        if call.id is not None:
            native["id"] = call.id
        part: dict[str, Any] = {"functionCall": native}
        if signature is not None:
            part["thoughtSignature"] = signature
        self._plain = self._plain and signature is None and call.id is None
        self._native.append(part)

    def _end_growing(self, events: list[Event]) -> None:
        growing, self._growing = self._growing, None
        if growing is not None:
            arguments = msgspec.json.encode(growing.arguments).decode()
            growing.call.arguments.append(arguments)
            events.append(ToolCallDelta(growing.call.index, arguments))

    def _keep(self, parts: list[Part], data: bytes) -> None:
        """Keeps the parts for the next turn; runs of plain text are joined, streamed calls are kept by `_grow`."""
        native = self._native
        if len(native) >= MAX_PARTS:
            return
        if len(parts) == 1 and (text := parts[0].text) is not None and parts[0].thoughtSignature is None:
            if parts[0].thought or not text:
                return
            if native and isinstance(run := native[-1], list):
                run.append(text)
            else:
                native.append([text])
            return
        for part in native_parts(data):
            call = part.get("functionCall")
            if isinstance(call, dict) and ("willContinue" in call or "partialArgs" in call or "name" not in call):
                continue
            plain = part.keys() == {"text"} or (part.keys() == {"functionCall"} and "id" not in part["functionCall"])
            self._plain = self._plain and plain
            native.append(part)


def _parts(native: list[dict[str, Any] | list[str]]) -> list[dict[str, Any]]:
    return [{"text": "".join(part)} if isinstance(part, list) else part for part in native]
