"""Prompts and answers in the conventions' form, for programs that asked for them to be recorded.

OpenAI's messages become messages of parts. Attributes of spans are JSON texts, which every backend takes; structured
attributes are younger than the oldest API that junctor supports. What has no part of its own there is kept under its
own type (the conventions call that a generic part), so nothing is silently left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from junctor.observe.observed import Content

Part = dict[str, Any]

FINISH: Final = {"tool_calls": "tool_call"}
"""The conventions' word where it is another than ours."""


def attributes(content: Content, finish_reason: str | None) -> dict[str, str]:
    """Messages, answer and tools as attributes. Without an answer, there is no attribute for one."""
    found = {"gen_ai.input.messages": _json([_message(message) for message in content.messages])}
    if content.tools:
        found["gen_ai.tool.definitions"] = _json([_tool(tool) for tool in content.tools])
    if answer := _answer(content):
        reason = finish_reason or "error"
        message = {"role": "assistant", "parts": answer, "finish_reason": FINISH.get(reason, reason)}
        found["gen_ai.output.messages"] = _json([message])
    return found


def _answer(content: Content) -> list[Part]:
    parts: list[Part] = []
    if content.reasoning:
        parts.append({"type": "reasoning", "content": content.reasoning})
    if content.text:
        parts.append({"type": "text", "content": content.text})
    return parts + [_call(call.id, call.name, call.arguments) for call in content.tool_calls]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    role, body = message.get("role", "user"), message.get("content")
    if role == "tool":
        return {
            "role": role,
            "parts": [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": body}],
        }
    parts: list[Part] = []
    if isinstance(body, str):
        parts.append({"type": "text", "content": body})
    elif body:
        parts += [_part(part) for part in body]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        parts.append(_call(call.get("id"), function.get("name", ""), function.get("arguments")))
    named = {"name": message["name"]} if message.get("name") else {}
    return {"role": role, "parts": parts, **named}


def _part(part: Any) -> Part:
    if not isinstance(part, Mapping):
        return {"type": "text", "content": str(part)}
    if part.get("type") == "text":
        return {"type": "text", "content": part.get("text", "")}
    if part.get("type") == "image_url":
        image = part.get("image_url")
        return _image(image.get("url", "") if isinstance(image, Mapping) else str(image))
    return {"type": "unknown", **part}


def _image(url: str) -> Part:
    if not url.startswith("data:"):
        return {"type": "uri", "modality": "image", "uri": url}
    head, _, body = url.removeprefix("data:").partition(",")
    return {"type": "blob", "modality": "image", "mime_type": head.partition(";")[0], "content": body}


def _call(name_of_call: str | None, name: str, arguments: Any) -> Part:
    if isinstance(arguments, str):
        with suppress(msgspec.DecodeError):  # a model may write what is no JSON; then its text is told
            arguments = msgspec.json.decode(arguments)
    return {"type": "tool_call", "id": name_of_call, "name": name, "arguments": arguments}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    return {"type": tool.get("type", "function"), **(function if isinstance(function, Mapping) else tool)}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
