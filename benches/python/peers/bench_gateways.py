"""Other gateways beside `junctor serve`: CPU of the server for each request, in the same rounds, with the same load.

make bench-peers ARGS="--only gateway"
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

import uvloop

from benches.python.bench_gateway import GATEWAY, STREAM, Load, chats_us, streams_us
from benches.python.constant import provider
from benches.python.gateway_server import Served, gateway
from benches.python.harness import Rounds, Suite, Verdict, in_rounds, ratio, rows
from benches.python.load import CONCURRENT
from benches.python.peers.environment import versions
from benches.python.peers.gateways import KEYS, litellm, over_keys, portkey, portkey_version

COMMAND: Final = 'make bench-peers ARGS="--only gateway"'
LITELLM: Final = "LiteLLM proxy"
PORTKEY: Final = "Portkey"
AT_LEAST: Final = {LITELLM: 40, PORTKEY: 4}
CHATS: Final = {GATEWAY: 3_200, LITELLM: 384, PORTKEY: 1_920}
STREAMS: Final = {GATEWAY: 640, LITELLM: 64, PORTKEY: 384}
NO_PORTKEY: Final = f"{PORTKEY}: not installed, because npm was missing when the peers' environment was made"
METHOD: Final = (
    f"CPU time of the server's processes (user and system, `/proc`) per request, {CONCURRENT} at once, one worker, "
    f"the same provider, bodies, load and rounds; each balances over {len(KEYS)} keys of one provider and is otherwise "
    "at its defaults. junctor's gateway asks for a key and holds its requests, tokens, concurrency and budget, keeps "
    "three limits for each deployment in the host's shared state, counts for Prometheus and writes its access log. "
    "LiteLLM's proxy asks for its master key and writes its access log; limits and budgets of keys need its database. "
    "Portkey asks for no key, keeps no limit and writes no log."
)


def measure(*, rounds: int = 5) -> list[Suite]:
    """Whole answers, then streams."""
    release = portkey_version()
    with provider() as url, ExitStack() as stack:
        loop = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        servers: dict[str, tuple[Served, dict[str, str]]] = {
            GATEWAY: (stack.enter_context(gateway(url)), {}),
            LITELLM: (stack.enter_context(litellm(url)), {}),
        }
        if release is not None:
            servers[PORTKEY] = (stack.enter_context(portkey(url)), over_keys(url))
        loads = {name: Load(served.url, served.key, more) for name, (served, more) in servers.items()}
        chats: dict[str, Callable[[], float]] = {}
        streams: dict[str, Callable[[], float]] = {}
        for name, (served, _) in servers.items():
            chats[name] = partial(chats_us, loop, served, loads[name], CHATS[name])
            streams[name] = partial(streams_us, loop, served, loads[name], STREAMS[name])
        found = in_rounds(chats, rounds), in_rounds(streams, rounds)
        for load in loads.values():
            loop.run(load.transport.close())
    releases = f"litellm {versions()['litellm']}" + ("" if release is None else f", @portkey-ai/gateway {release}")
    missing = [NO_PORTKEY] if release is None else []
    return [
        suite.said_of(releases)
        for suite in (
            _suite("peers-gateway", "a request through the gateway", found[0], missing),
            _suite("peers-gateway-stream", f"a request through the gateway{STREAM}", found[1], missing),
        )
    ]


def _suite(name: str, what: str, found: Rounds, missing: list[str]) -> Suite:
    return Suite(
        name=name,
        what=f"Peers: {what}, {CONCURRENT} at once: CPU of the server",
        method=METHOD,
        command=COMMAND,
        rows=rows(found, unit="µs", floors=[GATEWAY]),
        verdicts=[] if name.endswith("stream") else [_verdict(peer, found) for peer in found if peer in AT_LEAST],
        missing=missing,
    )


def _verdict(peer: str, found: Rounds) -> Verdict:
    beside = ratio(found, peer, GATEWAY)
    return Verdict(
        what=f"requests per CPU second, beside {peer}",
        budget=f"≥ {AT_LEAST[peer]} ×",
        measured=f"{beside.told()} ×",
        met=beside.median >= AT_LEAST[peer],
    )
