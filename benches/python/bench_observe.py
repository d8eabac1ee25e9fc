"""What observers cost in CPU: a chat with each of them beside the same chat without, 64 at once.

    python -m benches.python.bench_observe

As in `bench_client`: this process's CPU time, user and system, all threads, per call; so the thread that tells the
observers is counted. OpenTelemetry is measured with its SDK, every span sampled and handed to an exporter that drops
it: what an exporter does with spans is its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benches.python import show
from benches.python.bench_client import chat, len_of_attempts
from benches.python.constant import TEXT, provider
from benches.python.fleets import serving
from benches.python.harness import Rounds, Suite, Verdict, in_rounds, ratio, rows
from benches.python.load import CONCURRENT, cost_us
from junctor.client import Client
from junctor.observe import Observer
from junctor.observe.log import Log
from junctor.observe.otel import OpenTelemetry
from junctor.observe.prometheus import Metrics
from junctor.transport.direct import DirectTransport

CHATS: Final = 3_200
ALONE: Final = "no observer"
CALLBACK: Final = "on_receipt alone"
BUDGETS: Final = {"an observer that does nothing": 1.4, "prometheus": 1.7}
"""Beside a callback, because telling has its own price and reasons (docs/decisions/015)."""
COMMAND: Final = "python -m benches.python.bench_observe"
METHOD: Final = (
    "CPU time of the client's process (user and system, all threads, `getrusage`) per chat, 64 at once, the observers' "
    "thread included and waited for. Cases alternate within every round, ratios are taken within a round."
)


class Nothing(Observer):
    """Is told and does nothing: the price of telling."""


class Dropping(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - they are forgotten
        return SpanExportResult.SUCCESS


class Contenders:
    """A client for each observer, over one transport. Close it in the loop that it was made in."""

    def __init__(self, url: str) -> None:
        self.transport = DirectTransport()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(BatchSpanProcessor(Dropping(), max_queue_size=1 << 16))
        otel = OpenTelemetry(tracer_provider=self.tracers, meter_provider=MeterProvider([InMemoryMetricReader()]))
        logger = logging.Logger("bench", logging.INFO)
        logger.addHandler(logging.NullHandler())
        router = serving(f"{url}/v1")
        observers: dict[str, list[Observer]] = {
            ALONE: [],
            "an observer that does nothing": [Nothing()],
            "prometheus": [Metrics(router).observer],
            "log": [Log(logger)],
            "opentelemetry with its SDK": [otel],
            "opentelemetry, no SDK": [OpenTelemetry()],
            "prometheus, log and opentelemetry": [Metrics(router).observer, Log(logger), otel],
        }
        self.clients = {
            name: Client(router, self.transport, seed=1, observers=each) for name, each in observers.items()
        }
        self.clients[CALLBACK] = Client(router, self.transport, seed=1, on_receipt=len_of_attempts)

    async def told(self, name: str) -> None:
        """Every call reached the observers."""
        await self.clients[name].aclose()

    async def close(self) -> None:
        """Every connection; a call that no observer heard of would have cost nothing, so none may be missing."""
        for name, client in self.clients.items():
            lost = {word: client.counters[word] for word in ("callback_dropped", "callback_error")}
            assert not any(lost.values()), f"{name}: {lost}"
        await self.transport.close()
        self.tracers.shutdown()


def measure(*, rounds: int = 9) -> Suite:
    """Chats with each observer."""
    with provider() as url, asyncio.Runner() as runner:
        there = runner.run(_made(url))
        cases = {name: partial(_run, runner, there, name) for name in there.clients}
        found = in_rounds(cases, rounds)
        runner.run(there.close())
    return _suite(found)


async def _made(url: str) -> Contenders:
    return Contenders(url)


def _run(runner: asyncio.Runner, there: Contenders, name: str) -> float:
    call = partial(chat, there.clients[name])
    return runner.run(cost_us(call, TEXT, CHATS, finish=partial(there.told, name)))


def _suite(found: Rounds) -> Suite:
    verdicts = []
    for name, budget in BUDGETS.items():
        beside = ratio(found, name, CALLBACK)
        verdicts.append(
            Verdict(
                what=f"a chat with {name}, beside one with {CALLBACK}",
                budget=f"≤ {budget} ×",
                measured=f"{beside.told()} ×",
                met=beside.median <= budget,
            )
        )
    return Suite(
        name="observe",
        what=f"`client.chat` with observers, {CONCURRENT} at once: CPU per call",
        method=METHOD,
        command=COMMAND,
        rows=rows(found, unit="µs", floors=(ALONE, CALLBACK)),
        verdicts=verdicts,
    )


if __name__ == "__main__":
    print(show.text(measure()))
