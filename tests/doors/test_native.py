"""What a caller says to a provider of its own dialect arrives, whatever it is; what is ours does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.doors import find
from junctor.doors.carry import packed
from junctor.receipts import Receipt
from junctor.testing.scripted import ok
from tests.client.stage import Stage
from tests.doors.visit import CHAT, MESSAGES, RESPONSES, incoming, visit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(st.from_regex(r"x_[a-z]{1,8}", fullmatch=True), JSON, max_size=3)


@st.composite
def messages_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """An Anthropic request with fields that nobody here has heard of, at every level."""
    blocks = [
        {"type": "text", "text": "Hi", **draw(UNKNOWN)},
        {"type": "block_of_next_week", **draw(UNKNOWN)},
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "x"}], **draw(UNKNOWN)},
    ]
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": draw(st.text(min_size=1, max_size=9)), "x": 1}
    turns = [
        {"role": "user", "content": "Begin", **draw(UNKNOWN)},
        {"role": "assistant", "content": [thinking, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
        {"role": "user", "content": blocks, **draw(UNKNOWN)},
    ]
    tool = {"name": "f", "input_schema": {"type": "object"}, **draw(UNKNOWN)}
    return {"model": "g", "max_tokens": 10, "messages": turns, "tools": [tool], **draw(UNKNOWN)}


@settings(max_examples=60)
@given(messages_bodies())
def test_an_anthropic_request_arrives_as_it_was_written(body: dict[str, Any]) -> None:
    """All but the model, which is the deployment's."""
    stage = Stage({"a": [ok("x")]}, dialect="anthropic")
    assert visit(stage, MESSAGES, body).status == 200
    assert stage.provider.sent[0].json() == {**body, "model": "scripted-model"}


@settings(max_examples=60)
@given(messages_bodies())
def test_the_body_that_is_passed_on_is_the_callers_own_object(body: dict[str, Any]) -> None:
    """Nothing is copied where nothing has to change: a prompt of megabytes is decoded once."""
    door = find("POST", MESSAGES)
    assert door is not None
    asked = door.read(incoming(MESSAGES, body))
    assert asked.options["native"].body == body


@settings(max_examples=100)
@given(UNKNOWN, UNKNOWN, UNKNOWN)
def test_an_openai_request_keeps_what_is_unknown(top: dict[str, Any], inner: dict[str, Any], part: Any) -> None:
    """In the body, in messages and in their parts."""
    content = [{"type": "text", "text": "Hi", **part}]
    body = {"model": "g", "messages": [{"role": "user", "content": content, **inner}], **top}
    for path, name in ((CHAT, "messages"), (RESPONSES, "input")):
        door = find("POST", path)
        assert door is not None
        asked = door.read(incoming(path, {**body, name: body["messages"]}))
        native = asked.options["native"].body
        assert native[name] == body["messages"]
        assert {key: native[key] for key in top} == top


def test_betas_and_version_are_forwarded_and_nothing_else() -> None:
    """Headers that belong to the request; credentials and hop-by-hop headers are not among them."""
    stage = Stage({"a": [ok("x")]}, dialect="anthropic")
    body = {"model": "g", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"anthropic_beta": "context-1m", "anthropic_version": "2023-06-01", "authorization": "Bearer mine"}
    visit(stage, MESSAGES, body, None, **headers, cookie="c", x_api_key="mine")
    sent = {name.lower(): value for name, value in stage.provider.sent[0].request.headers.items()}
    assert sent["anthropic-beta"] == "context-1m"
    assert "mine" not in json.dumps({**sent, "url": stage.provider.sent[0].request.url})
    assert "cookie" not in sent


def test_what_is_ours_never_reaches_a_provider() -> None:
    """Carried blocks, marked thinking, provider_fields and marked metadata are taken out of the body that is sent."""
    stage = Stage({"a": [ok("x")]}, dialect="anthropic")
    theirs = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    ours = [
        {"type": "thinking", "thinking": "shown", "signature": packed(None)},
        {"type": "redacted_thinking", "data": packed({"gemini": {"parts": []}})},
    ]
    turn = {"role": "assistant", "content": [ours[0], theirs, {"type": "text", "text": "So."}, ours[1]]}
    user = {"role": "user", "content": "Hi"}
    metadata = {"user_id": "u", "junctor_task": "chat"}
    visit(stage, MESSAGES, {"model": "g", "max_tokens": 9, "messages": [user, turn, user], "metadata": metadata})
    sent = stage.provider.sent[0].json()
    assert sent["messages"][1]["content"] == [theirs, {"type": "text", "text": "So."}]
    assert sent["metadata"] == {"user_id": "u"}
    door = find("POST", CHAT)
    assert door is not None
    assistant = {"role": "assistant", "content": "So.", "provider_fields": {"gemini": {"parts": []}}}
    asked = door.read(incoming(CHAT, {"model": "g", "messages": [user, assistant, user], "metadata": metadata}))
    assert asked.options["native"].body["messages"][1] == {"role": "assistant", "content": "So."}
    assert asked.options["messages"][1] == assistant
    assert asked.options["native"].body["metadata"] == {"user_id": "u"}
    assert asked.options["task"] == "chat"


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_what_only_a_store_can_honour_is_refused_by_name(dialect: str) -> None:
    """Sent where somebody keeps things, refused everywhere else instead of silently forgotten."""
    stage = Stage({"a": [ok("x")] * 9}, dialect=dialect)
    for name, value in (("previous_response_id", "resp_1"), ("background", True), ("store", True)):
        seen = visit(stage, RESPONSES, {"model": "g", "input": "Hi", name: value})
        assert (seen.status, name in seen.json()["error"]["message"]) == (400, True)
    assert visit(stage, RESPONSES, {"model": "g", "input": "Hi", "store": False}).status == 200


def test_hosted_tools_are_left_out_elsewhere_and_the_receipt_says_so() -> None:
    """A web search that Anthropic or OpenAI hosts is no tool of Gemini's; the caller's own tools stay."""
    receipts: list[Receipt] = []
    stage = Stage({"a": [ok("x")] * 2}, dialect="gemini", on_receipt=receipts.append)
    own = {"name": "f", "input_schema": {"type": "object"}}
    tools = [own, {"type": "web_search_20250305", "name": "web_search"}]
    user = {"role": "user", "content": "Hi"}
    visit(stage, MESSAGES, {"model": "g", "max_tokens": 9, "messages": [user], "tools": tools})
    function = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    visit(stage, RESPONSES, {"model": "g", "input": "Hi", "tools": [function, {"type": "web_search"}]})
    stage.tell()
    for sent in stage.provider.sent:
        names = [item["name"] for tool in sent.json()["tools"] for item in tool["functionDeclarations"]]
        assert names == ["f"]
    assert [receipt.dropped for receipt in receipts] == [("tools.web_search_20250305",), ("tools.web_search",)]
