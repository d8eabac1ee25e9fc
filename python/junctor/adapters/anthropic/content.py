"""Content parts as Anthropic's content blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from junctor.adapters.content import Media, media_of, parts_of, unknown_part
from junctor.exceptions import InvalidRequest
from junctor.request import Message


def blocks_of(message: Message, index: int) -> list[dict[str, Any]]:
    """The message's parts as blocks; empty texts are left out, because the API refuses them."""
    blocks = []
    for place, part in enumerate(parts_of(message, index)):
        block = _block(part, f"messages[{index}].content[{place}]")
        if block is not None:
            if "cache_control" in part:
                block["cache_control"] = part["cache_control"]
            blocks.append(block)
    if blocks and "cache_control" in message:
        blocks[-1]["cache_control"] = message["cache_control"]
    return blocks


def _block(part: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        text = part.get(str(kind))
        return {"type": "text", "text": text} if text else None
    if kind == "image_url":
        return {"type": "image", "source": _source(media_of(part, where))}
    if kind == "file":
        return _document(media_of(part, where), where)
    raise unknown_part(part, where, "anthropic")


def _document(media: Media, where: str) -> dict[str, Any]:
    if media.mime is not None and media.mime.startswith("image/"):
        return {"type": "image", "source": _source(media)}
    block: dict[str, Any] = {"type": "document"}
    if media.data is not None and media.textual:
        block["source"] = {"type": "text", "media_type": "text/plain", "data": media.decoded_text(where)}
    elif media.data is not None and media.mime != "application/pdf":
        raise InvalidRequest(f"{where}: anthropic takes no file of type {media.mime!r}; it reads PDF, text and images")
    else:
        block["source"] = _source(media)
    if media.name:
        block["title"] = media.name
    return block


def _source(media: Media) -> dict[str, Any]:
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "url", "url": media.url}
    return {"type": "base64", "media_type": media.mime, "data": media.data}
