"""A caller's own body in its own dialect reaches the provider as it was written, but for what routing decides."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

from junctor import adapters
from junctor.request import ChatRequest, HttpRequest, Native
from tests.adapters import recorded
from tests.adapters.cases import asking, endpoint

AGENT: dict[str, Any] = {
    "model": "claude-opus",
    "max_tokens": 32000,
    "stream": True,
    "metadata": {"user_id": "u-1", "session": "s"},
    "system": [{"type": "text", "text": "You are careful.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "thinking": {"type": "enabled", "budget_tokens": 16000},
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "mcp_servers": [{"type": "url", "name": "docs", "url": "https://mcp.example/sse"}],
    "tools": [
        {"name": "Bash", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
    "messages": [
        {"role": "user", "content": "Look."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmF0dXJl"},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": [{"type": "text", "text": "denied"}],
                    "cache_control": {"type": "ephemeral"},
                }
            ],
        },
    ],
    "a_field_of_next_year": {"deep": [1, {"er": None}]},
}
HEADERS = {"Anthropic-Beta": "context-management-2025-06-27, mcp-client-2025-11-20", "anthropic-version": "2024-01-01"}


def native(body: dict[str, Any], dialect: str = "anthropic", **fields: Any) -> ChatRequest:
    return asking(native=Native(dialect, body, {**HEADERS, "x-stainless-os": "Linux"}), **fields)


def sent(request: ChatRequest, adapter: str = "anthropic", *, stream: bool = True, **place: Any) -> HttpRequest:
    return adapters.get(adapter).build(request, endpoint(adapter, **place), stream=stream)


def test_everything_that_an_agent_wrote_is_sent_and_only_the_model_is_another() -> None:
    body = copy.deepcopy(AGENT)
    http = sent(native(body, max_tokens=32000))
    assert json.loads(http.body) == {**AGENT, "model": "claude-sonnet-4-5"}
    assert http.dropped == ()
    assert body == AGENT, "the caller's body is left alone"


def test_the_order_of_keys_is_kept_because_prompt_caches_go_by_bytes() -> None:
    body = json.loads(sent(native(AGENT)).body)
    assert list(body) == list(AGENT)
    assert list(body["messages"][1]["content"][0]) == ["type", "thinking", "signature"]


def test_the_callers_betas_and_version_go_along_and_no_other_header() -> None:
    headers = sent(native(AGENT), headers={"anthropic-beta": "mcp-client-2025-11-20,own-1"}).headers
    assert headers["anthropic-beta"] == "context-management-2025-06-27,mcp-client-2025-11-20,own-1"
    assert headers["anthropic-version"] == "2024-01-01"
    assert headers["x-api-key"] == "sk-canary-7f3a"
    assert "x-stainless-os" not in headers


def test_streaming_is_as_the_call_wants_it() -> None:
    assert "stream" not in json.loads(sent(native(AGENT), stream=False).body)
    assert json.loads(sent(native({**AGENT, "stream": False})).body)["stream"] is True


def test_a_lower_bound_of_a_rule_holds_and_takes_the_thinking_budget_with_it() -> None:
    http = sent(native(AGENT, max_tokens=4000))
    body = json.loads(http.body)
    assert (body["max_tokens"], body["thinking"]) == (4000, {"type": "enabled", "budget_tokens": 3000})
    assert http.dropped == ("effort",)
    http = sent(native(AGENT, max_tokens=500))
    assert "thinking" not in json.loads(http.body)
    assert json.loads(http.body)["max_tokens"] == 500


def test_a_bound_above_the_callers_changes_nothing() -> None:
    """Interleaved thinking may have a budget above the bound: the caller's own numbers are not judged."""
    own = {**AGENT, "thinking": {"type": "enabled", "budget_tokens": 64000}}
    http = sent(native(own, max_tokens=50000))
    assert json.loads(http.body) == {**own, "model": "claude-sonnet-4-5"}


def test_the_deployments_own_bound_holds_and_is_reported() -> None:
    http = sent(native(AGENT), max_output_tokens=20000)
    assert json.loads(http.body)["max_tokens"] == 20000
    assert http.dropped == ("max_tokens",)


def test_a_rules_effort_applies_only_where_the_caller_says_nothing_of_it() -> None:
    silent = {key: value for key, value in AGENT.items() if key != "thinking"}
    silent |= {"messages": AGENT["messages"][:1], "temperature": 0.3, "output_config": {"format": {"type": "text"}}}
    kept = copy.deepcopy(silent)
    http = sent(native(silent, effort="low"), model="claude-opus-4-6")
    body = json.loads(http.body)
    assert body["output_config"] == {"format": {"type": "text"}, "effort": "low"}
    assert body["thinking"] == {"type": "adaptive"}
    assert "temperature" not in body
    assert http.dropped == ("temperature",)
    assert silent == kept
    for said in ({"thinking": {"type": "disabled"}}, {"output_config": {"effort": "max"}}):
        body = json.loads(sent(native({**silent, **said}, effort="low"), model="claude-opus-4-6").body)
        assert said.items() <= body.items()
        assert body["temperature"] == 0.3


def test_options_of_the_call_are_laid_over_the_callers_body() -> None:
    http = sent(native(AGENT, provider_options={"anthropic": {"metadata": {"user_id": "u-2"}}, "gemini": {"x": 1}}))
    assert json.loads(http.body)["metadata"] == {"user_id": "u-2", "session": "s"}
    assert AGENT["metadata"] == {"user_id": "u-1", "session": "s"}


def test_a_body_of_another_dialect_is_not_sent() -> None:
    for adapter in adapters.names():
        dialect = "gemini" if adapter != "gemini" else "anthropic"
        told = native({"secret_field": 1}, dialect)
        plain = msgspec.structs.replace(told, native=None)
        assert sent(told, adapter) == sent(plain, adapter)


GEMINI: dict[str, Any] = {
    "contents": [{"role": "model", "parts": [{"text": "Hi", "thoughtSignature": "c2ln"}]}],
    "tools": [{"googleSearch": {}}, {"codeExecution": {}}],
    "cachedContent": "cachedContents/1",
    "generationConfig": {"maxOutputTokens": 900, "imageConfig": {"aspectRatio": "1:1"}},
    "labels": {"team": "a"},
}


def test_a_gemini_body_is_sent_as_it_was_written() -> None:
    http = sent(native(GEMINI, "gemini"), "gemini")
    assert json.loads(http.body) == GEMINI
    assert http.url.endswith("/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    assert "anthropic-beta" not in http.headers


def test_bound_and_effort_reach_a_gemini_body_in_the_spelling_it_uses() -> None:
    body = json.loads(sent(native(GEMINI, "gemini", max_tokens=100, effort="low"), "gemini").body)
    assert body["generationConfig"]["maxOutputTokens"] == 100
    assert body["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1"}
    assert body["generationConfig"]["thinkingConfig"]["thinkingBudget"] > 0
    snake = {"contents": [], "generation_config": {"max_output_tokens": 900, "thinking_config": {"thinking_budget": 1}}}
    body = json.loads(sent(native(snake, "gemini", max_tokens=100, effort="low"), "gemini").body)
    assert body == {
        "contents": [],
        "generation_config": {"max_output_tokens": 100, "thinking_config": {"thinking_budget": 1}},
    }
    assert GEMINI["generationConfig"]["maxOutputTokens"] == 900


RECORDED = [
    row
    for row in recorded.rows()
    if recorded.adapter_of(row) in ("anthropic", "gemini") and recorded.request_of(row["id"]).get("json")
]


def test_every_recorded_body_would_have_been_sent_as_it_was_written() -> None:
    """What real clients of Anthropic and Gemini wrote, betas and all, is sent on without a change."""
    if not RECORDED:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    for row in RECORDED:
        adapter, body = recorded.adapter_of(row), recorded.request_of(row["id"])["json"]
        request = native(body, adapter, max_tokens=body.get("max_tokens"))
        http = sent(request, adapter, model=body.get("model", "gemini-2.5-flash"), stream=bool(body.get("stream")))
        assert json.loads(http.body) | {"stream": None} == body | {"stream": None}, row["id"]
        assert http.dropped == ()
    assert len(RECORDED) > 180
