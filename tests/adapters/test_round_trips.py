"""A reply goes back into the conversation: whole to its own provider, understandable to every other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.adapters.draft import name_model
from junctor.reply import Reply
from junctor.request import ChatRequest
from tests.adapters import recorded
from tests.adapters.cases import ABSENT, MODELS, TOOLS, at, endpoint, user
from tests.adapters.test_replies import ANTHROPIC_ANSWERS, GEMINI_ANSWERS, calls, completion, parse
from tests.adapters.test_responses import RESPONSES_ANSWERS, answer, called, thought

SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}}


def converse(*content: dict[str, Any], reason: str = "end_turn") -> dict[str, Any]:
    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": reason,
        "usage": usage,
    }


def use(id: str, name: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": id, "name": name, "input": arguments, **more}}


BEDROCK_ANSWERS = {
    "text": converse({"text": "Hi"}),
    "parallel calls": converse(use("a", "f", {"x": 1}), use("b", "g", {}), reason="tool_use"),
    "reasoning before a call": converse(SIGNED, {"text": "Let me see."}, use("a", "f", {"x": 1}), reason="tool_use"),
    "hidden reasoning": converse({"reasoningContent": {"redactedContent": "aGlkZGVu"}}, {"text": "4"}),
    "a tool of the server": converse(
        use("s", "nova_grounding", {"q": "x"}, type="server_tool_use"),
        {"toolResult": {"toolUseId": "s", "content": [{"text": "found"}], "status": "success"}},
        {"text": "4"},
    ),
    "citations": converse(
        {"citationsContent": {"content": [{"text": "It rains"}], "citations": [{"title": "news"}]}}, {"text": "."}
    ),
}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "closed": True, "signature": "c2ln"}
MISTRAL_ANSWERS = {
    "text": completion({"content": "Hi"}),
    "parallel calls": completion(
        {"content": "", "tool_calls": calls(("aB3dE6gH9", "f", '{"x":1}'), ("aB3dE6gH8", "g", "{}"))}, "tool_calls"
    ),
    "thinking": {**completion({"content": [THOUGHT, {"type": "text", "text": "4"}]}), "model": "magistral-x"},
}

CALLING: dict[str, Any] = {
    "openai": completion({"content": None, "tool_calls": calls(("a", "f", '{"x":1}'), ("b", "g", "{}"))}, "tool_calls"),
    "openai-responses": answer(thought("Hm"), called("a", "f", '{"x":1}'), called("b", "g", "{}")),
    "anthropic": ANTHROPIC_ANSWERS["parallel calls"],
    "gemini": GEMINI_ANSWERS["parallel calls"],
    "bedrock": BEDROCK_ANSWERS["parallel calls"],
    "mistral": MISTRAL_ANSWERS["parallel calls"],
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


NOVA, SONNET = "us.amazon.nova-2-lite-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize("name", BEDROCK_ANSWERS)
def test_bedrocks_blocks_go_back_to_the_same_model_as_they_came_wherever_it_runs(name: str) -> None:
    """Bedrock does not say who answered: the client does, and so the same model in another region is the same model."""
    body = BEDROCK_ANSWERS[name]
    reply = parse("bedrock", body)
    name_model(reply, NOVA)
    content = body["output"]["message"]["content"]
    for model in (NOVA, NOVA.replace("us.", "eu.")):
        back = rebuilt("bedrock", reply.message, *results(reply), model=model)
        assert back["messages"][1]["content"] == content
    other = rebuilt("bedrock", reply.message, *results(reply), model=SONNET)
    assert all(block.keys() <= {"text", "toolUse"} for block in other["messages"][1]["content"])
    assert "nova_grounding" not in json.dumps(other)


def test_bedrocks_blocks_lose_the_types_that_no_request_takes() -> None:
    """Some answers carry a `type` that Bedrock itself refuses to see again."""
    reply = parse("bedrock", converse(SIGNED, {"type": "text", "text": "4"}, use("a", "f", {}, type="tool_use")))
    name_model(reply, NOVA)
    back = rebuilt("bedrock", reply.message, *results(reply), model=NOVA)
    assert back["messages"][1]["content"] == [SIGNED, {"text": "4"}, use("a", "f", {})]


def test_mistrals_thoughts_go_back_to_the_same_model_as_they_came() -> None:
    reply = parse("mistral", MISTRAL_ANSWERS["thinking"])
    assert (reply.text, reply.reasoning) == ("4", "Hm")
    content = [THOUGHT, {"type": "text", "text": "4"}]
    assert rebuilt("mistral", reply.message, user(), model="magistral-x")["messages"][1]["content"] == content
    assert rebuilt("mistral", reply.message, user(), model="codestral")["messages"][1]["content"] == "4"


@pytest.mark.parametrize("target", adapters.names())
@pytest.mark.parametrize("source", ["anthropic", "gemini", "openai-responses", "bedrock", "mistral"])
def test_every_other_provider_understands_the_message(source: str, target: str) -> None:
    responses = {name: answer(*output) for name, output in RESPONSES_ANSWERS.items()}
    answers = {
        "anthropic": ANTHROPIC_ANSWERS,
        "gemini": GEMINI_ANSWERS,
        "openai-responses": responses,
        "bedrock": BEDROCK_ANSWERS,
        "mistral": MISTRAL_ANSWERS,
    }[source]
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


@pytest.mark.parametrize("target", adapters.names())
@pytest.mark.parametrize("source", adapters.names())
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
        elif adapter == "mistral" and "provider_fields" in reply.message:
            assert back["messages"][1]["content"] == found["json"]["choices"][0]["message"]["content"], row["id"]
            seen += 1
        elif adapter == "bedrock" and "provider_fields" in reply.message:
            name_model(reply, MODELS["bedrock"])
            back = rebuilt(adapter, reply.message, *results(reply))
            content = found["json"]["output"]["message"]["content"]
            assert [block.keys() - {"type"} for block in content] == [
                block.keys() for block in back["messages"][1]["content"]
            ]
            assert [block.get("reasoningContent") for block in content] == [
                block.get("reasoningContent") for block in back["messages"][1]["content"]
            ], row["id"]
            seen += 1
    assert seen > 110


def test_no_place_is_invented_by_the_path_reader() -> None:
    assert at({"a": [{"b": 1}]}, "a.0.b") == 1
    assert at({"a": [{"b": 1}]}, "a.1.b") == ABSENT
