"""What a request through the gateway costs in CPU, and what it adds to the way to the provider.

    python -m benches.python.bench_gateway

Measured is the server's own CPU time, user and system, all processes and threads, by the kernel's account; the load and
the provider are processes of their own on the same machine. The floor forwards bytes with the same server and the same
transport, reads nothing and decides nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import uvloop

from benches.python import show
from benches.python.constant import BODY, EVENTS, STREAM_BODY, provider
from benches.python.gateway_server import GROUP, Served, floor, gateway
from benches.python.harness import Rounds, Spread, Suite, Verdict, in_rounds, ratio, rows
from benches.python.load import CONCURRENT
from junctor.request import HttpRequest
from junctor.transport.direct import DirectTransport

CHATS: Final = 6_400
STREAMS: Final = 1_280
ALONE: Final = 400
BUDGET_US: Final = 300
BUDGET_ADDED_MS: Final = 1.5
GATEWAY: Final = "gateway"
FLOOR: Final = "granian that forwards"
STREAM: Final = f", stream of {EVENTS} events"
COMMAND: Final = "python -m benches.python.bench_gateway"
METHOD: Final = (
    f"CPU time of the server's processes (user and system, `/proc`) per request, {CONCURRENT} at once, one worker. "
    "The gateway asks for a key, holds its requests, tokens, concurrency and budget, routes over ten deployments "
    "that hold three limits each, in the host's shared state, counts for Prometheus and writes its access log; "
    "the floor forwards bytes with the same transport. Provider and load are processes of their own on the same "
    "machine. Cases alternate within every round, ratios are taken within a round."
)


class Load:
    """Requests to one address, used in one loop. `headers` are further ones that it asks for."""

    def __init__(self, url: str, key: str, headers: dict[str, str] | None = None) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json", **(headers or {})}
        self.transport = DirectTransport()

    async def chats(self, count: int, body: bytes) -> None:
        """That many whole answers, `CONCURRENT` at once."""

        async def caller() -> None:
            for _ in range(count // CONCURRENT):
                await self.chat(body)

        await asyncio.gather(*(caller() for _ in range(CONCURRENT)))

    async def chat(self, body: bytes) -> None:
        """One whole answer."""
        answer = await self.transport.send(self._request(body), timeout_s=30)
        if answer.status != 200:
            raise AssertionError(f"{answer.status}: {answer.body[:200]!r}")

    async def streams(self, count: int, body: bytes) -> None:
        """That many streams, `CONCURRENT` at once."""

        async def caller() -> None:
            for _ in range(count // CONCURRENT):
                async with self.transport.stream(self._request(body), timeout_s=30) as answer:
                    last = b""
                    while (chunk := await answer.read_chunk()) is not None:
                        last = chunk
                if answer.status != 200 or b"[DONE]" not in last:
                    raise AssertionError(f"{answer.status}: {last[-200:]!r}")

        await asyncio.gather(*(caller() for _ in range(CONCURRENT)))

    async def alone_ms(self, count: int, body: bytes) -> float:
        """The median time of one answer after the other."""
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            await self.chat(body)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) * 1e3

    def _request(self, body: bytes) -> HttpRequest:
        return HttpRequest("POST", f"{self._url}/v1/chat/completions", self._headers, body)


def chats_us(loop: asyncio.Runner, server: Served, load: Load, count: int) -> float:
    """Microseconds of the server's CPU for each of about so many whole answers."""
    return _cost_us(server, partial(_run, loop, load.chats, count, body_of(BODY)), count)


def streams_us(loop: asyncio.Runner, server: Served, load: Load, count: int) -> float:
    """The same of streams."""
    return _cost_us(server, partial(_run, loop, load.streams, count, body_of(STREAM_BODY)), count)


def _cost_us(server: Served, run: Callable[[], object], count: int) -> float:
    before = server.cpu_s()
    run()
    return (server.cpu_s() - before) / count * 1e6


def measure(*, rounds: int = 7) -> list[Suite]:
    """CPU of whole answers and streams, then the added time of one after the other."""
    with (
        provider() as url,
        gateway(url) as ours,
        floor(url) as bare,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop,
    ):
        loads = {GATEWAY: (ours, Load(ours.url, ours.key)), FLOOR: (bare, Load(bare.url, bare.key))}
        cpu: dict[str, Callable[[], float]] = {}
        for name, (server, load) in loads.items():
            cpu[name] = partial(chats_us, loop, server, load, CHATS)
            cpu[name + STREAM] = partial(streams_us, loop, server, load, STREAMS)
        found = in_rounds(cpu, rounds)
        direct = Load(url, "sk-up")
        alone = {name: partial(_alone, loop, load) for name, (_, load) in loads.items()}
        times = in_rounds({"direct": partial(_alone, loop, direct), **alone}, rounds)
        for load in (direct, *(load for _, load in loads.values())):
            loop.run(load.transport.close())
    return [_cpu_suite(found), _time_suite(times)]


def body_of(body: dict[str, object]) -> bytes:
    """A request of the group that every server here knows."""
    return msgspec.json.encode({**body, "model": GROUP})


def _run(loop: asyncio.Runner, what: Callable[..., object], *arguments: object) -> None:
    async def inside() -> None:
        await what(*arguments)  # type: ignore[misc]  # one of Load's coroutine methods

    loop.run(inside())


def _alone(loop: asyncio.Runner, load: Load) -> float:
    return loop.run(load.alone_ms(ALONE, body_of(BODY)))


def _cpu_suite(found: Rounds) -> Suite:
    cost = Spread.of(found[GATEWAY])
    beside = ratio(found, GATEWAY, FLOOR)
    stream = ratio(found, GATEWAY + STREAM, FLOOR + STREAM)
    return Suite(
        name="gateway",
        what=f"A request through the gateway, {CONCURRENT} at once, one worker: CPU of the server",
        method=METHOD,
        command=COMMAND,
        rows=[*rows(_only(found, ""), unit="µs", floors=[FLOOR]),
              *rows(_only(found, STREAM), unit="µs", floors=[FLOOR + STREAM])],
        verdicts=[
            Verdict(what="CPU per request, all in", budget=f"≤ {BUDGET_US} µs", measured=f"{cost.told()} µs",
                    met=cost.median <= BUDGET_US),
            Verdict(what="beside the floor", budget="told", measured=f"{beside.told()} ×", met=True),
            Verdict(what="a stream beside the floor", budget="told", measured=f"{stream.told()} ×", met=True),
        ],
    )  # fmt: skip


def _only(found: Rounds, ending: str) -> Rounds:
    return {name: values for name, values in found.items() if name in (GATEWAY + ending, FLOOR + ending)}


def _time_suite(found: Rounds) -> Suite:
    added = Spread.of([mine - theirs for mine, theirs in zip(found[GATEWAY], found["direct"], strict=True)])
    return Suite(
        name="gateway-time",
        what="One request after the other through the gateway: median time",
        method="The same provider asked directly and through each server, one request at a time; provider, server and "
        "load share the machine. Told is the median of a round of 400.",
        command=COMMAND,
        rows=rows(found, unit="ms", floors=["direct"]),
        verdicts=[
            Verdict(what="added to the median", budget=f"≤ {BUDGET_ADDED_MS} ms", measured=f"{added.told()} ms",
                    met=added.median <= BUDGET_ADDED_MS),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    for suite in measure():
        print(show.text(suite))
