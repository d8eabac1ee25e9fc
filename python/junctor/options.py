"""What a call may say beside model and messages or inputs, defined once for `chat`, `stream` and `embed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, Literal, TypedDict, TypeVar, cast

import msgspec

from junctor.exceptions import InvalidRequest
from junctor.request import ChatRequest, EmbeddingRequest, Message, Vector


class RequestOptions(TypedDict, total=False):
    """The fields of `ChatRequest` beside its messages; see there for their meaning."""

    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: Mapping[str, Any] | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    n: int | None
    logprobs: bool | None
    top_logprobs: int | None
    effort: str | None
    user: str | None
    metadata: Mapping[str, str] | None
    provider_options: Mapping[str, Mapping[str, Any]]


class RoutingOptions(TypedDict, total=False):
    """How one call is routed, and how long it may take.

    `task`, `user_tier`, `priority`, `tenant` and `data` are the well-known tags that rules and compliance read; `tags`
    holds any others. `session` names the conversation: its calls keep to one warm deployment, and what the fleet says
    of sessions holds for it, apart for each `tenant`, and for each `session_of` where callers choose the names of
    theirs. `affinity` keeps calls together and does nothing else. `deadline_s` bounds the whole call in seconds, all
    attempts and waits included; `max_wait_s` how long it may wait for capacity; `attempts` makes fewer of them than the
    fleet allows, 1 is a single try.
    """

    task: str | None
    user_tier: str | None
    priority: str | None
    tenant: str | None
    data: str | None
    tags: Mapping[str, str] | None
    session: str | None
    session_of: str | None
    affinity: str | None
    deadline_s: float | None
    max_wait_s: float | None
    attempts: int | None


SHAPING: Final = frozenset({"prompt", "prompt_values", "prune", "cache"})


class CallOptions(RequestOptions, RoutingOptions, total=False):
    """Options of one call of `chat` or `stream`.

    `prompt` names a system prompt of the fleet file, whose variant for the deployment that is picked replaces the
    system messages at the beginning; `prompt_values` fills its `{name}` placeholders. `prune` and `cache` override what
    the fleet file says: `auto`, `off`; for `prune` also a mapping: to_tokens, keep_turns, how, by, deadline_s, marker.
    `until` ends the answer once it is sure: `json` when the first object or array has closed, a list of labels when the
    answer has begun with one of them. The rest is not waited for, and cut off at the provider.
    """

    prompt: str | None
    prompt_values: Mapping[str, Any] | None
    prune: Literal["auto", "off"] | Mapping[str, Any] | None
    cache: Literal["auto", "off"] | None
    until: Literal["json"] | Sequence[str] | None
    embedding: Vector | None


class EmbedOptions(RoutingOptions, total=False):
    """Options of one call of `embed`; `user` and `provider_options` as in `EmbeddingRequest`."""

    user: str | None
    provider_options: Mapping[str, Mapping[str, Any]]


Inputs = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""What may be embedded: a text, several, one prompt's token ids, or several prompts'."""

KNOWN_TAGS: Final = ("task", "user_tier", "priority", "tenant", "data")


R = TypeVar("R")


class Wish(msgspec.Struct, Generic[R], frozen=True):
    """One call's options, taken apart: what is sent, and what routes it.

    `session` is what keeps calls together; `account` whose sessions' budget and escalation they share, if any.
    """

    request: R
    tags: dict[str, str] | None
    session: str | None
    deadline_s: float
    max_wait_s: float
    attempts: int | None = None
    account: str | None = None
    shaping: dict[str, Any] | None = None
    until: Literal["json"] | Sequence[str] | None = None
    embedding: Any = None


def take_apart(
    messages: Sequence[Message], options: dict[str, Any], *, deadline_s: float, max_wait_s: float
) -> Wish[ChatRequest]:
    """Sort `options` (which is consumed) into a request and its routing; the two numbers are the client's defaults.

    Raises `InvalidRequest` for what no provider could answer, `TypeError` for an option that does not exist.
    """
    routing = _routing(options, deadline_s, max_wait_s)
    shaping = None if SHAPING.isdisjoint(options) else {name: options.pop(name) for name in SHAPING & options.keys()}
    until, embedding = options.pop("until", None), options.pop("embedding", None)
    request = ChatRequest(messages=messages, **options)
    _refuse_nonsense(request)
    return Wish(request, *routing, shaping, until, embedding)


def take_apart_inputs(
    inputs: Inputs, dimensions: int | None, options: dict[str, Any], *, deadline_s: float, max_wait_s: float
) -> Wish[EmbeddingRequest]:
    """As `take_apart`, for what is to be embedded: one input or several become a list of them."""
    routing = _routing(options, deadline_s, max_wait_s)
    request = EmbeddingRequest(inputs=_input_list(inputs), dimensions=dimensions, **options)
    if dimensions is not None and dimensions < 1:
        raise InvalidRequest(f"dimensions is {dimensions}; it must be at least 1, or left out for the model's own")
    return Wish(request, *routing)


def _input_list(inputs: Inputs) -> Sequence[str] | Sequence[Sequence[int]]:
    if isinstance(inputs, str):
        return [inputs]
    if isinstance(inputs, Sequence) and not isinstance(inputs, bytes) and inputs:
        if all(isinstance(each, str) for each in inputs):
            return cast("Sequence[str]", inputs)
        if all(type(each) is int for each in inputs):
            return [cast("Sequence[int]", inputs)]
        if all(isinstance(each, Sequence) and each and all(type(id) is int for id in each) for each in inputs):
            return cast("Sequence[Sequence[int]]", inputs)
    raise InvalidRequest(
        f"inputs is a {type(inputs).__name__} of something else; give a text, texts, token ids or lists of token ids"
    )


def _routing(
    options: dict[str, Any], deadline_s: float, max_wait_s: float
) -> tuple[dict[str, str] | None, str | None, float, float, int | None, str | None]:
    tags: dict[str, str] = dict(options.pop("tags", None) or ())
    for name in KNOWN_TAGS:
        if (value := options.pop(name, None)) is not None:
            tags[name] = value
    session, account = options.pop("session", None), None
    affinity, session_of = options.pop("affinity", None), options.pop("session_of", None)
    if session is None:
        session = affinity
    else:
        account = "\0".join((tags.get("tenant", ""), session_of or "", session))
    asked_deadline_s = options.pop("deadline_s", None)
    asked_wait_s = options.pop("max_wait_s", None)
    attempts = options.pop("attempts", None)
    if asked_deadline_s is not None and not 0 < asked_deadline_s < float("inf"):
        raise InvalidRequest(f"deadline_s is {asked_deadline_s}; it must be a positive number of seconds")
    if asked_wait_s is not None and not 0 <= asked_wait_s < float("inf"):
        raise InvalidRequest(f"max_wait_s is {asked_wait_s}; it must be 0 (never wait) or a number of seconds")
    if attempts is not None and attempts < 1:
        raise InvalidRequest(f"attempts is {attempts}; it must be 1 (never again) or more, up to what the fleet allows")
    return (
        tags or None,
        session,
        deadline_s if asked_deadline_s is None else asked_deadline_s,
        max_wait_s if asked_wait_s is None else asked_wait_s,
        attempts,
        account,
    )


def _refuse_nonsense(request: ChatRequest) -> None:
    messages = request.messages
    if isinstance(messages, str | bytes) or not isinstance(messages, Sequence) or not messages:
        raise InvalidRequest(
            "messages must be a non-empty sequence of messages, such as [{'role': 'user', 'content': 'Hi'}]"
        )
    for index, message in enumerate(messages):
        if type(message) is not dict and not isinstance(message, Mapping):
            raise InvalidRequest(
                f"messages[{index}] is of type {type(message).__name__}; it must be a mapping, such as "
                "{'role': 'user', 'content': 'Hi'}"
            )
    if request.max_tokens is not None and request.max_tokens < 1:
        raise InvalidRequest(f"max_tokens is {request.max_tokens}; it must be at least 1, or left out for no bound")
