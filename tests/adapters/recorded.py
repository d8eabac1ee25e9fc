"""The recorded provider exchanges, read where they are: `$JUNCTOR_DATA`, or `../shared/data` beside the checkout."""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.adapters.frames import frame, unframed

ROOT = Path(os.environ.get("JUNCTOR_DATA") or Path(__file__).parents[2].parent / "shared" / "data") / "recorded"

# Which adapter speaks to whom, and through which of its APIs.
SPOKEN = {
    ("openai", "chat_completions"): "openai",
    ("azure", "chat_completions"): "openai",
    ("openai_compatible", "chat_completions"): "openai",
    ("mistral", "chat_completions"): "mistral",
    ("openai", "responses"): "openai-responses",
    ("azure", "responses"): "openai-responses",
    ("openai_compatible", "responses"): "openai-responses",
    ("anthropic", "messages"): "anthropic",
    ("gemini", "generateContent"): "gemini",
    ("gemini", "streamGenerateContent"): "gemini",
    ("bedrock", "converse"): "bedrock",
    ("bedrock", "converse_stream"): "bedrock",
}


NO_CHAT = {"mistral/chat_completions/mistral-transcription.0"}  # a transcription that was filed with the chats

CHATS = {"azure/responses/azure-deepseek-reasoning-1.0"}  # a chat completion that was filed with the responses


def rows(*, stream: bool | None = None, errors: bool | None = None) -> list[dict[str, Any]]:
    """The index rows of exchanges that an adapter speaks; empty where the data is absent."""
    if not (ROOT / "index.json").exists():
        return []
    return [
        row
        for row in json.loads((ROOT / "index.json").read_text())
        if (row["provider"], row["api"]) in SPOKEN
        and (stream is None or row["stream"] == stream)
        and row["id"] not in NO_CHAT
        and (errors is None or (row["status"] >= 400) == errors)
    ]


def every(api: str) -> list[dict[str, Any]]:
    """The index rows of one API, whoever spoke it; empty where the data is absent."""
    if not (ROOT / "index.json").exists():
        return []
    return [row for row in json.loads((ROOT / "index.json").read_text()) if row["api"] == api]


def adapter_of(row: dict[str, Any]) -> str:
    return "openai" if row["id"] in CHATS else SPOKEN[row["provider"], row["api"]]


@lru_cache(maxsize=512)
def response_of(id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"{id}.json").read_text())["response"]
    return found


@lru_cache(maxsize=512)
def request_of(id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"{id}.json").read_text())["request"]
    return found


def stream_events(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The stream's events, read by nothing of ours."""
    if adapter_of(row) == "bedrock":
        return unframed(stream_bytes(row))
    lines = re.split(rb"\r\n|\r|\n", stream_bytes(row))
    data = [line[5:] for line in lines if line.startswith(b"data:")]
    return [json.loads(text) for text in data if text.strip() not in (b"", b"[DONE]")]


def stream_bytes(row: dict[str, Any]) -> bytes:
    """The stream as bytes; where only decoded events were kept, they are framed again as the provider frames them."""
    response = response_of(row["id"])
    if "b64" in response:
        return b64decode(response["b64"])
    if "text" in response:
        return str(response["text"]).encode()
    adapter = adapter_of(row)
    if adapter == "bedrock":
        return b"".join(frame(name, body) for event in response["events"] for name, body in event.items())
    lines = []
    for event in response["events"]:
        name = f"event: {event['type']}\n" if adapter in ("anthropic", "openai-responses") else ""
        lines.append(f"{name}data: {json.dumps(event)}\n\n")
    if adapter in ("openai", "mistral"):
        lines.append("data: [DONE]\n\n")
    return "".join(lines).encode()
