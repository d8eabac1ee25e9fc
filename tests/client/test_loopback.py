"""The whole client over real sockets: every transport, every dialect, asyncio and uvloop, several loops."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any

import msgspec
import pytest

from junctor.client import Client
from junctor.exceptions import JunctorError, StreamInterrupted
from junctor.reply import Done
from junctor.request import Endpoint, Secret
from junctor.router import Router
from junctor.testing import Key, Limits, Server, SimulatedProvider, faults
from junctor.testing.app import Answer, Request
from junctor.transport.base import Transport
from junctor.transport.direct import DirectTransport
from junctor.transport.httpx import HttpxTransport
from junctor.transport.pyreqwest import PyreqwestTransport
from tests.client.stage import CAPABILITIES, MESSAGES, Streamed, outcomes, read, turns

TRANSPORTS: list[Callable[[], Transport]] = [DirectTransport, HttpxTransport, PyreqwestTransport]
every_transport = pytest.mark.parametrize("make", TRANSPORTS, ids=lambda make: make.__name__)
DIALECTS = ("openai", "openai-responses", "anthropic", "gemini", "bedrock", "mistral")


def endpoint_of(provider: SimulatedProvider, key: Key) -> Endpoint:
    return Endpoint(
        deployment=key.label,
        provider=key.dialect,
        adapter=key.dialect,
        model="some-model",
        base_url=provider.base_url(key.dialect, key.region),
        key=Secret(key.secret, f"test:{key.label}"),
    )


def client_for(endpoints: list[Endpoint], transport: Transport | None = None, *, hedge: bool = False) -> Client:
    """A client over these endpoints, all in the group `g`, each of an own model named like its dialect.

    With `hedge` the first one is preferred and expected to answer at once, so a hedge starts after half a second.
    """
    body = {
        "config_hash": "loopback",
        "deployments": [
            {
                "name": e.deployment,
                "provider": e.provider,
                "model": f"{e.provider}/m",
                "capabilities": CAPABILITIES,
                **({"weight": 1e-6**place, "latency_prior_s": 0.05} if hedge else {}),
            }
            for place, e in enumerate(endpoints)
        ],
        "groups": [{"name": "g", "members": [e.deployment for e in endpoints], "hedge": hedge}],
    }
    return Client(Router(msgspec.json.encode(body), endpoints, seed=1), transport, seed=1)


def in_flight(client: Client) -> int:
    return sum(state["in_flight"] for state in client.router.snapshot()["deployments"].values())


def every_dialect(**options: Any) -> SimulatedProvider:
    return SimulatedProvider([Key(f"sk-{d}-{n}", dialect=d) for d in DIALECTS for n in range(2)], **options)


async def mixed_traffic(client: Client, count: int) -> tuple[int, int]:
    """Chats and streams at once; how many answered, how many failed."""

    async def one(number: int) -> bool:
        try:
            if number % 2:
                await client.chat("g", MESSAGES, max_tokens=50)
            else:
                async for _ in client.stream("g", MESSAGES, max_tokens=50):
                    pass
        except JunctorError:
            return False
        return True

    done = await asyncio.gather(*(one(number) for number in range(count)))
    return sum(done), count - sum(done)


@every_transport
def test_all_dialects_answer_chats_and_streams(make: Callable[[], Transport]) -> None:
    """Every dialect in one group, whole and streamed, nothing left in flight."""

    async def scenario() -> None:
        async with every_dialect() as provider:
            transport = make()
            client = client_for([endpoint_of(provider, key) for key in provider.keys], transport)
            assert await mixed_traffic(client, 60) == (60, 0)
            for dialect in DIALECTS:
                reply = await client.chat(f"{dialect}/m", MESSAGES, max_tokens=50)
                streamed = await read(client, f"{dialect}/m", max_tokens=50)
                assert streamed.error is None
                assert reply.text
                assert streamed.text == streamed.reply.text
            assert in_flight(client) == 0
            assert provider.counts().in_flight == 0
            await transport.close()

    asyncio.run(scenario())


@every_transport
def test_a_dead_and_a_cut_key_cost_no_caller_anything(make: Callable[[], Transport]) -> None:
    """B1, C10 at small scale: one key answers 500, one cuts streams before content; all calls succeed."""

    async def scenario() -> None:
        async with every_dialect() as provider:
            provider.inject(faults.server_error(), key="sk-openai-0")
            provider.inject(faults.cut(after_events=0), key="sk-anthropic-0")
            transport = make()
            client = client_for([endpoint_of(provider, key) for key in provider.keys], transport)
            answered = failed = 0
            for _ in range(10):
                more = await mixed_traffic(client, 10)
                answered, failed = answered + more[0], failed + more[1]
            assert (answered, failed) == (100, 0)
            assert in_flight(client) == 0
            await transport.close()

    asyncio.run(scenario())


@every_transport
@pytest.mark.parametrize("how", ["close", "reset", "clean"])
def test_a_stream_cut_after_content_is_told(make: Callable[[], Transport], how: Any) -> None:
    """B43, B44, C18 over real sockets: every byte that was delivered, and the typed interruption."""

    async def scenario() -> None:
        async with SimulatedProvider([Key("sk-a")], text="one two three four") as provider:
            provider.inject(faults.cut(after_events=2, how=how))
            transport = make()
            client = client_for([endpoint_of(provider, provider.keys[0])], transport)
            streamed = await read(client)
            assert isinstance(streamed.error, StreamInterrupted)
            assert streamed.error.partial == streamed.text
            assert "one two three four".startswith(streamed.text)
            assert not any(isinstance(event, Done) for event in streamed.events)
            assert in_flight(client) == 0
            await transport.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("make", [DirectTransport, HttpxTransport], ids=lambda make: make.__name__)
def test_a_cancelled_call_reaches_the_provider(make: Callable[[], Transport]) -> None:
    """B32: the connection goes with the caller, so the provider stops writing and billing."""

    async def scenario() -> None:
        async with SimulatedProvider([Key("sk-a")]) as provider:
            provider.inject(faults.stall(after_events=1))
            transport = make()
            client = client_for([endpoint_of(provider, provider.keys[0])], transport)
            async with client.stream("g", MESSAGES) as events:
                async for _ in events:
                    break
            for _ in range(10_000):
                if not provider.counts().streams_open:
                    break
                await turns(1)
            assert provider.counts().streams_open == 0
            assert in_flight(client) == 0
            await transport.close()

    asyncio.run(scenario())


@every_transport
def test_a_hedge_wins_and_the_hung_connection_is_given_up(make: Callable[[], Transport]) -> None:
    """A winner begins in a task of its own and is read to its end in the caller's: every transport bears that."""
    keys = [Key("sk-a"), Key("sk-b")]

    async def scenario() -> None:
        async with SimulatedProvider(keys) as provider:
            provider.inject(faults.hang(), key="sk-a")
            transport = make()
            client = client_for([endpoint_of(provider, key) for key in keys], transport, hedge=True)
            for _ in range(20):
                client.router.note_call()
            receipt = (await read(client)).reply.receipt
            assert outcomes(receipt) == [("sk-a", "cancelled"), ("sk-b", "ok")]
            assert in_flight(client) == 0
            await transport.close()

    asyncio.run(scenario())


def test_limits_keep_the_provider_from_ever_refusing() -> None:
    """What we hold is what the provider counts: no 429 is seen, the surplus is refused here."""

    async def scenario() -> None:
        async with SimulatedProvider([Key("sk-a", limits=Limits(rpm=30))]) as provider:
            endpoint = endpoint_of(provider, provider.keys[0])
            limit = {"dimension": "rpm", "limit": 30, "window_s": 60, "burst_s": 60}
            body = {
                "config_hash": "limits",
                "pools": [{"name": "sk-a", "limits": [limit]}],
                "deployments": [{"name": "sk-a", "provider": "openai", "model": "openai/m", "pools": ["sk-a"]}],
                "groups": [{"name": "g", "members": ["sk-a"]}],
            }
            async with Client(Router(msgspec.json.encode(body), [endpoint], seed=1)) as client:
                results = await asyncio.gather(
                    *(client.chat("g", MESSAGES, max_wait_s=0) for _ in range(50)), return_exceptions=True
                )
            assert sum(not isinstance(result, Exception) for result in results) == 30
            assert provider.counts().throttled == 0

    asyncio.run(scenario())


def test_a_client_lives_through_several_event_loops() -> None:
    """B69: made outside any loop, used in three, closed in a fourth; no error and no hang."""
    provider = SimulatedProvider([Key("sk-a")])
    with provider.in_thread():
        client = client_for([endpoint_of(provider, provider.keys[0])])

        async def once() -> None:
            async with asyncio.timeout(30):
                assert (await client.chat("g", MESSAGES)).text
                assert (await read(client)).reply.text
                await client.aclose()

        for _ in range(3):
            asyncio.run(once())
        asyncio.run(client.aclose())
    assert in_flight(client) == 0


# A loop that is closed over open connections leaks them, and the interpreter rightly says so.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@every_transport
def test_two_event_loops_at_once_share_a_client(make: Callable[[], Transport]) -> None:
    """B69: a second loop in a second thread, both sending: every call is answered or told a typed error, none hangs."""
    provider = SimulatedProvider([Key("sk-a")])
    ended: list[str] = []

    async def calls(client: Client, meet: threading.Barrier) -> None:
        meet.wait(30)
        for number in range(100):
            try:
                async with asyncio.timeout(30):
                    if number % 2:
                        await client.chat("g", MESSAGES)
                    else:
                        _ = (await read(client)).reply
                ended.append("answered")
            except JunctorError as error:
                ended.append(type(error).__name__)

    def worker(client: Client, meet: threading.Barrier) -> None:
        try:
            asyncio.run(calls(client, meet))
        except BaseException as error:
            ended.append(repr(error))

    with provider.in_thread():
        transport = make()
        client = client_for([endpoint_of(provider, provider.keys[0])], transport)
        meet = threading.Barrier(2)
        threads = [threading.Thread(target=worker, args=(client, meet)) for _ in range(2)]
        interval_s = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)  # threads change places anywhere, not only where they wait
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        finally:
            sys.setswitchinterval(interval_s)
        asyncio.run(transport.close())
    assert ended == ["answered"] * 200
    assert in_flight(client) == 0
    gc.collect()


def test_outside_an_event_loop_the_error_is_pythons_own() -> None:
    """B69: a typed error at once, not a hang."""
    client = client_for(
        [Endpoint(deployment="a", provider="openai", adapter="openai", model="m", base_url="http://127.0.0.1:1")]
    )
    with pytest.raises(RuntimeError, match="no running event loop"):
        client.stream("g", MESSAGES)
    loop = asyncio.new_event_loop()
    loop.close()
    chat = client.chat("g", MESSAGES)
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_until_complete(chat)
    chat.close()


@pytest.mark.parametrize("make", [DirectTransport, PyreqwestTransport], ids=lambda make: make.__name__)
def test_uvloop_works_as_asyncio_does(make: Callable[[], Transport]) -> None:
    """The same traffic, faults and cancellation included, on the other loop."""
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> None:
        async with every_dialect() as provider:
            provider.inject(faults.server_error(), key="sk-openai-0")
            transport = make()
            client = client_for([endpoint_of(provider, key) for key in provider.keys], transport)
            assert await mixed_traffic(client, 60) == (60, 0)
            async with client.stream("g", MESSAGES) as events:
                async for _ in events:
                    break
            assert in_flight(client) == 0
            await transport.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


CHUNK = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\r\n\r\n'
EVENTS = (
    b"\xef\xbb\xbf: ping\r\n\r\n",
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    CHUNK % "Gr\u00fc\u00dfe ".encode(),
    b": ping\n\n",
    CHUNK % "\u4f60\u597d".encode(),
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
def test_any_cut_of_a_stream_gives_the_same_text(size: int) -> None:
    """B45 through the sockets: split inside characters, CRLF and LF mixed, a byte order mark, pings."""
    wire = b"".join(EVENTS)

    def app(_: Request, answer: Answer) -> Coroutine[Any, Any, None]:
        async def run() -> None:
            answer.begin(200, [("content-type", "text/event-stream")])
            for start in range(0, len(wire), size):
                answer.write(wire[start : start + size])
                await answer.flush()
            answer.end()

        return run()

    streamed = asyncio.run(_read_from(app))
    assert streamed.error is None
    assert streamed.text == "Gr\u00fc\u00dfe \u4f60\u597d"


def test_an_endless_line_is_a_typed_error_and_bounded_memory() -> None:
    """B45: 64 MiB without a line end never become 64 MiB of ours."""

    def app(_: Request, answer: Answer) -> Coroutine[Any, Any, None]:
        async def run() -> None:
            answer.begin(200, [("content-type", "text/event-stream")])
            for piece in chain([b"data: "], (b"x" * 65_536 for _ in range(1_024))):
                answer.write(piece)
                await answer.flush()
            answer.end()

        return run()

    tracemalloc.start()
    try:
        streamed = asyncio.run(_read_from(app))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(streamed.error, JunctorError)
    assert outcomes(streamed.error.receipt)[0][1] in ("malformed", "truncated")
    assert peak < 32 * 1024 * 1024, f"{peak} bytes"


async def _read_from(app: Callable[[Request, Answer], Coroutine[Any, Any, None]]) -> Streamed:
    async with Server(app) as server:
        endpoint = Endpoint(deployment="a", provider="openai", adapter="openai", model="m", base_url=f"{server.url}/v1")
        async with client_for([endpoint]) as client:
            streamed = await read(client, deadline_s=10)
            assert in_flight(client) == 0
            return streamed
