"""What an adapter costs: one request built and one answer parsed, beside the JSON alone.

    python -m benches.python.bench_adapters

An exchange of 1 kB: a system text and a question make a body of about 500 bytes, the answer has about as many. The
floors are the same bodies encoded from a plain dictionary and decoded into one, by msgspec and by the standard library:
nobody who speaks HTTP can do with less. A second exchange has two tools, a call and its result; a third is a caller's
own body, sent on. Whoever adds a dialect adds its answer to `ANSWERS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from benches.python import show
from benches.python.harness import Rounds, Spread, Suite, Verdict, in_rounds, rows
from junctor import adapters
from junctor.reply import Reply
from junctor.request import ChatRequest, Endpoint, Native, Secret

TIMES: Final = 2_000
BUDGET_US: Final = 15.0

WORDS: Final = "The line is free and the call goes through; a second exchange picks it up when the first is busy. " * 2
QUESTION: Final[dict[str, Any]] = {"role": "user", "content": WORDS}
SYSTEM: Final[dict[str, Any]] = {
    "role": "system",
    "content": "You answer callers of an exchange, briefly and in plain words. " * 2,
}
TOOLS: Final[list[dict[str, Any]]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Looks a number up",
            "parameters": {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]},
        },
    }
    for name in ("look_up", "connect")
]
LOOP: Final[list[dict[str, Any]]] = [
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"of":"Oslo"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "4711"},
]

CHAT: Final[dict[str, Any]] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "gpt-4.1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": WORDS, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 60,
        "completion_tokens": 40,
        "total_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
}
ANSWERS: Final[dict[str, Any]] = {
    "openai": CHAT,
    "mistral": CHAT,
    "openai-responses": {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-4.1",
        "error": None,
        "incomplete_details": None,
        "output": [
            {
                "id": "msg_1",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": WORDS, "annotations": [], "logprobs": []}],
            }
        ],
        "usage": {"input_tokens": 60, "output_tokens": 40, "input_tokens_details": {"cached_tokens": 0}},
    },
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": WORDS}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 60, "output_tokens": 40, "cache_read_input_tokens": 0},
    },
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": WORDS}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 60, "candidatesTokenCount": 40, "totalTokenCount": 100},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    },
    "bedrock": {
        "metrics": {"latencyMs": 900},
        "output": {"message": {"role": "assistant", "content": [{"text": WORDS}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 60, "outputTokens": 40, "totalTokens": 100},
    },
}
MODELS: Final = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
NATIVE: Final[dict[str, dict[str, Any]]] = {
    "openai": {"model": "asked", "messages": [SYSTEM, QUESTION], "max_completion_tokens": 256},
    "openai-responses": {"model": "asked", "input": [SYSTEM, QUESTION], "max_output_tokens": 256},
}


def exchange(dialect: str, request: ChatRequest) -> tuple[Callable[[], object], dict[str, Any], bytes]:
    """One exchange as a call without arguments; the body that it sends, and the answer that it reads."""
    adapter = adapters.get(dialect)
    further: dict[str, Any] = {"region": "us-east-1"} if "region" in Endpoint.__struct_fields__ else {}
    place = Endpoint(
        deployment="d",
        provider=dialect,
        adapter=dialect,
        model=MODELS.get(dialect, "gpt-4.1"),
        base_url=adapter.default_base_url or "https://provider.example",
        key=Secret("sk-bench", "env:KEY"),
        **further,
    )
    answer = msgspec.json.encode(ANSWERS[dialect])
    headers: Mapping[str, str] = {"content-type": "application/json"}

    def once() -> object:
        adapter.build(request, place)
        return adapter.parse(200, headers, answer)

    reply = once()
    if not isinstance(reply, Reply) or reply.text != WORDS:
        raise AssertionError(f"{dialect}: the answer was not read: {reply!r}")
    return once, msgspec.json.decode(adapter.build(request, place).body), answer


def timed(case: Callable[[], object]) -> Callable[[], float]:
    """Microseconds of CPU that one call of `case` takes."""

    def measured() -> float:
        started = time.process_time_ns()
        for _ in range(TIMES):
            case()
        return (time.process_time_ns() - started) / TIMES / 1e3

    return measured


def floors(body: dict[str, Any], answer: bytes) -> dict[str, Callable[[], object]]:
    """The JSON of one exchange and nothing else."""
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
    return {
        "msgspec alone": lambda: (encode(body), decode(answer)),
        "json alone": lambda: (json.dumps(body).encode(), json.loads(answer)),
    }


def measure(*, rounds: int = 15) -> Suite:
    """Every adapter that has an answer here, in rounds."""
    plain = ChatRequest(messages=[SYSTEM, QUESTION], max_tokens=256)
    tools = ChatRequest(messages=[SYSTEM, QUESTION, *LOOP], tools=TOOLS, max_tokens=256)
    known = [name for name in adapters.names() if name in ANSWERS]
    cases: dict[str, Callable[[], object]] = {}
    for name in known:
        cases[name], body, answer = exchange(name, plain)
        if name == "openai":
            cases = {**floors(body, answer), **cases}
    for name in known:
        cases[f"{name}, tools"], _, _ = exchange(name, tools)
    for name, own in NATIVE.items():
        own_body = msgspec.structs.replace(plain, native=Native(name, own))
        cases[f"{name}, the caller's body"], _, _ = exchange(name, own_body)
    found = in_rounds({name: timed(case) for name, case in cases.items()}, rounds)
    return Suite(
        name="adapters",
        what="Adapters: a request built, an answer parsed",
        method=(
            f"{rounds} rounds of {TIMES:,} exchanges each, CPU time of the process. An exchange is about 1 kB, half of "
            "it asked and half answered; with tools about 2 kB. The floors encode and decode the same bodies of "
            "the first dialect."
        ),
        command="python -m benches.python.bench_adapters",
        rows=rows(found, unit="µs", floors=("msgspec alone", "json alone")),
        verdicts=[_verdict(name, found) for name in known],
        missing=[f"{name}: no answer to parse is written down" for name in adapters.names() if name not in ANSWERS],
    )


def _verdict(name: str, found: Rounds) -> Verdict:
    spent = Spread.of(found[name])
    return Verdict(
        what=f"{name}: build and parse 1 kB",
        budget=f"≤ {BUDGET_US:g} µs",
        measured=f"{spent.told()} µs",
        met=spent.median <= BUDGET_US,
    )


if __name__ == "__main__":
    print(show.text(measure()))
