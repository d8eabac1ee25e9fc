"""What is asked of the adapters besides bodies: names, needs, hosts, and refusals that say what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.adapters.openai.hosts import host_of
from junctor.exceptions import ConfigError, InvalidRequest
from junctor.request import ChatRequest
from tests.adapters.cases import AUDIO, IMAGE_DATA, JSON_SCHEMA, PDF_FILE, TOOLS, asking, call, endpoint, text, user


def test_adapters_are_found_by_name_and_a_typo_is_corrected() -> None:
    assert adapters.names() == ("openai", "openai-responses", "anthropic", "gemini", "bedrock", "mistral")
    for name in adapters.names():
        assert adapters.get(name).name == name
        assert adapters.get(name).default_base_url.startswith("https://")
        assert adapters.get(name).key_env.endswith(("_API_KEY", "_TOKEN_BEDROCK"))
    with pytest.raises(ConfigError, match=r"'antropic' is not one of .*; did you mean 'anthropic'\?"):
        adapters.get("antropic")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (asking(), set()),
        (asking(tools=TOOLS), {"tools"}),
        (asking(tools=TOOLS, parallel_tool_calls=True), {"tools", "parallel_tools"}),
        (asking(tools=TOOLS, parallel_tool_calls=False), {"tools"}),
        (asking(messages=[user([text("x"), IMAGE_DATA]), user([PDF_FILE, AUDIO])]), {"images", "files", "audio"}),
        (asking(response_format=JSON_SCHEMA), {"structured_output"}),
        (asking(response_format={"type": "json_object"}), set()),
        (asking(effort="low"), {"reasoning"}),
        (asking(effort="none"), set()),
        (asking(logprobs=True), {"logprobs"}),
        (asking(top_logprobs=2), {"logprobs"}),
    ],
)
def test_needs_are_the_gates_words(request_: ChatRequest, words: set[str]) -> None:
    assert adapters.needs(request_) == words


@pytest.mark.parametrize("adapter", adapters.names())
@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, r"messages\[0\].role: 'robot' is not one of system"),
        ({"messages": [{"content": "x"}]}, r"messages\[0\].role: None is not one of"),
        ({"messages": [user(), {"role": "user", "content": [3]}]}, r"messages\[1\].content: list is not a string"),
        ({"messages": [user([{"type": "file", "file": {}}])]}, r"a part of type 'file' holds no data"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice: 'sometimes' is not one of"),
        ({"tools": TOOLS, "tool_choice": {"type": "other"}}, "tool_choice: .* is not one of"),
    ],
)
def test_a_request_that_cannot_be_said_is_refused_with_its_place(
    adapter: str, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        adapters.get(adapter).build(asking(**fields), endpoint(adapter))


@pytest.mark.parametrize("adapter", ["anthropic", "gemini", "bedrock", "mistral"])
def test_a_part_without_its_data_is_refused_where_it_must_be_translated(adapter: str) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\].content\[0\]: a part of type 'image_url' holds no data"):
        adapters.get(adapter).build(asking(messages=[user([{"type": "image_url"}])]), endpoint(adapter))


@pytest.mark.parametrize("adapter", ["anthropic", "gemini", "bedrock", "mistral"])
def test_a_part_without_a_word_in_the_dialect_is_refused_not_lost(adapter: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{adapter} takes no part of type 'video_url'"):
        adapters.get(adapter).build(asking(messages=[user([{"type": "video_url"}])]), endpoint(adapter))


def test_media_that_a_provider_cannot_take_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="anthropic takes no part of type 'input_audio'"):
        adapters.get("anthropic").build(asking(messages=[user([AUDIO])]), endpoint("anthropic"))
    word = {"type": "file", "file": {"filename": "a.bin", "file_data": "data:application/x-bin;base64,AA=="}}
    with pytest.raises(InvalidRequest, match="no file of type 'application/x-bin'"):
        adapters.get("anthropic").build(asking(messages=[user([word])]), endpoint("anthropic"))
    by_url = {"type": "file", "file": {"file_url": "https://example.com/a.pdf"}}
    with pytest.raises(InvalidRequest, match="take no file by address"):
        adapters.get("openai").build(asking(messages=[user([by_url])]), endpoint("openai"))
    assert b'"url":"https://example.com/a.pdf"' in (
        adapters.get("anthropic").build(asking(messages=[user([by_url])]), endpoint("anthropic")).body
    )
    broken = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,A"}}
    with pytest.raises(InvalidRequest, match="not base64"):
        adapters.get("openai").build(asking(messages=[user([broken])]), endpoint("openai"))


def test_a_tool_result_without_its_call_has_no_name_at_gemini() -> None:
    lost = [user(), {"role": "tool", "tool_call_id": "t9", "content": "x"}]
    with pytest.raises(InvalidRequest, match=r"messages\[1\].tool_call_id: 't9' answers no call before it"):
        adapters.get("gemini").build(asking(messages=lost), endpoint("gemini"))


@pytest.mark.parametrize("adapter", ["anthropic", "gemini", "bedrock", "mistral"])
def test_a_call_without_a_name_is_refused(adapter: str) -> None:
    nameless = [user(), {"role": "assistant", "tool_calls": [call("t1", "", "{}")]}]
    with pytest.raises(InvalidRequest, match=r"messages\[1\].tool_calls\[0\]: a tool call without a function name"):
        adapters.get(adapter).build(asking(messages=nameless), endpoint(adapter))


def test_a_message_without_content_is_refused_at_openai() -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\]: a user message without content"):
        adapters.get("openai").build(asking(messages=[{"role": "user"}]), endpoint("openai"))


def test_a_last_assistant_text_loses_its_trailing_space_at_anthropic() -> None:
    prefill = [user(), {"role": "assistant", "content": "The answer is: "}]
    body = json.loads(adapters.get("anthropic").build(asking(messages=prefill), endpoint("anthropic")).body)
    assert body["messages"][1]["content"][0]["text"] == "The answer is:"


COMPATIBLE = "http://10.0.0.7:8000/v1"


def compatible(request: ChatRequest, base_url: str = COMPATIBLE, **changes: Any) -> tuple[dict[str, Any], Any]:
    http = adapters.get("openai").build(request, endpoint("openai", base_url=base_url, model="qwen3", **changes))
    return json.loads(http.body), http


def test_a_compatible_host_gets_the_older_words() -> None:
    request = asking(
        messages=[{"role": "developer", "content": "Be brief."}, user()],
        max_tokens=9,
        top_k=40,
        temperature=0.2,
        effort="max",
        metadata={"team": "a"},
    )
    body, http = compatible(request)
    assert (body["max_tokens"], body["top_k"], body["temperature"]) == (9, 40, 0.2)
    assert "max_completion_tokens" not in body
    assert body["messages"][0]["role"] == "system"
    assert body["reasoning_effort"] == "max", "what efforts an unknown model knows is not ours to say"
    assert http.dropped == ("metadata",)


def test_hosts_are_known_by_their_domain_and_nothing_else() -> None:
    assert host_of("https://api.openai.com/v1").official
    assert host_of("https://eu.api.openai.com/v1").official
    assert not host_of("https://openai.com.evil.example/v1").official
    assert not host_of("https://myopenai.com/v1").official
    assert not host_of("not a url").official
    assert host_of("https://acme.openai.azure.com/openai/v1").azure
    assert not host_of("https://api.groq.com/openai/v1").top_k


def test_azure_gets_its_own_key_header_and_keeps_its_query() -> None:
    base = "https://acme.openai.azure.com/openai/deployments/gpt4?api-version=2025-04-01"
    _, http = compatible(asking(max_tokens=5), base)
    assert http.url == ("https://acme.openai.azure.com/openai/deployments/gpt4/chat/completions?api-version=2025-04-01")
    assert http.headers["api-key"] == "sk-canary-7f3a"
    assert "authorization" not in http.headers


def test_mistral_is_not_asked_for_stream_options() -> None:
    http = adapters.get("openai").build(
        asking(), endpoint("openai", base_url="https://api.mistral.ai/v1", model="mistral-small"), stream=True
    )
    assert "stream_options" not in json.loads(http.body)


def test_a_provider_that_is_named_with_its_path_keeps_it() -> None:
    http = adapters.get("gemini").build(asking(), endpoint("gemini", model="tunedModels/mine 1"))
    assert http.url.endswith("/v1beta/tunedModels/mine%201:generateContent")
