"""A stage whose calls are traced and measured by the SDK's own exporters in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from junctor.client import Client
from junctor.observe.otel import OpenTelemetry
from junctor.testing.scripted import Outcome
from tests.client.stage import Stage
from tests.client.test_hedge import hedging


class Traced:
    """A stage, and what its calls exported."""

    def __init__(
        self, script: Mapping[str, Iterable[Outcome]], *, hedge: bool = False, more: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        tracers, meters = TracerProvider(), MeterProvider([self.reader])
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = tracers.get_tracer("test")
        observer = OpenTelemetry(tracer_provider=tracers, meter_provider=meters, **options)
        lists = {name: list(outcomes) for name, outcomes in script.items()}
        self.stage = (hedging if hedge else Stage)(lists, **(more or {}))
        self.stage.client = Client(self.stage.router, self.stage.provider, observers=[observer], seed=1)

    def spans(self) -> list[ReadableSpan]:
        """All spans, after every call was told."""
        self.stage.tell()
        return list(self.exporter.get_finished_spans())

    def call(self) -> tuple[ReadableSpan, list[ReadableSpan]]:
        """The one span of a call, and its attempts by their beginning."""
        spans = self.spans()
        (call,) = (span for span in spans if not span.name.startswith("attempt "))
        attempts = [span for span in spans if span is not call]
        return call, sorted(attempts, key=lambda span: span.start_time or 0)

    def points(self, name: str) -> list[HistogramDataPoint]:
        """The data points of one metric."""
        told = self.reader.get_metrics_data()
        if told is None:
            return []
        return [
            point
            for resource in told.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
            if isinstance(point, HistogramDataPoint)
        ]


def of(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})
