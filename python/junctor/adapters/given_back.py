"""The way back of `carry`: an adapter around an adapter, whose replies and streams are in the caller's words again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from junctor.failures import Failure
from junctor.reply import Event, Finish, RateLimit, Reply, TextDelta, ToolCall, ToolCallDelta, Usage
from junctor.request import ChatRequest, Endpoint, HttpRequest

if TYPE_CHECKING:
    from junctor.adapters.contract import Adapter, StreamReader


class Undo(msgspec.Struct, frozen=True):
    """What was changed: the caller's tool names by those on the wire, and the tool that stands for the answer."""

    names: Mapping[str, str]
    answer: str | None = None

    def reply(self, reply: Reply) -> Reply:
        """The reply as if nothing had been changed. The same object, corrected."""
        answers = [call.arguments for call in reply.tool_calls if call.name == self.answer]
        calls = tuple(
            ToolCall(call.id, self.names.get(call.name, call.name), call.arguments)
            for call in reply.tool_calls
            if call.name != self.answer
        )
        if answers:
            reply.text = answers[0]
            if reply.finish_reason == "tool_calls" and not calls:
                reply.finish_reason = "stop"
            # The provider's own blocks hold the call, which nobody will answer.
            reply.message = {"role": "assistant", "content": answers[0]}
        elif calls != reply.tool_calls:
            reply.message = dict(reply.message)
        if calls:
            reply.message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in calls
            ]
        reply.tool_calls = calls
        return reply


class Carrying:
    """An adapter whose answers are given back through an `Undo`."""

    def __init__(self, inner: Adapter, undo: Undo) -> None:
        self._inner = inner
        self._undo = undo

    @property
    def name(self) -> str:
        """The dialect."""
        return self._inner.name

    @property
    def default_base_url(self) -> str:
        """As the dialect's own."""
        return self._inner.default_base_url

    @property
    def key_env(self) -> str:
        """As the dialect's own."""
        return self._inner.key_env

    def build(self, request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
        """The HTTP request for what was carried; see `Adapter.build`."""
        return self._inner.build(request, endpoint, stream=stream)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
        """A whole answer, given back."""
        found = self._inner.parse(status, headers, body)
        return self._undo.reply(found) if isinstance(found, Reply) else found

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """As the dialect's own."""
        return self._inner.classify(status, headers, body)

    def reader(self) -> StreamReader:
        """A reader whose events and reply are given back."""
        return _Reader(self._inner.reader(), self._undo)

    def rate_limits(self, headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
        """As the dialect's own."""
        return self._inner.rate_limits(headers)

    @property
    def build_embeddings(self) -> None:
        """Nothing of a chat."""
        return None

    @property
    def parse_embeddings(self) -> None:
        """Nothing of a chat."""
        return None


class _Reader:
    """A stream in the caller's words. Text beside a tool that stands for the answer waits until that did not come."""

    def __init__(self, inner: StreamReader, undo: Undo) -> None:
        self._inner = inner
        self._undo = undo
        self._place: int | None = None
        self._answer: list[str] = []
        self._held: list[Event] = []

    @property
    def usage(self) -> Usage:
        """What is known of the tokens so far."""
        return self._inner.usage

    @property
    def text(self) -> str:
        """The visible text so far."""
        return "".join(self._answer) if self._place is not None else self._inner.text

    @property
    def logprobs(self) -> Any:
        """The log-probabilities so far."""
        return self._inner.logprobs

    @property
    def output_chunks(self) -> int:
        """Pieces of content so far."""
        return self._inner.output_chunks

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes, given back."""
        events: list[Event] = []
        for event in self._inner.feed(chunk):
            events += self._given_back(event)
        return events

    def close(self) -> Reply | Failure:
        """The whole reply, given back, or why there is none."""
        closing = self._inner.close()
        return self._undo.reply(closing) if isinstance(closing, Reply) else closing

    def _given_back(self, event: Any) -> list[Event]:
        if isinstance(event, ToolCallDelta):
            return self._call(event)
        if self._undo.answer is not None:
            if isinstance(event, TextDelta):
                self._held.append(event)
                return []
            if isinstance(event, Finish):
                held, self._held = self._held, []
                ended = Finish("stop") if self._place is not None and event.reason == "tool_calls" else event
                return [*(held if self._place is None else ()), ended]
        return [event]

    def _call(self, event: ToolCallDelta) -> list[Event]:
        if event.name is not None and event.name == self._undo.answer and self._place is None:
            self._place = event.index
        if event.index == self._place:
            self._answer.append(event.arguments)
            return [TextDelta(event.arguments)] if event.arguments else []
        if event.name is not None and event.name in self._undo.names:
            return [msgspec.structs.replace(event, name=self._undo.names[event.name])]
        return [event]
