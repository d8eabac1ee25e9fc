"""Mistral's streams: OpenAI's, with thinking as chunks of the content."""

from __future__ import annotations

from typing import Any

from junctor.adapters.mistral.parse import thoughts_of
from junctor.adapters.openai.shapes import Said
from junctor.adapters.openai.stream import OpenAIReader
from junctor.reply import Event, ReasoningDelta


class MistralReader(OpenAIReader):
    """Reads one stream; see `StreamReader`."""

    __slots__ = ("_signature",)

    dialect = "mistral"

    def __init__(self) -> None:
        super().__init__()
        self._signature: str | None = None

    def _beside_text(self, said: Said, events: list[Event]) -> None:
        if isinstance(said.content, list):
            self._think(said.content, events)
        super()._beside_text(said, events)

    def _think(self, content: list[Any], events: list[Event]) -> None:
        draft = self._draft
        for text in thoughts_of(content):
            if text:
                draft.reasoning.append(text)
                draft.chunks += 1
                events.append(ReasoningDelta(text))
        for chunk in content:
            if isinstance(chunk, dict) and isinstance(signature := chunk.get("signature"), str):
                self._signature = (self._signature or "") + signature

    def _native(self) -> dict[str, Any] | None:
        """The content as the whole message would hold it: pieces of one thought become the thought."""
        thought = "".join(self._draft.reasoning)
        if not thought:
            return None
        chunk: dict[str, Any] = {"type": "thinking", "thinking": [{"type": "text", "text": thought}], "closed": True}
        if self._signature is not None:
            chunk["signature"] = self._signature
        text = "".join(self._draft.text)
        content = [chunk, {"type": "text", "text": text}] if text else [chunk]
        return {"model": self._draft.model, "content": content}
