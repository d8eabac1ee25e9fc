"""One slow key and one dead key of ten, everything else at its defaults: what callers notice.

    python -m benches.python.bench_failover

Ten keys answer in 20 ms. In every round a fresh client serves a healthy phase; then one key takes 2 s and another is
revoked, and the same client serves on. A further client starts into the trouble without having seen better days. Calls
arrive at random at a steady pace, whatever has become of the earlier ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benches.python import show
from benches.python.harness import Rounds, Row, Spread, Suite, Verdict, number, ratio, say
from benches.python.load import FIRST, paced
from junctor.client import Client
from junctor.testing import Key, Latency, SimulatedProvider, faults
from junctor.testing.remote import RemoteProvider

KEYS: Final = [f"sk-bench-{number}" for number in range(10)]
MODEL: Final = "openai/gpt-5.6"
MESSAGES: Final = [{"role": "user", "content": "Say in one sentence why the sky is blue."}]
LATENCY_S: Final = 0.02
SLOWER: Final = 100
PER_S: Final = 100.0
COUNT: Final = 1_000
# At a slow pace one call in seconds is already one in a hundred.
SLOW_PER_S: Final = 25.0
SLOW_COUNT: Final = 500
PHASES: Final = ("healthy", "trouble begins", "trouble from the start")

FIGURES: Final = (
    ("p50", "ms", "p50_ms"),
    ("p99", "ms", "p99_ms"),
    ("p99 of the first 200", "ms", "first_p99_ms"),
    ("over 1 s", "calls", "over_1_s"),
    ("over 1 s of the first 200", "calls", "first_over_1_s"),
    ("failed", "calls", "failed"),
)

Phase = dict[str, float]


@contextmanager
def provider() -> Iterator[RemoteProvider]:
    """Ten keys in a process of their own."""
    with SimulatedProvider.in_process(
        [Key(key, dialect="openai", name=key) for key in KEYS], latency=Latency(first_token_s=LATENCY_S), seed=1
    ) as remote:
        yield remote


def trouble(remote: RemoteProvider) -> None:
    """One key turns slow, another is revoked."""
    remote.inject(faults.slow(SLOWER), key=KEYS[0])
    remote.inject(faults.dead(), key=KEYS[1])


def relief(remote: RemoteProvider) -> None:
    """All is well again."""
    for key in KEYS[:2]:
        remote.clear(key=key)


async def phases(remote: RemoteProvider, *, seed: int, count: int = COUNT, per_s: float = PER_S) -> dict[str, Phase]:
    """All three phases of one round with junctor's client."""
    told = {}
    async with _client(remote, seed) as client:
        told[PHASES[0]] = await _serve(client, seed, count, per_s)
        trouble(remote)
        told[PHASES[1]] = await _serve(client, seed + 1, count, per_s)
    async with _client(remote, seed) as client:
        told[PHASES[2]] = await _serve(client, seed + 2, count, per_s)
    relief(remote)
    return told


def _client(remote: RemoteProvider, seed: int) -> Client:
    return Client.over_keys(MODEL, keys=KEYS, base_url=remote.base_url("openai"), seed=seed)


async def _serve(client: Client, seed: int, count: int, per_s: float) -> Phase:
    async def call() -> str:
        return (await client.chat(MODEL, MESSAGES, max_tokens=64)).text

    return await paced(call, count=count, per_s=per_s, seed=seed)


def table(found: list[dict[str, Phase]], prefix: str = "") -> list[Row]:
    """One row per phase and figure."""
    return [
        Row(name=f"{prefix}{phase}: {word}", unit=unit, figure=Spread.of([told[phase][field] for told in found]))
        for phase in found[0]
        for word, unit, field in FIGURES
    ]


def method(rounds: int, count: int) -> str:
    """How it was measured, the same for the peers."""
    return (
        f"{rounds} rounds; ten keys that answer in {LATENCY_S * 1e3:.0f} ms, then one of them in "
        f"{LATENCY_S * SLOWER:.0f} s, and one with 401. {count:,} calls per phase arrive at random, {PER_S:.0f} per "
        "second on average. Wall time on loopback; everything at its defaults. A client that sends a call to the slow "
        "key cannot answer it in less than 2 s, so p99 tells whether it does so more than once in a hundred calls: it "
        "depends on the length of the phase, which is why the first 200 calls are told as well."
    )


def measure(*, rounds: int = 5, count: int = COUNT) -> Suite:
    """p50, p99 and failures of every phase, at both paces."""
    quick, slow = [], []
    with provider() as remote:
        for turn in range(rounds):
            say(f"failover: round {turn + 1}/{rounds}")
            quick.append(asyncio.run(phases(remote, seed=turn * 10, count=count)))
            slow.append(asyncio.run(phases(remote, seed=turn * 10 + 5, count=SLOW_COUNT, per_s=SLOW_PER_S)))
    say("")
    return Suite(
        name="failover",
        what="One slow key and one dead key of ten",
        method=f"{method(rounds, count)} The same with {SLOW_COUNT} calls at {SLOW_PER_S:.0f} per second.",
        command="python -m benches.python.bench_failover",
        rows=[*table(quick), *table(slow, f"{SLOW_PER_S:.0f}/s, ")],
        verdicts=[*_verdicts(quick, PER_S, count), *_verdicts(slow, SLOW_PER_S, SLOW_COUNT)],
    )


def _verdicts(found: list[dict[str, Phase]], per_s: float, count: int) -> list[Verdict]:
    p99: Rounds = {phase: [told[phase]["p99_ms"] for told in found] for phase in PHASES}
    told = []
    for phase in PHASES[1:]:
        beside = ratio(p99, phase, PHASES[0])
        told.append(
            Verdict(
                what=f"p99 of {count:,} calls at {per_s:.0f}/s, {phase}",
                budget="≤ 1.5 × healthy",
                measured=f"{beside.told()} ×",
                met=beside.median <= 1.5,
            )
        )
        first = max(each[phase]["first_p99_ms"] / each[PHASES[0]]["first_p99_ms"] for each in found)
        what = f"p99 of the first {FIRST} calls at {per_s:.0f}/s, {phase}, the worst round"
        told.append(Verdict(what=what, budget="≤ 1.5 × healthy", measured=f"{number(first)} ×", met=first <= 1.5))
    failed = sum(each[phase]["failed"] for each in found for phase in PHASES)
    calls = "0" if not failed else f"{failed:.0f}"
    what = f"failed calls at {per_s:.0f}/s, all rounds and phases"
    return [*told, Verdict(what=what, budget="0", measured=calls, met=failed == 0)]


if __name__ == "__main__":
    print(show.text(measure()))
