"""Mistral's whole answers and errors: OpenAI's, with thinking as chunks of the content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from junctor.adapters.lenient import decode
from junctor.adapters.openai.parse import classify as openai_classify
from junctor.adapters.openai.parse import parse as openai_parse
from junctor.adapters.openai.shapes import Answer, answer_decoder
from junctor.failures import Failure
from junctor.reply import Reply


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
    """A whole answer; see `Adapter.parse`."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    reply = openai_parse(status, headers, body)
    if isinstance(reply, Failure):
        return reply
    reply.message.pop("provider_fields", None)
    if (content := _chunks(body)) is not None:
        reply.reasoning = "".join(thoughts_of(content)) or None
        if reply.reasoning:
            reply.message["provider_fields"] = {"mistral": {"model": reply.model, "content": content}}
    return reply


def _chunks(body: bytes) -> list[Any] | None:
    """The content of the first choice, if it is in chunks."""
    if b'"thinking"' not in body:
        return None
    answer = decode(answer_decoder, Answer, body)
    said = answer.choices[0].message if answer is not None and answer.choices else None
    return said.content if said is not None and isinstance(said.content, list) else None


def thoughts_of(content: list[Any]) -> list[str]:
    """The texts of all thinking chunks, in order."""
    return [
        piece["text"]
        for chunk in content
        if isinstance(chunk, dict) and chunk.get("type") == "thinking" and isinstance(chunk.get("thinking"), list)
        for piece in chunk["thinking"]
        if isinstance(piece, dict) and isinstance(piece.get("text"), str)
    ]


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure behind an error answer; see `Adapter.classify`."""
    failure = openai_classify(status, headers, body)
    if status == 429 and b"capacity_exceeded" in body:  # the tier is full, whoever asks
        return msgspec.structs.replace(failure, kind="overloaded")
    return failure
