"""Errors of the gateway itself, before any door has read a request: in the form of the API that was meant.

A caller's SDK reads errors in its own dialect's form only, and picks its exception by the status; so a missing key or a
body that is too large is told as OpenAI or as Anthropic would tell it, by the path that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from junctor.doors.contract import Answer

ANTHROPIC: Final = "anthropic"
JSON: Final = "application/json"


def dialect_of(path: str, headers: Mapping[str, str]) -> str:
    """The dialect in which to answer whoever asked for this path, which may lead nowhere."""
    if "anthropic-version" in headers or path.endswith(("/messages", "/messages/count_tokens")):
        return ANTHROPIC
    return "openai"


class Words(NamedTuple):
    """What each API calls a kind of error: OpenAI's `type` and `code`, Anthropic's `type`."""

    openai_type: str
    openai_code: str
    anthropic_type: str


_WORDS: Final[dict[int, Words]] = {
    400: Words("invalid_request_error", "invalid_request", "invalid_request_error"),
    401: Words("invalid_request_error", "invalid_api_key", "authentication_error"),
    403: Words("invalid_request_error", "permission_denied", "permission_error"),
    404: Words("invalid_request_error", "not_found", "not_found_error"),
    405: Words("invalid_request_error", "method_not_allowed", "invalid_request_error"),
    408: Words("invalid_request_error", "request_timeout", "timeout_error"),
    413: Words("invalid_request_error", "request_too_large", "request_too_large"),
    500: Words("server_error", "internal_error", "api_error"),
    503: Words("server_error", "unavailable", "overloaded_error"),
}


def refusal(dialect: str, status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error answer in the form of `dialect`: Anthropic's, or OpenAI's for every other one."""
    words = _WORDS[status]
    body: dict[str, Any]
    if dialect == ANTHROPIC:
        body = {"type": "error", "error": {"type": words.anthropic_type, "message": message}}
    else:
        error = {"message": message, "type": words.openai_type, "param": None, "code": words.openai_code}
        body = {"error": error}
    return Answer(status, {"content-type": JSON, **(headers or {})}, msgspec.json.encode(body))
