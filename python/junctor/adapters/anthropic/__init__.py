"""Anthropic's messages API: Claude, at Anthropic itself."""

from __future__ import annotations

from typing import Final

from junctor.adapters.anthropic.build import build
from junctor.adapters.anthropic.parse import classify, parse
from junctor.adapters.anthropic.stream import AnthropicReader
from junctor.adapters.dialect import Dialect

DIALECT: Final = Dialect(
    name="anthropic",
    default_base_url="https://api.anthropic.com",
    key_env="ANTHROPIC_API_KEY",
    build=build,
    parse=parse,
    classify=classify,
    reader=AnthropicReader,
)
"""The dialect of `POST /v1/messages`."""
