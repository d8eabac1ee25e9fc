"""A conversation as Converse's `system` and `messages`.

System and developer messages go into `system` in their order; tool results are user content; neighbours of one role
become one message, because roles must alternate. The model's own blocks (reasoning with its signature, server tools,
citations) go back as they came to the same model; any other gets the plain text and calls. Where a request has no
tools, Converse refuses a conversation that used some: its calls and results are then told as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zlib import crc32

from junctor.adapters.bedrock.content import Blocks, Names, blocks_of, cache_point
from junctor.adapters.bedrock.models import Family, same_model
from junctor.adapters.content import carried, role_of, text_of
from junctor.adapters.tools import arguments_object, called_function
from junctor.request import Message

MAX_ID_CHARS: Final = 64
_BAD_ID: Final = re.compile(r"[^a-zA-Z0-9_.:-]")


def conversation(
    messages: Sequence[Message], model: str, family: Family, *, tools: bool
) -> tuple[Blocks, list[dict[str, Any]]]:
    """(system, messages) for `model`. Raises `InvalidRequest` for a message that has no form there."""
    system: Blocks = []
    turns: list[dict[str, Any]] = []
    names = Names()
    for index, message in enumerate(messages):
        role = role_of(message, index)
        if role == "user":
            _add(turns, "user", blocks_of(message, index, names))
        elif role == "assistant":
            _add(turns, "assistant", _assistant(message, index, model, names, tools=tools))
        elif role == "tool":
            _add(turns, "user", _tool_result(message, index, names, tools=tools))
        else:
            system.extend(blocks_of(message, index, names))
    if not turns and system:  # the API wants at least one message
        turns, system = [{"role": "user", "content": system}], []
    _trim_prefill(turns)
    if family.claude is None:
        system = _cached(system, family)
        for turn in turns:
            turn["content"] = _cached(turn["content"], family)
    return system, turns


def _add(turns: list[dict[str, Any]], role: str, blocks: Blocks) -> None:
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _cached(blocks: Blocks, family: Family) -> Blocks:
    """The blocks with the cache points that a model which is no Claude takes: none, or none that says how long."""
    if not any("cachePoint" in block for block in blocks):
        return blocks
    plain = [cache_point(None, ttl=False) if "cachePoint" in block else block for block in blocks]
    return plain if family.cache else [block for block in plain if "cachePoint" not in block]


def _assistant(message: Message, index: int, model: str, names: Names, *, tools: bool) -> Blocks:
    native = carried(message, "bedrock", "content")
    if tools and native is not None and same_model(model, str(native.get("model") or "")):
        return [dict(block) for block in native["content"]]
    blocks = blocks_of(message, index, names)
    if not blocks and not message.get("tool_calls") and message.get("refusal"):
        blocks = [{"text": str(message["refusal"])}]
    for place, call in enumerate(message.get("tool_calls") or ()):
        block = _tool_use(call, f"messages[{index}].tool_calls[{place}]")
        blocks.append(block if tools else {"text": f"[called {block['toolUse']['name']}: {_arguments(call)}]"})
    return blocks


def _tool_use(call: Any, where: str) -> dict[str, Any]:
    function = called_function(call, where)
    return {
        "toolUse": {
            "toolUseId": _clean_id(call.get("id")),
            "name": function["name"],
            "input": arguments_object(function.get("arguments")),
        }
    }


def _arguments(call: Mapping[str, Any]) -> str:
    return str(call["function"].get("arguments") or "{}")


def _tool_result(message: Message, index: int, names: Names, *, tools: bool) -> Blocks:
    content = message.get("content")
    inner = blocks_of(message, index, names) if not isinstance(content, str) else [{"text": content}] if content else []
    if not tools:
        more = [block for block in inner if "text" not in block]
        return [{"text": f"[result: {text_of(message, index)}]"}, *more]
    marks = [block for block in inner if "cachePoint" in block][:1]
    if isinstance(content, str) and message.get("cache_control"):
        marks = [cache_point(message["cache_control"], ttl=True)]
    inside = [block for block in inner if "cachePoint" not in block]
    return [{"toolResult": {"toolUseId": _clean_id(message.get("tool_call_id")), "content": inside}}, *marks]


def _clean_id(id: Any) -> str:
    """The id in the alphabet and length that Converse accepts; other providers use more."""
    text = _BAD_ID.sub("_", str(id or "call_0"))
    if len(text) <= MAX_ID_CHARS:
        return text
    return f"{text[: MAX_ID_CHARS - 9]}_{crc32(text.encode()):08x}"


def _trim_prefill(turns: list[dict[str, Any]]) -> None:
    """A last assistant text is continued by the model, and may not end in white space."""
    if not turns or turns[-1]["role"] != "assistant":
        return
    last = turns[-1]["content"][-1]
    if "text" in last and last["text"] != last["text"].rstrip():
        turns[-1]["content"][-1] = {"text": last["text"].rstrip()}
