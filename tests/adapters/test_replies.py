"""Answers and streams of our own making, of every kind, in every dialect: whole and streamed they come out the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.failures import Failure
from junctor.reply import (
    Event,
    Finish,
    ReasoningDelta,
    Reply,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)


def parse(adapter: str, body: Any) -> Reply:
    reply = adapters.get(adapter).parse(200, {}, json.dumps(body).encode())
    assert isinstance(reply, Reply), reply
    return reply


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n" for e in events)


def stream(adapter: str, *events: Any) -> tuple[list[Event], Reply]:
    reader = adapters.get(adapter).reader()
    found = reader.feed(sse(*events))
    reply = reader.close()
    assert isinstance(reply, Reply), reply
    return found, reply


# --- OpenAI -----------------------------------------------------------------------------------------------------------


def completion(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion", "model": "gpt-x", "choices": [choice], "usage": usage, **more}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "gpt-x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def calls(*pairs: tuple[str, str, str]) -> list[dict[str, Any]]:
    return [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in pairs]


def test_openai_text_and_usage() -> None:
    reply = parse("openai", completion({"content": "Hello"}))
    assert (reply.text, reply.finish_reason, reply.id, reply.model) == ("Hello", "stop", "c1", "gpt-x")
    assert reply.usage == Usage(20, 9, 16, 0, 4)
    assert reply.message == {"role": "assistant", "content": "Hello"}


def test_openai_parallel_calls_whole_and_streamed_alike() -> None:
    message = {"content": None, "tool_calls": calls(("a", "f", '{"x":1}'), ("b", "g", ""))}
    whole = parse("openai", completion(message, "tool_calls"))
    assert whole.tool_calls == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))
    assert whole.message["content"] is None
    pieces = [
        chunk(
            {"role": "assistant", "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}
        ),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}]}),
        chunk({}, "tool_calls"),
        {"id": "c1", "choices": [], "usage": completion({})["usage"]},
        b"[DONE]",
    ]
    events, streamed = stream("openai", *pieces)
    assert streamed == whole
    assert events == [
        ToolCallDelta(0, "", "a", "f"),
        ToolCallDelta(0, '{"x"'),
        ToolCallDelta(0, ":1}"),
        ToolCallDelta(1, "", "b", "g"),
        Finish("tool_calls"),
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [
                [{"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}],
                [{"id": "b", "function": {"name": "g", "arguments": "{}"}}],
            ],
            id="no index at all",
        ),
        pytest.param(
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}],
                [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
            ],
            id="index 0 for every call",
        ),
        pytest.param(
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}],
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}],
                [{"index": 1, "id": "b", "function": {"name": "g", "arguments": {}}}],
            ],
            id="id and name with every piece, arguments as an object",
        ),
        pytest.param(
            [
                [{"id": "a", "function": {"name": "f"}}, {"id": "b", "function": {"name": "g"}}],
                [{"id": "a", "function": {"arguments": '{"x":1}'}}, {"id": "b", "function": {"arguments": "{}"}}],
            ],
            id="pieces told apart by id only",
        ),
    ],
)
def test_openai_streamed_calls_survive_every_way_of_numbering_them(pieces: list[list[dict[str, Any]]]) -> None:
    _, reply = stream("openai", *(chunk({"tool_calls": piece}) for piece in pieces), chunk({}, "stop"), b"[DONE]")
    assert reply.tool_calls == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))
    assert reply.finish_reason == "tool_calls", "derived: the host said stop"


def test_openai_reasoning_under_its_three_names() -> None:
    for fields in (
        {"reasoning_content": "Hm"},
        {"reasoning": "Hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]},
    ):
        assert parse("openai", completion({"content": "4", **fields})).reasoning == "Hm"
        events, reply = stream("openai", chunk(fields), chunk({"content": "4"}), chunk({}, "stop"))
        assert events[:2] == [ReasoningDelta("Hm"), TextDelta("4")]
        assert reply.reasoning == "Hm"


def test_openai_refusal_whole_and_streamed_alike() -> None:
    whole = parse("openai", completion({"content": None, "refusal": "I cannot."}))
    assert (whole.text, whole.refusal, whole.finish_reason) == ("", "I cannot.", "refusal")
    assert whole.message == {"role": "assistant", "content": None, "refusal": "I cannot."}
    _, streamed = stream(
        "openai", chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk({}, "stop"), b"[DONE]"
    )
    assert (streamed.refusal, streamed.finish_reason, streamed.message) == ("I cannot.", "refusal", whole.message)


def test_openai_filtered_and_cut_answers_are_replies_that_say_so() -> None:
    assert parse("openai", completion({"content": "Once"}, "length")).finish_reason == "length"
    assert parse("openai", completion({"content": ""}, "content_filter")).finish_reason == "content_filter"


def test_openai_logprobs_are_kept() -> None:
    content = [{"token": "Hi", "logprob": -0.1, "top_logprobs": []}]
    body = completion({"content": "Hi"})
    body["choices"][0]["logprobs"] = {"content": content, "refusal": None}
    assert parse("openai", body).logprobs["content"] == content
    first = chunk({"content": "Hi"})
    first["choices"][0]["logprobs"] = {"content": content}
    assert stream("openai", first, first, chunk({}, "stop"))[1].logprobs == {"content": content * 2}
    body["choices"][0]["logprobs"] = {"content": None, "refusal": None}
    assert parse("openai", body).logprobs is None


@pytest.mark.parametrize(("reason", "kind"), [("error", "server"), ("insufficient_system_resource", "overloaded")])
def test_openai_an_answer_that_the_host_broke_off_is_a_failure(reason: str, kind: str) -> None:
    whole = adapters.get("openai").parse(200, {}, json.dumps(completion({"content": "Hal"}, reason)).encode())
    assert isinstance(whole, Failure)
    assert whole.kind == kind
    reader = adapters.get("openai").reader()
    reader.feed(sse(chunk({"content": "Hal"}), chunk({}, reason), b"[DONE]"))
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert closed.kind == kind


def test_openai_oddities_of_hosts_are_survived() -> None:
    azure_first = {"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "id": "", "model": ""}
    chunk_as_completion = {**chunk({"content": "Hi"}), "object": "chat.completion", "service_tier": "on_demand"}
    perplexity_last = {
        "object": "chat.completion.done",
        "choices": [{"message": {"content": "Hi"}, "delta": {"content": ""}, "finish_reason": "stop"}],
    }
    groq = {"choices": [], "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}}
    _, reply = stream("openai", azure_first, chunk_as_completion, perplexity_last, groq)
    assert (reply.text, reply.finish_reason, reply.id) == ("Hi", "stop", "c1")
    assert reply.usage == Usage(3, 1)
    empty_finish = parse("openai", completion({"content": "x", "audio": {"id": ""}, "function_call": {"name": ""}}, ""))
    assert (empty_finish.finish_reason, empty_finish.tool_calls) == ("unknown", ())
    assert parse("openai", completion({"content": [{"type": "text", "text": "a"}, {"type": "thinking"}]})).text == "a"
    legacy = parse("openai", completion({"function_call": {"name": "f", "arguments": "{}"}}, "function_call"))
    assert legacy.tool_calls == (ToolCall("call_0", "f", "{}"),)


def test_openai_counts_of_hosts_that_count_differently() -> None:
    def usage(**fields: Any) -> Usage:
        return parse("openai", {**completion({"content": "x"}), "usage": fields}).usage

    beside = {"reasoning_tokens": 30}
    xai = usage(prompt_tokens=10, completion_tokens=5, total_tokens=45, completion_tokens_details=beside)
    assert xai == Usage(10, 35, 0, 0, 30)
    assert usage(prompt_tokens=10, completion_tokens=5, prompt_cache_hit_tokens=8) == Usage(10, 5, 8)
    assert usage(prompt_tokens=10.0, completion_tokens="5", prompt_tokens_details="none") == Usage(10, 5)
    assert usage(prompt_tokens=-1, completion_tokens=2) == Usage(0, 2)
    assert parse("openai", {**completion({"content": "x"}), "usage": None}).usage.known is False


def test_openai_a_stream_without_usage_says_so() -> None:
    """B30: the usage is unknown, not zero."""
    _, reply = stream("openai", chunk({"content": "Hi"}), chunk({}, "stop"), b"[DONE]")
    assert reply.usage == Usage(known=False)


def test_openai_done_alone_ends_a_stream_that_has_no_finish_reason() -> None:
    events, reply = stream("openai", chunk({"content": "4"}), b"[DONE]")
    assert events == [TextDelta("4"), Finish("unknown")]
    assert reply.finish_reason == "unknown"


def test_openai_legacy_and_custom_calls_are_read_from_streams_too() -> None:
    pieces = [{"name": "f", "arguments": ""}, {"arguments": '{"x"'}, {"arguments": ":1}"}]
    chunks = [chunk({"function_call": piece}) for piece in pieces]
    _, legacy = stream("openai", *chunks, chunk({}, "function_call"), b"[DONE]")
    assert legacy.tool_calls == (ToolCall("call_0", "f", '{"x":1}'),)
    custom = [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]
    _, reply = stream("openai", chunk({"tool_calls": custom}), chunk({}, "tool_calls"))
    assert reply.tool_calls == (ToolCall("a", "sql", "SELECT 1"),)


def test_openai_a_piece_that_names_nothing_continues_the_last_call() -> None:
    first = chunk({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"x"'}}]})
    second = chunk({"tool_calls": [{"function": {"arguments": ":1}"}}]})
    _, reply = stream("openai", first, second, chunk({}, "tool_calls"))
    assert reply.tool_calls == (ToolCall("a", "f", '{"x":1}'),)


def test_a_stream_cannot_open_calls_or_blocks_without_end() -> None:
    """Bounded memory against a provider that went mad."""
    call = {"function": {"name": "f", "arguments": ""}}
    endless = chunk({"tool_calls": [{**call, "id": str(number)} for number in range(1100)]})
    block = {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}
    blocks = [{**block, "index": number} for number in range(4200)]
    for adapter, events in (("openai", [endless]), ("anthropic", blocks)):
        reader = adapters.get(adapter).reader()
        reader.feed(sse(*events))
        closed = reader.close()
        assert isinstance(closed, Failure)
        assert closed.message.startswith("more than")


def test_openai_a_choice_that_says_nothing_is_malformed() -> None:
    failure = adapters.get("openai").parse(200, {}, b'{"choices": [{"index": 0}]}')
    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"


# --- Anthropic --------------------------------------------------------------------------------------------------------

COUNTS = {"input_tokens": 4, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 6, "output_tokens": 9}


def message(*blocks: dict[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    content = list(blocks)
    return {
        "type": "message",
        "id": "m1",
        "model": "claude-x",
        "content": content,
        "stop_reason": stop,
        "usage": COUNTS,
        **more,
    }


def as_stream(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that Anthropic would have sent for `whole`, each block in two pieces."""
    start = {**whole, "content": [], "stop_reason": None, "usage": {**COUNTS, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    grown = {"text": ("text", "text_delta", "text"), "thinking": ("thinking", "thinking_delta", "thinking")}
    for index, block in enumerate(whole["content"]):
        opening, deltas = dict(block), []
        if block["type"] in grown:
            field, kind, word = grown[block["type"]]
            opening[field] = ""
            half = len(block[field]) // 2
            deltas = [{"type": kind, word: piece} for piece in (block[field][:half], block[field][half:])]
            if "signature" in block:
                opening["signature"] = ""
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif block["type"] in ("tool_use", "server_tool_use"):
            opening["input"] = {}
            text = json.dumps(block["input"]) if block["input"] else ""
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in (text[:4], text[4:])]
        events.append({"type": "content_block_start", "index": index, "content_block": opening})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": whole["stop_reason"], "stop_details": whole.get("stop_details")}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9, "input_tokens": None}})
    return [*events, {"type": "message_stop"}]


TEXT = {"type": "text", "text": "Hello there"}
THINKING = {"type": "thinking", "thinking": "Let me see", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": [1, 2]}}
BARE_USE = {"type": "tool_use", "id": "t2", "name": "g", "input": {}}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]}

ANTHROPIC_ANSWERS = {
    "text": message(TEXT),
    "parallel calls": message(TEXT, USE, BARE_USE, stop="tool_use"),
    "thinking before a call": message(THINKING, REDACTED, TEXT, USE, stop="tool_use"),
    "the provider's own tools": message(TEXT, SEARCH, FOUND, {"type": "text", "text": "Done"}),
    "cut": message(TEXT, stop="max_tokens"),
    "window full": message(TEXT, stop="model_context_window_exceeded"),
    "stop sequence": message(TEXT, stop="stop_sequence"),
    "paused": message(SEARCH, stop="pause_turn"),
    "refused": message(TEXT, stop="refusal", stop_details={"type": "refusal", "explanation": "Not this."}),
    "a block of tomorrow": message(TEXT, {"type": "hologram", "beam": 3}),
    "nothing": message(),
}


@pytest.mark.parametrize("name", ANTHROPIC_ANSWERS)
def test_anthropic_whole_and_streamed_alike(name: str) -> None:
    body = ANTHROPIC_ANSWERS[name]
    whole = parse("anthropic", body)
    events, streamed = stream("anthropic", *as_stream(body))
    assert streamed == whole
    assert events[-1] == Finish(whole.finish_reason)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == whole.text


def test_anthropic_input_tokens_are_the_whole_prompt() -> None:
    assert parse("anthropic", message(TEXT)).usage == Usage(20, 9, 10, 6)
    kept = {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 4}
    hour = parse("anthropic", message(TEXT, usage={**COUNTS, "cache_creation": kept})).usage
    assert hour == Usage(20, 9, 10, 6, cache_write_1h_tokens=4)
    detailed = message(TEXT, usage={**COUNTS, "output_tokens_details": {"thinking_tokens": 5}})
    assert parse("anthropic", detailed).usage.reasoning_tokens == 5


def test_anthropic_finish_reasons() -> None:
    reasons = {name: parse("anthropic", body).finish_reason for name, body in ANTHROPIC_ANSWERS.items()}
    assert reasons == {
        "text": "stop",
        "parallel calls": "tool_calls",
        "thinking before a call": "tool_calls",
        "the provider's own tools": "stop",
        "cut": "length",
        "window full": "length",
        "stop sequence": "stop",
        "paused": "pause",
        "refused": "refusal",
        "a block of tomorrow": "stop",
        "nothing": "stop",
    }
    assert parse("anthropic", ANTHROPIC_ANSWERS["refused"]).refusal == "Not this."


def test_anthropic_calls_and_thinking() -> None:
    reply = parse("anthropic", ANTHROPIC_ANSWERS["thinking before a call"])
    assert (reply.reasoning, reply.tool_calls) == ("Let me see", (ToolCall("t1", "f", '{"x": [1, 2]}'),))
    assert reply.message["provider_fields"]["anthropic"]["content"] == [THINKING, REDACTED, TEXT, USE]
    assert "provider_fields" not in parse("anthropic", ANTHROPIC_ANSWERS["parallel calls"]).message


def test_anthropic_what_is_known_of_a_cut_stream_is_told() -> None:
    reader = adapters.get("anthropic").reader()
    reader.feed(sse(*as_stream(message(TEXT))[:4]))
    assert reader.usage == Usage(20, 1, 10, 6)
    assert (reader.text, reader.output_chunks) == ("Hello", 1)


def test_anthropic_a_second_message_in_one_stream_is_a_failure() -> None:
    """Something upstream began anew after content was handed over: never a clean end."""
    begun = as_stream(message(TEXT))[:4]
    reader = adapters.get("anthropic").reader()
    reader.feed(sse(*begun, *as_stream(message(TEXT))))
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert (closed.kind, reader.text) == ("malformed", "Hello")


def test_anthropic_text_that_comes_with_its_blocks_opening_or_without_any_is_text() -> None:
    """No known provider does so, but copies of the API do."""
    start = {"type": "message_start", "message": {**message(), "usage": COUNTS}}
    opening = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hel"}}
    more = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}}
    never_opened = {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "!"}}
    events, reply = stream("anthropic", start, opening, more, never_opened, {"type": "message_stop"})
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hel", "lo", "!"]
    assert (reply.text, reply.finish_reason) == ("Hello!", "unknown")


# --- Gemini -----------------------------------------------------------------------------------------------------------

METADATA = {"promptTokenCount": 20, "candidatesTokenCount": 5, "thoughtsTokenCount": 4, "cachedContentTokenCount": 16}


def answer(*parts: dict[str, Any], finish: Any = "STOP", **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    candidate = {key: value for key, value in candidate.items() if value is not None}
    return {
        "candidates": [candidate],
        "usageMetadata": METADATA,
        "modelVersion": "gemini-x",
        "responseId": "r1",
        **more,
    }


WORDS = {"text": "Hello"}
THOUGHT = {"text": "Let me see", "thought": True}
SIGNED = {"text": "", "thoughtSignature": "c2ln"}
CALL = {"functionCall": {"name": "f", "args": {"x": 1}}}
SIGNED_CALL = {"functionCall": {"name": "g", "args": {}, "id": "n1"}, "thoughtSignature": "c2ln"}
CODE = {"executableCode": {"language": "PYTHON", "code": "1"}}

GEMINI_ANSWERS = {
    "text": answer(WORDS),
    "parallel calls": answer(WORDS, CALL, CALL),
    "thought, signed": answer(THOUGHT, WORDS, SIGNED),
    "signed call": answer(THOUGHT, SIGNED_CALL),
    "executed code": answer(CODE, WORDS),
    "filtered": answer(finish="SAFETY"),
    "cut": answer(WORDS, finish="MAX_TOKENS"),
}


@pytest.mark.parametrize("name", GEMINI_ANSWERS)
def test_gemini_whole_and_streamed_alike(name: str) -> None:
    body = GEMINI_ANSWERS[name]
    whole = parse("gemini", body)
    parts = body["candidates"][0]["content"]["parts"]
    pieces = [{**answer(part), "usageMetadata": {"promptTokenCount": 20}} for part in parts]
    for piece in pieces:
        del piece["candidates"][0]["finishReason"]
    last = answer(finish=body["candidates"][0]["finishReason"])
    events, streamed = stream("gemini", *pieces, last)
    assert streamed == whole
    assert events[-1] == Finish(whole.finish_reason)


def test_gemini_text_calls_thought_and_usage() -> None:
    reply = parse("gemini", GEMINI_ANSWERS["parallel calls"])
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("f", '{"x": 1}')] * 2
    assert reply.tool_calls[0].id != reply.tool_calls[1].id
    assert all(len(call.id) <= 40 and call.id.replace("_", "").isalnum() for call in reply.tool_calls)
    assert reply.finish_reason == "tool_calls", "derived: Gemini ends calls with STOP"
    assert reply.usage == Usage(20, 9, 16, 0, 4)
    signed = parse("gemini", GEMINI_ANSWERS["signed call"])
    assert (signed.reasoning, signed.tool_calls) == ("Let me see", (ToolCall("n1", "g", "{}"),))
    assert signed.message["provider_fields"] == {"gemini": {"parts": [SIGNED_CALL]}}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        (1, "stop"),
        (2, "length"),
        (3, "content_filter"),
        (99, "unknown"),
        ("NEW", "unknown"),
        ("SPII", "content_filter"),
    ],
)
def test_gemini_finish_reasons_may_be_numbers(reason: Any, finish: str) -> None:
    assert parse("gemini", answer(WORDS, finish=reason)).finish_reason == finish
    assert stream("gemini", answer(WORDS, finish=reason))[1].finish_reason == finish


def test_gemini_a_blocked_prompt_is_a_content_filter_failure() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    whole = adapters.get("gemini").parse(200, {}, json.dumps(body).encode())
    reader = adapters.get("gemini").reader()
    reader.feed(sse(body))
    for failure in (whole, reader.close()):
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.code) == ("content_filter", "PROHIBITED_CONTENT")


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
@pytest.mark.parametrize("separator", [",\r\n", ",", "\n,\n"])
def test_gemini_streams_as_a_json_array_are_read_too(size: int, separator: str) -> None:
    """That is what comes when a proxy loses `alt=sse`."""
    tricky = {"text": 'say "}]{" \\" ü'}
    first, last = answer(tricky, finish=None), answer(WORDS)
    raw = ("[" + separator.join(json.dumps(part, indent=2) for part in (first, last)) + "]\n\n").encode()
    reader = adapters.get("gemini").reader()
    events = [event for start in range(0, len(raw), size) for event in reader.feed(raw[start : start + size])]
    assert events == [TextDelta(tricky["text"]), TextDelta("Hello"), Finish("stop")]
    closed = reader.close()
    assert isinstance(closed, Reply)
    assert closed.text == tricky["text"] + "Hello"


def test_gemini_an_error_in_a_json_array_is_told() -> None:
    reader = adapters.get("gemini").reader()
    reader.feed(b'[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}]')
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert closed.kind == "rate_limit"


def test_gemini_logprobs_take_openais_shape() -> None:
    found = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "Hi", "logProbability": -0.5}, {"token": "Yo"}]}],
    }
    body = answer(WORDS)
    body["candidates"][0]["logprobsResult"] = found
    top = [{"token": "Hi", "logprob": -0.5}, {"token": "Yo", "logprob": 0.0}]
    assert parse("gemini", body).logprobs == {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": top}]}


def test_gemini_arguments_in_pieces_are_put_together() -> None:
    def grow(**call: Any) -> dict[str, Any]:
        return answer({"functionCall": call}, finish=None)

    def piece(path: str, **value: Any) -> dict[str, Any]:
        return grow(partialArgs=[{"jsonPath": path, **value}], willContinue=True)

    events, reply = stream(
        "gemini",
        grow(name="f", willContinue=True),
        piece("$.city", stringValue="San ", willContinue=True),
        piece("$.city", stringValue="Juan"),
        piece("$.days[0].n", numberValue=2),
        piece("$.days[1]", boolValue=True),
        piece("$.none", nullValue="NULL_VALUE"),
        piece("nonsense", stringValue="x"),
        piece("$.city.deeper", stringValue="x"),
        grow(),
        answer(),
    )
    want = {"city": "San Juan", "days": [{"n": 2}, True], "none": None}
    assert json.loads(reply.tool_calls[0].arguments) == want
    assert [type(event) for event in events] == [ToolCallDelta, ToolCallDelta, Finish]
