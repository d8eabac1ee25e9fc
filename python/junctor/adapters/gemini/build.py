"""A canonical request as a Gemini generateContent request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from junctor.adapters.gemini.contents import conversation
from junctor.adapters.gemini.models import Model, model_of
from junctor.adapters.native import lower_bound, native_body
from junctor.adapters.options import answer_bound, join_url, merge, stop_list
from junctor.adapters.schema import profile_for
from junctor.adapters.tools import Choice, choice_of, fitted_format, fitted_parameters, function_of
from junctor.adapters.vertex import on_vertex, vertex_url
from junctor.request import ChatRequest, Endpoint, HttpRequest

MAX_STOPS: Final = 5

_encode: Final = msgspec.json.Encoder().encode


def build(request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
    """The HTTP request; see `Adapter.build`. A stream asks for server-sent events (`alt=sse`)."""
    dropped: list[str] = []
    notes: list[str] = []
    body = native_body(request, "gemini")
    if body is None:
        body = _canonical(request, endpoint, dropped, notes)
    else:
        _route(body, request, endpoint, dropped)
    return HttpRequest(
        "POST", _url(endpoint, stream=stream), _headers(endpoint), _encode(body), tuple(dropped), tuple(notes)
    )


def _route(body: dict[str, Any], request: ChatRequest, endpoint: Endpoint, dropped: list[str]) -> None:
    """Writes into the caller's own body what routing decides; model and streaming are in the address."""
    name = "generation_config" if "generation_config" in body else "generationConfig"  # the API reads both spellings
    config = dict(body.get(name) or {})
    bound = "max_output_tokens" if "max_output_tokens" in config else "maxOutputTokens"
    most = lower_bound(request, endpoint, config.get(bound), dropped)
    if most is not None:
        config[bound] = most
    if request.effort is not None and not config.keys() & {"thinkingConfig", "thinking_config"}:
        _effort(request.effort, model_of(endpoint.model), config, dropped)
    if config:
        body[name] = config


def _effort(wanted: str, model: Model, config: dict[str, Any], dropped: list[str]) -> None:
    thinking, exact = model.thinking(wanted)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    if not exact:
        dropped.append("effort")


def _canonical(request: ChatRequest, endpoint: Endpoint, dropped: list[str], notes: list[str]) -> dict[str, Any]:
    model = model_of(endpoint.model)
    system, turns = conversation(request.messages, mark_foreign_calls=model.signatures)
    body: dict[str, Any] = {"contents": turns}
    if system:
        body["systemInstruction"] = {"parts": system}
    _tools(request, model, body, dropped, notes)
    config = _sampling(request, endpoint, dropped)
    _format(request, model, config, dropped, notes)
    if request.effort is not None:
        _effort(request.effort, model, config, dropped)
    if config:
        body["generationConfig"] = config
    _inexpressible(request, dropped)
    if extra := request.provider_options.get("gemini"):
        merge(body, extra)
    return body


def _url(endpoint: Endpoint, *, stream: bool) -> str:
    verb = "streamGenerateContent" if stream else "generateContent"
    url = vertex_url(endpoint, "google", verb) if on_vertex(endpoint.base_url) else _plain_url(endpoint, verb)
    if not stream:
        return url
    return f"{url}{'&' if '?' in url else '?'}alt=sse"


def _plain_url(endpoint: Endpoint, verb: str) -> str:
    name = endpoint.model if "/" in endpoint.model else f"models/{endpoint.model}"
    return join_url(endpoint.base_url, f"/{quote(name, safe='/:@.-_')}:{verb}")


def _headers(endpoint: Endpoint) -> Mapping[str, str]:
    headers = {"content-type": "application/json"}
    if endpoint.key is not None:
        if on_vertex(endpoint.base_url):
            headers["authorization"] = f"Bearer {endpoint.key.reveal()}"
        else:
            headers["x-goog-api-key"] = endpoint.key.reveal()
    if endpoint.headers:
        headers.update(endpoint.headers)
    return headers


def _tools(request: ChatRequest, model: Model, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    if request.tool_choice is not None and not request.tools:
        dropped.append("tool_choice")
    if request.parallel_tool_calls is False or (request.parallel_tool_calls and not request.tools):
        dropped.append("parallel_tool_calls")
    if not request.tools:
        return
    declarations, others = [], []
    for tool in request.tools:
        function = function_of(tool)
        if function is None:
            others.append(tool)
            continue
        declarations.append(_declaration(function, model, notes))
        if function.get("strict"):
            dropped.append("strict")
    tools: list[Mapping[str, Any]] = [{"functionDeclarations": declarations}] if declarations else []
    body["tools"] = tools + others
    choice = choice_of(request)
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _calling(choice, dropped)}


def _declaration(function: Mapping[str, Any], model: Model, notes: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": function.get("name")}
    if description := function.get("description"):
        out["description"] = description
    if function.get("parameters"):
        key = "parametersJsonSchema" if model.json_schema else "parameters"  # the latter takes OpenAPI's part only
        out[key] = fitted_parameters(function, profile_for(model.schemas), notes)
    return out


def _calling(choice: Choice, dropped: list[str]) -> dict[str, Any]:
    if choice.mode == "none":
        return {"mode": "NONE"}
    if choice.mode == "auto":
        if choice.names:  # names are taken only together with a forced call
            dropped.append("tool_choice")
        return {"mode": "AUTO"}
    return {"mode": "ANY", "allowedFunctionNames": list(choice.names)} if choice.names else {"mode": "ANY"}


def _sampling(request: ChatRequest, endpoint: Endpoint, dropped: list[str]) -> dict[str, Any]:
    stops = stop_list(request)
    if len(stops) > MAX_STOPS:
        dropped.append("stop")
    given = {
        "maxOutputTokens": answer_bound(request, endpoint, dropped),
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "stopSequences": stops[:MAX_STOPS] or None,
        "seed": request.seed,
        "candidateCount": request.n if request.n != 1 else None,
        "frequencyPenalty": request.frequency_penalty,
        "presencePenalty": request.presence_penalty,
        "responseLogprobs": True if request.top_logprobs else request.logprobs,
        "logprobs": request.top_logprobs,
    }
    return {name: value for name, value in given.items() if value is not None}


def _format(request: ChatRequest, model: Model, config: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    wanted = request.response_format
    if wanted is None or wanted.get("type") == "text":
        return
    if request.tools and not model.json_with_tools:  # refused together before Gemini 3
        dropped.append("response_format")
        return
    config["responseMimeType"] = "application/json"
    if wanted.get("type") == "json_schema":
        schema = (wanted.get("json_schema") or {}).get("schema")
        if schema:
            key = "responseJsonSchema" if model.json_schema else "responseSchema"
            config[key], lost = fitted_format(schema, profile_for(model.schemas, "strict"), notes)
            if lost:
                dropped.append("response_format")
        else:
            dropped.append("response_format")


def _inexpressible(request: ChatRequest, dropped: list[str]) -> None:
    if request.user is not None:
        dropped.append("user")
    if request.metadata:
        dropped.append("metadata")
