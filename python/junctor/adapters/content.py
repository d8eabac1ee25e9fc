"""Reading message content in OpenAI's shape: text, images, files, audio.

Callers write content as a string or as a list of parts. What a part *is* (inline bytes, an address, an uploaded file's
id) is decided here once; each dialect then only says it in its own words.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from junctor.exceptions import InvalidRequest
from junctor.request import Message

ROLES: Final = ("system", "developer", "user", "assistant", "tool")

_MIME_BY_SUFFIX: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "text/xml",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "mp4": "video/mp4",
}
_TEXTUAL: Final = frozenset({"application/json", "application/xml", "application/yaml"})


class Media(msgspec.Struct, frozen=True):
    """What an image, file or audio part holds: exactly one of `data` (base64), `url`, `file_id`."""

    mime: str | None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None

    @property
    def textual(self) -> bool:
        """Plain text in some notation, which any model can read as text."""
        return self.mime is not None and (self.mime.startswith("text/") or self.mime in _TEXTUAL)

    def decoded_text(self, where: str) -> str:
        """The inline data as text. Raises `InvalidRequest` if it is no base64."""
        try:
            return b64decode(self.data or "").decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise InvalidRequest(f"{where}: file_data is not base64; pass data:<mime>;base64,<data>") from error


def role_of(message: Message, index: int) -> str:
    """The message's role. Raises `InvalidRequest` for one that is missing or unknown."""
    role = message.get("role")
    if role not in ROLES:
        raise InvalidRequest(f"messages[{index}].role: {role!r} is not one of {', '.join(ROLES)}")
    return str(role)


def parts_of(message: Message, index: int) -> Sequence[Mapping[str, Any]]:
    """The message's content as parts; a string becomes one text part, nothing becomes none."""
    content = message.get("content")
    if content is None:
        return ()
    if isinstance(content, str):
        return ({"type": "text", "text": content},) if content else ()
    if not isinstance(content, list | tuple) or not all(isinstance(part, Mapping) for part in content):
        kind = type(content).__name__
        raise InvalidRequest(f"messages[{index}].content: {kind} is not a string or a list of content parts")
    return content


def carried(message: Message, adapter: str, name: str) -> Mapping[str, Any] | None:
    """What this adapter needs to see again of its own answer: the fields it left, if their list `name` is there."""
    fields = message.get("provider_fields")
    native = fields.get(adapter) if isinstance(fields, Mapping) else None
    return native if isinstance(native, Mapping) and isinstance(native.get(name), list) else None


def text_of(message: Message, index: int) -> str:
    """All text of the message; parts that are not text do not count."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in parts_of(message, index) if part.get("type") == "text")


def media_of(part: Mapping[str, Any], where: str) -> Media:
    """What an `image_url`, `file` or `input_audio` part holds. Raises `InvalidRequest` if it holds nothing."""
    kind = part.get("type")
    value = part.get(str(kind))
    if kind == "image_url":
        url = value.get("url") if isinstance(value, Mapping) else value
        if isinstance(url, str) and url:
            return _from_url(url, None)
    elif kind == "file" and isinstance(value, Mapping):
        name = value.get("filename")
        if file_id := value.get("file_id"):
            return Media(None, file_id=str(file_id), name=name)
        if url := value.get("file_url"):
            return _from_url(str(url), name)
        if file_data := value.get("file_data"):
            return _from_data(str(file_data), name)
    elif kind == "input_audio" and isinstance(value, Mapping) and value.get("data"):
        return Media(f"audio/{value.get('format', 'wav')}", data=str(value["data"]))
    raise InvalidRequest(f"{where}: a part of type {kind!r} holds no data; see docs for the parts that are understood")


def _from_url(url: str, name: str | None) -> Media:
    if url.startswith("data:"):
        return _from_data(url, name)
    return Media(_mime_by_name(url.partition("?")[0]), url=url, name=name)


def _from_data(text: str, name: str | None) -> Media:
    if text.startswith("data:"):
        head, _, data = text.partition(",")
        return Media(head[5:].partition(";")[0] or "text/plain", data=data, name=name)
    return Media(_mime_by_name(name or "") or "application/pdf", data=text, name=name)


def _mime_by_name(name: str) -> str | None:
    return _MIME_BY_SUFFIX.get(name.rpartition(".")[2].lower())


def unknown_part(part: Mapping[str, Any], where: str, provider: str) -> InvalidRequest:
    """The error for a content part that `provider` has no word for."""
    return InvalidRequest(
        f"{where}: {provider} takes no part of type {part.get('type')!r}; route it to a provider that does"
    )
