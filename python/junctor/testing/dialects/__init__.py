"""The languages that a simulated provider speaks, one file each, seen from the provider's side.

These files are written from the providers' public formats and recorded answers, on purpose without a line shared with
`junctor.adapters`: a misreading there cannot hide behind the same misreading here.
"""

from __future__ import annotations

from typing import Final

from junctor.testing.dialects.anthropic import Anthropic
from junctor.testing.dialects.base import Ask, Dialect, ErrorKind, Frames, Invalid
from junctor.testing.dialects.bedrock import Bedrock
from junctor.testing.dialects.gemini import Gemini
from junctor.testing.dialects.mistral import Mistral
from junctor.testing.dialects.openai import OpenAI
from junctor.testing.dialects.openai_embeddings import OpenAIEmbeddings
from junctor.testing.dialects.openai_responses import OpenAIResponses

__all__ = ["DIALECTS", "Ask", "Dialect", "ErrorKind", "Frames", "Invalid", "dialect_of"]

DIALECTS: Final[dict[str, Dialect]] = {
    "openai": OpenAI(),
    "openai-responses": OpenAIResponses(),
    "anthropic": Anthropic(),
    "gemini": Gemini(),
    "bedrock": Bedrock(),
    "mistral": Mistral(),
}
"""By the name of the adapter that speaks to it. OpenAI's two interfaces are one provider, for the same keys."""

_EMBEDDINGS: Final = OpenAIEmbeddings()


def dialect_of(path: str) -> Dialect | None:
    """The dialect whose endpoint a path names, whatever prefix stands before it."""
    for dialect in (_EMBEDDINGS, *reversed(DIALECTS.values())):  # Mistral's paths end like OpenAI's and are longer
        if dialect.serves(path):
            return dialect
    return None
