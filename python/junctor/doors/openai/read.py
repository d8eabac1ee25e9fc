"""A chat completions request in canonical form: nearly itself, since that form is OpenAI's.

Messages and tools are passed as they are. What is read beyond them: the older names of fields, functions from before
tools, and `provider_fields`, in which answers of other providers come back to be shown to them again; they are no
field of OpenAI's, so the body that is passed on has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from junctor.adapters.content import ROLES
from junctor.doors.contract import Asked, Incoming
from junctor.doors.fields import body_of, must, objects, take
from junctor.doors.routing import MARK, routing, without_marks
from junctor.exceptions import InvalidRequest
from junctor.request import Native

_FIELDS: Final = (
    ("temperature", "a number"),
    ("top_p", "a number"),
    ("top_k", "an integer"),
    ("frequency_penalty", "a number"),
    ("presence_penalty", "a number"),
    ("stop", "a string or an array of strings"),
    ("seed", "an integer"),
    ("n", "an integer"),
    ("logprobs", "a boolean"),
    ("top_logprobs", "an integer"),
    ("parallel_tool_calls", "a boolean"),
    ("tool_choice", "a string or an object"),
    ("response_format", "an object"),
    ("user", "a string"),
)
"""Fields that have the same name in the canonical request, and their kinds."""


def read(incoming: Incoming) -> Asked:
    """What is asked; see `Door.read`."""
    body = body_of(incoming.body)
    messages = objects(must(body, "messages", "an array"), "messages")
    for index, message in enumerate(messages):
        if message.get("role") not in ROLES and message.get("role") != "function":
            raise InvalidRequest(f"messages[{index}].role must be one of {', '.join(ROLES)}")
    options = routing(incoming.headers, metadata := take(body, "metadata", "an object"))
    for name, kind in _FIELDS:
        if name in body and (value := take(body, name, kind)) is not None:
            options[name] = value
    if tools := take(body, "tools", "an array"):
        options["tools"] = objects(tools, "tools")
    bound = take(body, "max_completion_tokens", "an integer") or take(body, "max_tokens", "an integer")
    if bound is not None:
        options["max_tokens"] = bound
    if (effort := _effort(body)) is not None:
        options["effort"] = effort
    if metadata and (kept := {key: value for key, value in without_marks(metadata).items() if isinstance(value, str)}):
        options["metadata"] = kept
    if "functions" in body or any("function_call" in each or each["role"] == "function" for each in messages):
        messages = _modern(body, messages, options)
    if (key := take(body, "prompt_cache_key", "a string")) is not None:
        options["affinity"] = key  # many conversations may share it: it is no name of one
    options["messages"] = messages
    options["native"] = Native("openai", _passed_on(body, metadata))
    return Asked(
        model=model_of(body, incoming.path),
        options=options,
        stream=bool(take(body, "stream", "a boolean")),
        person=take(body, "safety_identifier", "a string") or options.get("user"),
    )


def model_of(body: Mapping[str, Any], path: str) -> str:
    """The model in the body, or in the address as Azure's clients put it."""
    model = take(body, "model", "a string")
    if "/deployments/" in path:
        model = unquote(path.partition("/deployments/")[2].partition("/")[0])
    if not model:
        raise InvalidRequest("model is missing; it must be a string, such as 'auto' or the name of a group")
    return str(model)


def _effort(body: Mapping[str, Any]) -> Any:
    effort = take(body, "reasoning_effort", "a string")
    if effort is None and (reasoning := body.get("reasoning")).__class__ is dict:  # OpenRouter's form
        return take(reasoning, "effort", "a string", "reasoning.")
    return effort


def _passed_on(body: dict[str, Any], metadata: dict[str, Any] | None) -> dict[str, Any]:
    """The caller's body without what is ours in it."""
    messages = body["messages"]
    if any("provider_fields" in message for message in messages):
        plain = [{key: value for key, value in each.items() if key != "provider_fields"} for each in messages]
        body = {**body, "messages": plain}
    if metadata and any(key.startswith(MARK) for key in metadata):
        body = {**body, "metadata": without_marks(metadata)}
    return body


def _modern(body: Mapping[str, Any], messages: list[dict[str, Any]], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Functions from before tools, as tools."""
    functions = objects(take(body, "functions", "an array") or [], "functions")
    if functions and "tools" not in options:
        options["tools"] = [{"type": "function", "function": function} for function in functions]
    choice = take(body, "function_call", "a string or an object")
    if choice is not None and "tool_choice" not in options:
        options["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", "function": choice}
    modern: list[dict[str, Any]] = []
    last = 0
    for index, message in enumerate(messages):
        if message["role"] == "function":
            message = {**message, "role": "tool", "tool_call_id": f"call_{last}"}
        elif isinstance(call := message.get("function_call"), dict):
            last = index
            message = {key: value for key, value in message.items() if key != "function_call"}
            message["tool_calls"] = [{"id": f"call_{last}", "type": "function", "function": call}]
        modern.append(message)
    return modern
