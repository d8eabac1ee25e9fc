"""A caller's own body, in the dialect that the endpoint speaks too: sent on with nothing lost.

What every dialect does with such a body is in `adapters.native`; here is what OpenAI's two interfaces share. The body
is the caller's and only what routing decides is written anew: the model, how the answer comes, the bound on it where it
is lower, an effort where a rule fills one in. Two things are still translated, since they would make a request fail
that its caller did not address to this model: sampling parameters that a reasoning model refuses, which are reported as
dropped, and words that have another name at this host (`max_tokens`, the `developer` role).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from junctor.adapters.native import lower_bound
from junctor.adapters.openai.hosts import Host
from junctor.adapters.openai.messages import message_for
from junctor.adapters.openai.models import PLAIN, Model, model_of
from junctor.request import ChatRequest, Endpoint


def native_chat(
    body: dict[str, Any],
    request: ChatRequest,
    endpoint: Endpoint,
    host: Host,
    *,
    stream: bool,
    dropped: list[str],
) -> None:
    """Writes into a copy of the caller's chat completion what routing decides."""
    options = _begin(body, endpoint, stream=stream)
    model = model_of(endpoint.model) if host.official else PLAIN
    messages = body.get("messages")
    if type(messages) is list or isinstance(messages, Sequence):  # the first costs nothing, and so it is nearly always
        body["messages"] = [
            message_for(message, index, host) if _needs_words(message, host) else message
            for index, message in enumerate(messages)
        ]
    if stream and host.stream_options:
        body["stream_options"] = {**(options if isinstance(options, Mapping) else {}), "include_usage": True}
    word, other = ("max_completion_tokens", "max_tokens")
    if not host.official:
        word, other = other, word
    if other in body and word not in body:
        body[word] = body.pop(other)
    _lower(body, word, request, endpoint, dropped)
    if request.effort is not None and body.get("reasoning_effort") is None:
        effort = model.effort(request.effort) if host.official else request.effort
        if effort is not None:
            body["reasoning_effort"] = effort
        if effort != request.effort:
            dropped.append("effort")
    if model.tools_need_no_effort and body.get("tools") and body.get("reasoning_effort") != "none":
        if body.get("reasoning_effort") is not None:
            dropped.append("effort")
        body["reasoning_effort"] = "none"
    _drop_fixed(body, model, body.get("reasoning_effort"), dropped)


def native_response(
    body: dict[str, Any],
    request: ChatRequest,
    endpoint: Endpoint,
    host: Host,
    *,
    stream: bool,
    dropped: list[str],
) -> None:
    """Writes into a copy of the caller's responses request what routing decides."""
    options = _begin(body, endpoint, stream=stream)
    model = model_of(endpoint.model) if host.official else PLAIN
    if stream and options is not None:
        body["stream_options"] = options
    _lower(body, "max_output_tokens", request, endpoint, dropped)
    given = body.get("reasoning")
    reasoning = given if isinstance(given, Mapping) else {}
    if request.effort is not None and reasoning.get("effort") is None:
        effort = model.effort(request.effort) if host.official else request.effort
        if effort is not None:
            body["reasoning"] = reasoning = {**reasoning, "effort": effort}
        if effort != request.effort:
            dropped.append("effort")
    _drop_fixed(body, model, reasoning.get("effort"), dropped)


def _begin(body: dict[str, Any], endpoint: Endpoint, *, stream: bool) -> Any:
    """Names the model and how the answer comes; the caller's own `stream_options`, which only streams may have."""
    body["model"] = endpoint.model
    if stream:
        body["stream"] = True
    else:
        body.pop("stream", None)
    return body.pop("stream_options", None)


def _needs_words(message: Any, host: Host) -> bool:
    """Whether a message carries what the host would refuse: marks of ours or of another provider, an unknown role."""
    if type(message) is not dict and not isinstance(message, Mapping):
        return False
    if "provider_fields" in message or (message.get("role") == "developer" and not host.official):
        return True
    if not host.official:
        return False
    if "cache_control" in message:
        return True
    content = message.get("content")
    return isinstance(content, list) and any(isinstance(part, Mapping) and "cache_control" in part for part in content)


def _lower(body: dict[str, Any], word: str, request: ChatRequest, endpoint: Endpoint, dropped: list[str]) -> None:
    most = lower_bound(request, endpoint, body.get(word), dropped)
    if most is not None:
        body[word] = most


_FIXED = {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "logprobs": False, "stop": None}


def _drop_fixed(body: dict[str, Any], model: Model, effort: Any, dropped: list[str]) -> None:
    if not model.fixed_sampling(effort):
        return
    for name, usual in _FIXED.items():
        if name in body and (value := body.pop(name)) is not None and value != usual:
            dropped.append(name)
    if body.pop("top_logprobs", None):
        dropped.append("top_logprobs")
