"""Long sessions of coding agents: many tools, big prompts with cache marks, thinking that must come back unchanged."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

from junctor.testing.scripted import ok, raw, stream
from tests.client.stage import Stage
from tests.doors.visit import MESSAGES, Seen, came, incoming, read, visit

CACHED = {"type": "ephemeral", "ttl": "1h"}
TOOLS = [
    {"name": f"tool_{n}", "description": "x" * 400, "input_schema": {"type": "object", "properties": {"p": {}}}}
    for n in range(40)
]
TOOLS[-1]["cache_control"] = CACHED
SYSTEM = [
    {"type": "text", "text": "You are an agent."},
    {"type": "text", "text": "rule " * 10_000, "cache_control": CACHED},
]


def request(messages: list[dict[str, Any]], *, stream: bool = False) -> dict[str, Any]:
    return {
        "model": "g",
        "max_tokens": 32_000,
        "stream": stream,
        "system": SYSTEM,
        "tools": TOOLS,
        "thinking": {"type": "enabled", "budget_tokens": 20_000},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "metadata": {"user_id": "user_1_session_2"},
        "messages": messages,
    }


def turn(number: int) -> dict[str, Any]:
    """What the model says: it thinks, signs and calls."""
    content = [
        {"type": "thinking", "thinking": f"step {number}", "signature": f"c2ln{number}+/=="},
        {"type": "redacted_thinking", "data": f"ZGF0YQ{number}=="},
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": f"toolu_{number}", "name": f"tool_{number}", "input": {"p": [1.0, "\u2028"]}},
    ]
    usage = {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 20_000}
    return {
        "id": f"msg_{number}", "type": "message", "role": "assistant", "model": "claude-x", "content": content,
        "stop_reason": "tool_use", "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def test_a_session_of_twenty_turns_reaches_the_provider_as_the_agent_wrote_it() -> None:
    """Every block that came comes back byte for byte; tools, cache marks, edits of context and betas all arrive."""
    stage = Stage({"a": [raw(200, json.dumps(turn(n)).encode()) for n in range(20)]}, dialect="anthropic")
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Begin"}]
    for number in range(20):
        body = request(copy.deepcopy(messages))
        seen = visit(stage, MESSAGES, body, None, anthropic_beta="context-management-2025-06-27")
        assert stage.provider.sent[-1].json() == {
            **{k: v for k, v in body.items() if k != "stream"},
            "model": "scripted-model",
        }
        assert seen.json()["content"] == turn(number)["content"]
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "is_error": False, "content": [PICTURE]}
        messages += [{"role": "assistant", "content": seen.json()["content"]}, {"role": "user", "content": [result]}]
    assert stage.provider.sent[-1].request.headers["anthropic-beta"] == "context-management-2025-06-27"


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def test_a_session_goes_on_elsewhere_and_comes_back_with_its_signatures() -> None:
    """Anthropic's thinking survives a turn that Gemini answered: it is in the body when the session returns."""
    at_home = Stage({"a": [raw(200, json.dumps(turn(0)).encode()), ok("back")]}, dialect="anthropic")
    away = Stage({"a": [stream("from ", "elsewhere")]}, dialect="gemini")
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Begin"}]

    def go(stage: Stage, said: list[dict[str, Any]]) -> Seen:
        messages.extend(said)
        seen = visit(stage, MESSAGES, {"model": "g", "max_tokens": 99, "messages": copy.deepcopy(messages)})
        messages.append({"role": "assistant", "content": seen.json()["content"]})
        return seen

    go(at_home, [])
    result = {"type": "tool_result", "tool_use_id": "toolu_0", "content": "41"}
    assert go(away, [{"role": "user", "content": [result]}]).json()["content"][0]["text"] == "from elsewhere"
    turns = away.provider.sent[0].json()["contents"]
    assert ["functionCall" in part for part in turns[1]["parts"]] == [False, True]
    assert "c2ln" not in json.dumps(turns)
    go(at_home, [{"role": "user", "content": "And?"}])
    assert at_home.provider.sent[1].json()["messages"][1]["content"] == turn(0)["content"]


def test_parallel_streams_of_one_agent_stay_apart() -> None:
    """Sub-agents stream at the same time: each gets its own words, whole, and everything is released."""
    count = 24
    outcomes = [stream(*(f"{n}:{piece} " for piece in range(5)), gap_s=0.1) for n in range(count)]
    stage = Stage({"a": outcomes}, dialect="anthropic")

    async def one() -> str:
        seen = await read(
            await came(stage, incoming(MESSAGES, request([{"role": "user", "content": "x"}], stream=True)))
        )
        return "".join(event.get("delta", {}).get("text", "") for event in seen.events())

    async def everybody() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(count)))

    told = stage.run(everybody())
    stage.assert_released()
    assert sorted(told) == sorted("".join(f"{n}:{piece} " for piece in range(5)) for n in range(count))
