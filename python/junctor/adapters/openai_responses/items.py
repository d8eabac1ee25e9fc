"""A conversation as input items: messages, calls, their outputs, and the model's own items as it wrote them.

The system messages at the beginning become `instructions`; later ones stay where they are. An assistant's turn that
this interface wrote is sent back item by item, because reasoning and the provider's own tools only continue what they
began if nothing is missing. That holds where the same model at the same kind of host gets them: encrypted reasoning of
OpenAI is noise to Azure and the other way round, and a refused request is worse than a thought that is lost. Everybody
else gets the plain text and the calls, without ids, since an id without its reasoning is refused too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.adapters.content import carried, media_of, parts_of, role_of, text_of, unknown_part
from junctor.adapters.openai.hosts import Host
from junctor.adapters.openai.models import same_model
from junctor.exceptions import InvalidRequest
from junctor.request import Message

ADAPTER: Final = "openai-responses"
_PLAIN_ROLES: Final = frozenset({"user", "system", "developer"})

Items = list[Mapping[str, Any]]


def conversation(messages: Sequence[Message], model: str, host: Host) -> tuple[str | None, Items]:
    """(instructions, input) for `model` at `host`. Raises `InvalidRequest` for a message that has no form there."""
    begun = _system_run(messages)
    if begun == len(messages):  # the interface wants some input, and system messages are one
        begun = 0
    instructions = "\n\n".join(message["content"] for message in messages[:begun]) or None
    items: Items = []
    for index, message in enumerate(messages[begun:] if begun else messages, begun):
        content, role = message.get("content"), message.get("role")
        if content.__class__ is str and len(message) == 2 and role in _PLAIN_ROLES:
            items.append(message)
        else:
            _add(message, index, items, model, host)
    return instructions, items


def _system_run(messages: Sequence[Message]) -> int:
    """How many messages at the beginning are plain system texts."""
    for index, message in enumerate(messages):
        if message.get("role") not in ("system", "developer") or message.get("content").__class__ is not str:
            return index
    return len(messages)


def _add(message: Message, index: int, items: Items, model: str, host: Host) -> None:
    role = role_of(message, index)
    if role == "assistant":
        native = carried(message, ADAPTER, "output")
        if native is not None and _continues(native, model, host):
            items.extend(_sent_back(native["output"]))
        else:
            _assistant(message, index, items)
        return
    content = message.get("content")
    said = content if isinstance(content, str) else _parts(message, index)
    if role == "tool":
        id = message.get("tool_call_id")
        items.append({"type": "function_call_output", "call_id": str(id or "call_0"), "output": said})
    elif content is None:
        raise InvalidRequest(f"messages[{index}]: a {role} message without content; give a string or content parts")
    else:
        items.append({"role": role, "content": said})


def _continues(native: Mapping[str, Any], model: str, host: Host) -> bool:
    """Whether this model can read what was written. Azure calls models by names of its user's own."""
    if bool(native.get("azure")) != host.azure:
        return False
    return host.azure or same_model(model, str(native.get("model") or ""))


def _sent_back(output: Sequence[Mapping[str, Any]]) -> Items:
    """The items as they came. Reasoning that cannot be read again goes, and with it the ids that would ask for it."""
    lost = any(item.get("type") == "reasoning" and not _readable(item) for item in output)
    if not lost:
        return [{key: value for key, value in item.items() if value is not None} for item in output]
    return [
        {key: value for key, value in item.items() if value is not None and key != "id"}
        if item.get("type") in ("message", "function_call", "custom_tool_call")
        else item
        for item in output
        if item.get("type") != "reasoning" or _readable(item)
    ]


def _readable(item: Mapping[str, Any]) -> bool:
    return bool(item.get("encrypted_content") or item.get("content"))


def _assistant(message: Message, index: int, items: Items) -> None:
    text = text_of(message, index) or str(message.get("refusal") or "")
    calls = message.get("tool_calls") or ()
    if text or not calls:
        items.append({"role": "assistant", "content": text})
    for place, call in enumerate(calls):
        items.append(_call(call, f"messages[{index}].tool_calls[{place}]"))


def _call(call: Any, where: str) -> dict[str, Any]:
    if isinstance(call, Mapping):
        id, function, custom = str(call.get("id") or "call_0"), call.get("function"), call.get("custom")
        if isinstance(function, Mapping) and function.get("name"):
            arguments = function.get("arguments")
            text = arguments if isinstance(arguments, str) and arguments else "{}"
            return {"type": "function_call", "call_id": id, "name": function["name"], "arguments": text}
        if isinstance(custom, Mapping) and custom.get("name"):
            text = str(custom.get("input") or "")
            return {"type": "custom_tool_call", "call_id": id, "name": custom["name"], "input": text}
    raise InvalidRequest(f"{where}: a tool call without a function name")


def _parts(message: Message, index: int) -> list[dict[str, Any]]:
    return [_part(part, f"messages[{index}].content[{place}]") for place, part in enumerate(parts_of(message, index))]


def _part(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {"type": "input_text", "text": str(part.get("text") or "")}
    if kind == "image_url":
        return _image(part, where)
    if kind == "file":
        return _file(part, where)
    raise unknown_part(part, where, "OpenAI's responses interface")


def _image(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    media_of(part, where)  # raises if it holds nothing
    value = part["image_url"]
    url, detail = (value.get("url"), value.get("detail")) if isinstance(value, Mapping) else (value, None)
    return {"type": "input_image", "image_url": url, "detail": detail or "auto"}


def _file(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    media = media_of(part, where)
    if media.file_id is not None:
        return {"type": "input_file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "input_file", "file_url": media.url}
    if media.textual:  # every model reads text, and few hosts take it as a file
        title = f"[{media.name}]\n" if media.name else ""
        return {"type": "input_text", "text": title + media.decoded_text(where)}
    name = media.name or "file.pdf"
    return {"type": "input_file", "filename": name, "file_data": f"data:{media.mime};base64,{media.data}"}
