"""What a call of the chat model says, in the words of `Client.chat`.

LangChain has names of its own for some options (`timeout`, `max_retries`), keeps `tags` and `metadata` for its traces,
and hands everything else through. So what only junctor knows may be said in `options`, of a call or of the model.
Nothing of a run's configuration becomes a tag by itself: tags decide who may see a request and what it costs, and
traces carry whatever somebody once attached to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from langchain_core.utils.function_calling import convert_to_openai_tool

from junctor.exceptions import InvalidRequest
from junctor.options import CallOptions

KNOWN: Final = frozenset(CallOptions.__annotations__) | frozenset(
    name for base in CallOptions.__mro__ for name in getattr(base, "__annotations__", {})
)
"""Every option of `Client.chat`."""

_SILENT: Final = frozenset({"stream", "ls_structured_output_format"})
"""What LangChain says to itself."""


def known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, if `Client.chat` has all of them. Raises `InvalidRequest`, naming the nearest one, if it has not."""
    for name in options:
        if name not in KNOWN:
            near = get_close_matches(name, KNOWN, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see junctor.options.CallOptions for all there are"
            raise InvalidRequest(f"{name!r} is no option of a call; {hint}")
    return options


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Options of several layers; later ones win, and tags are joined one by one."""
    out: dict[str, Any] = {}
    for layer in layers:
        for name, value in known(layer).items():
            out[name] = {**(out.get(name) or {}), **value} if name == "tags" and value else value
    return out


def spoken(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of a LangChain call as options: its own names translated, what it says to itself left out."""
    out = {name: value for name, value in given.items() if name not in _SILENT}
    if (timeout := out.pop("timeout", None)) is not None:
        out["deadline_s"] = float(timeout)
    if (retries := out.pop("max_retries", None)) is not None:
        out["attempts"] = int(retries) + 1
    return out


def tools_of(tools: Sequence[Any], strict: bool | None) -> list[dict[str, Any]]:
    """Functions, classes, LangChain's tools and schemas as tools of a request; a provider's own stay as they are."""
    return [tool if _is_providers_own(tool) else _tool(tool, strict) for tool in tools]


def _is_providers_own(tool: Any) -> bool:
    return isinstance(tool, dict) and "input_schema" not in tool and tool.get("type", "object") not in _DESCRIBED


_DESCRIBED: Final = ("function", "object", "custom")


def _tool(tool: Any, strict: bool | None) -> dict[str, Any]:
    out = dict(convert_to_openai_tool(tool, strict=strict))
    if isinstance(tool, dict) and "cache_control" in tool:
        out["cache_control"] = tool["cache_control"]
    return out


def choice_of(choice: Any, tools: Sequence[Mapping[str, Any]]) -> Any:
    """LangChain's and Anthropic's ways of choosing a tool, in OpenAI's."""
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    if choice is True or choice == "any":
        return "required"
    if choice is False:
        return "none"
    if isinstance(choice, dict):
        kind = choice.get("type")
        if kind in ("auto", "none", "any"):
            return "required" if kind == "any" else kind
        if kind != "tool":
            return choice
        choice = choice.get("name")
    names = [tool["function"]["name"] for tool in tools if "function" in tool]
    if choice not in names:
        raise InvalidRequest(f"tool_choice is {choice!r}; it must be auto, none, any or one of {', '.join(names)}")
    return {"type": "function", "function": {"name": choice}}
