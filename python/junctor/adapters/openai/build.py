"""A canonical request as an OpenAI chat completion request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.adapters.native import native_body
from junctor.adapters.openai.address import address_of, headers_of
from junctor.adapters.openai.hosts import Host, host_of
from junctor.adapters.openai.messages import messages_for
from junctor.adapters.openai.models import PLAIN, Model, model_of
from junctor.adapters.openai.native import native_chat
from junctor.adapters.options import answer_bound, merge, stop_list
from junctor.adapters.schema import profile_for
from junctor.adapters.tools import EMPTY_SCHEMA, choice_of, fitted_format, fitted_parameters, function_of
from junctor.request import ChatRequest, Endpoint, HttpRequest

MAX_STOPS: Final = 4
_encode: Final = msgspec.json.Encoder().encode


def build(request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
    """The HTTP request; see `Adapter.build`."""
    host = host_of(endpoint.base_url)
    dropped: list[str] = []
    notes: list[str] = []
    body = native_body(request, "openai")
    if body is not None:
        native_chat(body, request, endpoint, host, stream=stream, dropped=dropped)
    else:
        body = _body(request, endpoint, host, dropped, notes, stream=stream)
        if extra := request.provider_options.get("openai"):
            merge(body, extra)
    address = address_of(endpoint, host, "/chat/completions")
    return HttpRequest("POST", address, headers_of(endpoint, host), _encode(body), tuple(dropped), tuple(notes))


def _body(
    request: ChatRequest, endpoint: Endpoint, host: Host, dropped: list[str], notes: list[str], *, stream: bool
) -> dict[str, Any]:
    model = model_of(endpoint.model) if host.official else PLAIN
    body: dict[str, Any] = {"model": endpoint.model, "messages": messages_for(request.messages, host, notes)}
    if stream:
        body["stream"] = True
        if host.stream_options:
            body["stream_options"] = {"include_usage": True}
    most = answer_bound(request, endpoint, dropped)
    if most is not None:
        body["max_completion_tokens" if host.official else "max_tokens"] = most
    _tools(request, host, body, dropped, notes)
    _effort(request, host, model, body, dropped)
    _sampling(request, host, model, body, dropped)
    _rest(request, host, body, dropped)
    _format(request, host, body, notes)
    return body


def _tools(request: ChatRequest, host: Host, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    if not request.tools:
        if request.tool_choice is not None:
            dropped.append("tool_choice")
        if request.parallel_tool_calls is not None:
            dropped.append("parallel_tool_calls")
        return
    body["tools"] = [_tool(tool, host, notes) for tool in request.tools]
    if request.tool_choice is not None:
        choice_of(request)  # raises for a form nobody knows
        body["tool_choice"] = request.tool_choice
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _tool(tool: Mapping[str, Any], host: Host, notes: list[str]) -> Mapping[str, Any]:
    function = function_of(tool)
    if function is None:
        return tool
    if "parameters" not in function:  # optional in OpenAI's own API, demanded by several hosts
        function = {**function, "parameters": EMPTY_SCHEMA}
    elif host.official and (fitted := official_parameters(function, notes)) is not function["parameters"]:
        function = {**function, "parameters": fitted}
    elif "cache_control" not in function and "cache_control" not in tool and "type" in tool:
        return tool
    return {"type": "function", "function": {key: value for key, value in function.items() if key != "cache_control"}}


def official_parameters(function: Mapping[str, Any], notes: list[str]) -> Any:
    """Copies of the API take any schema or ignore `strict`; OpenAI itself refuses what its grammar cannot say."""
    return fitted_parameters(function, profile_for("openai", "strict" if function.get("strict") else "tool"), notes)


def _format(request: ChatRequest, host: Host, body: dict[str, Any], notes: list[str]) -> None:
    wanted = request.response_format
    if wanted is None:
        return
    body["response_format"] = wanted
    asked = wanted.get("json_schema")
    if host.official and isinstance(asked, Mapping) and asked.get("strict") and asked.get("schema"):
        schema, _ = fitted_format(asked["schema"], profile_for("openai", "strict"), notes)
        if schema is not asked["schema"]:
            body["response_format"] = {**wanted, "json_schema": {**asked, "schema": schema}}


def _effort(request: ChatRequest, host: Host, model: Model, body: dict[str, Any], dropped: list[str]) -> None:
    wanted = request.effort
    effort = wanted if wanted is None or not host.official else model.effort(wanted)
    if model.tools_need_no_effort and request.tools:
        effort = "none"
    if effort is not None:
        body["reasoning_effort"] = effort
    if wanted is not None and effort != wanted:
        dropped.append("effort")


def _sampling(request: ChatRequest, host: Host, model: Model, body: dict[str, Any], dropped: list[str]) -> None:
    alternatives = request.top_logprobs
    if request.logprobs and not alternatives:
        alternatives = host.alternatives or alternatives
    given = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logprobs": True if request.top_logprobs else request.logprobs,
        "top_logprobs": alternatives,
    }
    fixed = model.fixed_sampling(body.get("reasoning_effort"))
    for name, value in given.items():
        if value is None:
            continue
        if not fixed:
            body[name] = value
        elif value != _DEFAULTS[name]:
            dropped.append(name)
    if request.top_k is not None:
        if host.top_k:
            body["top_k"] = request.top_k
        else:
            dropped.append("top_k")
    _stop(request, fixed, body, dropped)


_DEFAULTS: Final[dict[str, Any]] = {
    "temperature": 1,
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
}


def _stop(request: ChatRequest, fixed: bool, body: dict[str, Any], dropped: list[str]) -> None:
    stops = stop_list(request)
    if not stops:
        return
    if fixed:
        dropped.append("stop")
        return
    if len(stops) > MAX_STOPS:
        dropped.append("stop")
    body["stop"] = stops[:MAX_STOPS]


def _rest(request: ChatRequest, host: Host, body: dict[str, Any], dropped: list[str]) -> None:
    if request.seed is not None:
        body["seed"] = request.seed
    if request.n is not None:
        body["n"] = request.n
    if request.user is not None:
        body["user"] = request.user
    if request.metadata:
        if host.metadata:
            body["metadata"] = request.metadata
        else:
            dropped.append("metadata")
