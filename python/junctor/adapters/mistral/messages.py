"""Messages for Mistral: its content chunks, its call ids, and an answer begun by the caller marked as a prefix.

Call ids must be nine letters or digits. An id that another provider made becomes the same nine each time, so a call
and its result still belong together. Thinking chunks go back as they came to the same model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from junctor.adapters.anthropic.models import same_model
from junctor.adapters.content import Media, carried, media_of, parts_of, role_of, unknown_part
from junctor.adapters.tools import called_function
from junctor.adapters.turns import with_turn_between
from junctor.exceptions import InvalidRequest
from junctor.request import Message

_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")

Chunks = list[dict[str, Any]]


def messages_for(messages: Sequence[Message], model: str, notes: list[str]) -> Sequence[Message]:
    """The conversation as Mistral takes it. Raises `InvalidRequest` for a message that has no form there."""
    turns = [_message(message, index, model) for index, message in enumerate(messages)]
    if turns and turns[-1]["role"] == "assistant":
        turns[-1]["prefix"] = True  # a last answer is refused unless it is to be continued
    return with_turn_between(turns, notes, "mistral")


def _message(message: Message, index: int, model: str) -> dict[str, Any]:
    role = role_of(message, index)
    out: dict[str, Any] = {"role": "system" if role == "developer" else role}
    if role == "assistant":
        return {**out, **_assistant(message, index, model)}
    content = message.get("content")
    if content is None:
        raise InvalidRequest(f"messages[{index}]: a {role} message without content; give a string or content parts")
    out["content"] = content if isinstance(content, str) else _chunks(message, index)
    if role == "tool":
        out["tool_call_id"] = short_id(message.get("tool_call_id"))
        if message.get("name"):
            out["name"] = message["name"]
    return out


def _assistant(message: Message, index: int, model: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    native = carried(message, "mistral", "content")
    if native is not None and same_model(model, str(native.get("model") or "")):
        out["content"] = native["content"]
    elif isinstance(message.get("content"), str):
        out["content"] = message["content"]
    else:
        out["content"] = _chunks(message, index) or str(message.get("refusal") or "")
    calls = [
        _call(call, f"messages[{index}].tool_calls[{place}]")
        for place, call in enumerate(message.get("tool_calls") or ())
    ]
    if calls:
        out["tool_calls"] = calls
    return out


def _call(call: Any, where: str) -> dict[str, Any]:
    function = called_function(call, where)
    words = {"name": function["name"], "arguments": function.get("arguments") or "{}"}
    return {"id": short_id(call.get("id")), "type": "function", "function": words}


def short_id(id: Any) -> str:
    """The id if Mistral takes it, else nine hexadecimal digits that stand for it."""
    text = str(id or "call_0")
    return text if _ID.fullmatch(text) else sha256(text.encode("utf-8", "replace")).hexdigest()[:9]


def _chunks(message: Message, index: int) -> Chunks:
    found = (_chunk(part, f"messages[{index}].content[{place}]") for place, part in enumerate(parts_of(message, index)))
    return [chunk for chunk in found if chunk is not None]


def _chunk(part: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        return {"type": "text", "text": part[str(kind)]} if part.get(str(kind)) else None
    if kind not in ("image_url", "file", "input_audio"):
        raise unknown_part(part, where, "mistral")
    media = media_of(part, where)
    if kind == "image_url" or (media.mime or "").startswith("image/"):
        return {"type": "image_url", "image_url": media.url or f"data:{media.mime};base64,{media.data}"}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": media.data}
    return _document(media, where)


def _document(media: Media, where: str) -> dict[str, Any]:
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    if media.data is not None and media.textual:  # documents are PDF and the like; every model reads text
        title = f"[{media.name}]\n" if media.name else ""
        return {"type": "text", "text": title + media.decoded_text(where)}
    chunk = {"type": "document_url", "document_url": media.url or f"data:{media.mime};base64,{media.data}"}
    return {**chunk, "document_name": media.name} if media.name else chunk
