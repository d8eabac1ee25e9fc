"""The items of a responses request as canonical messages.

Calls and what the model said before them are items of their own here and one assistant message everywhere else. What
other providers must see again comes back in reasoning items whose encrypted content is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.doors.carry import is_ours, unpacked
from junctor.doors.fields import must
from junctor.exceptions import InvalidRequest

_encode: Final = msgspec.json.Encoder().encode
_TEXTS: Final = frozenset({"input_text", "output_text", "text"})
_ROLES: Final = ("user", "assistant", "system", "developer")


def is_ours_item(item: Mapping[str, Any]) -> bool:
    """Whether this item is one that we put into an answer."""
    return item.get("type") == "reasoning" and is_ours(item.get("encrypted_content"))


class Items:
    """Messages in the making. `demands` collects what only the provider itself understands."""

    def __init__(self, demands: list[str]) -> None:
        self.messages: list[dict[str, Any]] = []
        self._demands = demands

    def add(self, items: list[dict[str, Any]]) -> None:
        """Read the items in their order."""
        for index, item in enumerate(items):
            where = f"input[{index}]"
            kind = item.get("type") or ("message" if "role" in item else None)
            if kind == "message":
                self._message(item, where)
            elif kind in ("function_call", "custom_tool_call"):
                self._call(item, where)
            elif kind in ("function_call_output", "custom_tool_call_output"):
                output = item.get("output")
                content = output if isinstance(output, str) else _parts(output, f"{where}.output")
                id = must(item, "call_id", "a string", f"{where}.")
                self.messages.append({"role": "tool", "tool_call_id": id, "content": content})
            elif kind == "reasoning":
                self._reasoning(item)
            else:
                self._demands.append(f"{where} of type {str(kind)[:80]}")

    def _message(self, item: Mapping[str, Any], where: str) -> None:
        role = item.get("role")
        if role not in _ROLES:
            raise InvalidRequest(f"{where}.role must be one of {', '.join(_ROLES)}")
        content = item.get("content")
        if not isinstance(content, str):
            content = _parts(content, f"{where}.content")
        last = self._open_turn() if role == "assistant" else None
        if last is not None and last["content"] is None:
            last["content"] = content
        else:
            self.messages.append({"role": role, "content": content})

    def _call(self, item: Mapping[str, Any], where: str) -> None:
        arguments = item.get("arguments")
        if item.get("type") == "custom_tool_call":
            arguments = _encode({"input": str(item.get("input") or "")}).decode()
        call = {
            "id": must(item, "call_id", "a string", f"{where}."),
            "type": "function",
            "function": {"name": must(item, "name", "a string", f"{where}."), "arguments": str(arguments or "{}")},
        }
        turn = self._open_turn()
        if turn is None:
            turn = {"role": "assistant", "content": None}
            self.messages.append(turn)
        turn.setdefault("tool_calls", []).append(call)

    def _reasoning(self, item: Mapping[str, Any]) -> None:
        text = item.get("encrypted_content")
        if is_ours(text) and (fields := unpacked(str(text))) and (turn := self._open_turn()) is not None:
            turn["provider_fields"] = fields

    def _open_turn(self) -> dict[str, Any] | None:
        """The assistant's turn, if the last message is one."""
        last = self.messages[-1] if self.messages else None
        return last if last is not None and last["role"] == "assistant" else None


def _parts(content: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(content, list):
        raise InvalidRequest(f"{where} must be a string or an array of parts")
    return [_part(part, f"{where}[{place}]") for place, part in enumerate(content)]


def _part(part: Any, where: str) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise InvalidRequest(f"{where} must be an object")
    kind = part.get("type")
    if kind in _TEXTS:
        return {"type": "text", "text": must(part, "text", "a string", f"{where}.")}
    if kind == "refusal":
        return {"type": "refusal", "refusal": part.get("refusal")}
    if kind == "input_image":
        if part.get("file_id"):
            return {"type": "file", "file": {"file_id": part["file_id"]}}
        image = {"url": must(part, "image_url", "a string", f"{where}.")}
        if part.get("detail"):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    if kind == "input_file":
        names = ("file_id", "file_url", "file_data", "filename")
        return {"type": "file", "file": {name: part[name] for name in names if part.get(name)}}
    return dict(part)
