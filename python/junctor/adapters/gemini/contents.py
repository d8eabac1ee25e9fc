"""A conversation as Gemini's `systemInstruction` and `contents`.

Gemini names tool results by function, not by call, so the name is looked up in the call that came before. Its own parts
(thought signatures, executed code) go back as they came. A call that another model made has no signature; Gemini 3
refuses it without one, and documents a mark for just this case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.adapters.content import Media, carried, media_of, parts_of, role_of, text_of, unknown_part
from junctor.adapters.lenient import loads
from junctor.adapters.tools import arguments_object, called_function
from junctor.exceptions import InvalidRequest
from junctor.request import Message

NO_SIGNATURE: Final = "skip_thought_signature_validator"  # documented for calls that another model made

Parts = list[dict[str, Any]]


class _Calls:
    """Which function each call id stands for, and which ids Gemini itself gave."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.native: set[str] = set()


def conversation(messages: Sequence[Message], *, mark_foreign_calls: bool) -> tuple[Parts, list[dict[str, Any]]]:
    """(system parts, contents). Raises `InvalidRequest` for a message that has no form in Gemini's API."""
    system: Parts = []
    turns: list[dict[str, Any]] = []
    calls = _Calls()
    for index, message in enumerate(messages):
        role = role_of(message, index)
        if role in ("system", "developer"):
            system.extend(_parts(message, index))
        elif role == "assistant":
            _add(turns, "model", _assistant(message, index, calls, mark=mark_foreign_calls))
        elif role == "tool":
            _add(turns, "user", _tool_result(message, index, calls))
        else:
            _add(turns, "user", _parts(message, index))
    if not turns and system:  # the API wants at least one turn
        return [], [{"role": "user", "parts": system}]
    return system, turns


def _add(turns: list[dict[str, Any]], role: str, parts: Parts) -> None:
    if not parts:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["parts"] += parts
    else:
        turns.append({"role": role, "parts": parts})


def _parts(message: Message, index: int) -> Parts:
    content = message.get("content")
    if isinstance(content, str):
        return [{"text": content}] if content else []
    found = (_part(part, f"messages[{index}].content[{place}]") for place, part in enumerate(parts_of(message, index)))
    return [part for part in found if part is not None]


def _part(part: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        return {"text": part[str(kind)]} if part.get(str(kind)) else None
    if kind in ("image_url", "file", "input_audio"):
        return _media(media_of(part, where))
    raise unknown_part(part, where, "gemini")


def _media(media: Media) -> dict[str, Any]:
    if media.data is not None:
        return {"inlineData": {"mimeType": media.mime, "data": media.data}}
    file_data = {"fileUri": media.url or media.file_id}
    if media.mime is not None:
        file_data["mimeType"] = media.mime
    return {"fileData": file_data}


def _assistant(message: Message, index: int, calls: _Calls, *, mark: bool) -> Parts:
    native = _native(message)
    for call in message.get("tool_calls") or ():
        if isinstance(call, Mapping) and isinstance(function := call.get("function"), Mapping):
            calls.names[str(call.get("id"))] = str(function.get("name"))
    if native is not None:
        calls.native.update(
            str(call["id"]) for part in native if isinstance(call := part.get("functionCall"), Mapping) and "id" in call
        )
        return [dict(part) for part in native]
    parts = _parts(message, index)
    if not parts and not message.get("tool_calls") and message.get("refusal"):
        parts = [{"text": str(message["refusal"])}]
    for place, call in enumerate(message.get("tool_calls") or ()):
        part = _function_call(call, f"messages[{index}].tool_calls[{place}]")
        if mark and place == 0:
            part["thoughtSignature"] = NO_SIGNATURE
        parts.append(part)
    return parts


def _native(message: Message) -> list[Mapping[str, Any]] | None:
    parts = (carried(message, "gemini", "parts") or {}).get("parts")
    return parts if isinstance(parts, list) and all(isinstance(part, Mapping) for part in parts) else None


def _function_call(call: Any, where: str) -> dict[str, Any]:
    function = called_function(call, where)
    return {"functionCall": {"name": function["name"], "args": arguments_object(function.get("arguments"))}}


def _tool_result(message: Message, index: int, calls: _Calls) -> Parts:
    id = str(message.get("tool_call_id"))
    name = calls.names.get(id) or message.get("name")
    if not name:
        raise InvalidRequest(
            f"messages[{index}].tool_call_id: {id!r} answers no call before it; keep the message with the call"
        )
    response: dict[str, Any] = {"name": name, "response": _response(text_of(message, index))}
    if id in calls.native:
        response["id"] = id
    beside = [part for part in _parts(message, index) if "text" not in part]
    return [{"functionResponse": response}, *beside]


def _response(text: str) -> dict[str, Any]:
    found = loads(text) if text.startswith("{") else None
    return found if isinstance(found, dict) else {"output": text}
