"""Counters are sums of receipts: a random day over a faulty fleet, added up naively beside the exposition."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from junctor.client import Client
from junctor.exceptions import JunctorError
from junctor.observe import Observed, Observer
from junctor.observe.prometheus import Metrics
from junctor.receipts import Receipt
from junctor.testing.scripted import Outcome, fail, hang, ok, raise_connection, stream
from tests.client.stage import MESSAGES, Stage
from tests.observe.agreement import assert_agrees
from tests.observe.exposed import Samples, scraped

NAMES = ("a", "b", "c", "d")
CALLS = 150
PLACE = ("deployment", "model", "provider")


def random_outcome(draw: random.Random) -> Outcome:
    """Mostly good answers; every kind of fault now and then."""
    late_s = draw.choice((0.0, 0.2, 1.5, 6.0))
    faults = [
        fail(500, after_s=late_s), fail(429, retry_after_s=1), fail(400), fail(401), fail(503), raise_connection(),
        hang(), stream("x", "y", cut_after=draw.randrange(2)), stream("x", error_after=1),
    ]  # fmt: skip
    return draw.choice(faults) if draw.random() < 0.3 else ok("w " * draw.randrange(1, 9), after_s=late_s)


async def random_call(client: Client, draw: random.Random) -> None:
    """A chat or a stream; some leave early, some are impatient."""
    options: dict[str, Any] = {"tenant": draw.choice(("acme", "zeta", None)), "max_wait_s": draw.choice((0.0, 3.0))}
    options["deadline_s"] = draw.choice((2.0, 30.0))
    stays, streams = draw.random() < 0.9, draw.random() < 0.5
    await asyncio.sleep(60 * draw.random())
    with suppress(JunctorError):
        if not streams:
            await client.chat(draw.choice(("g", "spare", "a")), MESSAGES, **options)
            return
        async with client.stream("g", MESSAGES, **options) as events:
            async for _ in events:
                if not stays:
                    return


class Comparing(Observer):
    """Compares what it is told with the receipt, after Prometheus counted without one."""

    def __init__(self) -> None:
        self.compared = 0

    def ended(self, call: Observed, mark: object) -> None:  # noqa: ARG002  nothing is noted at the beginning
        assert_agrees(call)
        self.compared += 1


def a_day(seed: int) -> tuple[Samples, list[Receipt], Stage]:
    """What a random day exported, and its receipts."""
    draw, receipts = random.Random(seed), list[Receipt]()
    script = {name: [random_outcome(draw) for _ in range(3 * CALLS)] for name in NAMES}
    limits: dict[str, list[Mapping[str, Any]]] = {
        "a": [{"dimension": "rpm", "limit": 20, "window_s": 60, "burst_s": 10}],
        "c": [{"dimension": "rpm", "limit": 20, "window_s": 60, "burst_s": 10}],
    }
    spare = [{"name": "spare", "members": ["c", "d"], "fallback": []}]
    stage = Stage(script, members=["a", "b"], groups=spare, fallback=["spare"], hedge=True, limits=limits,
                  weights=(1, 1, 1, 1), seed=seed)  # fmt: skip
    metrics = Metrics(stage.router, tenants=["acme"])
    comparing = Comparing()
    observers = [metrics.observer, comparing]
    stage.client = Client(stage.router, stage.provider, observers=observers, on_receipt=receipts.append, seed=seed)

    async def scenario() -> None:
        await asyncio.gather(*(random_call(stage.client, draw) for _ in range(CALLS)))

    stage.run(scenario())
    stage.tell()
    stage.assert_released()
    assert comparing.compared == CALLS
    assert stage.client.counters["callback_dropped"] == stage.client.counters["callback_error"] == 0
    return scraped(metrics), receipts, stage


def by(told: Samples, name: str, *labels: str) -> Counter[tuple[str, ...]]:
    """The samples of a name, summed by some of their labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for (sample, of), value in told.items():
        if sample == name:
            found[tuple(dict(of)[label] for label in labels)] += value  # type: ignore[assignment]  # a float, whole here
    return found


@pytest.mark.parametrize("seed", range(3))
def test_counters_are_the_sums_of_the_receipts(seed: int) -> None:
    """Attempts, decisions, refusals, tokens, money: nothing is lost, nothing is counted twice."""
    told, receipts, _ = a_day(seed)
    attempts = [attempt for receipt in receipts for attempt in receipt.attempts]
    assert len(receipts) == CALLS
    assert len({attempt.outcome for attempt in attempts}) >= 6, "a day with faults of many kinds"
    assert sum(by(told, "junctor_calls_total", "group").values()) == CALLS
    assert by(told, "junctor_attempts_total", "deployment", "outcome") == Counter(
        (attempt.deployment, attempt.outcome) for attempt in attempts
    )
    assert by(told, "junctor_decisions_total", "deployment", "group") == Counter(
        (attempt.deployment, attempt.decision.group) for attempt in attempts
    )
    decisions = [attempt.decision for attempt in attempts]
    decisions += [receipt.failed_decision for receipt in receipts if receipt.failed_decision is not None]
    refused = Counter((name, why.split(":")[0]) for decision in decisions for name, why in decision.refusals.items())
    assert len(refused) > 4
    assert by(told, "junctor_refusals_total", "deployment", "reason") == refused
    for kind in ("input", "output"):
        used = Counter[tuple[str, ...]]()
        for attempt in attempts:
            if tokens := getattr(attempt, f"{kind}_tokens"):
                used[attempt.deployment, kind] += tokens
        found = by(told, "junctor_tokens_total", "deployment", "kind")
        assert {key: value for key, value in found.items() if key[1] == kind} == used
    spent = sum(attempt.cost_usd_micros for attempt in attempts) / 1_000_000
    assert sum(by(told, "junctor_cost_usd_total", "deployment").values()) == pytest.approx(spent)
    assert sum(by(told, "junctor_tenant_cost_usd_total", "tenant").values()) == pytest.approx(spent)
    assert by(told, "junctor_tenant_calls_total", "tenant").keys() == {("acme",), ("other",), ("",)}


@pytest.mark.parametrize("seed", range(3))
def test_counters_agree_with_what_the_client_and_the_core_counted(seed: int) -> None:
    """Two independent counts of the same day: the client's own, and those of the shared state."""
    told, receipts, stage = a_day(seed)
    counters, core = stage.client.counters, stage.router.snapshot()["counters"]
    hedged = sum(attempt.hedge for receipt in receipts for attempt in receipt.attempts)
    assert counters["hedge"] == hedged == sum(by(told, "junctor_hedges_total", "group").values())
    assert by(told, "junctor_hedges_total", "result")[("won",)] == core["hedge_won"]
    interrupted = sum(by(told, "junctor_stream_interruptions_total", "deployment").values())
    assert interrupted == counters["stream_interrupted"] > 0
    retried = sum(by(told, "junctor_retries_total", "group").values())
    assert 0 < retried == sum(max(0, len(receipt.attempts) - 1) for receipt in receipts) - hedged
    state = stage.router.snapshot()["deployments"]
    tokens = by(told, "junctor_tokens_total", "deployment", "kind")
    assert {name: of["output_tokens"] for name, of in state.items()} == {name: tokens[name, "output"] for name in state}
    for name, event in (("junctor_core_events_total", "reserved"), ("junctor_core_events_total", "retried")):
        assert by(told, name, "event")[(event,)] == core[event]
    whole = by(told, "junctor_call_duration_seconds_count", "operation")[("chat",)]
    assert whole == by(told, "junctor_calls_total", "outcome")[("ok",)] > CALLS / 3
