"""Google's Gemini API (`generateContent`, `streamGenerateContent`) as AI Studio serves it."""

from __future__ import annotations

from collections.abc import Mapping

from junctor.adapters.contract import StreamReader
from junctor.adapters.gemini import build as _build
from junctor.adapters.gemini import parse as _parse
from junctor.adapters.gemini.stream import GeminiReader
from junctor.adapters.rate_limits import told_limits
from junctor.failures import Failure
from junctor.reply import RateLimit, Reply
from junctor.request import ChatRequest, Endpoint, HttpRequest


class GeminiAdapter:
    """The dialect of `POST /models/{model}:generateContent`."""

    name = "gemini"
    default_base_url = "https://generativelanguage.googleapis.com/v1beta"
    key_env = "GEMINI_API_KEY"

    def build(self, request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
        return _build.build(request, endpoint, stream=stream)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
        return _parse.parse(status, headers, body)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return _parse.classify(status, headers, body)

    def reader(self) -> StreamReader:
        return GeminiReader()

    def rate_limits(self, headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
        return told_limits(headers)
