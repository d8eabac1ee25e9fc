"""What LiteLLM's callbacks tell of an attempt's end, in the words that a reservation is settled by.

LiteLLM's exceptions are read by their class, status and headers, never by `str`: some of its own making print as None.
One class can stand for several kinds (a 429 that says the credit is gone), there the provider's words decide, as in the
adapters. What LiteLLM itself refuses before it sends is the caller's fault and costs the deployment nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from junctor.adapters.faults import by_status, by_words
from junctor.adapters.rate_limits import told_limits
from junctor.adapters.retry_after import hint_s
from junctor.failures import Kind
from junctor.reply import as_tuples

BY_CLASS: Final[Mapping[str, Kind | int]] = {
    # LiteLLM's own
    "AuthenticationError": "auth",
    "CallerCredentialAuthenticationError": "invalid_request",  # the caller's own key, not the deployment's
    "CallerCredentialRateLimitError": "invalid_request",
    "PermissionDeniedError": "permission",
    "NotFoundError": "not_found",
    "RateLimitError": 429,
    "PaymentRequiredError": "quota",
    "ContextWindowExceededError": "context_length",
    "ContentPolicyViolationError": "content_filter",
    "BadRequestError": 400,
    "InvalidRequestError": 400,
    "ImageFetchError": "invalid_request",
    "VectorStoreSearchError": "invalid_request",
    "MalformedRequestFieldError": "invalid_request",
    "UnsupportedEndpointError": "invalid_request",
    "EndpointNotSupportedByModelError": "invalid_request",
    "UnsupportedParamsError": "invalid_request",
    "RejectedRequestError": "invalid_request",
    "LiteLLMUnknownProvider": "invalid_request",
    "UnprocessableEntityError": 422,
    "Timeout": "timeout",
    "ServiceUnavailableError": "overloaded",
    "BadGatewayError": "server",
    "InternalServerError": 500,
    "APIConnectionError": "connection",
    "APIResponseValidationError": "malformed",
    "JSONSchemaValidationError": "invalid_request",  # the schema is the caller's, and others' calls are fine
    "MidStreamFallbackError": "truncated",
    "APIError": 500,
    "OpenAIError": 500,
    "ModelNotMappedError": "invalid_request",
    "BudgetExceededError": "invalid_request",
    "GuardrailRaisedException": "invalid_request",
    "BlockedPiiEntityError": "invalid_request",
    "ModifyResponseException": "invalid_request",
    "SensitiveDataRouteException": "invalid_request",
    # what the SDKs and HTTP libraries beneath it raise, when a stream breaks
    "APITimeoutError": "timeout",
    "TimeoutException": "timeout",
    "TimeoutError": "timeout",
    "TransportError": "connection",
    "ClientError": "connection",
    "ConnectionError": "connection",
    "JSONDecodeError": "malformed",
}
"""What a class of exception means, by its name: nothing need be imported, and subclasses inherit.

A number stands where the provider's words and status decide: it is the status of an exception that has none.
"""

UNKNOWN: Final[Kind] = "invalid_request"
"""Of an exception that no provider causes: a missing package, a bug. Nobody's ill health."""


def kind_of(error: object, *, begun: bool) -> Kind:
    """The failure kind of an exception that ended an attempt. `begun`: the answer's first content had come."""
    for cls in type(error).__mro__:
        kind = BY_CLASS.get(cls.__name__)
        if kind is None:
            continue
        original = getattr(error, "original_exception", None)
        if kind == "truncated" and original is not None:
            return kind_of(original, begun=begun)
        if isinstance(kind, int):
            own = getattr(error, "status_code", None)
            status = own if isinstance(own, int) else kind
            return by_words(status, _message(error)) or by_status(status)
        return "truncated" if kind == "connection" and begun else kind
    return UNKNOWN


def succeeded(told: Mapping[str, Any], response: object) -> dict[str, Any]:
    """How to settle an attempt that answered: usage, time to first content, what the headers say of limits."""
    return {
        **_usage(getattr(response, "usage", None)),
        "first_token_s": _first_content_s(told),
        "rate_limits": as_tuples(told_limits(_answer_headers(response))),
    }


def failed(told: Mapping[str, Any], error: object) -> tuple[Kind, dict[str, Any]]:
    """The kind of the failure, and how to settle it."""
    first_content_s = _first_content_s(told)
    headers = _error_headers(error)
    return kind_of(error, begun=first_content_s is not None), {
        "first_token_s": first_content_s,
        "retry_after_s": hint_s(headers),
        "rate_limits": as_tuples(told_limits(headers)),
    }


def _usage(usage: object) -> dict[str, int]:
    """Tokens as the core takes them; nothing if there are none, as of an answer whose provider did not say.

    Chats tell prompt and completion tokens, responses input and output tokens; cached ones are inside the prompt's.
    """
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    if not prompt:
        return {}
    details = _field(usage, "prompt_tokens_details") or _field(usage, "input_tokens_details")
    hour = _count(_field(details, "cache_creation_token_details"), "ephemeral_1h_input_tokens")
    cached = _count(details, "cached_tokens") or _count(usage, "cache_read_input_tokens")
    written = _count(details, "cache_creation_tokens") or _count(usage, "cache_creation_input_tokens")
    return {
        "input_tokens": prompt,
        "output_tokens": _count(usage, "completion_tokens", "output_tokens"),
        "cached_tokens": min(cached, prompt),
        "cache_write_tokens": min(written, prompt - min(cached, prompt)),
        "cache_write_1h_tokens": min(hour, written),
    }


def _field(holder: object, name: str) -> object:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _count(holder: object, *names: str) -> int:
    values = (_field(holder, name) for name in names)
    return next((value for value in values if isinstance(value, int) and value > 0), 0)


def _first_content_s(told: Mapping[str, Any]) -> float | None:
    """Seconds to the first content of a stream. A whole answer has none: LiteLLM writes its end there."""
    if told.get("stream") is not True:
        return None
    began, first = told.get("api_call_start_time") or told.get("start_time"), told.get("completion_start_time")
    if not isinstance(began, datetime) or not isinstance(first, datetime):
        return None
    if (began.tzinfo is None) != (first.tzinfo is None):
        return None  # one of them is local time, and nobody says where
    return max(0.0, (first - began).total_seconds())


def _answer_headers(response: object) -> dict[str, str]:
    """The provider's headers, from under the names that LiteLLM keeps them by."""
    hidden = getattr(response, "_hidden_params", None)
    kept = hidden.get("additional_headers") if isinstance(hidden, Mapping) else None
    return _lower(kept, without="llm_provider-")


def _error_headers(error: object) -> dict[str, str]:
    own = getattr(error, "litellm_response_headers", None)
    return _lower(own if own is not None else getattr(getattr(error, "response", None), "headers", None))


def _lower(headers: object, *, without: str = "") -> dict[str, str]:
    items = getattr(headers, "items", None)
    if not callable(items):
        return {}
    return {str(name).lower().removeprefix(without): str(value) for name, value in items()}


def _message(error: object) -> str:
    message = getattr(error, "message", None)
    return message if isinstance(message, str) else ""
