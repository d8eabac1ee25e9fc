"""Errors as the providers document and send them, each of its kind; what is no error is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.failures import KINDS, Failure
from junctor.reply import StreamError
from tests.adapters.frames import frame


def openai(message: str, code: Any = None, kind: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "type": kind, **more}}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def gemini(code: int, status: str, message: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def bedrock(name: str, message: str) -> dict[str, Any]:
    """Bedrock names an error in a header as a rule, and in the body where a proxy dropped it."""
    return {"__type": f"com.amazon.bedrock#{name}", "message": message}


def quota_failure(quota: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}


TABLE: list[tuple[str, int, Any, str]] = [
    ("openai", 400, openai("Unknown parameter: 'x'.", "unknown_parameter", "invalid_request_error"), "invalid_request"),
    ("openai", 400, openai("Too long", "context_length_exceeded", "invalid_request_error"), "context_length"),
    ("openai", 400, openai("This model's maximum context length is 8192 tokens."), "context_length"),
    ("openai", 400, openai("flagged", "content_policy_violation"), "content_filter"),
    ("openai", 400, openai("The response was filtered: content management policy", "content_filter"), "content_filter"),
    ("openai", 400, openai("gone", "model_not_found"), "not_found"),
    ("openai", 400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, "auth"),
    ("openai", 401, openai("Incorrect API key provided", "invalid_api_key"), "auth"),
    ("openai", 402, openai("Insufficient Balance"), "quota"),
    ("openai", 403, openai("Country not supported", "unsupported_country_region_territory"), "permission"),
    ("openai", 403, openai("Your chosen model requires moderation and your input was flagged", 403), "content_filter"),
    ("openai", 404, {"detail": "Not Found"}, "not_found"),
    ("openai", 408, openai("Request timed out"), "timeout"),
    ("openai", 413, openai("Request too large on tokens per minute (TPM)", "rate_limit_exceeded"), "rate_limit"),
    ("openai", 413, openai("body too large"), "invalid_request"),
    ("openai", 418, openai("teapot"), "invalid_request"),
    ("openai", 422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "invalid_request"),
    ("openai", 429, openai("Rate limit reached", "rate_limit_exceeded", "requests"), "rate_limit"),
    ("openai", 429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), "quota"),
    ("openai", 429, openai("Limit reached on tokens per day (TPD)", "rate_limit_exceeded"), "quota"),
    ("openai", 429, openai("The engine is currently overloaded"), "overloaded"),
    ("openai", 500, openai("The server had an error", None, "server_error"), "server"),
    ("openai", 502, openai("Bad gateway"), "server"),
    ("openai", 503, openai("Service unavailable"), "overloaded"),
    ("openai", 504, openai("timeout"), "timeout"),
    ("openai", 529, openai("busy"), "overloaded"),
    ("openai", 599, openai("odd"), "server"),
    ("openai", 302, b"", "malformed"),
    ("openai", 200, openai("upstream failed", 502), "server"),
    ("openai", 200, openai("slow down", 429), "rate_limit"),
    ("openai", 429, openai("Provider returned error", 429, metadata={"raw": "upstream rate limit"}), "rate_limit"),
    ("anthropic", 400, anthropic("invalid_request_error", "messages: field required"), "invalid_request"),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "prompt is too long: 3 tokens > 2"),
        "context_length",
    ),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 3 + 4 > 5"),
        "context_length",
    ),
    ("anthropic", 400, anthropic("invalid_request_error", "Your credit balance is too low to go on"), "quota"),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "You have reached your API usage limits."),
        "quota",
    ),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "Blocked by content filtering policy"),
        "content_filter",
    ),
    ("anthropic", 401, anthropic("authentication_error", "invalid x-api-key"), "auth"),
    ("anthropic", 402, anthropic("billing_error", "pay"), "quota"),
    ("anthropic", 403, anthropic("permission_error", "no"), "permission"),
    ("anthropic", 404, anthropic("not_found_error", "model: x"), "not_found"),
    ("anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum size"), "invalid_request"),
    ("anthropic", 500, anthropic("api_error", "Internal server error"), "server"),
    ("anthropic", 504, anthropic("timeout_error", "timed out"), "timeout"),
    ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), "overloaded"),
    ("anthropic", 529, b"<html>busy</html>", "overloaded"),
    ("anthropic", 418, anthropic("brand_new_error", "?"), "invalid_request"),
    ("gemini", 400, gemini(400, "INVALID_ARGUMENT", "Invalid value"), "invalid_request"),
    ("gemini", 400, gemini(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}), "auth"),
    (
        "gemini",
        400,
        gemini(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        "context_length",
    ),
    ("gemini", 400, gemini(400, "FAILED_PRECONDITION", "User location is not supported"), "permission"),
    ("gemini", 401, gemini(401, "UNAUTHENTICATED", "no credentials"), "auth"),
    ("gemini", 403, gemini(403, "PERMISSION_DENIED", "no"), "permission"),
    ("gemini", 404, gemini(404, "NOT_FOUND", "models/x is not found"), "not_found"),
    ("gemini", 429, gemini(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"), "rate_limit"),
    ("gemini", 429, gemini(429, "RESOURCE_EXHAUSTED", "q", quota_failure("RequestsPerMinutePerProject")), "rate_limit"),
    ("gemini", 429, gemini(429, "RESOURCE_EXHAUSTED", "q", quota_failure("RequestsPerDayPerProject")), "quota"),
    ("gemini", 499, gemini(499, "CANCELLED", "gone"), "timeout"),
    ("gemini", 500, gemini(500, "INTERNAL", "oops"), "server"),
    ("gemini", 503, gemini(503, "UNAVAILABLE", "The model is overloaded."), "overloaded"),
    ("gemini", 504, gemini(504, "DEADLINE_EXCEEDED", "slow"), "timeout"),
    ("mistral", 401, {"detail": "Invalid API Key"}, "auth"),
    ("mistral", 401, {"message": "Unauthorized", "request_id": "r"}, "auth"),
    ("mistral", 422, {"detail": [{"loc": ["body", "top_j"], "type": "extra_forbidden"}]}, "invalid_request"),
    ("mistral", 429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited"}, "rate_limit"),
    (
        "mistral",
        429,
        {"object": "error", "message": "x", "type": "service_tier_capacity_exceeded", "code": "3505"},
        "overloaded",
    ),
    (
        "mistral",
        400,
        {"object": "error", "message": "Prompt contains 9 tokens, too large for model with 8 maximum context length"},
        "context_length",
    ),
    ("mistral", 500, {"object": "error", "message": "Service unavailable.", "code": 1000}, "server"),
    ("bedrock", 400, bedrock("ValidationException", "messages: field required"), "invalid_request"),
    ("bedrock", 400, bedrock("ValidationException", "Input is too long for requested model."), "context_length"),
    ("bedrock", 400, bedrock("ValidationException", "prompt is too long: 9 tokens > 8 maximum"), "context_length"),
    (
        "bedrock",
        400,
        bedrock("ValidationException", "Invocation of model ID x with on-demand throughput isn\u2019t supported."),
        "not_found",
    ),
    ("bedrock", 400, bedrock("ServiceQuotaExceededException", "Your request exceeds the service quota"), "quota"),
    ("bedrock", 403, bedrock("AccessDeniedException", "You don't have access to the model"), "permission"),
    (
        "bedrock",
        403,
        bedrock("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."),
        "auth",
    ),
    ("bedrock", 403, bedrock("ExpiredTokenException", "The security token included is expired"), "auth"),
    ("bedrock", 403, bedrock("InvalidSignatureException", "Signature expired: 1 is now earlier than 2"), "auth"),
    ("bedrock", 404, bedrock("ResourceNotFoundException", "no such model"), "not_found"),
    ("bedrock", 408, bedrock("ModelTimeoutException", "Model has timed out"), "timeout"),
    ("bedrock", 424, bedrock("ModelErrorException", "The model had an error"), "server"),
    ("bedrock", 429, bedrock("ThrottlingException", "Too many requests, please wait"), "rate_limit"),
    ("bedrock", 429, bedrock("ThrottlingException", "Too many tokens per day, please wait"), "quota"),
    ("bedrock", 429, bedrock("ModelNotReadyException", "Model is not ready"), "overloaded"),
    ("bedrock", 500, bedrock("InternalServerException", "oops"), "server"),
    ("bedrock", 503, bedrock("ServiceUnavailableException", "Bedrock is unable to process"), "overloaded"),
    ("bedrock", 418, bedrock("BrandNewException", "?"), "invalid_request"),
    ("bedrock", 503, {"message": "no name at all"}, "overloaded"),
    ("gemini", 429, [gemini(429, "RESOURCE_EXHAUSTED", "in a list, as streams without alt=sse have it")], "rate_limit"),
]


def raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(("adapter", "status", "body", "kind"), TABLE)
def test_an_error_is_of_its_kind(adapter: str, status: int, body: Any, kind: str) -> None:
    failure = adapters.get(adapter).parse(status, {}, raw(body))
    assert isinstance(failure, Failure)
    assert failure.kind == kind
    assert failure.message
    assert len(failure.message) <= 1000


def test_the_table_shows_every_kind_an_answer_can_be() -> None:
    assert {row[3] for row in TABLE} == KINDS.keys() - {"truncated", "connection"}


@pytest.mark.parametrize(
    ("headers", "message", "kind"),
    [
        ({"retry-after": "12"}, "This request would exceed your organization's rate limit", "rate_limit"),
        ({}, "Number of requests has exceeded your per-minute rate limit", "rate_limit"),
        ({"x-should-retry": "false"}, "This request would exceed the limit", "quota"),
        ({"x-should-retry": "true", "retry-after": "3"}, "limit", "rate_limit"),
        ({}, "You have reached your monthly spend limit", "quota"),
    ],
)
def test_a_spend_cap_is_told_from_a_rate_limit(headers: dict[str, str], message: str, kind: str) -> None:
    """B40: a 429 that gives no hint and says that retrying is useless exhausts the quota."""
    failure = adapters.get("anthropic").parse(429, headers, raw(anthropic("rate_limit_error", message)))
    assert isinstance(failure, Failure)
    assert failure.kind == kind


HTML = b"<!DOCTYPE html><html><body>Welcome to the captive portal</body></html>"


@pytest.mark.parametrize("adapter", adapters.names())
@pytest.mark.parametrize(
    "body", [HTML, b"", b"null", b"[]", b"3", b"{}", b'{"choices": []}', b'{"a": "\xff"}', b'{"tex']
)
def test_a_success_without_an_answer_is_malformed(adapter: str, body: bytes) -> None:
    """B46: HTTP 200 with HTML, with nothing, or with JSON that is no answer fails, so that it fails over."""
    failure = adapters.get(adapter).parse(200, {"content-type": "text/html"}, body)
    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"
    assert failure.status == 200


@pytest.mark.parametrize("adapter", adapters.names())
@pytest.mark.parametrize("status", [502, 401, 429, 404, 529, 400])
def test_an_error_without_the_providers_body_is_of_its_statuss_kind(adapter: str, status: int) -> None:
    want = {502: "server", 401: "auth", 429: "rate_limit", 404: "not_found", 529: "overloaded", 400: "invalid_request"}
    for body in (HTML, b"", b"[]", b'"x"'):
        failure = adapters.get(adapter).parse(status, {"retry-after": "7"}, body)
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.status, failure.retry_after_s) == (want[status], status, 7.0)


@pytest.mark.parametrize("adapter", adapters.names())
def test_a_page_of_somebody_else_is_not_quoted(adapter: str) -> None:
    """What a proxy answered may hold anything; only its size and form are told."""
    failure = adapters.get(adapter).parse(200, {"content-type": "text/html; charset=x"}, HTML)
    assert isinstance(failure, Failure)
    assert "captive" not in failure.message
    assert "text/html" in failure.message


@pytest.mark.parametrize("adapter", adapters.names())
def test_a_providers_message_is_bounded(adapter: str) -> None:
    bodies = {
        "openai": openai("x" * 9000),
        "openai-responses": openai("x" * 9000),
        "anthropic": anthropic("y", "x" * 9000),
        "gemini": gemini(400, "", "x" * 9000),
        "bedrock": bedrock("ValidationException", "x" * 9000),
        "mistral": {"detail": "x" * 9000},
    }
    failure = adapters.get(adapter).parse(400, {}, raw(bodies[adapter]))
    assert isinstance(failure, Failure)
    assert len(failure.message) == 1000


STREAM_ERRORS = [
    ("openai", openai("boom", None, "server_error"), "server"),
    ("openai", openai("slow down", 429), "rate_limit"),
    ("openai", openai("unnamed"), "server"),
    ("openai", {"error": "just words"}, "server"),
    ("openai", {"message": "only the event's name says error", "code": 429}, "rate_limit"),
    ("openai-responses", {"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, "rate_limit"),
    ("openai-responses", {"type": "error", "error": {"code": "server_error", "message": "boom"}}, "server"),
    ("openai-responses", {"type": "error", "message": "unnamed"}, "server"),
    ("openai-responses", openai("boom", None, "server_error"), "server"),
    (
        "openai-responses",
        {"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "no"}}},
        "content_filter",
    ),
    ("openai-responses", {"type": "response.failed", "response": {"status": "failed"}}, "server"),
    ("anthropic", anthropic("overloaded_error", "Overloaded"), "overloaded"),
    ("anthropic", anthropic("api_error", "Internal server error"), "server"),
    ("anthropic", anthropic("rate_limit_error", "slow"), "rate_limit"),
    ("anthropic", anthropic("invalid_request_error", "prompt is too long"), "context_length"),
    ("gemini", gemini(503, "UNAVAILABLE", "overloaded"), "overloaded"),
    ("gemini", gemini(429, "RESOURCE_EXHAUSTED", "slow"), "rate_limit"),
    ("mistral", {"object": "error", "message": "slow", "code": 429}, "rate_limit"),
    ("bedrock", bedrock("throttlingException", "Too many requests"), "rate_limit"),
    ("bedrock", bedrock("modelStreamErrorException", "The model broke off"), "server"),
    ("bedrock", bedrock("internalServerException", "oops"), "server"),
    ("bedrock", bedrock("serviceUnavailableException", "busy"), "overloaded"),
    ("bedrock", bedrock("validationException", "Input is too long for requested model."), "context_length"),
]

FIRST = {
    "openai": b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
    "openai-responses": b'data: {"type":"response.output_text.delta","output_index":0,"delta":"Hel"}\n\n',
    "anthropic": b'data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":3}}}\n\n'
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}\n\n',
    "gemini": b'data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}\n\n',
    "mistral": b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
    "bedrock": frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}}),
}


@pytest.mark.parametrize(("adapter", "body", "kind"), STREAM_ERRORS)
@pytest.mark.parametrize("began", [False, True])
def test_an_error_inside_a_stream_is_a_failure_of_its_class(adapter: str, body: Any, kind: str, began: bool) -> None:
    """B42, B43: before and after content alike the stream is not a success; the text so far stays exact."""
    reader = adapters.get(adapter).reader()
    if began:
        reader.feed(FIRST[adapter])
    if adapter == "bedrock":
        events = reader.feed(frame(body["__type"].partition("#")[2], body, kind="exception"))
    else:
        events = reader.feed(b"event: error\ndata: " + raw(body) + b"\n\n")
    assert [type(event) for event in events] == [StreamError]
    assert reader.feed(FIRST[adapter]) == [], "nothing is delivered after an error"
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert closed.kind == kind
    assert reader.text == ("Hel" if began else "")


def test_an_error_object_of_vllm_inside_a_stream_is_a_failure() -> None:
    reader = adapters.get("openai").reader()
    reader.feed(b'data: {"object":"error","message":"engine died","type":"InternalServerError","code":500}\n\n')
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert (closed.kind, closed.message) == ("server", "engine died")


@pytest.mark.parametrize("adapter", adapters.names())
def test_a_stream_without_its_terminal_marker_is_truncated(adapter: str) -> None:
    """B44."""
    reader = adapters.get(adapter).reader()
    reader.feed(FIRST[adapter])
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert (closed.kind, reader.text, reader.output_chunks) == ("truncated", "Hel", 1)


@pytest.mark.parametrize("adapter", adapters.names())
def test_an_error_body_in_place_of_a_stream_is_told_as_it_is(adapter: str) -> None:
    bodies = {
        "openai": openai("slow", 429),
        "openai-responses": openai("slow", 429),
        "anthropic": anthropic("overloaded_error", "busy"),
        "gemini": gemini(503, "UNAVAILABLE", "busy"),
        "bedrock": bedrock("ServiceUnavailableException", "busy"),
        "mistral": {"object": "error", "message": "slow", "code": 429},
    }
    reader = adapters.get(adapter).reader()
    reader.feed(raw(bodies[adapter]))
    closed = reader.close()
    assert isinstance(closed, Failure)
    slow = adapter.startswith("openai") or adapter == "mistral"
    assert closed.kind == ("rate_limit" if slow else "overloaded")
