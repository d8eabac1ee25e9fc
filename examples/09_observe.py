"""What calls did, three ways at once: a log line, Prometheus' text, and the spans of a trace.

Of two keys one fails at first, so the call takes two attempts; then a stream breaks after five pieces. Needs the extras
`otel` and `prometheus`; the spans are shown if OpenTelemetry's SDK is there as well, else they go nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress

import junctor
from junctor.observe.log import Log
from junctor.observe.otel import OpenTelemetry
from junctor.observe.prometheus import Metrics
from junctor.testing import Key, SimulatedProvider, faults

MODEL = "openai/gpt-5.6"
KEYS = ["sk-a", "sk-b"]
MESSAGES = [{"role": "user", "content": "Tell me about telephone exchanges"}]


def tracing() -> OpenTelemetry:
    """Spans to the terminal, one line each."""
    try:
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
    except ImportError:
        return OpenTelemetry()

    def line(span: ReadableSpan) -> str:
        return f"span {span.name}: {dict(span.attributes or {})['junctor.outcome']!s}\n"

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout, formatter=line)))
    return OpenTelemetry(tracer_provider=provider)


async def main() -> None:
    """Two calls, watched."""
    logging.basicConfig(level=logging.INFO, format="log %(message)s", stream=sys.stdout)
    async with SimulatedProvider([Key(key) for key in KEYS]) as provider:
        router = junctor.Router.over_keys(MODEL, keys=KEYS, base_url=provider.base_url("openai"), rpm=600, seed=1)
        metrics = Metrics(router)
        async with junctor.Client(router, observers=[tracing(), Log(), metrics.observer], seed=1) as llm:
            provider.inject(faults.server_error(), key="sk-a")
            await llm.chat(MODEL, MESSAGES, max_tokens=20)
            provider.inject(faults.cut(after_events=5))
            with suppress(junctor.StreamInterrupted):
                async for _ in llm.stream(MODEL, MESSAGES, max_tokens=100):
                    pass
    _, exposed = metrics.exposition()
    shown = ("junctor_attempts_total{", "junctor_stream_interruptions_total{", "junctor_in_flight{")
    print(*(row for row in exposed.decode().splitlines() if row.startswith(shown)), sep="\n")


asyncio.run(main())
