"""What a dialect cannot carry comes back as it was: tool names, structured answers, calls without tools."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.adapters import get
from junctor.adapters.carry import NAMINGS, carried, told_as_text, wire_name
from junctor.reply import Finish, TextDelta, ToolCallDelta
from junctor.request import ChatRequest, Native
from junctor.testing.scripted import ok, tool_call
from tests.shaping.fleet import Fleet, receipt

NAME = "files/read — v2"
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in (NAME, "plain")
]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "count", "schema": SCHEMA}}


@pytest.mark.parametrize("dialect", NAMINGS)
@given(name=st.text(min_size=1, max_size=200))
def test_every_name_fits_and_stays_the_same(dialect: str, name: str) -> None:
    naming = NAMINGS[dialect]
    wire = wire_name(name, naming)
    assert 0 < len(wire) <= naming.longest
    assert not re.search(naming.foreign, wire)
    assert not naming.letter_first or wire[0].isalpha() or wire[0] == "_"
    assert wire_name(wire, naming) == wire


def test_different_names_stay_different() -> None:
    names = ["a/b", "a.b", "a b", "a_b", "x" * 70, "x" * 71]
    assert len({wire_name(name, NAMINGS["openai"]) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["gpt", "claude", "gem"])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_replys_calls_carry_the_callers_names(name: str, streamed: bool) -> None:
    fleet = Fleet({name: [tool_call(wire_name(NAME, NAMINGS[_dialect(name)]), {"path": "x"})]})
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [_call("c1", NAME)]},
        {"role": "tool", "tool_call_id": "c1", "name": NAME, "content": "old"},
        {"role": "user", "content": "Again"},
    ]
    choice = {"type": "function", "function": {"name": NAME}}
    if streamed:
        events, reply = fleet.stream(history, tools=TOOLS, tool_choice=choice)
        assert [event.name for event in events if isinstance(event, ToolCallDelta) and event.name] == [NAME]
    else:
        reply = fleet.chat(history, tools=TOOLS, tool_choice=choice)
    assert [call.name for call in reply.tool_calls] == [NAME]
    assert [call["function"]["name"] for call in reply.message["tool_calls"]] == [NAME]
    sent = fleet.provider.sent[0].request.body.decode()
    assert "files/read" not in sent
    assert sent.count(wire_name(NAME, NAMINGS[_dialect(name)])) >= 3
    assert f"tools.{NAME}: renamed ({_dialect(name)})" in receipt(reply).notes


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_without_structured_output_is_asked_by_a_forced_tool(streamed: bool) -> None:
    fleet = Fleet({"old": [tool_call("answer", {"n": 3})]})
    if streamed:
        events, reply = fleet.stream(response_format=FORMAT)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == '{"n":3}'
        assert [event for event in events if isinstance(event, ToolCallDelta)] == []
        assert [event.reason for event in events if isinstance(event, Finish)] == ["stop"]
    else:
        reply = fleet.chat(response_format=FORMAT)
    assert (reply.text, reply.tool_calls, reply.finish_reason) == ('{"n":3}', (), "stop")
    assert reply.message == {"role": "assistant", "content": '{"n":3}'}
    body = fleet.bodies()[0]
    assert body["tool_choice"] == {"type": "tool", "name": "answer"}
    assert body["tools"][0]["input_schema"] == SCHEMA
    assert receipt(reply).notes == ("response_format: asked for by a forced tool (anthropic)",)
    assert receipt(reply).dropped == ()


def test_beside_tools_the_model_must_call_one_or_answer() -> None:
    fleet = Fleet({"gem": [tool_call("plain"), tool_call("answer", {"n": 1})]})
    calls = fleet.chat(tools=TOOLS[1:], response_format=FORMAT)
    assert [call.name for call in calls.tool_calls] == ["plain"]
    assert fleet.chat(tools=TOOLS[1:], response_format=FORMAT).text == '{"n":1}'
    config = fleet.bodies()[0]["toolConfig"]["functionCallingConfig"]
    assert config == {"mode": "ANY"}


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_answers_in_text_all_the_same_is_heard(streamed: bool) -> None:
    fleet = Fleet({"old": [ok('{"n": 2}')]})
    reply = fleet.stream(response_format=FORMAT)[1] if streamed else fleet.chat(response_format=FORMAT)
    assert reply.text == '{"n": 2}'
    if streamed:
        fleet = Fleet({"old": [ok('{"n": 2}')]})
        events, _ = fleet.stream(response_format=FORMAT)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == '{"n": 2}'


def test_nothing_is_copied_where_everything_is_carried() -> None:
    for dialect in ("openai", "anthropic", "gemini"):
        request = ChatRequest(messages=[{"role": "user", "content": "Hi"}], tools=TOOLS[1:])
        adapter = get(dialect)
        assert carried(request, adapter, "claude-sonnet-4-5") == (request, adapter, ())


def test_a_callers_own_body_is_in_the_providers_words_already() -> None:
    native = Native("anthropic", {"model": "m"})
    request = ChatRequest(messages=[{"role": "user", "content": "Hi"}], tools=TOOLS, native=native)
    assert carried(request, get("anthropic"), "m")[0] is request
    assert carried(request, get("openai"), "m")[0] is not request


def test_calls_whose_tools_are_gone_are_told_as_text() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "So.", "tool_calls": [_call("c1", "plain")]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
    ]
    assert told_as_text(messages) == [
        messages[0],
        {"role": "assistant", "content": "So.\n[called plain with {}]"},
        {"role": "user", "content": "[plain answered: 42]"},
    ]


def _call(id: str, name: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def _dialect(name: str) -> str:
    return {"gpt": "openai", "claude": "anthropic", "gem": "gemini"}[name]
