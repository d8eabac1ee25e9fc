"""What a caller sees of an error: a status, a word and a text, in the form of its dialect.

Official SDKs retry 408, 409, 429 and 5xx and give up on everything else, so the status decides what a caller's program
does next. A caller's own mistakes keep the provider's status and words, because they say what to change. Failures of
the accounts behind the router (a refused key, an unknown model at a provider) are the operator's to mend: the caller
sees a 502 that says so and none of the provider's words, which may quote a key or an address.

Rejected: passing every status through. A 401 for a key of the operator's would send a caller looking at its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor import exceptions as exc
from junctor.doors.contract import Answer

UNKNOWN_NAME: Final = "nothing is called "
"""How the core begins its sentence about a name that it does not know."""

_encode: Final = msgspec.json.Encoder().encode


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An error as a caller sees it, in no dialect yet. `code` is OpenAI's word for it, where it has one."""

    status: int
    message: str
    code: str | None = None
    retry_after_s: float | None = None
    retry: bool | None = None


_BROKEN: Final[Mapping[str, str]] = {
    "auth": "the key of the deployment that was asked is refused by its provider; tell the operator of this service",
    "permission": "the key of the deployment that was asked may not do this; tell the operator of this service",
    "not_found": "the provider does not know the deployment that was asked; tell the operator of this service",
    "server": "the provider failed, and so did every other deployment that could be tried",
    "malformed": "the provider's answer was no answer, and no other deployment could be tried",
    "truncated": "the provider's answer broke off, and no other deployment could be tried",
    "connection": "the provider could not be reached, and no other deployment could be tried",
    "timeout": "the provider did not answer in time, and no other deployment could be tried",
    "rate_limit": "the provider's rate limit is reached, and no other deployment could be tried",
    "overloaded": "the provider has no capacity now, and no other deployment could be tried",
    "quota": "the quota or credit of the provider's account is used up, and no other deployment could be tried",
}
"""Failures that are not the caller's, in our words; callers' mistakes are told in the provider's own."""

_STATUS: Final[Mapping[str, int]] = {
    "auth": 502,
    "permission": 502,
    "not_found": 502,
    "rate_limit": 429,
    "quota": 429,
    "context_length": 400,
    "content_filter": 400,
    "overloaded": 503,
    "timeout": 504,
    "invalid_request": 400,
    "server": 502,
    "malformed": 502,
    "truncated": 502,
    "connection": 502,
}
_CODE: Final[Mapping[str, str]] = {
    "rate_limit": "rate_limit_exceeded",
    "quota": "insufficient_quota",
    "context_length": "context_length_exceeded",
    "content_filter": "content_filter",
    "overloaded": "overloaded",
    "timeout": "timeout",
    "invalid_request": "invalid_request",
}


def fault_of(error: Exception) -> Fault:
    """What a caller is told of `error`. Nothing of an error that is not ours, since nobody knows what it quotes."""
    if isinstance(error, exc.ProviderError):
        return _by_provider(error)
    if isinstance(error, exc.ConfigError):
        return Fault(status=500, message="this service is configured wrongly; tell its operator", retry=False)
    if isinstance(error, exc.InvalidRequest):
        if str(error).startswith(UNKNOWN_NAME):
            return Fault(status=404, message=str(error), code="model_not_found")
        return Fault(status=400, message=str(error), code="invalid_request")
    if isinstance(error, exc.TooLarge):
        return Fault(status=413, message=str(error), code="request_too_large")
    if isinstance(error, exc.Refused):
        return _refused(error)
    if isinstance(error, exc.NoCapacity):
        return Fault(
            status=429, message=str(error), code="rate_limit_exceeded", retry_after_s=max(0.0, error.retry_after_s)
        )
    if isinstance(error, exc.DeadlineExceeded):
        return Fault(status=504, message=str(error), code="timeout")
    if isinstance(error, exc.StreamInterrupted):
        return Fault(
            status=_STATUS.get(error.kind, 502), message=_interruption(error), code=_CODE.get(error.kind, "interrupted")
        )
    return Fault(status=500, message="an internal error; the service's log has more", code="internal_error")


def _by_provider(error: exc.ProviderError) -> Fault:
    kind = error.kind
    status = _STATUS.get(kind, 502)
    words = _BROKEN.get(kind)
    if words is None:
        words = error.words or str(error)
        if kind == "invalid_request" and error.status is not None and 400 <= error.status < 500:
            status = error.status if error.status not in (401, 403, 404, 408, 409, 429) else 400
    return Fault(
        status=status,
        message=words,
        code=_CODE.get(kind, "upstream_error"),
        retry_after_s=error.retry_after_s if status in (429, 503) else None,
        retry=False if kind == "quota" else None,
    )


def _refused(error: exc.Refused) -> Fault:
    """Where every deployment said that the prompt does not fit, callers that can shorten it must be told so."""
    reasons = tuple(error.refusals.values())
    if reasons and all("context" in reason for reason in reasons):
        return Fault(status=400, message=f"prompt is too long: {error}", code="context_length_exceeded")
    return Fault(status=403, message=str(error), code="refused")


def _interruption(error: exc.StreamInterrupted) -> str:
    return f"the stream broke after {len(error.partial)} characters of text ({error.kind}); what came is not the whole"


def turn_away(
    dialect: str,
    status: int,
    message: str,
    *,
    code: str | None = None,
    retry_after_s: float | None = None,
    request_id: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error in a dialect's form for what never reaches a door: no key, a body that is too large, no such path."""
    fault = Fault(status=status, message=message, code=code, retry_after_s=retry_after_s)
    answer = answer_of(fault, dialect, request_id)
    if not headers:
        return answer
    return msgspec.structs.replace(answer, headers={**answer.headers, **headers})


def answer_of(fault: Fault, dialect: str, request_id: str) -> Answer:
    """The fault as the dialect's own error answer."""
    headers = {"content-type": "application/json"}
    if request_id:
        headers["x-request-id"] = request_id
        if dialect == "anthropic":
            headers["request-id"] = request_id
    if fault.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(fault.retry_after_s))
        headers["retry-after-ms"] = str(math.ceil(fault.retry_after_s * 1000))
    if fault.retry is not None:
        headers["x-should-retry"] = "true" if fault.retry else "false"
    status = fault.status
    if dialect == "anthropic":
        if fault.code == "overloaded":
            status = 529
        return Answer(status, headers, _encode(anthropic_error(fault, request_id)))
    return Answer(status, headers, _encode({"error": openai_error(fault)}))


_OPENAI_TYPE: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPE: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def openai_error(fault: Fault) -> dict[str, Any]:
    """The error object of OpenAI's APIs."""
    status, code = fault.status, fault.code
    if code == "insufficient_quota":
        word = code
    else:
        word = _OPENAI_TYPE.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    return {"message": fault.message, "type": word, "param": None, "code": code}


def anthropic_error(fault: Fault, request_id: str) -> dict[str, Any]:
    """The error body of Anthropic's API, in answers as in streams."""
    status = fault.status
    word = _ANTHROPIC_TYPE.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    body: dict[str, Any] = {"type": "error", "error": {"type": word, "message": fault.message}}
    if request_id:
        body["request_id"] = request_id
    return body
