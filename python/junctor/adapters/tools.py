"""Tool definitions and tool choice in OpenAI's shape, read once for all dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from junctor.adapters.lenient import loads
from junctor.adapters.schema import SchemaProfile, fit, loses
from junctor.exceptions import InvalidRequest
from junctor.request import ChatRequest

Mode = Literal["auto", "none", "required"]

MAX_NOTES_EACH: Final = 8  # of one tool: more say nothing new
MAX_NAME_CHARS: Final = 64

EMPTY_SCHEMA: Final[dict[str, Any]] = {"type": "object", "properties": {}}


class Choice(msgspec.Struct, frozen=True):
    """What the caller wants of the tools: the mode, and the names it is restricted to (none: all tools)."""

    mode: Mode
    names: tuple[str, ...] = ()


def choice_of(request: ChatRequest) -> Choice | None:
    """The request's `tool_choice`; None if it says nothing.

    Raises `InvalidRequest` for a form that OpenAI's API does not have.
    """
    wanted = request.tool_choice
    if wanted is None:
        return None
    if wanted == "auto" or wanted == "none" or wanted == "required":
        return Choice(wanted)  # type: ignore[arg-type]  # narrowed by the line above, which mypy cannot see for Mapping
    if isinstance(wanted, Mapping):
        if wanted.get("type") == "function" and isinstance(function := wanted.get("function"), Mapping):
            return Choice("required", (str(function.get("name")),))
        if wanted.get("type") == "allowed_tools" and isinstance(allowed := wanted.get("allowed_tools"), Mapping):
            names = tuple(str(_function(tool).get("name")) for tool in allowed.get("tools") or ())
            return Choice("required" if allowed.get("mode") == "required" else "auto", names)
    raise InvalidRequest(
        f"tool_choice: {wanted!r} is not one of 'auto', 'none', 'required', "
        "{'type': 'function', 'function': {'name': ...}}"
    )


def function_of(tool: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The function that a tool defines; None for a provider's own tool, which passes as it is."""
    function = tool.get("function")
    return function if tool.get("type", "function") == "function" and isinstance(function, Mapping) else None


def fitted_parameters(function: Mapping[str, Any], profile: SchemaProfile, notes: list[str]) -> Any:
    """The function's parameters as `profile` takes them, an empty object if it has none. What changed is noted."""
    given = function.get("parameters")
    if not given:
        return EMPTY_SCHEMA
    schema, found = fit(given, profile)
    if found:
        where = f"tools.{str(function.get('name'))[:MAX_NAME_CHARS]}: "
        notes.extend(where + note for note in found[:MAX_NOTES_EACH])
    return schema


def fitted_format(schema: Any, profile: SchemaProfile, notes: list[str]) -> tuple[Any, bool]:
    """(the schema of a structured answer as `profile` takes it, whether some demand of it was lost)."""
    schema, found = fit(schema, profile)
    notes.extend(f"response_format: {note}" for note in found[:MAX_NOTES_EACH])
    return schema, any(map(loses, found))


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else {}


def called_function(call: Any, where: str) -> Mapping[str, Any]:
    """The function that a message's tool call names. Raises `InvalidRequest` if it names none."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not function.get("name"):
        raise InvalidRequest(f"{where}: a tool call without a function name")
    return function


def arguments_object(arguments: Any) -> dict[str, Any]:
    """A call's arguments as an object. Models do write broken JSON; it is then kept as text under `raw_arguments`."""
    if isinstance(arguments, Mapping):
        return dict(arguments)
    if not isinstance(arguments, str) or not arguments.strip():
        return {}
    found = loads(arguments)
    return found if isinstance(found, dict) else {"raw_arguments": arguments}
