"""A caller's own body in the endpoint's dialect is sent on: only what routing decides is written anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.request import ChatRequest, HttpRequest, Native
from tests.adapters import recorded
from tests.adapters.cases import PIXEL, endpoint, user

VLLM = "http://10.0.0.7:8000/v1"


def sent(
    dialect: str, body: dict[str, Any], *, stream: bool = False, place: Any = None, **asked: Any
) -> tuple[dict[str, Any], HttpRequest]:
    request = ChatRequest(messages=[user("the canonical form, not looked at")], native=Native(dialect, body), **asked)
    http = adapters.get(dialect).build(request, endpoint(dialect, **(place or {})), stream=stream)
    return json.loads(http.body), http


CHAT: dict[str, Any] = {
    "model": "asked",
    "messages": [
        {"role": "developer", "content": "Be brief.", "field_of_2027": 1},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "x"}}]},
    ],
    "verbosity": "low",
    "web_search_options": {},
    "prediction": {"type": "content", "content": "x"},
    "x_of_2027": {"deep": [1, {"y": None}]},
}
RESPONSE: dict[str, Any] = {
    "model": "asked",
    "input": [{"role": "user", "content": "Hi"}, {"type": "reasoning", "id": "rs_1", "encrypted_content": "gA=="}],
    "instructions": "Be brief.",
    "previous_response_id": "resp_0",
    "store": True,
    "text": {"verbosity": "low"},
    "x_of_2027": {"deep": [1, {"y": None}]},
}
BODIES: dict[str, dict[str, Any]] = {"openai": CHAT, "openai-responses": RESPONSE}


@pytest.mark.parametrize("dialect", BODIES)
def test_everything_but_the_model_is_the_callers_own(dialect: str) -> None:
    body, http = sent(dialect, BODIES[dialect])
    assert body == {**BODIES[dialect], "model": "gpt-4.1"}
    assert http.dropped == ()
    assert BODIES[dialect]["model"] == "asked", "the caller's body is not touched"


@pytest.mark.parametrize("dialect", BODIES)
def test_how_the_answer_comes_is_the_routers_choice(dialect: str) -> None:
    options = {"include_usage": False, "include_obfuscation": False}
    asked = {**BODIES[dialect], "stream": True, "stream_options": options}
    whole, _ = sent(dialect, asked)
    assert whole == {**BODIES[dialect], "model": "gpt-4.1"}
    streamed, _ = sent(dialect, asked, stream=True)
    counted = {**options, "include_usage": True} if dialect == "openai" else options
    assert (streamed["stream"], streamed["stream_options"]) == (True, counted)
    plain, _ = sent(dialect, BODIES[dialect], stream=True)
    assert plain.get("stream_options") == ({"include_usage": True} if dialect == "openai" else None)


@pytest.mark.parametrize(
    ("dialect", "given", "word"),
    [
        ("openai", "max_completion_tokens", "max_completion_tokens"),
        ("openai", "max_tokens", "max_completion_tokens"),
        ("openai-responses", "max_output_tokens", "max_output_tokens"),
    ],
)
def test_a_bound_is_lowered_and_never_raised(dialect: str, given: str, word: str) -> None:
    for asked, allowed, bound in ((900, 100, 100), (50, 100, 50), (None, 100, 100), (900, None, 900)):
        own = {**BODIES[dialect], **({} if asked is None else {given: asked})}
        body, http = sent(dialect, own, max_tokens=allowed)
        assert body[word] == bound
        assert (given == word) or given not in body
        assert http.dropped == ()
    assert word not in sent(dialect, BODIES[dialect])[0], "nobody bounds it"


def test_an_effort_is_filled_in_where_the_caller_named_none() -> None:
    place = {"model": "gpt-5.1"}
    assert sent("openai", CHAT, effort="low", place=place)[0]["reasoning_effort"] == "low"
    own = {**CHAT, "reasoning_effort": "high"}
    assert sent("openai", own, effort="low", place=place)[0]["reasoning_effort"] == "high"
    assert sent("openai-responses", RESPONSE, effort="low", place=place)[0]["reasoning"] == {"effort": "low"}
    asked = {**RESPONSE, "reasoning": {"summary": "auto"}}
    filled = sent("openai-responses", asked, effort="low", place=place)[0]["reasoning"]
    assert filled == {"summary": "auto", "effort": "low"}
    for dialect in BODIES:
        body, http = sent(dialect, BODIES[dialect], effort="low")
        assert body == {**BODIES[dialect], "model": "gpt-4.1"}
        assert http.dropped == ("effort",), "a model that does not reason"


@pytest.mark.parametrize("dialect", BODIES)
def test_what_the_model_is_known_to_refuse_is_left_out_and_told(dialect: str) -> None:
    """The caller named a group, not this model: a temperature that its other members take must not fail here."""
    own = {**BODIES[dialect], "temperature": 0.2, "top_p": 1, "top_logprobs": 2}
    body, http = sent(dialect, own, place={"model": "o3"})
    assert body == {**BODIES[dialect], "model": "o3"}
    assert http.dropped == ("temperature", "top_logprobs")
    assert sent(dialect, own)[0] == {**own, "model": "gpt-4.1"}


def test_tools_beside_reasoning_need_no_effort_in_chats_of_newer_models() -> None:
    own = {**CHAT, "tools": [{"type": "function", "function": {"name": "f"}}], "reasoning_effort": "high"}
    body, http = sent("openai", own, place={"model": "gpt-5.4"})
    assert (body["reasoning_effort"], http.dropped) == ("none", ("effort",))


def test_words_that_are_named_otherwise_at_the_host_are_translated() -> None:
    own = {**CHAT, "max_completion_tokens": 9}
    body, http = sent("openai", own, place={"base_url": VLLM})
    assert body["max_tokens"] == 9
    assert "max_completion_tokens" not in body
    assert body["messages"][0] == {"role": "system", "content": "Be brief.", "field_of_2027": 1}
    assert body["messages"][1:] == CHAT["messages"][1:]
    assert http.dropped == ()


def test_marks_of_ours_and_of_other_providers_stay_behind() -> None:
    marked = {"type": "ephemeral"}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": marked}], "cache_control": marked},
        {"role": "assistant", "content": "Yes", "provider_fields": {"anthropic": {"content": []}}},
    ]
    told, _ = sent("openai", {"messages": messages})
    assert told["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "Yes"},
    ]
    openrouter, _ = sent("openai", {"messages": messages}, place={"base_url": "https://openrouter.ai/api/v1"})
    assert openrouter["messages"][0] == messages[0], "it passes cache marks on"
    assert "provider_fields" not in json.dumps(openrouter)


def test_a_body_of_another_dialect_is_not_sent() -> None:
    request = ChatRequest(messages=[user()], native=Native("anthropic", {"messages": [], "system": "x"}))
    for dialect in BODIES:
        assert b"system" not in adapters.get(dialect).build(request, endpoint(dialect)).body


@pytest.mark.parametrize("dialect", BODIES)
def test_every_recorded_request_goes_on_as_it_was(dialect: str) -> None:
    rows = [row for row in recorded.rows(errors=False) if recorded.adapter_of(row) == dialect]
    if not rows:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    seen = 0
    for row in rows:
        asked = recorded.request_of(row["id"]).get("json")
        if not isinstance(asked, dict) or row["provider"] not in ("openai", "azure"):
            continue
        if any("cache_control" in json.dumps(part) or "max_tokens" in asked for part in asked.get("messages") or ()):
            continue
        body, http = sent(dialect, asked, stream=bool(asked.get("stream")), place={"model": asked["model"]})
        want = dict(asked)
        if not want.get("stream"):
            want.pop("stream", None)
        elif dialect == "openai":
            want["stream_options"] = {"include_usage": True, **(want.get("stream_options") or {})}
        for name in http.dropped:
            want.pop(name, None)
        for name, usual in (("temperature", 1), ("top_p", 1), ("reasoning_effort", "none")):
            if want.get(name) == usual or body.get(name) == usual:
                want.pop(name, None)
                body.pop(name, None)
        assert body == want, row["id"]
        seen += 1
    assert seen > 40
