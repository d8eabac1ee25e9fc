"""Behind a gateway, observers see its callers' calls: the server's histograms, `/metrics`, and the caller's trace."""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from junctor import gateway
from junctor.observe.otel import OpenTelemetry, names
from junctor.testing.scripted import fail, ok, stream
from tests.gateway.visit import ASK, Place

KEYS: dict[str, dict[str, Any]] = {"app": {"tenant": "acme"}, "prom": {"metrics": True}}


def test_a_gateway_is_traced_measured_and_scraped() -> None:
    """A whole answer after a retry and a stream; the span's parent is what the server's own tracing made current."""
    exporter, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    otel = OpenTelemetry(tracer_provider=tracers, meter_provider=MeterProvider([reader]), server=True)

    async def scene() -> str:
        place = Place({"a": [fail(500), stream("x", "y")]}, keys=KEYS, otherwise=ok(), metrics="keys")
        place.gateway = gateway.app(place.config, transport=place.provider, observers=[otel])
        with tracers.get_tracer("server").start_as_current_span("request"):
            assert (await place.ask(headers=place.bearer("app"))).status == 200
        assert (await place.ask(body={**ASK, "stream": True}, headers=place.bearer("app"))).ended
        client = place.gateway.client
        await client.aclose()  # until everything was told
        scraped = await place.ask("/metrics", headers=place.bearer("prom"), method="GET", body=b"")
        await place.gateway.aclose()
        assert client.counters["callback_error"] == 0
        return scraped.body.decode()

    exposed = asyncio.run(scene())
    assert 'junctor_tenant_calls_total{outcome="ok",tenant="acme"} 2.0' in exposed
    spans = exporter.get_finished_spans()
    (request,) = (span for span in spans if span.name == "request")
    calls = [span for span in spans if span.name == "chat m"]
    assert len(calls) == 2
    assert request.context is not None
    assert [span.parent is not None and span.parent.span_id == request.context.span_id for span in calls] == [
        True,
        False,
    ]
    told = reader.get_metrics_data()
    assert told is not None
    measured = {
        metric.name for each in told.resource_metrics for scope in each.scope_metrics for metric in scope.metrics
    }
    assert {names.SERVER_DURATION.name, names.SERVER_FIRST_TOKEN.name} <= measured
