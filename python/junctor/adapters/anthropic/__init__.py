"""Anthropic's messages API: Claude, at Anthropic itself."""

from __future__ import annotations

from collections.abc import Mapping

from junctor.adapters.anthropic import build as _build
from junctor.adapters.anthropic import parse as _parse
from junctor.adapters.anthropic.stream import AnthropicReader
from junctor.adapters.contract import StreamReader
from junctor.adapters.rate_limits import told_limits
from junctor.failures import Failure
from junctor.reply import RateLimit, Reply
from junctor.request import ChatRequest, Endpoint, HttpRequest


class AnthropicAdapter:
    """The dialect of `POST /v1/messages`."""

    name = "anthropic"
    default_base_url = "https://api.anthropic.com"
    key_env = "ANTHROPIC_API_KEY"

    def build(self, request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
        return _build.build(request, endpoint, stream=stream)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
        return _parse.parse(status, headers, body)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return _parse.classify(status, headers, body)

    def reader(self) -> StreamReader:
        return AnthropicReader()

    def rate_limits(self, headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
        return told_limits(headers)
