"""What LiteLLM asks a strategy, as what the walk is asked: size, needs, tags and what this call tried already.

The estimate and the needs are those of junctor's own calls. What LiteLLM has no words for (tenant, data, session, ...)
stands in the call's metadata under `junctor`, in the words of `RoutingOptions`; LiteLLM sends metadata to no provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from junctor import adapters
from junctor.estimate import measure, measure_inputs, prefix_affinity
from junctor.exceptions import InvalidRequest
from junctor.options import RoutingOptions, Wish, take_apart, take_apart_inputs
from junctor.request import ChatRequest
from junctor.router import Router

KEY: Final = "junctor"
"""Where in a call's metadata its routing stands."""

WORDS: Final = sorted(RoutingOptions.__annotations__.keys() - {"attempts", "deadline_s", "affinity", "session_of"})
"""What routes a call. How often and until when it is tried is LiteLLM's to say: `num_retries` and `timeout`."""

LENGTHS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""LiteLLM's words for the bound on an answer: the first that is said is meant."""

_BUCKETS: Final = ("metadata", "litellm_metadata")


class Asked(msgspec.Struct, frozen=True):
    """One attempt's question. `ask` is what `Router.reserve` takes beside the name, the wait and who was tried.

    `bounded_by` is the word that bounds the answer in the API of this call, if it has one; `takes_effort` whether it
    knows OpenAI's `reasoning_effort`.
    """

    name: str
    ask: dict[str, Any]
    tried: tuple[str, ...]
    max_wait_s: float
    first: bool
    bounded_by: str | None
    takes_effort: bool


def asked(
    router: Router,
    name: str,
    messages: Sequence[Any] | None,
    inputs: object,
    request: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    max_wait_s: float | None = None,
) -> Asked:
    """The question. `names` says what LiteLLM's ids of deployments are called. Raises `InvalidRequest`."""
    told = [bucket for word in _BUCKETS if isinstance(bucket := request.get(word), Mapping)]
    routing = _routing(told)
    if max_wait_s is not None:
        routing.setdefault("max_wait_s", max_wait_s)
    failed = [row.get("deployment_id") for bucket in told for row in bucket.get("previous_models") or ()]
    tried = tuple(dict.fromkeys(names[id] for id in failed if isinstance(id, str) and id in names))
    wish, ask = _sized(router, name, messages, inputs, request, routing)
    said = next((word for word in LENGTHS if isinstance(value := request.get(word), int) and value > 0), None)
    if said is not None:
        ask["output_tokens"] = request[said]
    if request.get("stream") is True:
        ask["needs"] = ask.get("needs", frozenset()) | {"streaming"}
    if wish.tags is not None:
        ask["tags"] = wish.tags
    if wish.session is not None:
        ask["affinity"] = wish.session
    if wish.account is not None and router.keeps_sessions:
        ask["session"] = wish.account
    # Of chats LiteLLM hands the messages over apart, of other APIs the request holds its messages or its input.
    usual = "max_tokens" if messages else "max_output_tokens" if "input" in request else None
    effort = bool(messages) and "messages" not in request
    return Asked(name, ask, tried, wish.max_wait_s, not failed, said or usual, effort)


def _routing(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    given: object = next((bucket[KEY] for bucket in told if KEY in bucket), {})
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"metadata.junctor is a {type(given).__name__}; write a mapping of {', '.join(WORDS)}")
    if unknown := sorted(map(str, given.keys() - set(WORDS))):
        raise InvalidRequest(f"metadata.junctor.{unknown[0]} is unknown; it may say {', '.join(WORDS)}")
    return dict(given)


def _sized(
    router: Router,
    name: str,
    messages: Sequence[Any] | None,
    inputs: object,
    request: Mapping[str, Any],
    routing: dict[str, Any],
) -> tuple[Wish[Any], dict[str, Any]]:
    """The call taken apart, and what its size and needs ask for."""
    times = {"deadline_s": router.deadline_s, "max_wait_s": router.max_wait_s}
    if not messages and not inputs:
        inputs = str(request.get("contents") or "")  # an API of other words: about its length, and no needs
    if not messages and not _are_messages(inputs):
        embedding = take_apart_inputs(cast("str", inputs), None, routing, **times)
        tokens, chars, estimated = measure_inputs(embedding.request.inputs)
        return embedding, {"input_tokens": tokens, "prompt_chars": chars, "estimated": estimated}
    listed = [_plain(message) for message in cast("Sequence[Any]", messages or inputs)]
    wish = take_apart(listed, {**_content(request), **routing}, **times)
    tokens, chars = measure(wish.request)
    ask: dict[str, Any] = {"input_tokens": tokens, "prompt_chars": chars, "estimated": True}
    if needs := adapters.needs(wish.request):
        ask["needs"] = needs
    if wish.session is None and router.keeps_prefixes(name):
        wish = msgspec.structs.replace(wish, session=prefix_affinity(wish.request.messages))
    return wish, ask


def _are_messages(inputs: object) -> bool:
    """Whether these inputs are items of OpenAI's responses API, and not texts or tokens to embed."""
    return isinstance(inputs, Sequence) and not isinstance(inputs, str) and any(map(_is_item, inputs))


def _is_item(value: object) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "model_dump")


def _plain(message: Any) -> Any:
    """A message as a mapping: LiteLLM hands its own objects on, when an answer is part of the next question."""
    if isinstance(message, str):
        return {"role": "user", "content": message}
    return message if isinstance(message, Mapping) or not hasattr(message, "model_dump") else message.model_dump()


def _content(request: Mapping[str, Any]) -> dict[str, Any]:
    """What beside messages has a size or a need."""
    form, effort = request.get("response_format"), request.get("reasoning_effort")
    fields: dict[str, Any] = {
        "tools": request.get("tools") or (),
        "parallel_tool_calls": request.get("parallel_tool_calls"),
        "logprobs": request.get("logprobs"),
        "top_logprobs": request.get("top_logprobs"),
        # LiteLLM takes a pydantic class for a schema, and a mapping for an effort
        "response_format": form if form is None or isinstance(form, Mapping) else {"type": "json_schema"},
        "effort": effort.get("effort") if isinstance(effort, Mapping) else effort,
    }
    return {word: value for word, value in fields.items() if word in ChatRequest.__struct_fields__}
