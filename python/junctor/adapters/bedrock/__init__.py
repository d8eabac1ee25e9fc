"""Amazon Bedrock's Converse API: Claude, Nova and the others that AWS serves, in one dialect."""

from __future__ import annotations

from typing import Final

from junctor.adapters.bedrock.build import build
from junctor.adapters.bedrock.parse import classify, parse
from junctor.adapters.bedrock.stream import BedrockReader
from junctor.adapters.dialect import Dialect

DIALECT: Final = Dialect(
    name="bedrock",
    default_base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
    key_env="AWS_BEARER_TOKEN_BEDROCK",
    build=build,
    parse=parse,
    classify=classify,
    reader=BedrockReader,
)
"""The dialect of `POST /model/{model}/converse` and `/converse-stream`."""
