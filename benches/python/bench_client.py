"""What one call costs in CPU: `client.chat` and `client.stream` beside bare HTTP clients, 64 at once.

    python benches/python/bench_client.py [--uvloop] [--rounds 7] [--json results.json]

The provider is a process of its own that answers with constant bytes; streams are 50 events, each written by itself.
Measured is this process's CPU time (user and system, all threads) per request. Every round runs every case once, one
after the other, so that a noisy minute hits all alike; told are the median of the rounds, their least and greatest,
and the ratio of medians to bare aiohttp in the same run. Wall time is not told: it is the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from pyreqwest.client import ClientBuilder

from junctor import _core
from junctor.client import Client
from junctor.request import Endpoint, HttpRequest, Secret
from junctor.router import Router
from junctor.testing.app import Answer, Request
from junctor.testing.server import Server
from junctor.transport.base import Transport
from junctor.transport.direct import DirectTransport
from junctor.transport.pyreqwest import PyreqwestTransport

CONCURRENT = 64
CHATS = 6_400
STREAMS = 1_280
EVENTS = 50
MESSAGES = [{"role": "user", "content": "Say in one sentence why the sky is blue, and name your sources."}]
HEADERS = {"authorization": "Bearer sk-bench", "content-type": "application/json"}

REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Rayleigh."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23},
    }
).encode()


def _event(number: int) -> bytes:
    delta = {"index": 0, "delta": {"content": f"word{number} "}, "finish_reason": None}
    return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [delta]}).encode() + b"\n\n"


FRAMES = [
    *(_event(number) for number in range(EVENTS)),
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":50,"total_tokens":70}}\n\n',
    b"data: [DONE]\n\n",
]


def provider(request: Request, answer: Answer) -> Any:
    """Constant answers: a stream to whoever asks for one."""
    if b'"stream":true' not in request.body.replace(b" ", b""):
        answer.send(200, [("content-type", "application/json")], REPLY)
        return None

    async def stream() -> None:
        answer.begin(200, [("content-type", "text/event-stream")])
        for frame in FRAMES:
            answer.write(frame)
            await asyncio.sleep(0)
        answer.end()

    return stream()


Case = Callable[[], Awaitable[object]]


async def cases(url: str) -> tuple[dict[str, Case], dict[str, Case], Callable[[], Awaitable[None]]]:
    """Chat cases, stream cases, and what closes them all."""
    address = f"{url}/v1/chat/completions"
    body = {"model": "bench", "messages": MESSAGES, "max_tokens": 64}
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENT))
    bare = ClientBuilder().build()
    direct, through_pyreqwest = DirectTransport(), PyreqwestTransport()

    async def aiohttp_chat() -> object:
        async with session.post(address, headers=HEADERS, json=body) as answer:
            return await answer.json()

    async def aiohttp_stream() -> object:
        text = []
        async with session.post(address, headers=HEADERS, json={**body, "stream": True}) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    choices = json.loads(line[6:])["choices"]
                    if choices:
                        text.append(choices[0]["delta"].get("content", ""))
        return "".join(text)

    async def pyreqwest_chat() -> object:
        request = bare.post(address).headers(HEADERS).body_bytes(msgspec.json.encode(body)).build()
        return msgspec.json.decode((await (await request.send()).bytes()).to_bytes())

    async def direct_chat() -> object:
        request = HttpRequest("POST", address, HEADERS, msgspec.json.encode(body))
        return msgspec.json.decode((await direct.send(request, timeout_s=30)).body)

    clients = {"direct": _client(url, direct), "pyreqwest": _client(url, through_pyreqwest)}

    def chat_of(client: Client) -> Case:
        async def chat() -> object:
            return (await client.chat("g", MESSAGES, max_tokens=64)).text

        return chat

    def stream_of(client: Client) -> Case:
        async def stream() -> object:
            async for event in client.stream("g", MESSAGES, max_tokens=64):
                last = event
            return last

        return stream

    async def close() -> None:
        await session.close()
        await bare.close()
        await direct.close()
        await through_pyreqwest.close()

    chats: dict[str, Case] = {"aiohttp": aiohttp_chat, "pyreqwest bare": pyreqwest_chat, "direct bare": direct_chat}
    streams: dict[str, Case] = {"aiohttp": aiohttp_stream}
    for name, client in clients.items():
        chats[f"client.chat over {name}"] = chat_of(client)
        streams[f"client.stream over {name}"] = stream_of(client)
    return chats, streams, close


def _client(url: str, transport: Transport) -> Client:
    """A client over ten deployments with limits, as a small fleet has them."""
    names = [f"d{number}" for number in range(10)]
    limits = [
        {"dimension": "rpm", "limit": 10_000_000, "window_s": 60},
        {"dimension": "tpm", "limit": 1_000_000_000, "window_s": 60},
    ]
    fleet = {
        "config_hash": "bench",
        "pools": [{"name": name, "limits": limits} for name in names],
        "deployments": [
            {"name": n, "provider": "openai", "model": "openai/m", "pools": [n], "capabilities": ["streaming"]}
            for n in names
        ],
        "groups": [{"name": "g", "members": names}],
    }
    key = Secret("sk-bench", "bench")
    endpoints = [
        Endpoint(deployment=n, provider="openai", adapter="openai", model="bench", base_url=f"{url}/v1", key=key)
        for n in names
    ]
    return Client(Router(msgspec.json.encode(fleet), endpoints, seed=1), transport, seed=1)


def cpu_s() -> float:
    """User and system time of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def cost_us(case: Case, count: int) -> float:
    """Microseconds of CPU per call, `CONCURRENT` at once."""

    async def worker() -> None:
        for _ in range(count // CONCURRENT):
            await case()

    before = cpu_s()
    await asyncio.gather(*(worker() for _ in range(CONCURRENT)))
    return (cpu_s() - before) / (count // CONCURRENT * CONCURRENT) * 1e6


async def measure(url: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Every case in every round, after one round that warms up."""
    chats, streams, close = await cases(url)
    found: dict[str, dict[str, list[float]]] = {"chat": {n: [] for n in chats}, "stream": {n: [] for n in streams}}
    for number in range(rounds + 1):
        for kind, table, count in (("chat", chats, CHATS), ("stream", streams, STREAMS)):
            for name, case in table.items():
                cost = await cost_us(case, count if number else count // 4)
                if number:
                    found[kind][name].append(cost)
        print(f"round {number}/{rounds}", file=sys.stderr)
    await close()
    return found


def told(found: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Medians, spread, and ratios to aiohttp of the same kind."""
    result: dict[str, Any] = {}
    for kind, table in found.items():
        floor = statistics.median(table["aiohttp"])
        for name, costs in table.items():
            median = statistics.median(costs)
            result[f"{kind}: {name}"] = {
                "cpu_us": round(median, 1),
                "least": round(min(costs), 1),
                "greatest": round(max(costs), 1),
                "to_aiohttp": round(median / floor, 2),
            }
    return result


def serve() -> None:
    """The provider's process: prints its address, serves until its input closes."""

    async def run() -> None:
        async with Server(provider) as server:
            print(server.url, flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    asyncio.run(run())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="CPU per call of the client, beside bare HTTP clients.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--uvloop", action="store_true", help="measure on uvloop instead of asyncio's own loop")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    factory: Any = None
    if options.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    child = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        url = child.stdout.readline().decode().strip()
        with asyncio.Runner(loop_factory=factory) as runner:
            figures = told(runner.run(measure(url, options.rounds)))
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()
    report = {
        "what": "CPU microseconds per call, 64 at once",
        "loop": "uvloop" if options.uvloop else "asyncio",
        "rounds": options.rounds,
        "machine": f"{platform.machine()}, {platform.platform(terse=True)}, Python {platform.python_version()}",
        "commit": _commit(),
        "core": getattr(_core, "__version__", "unknown"),
        "figures": figures,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name, figure in figures.items():
        spread = f"{figure['least']:8.1f} …{figure['greatest']:8.1f}"
        print(f"{name:36} {figure['cpu_us']:8.1f} µs  ({spread})  {figure['to_aiohttp']:5.2f} × aiohttp")


def _commit() -> str:
    run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
