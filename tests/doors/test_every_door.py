"""Every door before every provider: what is heard is what was said, in types that the official SDKs take."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor.testing.scripted import Outcome, ok, raw, stream, tool_call
from tests.client.stage import Stage
from tests.doors.heard import PATHS, Heard, body_for, heard
from tests.doors.visit import CHAT, MESSAGES, RESPONSES, Ledger, visit

DIALECTS = ("openai", "anthropic", "gemini")

STOPPED = {CHAT: "stop", MESSAGES: "end_turn", RESPONSES: "completed"}
CALLED = {CHAT: "tool_calls", MESSAGES: "tool_use", RESPONSES: "completed"}
CUT = {CHAT: "length", MESSAGES: "max_tokens", RESPONSES: "incomplete"}


def ask(path: str, dialect: str, outcome: Outcome, *, streamed: bool, **more: Any) -> Heard:
    seen = visit(Stage({"a": [outcome]}, dialect=dialect), path, body_for(path, stream=streamed, **more))
    return heard(path, seen, stream=streamed)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("path", PATHS)
def test_text_comes_with_its_end_its_tokens_and_its_cost(path: str, dialect: str, streamed: bool) -> None:
    """The same words whoever says them, and the usage that the provider told."""
    said = ask(path, dialect, stream("one ", "two"), streamed=streamed)
    assert (said.text, said.finish, said.calls) == ("one two", STOPPED[path], [])
    assert said.tokens[0] > 0
    assert said.tokens[2] == 2
    assert said.cost_usd == pytest.approx((said.tokens[0] + 10 * said.tokens[2]) / 1e6)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("path", PATHS)
def test_a_call_comes_with_its_name_and_arguments(path: str, dialect: str, streamed: bool) -> None:
    said = ask(path, dialect, tool_call("weather", {"city": "Rome"}), streamed=streamed)
    assert (said.calls, said.finish) == ([("weather", {"city": "Rome"})], CALLED[path])


def gemini(*parts: dict[str, Any], finish: str = "STOP", **usage: int) -> bytes:
    """A whole Gemini answer that is also, framed, its stream of one event."""
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 5, **usage}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    return json.dumps({"candidates": [candidate], "usageMetadata": counts, "responseId": "r1"}).encode()


def given(body: bytes, *, streamed: bool) -> Outcome:
    """A Gemini answer as it is, streamed or not."""
    if not streamed:
        return raw(200, body)
    return raw(200, b"data: " + body + b"\n\n", headers=[("content-type", "text/event-stream")])


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_thinking_is_shown_and_what_the_provider_must_see_again_comes_back(path: str, streamed: bool) -> None:
    """Thoughts in each dialect's own form; signatures return through the caller's next request unchanged."""
    parts: list[dict[str, Any]] = [
        {"text": "Hm. ", "thought": True},
        {"text": "Sure."},
        {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2lnbmF0dXJl"},
    ]
    stage = Stage({"a": [given(gemini(*parts), streamed=streamed), ok("done")]}, dialect="gemini")
    seen = visit(stage, path, body_for(path, stream=streamed))
    said = heard(path, seen, stream=streamed)
    assert (said.reasoning, said.text, said.calls) == ("Hm. ", "Sure.", [("f", {"x": 1})])
    visit(stage, path, continued(path, seen, streamed=streamed))
    turns = stage.provider.sent[1].json()["contents"]
    assert [part for part in turns[1]["parts"] if "thoughtSignature" in part] == [parts[2]]
    assert turns[2]["parts"][0]["functionResponse"]["response"] == {"output": "41"}


def continued(path: str, seen: Any, *, streamed: bool) -> dict[str, Any]:
    """The next request of a caller that appends what it got, and the result of the call."""
    body = body_for(path, stream=False)
    if path == RESPONSES:
        last = seen.events()[-1]["response"] if streamed else seen.json()
        call_id = next(item["call_id"] for item in last["output"] if item["type"] == "function_call")
        result = {"type": "function_call_output", "call_id": call_id, "output": "41"}
        return {**body, "input": [{"role": "user", "content": "Hi"}, *last["output"], result]}
    if path == MESSAGES:
        content = blocks_of(seen.events()) if streamed else seen.json()["content"]
        call_id = next(block["id"] for block in content if block["type"] == "tool_use")
        result = {"type": "tool_result", "tool_use_id": call_id, "content": "41"}
        turns = [{"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
        return {**body, "messages": [*body["messages"], *turns]}
    message = message_of(seen.events()) if streamed else seen.json()["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "41"}
    return {**body, "messages": [*body["messages"], message, result]}


def blocks_of(events: list[Any]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            if delta["type"] == "input_json_delta":
                block["input"] = json.loads(delta["partial_json"])
            else:
                name = delta["type"].removesuffix("_delta")
                block[name] += delta[name]
    return blocks


def message_of(events: list[Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for event in events[:-1]:
        for choice in event["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            if calls := delta.get("tool_calls"):
                message["tool_calls"] = calls
            if fields := delta.get("provider_fields"):
                message["provider_fields"] = fields
    return message


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_parallel_calls_stay_apart(path: str, streamed: bool) -> None:
    parts: list[dict[str, Any]] = [{"functionCall": {"name": f"f{n}", "args": {"n": n}}} for n in range(3)]
    said = ask(path, "gemini", given(gemini(*parts), streamed=streamed), streamed=streamed)
    assert said.calls == [(f"f{n}", {"n": n}) for n in range(3)]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_a_cut_answer_says_so(path: str, streamed: bool) -> None:
    body = gemini({"text": "So"}, finish="MAX_TOKENS")
    assert ask(path, "gemini", given(body, streamed=streamed), streamed=streamed).finish == CUT[path]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_cached_and_reasoning_tokens_are_told_apart(path: str, streamed: bool) -> None:
    body = gemini({"text": "So"}, cachedContentTokenCount=4, thoughtsTokenCount=3)
    said = ask(path, "gemini", given(body, streamed=streamed), streamed=streamed)
    assert said.tokens == (10, 4, 8)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", [MESSAGES, RESPONSES])
def test_a_refusal_is_one_in_every_dialect(path: str, streamed: bool) -> None:
    """A model that refuses in words: shown as a refusal, or as text where the dialect has no other place."""
    said = {"role": "assistant", "content": None, "refusal": "I will not."}
    whole = {"id": "1", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    outcome = raw(200, json.dumps({**whole, "usage": usage}).encode())
    if streamed:
        chunk = {"id": "1", "choices": [{"index": 0, "delta": said, "finish_reason": "stop"}], "usage": usage}
        outcome = raw(200, b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")
    found = ask(path, "openai", outcome, streamed=streamed)
    assert (found.refusal or found.text) == "I will not."
    assert found.finish == {MESSAGES: "refusal", RESPONSES: "completed"}[path]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_a_call_is_charged_once_with_what_it_used(path: str, streamed: bool) -> None:
    """The caller's limits see the same estimate before and the same usage and cost after."""
    ledger = Ledger(tenant="t1")
    stage = Stage({"a": [ok("hello there")]}, dialect="gemini")
    seen = visit(stage, path, body_for(path, stream=streamed), ledger)
    found = heard(path, seen, stream=streamed)
    ((usage, cost),) = ledger.settled
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (found.tokens[0], found.tokens[2])
    assert cost == round(found.cost_usd * 1e6)
    assert ledger.admitted[0][0] > 0
