"""A canonical request as a request for OpenAI's responses interface.

`store` is false unless the caller says otherwise: the next turn may go to any deployment, so a conversation kept at one
of them is of no use here, and keeping content is nothing that a router should start by itself. Reasoning then survives
between turns only if it is handed out encrypted, so models that reason are asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.adapters.native import native_body
from junctor.adapters.openai.address import RESPONSES, address_of, headers_of
from junctor.adapters.openai.build import official_parameters
from junctor.adapters.openai.hosts import Host, host_of
from junctor.adapters.openai.models import PLAIN, Model, model_of
from junctor.adapters.openai.native import native_response
from junctor.adapters.openai_responses.items import ADAPTER, conversation
from junctor.adapters.options import answer_bound, merge, stop_list
from junctor.adapters.schema import profile_for
from junctor.adapters.tools import EMPTY_SCHEMA, choice_of, fitted_format, function_of
from junctor.exceptions import InvalidRequest
from junctor.request import ChatRequest, Endpoint, HttpRequest

MIN_ANSWER_TOKENS: Final = 16
"""OpenAI answers 400 to a smaller bound."""

_encode: Final = msgspec.json.Encoder().encode


def build(request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
    """The HTTP request; see `Adapter.build`."""
    host = host_of(endpoint.base_url)
    dropped: list[str] = []
    notes: list[str] = []
    body = native_body(request, ADAPTER)
    if body is not None:
        native_response(body, request, endpoint, host, stream=stream, dropped=dropped)
    else:
        body = _body(request, endpoint, host, dropped, notes)
        if stream:
            body["stream"] = True
        if extra := request.provider_options.get(ADAPTER):
            merge(body, extra)
    address = address_of(endpoint, host, RESPONSES)
    return HttpRequest("POST", address, headers_of(endpoint, host), _encode(body), tuple(dropped), tuple(notes))


def _body(request: ChatRequest, endpoint: Endpoint, host: Host, dropped: list[str], notes: list[str]) -> dict[str, Any]:
    model = model_of(endpoint.model) if host.official else PLAIN
    instructions, items = conversation(request.messages, endpoint.model, host)
    body: dict[str, Any] = {"model": endpoint.model, "input": items, "store": False}
    if instructions is not None:
        body["instructions"] = instructions
    _bound(request, endpoint, body, dropped)
    _tools(request, host, body, dropped, notes)
    _reasoning(request, host, model, body, dropped)
    _sampling(request, model, body, dropped)
    _absent(request, dropped)
    if request.response_format is not None:
        body["text"] = {"format": _format(request.response_format, host, notes)}
    if request.user is not None:
        body["user"] = request.user
    if request.metadata:
        body["metadata"] = request.metadata
    return body


def _bound(request: ChatRequest, endpoint: Endpoint, body: dict[str, Any], dropped: list[str]) -> None:
    most = answer_bound(request, endpoint, dropped)
    if most is None:
        return
    if most < MIN_ANSWER_TOKENS:
        most = MIN_ANSWER_TOKENS
        dropped.append("max_tokens")
    body["max_output_tokens"] = most


def _tools(request: ChatRequest, host: Host, body: dict[str, Any], dropped: list[str], notes: list[str]) -> None:
    if not request.tools:
        if request.tool_choice is not None:
            dropped.append("tool_choice")
        if request.parallel_tool_calls is not None:
            dropped.append("parallel_tool_calls")
        return
    body["tools"] = [_tool(tool, host, notes) for tool in request.tools]
    choice = choice_of(request)
    if choice is not None:
        named = [{"type": "function", "name": name} for name in choice.names]
        if not named:
            body["tool_choice"] = choice.mode
        elif len(named) == 1 and choice.mode == "required":
            body["tool_choice"] = named[0]
        else:
            body["tool_choice"] = {"type": "allowed_tools", "mode": choice.mode, "tools": named}
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _tool(tool: Mapping[str, Any], host: Host, notes: list[str]) -> Mapping[str, Any]:
    function = function_of(tool)
    if function is not None:
        # Here strict is the default, and most schemas do not fulfil what it asks; in chat completions it is not.
        flat = {"type": "function", "parameters": EMPTY_SCHEMA, "strict": False, **function}
        flat.pop("cache_control", None)
        if host.official and "parameters" in function:
            flat["parameters"] = official_parameters(function, notes)
        return flat
    custom = tool.get("custom")
    if tool.get("type") == "custom" and isinstance(custom, Mapping):
        flat = {"type": "custom", **custom}
        form = custom.get("format")
        if isinstance(form, Mapping) and isinstance(form.get("grammar"), Mapping):
            flat["format"] = {"type": "grammar", **form["grammar"]}
        return flat
    return tool


def _reasoning(request: ChatRequest, host: Host, model: Model, body: dict[str, Any], dropped: list[str]) -> None:
    wanted = request.effort
    effort = wanted if wanted is None or not host.official else model.effort(wanted)
    if effort is not None:
        body["reasoning"] = {"effort": effort}
    if wanted is not None and effort != wanted:
        dropped.append("effort")
    if model.efforts or host.encrypted_reasoning:
        body["include"] = ["reasoning.encrypted_content"]


def _sampling(request: ChatRequest, model: Model, body: dict[str, Any], dropped: list[str]) -> None:
    fixed = model.fixed_sampling((body.get("reasoning") or {}).get("effort"))
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is None:
            continue
        if not fixed:
            body[name] = value
        elif value != 1:
            dropped.append(name)
    if request.logprobs or request.top_logprobs:
        if fixed:
            dropped.append("top_logprobs" if request.top_logprobs else "logprobs")
            return
        body.setdefault("include", []).append("message.output_text.logprobs")
        if request.top_logprobs is not None:
            body["top_logprobs"] = request.top_logprobs


def _absent(request: ChatRequest, dropped: list[str]) -> None:
    """What this interface has no word for."""
    for name, given in (
        ("frequency_penalty", request.frequency_penalty),
        ("presence_penalty", request.presence_penalty),
        ("seed", request.seed is not None),
        ("n", request.n is not None and request.n != 1),
        ("top_k", request.top_k is not None),
        ("stop", stop_list(request)),
    ):
        if given:
            dropped.append(name)


def _format(form: Mapping[str, Any], host: Host, notes: list[str]) -> dict[str, Any]:
    if form.get("type") != "json_schema":
        return dict(form)
    schema = form.get("json_schema")
    if not isinstance(schema, Mapping):
        raise InvalidRequest("response_format: a json_schema without the object json_schema: {name, schema}")
    flat = {"type": "json_schema", "name": "answer", **schema}
    if host.official and flat.get("strict") and flat.get("schema"):
        flat["schema"], _ = fitted_format(flat["schema"], profile_for("openai", "strict"), notes)
    return flat
