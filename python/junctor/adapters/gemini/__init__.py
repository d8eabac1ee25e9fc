"""Google's Gemini API (`generateContent`, `streamGenerateContent`) as AI Studio serves it."""

from __future__ import annotations

from typing import Final

from junctor.adapters.dialect import Dialect
from junctor.adapters.gemini.build import build
from junctor.adapters.gemini.embeddings import build_embeddings, parse_embeddings
from junctor.adapters.gemini.parse import classify, parse
from junctor.adapters.gemini.stream import GeminiReader

DIALECT: Final = Dialect(
    name="gemini",
    default_base_url="https://generativelanguage.googleapis.com/v1beta",
    key_env="GEMINI_API_KEY",
    build=build,
    parse=parse,
    classify=classify,
    reader=GeminiReader,
    build_embeddings=build_embeddings,
    parse_embeddings=parse_embeddings,
)
"""The dialect of `POST /models/{model}:generateContent`."""
