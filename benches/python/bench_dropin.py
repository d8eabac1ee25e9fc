"""What the drop-in costs in CPU: the OpenAI SDK on it beside the same SDK straight at the provider, async and sync.

    python -m benches.python.bench_dropin

As in `bench_client`: this process's CPU time, user and system, all threads, per call, so the bridge's thread counts.
Bare clients of httpx2 stand beside the SDK: they show the transport without what the SDK makes of each event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import httpx2
import openai

from benches.python import show
from benches.python.constant import BODY, EVENTS, MESSAGES, STREAM_BODY, TEXT, WORDS, provider
from benches.python.fleets import serving
from benches.python.harness import Rounds, Suite, Verdict, in_rounds, ratio, rows
from benches.python.load import CONCURRENT, Call, cost_us, cpu_s
from junctor import httpx_transport
from junctor.client import Client
from junctor.dropin import DropIn

CHATS: Final = 640
STREAMS: Final = 128
THREADS: Final = 16
WHOLE: Final = "".join(WORDS)
STRAIGHT, DROPPED_IN = "straight", "on the drop-in"
MODEL: Final = {STRAIGHT: "bench", DROPPED_IN: "g0"}
BUDGET: Final = 1.0
"""Limits, breakers and a choice of ten deployments, for no more than the connection pool that they stand in for."""

Ask = Callable[[], str]


class Contenders:
    """Clients of each kind, straight at the provider and on the drop-in. The async ones belong to one event loop."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1"
        self.client = Client(serving(self.url), seed=1)
        self.transport = httpx_transport(self.client)
        under: dict[str, DropIn | None] = {STRAIGHT: None, DROPPED_IN: self.transport}
        room = httpx2.Limits(max_connections=CONCURRENT, max_keepalive_connections=CONCURRENT)
        self.sync = {way: httpx2.Client(transport=each, limits=room, timeout=60) for way, each in under.items()}
        self.many = {way: httpx2.AsyncClient(transport=each, limits=room, timeout=60) for way, each in under.items()}
        given: dict[str, Any] = {"api_key": "sk-bench", "base_url": self.url, "max_retries": 0}
        self.sdk = {way: openai.OpenAI(**given, http_client=http) for way, http in self.sync.items()}
        self.async_sdk = {way: openai.AsyncOpenAI(**given, http_client=http) for way, http in self.many.items()}

    def chat(self, way: str) -> str:
        reply = self.sdk[way].chat.completions.create(model=MODEL[way], messages=SAID, max_tokens=64)
        return reply.choices[0].message.content or ""

    async def async_chat(self, way: str) -> str:
        reply = await self.async_sdk[way].chat.completions.create(model=MODEL[way], messages=SAID, max_tokens=64)
        return reply.choices[0].message.content or ""

    def stream(self, way: str) -> str:
        events = self.sdk[way].chat.completions.create(model=MODEL[way], messages=SAID, max_tokens=64, stream=True)
        return "".join(_delta(event) for event in events)

    async def async_stream(self, way: str) -> str:
        create = self.async_sdk[way].chat.completions.create
        events = await create(model=MODEL[way], messages=SAID, max_tokens=64, stream=True)
        return "".join([_delta(event) async for event in events])

    async def bare_chat(self, way: str) -> str:
        answer = await self.many[way].post(f"{self.url}/chat/completions", json={**BODY, "model": MODEL[way]})
        text: str = answer.json()["choices"][0]["message"]["content"]
        return text

    async def bare_stream(self, way: str) -> str:
        asked = {**STREAM_BODY, "model": MODEL[way]}
        async with self.many[way].stream("POST", f"{self.url}/chat/completions", json=asked) as answer:
            whole = b"".join([piece async for piece in answer.aiter_bytes()])
        return WHOLE if whole.count(b"data: {") > EVENTS and b"[DONE]" in whole else whole.decode()

    async def close(self) -> None:
        """Everything, in the async clients' loop."""
        for http in self.many.values():
            await http.aclose()
        for sync in self.sync.values():
            sync.close()
        await self.client.aclose()


SAID: Final[Any] = MESSAGES


def _delta(event: Any) -> str:
    return (event.choices[0].delta.content or "") if event.choices else ""


def measure(*, rounds: int = 7) -> list[Suite]:
    """Whole answers and streams."""
    with provider() as url, asyncio.Runner() as runner, ThreadPoolExecutor(THREADS) as threads:
        there = runner.run(_made(url))

        def cases(kinds: dict[str, tuple[Any, bool]], expected: str, count: int) -> dict[str, Callable[[], float]]:
            return {
                f"{kind}, {way}": partial(_in_loop, runner, partial(ask, way), expected, count)
                if in_loop
                else partial(_in_threads, threads, partial(ask, way), expected, count)
                for kind, (ask, in_loop) in kinds.items()
                for way in (STRAIGHT, DROPPED_IN)
            }

        chats = {ASYNC: (there.async_chat, True), SYNC: (there.chat, False), BARE: (there.bare_chat, True)}
        streams = {ASYNC: (there.async_stream, True), SYNC: (there.stream, False), BARE: (there.bare_stream, True)}
        found = [
            in_rounds(cases(chats, TEXT, CHATS), rounds),
            in_rounds(cases(streams, WHOLE, STREAMS), rounds),
        ]
        runner.run(there.close())
    names = {"dropin": "whole answers", "dropin-stream": f"streams of {EVENTS} events"}
    return [_suite(name, what, each) for (name, what), each in zip(names.items(), found, strict=True)]


async def _made(url: str) -> Contenders:
    return Contenders(url)


def _in_loop(runner: asyncio.Runner, call: Call, expected: str, count: int) -> float:
    return runner.run(cost_us(call, expected, count))


def _in_threads(threads: ThreadPoolExecutor, ask: Ask, expected: str, count: int) -> float:
    before = cpu_s()
    for answer in threads.map(lambda _: ask(), range(count)):
        if answer != expected:
            raise AssertionError(f"a contender answered {answer[:80]!r} instead of {expected[:80]!r}")
    return (cpu_s() - before) / count * 1e6


ASYNC, SYNC, BARE = "openai, async", "openai, sync", "httpx2 alone, async"
COMMAND: Final = "python -m benches.python.bench_dropin"
METHOD: Final = (
    f"CPU time of the client's process (user and system, all threads, `getrusage`) per call, {CONCURRENT} at once in "
    f"an event loop or {THREADS} threads; the provider is another process on loopback that answers with constant "
    "bytes. Cases alternate within every round, ratios are taken within a round. On the drop-in, junctor routes over "
    "ten deployments, each attempt holding 4 limits."
)


def _suite(name: str, what: str, found: Rounds) -> Suite:
    notes, verdicts = {}, []
    for kind in (ASYNC, SYNC, BARE):
        beside = ratio(found, f"{kind}, {DROPPED_IN}", f"{kind}, {STRAIGHT}")
        notes[f"{kind}, {DROPPED_IN}"] = f"{beside.told()} × {STRAIGHT}"
        if kind != BARE:
            verdicts.append(
                Verdict(
                    what=f"{kind}, {DROPPED_IN} beside {STRAIGHT}, {what}",
                    budget=f"≤ {BUDGET} ×",
                    measured=f"{beside.told()} ×",
                    met=beside.median <= BUDGET,
                )
            )
    return Suite(
        name=name,
        what=f"the OpenAI SDK on the drop-in, {what}: CPU per call",
        method=METHOD,
        command=COMMAND,
        rows=rows(found, unit="µs", notes=notes),
        verdicts=verdicts,
    )


if __name__ == "__main__":
    for suite in measure():
        print(show.text(suite))
