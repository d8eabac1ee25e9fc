"""Messages for OpenAI and its kin: mostly as they are, minus what belongs to other providers.

Our canonical form *is* this dialect, so a message that carries nothing foreign is passed on without copying.

One thing it has no form for: a tool's result that is more than text. Its pictures and files are said by a user message
right after the results, so that every call is answered before somebody else speaks, and the receipt has a note. Leaving
them out was rejected, and so was refusing: an agent that looks at screenshots could not change its provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.adapters.content import media_of, parts_of, role_of
from junctor.adapters.openai.hosts import Host
from junctor.adapters.turns import with_turn_between
from junctor.exceptions import InvalidRequest
from junctor.request import Message

_PLAIN_ROLES: Final = frozenset({"user", "system", "assistant"})
_PLAIN_PARTS: Final = frozenset({"text", "image_url", "input_audio"})
_OFFICIAL_KEYS: Final = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call"}
)
_FOREIGN_KEYS: Final = frozenset({"provider_fields", "cache_control"})


def messages_for(messages: Sequence[Message], host: Host, notes: list[str]) -> Sequence[Message]:
    """The conversation as `host` takes it. Raises `InvalidRequest` for a message that has no form there."""
    said = [
        message
        if len(message) == 2 and message.get("role") in _PLAIN_ROLES and message.get("content").__class__ is str
        else message_for(message, index, host)
        for index, message in enumerate(messages)
    ]
    if not host.media_in_results and (shown := sum(map(_shows_more, said))):
        notes.append(f"messages: pictures and files of {shown} tool result(s) follow as a user message (openai)")
        return _shown_after(said)
    return with_turn_between(said, notes, "openai") if host.strict_turns else said


def _shows_more(message: Message) -> bool:
    """Whether this is a tool's result that is more than text."""
    if message.get("role") != "tool" or not isinstance(content := message.get("content"), list):
        return False
    return any(part.get("type") != "text" for part in content)


def _shown_after(said: list[Message]) -> list[Message]:
    """The conversation in which each run of tool results is text, and what more they hold follows it."""
    names: dict[Any, Any] = {}
    out: list[Message] = []
    shown: list[Mapping[str, Any]] = []
    for message in said:
        role = message.get("role")
        if shown and role != "tool":
            out.append({"role": "user", "content": shown})
            shown = []
        if role == "assistant":
            for call in message.get("tool_calls") or ():
                names[call.get("id")] = (call.get("function") or {}).get("name")
        if _shows_more(message):
            name = names.get(message.get("tool_call_id")) or "the tool"
            parts = message["content"]
            shown = [*shown, _text(f"[result of {name}]"), *(part for part in parts if part.get("type") != "text")]
            texts = [part for part in parts if part.get("type") == "text"]
            message = {**message, "content": texts or [_text("[in the next message]")]}
        out.append(message)
    return [*out, {"role": "user", "content": shown}] if shown else out


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


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
        return _text(title + media.decoded_text(where))
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
