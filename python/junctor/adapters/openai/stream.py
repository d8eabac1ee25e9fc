"""OpenAI's streams: chunks until `[DONE]`.

Complete means: `[DONE]` was seen, or a finish reason was (Perplexity and GPUStack never send `[DONE]`). A stream that
ends with neither was cut. The usage chunk comes after the finish reason; a stream that lost only that one is a whole
answer with unknown usage.
"""

from __future__ import annotations

from typing import Any, Final

from junctor.adapters import faults
from junctor.adapters.draft import CallDraft, settled_finish
from junctor.adapters.lenient import decode, loads
from junctor.adapters.openai.parse import (
    BROKEN_OFF,
    arguments_text,
    call_words,
    classify,
    failure_of,
    finish_of,
    reasoning_of,
    text_of,
)
from junctor.adapters.openai.shapes import Answer, Call, Choice, Function, Said, answer_decoder
from junctor.adapters.reader import DraftReader
from junctor.adapters.sse import parse_block
from junctor.failures import Failure
from junctor.reply import Event, Finish, ReasoningDelta, Reply, TextDelta, ToolCallDelta

MAX_TOOL_CALLS: Final = 1024  # more than any provider allows in one answer; bounds what a broken stream can open


class OpenAIReader(DraftReader):
    """Reads one stream; see `StreamReader`."""

    __slots__ = ("_details", "_reasoning_content")

    dialect = "openai"
    """Under which name a reply carries what goes back to its provider; dialects that read alike have their own."""

    def __init__(self) -> None:
        super().__init__()
        self._details: list[Any] = []
        self._reasoning_content = False

    def close(self) -> Reply | Failure:
        if self._failure is not None:
            return self._failure
        rest = self._sse.rest().strip()
        if rest and not self._done:
            block = parse_block(rest)
            if block is not None and block[1].strip() == b"[DONE]":
                self._done = self._seen
        if self._done or self._draft.finish is not None:
            return self._draft.reply(self._native(), self.dialect)
        if self._seen:
            return faults.truncated()
        return classify(200, {}, rest) if rest.startswith(b"{") else faults.malformed("a stream without any chunk")

    def _read(self, name: bytes, data: bytes, events: list[Event], /) -> None:
        answer = decode(answer_decoder, Answer, data)
        if answer is None:
            if data.strip() == b"[DONE]":
                self._finish_late(events)
            elif data.strip():
                self._fail(faults.malformed(f"a stream event of {len(data)} bytes that is not JSON"), events)
            return
        if answer.error or name == b"error" or (answer.choices is None and answer.object == "error"):
            self._fail(failure_of(answer.error or loads(data), None, {}, None), events)
            return
        self._seen = True
        draft = self._draft
        if not draft.id and answer.id:
            draft.id = answer.id
        if not draft.model and answer.model:
            draft.model = answer.model
        usage = answer.usage
        if usage is None and answer.x_groq is not None:
            usage = answer.x_groq.usage
        if usage is not None and (counted := usage.usage()).known:
            draft.usage = counted
        if answer.choices:
            self._choice(answer.choices[0], events)

    def _choice(self, choice: Choice, events: list[Event]) -> None:
        said = choice.delta
        if said is not None:
            content = said.content
            if content:
                text = content if content.__class__ is str else text_of(content)
                if text:
                    self._draft.text.append(text)
                    self._draft.chunks += 1
                    events.append(TextDelta(text))
            self._beside_text(said, events)
        if choice.logprobs:
            self._logprobs(choice.logprobs)
        if choice.finish_reason and self._draft.finish is None:
            self._finish(choice.finish_reason, events)

    def _beside_text(self, said: Said, events: list[Event]) -> None:
        draft = self._draft
        reasoning = reasoning_of(said)
        if reasoning:
            draft.reasoning.append(reasoning)
            draft.chunks += 1
            self._reasoning_content = self._reasoning_content or bool(said.reasoning_content)
            events.append(ReasoningDelta(reasoning))
        if said.reasoning_details:
            self._details.extend(said.reasoning_details)
        if said.refusal:
            draft.refusal.append(said.refusal)
        if said.tool_calls:
            for call in said.tool_calls:
                self._call(call, events)
        elif said.function_call is not None:
            self._legacy_call(said.function_call, events)

    def _call(self, call: Call, events: list[Event]) -> None:
        name, arguments = call_words(call)
        draft = self._find(call, name)
        if draft is None:
            self._open(call.id, name, arguments, events)
            return
        if arguments:
            draft.arguments.append(arguments)
            self._draft.chunks += 1
            events.append(ToolCallDelta(draft.index, arguments))

    def _find(self, call: Call, name: str) -> CallDraft | None:
        """The open call that this piece continues; None if it begins another one.

        Hosts disagree: some send no index, some index 0 for every call, some repeat the id with every piece.
        """
        calls = self._draft.calls
        index = call.index
        if not calls:
            return None
        if index is None:
            if call.id:
                return next((known for known in calls if known.id == call.id), None)
            return None if name else calls[-1]
        if index >= len(calls):
            return None
        known = calls[max(index, 0)]
        if call.id and name and call.id != known.id:
            return next((other for other in calls if other.id == call.id), None)
        return known

    def _open(self, id: str | None, name: str, arguments: str, events: list[Event]) -> None:
        calls = self._draft.calls
        if len(calls) >= MAX_TOOL_CALLS:
            self._fail(faults.malformed(f"more than {MAX_TOOL_CALLS} tool calls in one answer"), events)
            return
        call = CallDraft(len(calls), id or f"call_{len(calls)}", name)
        if arguments:
            call.arguments.append(arguments)
        calls.append(call)
        self._draft.chunks += 1
        events.append(ToolCallDelta(call.index, arguments, call.id, name))

    def _legacy_call(self, function: Function, events: list[Event]) -> None:
        arguments = arguments_text(function.arguments)
        calls = self._draft.calls
        if not calls:
            if function.name:
                self._open(None, function.name, arguments, events)
        elif arguments:
            calls[0].arguments.append(arguments)
            self._draft.chunks += 1
            events.append(ToolCallDelta(0, arguments))

    def _logprobs(self, found: dict[str, Any]) -> None:
        content = found.get("content")
        if isinstance(content, list) and content:
            if self._draft.logprobs is None:
                self._draft.logprobs = {"content": []}
            self._draft.logprobs["content"].extend(content)

    def _finish(self, reason: str, events: list[Event]) -> None:
        broken = BROKEN_OFF.get(reason)
        if broken is not None:
            self._fail(Failure(kind=broken, message=f"finish_reason {reason}"), events)
            return
        draft = self._draft
        finish = settled_finish(finish_of(reason), draft.calls)
        if draft.refusal and not draft.text and not draft.calls:
            finish = "refusal"
        draft.finish = finish
        events.append(Finish(finish))

    def _finish_late(self, events: list[Event]) -> None:
        """`[DONE]` without a finish reason: Snowflake leaves it out."""
        self._done = True
        if not self._seen:
            self._fail(faults.malformed("a stream without any chunk"), events)
        elif self._draft.finish is None:
            self._draft.finish = settled_finish("unknown", self._draft.calls)
            events.append(Finish(self._draft.finish))

    def _native(self) -> dict[str, Any] | None:
        native: dict[str, Any] = {}
        if self._reasoning_content:
            native["reasoning_content"] = "".join(self._draft.reasoning)
        if self._details:
            native["reasoning_details"] = _joined(self._details)
        return native or None


def _joined(details: list[Any]) -> list[Any]:
    """Streamed reasoning details put together again: pieces of one block become the block."""
    whole: list[Any] = []
    for piece in details:
        last = whole[-1] if whole else None
        if (
            isinstance(piece, dict)
            and isinstance(last, dict)
            and piece.get("type") == last.get("type") == "reasoning.text"
            and piece.get("index") == last.get("index")
        ):
            text = (last.get("text") or "") + (piece.get("text") or "")
            last.update({key: value for key, value in piece.items() if value is not None})
            last["text"] = text
        else:
            whole.append(dict(piece) if isinstance(piece, dict) else piece)
    return whole
