"""A canonical request as a Converse request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final
from urllib.parse import quote

import msgspec

from junctor.adapters.bedrock.content import cache_point
from junctor.adapters.bedrock.effort import think
from junctor.adapters.bedrock.messages import conversation
from junctor.adapters.bedrock.models import Family, family_of
from junctor.adapters.options import answer_bound, join_url, merge, stop_list
from junctor.adapters.schema import profile_for
from junctor.adapters.tools import Choice, choice_of, fitted_format, fitted_parameters, function_of
from junctor.request import ChatRequest, Endpoint, HttpRequest

MAX_METADATA: Final = 16
_METADATA_VALUE: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
_LOST: Final[dict[str, Any]] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "seed": None,
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "user": None,
}
"""Parameters that Converse has no word for, and the value that says nothing."""

_lost_of: Final = attrgetter(*_LOST)
_UNSAID: Final = (None,) * len(_LOST)

_encode: Final = msgspec.json.Encoder().encode


def build(request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
    """The HTTP request, unsigned; see `Adapter.build`. A key is a bearer token; without one the endpoint's signer
    adds what proves who asks."""
    family = family_of(endpoint.model)
    dropped: list[str] = []
    notes: list[str] = []
    choice = choice_of(request)
    tools = bool(request.tools) and not (choice is not None and choice.mode == "none")
    system, turns = conversation(request.messages, endpoint.model, family, tools=tools)
    body: dict[str, Any] = {"messages": turns}
    if system:
        body["system"] = system
    if tools:
        body["toolConfig"] = _tools(request, family, choice, dropped, notes)
    elif request.tool_choice is not None and not request.tools:
        dropped.append("tool_choice")
    if request.parallel_tool_calls is not None and not (request.parallel_tool_calls and tools):
        dropped.append("parallel_tool_calls")
    config = _sampling(request, endpoint, dropped)
    _format(request, family, body, dropped, notes)
    extra = think(request, endpoint, family, body, config, dropped)
    _top_k(request, family, extra, dropped)
    if config:
        body["inferenceConfig"] = config
    if extra:
        body["additionalModelRequestFields"] = extra
    _rest(request, body, dropped)
    if options := request.provider_options.get("bedrock"):
        merge(body, options)
    path = f"/model/{_quoted(endpoint.model)}/{'converse-stream' if stream else 'converse'}"
    return HttpRequest(
        "POST",
        join_url(endpoint.base_url, path),
        _headers(endpoint, stream=stream),
        _encode(body),
        tuple(dict.fromkeys(dropped)),
        tuple(notes),
    )


@lru_cache(maxsize=1024)
def _quoted(model: str) -> str:
    return quote(model, safe="")


def _headers(endpoint: Endpoint, *, stream: bool) -> Mapping[str, str]:
    headers = {
        "content-type": "application/json",
        "accept": "application/vnd.amazon.eventstream" if stream else "application/json",
    }
    if endpoint.key is not None:
        headers["authorization"] = f"Bearer {endpoint.key.reveal()}"
    if endpoint.headers:
        headers.update(endpoint.headers)
    return headers


def _tools(
    request: ChatRequest, family: Family, choice: Choice | None, dropped: list[str], notes: list[str]
) -> dict[str, Any]:
    tools: list[Any] = []
    for tool in request.tools:
        function = function_of(tool)
        tools.append(tool if function is None else {"toolSpec": _spec(function, family, dropped, notes)})
        mark = tool.get("cache_control") or (function or {}).get("cache_control")
        if mark and family.cache_tools:
            tools.append(cache_point(mark, ttl=True))
    config: dict[str, Any] = {"tools": tools}
    if choice is not None:
        config["toolChoice"] = _choice(choice, family, dropped)
    return config


def _spec(function: Mapping[str, Any], family: Family, dropped: list[str], notes: list[str]) -> dict[str, Any]:
    strict = bool(function.get("strict")) and family.format
    profile = profile_for("bedrock", "strict" if strict else "tool")
    spec: dict[str, Any] = {
        "name": function.get("name"),
        "inputSchema": {"json": fitted_parameters(function, profile, notes)},
    }
    if description := function.get("description"):
        spec["description"] = description
    if function.get("strict"):
        if strict:
            spec["strict"] = True
        else:
            dropped.append("strict")
    return spec


def _choice(choice: Choice, family: Family, dropped: list[str]) -> dict[str, Any]:
    if choice.mode == "auto":
        if choice.names:  # a choice among some of the tools cannot be said
            dropped.append("tool_choice")
        return {"auto": {}}
    if family.forcing == "none":
        dropped.append("tool_choice")
        return {"auto": {}}
    if len(choice.names) == 1 and family.forcing == "one":
        return {"tool": {"name": choice.names[0]}}
    if choice.names:
        dropped.append("tool_choice")
    return {"any": {}}


def _format(request: ChatRequest, family: Family, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    wanted = request.response_format
    if wanted is None or wanted.get("type") == "text":
        return
    named = wanted.get("json_schema") or {}
    if wanted.get("type") != "json_schema" or not named.get("schema") or not family.format:
        dropped.append("response_format")
        return
    schema, lost = fitted_format(named["schema"], profile_for("bedrock", "strict"), notes)
    if lost:
        dropped.append("response_format")
    told = {key: named[key] for key in ("name", "description") if named.get(key)}
    structure = {"jsonSchema": {"schema": _encode(schema).decode(), **told}}
    body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}


def _sampling(request: ChatRequest, endpoint: Endpoint, dropped: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    most = answer_bound(request, endpoint, dropped)
    if most is not None:
        config["maxTokens"] = most
    for name, key, value in (("temperature", "temperature", request.temperature), ("top_p", "topP", request.top_p)):
        if value is not None:
            config[key] = min(max(value, 0.0), 1.0)
            if config[key] != value:
                dropped.append(name)
    if stops := stop_list(request):
        spoken = [stop for stop in stops if stop.strip()]  # white space alone is refused
        if spoken:
            config["stopSequences"] = spoken
        if len(spoken) < len(stops):
            dropped.append("stop")
    return config


def _top_k(request: ChatRequest, family: Family, extra: dict[str, Any], dropped: list[str]) -> None:
    if request.top_k is None or family.claude is not None:  # Claude's depends on its thinking and is decided there
        return
    if family.nova and extra.get("reasoningConfig", {}).get("maxReasoningEffort") != "high":
        extra["inferenceConfig"] = {"topK": request.top_k}
    else:
        dropped.append("top_k")


def _rest(request: ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    given = _lost_of(request)
    if given != _UNSAID:
        for (name, nothing), value in zip(_LOST.items(), given, strict=True):
            if value is not None and value != nothing:
                dropped.append(name)
    if request.metadata:
        fit = {name: value for name, value in request.metadata.items() if _fits(name) and _fits(value)}
        kept = dict(list(fit.items())[:MAX_METADATA])
        if kept:
            body["requestMetadata"] = kept
        if len(kept) < len(request.metadata):
            dropped.append("metadata")


def _fits(text: str) -> bool:
    return _METADATA_VALUE.fullmatch(text) is not None
