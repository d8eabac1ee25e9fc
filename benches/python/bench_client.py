"""What a whole call costs in CPU: `client.chat` and `client.stream` beside HTTP clients used by hand, 64 at once.

    python -m benches.python.bench_client

Measured is this process's CPU time, user and system, all threads, per call; the provider is a process of its own.
Wall time is not told: on loopback it is the provider's. Both event loops take part in every round.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import aiohttp
import msgspec
import uvloop
from pyreqwest.client import ClientBuilder

from benches.python import show
from benches.python.constant import BODY, EVENTS, HEADERS, MESSAGES, STREAM_BODY, TEXT, WORDS, provider
from benches.python.fleets import serving
from benches.python.harness import Rounds, Spread, Suite, Verdict, in_rounds, ratio, rows
from benches.python.load import CONCURRENT, Call, cost_us
from junctor.client import Client
from junctor.receipts import Receipt
from junctor.reply import TextDelta
from junctor.request import HttpRequest
from junctor.transport.direct import DirectTransport
from junctor.transport.pyreqwest import PyreqwestTransport

CHATS: Final = 3_200
STREAMS: Final = 640
BY_HAND: Final = "aiohttp by hand"
CHAT: Final = "client.chat"
STREAM: Final = "client.stream"
TOLD: Final = " with on_receipt"


class Contenders:
    """Everything that talks to one provider from one event loop. Close it in that loop."""

    def __init__(self, url: str) -> None:
        self.address = f"{url}/v1/chat/completions"
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENT))
        self.bare = ClientBuilder().build()
        self.direct = DirectTransport()
        self.pyreqwest = PyreqwestTransport()
        router = serving(f"{url}/v1")
        self.clients: dict[str, Client] = {
            "": Client(router, self.direct, seed=1),
            TOLD: Client(router, self.direct, seed=1, on_receipt=len_of_attempts),
            " over pyreqwest": Client(router, self.pyreqwest, seed=1),
        }

    def chats(self) -> dict[str, Call]:
        """Every way to one whole answer."""
        by_hand: dict[str, Call] = {
            BY_HAND: self.aiohttp_chat,
            "pyreqwest + msgspec by hand": self.pyreqwest_chat,
            "DirectTransport + msgspec by hand": self.direct_chat,
        }
        return by_hand | {f"{CHAT}{name}": partial(chat, client) for name, client in self.clients.items()}

    def streams(self) -> dict[str, Call]:
        """Every way to one streamed answer."""
        by_hand: dict[str, Call] = {
            BY_HAND: self.aiohttp_stream,
            "pyreqwest + msgspec by hand": self.pyreqwest_stream,
            "DirectTransport + msgspec by hand": self.direct_stream,
        }
        return by_hand | {f"{STREAM}{name}": partial(stream, client) for name, client in self.clients.items()}

    async def aiohttp_chat(self) -> str:
        async with self.session.post(self.address, headers=HEADERS, json=BODY) as answer:
            return _text(await answer.json())

    async def aiohttp_stream(self) -> str:
        found = []
        async with self.session.post(self.address, headers=HEADERS, json=STREAM_BODY) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    found.append(_delta(json.loads(line[6:])))
        return "".join(found)

    async def pyreqwest_chat(self) -> str:
        request = self.bare.post(self.address).headers(HEADERS).body_bytes(msgspec.json.encode(BODY)).build()
        return _text(msgspec.json.decode((await (await request.send()).bytes()).to_bytes()))

    async def pyreqwest_stream(self) -> str:
        builder = self.bare.post(self.address).headers(HEADERS).body_bytes(msgspec.json.encode(STREAM_BODY))
        found: list[str] = []
        rest = b""
        async with builder.build_streamed() as answer:
            while (chunk := await answer.body_reader.read_chunk()) is not None:
                rest = _events(rest + chunk.to_bytes(), found)
        return "".join(found)

    async def direct_chat(self) -> str:
        request = HttpRequest("POST", self.address, HEADERS, msgspec.json.encode(BODY))
        return _text(msgspec.json.decode((await self.direct.send(request, timeout_s=30)).body))

    async def direct_stream(self) -> str:
        request = HttpRequest("POST", self.address, HEADERS, msgspec.json.encode(STREAM_BODY))
        found: list[str] = []
        rest = b""
        async with self.direct.stream(request, timeout_s=30) as answer:
            while (chunk := await answer.read_chunk()) is not None:
                rest = _events(rest + chunk, found)
        return "".join(found)

    async def told(self) -> None:
        """Every receipt reached its callback; without one there is nothing to wait for."""
        await self.clients[TOLD].aclose()

    async def close(self) -> None:
        """Every connection."""
        for client in self.clients.values():
            assert not client.counters["callback_dropped"], "a dropped receipt costs nothing, so it must not count"
        await self.session.close()
        await self.bare.close()
        await self.direct.close()
        await self.pyreqwest.close()


def len_of_attempts(receipt: Receipt) -> int:
    """A callback that looks at its receipt and does next to nothing."""
    return len(receipt.attempts)


async def chat(client: Client) -> str:
    """One whole call."""
    return (await client.chat("g0", MESSAGES, max_tokens=64)).text


async def stream(client: Client) -> str:
    """One streamed call, every event looked at."""
    found = []
    async for event in client.stream("g0", MESSAGES, max_tokens=64):
        if isinstance(event, TextDelta):
            found.append(event.text)
    return "".join(found)


def _text(answer: Mapping[str, Any]) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


def _delta(chunk: Mapping[str, Any]) -> str:
    choices = chunk["choices"]
    return choices[0]["delta"].get("content", "") if choices else ""


def _events(arrived: bytes, found: list[str]) -> bytes:
    """Appends the text of every whole event; returns what is left over."""
    *events, rest = arrived.split(b"\n\n")
    for event in events:
        if event.startswith(b"data: {"):
            found.append(_delta(msgspec.json.decode(event[6:])))
    return rest


def measure(*, rounds: int = 9) -> list[Suite]:
    """Chats and streams, on asyncio's own loop and on uvloop."""
    with (
        provider() as url,
        asyncio.Runner() as plain,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as fast,
    ):
        loops = dict(zip(LOOPS, (plain, fast), strict=True))
        contenders = {name: runner.run(_made(url)) for name, runner in loops.items()}
        chats = {
            call + loop: partial(_run, loops[loop], there, there.chats()[call], TEXT, CHATS)
            for loop, there in contenders.items()
            for call in there.chats()
        }
        streams = {
            call + loop: partial(_run, loops[loop], there, there.streams()[call], "".join(WORDS), STREAMS)
            for loop, there in contenders.items()
            for call in there.streams()
        }
        suites = [_chat_suite(in_rounds(chats, rounds)), _stream_suite(in_rounds(streams, rounds))]
        for name, runner in loops.items():
            runner.run(contenders[name].close())
    return suites


async def _made(url: str) -> Contenders:
    return Contenders(url)


def _run(runner: asyncio.Runner, there: Contenders, call: Call, expected: str, count: int) -> float:
    return runner.run(cost_us(call, expected, count, finish=there.told))


LOOPS: Final = ("", " (uvloop)")
FLOORS: Final = tuple(BY_HAND + loop for loop in LOOPS)
COMMAND: Final = "python -m benches.python.bench_client"
STREAM_NOTE: Final = (
    "pyreqwest by hand collects up to 64 KiB before it hands anything over, so its caller sees few pieces late; "
    "the others hand over every event as it comes."
)
METHOD: Final = (
    "CPU time of the client's process (user and system, all threads, `getrusage`) per call, 64 calls at once; the "
    "provider is another process on loopback that answers with constant bytes. Cases alternate within every round, "
    "ratios are taken within a round. junctor routes over ten deployments, each attempt holding 4 limits."
)


def _chat_suite(found: Rounds) -> Suite:
    cost = Spread.of(found[CHAT])
    return Suite(
        name="chat",
        what=f"`client.chat` whole, {CONCURRENT} at once: CPU per call",
        method=METHOD,
        command=COMMAND,
        rows=rows(found, unit="µs", floors=FLOORS, notes=_price_of_telling(found, CHAT)),
        verdicts=[
            Verdict(
                what=f"`{CHAT}`, CPU per call", budget="≤ 80 µs", measured=f"{cost.told()} µs", met=cost.median <= 80
            ),
            *_beside(found, CHAT, 0.7),
        ],
    )


def _stream_suite(found: Rounds) -> Suite:
    return Suite(
        name="stream",
        what=f"`client.stream` whole, {EVENTS} events, {CONCURRENT} at once: CPU per call",
        method=f"{METHOD} {STREAM_NOTE}",
        command=COMMAND,
        rows=rows(found, unit="µs", floors=FLOORS, notes=_price_of_telling(found, STREAM)),
        verdicts=_beside(found, STREAM, 0.8),
    )


def _price_of_telling(found: Rounds, own: str) -> dict[str, str]:
    """What a callback adds, as a ratio to the same call without one."""
    return {own + TOLD + loop: f"{ratio(found, own + TOLD + loop, own + loop).told()} × {own}{loop}" for loop in LOOPS}


def _beside(found: Rounds, own: str, budget: float) -> list[Verdict]:
    """One verdict per event loop."""
    told = []
    for loop in LOOPS:
        beside = ratio(found, own + loop, BY_HAND + loop)
        what = f"`{own}`{loop} beside {BY_HAND}"
        told.append(
            Verdict(what=what, budget=f"≤ {budget} ×", measured=f"{beside.told()} ×", met=beside.median <= budget)
        )
    return told


if __name__ == "__main__":
    for suite in measure():
        print(show.text(suite))
