"""When one of ten deployments hangs: how long callers wait for the first content, with and without hedges.

    python -m benches.python.bench_hedge [TOKENS_PER_S]

The real client and the real core on manual time, over ten scripted deployments: times to first content are log-normal
(medians from 0.4 to 0.9 s, σ 0.6), one in a hundred is eight times as long; answers are log-normal too (median 250
tokens, σ 1.1, at most 1,024) and written at 100 tokens a second, or as many as you say. Calls arrive at random. After a
minute one deployment stops answering for good; told are the calls that arrive in the two minutes after that. Nothing
waits for real and nothing is drawn without a seed, so the figures are the same on every machine.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from benches.python import show
from benches.python.harness import Row, Spread, Suite, Verdict, say
from junctor.client import Client
from junctor.reply import TextDelta
from junctor.request import HttpRequest
from junctor.router import Router
from junctor.testing import ManualClock, ManualTime
from junctor.testing.scripted import Outcome, ScriptedProvider, hang, ok
from junctor.transport.base import Response, StreamedResponse

NAMES: Final = [f"d{number}" for number in range(10)]
HUNG: Final = "d3"
RATES_PER_S: Final = (5, 20, 50)
HANGS_FROM_S: Final = 60.0
ENDS_S: Final = 180.0
SIGMA: Final = 0.6
MEDIANS_S: Final = {name: 0.4 + 0.5 * number / 9 for number, name in enumerate(NAMES)}
OUTLIERS: Final = 0.01
OUTLIER: Final = 8.0
ANSWER_TOKENS: Final = 250
ANSWER_SIGMA: Final = 1.1
MAX_TOKENS: Final = 1_024
TOKENS_PER_S: Final = 100.0
MESSAGES: Final = [{"role": "user", "content": "Say in one sentence why the sky is blue."}]

Kind = Literal["streams", "whole answers"]


class World(ScriptedProvider):
    """Ten deployments whose every answer is drawn when it is asked for."""

    def __init__(self, seed: int, *, hangs: bool, token_s: float) -> None:
        super().__init__({name: [] for name in NAMES})
        self._draw = random.Random(seed)
        self._hangs = hangs
        self._token_s = token_s

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        self._script(request)
        return await super().send(request, timeout_s=timeout_s)

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, timeout_s: float) -> AsyncIterator[StreamedResponse]:
        self._script(request)
        async with super().stream(request, timeout_s=timeout_s) as response:
            yield response

    def _script(self, request: HttpRequest) -> None:
        name = str(urlsplit(request.url).hostname).partition(".")[0]
        self.add(name, self._outcome(name))
        if len(self.sent) > 10_000:
            self.sent[:] = [sent for sent in self.sent if sent.state == "open"]

    def _outcome(self, name: str) -> Outcome:
        draw = self._draw
        first_s = MEDIANS_S[name] * draw.lognormvariate(0.0, SIGMA)
        if draw.random() < OUTLIERS:
            first_s *= OUTLIER
        tokens = answer_tokens(draw)
        if self._hangs and name == HUNG and asyncio.get_running_loop().time() >= HANGS_FROM_S:
            return hang()
        return ok(after_s=first_s + tokens * self._token_s, output_tokens=tokens)


def answer_tokens(draw: random.Random) -> int:
    """The length of one answer."""
    return min(MAX_TOKENS, max(1, round(ANSWER_TOKENS * draw.lognormvariate(0.0, ANSWER_SIGMA))))


class Found(NamedTuple):
    """One run: how long each call of the last two minutes waited, and the share of calls that were hedged."""

    waits_s: list[float]
    hedged: float
    failed: int


def run(kind: Kind, *, per_s: float, seed: int, hangs: bool, hedge: bool, tokens_per_s: float = TOKENS_PER_S) -> Found:
    """Three minutes of this world."""
    clock = ManualClock()
    world = World(seed, hangs=hangs, token_s=1 / tokens_per_s if kind == "whole answers" else 0.0)
    client = Client(_router(world, clock, hedge=hedge, seed=seed), world, seed=seed)
    waits_s: list[float] = []
    failed = 0

    async def call(draw: random.Random) -> None:
        nonlocal failed
        begun_s = clock.now_s()
        try:
            waited_s = await _waited(client, kind, clock, answer_tokens(draw) / tokens_per_s)
        except Exception:
            failed += 1
            return
        if begun_s >= HANGS_FROM_S:
            waits_s.append(waited_s)

    async def arrivals() -> None:
        draw = random.Random(-seed)  # not the one of the arrivals, which are the same in every case
        tasks = []
        for at_s in _times(random.Random(seed), per_s):
            await asyncio.sleep(at_s - clock.now_s())
            tasks.append(asyncio.create_task(call(draw)))
        await asyncio.gather(*tasks)

    ManualTime(clock).run(arrivals())
    return Found(waits_s, client.counters["hedge"] / client.counters["calls"], failed)


async def _waited(client: Client, kind: Kind, clock: ManualClock, written_s: float) -> float:
    """Make one call; how long its caller waited for the first thing to show. A stream is written in `written_s`."""
    begun_s = clock.now_s()
    if kind == "whole answers":
        await client.chat("g", MESSAGES, max_tokens=MAX_TOKENS)
        return clock.now_s() - begun_s
    first_s: float | None = None
    async with client.stream("g", MESSAGES, max_tokens=MAX_TOKENS) as events:
        async for event in events:
            if first_s is None and isinstance(event, TextDelta):
                first_s = clock.now_s() - begun_s
                # The rest takes its time to be written, and the deployment is busy with it for as long.
                await asyncio.sleep(written_s)
    assert first_s is not None
    return first_s


def _times(draw: random.Random, per_s: float) -> Iterator[float]:
    at_s = 0.0
    while (at_s := at_s + draw.expovariate(per_s)) < ENDS_S:
        yield at_s


def _router(world: World, clock: ManualClock, *, hedge: bool, seed: int) -> Router:
    deployments: list[dict[str, Any]] = [
        {"name": name, "provider": "openai", "model": f"openai/{name}", "capabilities": ["streaming"]} for name in NAMES
    ]
    groups = [{"name": "g", "members": NAMES, "hedge": hedge}]
    fleet = msgspec.json.encode({"config_hash": "bench", "deployments": deployments, "groups": groups})
    return Router(fleet, [world.endpoint(name) for name in NAMES], seed=seed, clock=clock)


CASES: Final[dict[str, dict[str, bool]]] = {
    "healthy": {"hangs": False, "hedge": True},
    "one hangs, no hedges": {"hangs": True, "hedge": False},
    "one hangs, hedges": {"hangs": True, "hedge": True},
}


def measure(*, seeds: int = 3, tokens_per_s: float = TOKENS_PER_S) -> Suite:
    """Every case at every rate; the spread is over seeds."""
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for kind in KINDS:
        for per_s in RATES_PER_S:
            found: dict[str, list[Found]] = {case: [] for case in CASES}
            for seed in range(1, seeds + 1):
                for case, how in CASES.items():
                    say(f"{kind}, {per_s} calls a second, seed {seed}/{seeds}: {case}")
                    found[case].append(run(kind, per_s=per_s, seed=seed, tokens_per_s=tokens_per_s, **how))
            rows += [_row(f"{kind}, {per_s}/s, {case}", runs) for case, runs in found.items()]
            if kind == "streams":
                verdicts.append(_verdict(per_s, found))
    say("")
    return Suite(
        name="hedge",
        what="One of ten deployments hangs: p99 of the wait for the first content, or for the whole answer",
        method=(
            f"Manual time, {seeds} seeds; the spread is over seeds. Ten deployments, log-normal times to first content "
            f"with eightfold outliers, {tokens_per_s:g} tokens a second; one hangs from the second minute on, and what "
            "arrives in the two minutes after that is told. Streams wait for their first text, whole answers for their "
            "end."
        ),
        command="python -m benches.python.bench_hedge",
        rows=rows,
        verdicts=verdicts,
    )


def _row(name: str, runs: list[Found]) -> Row:
    hedged = Spread.of([100 * found.hedged for found in runs])
    failed = sum(found.failed for found in runs)
    note = f"{hedged.told(2)} % of calls hedged" if hedged.greatest else ""
    if failed:
        note += f"{'; ' if note else ''}{failed} of {sum(len(found.waits_s) for found in runs)} calls failed"
    return Row(name=name, unit="s", figure=Spread.of([p99(found.waits_s) for found in runs]), note=note)


def _verdict(per_s: float, found: dict[str, list[Found]]) -> Verdict:
    """C12: with one of ten hung, p99 of the first content at most 1.5 times the healthy one, and 5 % extra attempts."""
    pairs = zip(found["one hangs, hedges"], found["healthy"], strict=True)
    worse = Spread.of([p99(hung.waits_s) / p99(well.waits_s) for hung, well in pairs])
    return Verdict(
        what=f"streams, {per_s}/s: p99 while one hangs, beside healthy",
        budget="≤ 1.5 ×",
        measured=f"{worse.told()} ×",
        met=worse.median <= 1.5,
    )


def p99(values: list[float]) -> float:
    """The value that one in a hundred exceeds."""
    return sorted(values)[len(values) * 99 // 100]


KINDS: Final[tuple[Kind, ...]] = ("streams", "whole answers")


if __name__ == "__main__":
    print(show.text(measure(tokens_per_s=float(sys.argv[1]) if len(sys.argv) > 1 else TOKENS_PER_S)))
