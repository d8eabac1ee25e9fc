"""One table of requests × all adapters: each body says what the case means and is valid by the SDK's own types."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest

from junctor import adapters
from junctor.exceptions import InvalidRequest
from junctor.request import HttpRequest
from tests.adapters import further_cases, judged, responses_cases
from tests.adapters.cases import ADAPTERS, BASES, CASES, KEY, MODELS, Case, at, endpoint
from tests.adapters.effort_cases import EFFORT_CASES
from tests.adapters.further_cases import BESIDES, FURTHER, FURTHER_CASES, REFUSED
from tests.adapters.responses_cases import RESPONSES_CASES

SAYS: dict[str, dict[str, dict[str, Any]]] = {responses_cases.NAME: responses_cases.SAYS, **further_cases.SAYS}
DROPPED = {responses_cases.NAME: responses_cases.DROPPED, **further_cases.DROPPED}
EVERY = (*ADAPTERS, *FURTHER)


def asked_of(case: Case) -> tuple[str, ...]:
    """The adapters that a case of the common table is for."""
    more = FURTHER if case.only == ADAPTERS else BESIDES.get(case.name, ())
    return (*case.only, *(adapter for adapter in more if case.name not in REFUSED[adapter]))


ALL = [(case, adapter) for case in CASES for adapter in asked_of(case)] + [
    (case, adapter) for case in [*EFFORT_CASES, *RESPONSES_CASES, *FURTHER_CASES] for adapter in case.only
]
EACH = pytest.mark.parametrize(("case", "adapter"), ALL, ids=[f"{adapter}-{case.name}" for case, adapter in ALL])


def build(case: Case, adapter: str) -> HttpRequest:
    place = endpoint(
        adapter,
        model=case.models.get(adapter, MODELS[adapter]),
        base_url=case.base_urls.get(adapter, BASES[adapter]),
    )
    return adapters.get(adapter).build(case.request, place, stream=case.stream)


WRONG: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "top_k": 3},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "words": "Hi"}]}]},
        {"model": "m", "messages": [{"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}}]},
    ],
    "openai-responses": [
        {"model": "m", "input": "Hi", "max_tokens": 3},
        {"model": "m", "input": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"model": "m", "input": "Hi", "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"model": "m", "input": [{"type": "function_call_output", "call_id": "c"}]},
    ],
    "anthropic": [
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        {"model": "m", "max_tokens": 1, "messages": [{"role": "tool", "content": "Hi"}]},
        {"model": "m", "max_tokens": 1, "messages": [], "response_format": {}},
        {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text"}]}]},
    ],
    "gemini": [
        {"contents": [{"role": "user", "parts": [{"words": "Hi"}]}]},
        {"contents": [], "generationConfig": {"max_tokens_to_sample": 3}},
    ],
    "bedrock": [
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"text": "Hi", "image": {}}]}]},
        {"messages": [{"role": "tool", "content": [{"text": "Hi"}]}]},
        {"messages": [], "inferenceConfig": {"temperature": 1.5}},
        {"messages": [], "modelFields": {}},
        {"messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "a b", "content": []}}]}]},
    ],
    "mistral": [
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 3},
        {"model": "m", "messages": [{"role": "user", "content": "Hi", "cache_control": {}}]},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "title": "x"}]}]},
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [{"function": {"name": "f"}}]},
    ],
}


@lru_cache(maxsize=len(EVERY))
def verdicts(adapter: str) -> dict[str, str | None] | str:
    """The SDK's verdict on every case, and on wrong bodies, by name; or a text saying that the SDK is absent."""
    bodies = {case.name: build(case, adapter).body.decode() for case, name in ALL if name == adapter}
    bodies |= {f"wrong {place}": json.dumps(body) for place, body in enumerate(WRONG[adapter])}
    return judged.verdicts(adapter, bodies)


@EACH
def test_the_official_sdk_accepts_the_body(case: Case, adapter: str) -> None:
    found = verdicts(adapter)
    if isinstance(found, str):
        pytest.skip(f"the official SDK of {adapter} is not installed: {found}")
    assert found[case.name] is None


@pytest.mark.parametrize("adapter", EVERY)
def test_the_official_sdk_refuses_wrong_bodies(adapter: str) -> None:
    """The oracle is strict: it would notice an unknown key, a missing one, and both inside a list."""
    found = verdicts(adapter)
    if isinstance(found, str):
        pytest.skip(f"the official SDK of {adapter} is not installed: {found}")
    assert all(found[f"wrong {place}"] for place in range(len(WRONG[adapter])))


@EACH
def test_the_body_says_what_the_request_means(case: Case, adapter: str) -> None:
    body = json.loads(build(case, adapter).body)
    further = SAYS.get(adapter, {}).get(case.name, {})
    for path, value in {**further, **case.says.get(adapter, {})}.items():
        assert at(body, path) == value, path


@EACH
def test_what_cannot_be_said_is_reported_and_nothing_else_is(case: Case, adapter: str) -> None:
    further = DROPPED.get(adapter, {}).get(case.name, ())
    assert build(case, adapter).dropped == case.dropped.get(adapter, further)


@pytest.mark.parametrize("adapter", SAYS)
def test_every_name_of_the_further_tables_is_a_case(adapter: str) -> None:
    asked = {case.name for case in CASES if adapter in asked_of(case)}
    assert SAYS[adapter].keys() | DROPPED[adapter].keys() <= asked if adapter in FURTHER else {c.name for c in CASES}


@pytest.mark.parametrize(("adapter", "name"), [(adapter, name) for adapter in FURTHER for name in REFUSED[adapter]])
def test_what_a_dialect_has_no_form_for_is_refused(adapter: str, name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    with pytest.raises(InvalidRequest, match=REFUSED[adapter][name]):
        build(case, adapter)


@EACH
def test_the_body_carries_neither_the_key_nor_anything_of_ours(case: Case, adapter: str) -> None:
    http = build(case, adapter)
    assert KEY.reveal().encode() not in http.body
    assert KEY.reveal() not in http.url + repr(http)
    assert b"provider_fields" not in http.body


@pytest.mark.parametrize(
    ("adapter", "stream", "url", "key_header"),
    [
        ("openai", False, "https://api.openai.com/v1/chat/completions", ("authorization", "Bearer sk-canary-7f3a")),
        ("openai-responses", True, "https://api.openai.com/v1/responses", ("authorization", "Bearer sk-canary-7f3a")),
        ("anthropic", True, "https://api.anthropic.com/v1/messages", ("x-api-key", "sk-canary-7f3a")),
        ("mistral", True, "https://api.mistral.ai/v1/chat/completions", ("authorization", "Bearer sk-canary-7f3a")),
        (
            "bedrock",
            False,
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
            ("authorization", "Bearer sk-canary-7f3a"),
        ),
        (
            "bedrock",
            True,
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
            ("accept", "application/vnd.amazon.eventstream"),
        ),
        (
            "gemini",
            False,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
            ("x-goog-api-key", "sk-canary-7f3a"),
        ),
        (
            "gemini",
            True,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            ("x-goog-api-key", "sk-canary-7f3a"),
        ),
    ],
)
def test_address_and_key_are_where_the_provider_wants_them(
    adapter: str, stream: bool, url: str, key_header: tuple[str, str]
) -> None:
    http = adapters.get(adapter).build(CASES[0].request, endpoint(adapter), stream=stream)
    assert (http.method, http.url) == ("POST", url)
    assert http.headers[key_header[0]] == key_header[1]
    assert http.headers["content-type"] == "application/json"


def test_the_endpoints_headers_win_and_no_key_means_no_header() -> None:
    for adapter in EVERY:
        place = endpoint(adapter, key=None, headers={"x-team": "blue", "content-type": "application/json; v=2"})
        headers = adapters.get(adapter).build(CASES[0].request, place).headers
        assert headers["x-team"] == "blue"
        assert headers["content-type"].endswith("v=2")
        assert not {"authorization", "x-api-key", "x-goog-api-key"} & headers.keys()


def test_the_answer_bound_is_cut_to_what_the_deployment_gives() -> None:
    names = {
        "openai": "max_completion_tokens",
        "openai-responses": "max_output_tokens",
        "anthropic": "max_tokens",
        "gemini": "generationConfig.maxOutputTokens",
        "bedrock": "inferenceConfig.maxTokens",
        "mistral": "max_tokens",
    }
    for adapter, path in names.items():
        request = CASES[0].request
        http = adapters.get(adapter).build(request, endpoint(adapter, max_output_tokens=32))
        assert at(json.loads(http.body), path) == 32
        assert http.dropped == ("max_tokens",)


def test_building_changes_nothing_of_the_request() -> None:
    for case, adapter in ALL:
        before = json.dumps([case.request.messages, case.request.tools, case.request.provider_options], default=list)
        build(case, adapter)
        build(case, adapter)
        after = json.dumps([case.request.messages, case.request.tools, case.request.provider_options], default=list)
        assert after == before, case.name


def test_anthropic_addresses_may_carry_the_version() -> None:
    for base in ("https://proxy.example/v1", "https://proxy.example/v1/", "https://proxy.example"):
        http = adapters.get("anthropic").build(CASES[0].request, endpoint("anthropic", base_url=base))
        assert http.url == "https://proxy.example/v1/messages"
