"""Anthropic's content blocks as canonical messages.

One user turn may hold tool results and text: results become messages of their own and come first, because everybody
else wants them right after the calls. An assistant turn keeps its thinking and server tools as they came, under
`provider_fields`, for the model that made them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.doors.carry import is_ours, unpacked
from junctor.doors.fields import must
from junctor.exceptions import InvalidRequest

_encode: Final = msgspec.json.Encoder().encode
_PLAIN: Final = frozenset({"text", "tool_use"})

Block = dict[str, Any]


def user(content: str | list[Block], where: str) -> list[dict[str, Any]]:
    """A user turn as messages: its tool results, then what else it says."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results = [_result(block, where) for block in content if block.get("type") == "tool_result"]
    rest = [block for block in content if block.get("type") != "tool_result"]
    if rest or not results:
        results.append({"role": "user", "content": plain_parts(rest, where)})
    return results


def plain_parts(blocks: list[Block], where: str) -> str | list[Block]:
    """Blocks as content parts; one text without marks is a string."""
    if len(blocks) == 1 and blocks[0].get("type") == "text" and "cache_control" not in blocks[0]:
        return str(must(blocks[0], "text", "a string", f"{where}[0]."))
    return [part for place, block in enumerate(blocks) for part in _parts(block, f"{where}[{place}]")]


def assistant(content: str | list[Block], model: str) -> dict[str, Any]:
    """An assistant turn as one message."""
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    texts = [block for block in content if block.get("type") == "text"]
    calls = [_call(block) for block in content if block.get("type") == "tool_use"]
    parts = plain_parts(texts, "content") if texts else None
    message: dict[str, Any] = {"role": "assistant", "content": parts if parts or calls else ""}
    if calls:
        message["tool_calls"] = calls
    if fields := _provider_fields(content, model):
        message["provider_fields"] = fields
    return message


def _provider_fields(content: list[Block], model: str) -> dict[str, Any]:
    """What providers must see again: ours unpacked, Anthropic's own blocks if there are others than plain ones."""
    fields: dict[str, Any] = {}
    own = False
    for block in content:
        kind = block.get("type")
        if kind in _PLAIN:
            own = own or bool(block.get("citations"))
        elif is_ours(block.get("data")):
            fields.update(unpacked(block["data"]))
        elif not is_ours(block.get("signature")):
            own = True
    if own and "anthropic" not in fields:
        fields["anthropic"] = {"model": model, "content": [block for block in content if not _ours(block)]}
    return fields


def _ours(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    return (kind == "thinking" and is_ours(block.get("signature"))) or (
        kind == "redacted_thinking" and is_ours(block.get("data"))
    )


def passed_on(body: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The caller's body without the blocks that we put into earlier answers."""
    touched = [index for index, message in enumerate(messages) if _holds_ours(message)]
    if not touched:
        return body
    clean = list(messages)
    for index in touched:
        clean[index] = {**messages[index], "content": [b for b in messages[index]["content"] if not _ours(b)]}
    return {**body, "messages": clean}


def _holds_ours(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return message.get("role") == "assistant" and content.__class__ is list and any(map(_ours, content or ()))


def _call(block: Block) -> dict[str, Any]:
    arguments = _encode(block.get("input") or {}).decode()
    return {
        "id": str(block.get("id")),
        "type": "function",
        "function": {"name": str(block.get("name")), "arguments": arguments},
    }


def _result(block: Block, where: str) -> dict[str, Any]:
    content = block.get("content")
    if isinstance(content, list):
        content = plain_parts([inner for inner in content if inner.__class__ is dict], f"{where}.content")
    if not content:
        content = "error" if block.get("is_error") else ""
    message: dict[str, Any] = {"role": "tool", "tool_call_id": str(block.get("tool_use_id")), "content": content}
    if "cache_control" in block:
        message["cache_control"] = block["cache_control"]
    return message


def _parts(block: Block, where: str) -> list[Block]:
    kind = block.get("type")
    if kind == "text":
        found = [{"type": "text", "text": must(block, "text", "a string", f"{where}.")}]
    elif kind == "image":
        found = [_image(_source(block, where), where)]
    elif kind == "document":
        found = _document(block, _source(block, where), where)
    else:
        return [block]
    if "cache_control" in block and found:
        found[-1]["cache_control"] = block["cache_control"]
    return found


def _source(block: Block, where: str) -> dict[str, Any]:
    source: dict[str, Any] = must(block, "source", "an object", f"{where}.")
    return source


def _image(source: Mapping[str, Any], where: str) -> Block:
    kind = source.get("type")
    if kind == "file":
        return {"type": "file", "file": {"file_id": source.get("file_id")}}
    if kind == "url":
        return {"type": "image_url", "image_url": {"url": source.get("url")}}
    if kind == "base64":
        return {"type": "image_url", "image_url": {"url": _data(source)}}
    raise InvalidRequest(f"{where}.source.type must be one of base64, url, file")


def _document(block: Block, source: Mapping[str, Any], where: str) -> list[Block]:
    kind, title = source.get("type"), block.get("title")
    file: dict[str, Any]
    if kind == "content":
        inner = source.get("content")
        blocks = [{"type": "text", "text": inner}] if isinstance(inner, str) else list(inner or ())
        return [part for place, one in enumerate(blocks) for part in _parts(one, f"{where}.source.content[{place}]")]
    if kind == "text":
        text = str(source.get("data") or "")
        file = {"filename": title or "document.txt", "file_data": _text_data(text)}
    elif kind == "url":
        file = {"file_url": source.get("url")}
    elif kind == "file":
        file = {"file_id": source.get("file_id")}
    elif kind == "base64":
        file = {"filename": title or "document.pdf", "file_data": _data(source)}
    else:
        raise InvalidRequest(f"{where}.source.type must be one of base64, text, url, content, file")
    if title and "filename" not in file:
        file["filename"] = title
    return [{"type": "file", "file": file}]


def _data(source: Mapping[str, Any]) -> str:
    return f"data:{source.get('media_type')};base64,{source.get('data')}"


def _text_data(text: str) -> str:
    return "data:text/plain;base64," + base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
