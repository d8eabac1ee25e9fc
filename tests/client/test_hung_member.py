"""One of ten never answers: what callers of a hedging group feel of it, on manual time with times like real ones."""

from __future__ import annotations

import asyncio
import math
from random import Random

from junctor.request import HttpRequest
from junctor.testing.scripted import Outcome, ScriptedProvider, hang, stream
from tests.client.stage import MESSAGES, Stage

NAMES = tuple(f"d{number}" for number in range(10))
CALLS_PER_S = 50.0
AILS_S, ENDS_S = 20.0, 80.0


class Busy(ScriptedProvider):
    """Ten keys with log-normal times to first content, one in a hundred eight times slower; `hung` stops answering."""

    def __init__(self, stage: Stage, seed: int, hung: str | None) -> None:
        super().__init__({})
        self.stage = stage
        self.hung = hung
        self.random = Random(seed)

    def _next(self, request: HttpRequest) -> tuple[str, Outcome]:
        name = self._name(request)
        if name == self.hung and self.stage.clock.now_s() >= AILS_S:
            return name, hang()
        median_s = 0.4 + 0.05 * (int(name[1:]) * 7 % 10)
        first_s = median_s * math.exp(self.random.gauss(0.0, 0.6)) * (8.0 if self.random.random() < 0.01 else 1.0)
        return name, stream("x", after_s=first_s)


def waits_s(seed: int, hung: str | None) -> tuple[list[float], Stage]:
    """How long each caller waited for the first content while the member hangs, or would."""
    stage = Stage({name: [] for name in NAMES}, hedge=True, weights=[1.0] * 10, seed=seed)
    stage.provider = Busy(stage, seed, hung)
    stage.client._transport = stage.provider
    arrivals, waited = Random(seed + 1), list[float]()

    async def one() -> None:
        begun_s = stage.clock.now_s()
        async with stage.client.stream("g", MESSAGES, deadline_s=60.0) as events:
            await anext(aiter(events))
            if begun_s >= AILS_S:
                waited.append(stage.clock.now_s() - begun_s)

    async def scenario() -> None:
        calls = []
        while stage.clock.now_s() < ENDS_S:
            calls.append(asyncio.ensure_future(one()))
            await asyncio.sleep(arrivals.expovariate(CALLS_PER_S))
        await asyncio.gather(*calls)

    stage.run(scenario())
    stage.assert_released()
    return sorted(waited), stage


def test_the_slowest_in_a_hundred_wait_at_most_half_as_long_again() -> None:
    """B3: p99 to first content ≤ 1.5 × that of the same day without the fault, for at most 5 % more attempts."""
    (healthy, _), (ailing, stage) = waits_s(1, None), waits_s(1, "d3")
    p99 = [waited[len(waited) * 99 // 100] for waited in (healthy, ailing)]
    hedged = stage.router.snapshot()["counters"]["hedged"]
    assert p99[1] <= 1.5 * p99[0], p99
    assert 10 < hedged <= 0.05 * stage.client.counters["calls"]
