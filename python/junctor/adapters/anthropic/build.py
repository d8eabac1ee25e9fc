"""A canonical request as an Anthropic messages request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.adapters.anthropic.messages import conversation, thinking_may_start
from junctor.adapters.anthropic.models import Model, model_of
from junctor.adapters.anthropic.native import (
    BETA,
    VERSION,
    bounded,
    joined_betas,
    leaves_effort_open,
    without_sampling,
)
from junctor.adapters.anthropic.thinking import sampling_fields, thinking_fields, thinks
from junctor.adapters.native import native_body, native_headers
from junctor.adapters.options import answer_bound, join_url, merge, stop_list
from junctor.adapters.schema import profile_for
from junctor.adapters.tools import choice_of, fitted_format, fitted_parameters, function_of
from junctor.adapters.vertex import CLAUDE_VERSION, on_vertex, vertex_url
from junctor.request import ChatRequest, Endpoint, HttpRequest

API_VERSION: Final = "2023-06-01"
DEFAULT_MAX_TOKENS: Final = 4096  # the API demands a bound; this one every model since Claude 3 accepts

_encode: Final = msgspec.json.Encoder().encode


def build(request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
    """The HTTP request; see `Adapter.build`."""
    dropped: list[str] = []
    notes: list[str] = []
    body = native_body(request, "anthropic")
    if body is None:
        body = _canonical(request, endpoint, dropped, notes)
    else:
        _route(body, request, endpoint, dropped)
    if stream:
        body["stream"] = True
    else:
        body.pop("stream", None)
    if vertex := on_vertex(endpoint.base_url):
        body.pop("model", None)
        body.setdefault("anthropic_version", CLAUDE_VERSION)
    return HttpRequest(
        "POST",
        vertex_url(endpoint, "anthropic", "streamRawPredict" if stream else "rawPredict")
        if vertex
        else _url(endpoint.base_url),
        _headers(endpoint, request, vertex=vertex),
        _encode(body),
        tuple(dict.fromkeys(dropped)),
        tuple(notes),
    )


def _route(body: dict[str, Any], request: ChatRequest, endpoint: Endpoint, dropped: list[str]) -> None:
    """Writes into the caller's own body what routing decides."""
    body["model"] = endpoint.model
    bounded(body, request, endpoint, dropped, endpoint.max_output_tokens or DEFAULT_MAX_TOKENS)
    if request.effort is None or not leaves_effort_open(body):
        return
    _think(request, model_of(endpoint.model), body, dropped)
    if thinks(body):
        without_sampling(body, dropped)


def _canonical(request: ChatRequest, endpoint: Endpoint, dropped: list[str], notes: list[str]) -> dict[str, Any]:
    model = model_of(endpoint.model)
    system, turns = conversation(request.messages, endpoint.model)
    most = answer_bound(request, endpoint, dropped) or endpoint.max_output_tokens or DEFAULT_MAX_TOKENS
    body: dict[str, Any] = {"model": endpoint.model, "max_tokens": most, "messages": turns}
    if system is not None:
        body["system"] = system
    _tools(request, model, body, dropped, notes)
    _format(request, model, body, dropped, notes)
    _think(request, model, body, dropped)
    body.update(sampling_fields(request, model, thinking=thinks(body), dropped=dropped))
    _rest(request, body, dropped)
    if extra := request.provider_options.get("anthropic"):
        merge(body, extra)
    return body


def _url(base_url: str) -> str:
    """The SDK's base address has no version, the config's may have one: both work."""
    base = base_url.rstrip("/")
    return join_url(base, "/messages" if base.endswith("/v1") else "/v1/messages")


def _headers(endpoint: Endpoint, request: ChatRequest, *, vertex: bool) -> Mapping[str, str]:
    headers = {"content-type": "application/json"}
    if not vertex:
        headers[VERSION] = API_VERSION
    if request.native is not None and request.native.dialect == "anthropic":
        headers.update(native_headers(request, (BETA,) if vertex else (BETA, VERSION)))
    if endpoint.key is not None:
        if vertex:
            headers["authorization"] = f"Bearer {endpoint.key.reveal()}"
        else:
            headers["x-api-key"] = endpoint.key.reveal()
    if endpoint.headers:
        betas = joined_betas(headers.get(BETA), endpoint.headers.get(BETA))
        headers.update(endpoint.headers)
        if betas:
            headers[BETA] = betas
    return headers


def _tools(request: ChatRequest, model: Model, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    if not request.tools:
        if request.tool_choice is not None:
            dropped.append("tool_choice")
        if request.parallel_tool_calls is not None:
            dropped.append("parallel_tool_calls")
        return
    body["tools"] = [_tool(tool, model, dropped, notes) for tool in request.tools]
    choice = _choice(request, model, dropped)
    if request.parallel_tool_calls is False:
        choice = choice or {"type": "auto"}
        if choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
    if choice is not None:
        body["tool_choice"] = choice


def _tool(tool: Mapping[str, Any], model: Model, dropped: list[str], notes: list[str]) -> Mapping[str, Any]:
    function = function_of(tool)
    if function is None:
        return tool
    strict = bool(function.get("strict")) and model.structured_output
    profile = profile_for("anthropic", "strict" if strict else "tool")
    out: dict[str, Any] = {
        "name": function.get("name"),
        "input_schema": fitted_parameters(function, profile, notes),
    }
    if description := function.get("description"):
        out["description"] = description
    if function.get("strict"):
        if strict:
            out["strict"] = True
        else:
            dropped.append("strict")
    mark = tool.get("cache_control") or function.get("cache_control")
    if mark is not None:
        out["cache_control"] = mark
    return out


def _choice(request: ChatRequest, model: Model, dropped: list[str]) -> dict[str, Any] | None:
    choice = choice_of(request)
    if choice is None:
        return None
    if choice.mode == "none":
        return {"type": "none"}
    if choice.mode == "required" and not model.forced_tools:
        dropped.append("tool_choice")
        return {"type": "auto"}
    if len(choice.names) == 1 and choice.mode == "required":
        return {"type": "tool", "name": choice.names[0]}
    if choice.names:  # a choice among some of the tools cannot be said
        dropped.append("tool_choice")
    return {"type": "any" if choice.mode == "required" else "auto"}


def _format(request: ChatRequest, model: Model, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    wanted = request.response_format
    if wanted is None or wanted.get("type") == "text":
        return
    schema = (wanted.get("json_schema") or {}).get("schema")
    if wanted.get("type") != "json_schema" or not schema or not model.structured_output:
        dropped.append("response_format")
        return
    schema, lost = fitted_format(schema, profile_for("anthropic", "strict"), notes)
    if lost:
        dropped.append("response_format")
    body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}


def _think(request: ChatRequest, model: Model, body: dict[str, Any], dropped: list[str]) -> None:
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    fields = thinking_fields(
        request.effort,
        model,
        most=body["max_tokens"],
        forced=forced,
        may_start=thinking_may_start(body["messages"]),
        dropped=dropped,
    )
    for name, value in fields.items():
        body[name] = {**(body.get(name) or {}), **value}


def _rest(request: ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    if stops := stop_list(request):
        spoken = [stop for stop in stops if stop.strip()]  # white space alone is refused
        if spoken:
            body["stop_sequences"] = spoken
        if len(spoken) < len(stops):
            dropped.append("stop")
    user = request.user or (request.metadata or {}).get("user_id")
    if user is not None:
        body["metadata"] = {"user_id": user}
    if request.metadata and request.metadata.keys() - {"user_id"}:
        dropped.append("metadata")
    if request.frequency_penalty:
        dropped.append("frequency_penalty")
    if request.presence_penalty:
        dropped.append("presence_penalty")
    if request.seed is not None:
        dropped.append("seed")
    if request.n is not None and request.n != 1:
        dropped.append("n")
    if request.logprobs:
        dropped.append("logprobs")
    if request.top_logprobs:
        dropped.append("top_logprobs")
