"""What LiteLLM's exceptions and answers mean for a deployment: each class of LiteLLM's has its row."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import litellm
import openai
import pytest
from litellm import exceptions
from litellm.types.utils import PromptTokensDetailsWrapper, Usage

from junctor.failures import KINDS
from junctor.litellm import endings
from junctor.testing import faults
from tests.older.routed import HELLO, entry, provider, routed

# The kind, and the status and words that it is told with where those decide.
ROWS: dict[str, list[tuple[str, int | None, str]]] = {
    "APIConnectionError": [("connection", 500, "")],
    "APIError": [("server", 500, ""), ("rate_limit", 429, ""), ("timeout", 524, ""), ("invalid_request", 418, "")],
    "APIResponseValidationError": [("malformed", None, "")],
    "AuthenticationError": [("auth", 401, "")],
    "BadGatewayError": [("server", 502, "")],
    "BadRequestError": [
        ("invalid_request", 400, "unknown parameter"),
        ("auth", 400, "API key not valid. Please pass a valid API key."),
        ("context_length", 400, "this model's maximum context length is 8192 tokens"),
    ],
    "BlockedPiiEntityError": [("invalid_request", 400, "")],
    "BudgetExceededError": [("invalid_request", 429, "")],
    "CallerCredentialAuthenticationError": [("invalid_request", 401, "")],
    "CallerCredentialRateLimitError": [("invalid_request", 429, "")],
    "ContentPolicyViolationError": [("content_filter", 400, "")],
    "ContextWindowExceededError": [("context_length", 400, "")],
    "EndpointNotSupportedByModelError": [("invalid_request", 400, "")],
    "GuardrailRaisedException": [("invalid_request", 400, "")],
    "ImageFetchError": [("invalid_request", 400, "")],
    "InternalServerError": [("server", 500, ""), ("overloaded", 500, "The engine is currently overloaded")],
    "InvalidRequestError": [("invalid_request", 400, "")],
    "JSONSchemaValidationError": [("invalid_request", None, "")],
    "LiteLLMUnknownProvider": [("invalid_request", 400, "")],
    "MalformedRequestFieldError": [("invalid_request", 400, "")],
    "MidStreamFallbackError": [("truncated", 503, "")],
    "MockException": [("server", 500, ""), ("rate_limit", 429, "")],
    "ModelNotMappedError": [("invalid_request", None, "")],
    "ModifyResponseException": [("invalid_request", None, "")],
    "NotFoundError": [("not_found", 404, "")],
    "OpenAIError": [("server", None, "")],
    "PaymentRequiredError": [("quota", 402, "")],
    "PermissionDeniedError": [("permission", 403, "")],
    "RateLimitError": [
        ("rate_limit", 429, "Rate limit reached"),
        ("rate_limit", None, ""),
        ("quota", 429, "insufficient_quota: You exceeded your current quota"),
        ("quota", 429, "Rate limit reached for requests per day (RPD)"),
    ],
    "RejectedRequestError": [("invalid_request", 400, "")],
    "SensitiveDataRouteException": [("invalid_request", None, "")],
    "ServiceUnavailableError": [("overloaded", 503, "")],
    "Timeout": [("timeout", 408, ""), ("timeout", 504, "")],
    "UnprocessableEntityError": [("invalid_request", 422, "")],
    "UnsupportedEndpointError": [("invalid_request", 400, "")],
    "UnsupportedParamsError": [("invalid_request", 400, "")],
    "VectorStoreSearchError": [("invalid_request", 400, "")],
}
LITELLMS = {
    name: item
    for name, item in vars(exceptions).items()
    if isinstance(item, type) and issubclass(item, Exception) and item.__module__ == exceptions.__name__
}


def _made(cls: type[Exception], status: int | None, words: str) -> Exception:
    """An exception of this class as it is found, whatever its constructor asks for."""
    error: Any = cls.__new__(cls)
    error.status_code, error.message = status, words
    return error if isinstance(error, Exception) else Exception()


def test_every_exception_of_litellm_has_a_row() -> None:
    """A new one is noticed here, and not by a breaker."""
    assert sorted(LITELLMS) == sorted(ROWS)


@pytest.mark.parametrize(
    ("name", "kind", "status", "words"), [(name, *row) for name, rows in ROWS.items() for row in rows]
)
def test_an_exception_means(name: str, kind: str, status: int | None, words: str) -> None:
    """By class, then by words and status where the class leaves it open."""
    assert endings.kind_of(_made(LITELLMS[name], status, words), begun=False) == kind
    assert kind in KINDS


@pytest.mark.parametrize(
    ("error", "begun", "kind"),
    [
        (httpx.ReadTimeout("slow"), False, "timeout"),
        (TimeoutError(), True, "timeout"),
        (httpx.RemoteProtocolError("cut"), True, "truncated"),
        (httpx.ConnectError("refused"), False, "connection"),
        (ConnectionResetError(), True, "truncated"),
        (openai.OpenAIError(), False, "server"),
        (ModuleNotFoundError("no module"), False, "invalid_request"),
        (None, False, "invalid_request"),
    ],
)
def test_what_lies_beneath_litellm_means(error: Any, begun: bool, kind: str) -> None:
    """The libraries' own exceptions, which streams end with; and what nobody's provider did."""
    assert endings.kind_of(error, begun=begun) == kind


def test_an_error_without_words_is_read_by_its_attributes() -> None:
    """`str` of some of LiteLLM's own errors is None; it is not asked."""

    class Wordless(litellm.RateLimitError):  # type: ignore[misc]  # no types here
        def __str__(self) -> str:
            raise AssertionError("str was asked")

    error = Wordless("slow down", llm_provider="openai", model="gpt")
    assert endings.failed({}, error)[0] == "rate_limit"


def test_the_error_within_a_broken_stream_decides() -> None:
    """LiteLLM wraps what broke it for its own fallbacks."""
    inner = _made(exceptions.RateLimitError, 429, "Rate limit reached")
    error = exceptions.MidStreamFallbackError("broke", model="gpt", llm_provider="openai", original_exception=inner)
    assert endings.kind_of(error, begun=True) == "rate_limit"


def test_usage_is_told_with_what_the_cache_did() -> None:
    """Reads and writes are parts of the prompt, as providers charge them."""
    usage = Usage(
        prompt_tokens=1000, completion_tokens=20, cache_creation_input_tokens=300, cache_read_input_tokens=600,
        prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=600, cache_creation_tokens=300),
    )  # fmt: skip
    told = endings.succeeded({}, litellm.ModelResponse(usage=usage))
    words = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")
    assert [told[word] for word in words] == [1000, 20, 600, 300]


def test_no_usage_is_none_and_not_zero() -> None:
    """Then the core keeps what it held."""
    assert "input_tokens" not in endings.succeeded({}, litellm.ModelResponse(usage=Usage()))
    assert "input_tokens" not in endings.succeeded({}, object())


def test_the_first_content_is_a_streams_alone() -> None:
    """LiteLLM writes the end of a whole answer in its place."""
    began = datetime(2026, 11, 30, 12)
    times = {"api_call_start_time": began, "completion_start_time": began + timedelta(seconds=0.25)}
    assert endings.succeeded({**times, "stream": True}, None)["first_token_s"] == 0.25
    assert endings.succeeded({**times, "stream": False}, None)["first_token_s"] is None


def test_what_headers_say_of_limits_is_learned() -> None:
    """Of answers, where LiteLLM keeps them under names of its own, and of errors with the time to come back."""
    answer = litellm.ModelResponse()
    answer._hidden_params = {
        "additional_headers": {
            "llm_provider-x-ratelimit-limit-requests": "60",
            "llm_provider-x-ratelimit-remaining-requests": "59",
            "llm_provider-x-ratelimit-reset-requests": "1s",
        }
    }
    assert endings.succeeded({}, answer)["rate_limits"] == [("rpm", 60, 59, 1.0)]
    headers = {"Retry-After": "7", "X-RateLimit-Limit-Requests": "60", "X-RateLimit-Remaining-Requests": "0"}
    response = httpx.Response(429, headers=headers, request=httpx.Request("POST", "http://a"))
    kind, told = endings.failed({}, litellm.RateLimitError("slow", llm_provider="a", model="m", response=response))
    assert (kind, told["retry_after_s"], told["rate_limits"]) == ("rate_limit", 7.0, [("rpm", 60, 0, None)])


@pytest.mark.parametrize("blocking", [False, True])
def test_a_hint_of_a_provider_holds_its_deployment(blocking: bool) -> None:
    """Through the whole Router: `retry-after: 90` keeps the next call away, which hears when to come back."""
    with provider("a").in_thread() as there:
        there.inject(faults.throttle(retry_after_s=90))
        with routed([entry("chat", there, "a")]) as at:

            async def call() -> None:
                await (asyncio.to_thread(at.router.completion, "chat", HELLO) if blocking else _awaited())

            def _awaited() -> Any:
                return at.router.acompletion("chat", HELLO)

            with pytest.raises(litellm.RateLimitError):
                at.run(call())
            assert 60 < at.state("a")["held_s"] <= 90
            with pytest.raises(litellm.RateLimitError) as again:
                at.run(call())
            assert 60 < again.value.cooldown_time <= 90
            assert there.counts().requests == 1
