"""What callers see of every error: a status their SDK understands, a reason they can act on, nothing internal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import exceptions as exc
from junctor.doors import answer, dialect_of, find, turn_away
from junctor.doors.errors import answer_of, fault_of
from junctor.failures import KINDS, Failure
from junctor.reply import Usage
from junctor.testing.scripted import fail, ok, raw
from tests.client.stage import Stage
from tests.doors.heard import PATHS, body_for
from tests.doors.visit import CHAT, MESSAGES, RESPONSES, incoming, visit

SECRET = "canary-7f3a"

TABLE: dict[str, tuple[exc.JunctorError, int, str, str]] = {
    # error, status, OpenAI's type, Anthropic's type
    "ConfigError": (exc.ConfigError(SECRET), 500, "server_error", "api_error"),
    "InvalidRequest": (exc.InvalidRequest("n is 0"), 400, "invalid_request_error", "invalid_request_error"),
    "Refused": (exc.Refused("no"), 403, "permission_error", "permission_error"),
    "TooLarge": (exc.TooLarge("no"), 413, "invalid_request_error", "request_too_large"),
    "NoCapacity": (exc.NoCapacity("no", retry_after_s=1.2), 429, "rate_limit_error", "rate_limit_error"),
    "DeadlineExceeded": (exc.DeadlineExceeded("late"), 504, "server_error", "timeout_error"),
    "StreamInterrupted": (
        exc.StreamInterrupted(SECRET, partial="abc", usage=Usage(), kind="truncated"), 502, "server_error", "api_error",
    ),
    "AuthError": (exc.AuthError(SECRET, words=SECRET), 502, "server_error", "api_error"),
    "PermissionDenied": (exc.PermissionDenied(SECRET, words=SECRET), 502, "server_error", "api_error"),
    "ModelNotFound": (exc.ModelNotFound(SECRET, words=SECRET), 502, "server_error", "api_error"),
    "RateLimited": (exc.RateLimited(SECRET, words=SECRET), 429, "rate_limit_error", "rate_limit_error"),
    "QuotaExhausted": (exc.QuotaExhausted(SECRET, words=SECRET), 429, "insufficient_quota", "rate_limit_error"),
    "ContextLengthExceeded": (
        exc.ContextLengthExceeded("x", words="too long"), 400, "invalid_request_error", "invalid_request_error",
    ),
    "ContentFiltered": (exc.ContentFiltered("x"), 400, "invalid_request_error", "invalid_request_error"),
    "BadRequest": (exc.BadRequest("x", status=422), 422, "invalid_request_error", "invalid_request_error"),
    "Overloaded": (exc.Overloaded(SECRET, words=SECRET), 503, "server_error", "overloaded_error"),
    "ProviderTimeout": (exc.ProviderTimeout(SECRET, words=SECRET), 504, "server_error", "timeout_error"),
    "ServerError": (exc.ServerError(SECRET, words=SECRET), 502, "server_error", "api_error"),
    "MalformedResponse": (exc.MalformedResponse(SECRET, words=SECRET), 502, "server_error", "api_error"),
    "TruncatedResponse": (exc.TruncatedResponse(SECRET, words=SECRET), 502, "server_error", "api_error"),
    "ConnectionFailed": (exc.ConnectionFailed(SECRET, words=SECRET), 502, "server_error", "api_error"),
}  # fmt: skip


def leaves(of: type[Any]) -> set[str]:
    return {of.__name__}.union(*(leaves(each) for each in of.__subclasses__()))


def test_every_exception_is_in_the_table() -> None:
    """A new class needs a row here and a thought in `errors`."""
    tested = {name for name in leaves(exc.JunctorError) if hasattr(exc, name)} - {"JunctorError", "ProviderError"}
    assert tested == set(TABLE)
    assert {meaning.error.__name__ for meaning in KINDS.values()} <= set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_an_error_has_its_status_and_word_in_both_envelopes(name: str) -> None:
    error, status, openai_type, anthropic_type = TABLE[name]
    openai = answer_of(fault_of(error), "openai", "r1")
    anthropic = answer_of(fault_of(error), "anthropic", "r1")
    body, other = json.loads(openai.body), json.loads(anthropic.body)  # type: ignore[arg-type]  # errors are whole
    assert (openai.status, body["error"]["type"]) == (status, openai_type)
    assert (anthropic.status, other["error"]["type"]) == (529 if status == 503 else status, anthropic_type)
    assert (other["type"], other["request_id"], openai.headers["x-request-id"]) == ("error", "r1", "r1")
    assert SECRET.encode() not in openai.body + anthropic.body  # type: ignore[operator]  # errors are whole


def test_whoever_shall_come_back_is_told_when() -> None:
    """Whole seconds for everybody, milliseconds for the SDKs that read them; never in vain for a used up quota."""
    headers = answer_of(fault_of(TABLE["NoCapacity"][0]), "openai", "").headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2", "1200")
    assert answer_of(fault_of(TABLE["QuotaExhausted"][0]), "openai", "").headers["x-should-retry"] == "false"


def test_an_error_that_is_not_ours_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """B75: neither the caller nor the log sees its words, and the log says where it happened."""
    stage = Stage({"a": [ok("x")]})

    class Caller:
        def options(self, asked: Any) -> Any:
            raise KeyError(SECRET, asked)

        def admit(self, *_: Any) -> Any:
            raise AssertionError("never asked")

    seen = visit(stage, CHAT, body_for(CHAT, stream=False), Caller())
    assert (seen.status, seen.json()["error"]["code"]) == (500, "internal_error")
    assert SECRET not in caplog.text + seen.body.decode()
    assert "KeyError" in caplog.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_callers_own_mistake_comes_back_in_the_providers_words(path: str, streamed: bool) -> None:
    """The words that say what to change, without a frame of ours around them."""
    stage = Stage({"a": [fail(400, message="top_p must be below 1")]})
    seen = visit(stage, path, body_for(path, stream=streamed))
    assert (seen.status, seen.json()["error"]["message"]) == (400, "top_p must be below 1")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("kind", ["server", "auth", "rate_limit"])
def test_nothing_of_the_inside_is_told(path: str, streamed: bool, kind: str) -> None:
    """B75: no key, no address, no words of a provider about somebody else's account."""
    status = {"server": 500, "auth": 401, "rate_limit": 429}[kind]
    words = f"{SECRET} scripted-key-a http://a.scripted/v1 org-123"
    outcomes = [fail(status, message=words, kind=kind)] * 3  # type: ignore[arg-type]  # three of its words
    stage = Stage({"a": outcomes})
    seen = visit(stage, path, body_for(path, stream=streamed))
    assert seen.status in (502, 429)
    text = (seen.body + repr(seen.headers).encode()).decode()
    assert not any(word in text for word in (SECRET, "scripted-key", "scripted/", "org-123"))


def test_a_prompt_that_fits_nobody_is_told_in_words_that_agents_know() -> None:
    """Coding agents shorten their conversation when they read of a prompt that is too long."""
    refusals = {"a": "prompt and answer exceed its context of 8000 tokens"}
    fault = fault_of(exc.Refused("nobody", refusals=refusals))
    assert (fault.status, fault.code) == (400, "context_length_exceeded")
    assert fault.message.startswith("prompt is too long")
    assert fault_of(exc.Refused("nobody", refusals={**refusals, "b": "lacks tools"})).status == 403


def test_what_never_reaches_a_door_is_turned_away_in_its_dialect() -> None:
    """For whoever carries the bytes: no key, a body too large, no such path."""
    found = turn_away(dialect_of(MESSAGES, {}), 401, "no key", request_id="r", headers={"www-authenticate": "Bearer"})
    assert json.loads(found.body)["error"]["type"] == "authentication_error"  # type: ignore[arg-type]  # errors are whole
    assert found.headers["www-authenticate"] == "Bearer"
    assert dialect_of("/v1/models", {"anthropic-version": "2023-06-01"}) == "anthropic"
    assert dialect_of(RESPONSES, {}) == "openai-responses"
    assert (find("GET", CHAT), find("POST", "/v1/nothing"), find("POST", "/completions")) == (None, None, None)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_no_request_is_refused_without_its_content(path: str) -> None:
    """Malformed JSON, another type, nesting without end: 400 in the dialect, nothing sent, nothing quoted."""
    stage = Stage({"a": []})
    for body in (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, f'{{"model": {{"{SECRET}": 1}}}}'.encode()):
        seen = visit(stage, path, body)
        assert seen.status == 400
        assert SECRET not in seen.body.decode()
    assert stage.provider.sent == []


def test_a_header_with_a_typo_is_named() -> None:
    """Routing that silently does not happen is the worst kind."""
    seen = visit(Stage({"a": []}), CHAT, body_for(CHAT, stream=False), x_junctor_tsak="chat")
    assert seen.status == 400
    assert "x-junctor-tsak" in seen.json()["error"]["message"]


def test_a_request_keeps_its_id_if_it_is_a_proper_one() -> None:
    """Echoed for whoever traces it; anything that could break a header or a log line is replaced."""
    stage = Stage({"a": [ok("x")] * 2})
    body = body_for(CHAT, stream=False)
    assert visit(stage, CHAT, body, x_request_id="trace-1").headers["x-request-id"] == "trace-1"
    assert visit(stage, CHAT, body, x_request_id="a\nb").headers["x-request-id"].startswith("req_")


def test_a_failure_kind_has_words_of_ours_or_is_the_callers_own() -> None:
    """No kind falls through to a message that nobody wrote."""
    for kind in KINDS:
        fault = fault_of(Failure(kind=kind, message=SECRET, status=None).error(deployment="d", provider="p"))
        callers = kind in ("context_length", "content_filter", "invalid_request")
        assert (SECRET in fault.message) == callers


def test_an_answer_that_is_no_answer_leaves_no_words_of_it() -> None:
    """B46: HTML from a proxy in front of the provider."""
    stage = Stage({"a": [raw(200, f"<html>{SECRET}</html>".encode())] * 3})
    seen = visit(stage, CHAT, body_for(CHAT, stream=False))
    assert (seen.status, SECRET.encode() in seen.body) == (502, False)


def test_the_door_takes_what_find_gives() -> None:
    """An incoming request shows neither headers nor body when it is printed."""
    request = incoming(CHAT, body_for(CHAT, stream=False, user=SECRET), authorization=SECRET)
    assert SECRET not in repr(request)
    assert callable(answer)
