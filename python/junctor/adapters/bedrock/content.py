"""Content parts as Converse's content blocks.

Bytes stand in the request or in S3; Converse fetches no address, so one is refused rather than lost. Documents have
names that the model reads: they must be unique in a conversation and hold few kinds of characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from junctor.adapters.content import Media, media_of, parts_of, unknown_part
from junctor.exceptions import InvalidRequest
from junctor.request import Message

_FORMATS: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_BAD_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9\-()\[\] ]+")
MAX_NAME_CHARS: Final = 200

Blocks = list[dict[str, Any]]


class Names:
    """The document names of one conversation: each is given once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def give(self, wanted: str | None) -> str:
        """A name that Converse accepts and that no other document of the conversation has."""
        stem = (wanted or "").rpartition(".")[0] or (wanted or "")
        stem = " ".join(_BAD_IN_NAMES.sub(" ", stem).split())[: MAX_NAME_CHARS - 10] or "document"
        name, number = stem, 2
        while name in self._given:
            name, number = f"{stem} {number}", number + 1
        self._given.add(name)
        return name


def cache_point(mark: Any, *, ttl: bool) -> dict[str, Any]:
    """A cache point as Converse writes it; only Claude knows of how long it lasts."""
    point: dict[str, Any] = {"type": "default"}
    if ttl and isinstance(mark, Mapping) and mark.get("ttl") in ("5m", "1h"):
        point["ttl"] = mark["ttl"]
    return {"cachePoint": point}


def blocks_of(message: Message, index: int, names: Names) -> Blocks:
    """The parts as blocks, cache marks as blocks after them; empty texts are left out, because they are refused."""
    content = message.get("content")
    if content.__class__ is str and "cache_control" not in message:  # nearly every message
        return [{"text": content}] if content.strip() else []
    blocks: Blocks = []
    for place, part in enumerate(parts_of(message, index)):
        block = _block(part, f"messages[{index}].content[{place}]", names)
        if block is not None:
            blocks.append(block)
            if part.get("cache_control"):
                blocks.append(cache_point(part["cache_control"], ttl=True))
    if blocks and message.get("cache_control") and "cachePoint" not in blocks[-1]:
        blocks.append(cache_point(message["cache_control"], ttl=True))
    if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
        name = next(block["document"]["name"] for block in blocks if "document" in block)
        blocks.insert(0, {"text": name})  # a document alone is refused
    return blocks


def _block(part: Mapping[str, Any], where: str, names: Names) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        text = part.get(str(kind))
        return {"text": text} if isinstance(text, str) and text.strip() else None
    if kind not in ("image_url", "file", "input_audio"):
        raise unknown_part(part, where, "bedrock")
    media = media_of(part, where)
    if kind == "input_audio":
        return {"audio": {"format": str(media.mime).rpartition("/")[2], "source": _source(media, where)}}
    form = _FORMATS.get(media.mime or "") or ("txt" if media.textual else None)
    if kind == "image_url" or (media.mime or "").startswith("image/"):
        return {"image": {"format": _known(form, media, where), "source": _source(media, where)}}
    document = {"name": names.give(media.name), "source": _source(media, where)}
    return {"document": {"format": _known(form, media, where), **document}}


def _known(form: str | None, media: Media, where: str) -> str:
    if form is None:
        raise InvalidRequest(f"{where}: bedrock takes no file of type {media.mime!r}; it reads PDF, office files, text")
    return form


def _source(media: Media, where: str) -> dict[str, Any]:
    if media.data is not None:
        return {"bytes": media.data}
    if media.url is not None and media.url.startswith("s3://"):
        return {"s3Location": {"uri": media.url}}
    raise InvalidRequest(
        f"{where}: bedrock fetches no address; pass the bytes as data:<mime>;base64,<data> or an s3://"
    )
