"""A responses request in canonical form, beside the body as it came.

Nothing is stored here. What refers to something stored at OpenAI (`previous_response_id`, a conversation, an item by
its id) or runs in the background goes to deployments that speak this API and is refused by name everywhere else.
Hosted tools are left out where nobody has them, and the receipt says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from junctor.doors.contract import Asked, Incoming
from junctor.doors.fields import body_of, must, objects, take
from junctor.doors.responses.items import Items, is_ours_item
from junctor.doors.routing import MARK, routing, without_marks
from junctor.exceptions import InvalidRequest
from junctor.request import Native

_STORED: Final = ("previous_response_id", "conversation", "background", "store", "prompt")
"""Fields that only a provider can honour that keeps things."""


def read(incoming: Incoming) -> Asked:
    """What is asked; see `Door.read`."""
    body = body_of(incoming.body)
    model = must(body, "model", "a string")
    metadata = take(body, "metadata", "an object")
    options = routing(incoming.headers, metadata)
    demands = [name for name in _STORED if body.get(name)]
    drops: list[str] = []
    items = Items(demands)
    if (instructions := take(body, "instructions", "a string")) is not None:
        items.messages.append({"role": "system", "content": instructions})
    said = take(body, "input", "a string or an array")
    if isinstance(said, str):
        items.messages.append({"role": "user", "content": said})
    else:
        items.add(objects(said or [], "input"))
    if not items.messages:
        if not demands:
            raise InvalidRequest("input is missing; it must be a string or an array of items")
        items.messages.append({"role": "user", "content": ""})
    options["messages"] = items.messages
    _limits(body, options)
    _tools(body, options, drops)
    _form(body, options)
    if metadata and (kept := {key: value for key, value in without_marks(metadata).items() if isinstance(value, str)}):
        options["metadata"] = kept
    person = take(body, "safety_identifier", "a string") or take(body, "user", "a string")
    if person is not None:
        options["user"] = person
    if (key := take(body, "prompt_cache_key", "a string")) is not None:
        options["affinity"] = key  # many conversations may share it: it is no name of one
    native = _passed_on(body, said, metadata)
    options["native"] = Native("openai-responses", native, demands=tuple(demands), drops=tuple(drops))
    return Asked(model=model, options=options, stream=bool(take(body, "stream", "a boolean")), person=person)


def _limits(body: Mapping[str, Any], options: dict[str, Any]) -> None:
    if (bound := take(body, "max_output_tokens", "an integer")) is not None:
        options["max_tokens"] = bound
    for name, kind in (("temperature", "a number"), ("top_p", "a number"), ("parallel_tool_calls", "a boolean")):
        if name in body and (value := take(body, name, kind)) is not None:
            options[name] = value
    reasoning = take(body, "reasoning", "an object") or {}
    if (effort := take(reasoning, "effort", "a string", "reasoning.")) is not None:
        options["effort"] = effort
    if most := take(body, "top_logprobs", "an integer"):
        options.update(logprobs=True, top_logprobs=most)


def _tools(body: Mapping[str, Any], options: dict[str, Any], drops: list[str]) -> None:
    tools = objects(take(body, "tools", "an array") or [], "tools")
    functions = []
    for index, tool in enumerate(tools):
        kind = tool.get("type")
        if kind == "function":
            functions.append(_function(tool, index))
        elif kind == "custom":
            functions.append(_custom(tool, index))
        else:
            drops.append(f"tools.{kind}")
    if functions:
        options["tools"] = functions
    choice = take(body, "tool_choice", "a string or an object")
    if choice is None or not functions:
        return
    if isinstance(choice, str):
        options["tool_choice"] = choice
    elif choice.get("type") in ("function", "custom"):
        options["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif choice.get("type") == "allowed_tools":
        allowed = [{"type": "function", "function": tool} for tool in choice.get("tools") or ()]
        wanted = {"mode": choice.get("mode", "auto"), "tools": allowed}
        options["tool_choice"] = {"type": "allowed_tools", "allowed_tools": wanted}
    else:
        drops.append("tool_choice")


def _function(tool: Mapping[str, Any], index: int) -> dict[str, Any]:
    function = {"name": must(tool, "name", "a string", f"tools[{index}].")}
    for key in ("description", "parameters", "strict"):
        if tool.get(key) is not None:
            function[key] = tool[key]
    return {"type": "function", "function": function}


def _custom(tool: Mapping[str, Any], index: int) -> dict[str, Any]:
    """A tool that takes free text, as a function of one text: everybody has those."""
    described = {"type": "string", "description": "The tool's whole input, as free text"}
    schema = {"type": "object", "properties": {"input": described}, "required": ["input"]}
    description = str(tool.get("description") or "")
    if isinstance(grammar := tool.get("format"), dict) and grammar.get("definition"):
        description = f"{description}\n\nThe input follows this grammar:\n{grammar['definition']}".strip()
    name = must(tool, "name", "a string", f"tools[{index}].")
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def _form(body: Mapping[str, Any], options: dict[str, Any]) -> None:
    text = take(body, "text", "an object") or {}
    wanted = take(text, "format", "an object", "text.")
    if wanted is None or wanted.get("type") == "text":
        return
    if wanted.get("type") == "json_schema":
        schema = {key: value for key, value in wanted.items() if key != "type"}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        options["response_format"] = wanted


def _passed_on(body: dict[str, Any], said: Any, metadata: dict[str, Any] | None) -> dict[str, Any]:
    """The caller's body without the items that we put into earlier answers."""
    if isinstance(said, list) and any(map(is_ours_item, said)):
        body = {**body, "input": [item for item in said if not is_ours_item(item)]}
    if metadata and any(key.startswith(MARK) for key in metadata):
        body = {**body, "metadata": without_marks(metadata)}
    return body
