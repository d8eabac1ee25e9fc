"""Every exchange that real providers had with real clients is read as its JSON says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from junctor import adapters
from junctor.failures import Failure
from junctor.reply import Finish, ReasoningDelta, Reply, StreamError, TextDelta, ToolCallDelta, Usage
from tests.adapters import expected, recorded

WHOLE = recorded.rows(stream=False, errors=False)
STREAMS = recorded.rows(stream=True, errors=False)
ERRORS = recorded.rows(errors=True)

# Streams that a provider itself ended with an error.
BROKEN = {
    "openai_compatible/chat_completions/openrouter.test-openrouter-stream-error.0": ("invalid_request", ""),
    "openai_compatible/chat_completions/groq.test-tool-use-failed-error-streaming-with-text.0": ("malformed", "maybe"),
    "openai/responses/openai-error-1.0": ("quota", ""),
    # Two messages in one stream: the first had delivered half a tool call when the second began.
    "anthropic/messages/spliced-message-start.0": ("malformed", ""),
}
# A prompt that Model Armor blocked: an answer without candidates.
BLOCKED = "gemini/generateContent/vertex.test-google-model-armor-prompt-template-text-gets-blocked.1"
# Arguments that came in pieces; the pieces have no meaning of their own for the oracle.
PARTIAL_ARGUMENTS = {
    "gemini/streamGenerateContent/google.google-stream-tool-call-arguments.0": [
        ("getWeather", {"location": "Boston"}),
        ("getWeather", {"location": "San Francisco"}),
    ],
    "gemini/streamGenerateContent/google.google-stream-no-args-tool-call.0": [
        ("read_theme", {}),
        ("read_screen", {"id": "A"}),
        ("read_screen", {"id": "B"}),
        ("read_screen", {"id": "C"}),
    ],
}


def each(rows: list[dict[str, Any]]) -> pytest.MarkDecorator:
    """One test per row; one visible skip where the recorded data is absent."""
    if not rows:
        reason = f"recorded exchanges are absent (no {recorded.ROOT.name}/index.json; set JUNCTOR_DATA)"
        return pytest.mark.parametrize("row", [pytest.param({}, marks=pytest.mark.skip(reason=reason))])
    return pytest.mark.parametrize("row", rows, ids=[row["id"] for row in rows])


def assert_like(reply: Reply, want: dict[str, Any]) -> None:
    assert reply.text == want["text"]
    assert reply.finish_reason == want["finish"]
    got = [(call.id, call.name, json.loads(call.arguments)) for call in reply.tool_calls]
    assert [call[1:] for call in got] == [call[1:] for call in want["calls"]]
    assert all(id == wanted[0] for (id, *_), wanted in zip(got, want["calls"], strict=True) if wanted[0])
    usage = (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cached_tokens)
    assert usage == (want["input"], want["output"], want["cached"])
    assert bool(reply.reasoning) >= want["reasoning"]


@each(WHOLE)
def test_a_whole_answer_says_what_its_json_says(row: dict[str, Any]) -> None:
    response = recorded.response_of(row["id"])
    body = json.dumps(response["json"]).encode()
    reply = adapters.get(recorded.adapter_of(row)).parse(response["status"], response["headers"], body)
    if row["id"] == BLOCKED:
        assert isinstance(reply, Failure)
        assert reply.kind == "content_filter"
        return
    assert isinstance(reply, Reply), reply
    assert_like(reply, expected.whole(recorded.adapter_of(row), response["json"]))


def read(adapter: str, raw: bytes, size: int) -> tuple[dict[str, Any], Reply | Failure, Usage]:
    """The joined events of a stream fed in pieces of `size` bytes, and how it closed."""
    reader = adapters.get(adapter).reader()
    joined: dict[str, Any] = {"text": "", "reasoning": "", "calls": {}, "finish": None, "error": None}
    for start in range(0, len(raw), size):
        for event in reader.feed(raw[start : start + size]):
            if isinstance(event, TextDelta):
                joined["text"] += event.text
            elif isinstance(event, ReasoningDelta):
                joined["reasoning"] += event.text
            elif isinstance(event, ToolCallDelta):
                if event.id is not None:
                    assert event.index not in joined["calls"], "a call begins once"
                    joined["calls"][event.index] = [event.id, event.name, ""]
                joined["calls"][event.index][2] += event.arguments
            elif isinstance(event, Finish):
                assert joined["finish"] is None, "an answer finishes once"
                joined["finish"] = event.reason
            elif isinstance(event, StreamError):
                joined["error"] = event.failure
    assert reader.text == joined["text"]
    return joined, reader.close(), reader.usage


@each(STREAMS)
def test_a_stream_says_what_its_events_say_however_it_is_cut(row: dict[str, Any]) -> None:
    adapter = recorded.adapter_of(row)
    raw = recorded.stream_bytes(row)
    joined, closed, usage = read(adapter, raw, len(raw))
    for size in (1, 7, 64):
        assert read(adapter, raw, size) == (joined, closed, usage), f"pieces of {size} bytes differ"
    if row["id"] in BROKEN:
        kind, text = BROKEN[row["id"]]
        assert isinstance(closed, Failure)
        assert (closed.kind, joined["text"]) == (kind, text)
        assert joined["error"] == closed
        return
    assert isinstance(closed, Reply), closed
    assert usage == closed.usage
    assert (joined["text"], joined["reasoning"]) == (closed.text, closed.reasoning or "")
    assert joined["finish"] == closed.finish_reason
    calls = [(call.id, call.name, call.arguments) for call in closed.tool_calls]
    assert [(id, name, text or "{}") for id, name, text in joined["calls"].values()] == calls
    if row["id"] in PARTIAL_ARGUMENTS:
        assert [(call.name, json.loads(call.arguments)) for call in closed.tool_calls] == PARTIAL_ARGUMENTS[row["id"]]
        return
    assert_like(closed, expected.streamed(adapter, recorded.stream_events(row)))


MARKERS = {
    "openai": rb'"finish_reason": ?"|\[DONE\]',
    "openai-responses": rb'"response\.(completed|incomplete)"',
    "mistral": rb'"finish_reason": ?"|\[DONE\]',
    "anthropic": rb'"message_stop"',
    "gemini": rb'"finishReason"',
    "bedrock": rb"messageStop",
}


@each(STREAMS)
def test_a_stream_cut_before_its_end_is_never_a_whole_answer(row: dict[str, Any]) -> None:
    """B44: without its terminal marker a stream is a failure, wherever it was cut."""
    adapter = recorded.adapter_of(row)
    raw = recorded.stream_bytes(row)
    found = re.search(MARKERS[adapter], raw)
    end = found.start() if found is not None else len(raw) - 2
    for cut in (end // 3, end * 2 // 3, end):
        _, closed, _ = read(adapter, raw[:cut], max(cut, 1))
        assert isinstance(closed, Failure)
        assert closed.kind in ("truncated", "malformed", BROKEN.get(row["id"], ("truncated",))[0])


KINDS = {
    ("anthropic", 400, "prompt is too long"): "context_length",
    ("gemini", 400, "API key not valid"): "auth",
    ("gemini", 400, "input token count"): "context_length",
    ("gemini", 400, "exceeded your current quota"): "rate_limit",
    ("bedrock", 403, "security token"): "auth",
    ("bedrock", 400, "Input Tokens Exceeded"): "context_length",
    ("bedrock", 400, "model identifier is invalid"): "not_found",
    ("openai", 400, "maximum context length"): "context_length",
    ("openai", 400, "prompt too long"): "context_length",
    ("openai", 400, "total length of all messages"): "context_length",
    ("openai", 400, "Tool call validation failed"): "malformed",
    ("openai", 400, "Tool choice is required"): "malformed",
    ("openai-responses", 400, "exceeds the context window"): "context_length",
    ("openai-responses", 400, "model_not_found"): "not_found",
    ("openai-responses", 400, "Incorrect API key"): "auth",
}
BY_STATUS = {400: "invalid_request", 401: "auth", 403: "permission", 404: "not_found", 429: "rate_limit"}


@each(ERRORS)
def test_an_error_is_of_the_kind_its_words_mean(row: dict[str, Any]) -> None:
    response = recorded.response_of(row["id"])
    text = json.dumps(response["json"])
    adapter = recorded.adapter_of(row)
    here = {word: kind for (name, status, word), kind in KINDS.items() if (name, status) == (adapter, row["status"])}
    words = (kind for word, kind in here.items() if word in text)
    failure = adapters.get(adapter).parse(response["status"], response["headers"], text.encode())
    assert isinstance(failure, Failure)
    assert failure.kind == next(words, BY_STATUS[row["status"]]), failure
    assert failure.message
    if "retryDelay" in text or "retry-after" in response["headers"]:
        assert failure.retry_after_s is not None
        assert failure.retry_after_s > 0
