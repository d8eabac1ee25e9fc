"""OpenAI's chat completions as a door: what is read, what is written, judged by the official SDK's own types."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from junctor.testing.scripted import ok, stream, tool_call
from tests.client.stage import Stage
from tests.doors.visit import CHAT, visit

ASK = {"model": "g", "messages": [{"role": "user", "content": "Hi"}]}
DIALECTS = ("openai", "anthropic", "gemini")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_answer_is_a_chat_completion_whoever_answers(dialect: str) -> None:
    """Text, finish, usage and cost, and headers that say who answered."""
    stage = Stage({"a": [ok("hello there")]}, dialect=dialect)
    seen = visit(stage, CHAT, ASK)
    said = ChatCompletion.model_validate(seen.json(), strict=True)
    assert seen.status == 200
    assert (said.choices[0].message.content, said.choices[0].finish_reason) == ("hello there", "stop")
    assert said.usage is not None
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens > 0
    assert said.usage.model_extra is not None
    assert f"{said.usage.model_extra['cost_usd']:.6f}" == seen.headers["x-junctor-cost-usd"] != "0.000000"
    told = {name: seen.headers[f"x-junctor-{name}"] for name in ("deployment", "provider", "group", "attempts")}
    assert told == {"deployment": "a", "provider": dialect, "group": "g", "attempts": "1"}


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_is_chunks_and_tells_usage_only_if_asked(dialect: str, asked: bool) -> None:
    """The pieces in their order, one end, `[DONE]` last; the usage chunk with the cost for who asked for it."""
    stage = Stage({"a": [stream("one ", "two")]}, dialect=dialect)
    options = {"stream_options": {"include_usage": True}} if asked else {}
    *events, last = visit(stage, CHAT, {**ASK, "stream": True, **options}).events()
    chunks = [ChatCompletionChunk.model_validate(event, strict=True) for event in events]
    assert last == "[DONE]"
    text = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert text == ["one ", "two"]
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert len(usages) == asked
    assert all(usage.model_extra and usage.model_extra["cost_usd"] > 0 for usage in usages)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tool_call_comes_whole(dialect: str, streamed: bool) -> None:
    """The same name and arguments from every provider, in one answer or in pieces."""
    stage = Stage({"a": [tool_call("weather", {"city": "Rome"})]}, dialect=dialect)
    seen = visit(stage, CHAT, {**ASK, "stream": streamed})
    calls: list[Any]
    if streamed:
        deltas = [event["choices"][0]["delta"] for event in seen.events()[:-1] if event["choices"]]
        calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
        assert calls[0]["id"]
    else:
        calls = seen.json()["choices"][0]["message"]["tool_calls"]
    assert calls[0]["function"]["name"] == "weather"
    assert "".join(call["function"]["arguments"] for call in calls).replace(" ", "") == '{"city":"Rome"}'


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (b"{", "byte"),
        (b"[1]", "an array"),
        ({"messages": None}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stop": 1}, "stop"),
        ({"tools": [1]}, "tools[0]"),
        ({"stream": "yes"}, "stream"),
        ({"model": None}, "model"),
    ],
)
def test_a_request_that_makes_no_sense_is_a_400_that_names_the_field(change: Any, named: str) -> None:
    """Nothing was sent, and the text of the prompt is not in the error."""
    stage = Stage({"a": []})
    body = change if isinstance(change, bytes) else {**ASK, **change}
    seen = visit(stage, CHAT, body)
    error = seen.json()["error"]
    assert (seen.status, error["type"]) == (400, "invalid_request_error")
    assert named in error["message"]
    assert stage.provider.sent == []


def test_an_unknown_model_is_a_404() -> None:
    """As at OpenAI, so that a program's own handling of it works."""
    seen = visit(Stage({"a": []}), CHAT, {**ASK, "model": "nope"})
    assert (seen.status, seen.json()["error"]["code"]) == (404, "model_not_found")


def test_azures_address_names_the_model() -> None:
    """Azure's clients put the deployment into the address and often leave the body's model out."""
    stage = Stage({"a": [ok("fine")]})
    body = {"messages": ASK["messages"]}
    assert visit(stage, "/openai/deployments/g/chat/completions", body).headers["x-junctor-group"] == "g"
