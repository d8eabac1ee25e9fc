"""LangChain's messages as canonical ones.

`convert_to_openai_messages` of LangChain does the same for OpenAI alone: it loses what other providers must see again
(thinking and its signature), cache marks, and files by address. Content comes in three notations, often mixed in one
conversation: LangChain's own blocks, OpenAI's parts, and Anthropic's blocks; all three are read here. What none of them
is stays as it is, and the adapter of the deployment that is picked takes it or says where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from junctor.doors.anthropic.messages import assistant as anthropic_assistant
from junctor.doors.anthropic.messages import plain_parts as anthropic_parts
from junctor.exceptions import InvalidRequest

PROVIDER_FIELDS: Final = "provider_fields"
"""Where a message's `additional_kwargs` keep what its provider must see again."""

_NAME: Final = re.compile(r"[^\s<|\\/>]{1,64}")
"""What OpenAI takes for a name; agents have names that it refuses, and nobody else reads them."""

_OWN_KINDS: Final = frozenset({"thinking", "redacted_thinking"})
_SAID_ELSEWHERE: Final = frozenset({"reasoning", "tool_call_chunk", *_OWN_KINDS})
"""Of an assistant's blocks: what is no content. Reasoning comes back under `provider_fields`, signed, or not at all."""

Message = dict[str, Any]
Part = dict[str, Any]

_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


def canonical(messages: Sequence[BaseMessage]) -> list[Message]:
    """The conversation for `Client.chat`. Raises `InvalidRequest` for a message that has no form there."""
    return [_message(message, f"messages[{index}]") for index, message in enumerate(messages)]


def _message(message: BaseMessage, where: str) -> Message:
    if isinstance(message, AIMessage):
        return _assistant(message, where)
    if isinstance(message, ToolMessage):
        content = _content(message.content, where)
        if not content and message.status == "error":
            content = "error"
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    if isinstance(message, HumanMessage):
        role = "user"
    elif isinstance(message, SystemMessage):
        # LangChain has no message for developers; this is where its OpenAI models keep that a system message is one.
        role = message.additional_kwargs.get("__openai_role__", "system")
    elif isinstance(message, ChatMessage):
        role = message.role
    else:
        kind = type(message).__name__
        raise InvalidRequest(
            f"{where}: a {kind} has no place in a conversation; pass human, system, AI and tool messages"
        )
    return {"role": role, "content": _content(message.content, where)} | _named(message)


def _named(message: BaseMessage) -> Message:
    return {"name": message.name} if message.name and _NAME.fullmatch(message.name) else {}


def _assistant(message: AIMessage, where: str) -> Message:
    blocks = [message.content] if isinstance(message.content, str) else message.content
    calls = [_call(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    calls += [_call(call["id"], call["name"], call["args"]) for call in message.invalid_tool_calls]
    known = {call["id"] for call in calls}
    content: list[str | Part] = []
    for block in blocks:
        kind = None if isinstance(block, str) else block.get("type")
        if isinstance(block, dict) and kind in ("tool_call", "tool_use", "invalid_tool_call"):
            if block.get("id") not in known:
                calls.append(_call(block.get("id"), block.get("name"), block.get("args", block.get("input"))))
        elif kind not in _SAID_ELSEWHERE:
            content.append(block)
    said = _content(content[0] if len(content) == 1 and isinstance(content[0], str) else content, where)
    out: Message = {"role": "assistant", "content": said or (None if calls else "")} | _named(message)
    if calls:
        out["tool_calls"] = calls
    if refusal := message.additional_kwargs.get("refusal"):
        out["refusal"] = refusal
    if fields := message.additional_kwargs.get(PROVIDER_FIELDS) or _thoughts(message):
        out["provider_fields"] = fields
    return out


def _thoughts(message: AIMessage) -> Message:
    """What Claude must see again of an answer that LangChain's own integration fetched."""
    blocks = [block for block in message.content if isinstance(block, dict)]
    if not any(block.get("type") in _OWN_KINDS for block in blocks):
        return {}
    own = [{key: value for key, value in block.items() if key != "index"} for block in blocks]
    model = str(message.response_metadata.get("model_name") or "")
    return dict(anthropic_assistant(own, model).get("provider_fields", {}))


def _call(id: str | None, name: str | None, arguments: Any) -> Message:
    text = arguments if isinstance(arguments, str) else _encode(arguments or {}).decode()
    return {"id": id or "", "type": "function", "function": {"name": name or "", "arguments": text}}


def _content(content: str | Sequence[str | Part], where: str) -> str | list[Part]:
    """Content as a string or as parts; texts that nothing marks are one string."""
    if isinstance(content, str):
        return content
    parts = [part for place, block in enumerate(content) for part in _parts(block, f"{where}.content[{place}]")]
    if all(part.keys() == {"type", "text"} and part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _parts(block: str | Part, where: str) -> list[Part]:
    if isinstance(block, str):
        return [{"type": "text", "text": block}] if block else []
    kind = str(block.get("type"))
    if kind == "non_standard" and isinstance(block.get("value"), dict):
        return _parts(block["value"], where)
    if kind in ("image", "document") and "source" in block:
        parts = anthropic_parts([block], where)
        return parts if isinstance(parts, list) else [{"type": "text", "text": parts}]
    read = _READERS.get(kind)
    if read is None or (kind == "file" and "file" in block):
        return [block]
    return [_marked(read(block, where), block)]


def _marked(part: Part, block: Mapping[str, Any]) -> Part:
    mark = block.get("cache_control") or (block.get("extras") or {}).get("cache_control")
    return part if mark is None else {**part, "cache_control": mark}


def _text(block: Part, where: str) -> Part:
    text = block.get("text")
    if not isinstance(text, str):
        raise InvalidRequest(f"{where}: a text block without text; give {{'type': 'text', 'text': '...'}}")
    return {"type": "text", "text": text}


def _image(block: Part, where: str) -> Part:
    if file_id := block.get("file_id"):
        return {"type": "file", "file": {"file_id": file_id}}
    return {"type": "image_url", "image_url": {"url": block.get("url") or _data(block, where, "image/png")}}


def _file(block: Part, where: str) -> Part:
    file: Part = {}
    if name := next(filter(None, (each.get("filename") for each in _asides(block))), None):
        file["filename"] = name
    if file_id := block.get("file_id"):
        file["file_id"] = file_id
    elif url := block.get("url"):
        file["file_url"] = url
    else:
        file["file_data"] = _data(block, where, "application/pdf")
    return {"type": "file", "file": file}


def _asides(block: Part) -> tuple[Mapping[str, Any], ...]:
    return block, block.get("extras") or {}, block.get("metadata") or {}


def _plain(block: Part, where: str) -> Part:
    return _text(block, where) if "text" in block else _file({"mime_type": "text/plain", **block}, where)


def _audio(block: Part, where: str) -> Part:
    data, mime = block.get("base64"), str(block.get("mime_type") or "audio/wav")
    if not data:
        raise InvalidRequest(f"{where}: audio by address is understood by no provider here; give base64 and mime_type")
    return {"type": "input_audio", "input_audio": {"data": data, "format": mime.rpartition("/")[2]}}


def _data(block: Part, where: str, mime: str) -> str:
    if not (data := block.get("base64")):
        kind = block.get("type")
        raise InvalidRequest(f"{where}: an empty block of type {kind!r}; give base64 with mime_type, url or file_id")
    return f"data:{block.get('mime_type') or mime};base64,{data}"


_READERS: Final[dict[str, Callable[[Part, str], Part]]] = {
    "text": _text,
    "image": _image,
    "file": _file,
    "video": _file,
    "audio": _audio,
    "text-plain": _plain,
}
