"""OpenAI chat completions, and every host that copies them (Azure, Groq, DeepSeek, OpenRouter, vLLM, Ollama, …)."""

from __future__ import annotations

from collections.abc import Mapping

from junctor.adapters.contract import StreamReader
from junctor.adapters.openai import build as _build
from junctor.adapters.openai import parse as _parse
from junctor.adapters.openai.stream import OpenAIReader
from junctor.adapters.rate_limits import told_limits
from junctor.failures import Failure
from junctor.reply import RateLimit, Reply
from junctor.request import ChatRequest, Endpoint, HttpRequest


class OpenAIAdapter:
    """The dialect of `POST /chat/completions`."""

    name = "openai"
    default_base_url = "https://api.openai.com/v1"
    key_env = "OPENAI_API_KEY"

    def build(self, request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
        return _build.build(request, endpoint, stream=stream)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
        return _parse.parse(status, headers, body)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return _parse.classify(status, headers, body)

    def reader(self) -> StreamReader:
        return OpenAIReader()

    def rate_limits(self, headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
        return told_limits(headers)
