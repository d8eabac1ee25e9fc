"""One table of requests × all adapters: each body says what the case means and is valid by the SDK's own types."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from junctor import adapters
from junctor.request import HttpRequest
from tests.adapters.cases import ADAPTERS, BASES, CASES, KEY, MODELS, Case, at, endpoint
from tests.adapters.effort_cases import EFFORT_CASES
from tests.adapters.responses_cases import DROPPED, NAME, RESPONSES_CASES, SAYS

ALL = [(case, adapter) for case in [*CASES, *EFFORT_CASES, *RESPONSES_CASES] for adapter in case.only]
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
}


@lru_cache(maxsize=len(ADAPTERS))
def verdicts(adapter: str) -> dict[str, str | None] | str:
    """The SDK's verdict on every case, and on wrong bodies, by name; or a text saying that the SDK is absent."""
    bodies = {case.name: build(case, adapter).body.decode() for case, name in ALL if name == adapter}
    bodies |= {f"wrong {place}": json.dumps(body) for place, body in enumerate(WRONG[adapter])}
    lines = "\n".join(bodies.values())
    oracle = Path(__file__).with_name("sdk_oracle.py")
    ran = subprocess.run([sys.executable, oracle, adapter], input=lines, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    if "absent" in answers[0]:
        return str(answers[0]["absent"])
    return {name: answer["error"] for name, answer in zip(bodies, answers, strict=True)}


@EACH
def test_the_official_sdk_accepts_the_body(case: Case, adapter: str) -> None:
    found = verdicts(adapter)
    if isinstance(found, str):
        pytest.skip(f"the official SDK of {adapter} is not installed: {found}")
    assert found[case.name] is None


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_official_sdk_refuses_wrong_bodies(adapter: str) -> None:
    """The oracle is strict: it would notice an unknown key, a missing one, and both inside a list."""
    found = verdicts(adapter)
    if isinstance(found, str):
        pytest.skip(f"the official SDK of {adapter} is not installed: {found}")
    assert all(found[f"wrong {place}"] for place in range(len(WRONG[adapter])))


@EACH
def test_the_body_says_what_the_request_means(case: Case, adapter: str) -> None:
    body = json.loads(build(case, adapter).body)
    further = SAYS.get(case.name, {}) if adapter == NAME else {}
    for path, value in {**further, **case.says.get(adapter, {})}.items():
        assert at(body, path) == value, path


@EACH
def test_what_cannot_be_said_is_reported_and_nothing_else_is(case: Case, adapter: str) -> None:
    further = DROPPED.get(case.name, ()) if adapter == NAME else ()
    assert build(case, adapter).dropped == case.dropped.get(adapter, further)


def test_every_name_of_the_responses_table_is_a_case() -> None:
    assert SAYS.keys() | DROPPED.keys() <= {case.name for case in CASES}


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
    for adapter in ADAPTERS:
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
