"""Spans and metrics, as the SDK's exporters in memory saw them: structure, parents, times, names, and no content."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from junctor.client import Client
from junctor.exceptions import JunctorError
from junctor.observe import Content
from junctor.observe.otel import OpenTelemetry, names
from junctor.testing.scripted import Outcome, fail, hang, ok, stream, tool_call
from tests.client.stage import MESSAGES, Stage, read
from tests.observe.traced import Traced, of

ERROR = trace.StatusCode.ERROR
UNSET = trace.StatusCode.UNSET


def assert_told_in_order(call: ReadableSpan, attempts: list[ReadableSpan]) -> None:
    """Attempts are children of their call, within its time, and none ends before it began."""
    for span in attempts:
        assert span.parent is not None
        assert span.context is not None
        assert call.context is not None
        assert span.parent.span_id == call.context.span_id
        assert span.context.trace_id == call.context.trace_id
        assert (call.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) <= (call.end_time or 0)
    assert {span.kind for span in (call, *attempts)} == {trace.SpanKind.CLIENT}


def test_a_call_with_a_retry_is_one_span_with_two_attempts() -> None:
    """Named by what was done with which model; the retry is no second call."""
    traced = Traced({"a": [fail(500, after_s=0.25)], "b": [ok(after_s=1.0)]})
    traced.stage.chat(max_tokens=9, temperature=0.5, stop="END", seed=3, n=2, session="s-1", tenant="acme")
    call, attempts = traced.call()
    assert_told_in_order(call, attempts)
    assert call.name == "chat scripted-model"
    assert call.status.status_code == UNSET
    told = of(call)
    assert told | {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "scripted-model",
        "gen_ai.response.model": "scripted-model", "gen_ai.request.max_tokens": 9, "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ("END",), "gen_ai.request.seed": 3, "gen_ai.request.choice.count": 2,
        "gen_ai.conversation.id": "s-1", "gen_ai.response.finish_reasons": ("stop",), "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 1, "server.address": "b.scripted", "server.port": 80, "junctor.tenant": "acme",
        "junctor.deployment": "b", "junctor.group": "g", "junctor.asked": "g", "junctor.outcome": "ok",
        "junctor.attempts": 2, "junctor.refusals": 1, "junctor.downgrade": False, "junctor.overhead_us": 0,
    } == told  # fmt: skip
    assert "gen_ai.request.stream" not in told
    assert "error.type" not in told
    assert [span.name for span in attempts] == ["attempt a", "attempt b"]
    assert [span.status.status_code for span in attempts] == [ERROR, UNSET]
    first, second = map(of, attempts)
    assert (first["error.type"], first["http.response.status_code"]) == ("server", 500)
    assert (second["junctor.outcome"], second["http.response.status_code"]) == ("ok", 200)
    assert (attempts[1].end_time or 0) - (attempts[1].start_time or 0) == pytest.approx(1_000_000_000, abs=1)


def test_the_parent_is_what_was_current_where_the_call_began() -> None:
    """Of many callers at once each finds its own, though all are told on one thread and later."""
    traced = Traced({"a": []}, more={"otherwise": ok(after_s=0.1)})
    expected: dict[str, int] = {}

    async def caller(name: str) -> None:
        with traced.tracer.start_as_current_span(name) as span:
            expected[name] = span.get_span_context().span_id
            await traced.stage.client.chat("g", MESSAGES, tenant=name)
            await read(traced.stage.client, tenant=name)

    async def scenario() -> None:
        await asyncio.gather(*(caller(f"caller-{number}") for number in range(5)))

    traced.stage.run(scenario())
    calls = [span for span in traced.spans() if span.name == "chat scripted-model"]
    assert len(calls) == 10
    for span in calls:
        assert span.parent is not None
        assert span.parent.span_id == expected[of(span)["junctor.tenant"]]


def test_a_hedged_call_shows_both_attempts_side_by_side() -> None:
    """The one that lost is cancelled, which is no error; the other is marked."""
    traced = Traced({"a": [hang()], "b": [ok(after_s=0.5)]}, hedge=True)
    traced.stage.chat(max_tokens=10)
    call, attempts = traced.call()
    assert_told_in_order(call, attempts)
    first, second = attempts
    assert (of(first)["junctor.outcome"], of(second)["junctor.outcome"]) == ("cancelled", "ok")
    assert (of(first)["junctor.hedge"], of(second)["junctor.hedge"]) == (False, True)
    assert (second.start_time or 0) < (first.end_time or 0), "they ran side by side"
    assert {span.status.status_code for span in (call, *attempts)} == {UNSET}


def test_a_stream_tells_its_first_chunk() -> None:
    """In attributes and in the metric, from the beginning of the call."""
    traced = Traced({"a": [stream("x", "y", after_s=0.5, gap_s=0.1)]})
    assert traced.stage.stream().text == "xy"
    call, (attempt,) = traced.call()
    first_s = of(call)["gen_ai.response.time_to_first_chunk"]
    assert first_s >= 0.5
    assert of(call)["gen_ai.request.stream"] is True
    assert of(attempt)["junctor.first_content_s"] == first_s
    (point,) = traced.points("gen_ai.client.operation.time_to_first_chunk")
    assert (point.count, point.sum) == (1, first_s)


ENDINGS: list[tuple[str, list[Outcome], bool]] = [
    ("invalid_request", [fail(400)], True),
    ("interrupted", [stream("x", "y", cut_after=1)], True),
    ("cancelled", [hang()], False),
]


@pytest.mark.parametrize(("word", "script", "wrong"), ENDINGS, ids=[word for word, *_ in ENDINGS])
def test_how_a_call_ends_is_its_error_type(word: str, script: list[Outcome], *, wrong: bool) -> None:
    """A failure and a broken stream are errors; a caller that leaves is none."""
    traced = Traced({"a": script})

    async def scenario() -> None:
        task = asyncio.create_task(read(traced.stage.client))
        await asyncio.sleep(5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    traced.stage.run(scenario())
    call, attempts = traced.call()
    assert_told_in_order(call, attempts)
    assert of(call)["junctor.outcome"] == word
    assert of(call).get("error.type") == (word if wrong else None)
    assert call.status.status_code == (ERROR if wrong else UNSET)
    (point,) = traced.points("gen_ai.client.operation.duration")
    assert dict(point.attributes or {}).get("error.type") == (word if wrong else None)


def test_a_refused_call_is_a_span_without_attempts() -> None:
    """It names what was asked for, if that exists, and how many deployments were ruled out."""
    traced = Traced({"a": [], "b": []})
    audio: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]
    with suppress(JunctorError):
        traced.stage.run(traced.stage.client.chat("g", audio))
    call, attempts = traced.call()
    assert attempts == []
    assert call.name == "chat g"
    assert of(call)["junctor.refusals"] == 2
    assert (of(call)["error.type"], of(call)["gen_ai.provider.name"]) == ("refused", "junctor")


def test_a_model_that_does_not_exist_is_not_repeated() -> None:
    """A key that somebody typed there by mistake is in no span and no metric."""
    traced = Traced({"a": []})
    with suppress(JunctorError):
        traced.stage.chat("sk-canary")
    (span,) = traced.spans()
    assert span.name == "chat"
    assert "canary" not in f"{span.to_json()} {traced.reader.get_metrics_data()}"


def test_metrics_have_the_conventions_bounds_and_few_attributes() -> None:
    """Tokens of both types, the duration, and for a gateway the server's side of it."""
    traced = Traced({"a": [stream("one", "two", "three", after_s=0.5, gap_s=1.0)]}, server=True)
    traced.stage.stream()
    traced.stage.tell()
    for instrument in (*names.CLIENT_INSTRUMENTS, *names.SERVER_INSTRUMENTS):
        points = traced.points(instrument.name)
        assert points, instrument.name
        for point in points:
            assert tuple(point.explicit_bounds) == instrument.bounds
            assert set(point.attributes or {}) <= {
                "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
                "gen_ai.token.type", "server.address", "server.port", "error.type",
            }  # fmt: skip
    sums = {(point.attributes or {}).get("gen_ai.token.type"): point.sum for point in traced.points(names.TOKENS.name)}
    assert sums == {"input": 2, "output": 3}
    (per_token,) = traced.points("gen_ai.server.time_per_output_token")
    (whole,) = traced.points("gen_ai.server.request.duration")
    (first,) = traced.points("gen_ai.server.time_to_first_token")
    assert per_token.sum == pytest.approx((whole.sum - first.sum) / 2)
    assert not Traced({"a": []}).points("gen_ai.server.request.duration")


# ---- content ----


def test_content_is_recorded_in_the_conventions_form_when_asked_for() -> None:
    """Parts of every kind; the tools; the answer with its reason."""
    traced = Traced({"a": [tool_call("weather", {"city": "Bonn"})]}, record_content=True)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "This?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
    ]  # fmt: skip
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    traced.stage.run(traced.stage.client.chat("g", messages, tools=[tool]))
    call, (attempt,) = traced.call()
    told = {name: msgspec.json.decode(of(call)[name]) for name in names.CONTENT_ATTRIBUTES}
    assert told["gen_ai.input.messages"] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [
            {"type": "text", "content": "This?"},
            {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
        ]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "seen"}]},
    ]  # fmt: skip
    (answer,) = told["gen_ai.output.messages"]
    assert (answer["role"], answer["finish_reason"]) == ("assistant", "tool_call")
    assert answer["parts"][0]["arguments"] == {"city": "Bonn"}
    assert told["gen_ai.tool.definitions"][0]["name"] == "weather"
    assert set(of(attempt)) <= set(names.ATTEMPT_ATTRIBUTES)


def test_what_a_program_redacts_is_not_recorded() -> None:
    """The hook may change the content or refuse it; a hook that raises refuses it too."""

    def redact(content: Content) -> Content | None:
        if "secret" in content.messages[0]["content"]:
            return None
        if "boom" in content.messages[0]["content"]:
            raise ValueError(content)
        return msgspec.structs.replace(content, messages=(), text="[gone]")

    traced = Traced({"a": []}, more={"otherwise": ok("canary")}, record_content=True, redact=redact)
    for text in ("secret canary", "boom canary", "plain canary"):
        traced.stage.run(traced.stage.client.chat("g", [{"role": "user", "content": text}]))
    spans = [span for span in traced.spans() if span.name.startswith("chat")]
    assert "canary" not in "".join(span.to_json() for span in spans)
    assert ["gen_ai.output.messages" in of(span) for span in spans] == [False, False, True]
    assert "[gone]" in of(spans[2])["gen_ai.output.messages"]


# ---- names ----


def test_names_are_those_of_the_semantic_conventions_package() -> None:
    """Every `gen_ai.*`, `server.*`, `error.*` and `http.*` name that it knows; the few that are newer are listed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the package says that the conventions moved
        from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
        from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
        from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes
    modules = (gen_ai_attributes, gen_ai_metrics, error_attributes, http_attributes, server_attributes)
    known = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    used = {*names.CALL_ATTRIBUTES, *names.ATTEMPT_ATTRIBUTES, *names.CONTENT_ATTRIBUTES}
    used |= {instrument.name for instrument in (*names.CLIENT_INSTRUMENTS, *names.SERVER_INSTRUMENTS)}
    assert {name for name in used if not name.startswith("junctor.")} - known == set()
    providers = {value.value for value in gen_ai_attributes.GenAiProviderNameValues}
    words = {names.provider_word(provider, "") for provider in names._PROVIDERS} | set(names._HOSTS.values())
    assert words - providers <= {"moonshot_ai"}, "newer than the package"


def test_spans_carry_no_attribute_that_is_not_in_the_tables() -> None:
    """And each of the tables' attributes is carried by some span."""
    traced = Traced({"a": [fail(500)], "b": [stream("x", "y", gap_s=0.1)]})
    options: dict[str, Any] = {
        "max_tokens": 5, "temperature": 0.0, "top_p": 1.0, "top_k": 3, "frequency_penalty": 0.0,
        "presence_penalty": 0.0, "stop": ["a"], "seed": 1, "n": 2, "response_format": {"type": "json_object"},
        "session": "s", "tenant": "t",
    }  # fmt: skip
    traced.stage.stream(**options)
    call, attempts = traced.call()
    assert set(of(call)) <= set(names.CALL_ATTRIBUTES)
    missing = set(names.CALL_ATTRIBUTES) - set(of(call))
    assert missing == {
        "error.type", "junctor.rule", "gen_ai.embeddings.dimension.count", "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.reasoning.output_tokens",
    }  # fmt: skip
    found = {name for span in attempts for name in of(span)}
    assert set(names.ATTEMPT_ATTRIBUTES) - found == {"junctor.rule"}
    assert found <= set(names.ATTEMPT_ATTRIBUTES)


@pytest.mark.parametrize(
    ("provider", "address", "word"),
    [
        ("openai-eu", "api.openai.com", "openai"),
        ("azure", "x.openai.azure.com", "azure.ai.openai"),
        ("gemini", "generativelanguage.googleapis.com", "gcp.gemini"),
        ("mine", "10.0.0.1", "mine"),
        ("bedrock", "localhost", "aws.bedrock"),
        ("groq", "localhost", "groq"),
    ],
)
def test_a_provider_has_the_conventions_word(provider: str, address: str, word: str) -> None:
    """By where it is, then by its name in the fleet."""
    assert names.provider_word(provider, address) == word


def test_without_an_sdk_nothing_happens() -> None:
    """The API's own no-op providers: calls go on, and no callback fails."""
    stage = Stage({"a": [ok()]})
    stage.client = Client(stage.router, stage.provider, observers=[OpenTelemetry(record_content=True)])
    assert stage.chat().text == "fine"
    stage.tell()
    assert stage.client.counters["callback_error"] == 0
