"""A caller's own body, in the dialect that the endpoint speaks too: sent on with nothing lost.

Whoever speaks to us in OpenAI's own form may use fields that we have no word for, and newer ones every month. So where
that form fits, the body is theirs and only what routing decides is written anew: the model, how the answer comes, the
bound on it where it is lower, an effort where a rule fills one in. Two things are still translated, since they would
make a request fail that its caller did not address to this model: sampling parameters that a reasoning model refuses,
which are reported as dropped, and words that have another name at this host (`max_tokens`, the `developer` role).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from junctor.adapters.openai.hosts import Host
from junctor.adapters.openai.messages import message_for
from junctor.adapters.openai.models import PLAIN, Model, model_of
from junctor.adapters.options import answer_bound
from junctor.request import ChatRequest, Endpoint


def native_of(request: ChatRequest, adapter: str) -> Mapping[str, Any] | None:
    """The request's own body if it is written for this adapter."""
    native = request.native
    return native.body if native is not None and native.dialect == adapter else None


def native_chat(
    native: Mapping[str, Any],
    request: ChatRequest,
    endpoint: Endpoint,
    host: Host,
    *,
    stream: bool,
    dropped: list[str],
) -> dict[str, Any]:
    """The body of a chat completion."""
    body = _begun(native, endpoint, stream=stream)
    model = model_of(endpoint.model) if host.official else PLAIN
    if isinstance(messages := body.get("messages"), Sequence):
        body["messages"] = [
            message_for(message, index, host) if _needs_words(message, host) else message
            for index, message in enumerate(messages)
        ]
    if stream and host.stream_options:
        given = native.get("stream_options")
        body["stream_options"] = {**(given if isinstance(given, Mapping) else {}), "include_usage": True}
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
    return body


def native_response(
    native: Mapping[str, Any],
    request: ChatRequest,
    endpoint: Endpoint,
    host: Host,
    *,
    stream: bool,
    dropped: list[str],
) -> dict[str, Any]:
    """The body of a responses request."""
    body = _begun(native, endpoint, stream=stream)
    model = model_of(endpoint.model) if host.official else PLAIN
    if stream and "stream_options" in native:
        body["stream_options"] = native["stream_options"]
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
    return body


def _begun(native: Mapping[str, Any], endpoint: Endpoint, *, stream: bool) -> dict[str, Any]:
    body = {**native, "model": endpoint.model}
    body.pop("stream_options", None)
    if stream:
        body["stream"] = True
    else:
        body.pop("stream", None)
    return body


def _needs_words(message: Any, host: Host) -> bool:
    """Whether a message carries what the host would refuse: marks of ours or of another provider, an unknown role."""
    if not isinstance(message, Mapping):
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
    """Bounds the answer by what is allowed, if its caller asked for more or for nothing."""
    most = answer_bound(request, endpoint, dropped)
    given = body.get(word)
    if most is not None and (given is None or (isinstance(given, int) and given > most)):
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
