"""Messages for OpenAI and its kin: mostly as they are, minus what belongs to other providers.

Our canonical form *is* this dialect, so a message that carries nothing foreign is passed on without copying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.adapters.content import media_of, parts_of, role_of
from junctor.adapters.openai.hosts import Host
from junctor.exceptions import InvalidRequest
from junctor.request import Message

_PLAIN_ROLES: Final = frozenset({"user", "system", "assistant"})
_PLAIN_PARTS: Final = frozenset({"text", "image_url", "input_audio"})
_OFFICIAL_KEYS: Final = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call"}
)
_FOREIGN_KEYS: Final = frozenset({"provider_fields", "cache_control"})


def messages_for(messages: Sequence[Message], host: Host) -> list[Message]:
    """The conversation as `host` takes it. Raises `InvalidRequest` for a message that has no form there."""
    return [
        message
        if len(message) == 2 and message.get("role") in _PLAIN_ROLES and message.get("content").__class__ is str
        else message_for(message, index, host)
        for index, message in enumerate(messages)
    ]


def message_for(message: Message, index: int, host: Host) -> dict[str, Any]:
    """One message as `host` takes it, whatever it carries."""
    role = role_of(message, index)
    if host.official:
        out = {key: value for key, value in message.items() if key in _OFFICIAL_KEYS}
    else:
        out = {key: value for key, value in message.items() if key not in _FOREIGN_KEYS}
        if role == "developer":
            out["role"] = "system"
    if isinstance(message.get("content"), list | tuple):
        out["content"] = [_part(part, index, place) for place, part in enumerate(parts_of(message, index))]
    elif "content" not in message and not message.get("tool_calls"):
        raise InvalidRequest(f"messages[{index}]: a {role} message without content; give a string or content parts")
    if role == "assistant" and "provider_fields" in message:
        _restore(out, message["provider_fields"], host)
    return out


def _part(part: Mapping[str, Any], index: int, place: int) -> Mapping[str, Any]:
    kind = part.get("type")
    if kind == "file":
        return _file(part, f"messages[{index}].content[{place}]")
    if "cache_control" in part:
        return {key: value for key, value in part.items() if key != "cache_control"}
    return part


def _file(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    media = media_of(part, where)
    if media.file_id is not None:
        return {"type": "file", "file": {"file_id": media.file_id}}
    if media.data is None:
        raise InvalidRequest(f"{where}: chat completions take no file by address; pass file_data or an image_url")
    if media.textual:  # chat completions read PDF only, but every model reads text
        title = f"[{media.name}]\n" if media.name else ""
        return {"type": "text", "text": title + media.decoded_text(where)}
    name = media.name or "file.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{media.mime};base64,{media.data}"}}


def _restore(out: dict[str, Any], fields: Any, host: Host) -> None:
    native = fields.get("openai") if isinstance(fields, Mapping) else None
    if not isinstance(native, Mapping):
        return
    if host.official:
        if "audio" in native:
            out["audio"] = native["audio"]
    elif host.reasoning_field is not None and host.reasoning_field in native:
        out[host.reasoning_field] = native[host.reasoning_field]
