"""A conversation as Anthropic's `system` and `messages`.

System and developer messages, late ones too, go into `system` in their order: the one form that every model takes.
Tool results are user content there; neighbours of the same role become one message. The model's own blocks (thinking
with its signature, server tools) are sent back as they came if the same model gets them, because signatures are bound
to the model; any other model gets the plain text and calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from junctor.adapters.anthropic.content import blocks_of
from junctor.adapters.anthropic.models import same_model
from junctor.adapters.content import carried, role_of
from junctor.adapters.tools import arguments_object, called_function
from junctor.request import Message

_BAD_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")

Blocks = list[dict[str, Any]]


def conversation(messages: Sequence[Message], model: str) -> tuple[str | Blocks | None, list[dict[str, Any]]]:
    """(system, messages) for `model`. Raises `InvalidRequest` for a message that has no form there."""
    system: Blocks = []
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        role = role_of(message, index)
        if role == "user":
            content = message.get("content")
            if content.__class__ is str and len(message) == 2:
                if content:
                    _add(turns, "user", content)
            else:
                _add(turns, "user", blocks_of(message, index))
        elif role == "assistant":
            _add(turns, "assistant", _assistant(message, index, model))
        elif role == "tool":
            _add(turns, "user", [_tool_result(message, index)])
        else:
            system.extend(blocks_of(message, index))
    if not turns and system:  # the API wants at least one message
        return None, [{"role": "user", "content": system}]
    _trim_prefill(turns)
    return _short(system), turns


def _short(system: Blocks) -> str | Blocks | None:
    if not system:
        return None
    if len(system) == 1 and system[0].keys() == {"type", "text"}:
        return str(system[0]["text"])
    return system


def _add(turns: list[dict[str, Any]], role: str, content: str | Blocks) -> None:
    if not content:
        return
    last = turns[-1] if turns else None
    if last is None or last["role"] != role:
        turns.append({"role": role, "content": content})
        return
    last["content"] = [*_as_blocks(last["content"]), *_as_blocks(content)]


def _as_blocks(content: str | Blocks) -> Blocks:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _assistant(message: Message, index: int, model: str) -> Blocks:
    native = carried(message, "anthropic", "content")
    if native is not None and same_model(model, str(native.get("model") or "")):
        return [dict(block) for block in native["content"]]
    blocks = blocks_of(message, index)
    if not blocks and not message.get("tool_calls") and message.get("refusal"):
        blocks = [{"type": "text", "text": str(message["refusal"])}]
    for place, call in enumerate(message.get("tool_calls") or ()):
        blocks.append(_tool_use(call, f"messages[{index}].tool_calls[{place}]"))
    return blocks


def _tool_use(call: Any, where: str) -> dict[str, Any]:
    function = called_function(call, where)
    return {
        "type": "tool_use",
        "id": _clean_id(call.get("id")),
        "name": function["name"],
        "input": arguments_object(function.get("arguments")),
    }


def _tool_result(message: Message, index: int) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _clean_id(message.get("tool_call_id"))}
    content = message.get("content")
    inner: str | Blocks = content if isinstance(content, str) else blocks_of(message, index)
    if inner:
        block["content"] = inner
    if "cache_control" in message:
        block["cache_control"] = message["cache_control"]
        if isinstance(inner, list) and inner:
            inner[-1].pop("cache_control", None)  # the mark belongs to the whole result
    return block


def _clean_id(id: Any) -> str:
    """The id in the alphabet that Anthropic accepts; other providers use more."""
    return _BAD_ID.sub("_", str(id or "call_0"))


def _trim_prefill(turns: list[dict[str, Any]]) -> None:
    """A last assistant text is continued by the model, and may not end in white space."""
    if not turns or turns[-1]["role"] != "assistant":
        return
    last = turns[-1]["content"][-1]
    if last.get("type") == "text" and last["text"] != last["text"].rstrip():
        turns[-1]["content"][-1] = {**last, "text": last["text"].rstrip()}


def thinking_may_start(turns: list[dict[str, Any]]) -> bool:
    """Whether thinking with a budget may be on: a running tool loop must then begin with its thinking block.

    A loop that another model began has none, and the API would refuse the request.
    """
    if len(turns) < 2 or turns[-1]["role"] != "user" or not isinstance(turns[-1]["content"], list):
        return True
    if not any(block.get("type") == "tool_result" for block in turns[-1]["content"]):
        return True
    first = _as_blocks(turns[-2]["content"])[0]
    return first.get("type") in ("thinking", "redacted_thinking")
