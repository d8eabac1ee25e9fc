"""Keys, prompts, answers and errors that quote them are in no label, attribute or log line."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from junctor.client import Client
from junctor.exceptions import JunctorError
from junctor.observe.log import Log
from junctor.observe.otel import OpenTelemetry
from junctor.observe.prometheus import Metrics
from junctor.request import Secret
from junctor.testing.scripted import fail, ok, stream, tool_call
from tests.client.stage import Stage

CANARY = "canary-7f3a"
DIALECTS = ("openai", "anthropic", "gemini")


def everything(stage: Stage, caplog: pytest.LogCaptureFixture) -> str:
    """Run calls of every ending whose every text is a canary; what was exported of them, as one text."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    otel = OpenTelemetry(tracer_provider=tracers, meter_provider=MeterProvider([reader]), server=True)
    metrics = Metrics(stage.router)
    stage.client = Client(stage.router, stage.provider, observers=[otel, metrics.observer, Log()], seed=1)
    caplog.set_level(logging.DEBUG)
    message = {"role": "user", "content": CANARY, "name": CANARY}
    tool = {"type": "function", "function": {"name": f"t-{CANARY}", "description": CANARY, "parameters": {}}}
    options: dict[str, Any] = {"tools": [tool], "metadata": {"k": CANARY}, "user": CANARY, "tags": {"note": CANARY}}

    async def scenario() -> None:
        for model in ("g", "g", "g", "g", CANARY):
            with suppress(JunctorError):
                await stage.client.chat(model, [message], **options)
            with suppress(JunctorError):
                async for _ in stage.client.stream(model, [message], **options):
                    pass

    stage.run(scenario())
    stage.tell()
    assert stage.client.counters["callback_error"] == 0
    spans = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert spans.count("attempt a") > 3
    told = [spans, str(reader.get_metrics_data()), metrics.exposition()[1].decode()]
    return "\n".join([*told, *(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_canary_is_exported(dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    """Though it is the key, the prompt, the answer, a tool, a tag, an unknown model, and the text of every error."""
    script = [
        ok(CANARY), stream(CANARY, CANARY), fail(400, message=CANARY), stream(CANARY, CANARY, cut_after=1),
        tool_call(f"t-{CANARY}", {"x": CANARY}), fail(401, message=CANARY), ok(CANARY), stream(CANARY),
    ]  # fmt: skip
    stage = Stage({"a": script}, dialect=dialect, otherwise=ok(CANARY))
    endpoint = stage.provider.endpoint("a", dialect=dialect)
    key = Secret(f"key-{CANARY}", "env:KEY")
    body = {
        "config_hash": "test",
        "deployments": [{
            "name": "a", "provider": dialect, "model": f"{dialect}/m", "weight": 1.0, "pools": [],
            "capabilities": ["tools", "streaming"], "price": {"input": 1, "output": 1},
        }],
        "groups": [{"name": "g", "members": ["a"], "fallback": []}],
    }  # fmt: skip
    secret = msgspec.structs.replace(endpoint, key=key, headers={"x-note": CANARY})
    stage.router.reload(msgspec.json.encode(body), [secret])
    told = everything(stage, caplog)
    assert any(CANARY in str(sent.request.headers) for sent in stage.provider.sent), "the key was used"
    assert any(CANARY.encode() in sent.request.body for sent in stage.provider.sent), "the prompt was sent"
    assert CANARY not in told
