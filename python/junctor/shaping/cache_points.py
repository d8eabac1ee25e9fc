"""Where a prompt's beginning is kept warm: marks for providers that want them, a key for those that route by one.

Anthropic and Bedrock cache up to a marked place and read it back at a tenth of the price; writing costs a quarter more
than plain input, so a mark pays from the second request with the same beginning on. Places that stay the same are:
after the tools, after the system prompt, and the end of what was said before this turn. A mark below the model's
minimum is ignored by the provider and only uses up one of four, so none is set there. Marks that the caller set are the
caller's: nothing is added to them.

OpenAI caches by itself and takes a key that keeps one prompt's requests together; Gemini caches by itself and takes
nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from junctor.estimate import BYTES_PER_TOKEN, weigh
from junctor.request import ChatRequest, Message
from junctor.shaping.variants import SYSTEM_ROLES

MARKED: Final = frozenset({"anthropic", "bedrock"})
KEYED: Final = frozenset({"openai", "openai-responses"})
MAX_POINTS: Final = 4
LOOK_BACK: Final = 8  # messages; the provider itself looks back some blocks for an older mark
MARK: Final = {"type": "ephemeral"}

_VERSION: Final = re.compile(
    r"claude-(?:(opus|sonnet|haiku|fable|mythos)-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)(?:-(haiku))?"
)


def minimum_tokens(model: str) -> int:
    """The shortest beginning that this model's provider caches. An unknown model is taken as the most demanding.

    State of November 2026, from the providers' pages on prompt caching.
    """
    name = model.lower()
    found = _VERSION.search(name)
    if found is None:
        return 1_024 if "nova" in name else 4_096
    family, version = found[1] or found[4] or "", (int(found[2]), int(found[3] or 0))
    if family == "haiku":
        return 4_096 if version >= (4, 5) else 2_048
    if family == "opus":
        return 4_096 if version >= (4, 5) else 1_024
    return 2_048 if version >= (4, 6) else 1_024


def placed(request: ChatRequest, model: str) -> ChatRequest:
    """The request with at most `MAX_POINTS` marks; as it is if the caller marked anything or it is too short."""
    if _is_marked(request):
        return request
    least = minimum_tokens(model)
    before = len(str(request.tools)) / BYTES_PER_TOKEN if request.tools else 0.0
    tools = request.tools
    if before >= least:
        tools = [*tools[:-1], {**tools[-1], "cache_control": MARK}]
    messages = list(request.messages)
    sums: list[float] = []
    for message in messages:
        before += weigh(message)
        sums.append(before)
    places = {place for place in _stable(messages) if sums[place] >= least}
    if tools is request.tools and not places:
        return request
    for place in places:
        messages[place] = marked(messages[place])
    return msgspec.structs.replace(request, tools=tools, messages=messages)


def marked(message: Message) -> Message:
    """The message with a mark at its end, on the last content part where there are parts."""
    content = message.get("content")
    if isinstance(content, str) or not content or message.get("role") == "tool":
        return {**message, "cache_control": MARK}
    return {**message, "content": [*content[:-1], {**content[-1], "cache_control": MARK}]}


def keyed(request: ChatRequest, dialect: str, affinity: str) -> ChatRequest:
    """The request with a `prompt_cache_key`, unless it has one. The key is a hash: a session's name is its owner's."""
    given = request.provider_options.get(dialect, {})
    if "prompt_cache_key" in given:
        return request
    key = hashlib.blake2b(affinity.encode("utf-8", "replace"), digest_size=16).hexdigest()
    options = {**request.provider_options, dialect: {**given, "prompt_cache_key": key}}
    return msgspec.structs.replace(request, provider_options=options)


def _stable(messages: Sequence[Message]) -> list[int]:
    """Places after which the prompt will be the same next time: the system prompt, and what was said before this turn.

    In a loop of tool calls the turn goes on, so there the last message is such a place too.
    """
    found = []
    start = 0
    while start < len(messages) and messages[start].get("role") in SYSTEM_ROLES:
        start += 1
    if start:
        found.append(start - 1)
    last_user = max((place for place, message in enumerate(messages) if message.get("role") == "user"), default=0)
    before = (place for place in range(last_user - 1, max(start, last_user - LOOK_BACK) - 1, -1))
    if (place := next((place for place in before if _markable(messages[place])), None)) is not None:
        found.append(place)
    if len(messages) - 1 > last_user and messages[-1].get("role") == "tool":
        found.append(len(messages) - 1)
    return found


def _markable(message: Message) -> bool:
    """Whether the message has content for a mark; the model's own blocks go back unchanged."""
    return bool(message.get("content")) and "provider_fields" not in message


def _is_marked(request: ChatRequest) -> bool:
    return any(map(_carries, request.tools)) or any(map(_carries, request.messages))


def _carries(item: Mapping[str, Any]) -> bool:
    if "cache_control" in item or "cache_control" in (item.get("function") or ()):
        return True
    content = item.get("content")
    return isinstance(content, list | tuple) and any(
        isinstance(part, Mapping) and "cache_control" in part for part in content
    )
