"""Azure: both styles of address, keys and tokens, its own errors, and a whole call from the fleet file on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import junctor
from junctor import adapters
from junctor.config import compile, load
from junctor.failures import Failure
from junctor.request import ChatRequest, EmbeddingRequest, HttpRequest, Secret
from junctor.testing import Key, SimulatedProvider
from tests.adapters.cases import endpoint, user

RESOURCE = "https://acme.openai.azure.com"
OLD = f"{RESOURCE}/openai/deployments/our%20gpt"
DATE = "2024-10-21"
TOKEN = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJjb2duaXRpdmUi.c2ln"


def asked(operation: str, **place: Any) -> HttpRequest:
    at = endpoint("openai", **{"model": "our gpt", **place})
    if operation == "embeddings":
        built = adapters.get("openai").build_embeddings
        assert built is not None
        return built(EmbeddingRequest(inputs=["Hi"]), at)
    name = "openai" if operation == "chat/completions" else "openai-responses"
    return adapters.get(name).build(ChatRequest(messages=[user()]), at)


CHAT = "chat/completions"
SPELT = f"{RESOURCE}/openai/deployments/d"
FOUNDRY = "https://acme.services.ai.azure.com/models"
COGNITIVE = "https://acme.cognitiveservices.azure.com"
APIM = "https://apim.corp/ai"


@pytest.mark.parametrize(
    ("base_url", "version", "operation", "url"),
    [
        (RESOURCE, None, CHAT, f"{RESOURCE}/openai/v1/chat/completions"),
        (f"{RESOURCE}/", None, "responses", f"{RESOURCE}/openai/v1/responses"),
        (f"{RESOURCE}/openai", None, "embeddings", f"{RESOURCE}/openai/v1/embeddings"),
        (f"{RESOURCE}/openai/v1/", None, "responses", f"{RESOURCE}/openai/v1/responses"),
        (f"{RESOURCE}/openai/v1", "preview", "responses", f"{RESOURCE}/openai/v1/responses?api-version=preview"),
        (RESOURCE, DATE, CHAT, f"{OLD}/chat/completions?api-version={DATE}"),
        (f"{RESOURCE}/openai/v1", DATE, "embeddings", f"{OLD}/embeddings?api-version={DATE}"),
        (RESOURCE, "2025-04-01-preview", "responses", f"{RESOURCE}/openai/responses?api-version=2025-04-01-preview"),
        (APIM, DATE, CHAT, f"{APIM}/openai/deployments/our%20gpt/chat/completions?api-version={DATE}"),
        (SPELT, DATE, "embeddings", f"{SPELT}/embeddings?api-version={DATE}"),
        (f"{SPELT}?api-version=x", None, CHAT, f"{SPELT}/chat/completions?api-version=x"),
        (f"{SPELT}?api-version=x", None, "responses", f"{RESOURCE}/openai/responses?api-version=x"),
        (f"{RESOURCE}?api-version=x", None, CHAT, f"{OLD}/chat/completions?api-version=x"),
        (f"{FOUNDRY}?api-version=y", None, CHAT, f"{FOUNDRY}/chat/completions?api-version=y"),
        (COGNITIVE, None, "embeddings", f"{COGNITIVE}/openai/v1/embeddings"),
    ],
)
def test_both_styles_of_address(base_url: str, version: str | None, operation: str, url: str) -> None:
    assert asked(operation, base_url=base_url, api_version=version).url == url


def test_a_key_has_a_header_of_its_own_and_a_token_is_a_bearer() -> None:
    for operation in ("chat/completions", "responses", "embeddings"):
        by_key = asked(operation, base_url=RESOURCE, key=Secret("0123abcd", "env:K")).headers
        assert by_key["api-key"] == "0123abcd"
        assert "authorization" not in by_key
        by_token = asked(operation, base_url=RESOURCE, key=Secret(TOKEN, "file:t")).headers
        assert by_token["authorization"] == f"Bearer {TOKEN}"
        assert "api-key" not in by_token
    behind_a_gateway = asked("responses", base_url="https://apim.corp/ai", api_version=DATE).headers
    assert "api-key" in behind_a_gateway
    assert "authorization" in asked("responses", base_url="https://apim.corp/ai").headers


def error(code: str, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


FILTERED = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("content_filter", "The response was filtered", innererror=FILTERED), "content_filter"),
        (429, error("RateLimitReached", "Rate limit is exceeded. Try again in 1 seconds."), "rate_limit"),
        (429, error("429", "Requests have exceeded token rate limit of your current pricing tier."), "rate_limit"),
        (404, error("DeploymentNotFound"), "not_found"),
        (404, error("404", "Resource not found"), "not_found"),
        (400, error("OperationNotSupported", "The embeddings operation does not work with this model"), "not_found"),
        (401, error("401", "Access denied due to invalid subscription key"), "auth"),
        (403, error("AuthenticationTypeDisabled", "Key based authentication is disabled"), "permission"),
        (400, error("context_length_exceeded", "This model's maximum context length is 8"), "context_length"),
        (400, error("BadRequest", "Invalid api-version"), "invalid_request"),
        (429, error("InsufficientQuota"), "quota"),
        (429, error("NoCapacity", "The system is currently experiencing high demand"), "overloaded"),
        (503, error("ServiceUnavailable"), "overloaded"),
        (500, error("InternalServerError"), "server"),
        (408, error("Timeout", "The operation was timeout."), "timeout"),
    ],
)
@pytest.mark.parametrize("adapter", ["openai", "openai-responses"])
def test_azures_errors_are_of_their_kind(adapter: str, status: int, body: dict[str, Any], kind: str) -> None:
    headers = {"retry-after": "7", "retry-after-ms": "6500"}
    failure = adapters.get(adapter).parse(status, headers, json.dumps(body).encode())
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.retry_after_s) == (kind, 6.5)


FLEET = """
version: 1
state: process
providers:
  azure: {{base_url: "{url}", key: "env:AZURE_TEST_KEY", api_version: "2024-10-21"}}
deployments:
  gpt: {{model: azure/our-gpt}}
  vectors: {{model: azure/our-vectors, capabilities: [embeddings]}}
"""


def test_a_fleet_file_with_an_api_version_speaks_azures_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TEST_KEY", "azure-key")

    async def scenario() -> None:
        async with SimulatedProvider([Key("azure-key")], text="Hello") as provider:
            file = tmp_path / "fleet.yaml"
            file.write_text(FLEET.format(url=provider.url()))
            place = compile(load(file)).endpoints[0]
            assert (place.api_version, place.dialects) == (DATE, ("openai", "openai-responses"))
            async with junctor.Client(junctor.Router.from_config(load(file))) as llm:
                assert (await llm.chat("gpt", [user()])).text == "Hello"
                assert [event async for event in llm.stream("gpt", [user()])]
                assert len((await llm.embed("vectors", ["a", "b"])).vectors) == 2

    asyncio.run(scenario())
