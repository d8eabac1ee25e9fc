"""Calls for vectors are observed as chats are, as another operation and without what vectors do not have."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from junctor.client import Client
from junctor.observe.otel import OpenTelemetry, names
from junctor.observe.prometheus import Metrics
from junctor.router import Router
from junctor.testing import Key, SimulatedProvider, faults
from tests.observe.exposed import scraped, total

FLEET = """
version: 1
state: process
providers:
  sim: {{adapter: openai, base_url: "{url}/v1"}}
deployments:
  a: {{model: sim/embed, key: "env:SIM_A", capabilities: [embeddings], price: {{input: 20, output: 0}}, weight: 1000}}
  b: {{model: sim/embed, key: "env:SIM_B", capabilities: [embeddings], price: {{input: 20, output: 0}}, weight: 0.001}}
groups:
  e: {{members: [a, b]}}
"""


def test_vectors_are_an_operation_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed attempt and the answer: one span, `embeddings`, with input tokens and no output, no text recorded."""
    monkeypatch.setenv("SIM_A", "sk-a")
    monkeypatch.setenv("SIM_B", "sk-b")
    exporter, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))

    async def scenario() -> Metrics:
        async with SimulatedProvider([Key("sk-a", name="a"), Key("sk-b", name="b")]) as provider:
            file = tmp_path / "fleet.yaml"
            file.write_text(FLEET.format(url=provider.url()))
            router = Router.open(file, seed=1)
            metrics = Metrics(router)
            otel = OpenTelemetry(tracer_provider=tracers, meter_provider=MeterProvider([reader]), record_content=True)
            async with Client(router, observers=[otel, metrics.observer]) as llm:
                provider.inject(faults.server_error(), key="a")
                await llm.embed("e", ["canary one", "canary two"], dimensions=4)
        return metrics

    told = scraped(asyncio.run(scenario()))
    spans = {span.name: dict(span.attributes or {}) for span in exporter.get_finished_spans()}
    call = spans["embeddings embed"]
    assert spans.keys() == {"embeddings embed", "attempt a", "attempt b"}
    assert call["gen_ai.operation.name"] == "embeddings"
    assert call["gen_ai.embeddings.dimension.count"] == 4
    assert call["gen_ai.usage.input_tokens"] == 4
    assert not {"gen_ai.usage.output_tokens", "gen_ai.response.finish_reasons", *names.CONTENT_ATTRIBUTES} & call.keys()
    assert "canary" not in f"{exporter.get_finished_spans()[0].to_json()} {spans} {reader.get_metrics_data()}"
    assert total(told, "junctor_calls_total", operation="embeddings", outcome="ok", group="e") == 1
    assert total(told, "junctor_retries_total", group="e") == 1
    assert total(told, "junctor_tokens_total", kind="input") == 4
    assert total(told, "junctor_overhead_microseconds_count", operation="embeddings") == 1
    assert total(told, "junctor_overhead_microseconds_sum") > 0
