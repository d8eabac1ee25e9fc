"""OpenTelemetry: spans and metrics in the GenAI conventions (`pip install "junctor[otel]"`).

```python
client = Client.open("fleet.yaml", observers=[OpenTelemetry()])
```

A call is one span, `chat MODEL`, however many attempts it takes; each attempt is a child span with its deployment and
outcome. The spans are made when the call has ended, on the client's thread, with the times that it had and the parent
that was current where it began. So a caller pays for one look at its context, and the rest costs no call anything.

What that gives up: while a call runs, its span does not exist yet, so spans of an instrumented HTTP client below it
become its siblings. junctor's own transports have no such instrumentation.

Only the API is imported. Without an SDK that the program configured, every span is a no-op.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

try:
    from opentelemetry import context as otel_context
    from opentelemetry import metrics, trace
    from opentelemetry.context import Context
except ImportError as error:
    raise ImportError('opentelemetry-api is not installed; pip install "junctor[otel]"') from error

from junctor._core import __version__
from junctor.observe.observer import Observer
from junctor.observe.otel import attributes, content, names

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from junctor.observe.observed import Content, Observed, ObservedAttempt

__all__ = ["OpenTelemetry"]

log = logging.getLogger("junctor.observe.otel")

Redact = Callable[["Content"], "Content | None"]


class OpenTelemetry(Observer):
    """Makes spans and records metrics of the clients that it is given to.

    `tracer_provider` and `meter_provider` are the program's global ones unless given.
    `record_content` records prompts, answers and tools as attributes of the call's span: never by default. `redact` is
    given each call's `Content` first and returns what may be recorded, or None for nothing; if it raises, nothing is.
    `server` records the `gen_ai.server.*` metrics too, for a gateway whose clients see it as the model's server.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        record_content: bool = False,
        redact: Redact | None = None,
        server: bool = False,
    ) -> None:
        self.keeps_content = record_content
        self._redact = redact
        self._tracer = trace.get_tracer("junctor", __version__, tracer_provider)
        meter = metrics.get_meter("junctor", __version__, meter_provider)
        wanted = (*names.CLIENT_INSTRUMENTS, *(names.SERVER_INSTRUMENTS if server else ()))
        self._server = server
        self._histograms: dict[str, Histogram] = {
            each.name: meter.create_histogram(
                each.name, each.unit, each.what, explicit_bucket_boundaries_advisory=each.bounds
            )
            for each in wanted
        }

    def begun(self) -> object:
        """The context of the caller's task, whose current span becomes the parent."""
        return otel_context.get_current()

    def ended(self, call: Observed, mark: object) -> None:
        """Make the spans, record the metrics."""
        parent = mark if isinstance(mark, Context) else None
        span, inside = self._call_span(call, parent)
        for attempt in call.attempts:
            self._attempt_span(attempt, inside)
        span.end(call.ended_ns)
        self._record(call, inside)

    def _call_span(self, call: Observed, parent: Context | None) -> tuple[Span, Context]:
        told = attributes.of_call(call)
        model = told.get(names.REQUEST_MODEL)
        span = self._tracer.start_span(
            f"{call.operation} {model}" if model else call.operation,
            context=parent,
            kind=trace.SpanKind.CLIENT,
            attributes=told,
            start_time=call.began_ns,
        )
        if call.outcome not in attributes.QUIET:
            span.set_status(trace.Status(trace.StatusCode.ERROR, call.outcome))
        if span.is_recording() and (shown := self._shown(call)) is not None:
            reason = call.answered.finish_reason if call.answered is not None else None
            span.set_attributes(content.attributes(shown, reason))
        return span, trace.set_span_in_context(span, parent)

    def _attempt_span(self, attempt: ObservedAttempt, inside: Context) -> None:
        span = self._tracer.start_span(
            f"attempt {attempt.told.deployment}",
            context=inside,
            kind=trace.SpanKind.CLIENT,
            attributes=attributes.of_attempt(attempt),
            start_time=attempt.began_ns,
        )
        if attempt.told.outcome not in attributes.QUIET:
            span.set_status(trace.Status(trace.StatusCode.ERROR, attempt.told.outcome))
        span.end(attempt.ended_ns)

    def _shown(self, call: Observed) -> Content | None:
        """What may be recorded of the content."""
        if call.content is None or self._redact is None:
            return call.content
        try:
            return self._redact(call.content)
        except Exception as error:  # the hook is the program's; what it did not pass is not recorded
            log.warning("redact raised %s; the content of this call is not recorded", type(error).__name__)
            return None

    def _record(self, call: Observed, inside: Context) -> None:
        told = attributes.of_metrics(call)
        ended: dict[str, Any] = told
        if call.outcome not in attributes.QUIET:
            ended = told | {names.ERROR_TYPE: call.outcome}
        self._put(names.DURATION, call.duration_s, ended, inside)
        usage = call.answered.usage if call.answered is not None else None
        if usage is not None and usage.known:
            self._put(names.TOKENS, usage.input_tokens, told | {names.TOKEN_TYPE: "input"}, inside)
            if call.operation == "chat":
                self._put(names.TOKENS, usage.output_tokens, told | {names.TOKEN_TYPE: "output"}, inside)
        if call.first_content_s is not None:
            self._put(names.FIRST_CHUNK, call.first_content_s, told, inside)
        if not self._server:
            return
        self._put(names.SERVER_DURATION, call.duration_s, ended, inside)
        if call.first_content_s is not None and call.outcome == "ok":
            self._put(names.SERVER_FIRST_TOKEN, call.first_content_s, told, inside)
            if usage is not None and usage.output_tokens > 1:
                per_token_s = (call.duration_s - call.first_content_s) / (usage.output_tokens - 1)
                self._put(names.SERVER_PER_TOKEN, per_token_s, told, inside)

    def _put(self, which: names.Instrument, value: float, told: dict[str, Any], inside: Context) -> None:
        self._histograms[which.name].record(value, told, context=inside)
