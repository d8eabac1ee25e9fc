"""OpenAI responses: the newer interface, in which an answer is a list of items, of OpenAI, Azure, xAI and others."""

from __future__ import annotations

from typing import Final

from junctor.adapters.dialect import Dialect
from junctor.adapters.openai.embeddings import build_embeddings, parse_embeddings
from junctor.adapters.openai.parse import classify
from junctor.adapters.openai_responses.build import build
from junctor.adapters.openai_responses.parse import parse
from junctor.adapters.openai_responses.stream import ResponsesReader

DIALECT: Final = Dialect(
    name="openai-responses",
    default_base_url="https://api.openai.com/v1",
    key_env="OPENAI_API_KEY",
    build=build,
    parse=parse,
    classify=classify,
    reader=ResponsesReader,
    build_embeddings=build_embeddings,
    parse_embeddings=parse_embeddings,
)
"""The dialect of `POST /responses`, and of `POST /embeddings` at the same hosts."""
