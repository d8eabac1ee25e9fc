"""Gemini and Claude at Vertex AI: addresses, tokens and bodies as Google wants them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.failures import Failure
from junctor.request import HttpRequest, Native
from tests.adapters import recorded
from tests.adapters.cases import asking, endpoint

BASE = "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/acme/locations/europe-west4"


def sent(adapter: str, model: str, *, stream: bool = False, request: Any = None, base: str = BASE) -> HttpRequest:
    return adapters.get(adapter).build(
        request or asking(), endpoint(adapter, model=model, base_url=base), stream=stream
    )


@pytest.mark.parametrize(
    ("adapter", "model", "stream", "tail"),
    [
        ("gemini", "gemini-2.5-flash", False, "publishers/google/models/gemini-2.5-flash:generateContent"),
        ("gemini", "gemini-2.5-flash", True, "publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("gemini", "endpoints/123", False, "endpoints/123:generateContent"),
        ("anthropic", "claude-x@20250929", False, "publishers/anthropic/models/claude-x@20250929:rawPredict"),
        ("anthropic", "claude-opus-4-6", True, "publishers/anthropic/models/claude-opus-4-6:streamRawPredict"),
    ],
)  # fmt: skip
def test_addresses_and_tokens_are_googles(adapter: str, model: str, stream: bool, tail: str) -> None:
    http = sent(adapter, model, stream=stream)
    assert http.url == f"{BASE}/{tail}"
    assert http.headers["authorization"] == "Bearer sk-canary-7f3a"
    assert not {"x-api-key", "x-goog-api-key", "anthropic-version"} & http.headers.keys()


def test_claude_has_its_model_in_the_address_and_its_version_in_the_body() -> None:
    body = json.loads(sent("anthropic", "claude-sonnet-4-5@20250929", stream=True).body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert body["stream"] is True
    assert "model" not in body


def test_a_native_body_of_claude_loses_nothing_but_its_model() -> None:
    own = {
        "model": "claude",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "mcp_servers": [{"type": "url"}],
    }
    request = asking(native=Native("anthropic", own, {"anthropic-beta": "a,b", "anthropic-version": "2023-06-01"}))
    http = sent("anthropic", "claude-opus-4-6", request=request)
    body = json.loads(http.body)
    del own["model"]
    assert body == {**own, "anthropic_version": "vertex-2023-10-16"}
    assert http.headers["anthropic-beta"] == "a,b"
    assert "anthropic-version" not in http.headers


def test_the_recorded_addresses_are_the_ones_that_are_built() -> None:
    """Whatever Vertex answered, it was asked at an address of this form."""
    rows = [row for row in recorded.rows() if row["vendor"] == "vertex"]
    if not rows:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    seen = 0
    for row in rows:
        url = str(recorded.request_of(row["id"])["url"]).partition("?")[0]
        base, _, rest = url.partition("/publishers/")
        model = rest.partition("/models/")[2].partition(":")[0]
        http = sent("gemini", model, stream=row["stream"], base=base)
        assert http.url.partition("?")[0] == url
        seen += 1
    assert seen >= 40


@pytest.mark.parametrize("adapter", ["gemini", "anthropic"])
@pytest.mark.parametrize("wrap", [False, True], ids=["object", "list"])
@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (401, "UNAUTHENTICATED", "auth"),
        (403, "PERMISSION_DENIED", "permission"),
        (404, "NOT_FOUND", "not_found"),
        (429, "RESOURCE_EXHAUSTED", "rate_limit"),
        (503, "UNAVAILABLE", "overloaded"),
    ],
)
def test_googles_errors_are_understood_in_both_dialects(
    adapter: str, wrap: bool, status: int, name: str, kind: str
) -> None:
    error = {"error": {"code": status, "message": "words", "status": name}}
    failure = adapters.get(adapter).parse(status, {}, json.dumps([error] if wrap else error).encode())
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.message) == (kind, "words")


def test_finish_reasons_as_numbers_and_streams_as_arrays() -> None:
    """One client asks for enum numbers; a proxy that drops `alt=sse` gets a JSON array."""
    answer = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": 2}]}
    reply = adapters.get("gemini").parse(200, {}, json.dumps(answer).encode())
    assert not isinstance(reply, Failure)
    assert (reply.text, reply.finish_reason) == ("Hi", "length")
    reader = adapters.get("gemini").reader()
    for byte in json.dumps([answer]).encode():
        reader.feed(bytes([byte]))
    assert reader.close() == reply
