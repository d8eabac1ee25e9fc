"""Mistral's chat completions: close to OpenAI's, with words, content chunks and call ids of its own.

Its streams, tool calls and errors are read by the code for OpenAI's dialect. What is sent is written apart: Mistral
refuses fields that it does not know, and a conversation that began elsewhere has ids and parts that it does not take.
"""

from __future__ import annotations

from typing import Final

from junctor.adapters.dialect import Dialect
from junctor.adapters.mistral.build import build
from junctor.adapters.mistral.parse import classify, parse
from junctor.adapters.mistral.stream import MistralReader

DIALECT: Final = Dialect(
    name="mistral",
    default_base_url="https://api.mistral.ai/v1",
    key_env="MISTRAL_API_KEY",
    build=build,
    parse=parse,
    classify=classify,
    reader=MistralReader,
)
"""The dialect of Mistral's `POST /chat/completions`."""
