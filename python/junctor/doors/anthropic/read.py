"""An Anthropic messages request in canonical form, beside the body as it came.

The canonical form is what routing looks at and what providers of other dialects get; a provider of this one gets the
body. So a block that has no canonical form is kept as it is: only whoever cannot say it refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from junctor.doors.anthropic.messages import assistant, passed_on, plain_parts, user
from junctor.doors.contract import Asked, Incoming
from junctor.doors.fields import body_of, must, objects, take
from junctor.doors.routing import MARK, routing, without_marks
from junctor.exceptions import InvalidRequest
from junctor.request import Native

FORWARDED: Final = ("anthropic-beta", "anthropic-version")
"""Headers of the caller that belong to its request."""

_ALONE: Final = ("mcp_servers", "container")
"""Fields that only this provider can honour, and without which an answer would not be what was asked for."""

_BUDGETS: Final = ((1024, "minimal"), (2048, "low"), (8192, "medium"), (16384, "high"), (32768, "xhigh"))
"""Up to how many tokens of thinking are which effort; more is `max`."""


def read(incoming: Incoming) -> Asked:
    """What is asked; see `Door.read`."""
    body = body_of(incoming.body)
    model = must(body, "model", "a string")
    messages = objects(must(body, "messages", "an array"), "messages")
    metadata = take(body, "metadata", "an object")
    options = routing(incoming.headers, metadata)
    options["messages"] = [*_system(body), *_turns(messages, model)]
    for name, kind in (("temperature", "a number"), ("top_p", "a number"), ("top_k", "an integer")):
        if name in body and (value := take(body, name, kind)) is not None:
            options[name] = value
    if (bound := take(body, "max_tokens", "an integer")) is not None:
        options["max_tokens"] = bound
    if stops := take(body, "stop_sequences", "an array"):
        options["stop"] = stops
    drops: list[str] = []
    if tools := take(body, "tools", "an array"):
        options["tools"] = _tools(objects(tools, "tools"), drops)
    if (choice := take(body, "tool_choice", "an object")) is not None:
        _choice(choice, options)
    _thinking(body, options)
    person = take(metadata, "user_id", "a string", "metadata.") if metadata else None
    if person is not None:
        options["user"] = person
    if metadata and any(key.startswith(MARK) for key in metadata):
        body = {**body, "metadata": without_marks(metadata)}
    headers = {name: incoming.headers[name] for name in FORWARDED if name in incoming.headers}
    demands = tuple(name for name in _ALONE if body.get(name))
    native = Native("anthropic", passed_on(body, messages), headers, demands=demands, drops=tuple(drops))
    options["native"] = native
    return Asked(model=model, options=options, stream=bool(take(body, "stream", "a boolean")), person=person)


def _system(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    system = body.get("system")
    if not system:
        return []
    if isinstance(system, str):
        return [{"role": "system", "content": system}]
    if not isinstance(system, list):
        raise InvalidRequest("system must be a string or an array of text blocks")
    return [{"role": "system", "content": plain_parts(objects(system, "system"), "system")}]


def _turns(messages: list[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if not isinstance(content, str):
            content = objects(must(message, "content", "an array", f"messages[{index}]."), f"messages[{index}].content")
        if role == "user":
            turns += user(content, f"messages[{index}].content")
        elif role == "assistant":
            turns.append(assistant(content, model))
        elif role == "system":  # newer models take instructions between the turns
            text = content if isinstance(content, str) else plain_parts(content, f"messages[{index}].content")
            turns.append({"role": "system", "content": text})
        else:
            raise InvalidRequest(f"messages[{index}].role must be user or assistant")
    return turns


def _tools(tools: list[dict[str, Any]], drops: list[str]) -> list[dict[str, Any]]:
    """The caller's own tools as functions. Those that the provider defines have no schema to give to anybody else."""
    own = [tool for tool in tools if (tool.get("type") or "custom") == "custom"]
    drops += [f"tools.{tool['type']}" for tool in tools if (tool.get("type") or "custom") != "custom"]
    return [_tool(tool) for tool in own]


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.get("name")}
    if "description" in tool:
        function["description"] = tool["description"]
    function["parameters"] = tool.get("input_schema") or {"type": "object", "properties": {}}
    if tool.get("strict") is not None:
        function["strict"] = tool["strict"]
    found: dict[str, Any] = {"type": "function", "function": function}
    if "cache_control" in tool:
        found["cache_control"] = tool["cache_control"]
    return found


def _choice(choice: Mapping[str, Any], options: dict[str, Any]) -> None:
    kind = choice.get("type")
    if kind == "tool":
        options["tool_choice"] = {"type": "function", "function": {"name": must(choice, "name", "a string")}}
    elif kind in ("auto", "any", "none"):
        options["tool_choice"] = "required" if kind == "any" else kind
    else:
        raise InvalidRequest("tool_choice.type must be one of auto, any, tool, none")
    if choice.get("disable_parallel_tool_use"):
        options["parallel_tool_calls"] = False


def _thinking(body: Mapping[str, Any], options: dict[str, Any]) -> None:
    """How hard to think, and the form of the answer."""
    config = take(body, "output_config", "an object") or {}
    effort = take(config, "effort", "a string", "output_config.")
    thinking = take(body, "thinking", "an object") or {}
    kind = thinking.get("type")
    if kind == "disabled":
        effort = "none"
    elif kind == "enabled" and effort is None:
        budget = must(thinking, "budget_tokens", "an integer", "thinking.")
        effort = next((word for most, word in _BUDGETS if budget <= most), "max")
    elif kind == "adaptive" and effort is None:
        effort = "high"  # what the API itself takes where nothing is said
    if effort is not None:
        options["effort"] = effort
    wanted = take(config, "format", "an object", "output_config.") or take(body, "output_format", "an object")
    if wanted is not None and wanted.get("type") == "json_schema":
        schema = {"name": "answer", "schema": must(wanted, "schema", "an object", "format."), "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
