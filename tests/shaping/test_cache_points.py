"""Cache points: at most four, where the prompt stays the same, above the minimum, never beside the caller's own."""

from __future__ import annotations

from typing import Any

import pytest

from junctor.adapters import get
from junctor.request import ChatRequest, Endpoint
from junctor.shaping.cache_points import MARK, keyed, minimum_tokens, placed

LONG = "word " * 2_000  # some 2,860 tokens by the estimate
TOOL = {"type": "function", "function": {"name": "f", "description": LONG, "parameters": {"type": "object"}}}
SYSTEM = {"role": "system", "content": LONG}
HISTORY = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
NOW = {"role": "user", "content": "three"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MODEL = "claude-sonnet-4-5"


def marks(request: ChatRequest) -> list[Any]:
    """Where marks are: tools as t0, messages as m0."""
    found = [f"t{n}" for n, tool in enumerate(request.tools) if tool.get("cache_control")]
    for n, message in enumerate(request.messages):
        parts = message["content"] if isinstance(message.get("content"), list) else []
        if message.get("cache_control") or any(part.get("cache_control") for part in parts):
            found.append(f"m{n}")
    return found


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"messages": [SYSTEM, NOW]}, ["m0"]),
        ({"messages": [SYSTEM, *HISTORY, NOW]}, ["m0", "m2"]),
        ({"messages": [SYSTEM, *HISTORY, NOW], "tools": [TOOL, TOOL]}, ["t1", "m0", "m2"]),
        ({"messages": [*HISTORY, NOW]}, []),
        ({"messages": [{"role": "user", "content": LONG}]}, []),
        (
            {
                "messages": [
                    SYSTEM,
                    NOW,
                    {"role": "assistant", "content": None, "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "c", "content": "done"},
                ],
                "tools": [TOOL],
            },
            ["t0", "m0", "m3"],
        ),
    ],
    ids=["system", "history", "tools", "short", "nothing stable", "loop"],
)
def test_points_stand_after_what_stays_the_same(fields: dict[str, Any], wanted: list[str]) -> None:
    request = ChatRequest(**fields)
    found = placed(request, MODEL)
    assert marks(found) == wanted
    assert marks(request) == []
    body = (
        get("anthropic")
        .build(found, Endpoint(deployment="d", provider="p", adapter="anthropic", model=MODEL, base_url="http://x"))
        .body
    )
    assert body.count(b"cache_control") == len(wanted) <= 4


@pytest.mark.parametrize(
    "marked",
    [
        {"messages": [{**SYSTEM, "cache_control": MARK}, NOW]},
        {"messages": [SYSTEM, {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": MARK}]}]},
        {"messages": [SYSTEM, NOW], "tools": [{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
    ],
)
def test_a_caller_who_marks_is_left_alone(marked: dict[str, Any]) -> None:
    request = ChatRequest(**marked)
    assert placed(request, MODEL) is request


def test_a_beginning_below_the_models_minimum_gets_no_mark() -> None:
    request = ChatRequest(messages=[SYSTEM, NOW])
    assert placed(request, "claude-opus-4-8") is request
    assert marks(placed(request, MODEL)) == ["m0"]


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-sonnet-4-5-20250929", 1024),
        ("claude-sonnet-4-6", 2048),
        ("claude-opus-4-1", 1024),
        ("claude-opus-4-8", 4096),
        ("claude-haiku-4-5", 4096),
        ("claude-3-5-haiku-20241022", 2048),
        ("us.anthropic.claude-sonnet-4-5-v1:0", 1024),
        ("amazon.nova-pro-v1:0", 1024),
        ("something-else", 4096),
    ],
)
def test_the_minimum_is_the_models_own(model: str, tokens: int) -> None:
    assert minimum_tokens(model) == tokens


def test_a_key_is_a_hash_and_never_replaces_the_callers() -> None:
    request = keyed(ChatRequest(messages=[NOW]), "openai", "session of Ada")
    key = request.provider_options["openai"]["prompt_cache_key"]
    assert "Ada" not in key
    assert keyed(ChatRequest(messages=[NOW]), "openai", "session of Ada") == request
    assert keyed(request, "openai", "another") is request
