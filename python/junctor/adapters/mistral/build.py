"""A canonical request as a Mistral chat completion request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from junctor.adapters.mistral.messages import messages_for
from junctor.adapters.options import answer_bound, join_url, merge, stop_list
from junctor.adapters.schema import profile_for
from junctor.adapters.tools import choice_of, fitted_format, fitted_parameters, function_of
from junctor.request import ChatRequest, Endpoint, HttpRequest

MAX_TEMPERATURE: Final = 1.5
_DATED: Final = re.compile(r"mistral-(?:small|medium)-(latest|\d{4})")
FIRST_HYBRID: Final = 2603  # the release (year and month) from which small and medium models think if asked
_THINKING_WORDS: Final = {"none": "none", "minimal": "none", "low": "none"}

_encode: Final = msgspec.json.Encoder().encode


def build(request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
    """The HTTP request; see `Adapter.build`."""
    dropped: list[str] = []
    notes: list[str] = []
    body: dict[str, Any] = {"model": endpoint.model, "messages": messages_for(request.messages, endpoint.model, notes)}
    if stream:
        body["stream"] = True
    most = answer_bound(request, endpoint, dropped)
    if most is not None:
        body["max_tokens"] = most
    _tools(request, body, dropped, notes)
    _effort(request, endpoint.model, body, dropped)
    _rest(request, body, dropped, notes)
    if extra := request.provider_options.get("mistral"):
        merge(body, extra)
    return HttpRequest(
        "POST",
        join_url(endpoint.base_url, "/chat/completions"),
        _headers(endpoint),
        _encode(body),
        tuple(dict.fromkeys(dropped)),
        tuple(notes),
    )


def _headers(endpoint: Endpoint) -> Mapping[str, str]:
    headers = {"content-type": "application/json"}
    if endpoint.key is not None:
        headers["authorization"] = f"Bearer {endpoint.key.reveal()}"
    if endpoint.headers:
        headers.update(endpoint.headers)
    return headers


def _tools(request: ChatRequest, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    if not request.tools:
        if request.tool_choice is not None:
            dropped.append("tool_choice")
        if request.parallel_tool_calls is not None:
            dropped.append("parallel_tool_calls")
        return
    body["tools"] = [_tool(tool, notes) for tool in request.tools]
    choice = choice_of(request)
    if choice is not None:
        one = choice.mode == "required" and len(choice.names) == 1
        if choice.names and not one:  # a choice among some of the tools cannot be said
            dropped.append("tool_choice")
        word = "any" if choice.mode == "required" else choice.mode
        body["tool_choice"] = {"type": "function", "function": {"name": choice.names[0]}} if one else word
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _tool(tool: Mapping[str, Any], notes: list[str]) -> Mapping[str, Any]:
    function = function_of(tool)
    if function is None:
        return tool
    kept = {key: function[key] for key in ("name", "description", "strict") if function.get(key) is not None}
    profile = profile_for("mistral", "strict" if function.get("strict") else "tool")
    return {"type": "function", "function": {**kept, "parameters": fitted_parameters(function, profile, notes)}}


@lru_cache(maxsize=1024)
def thinks_if_asked(model: str) -> bool:
    """Whether the model takes `reasoning_effort`: those that always think, or never, refuse it."""
    found = _DATED.search(model.lower())
    return found is not None and (found[1] == "latest" or int(found[1]) >= FIRST_HYBRID)


def _effort(request: ChatRequest, model: str, body: dict[str, Any], dropped: list[str]) -> None:
    wanted = request.effort
    if wanted is None:
        return
    word = _THINKING_WORDS.get(wanted, "high") if thinks_if_asked(model) else None
    if word is not None:
        body["reasoning_effort"] = word
    if word != wanted and (word is not None or wanted != "none" or "magistral" in model.lower()):
        dropped.append("effort")


def _rest(request: ChatRequest, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    given = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "random_seed": request.seed,
        "n": request.n,
        "logprobs": True if request.top_logprobs else request.logprobs,
        "top_logprobs": request.top_logprobs,
        "stop": stop_list(request) or None,
        "response_format": _format(request.response_format, dropped, notes),
        "metadata": request.metadata or None,
    }
    body.update((name, value) for name, value in given.items() if value is not None)
    if request.temperature is not None and request.temperature > MAX_TEMPERATURE:
        body["temperature"] = MAX_TEMPERATURE
        dropped.append("temperature")
    if request.user is not None:
        dropped.append("user")


def _format(wanted: Mapping[str, Any] | None, dropped: list[str], notes: list[str]) -> Mapping[str, Any] | None:
    if wanted is None or wanted.get("type") != "json_schema":
        return wanted
    named = wanted.get("json_schema")
    if not isinstance(named, Mapping) or not named.get("schema"):
        dropped.append("response_format")
        return None
    schema, lost = fitted_format(named["schema"], profile_for("mistral", "strict"), notes)
    if lost:
        dropped.append("response_format")
    kept = {key: named[key] for key in ("description", "strict") if named.get(key) is not None}
    return {"type": "json_schema", "json_schema": {"name": named.get("name") or "answer", "schema": schema, **kept}}
