"""A reply goes back into the conversation: whole to its own provider, understandable to every other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.reply import Reply
from junctor.request import ChatRequest
from tests.adapters import recorded
from tests.adapters.cases import ABSENT, ADAPTERS, TOOLS, at, endpoint, user
from tests.adapters.test_replies import ANTHROPIC_ANSWERS, GEMINI_ANSWERS, calls, completion, parse
from tests.adapters.test_responses import RESPONSES_ANSWERS, answer, called, thought

CALLING: dict[str, Any] = {
    "openai": completion({"content": None, "tool_calls": calls(("a", "f", '{"x":1}'), ("b", "g", "{}"))}, "tool_calls"),
    "openai-responses": answer(thought("Hm"), called("a", "f", '{"x":1}'), called("b", "g", "{}")),
    "anthropic": ANTHROPIC_ANSWERS["parallel calls"],
    "gemini": GEMINI_ANSWERS["parallel calls"],
}
"""An answer of each dialect with two calls at once."""


def rebuilt(adapter: str, *messages: Any, **place: Any) -> dict[str, Any]:
    request = ChatRequest(messages=[user(), *messages], tools=TOOLS)
    body: dict[str, Any] = json.loads(adapters.get(adapter).build(request, endpoint(adapter, **place)).body)
    return body


def results(reply: Reply) -> list[dict[str, Any]]:
    return [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in reply.tool_calls]


@pytest.mark.parametrize("name", [name for name in ANTHROPIC_ANSWERS if name != "nothing"])
def test_anthropics_blocks_go_back_to_the_same_model_as_they_came(name: str) -> None:
    body = ANTHROPIC_ANSWERS[name]
    reply = parse("anthropic", body)
    back = rebuilt("anthropic", reply.message, *results(reply), model="claude-x-20260101")
    assert back["messages"][1]["content"] == body["content"]


def test_another_model_of_anthropic_gets_no_foreign_signature() -> None:
    """Thinking blocks are bound to the model that wrote them; another one refuses them."""
    reply = parse("anthropic", ANTHROPIC_ANSWERS["thinking before a call"])
    back = rebuilt("anthropic", reply.message, *results(reply), model="claude-opus-4-8")
    assert [block["type"] for block in back["messages"][1]["content"]] == ["text", "tool_use"]


def test_geminis_parts_go_back_as_they_came_without_thought_summaries() -> None:
    reply = parse("gemini", GEMINI_ANSWERS["signed call"])
    back = rebuilt("gemini", reply.message, *results(reply), model="gemini-3-pro-preview")
    assert back["contents"][1]["parts"] == [
        {"functionCall": {"name": "g", "args": {}, "id": "n1"}, "thoughtSignature": "c2ln"}
    ]
    assert back["contents"][2]["parts"][0]["functionResponse"] == {
        "name": "g",
        "response": {"output": "ok"},
        "id": "n1",
    }


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.deepseek.com/v1", "reasoning_content"),
        ("https://openrouter.ai/api/v1", "reasoning_details"),
        ("https://api.openai.com/v1", None),
        ("https://api.groq.com/openai/v1", None),
    ],
)
def test_a_hosts_reasoning_goes_back_only_where_it_is_wanted(base_url: str, field: str | None) -> None:
    details = [{"type": "reasoning.text", "text": "Hm", "signature": "s"}]
    reply = parse("openai", completion({"content": "4", "reasoning_content": "Hm", "reasoning_details": details}))
    back = rebuilt("openai", reply.message, base_url=base_url)["messages"][1]
    assert {key for key in back if key.startswith("reasoning")} == ({field} if field else set())
    assert "provider_fields" not in back


@pytest.mark.parametrize("target", ADAPTERS)
@pytest.mark.parametrize("source", ["anthropic", "gemini", "openai-responses"])
def test_every_other_provider_understands_the_message(source: str, target: str) -> None:
    responses = {name: answer(*output) for name, output in RESPONSES_ANSWERS.items()}
    answers = {"anthropic": ANTHROPIC_ANSWERS, "gemini": GEMINI_ANSWERS, "openai-responses": responses}[source]
    for name, body in answers.items():
        reply = parse(source, body)
        back = rebuilt(target, reply.message, *results(reply), user("And?"))
        text = json.dumps(back)
        if source != target:
            assert "signature" not in text.lower(), name
            assert "encrypted_content" not in text, name
            assert "provider_fields" not in text
        assert reply.text in text
        for call in reply.tool_calls:
            assert call.name in text, name
            assert "ok" in text


@pytest.mark.parametrize("target", ADAPTERS)
@pytest.mark.parametrize("source", ADAPTERS)
def test_a_tool_loop_begun_anywhere_goes_on_anywhere_and_comes_back(source: str, target: str) -> None:
    """Two turns with parallel calls: the first of `source`, the second of `target`, the third of `source` again."""
    first, second = (parse(dialect, CALLING[dialect]) for dialect in (source, target))
    assert [len(reply.tool_calls) for reply in (first, second)] == [2, 2]
    turns = [first.message, *results(first), second.message, *results(second)]
    for dialect in (target, source):
        body = rebuilt(dialect, *turns)
        text = json.dumps(body)
        assert sum(text.count(f'"name": "{name}"') for name in ("f", "g")) >= 4, "no call is lost"
        assert text.count("ok") >= 4, "no result is lost"
        assert "provider_fields" not in text


def test_what_the_official_openai_api_does_not_know_is_left_out() -> None:
    message = {"role": "assistant", "content": "Hi", "thinking_blocks": [], "reasoning_content": "Hm", "name": "bot"}
    assert rebuilt("openai", message)["messages"][1] == {"role": "assistant", "content": "Hi", "name": "bot"}
    vllm = rebuilt("openai", message, base_url="http://10.0.0.7:8000/v1")["messages"][1]
    assert vllm["reasoning_content"] == "Hm", "an unknown host may want what the caller wrote"


def test_audio_goes_back_by_its_id() -> None:
    reply = parse("openai", completion({"content": None, "audio": {"id": "a1", "data": "x", "transcript": "Hi"}}))
    assert rebuilt("openai", reply.message)["messages"][1]["audio"] == {"id": "a1"}


def test_recorded_answers_go_back_to_their_own_provider() -> None:
    rows = recorded.rows(stream=False, errors=False)
    if not rows:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    seen = 0
    for row in rows:
        adapter = recorded.adapter_of(row)
        found = recorded.response_of(row["id"])
        reply = adapters.get(adapter).parse(200, {}, json.dumps(found["json"]).encode())
        if not isinstance(reply, Reply) or adapter.startswith("openai"):
            continue
        back = rebuilt(adapter, reply.message, *results(reply), model=reply.model)
        if adapter == "anthropic" and "provider_fields" in reply.message:
            assert back["messages"][1]["content"] == found["json"]["content"], row["id"]
            seen += 1
        elif adapter == "gemini" and "provider_fields" in reply.message:
            parts = found["json"]["candidates"][0]["content"]["parts"]
            kept = [part for part in parts if not part.get("thought") or "thoughtSignature" in part]
            assert back["contents"][1]["parts"] == kept, row["id"]
            seen += 1
    assert seen > 80


def test_no_place_is_invented_by_the_path_reader() -> None:
    assert at({"a": [{"b": 1}]}, "a.0.b") == 1
    assert at({"a": [{"b": 1}]}, "a.1.b") == ABSENT
