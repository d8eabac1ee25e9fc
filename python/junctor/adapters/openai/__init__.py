"""OpenAI chat completions, and every host that copies them (Azure, Groq, DeepSeek, OpenRouter, vLLM, Ollama, …)."""

from __future__ import annotations

from typing import Final

from junctor.adapters.dialect import Dialect
from junctor.adapters.openai.build import build
from junctor.adapters.openai.embeddings import build_embeddings, parse_embeddings
from junctor.adapters.openai.parse import classify, parse
from junctor.adapters.openai.stream import OpenAIReader

DIALECT: Final = Dialect(
    name="openai",
    default_base_url="https://api.openai.com/v1",
    key_env="OPENAI_API_KEY",
    build=build,
    parse=parse,
    classify=classify,
    reader=OpenAIReader,
    build_embeddings=build_embeddings,
    parse_embeddings=parse_embeddings,
)
"""The dialect of `POST /chat/completions`, and of `POST /embeddings`."""
