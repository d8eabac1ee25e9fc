"""A scripted provider answers by the script in the dialect that was asked, and keeps every request."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
import pytest

from junctor import adapters
from junctor.reply import Reply
from junctor.request import ChatRequest, HttpRequest
from junctor.testing import ManualTime, ScriptedProvider
from junctor.testing.scripted import (
    Outcome,
    ScriptExhausted,
    fail,
    hang,
    ok,
    raise_connection,
    raise_timeout,
    raw,
    stream,
    tool_call,
)
from junctor.transport.base import Response, Transport, TransportError
from tests.testing.raw import DIALECTS, SHAPES

T = TypeVar("T")


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return ManualTime().run(scenario)


def request_to(name: str, dialect: str = "openai", *, streamed: bool = False, key: str = "") -> HttpRequest:
    path, stream_path, header, body = SHAPES[dialect]
    fields = {**body, "stream": True} if streamed and dialect != "gemini" else body
    headers = {header.title(): f"Bearer {key}" if header == "authorization" else key}
    url = f"http://{name}.scripted{stream_path if streamed else path}"
    return HttpRequest("POST", url, headers, msgspec.json.encode(fields))


def answered(outcome: Outcome, dialect: str = "openai") -> Response:
    """The whole answer to one request."""
    scripted = ScriptedProvider({"a": [outcome]})
    return run(scripted.send(request_to("a", dialect), timeout_s=10))


def streamed(outcome: Outcome, dialect: str = "openai") -> tuple[bytes, str, str]:
    """The bytes of a stream, the kind of its error, and the state of the request."""
    scripted = ScriptedProvider({"a": [outcome]})
    chunks: list[bytes] = []

    async def scenario() -> str:
        try:
            async with scripted.stream(request_to("a", dialect, streamed=True), timeout_s=10) as response:
                while (chunk := await asyncio.wait_for(response.read_chunk(), 30)) is not None:
                    chunks.append(chunk)
        except TransportError as error:
            return error.kind
        except TimeoutError:
            return "idle"
        return ""

    error = run(scenario())
    return b"".join(chunks), error, scripted.sent[0].state


def test_it_is_a_transport() -> None:
    transport: Transport = ScriptedProvider({})
    run(transport.close())
    assert isinstance(transport, ScriptedProvider)
    assert transport.closed


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ok_speaks_the_dialect_that_the_path_names(dialect: str) -> None:
    whole = answered(ok("hello world", input_tokens=11, output_tokens=7), dialect)
    chunks, error, state = streamed(ok("hello world"), dialect)
    assert whole.status == 200
    assert b"hello world" in whole.body
    assert b":11" in whole.body
    assert b":7" in whole.body
    assert b"hello" in chunks
    assert b" world" in chunks
    assert (error, state) == ("", "done")
    assert b'sage":{' not in answered(ok(usage=False), dialect).body.replace(b"message", b"")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tool_call_carries_its_name_and_arguments(dialect: str) -> None:
    body = answered(tool_call("weather", {"city": "Oslo"}), dialect).body
    assert b"weather" in body
    assert b"Oslo" in body


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_a_stream_breaks_where_the_script_says(dialect: str, pieces: int) -> None:
    words = ("one", "two", "three")

    def seen(outcome: Outcome) -> tuple[list[str], str, str]:
        chunks, error, state = streamed(outcome, dialect)
        return [word for word in words if word.encode() in chunks], error, state

    there = list(words[:pieces])
    assert seen(stream(*words, cut_after=pieces)) == (there, "connection", "failed")
    assert seen(stream(*words, cut_after=pieces, cut="clean")) == (there, "", "done")
    assert seen(stream(*words, stall_after=pieces)) == (there, "idle", "abandoned")
    chunks, error, state = streamed(stream(*words, error_after=pieces), dialect)
    assert (error, state) == ("", "done")
    assert b"verloaded" in chunks
    assert [word for word in words if word.encode() in chunks] == there


def test_failures_carry_the_providers_own_hint() -> None:
    limited = answered(fail(429, retry_after_s=2), "openai")
    assert (limited.status, limited.headers["retry-after"], limited.headers["retry-after-ms"]) == (429, "2", "2000")
    assert b'"retryDelay":"2s"' in answered(fail(429, retry_after_s=2), "gemini").body
    assert b"insufficient_quota" in answered(fail(429, kind="quota"), "openai").body
    assert answered(fail(529), "anthropic").status == 529
    assert b"overloaded_error" in answered(fail(529), "anthropic").body
    custom = answered(fail(503, message="busy", retry_after_s=1, headers=[("X-Own", "1")]))
    assert b"busy" in custom.body
    assert (custom.headers["retry-after"], custom.headers["x-own"]) == ("1", "1")


def test_raw_is_exactly_that_whatever_was_asked() -> None:
    answer = answered(raw(200, b"<html>", headers=[("Content-Type", "text/html")]))
    assert (answer.status, answer.headers, answer.body) == (200, {"content-type": "text/html"}, b"<html>")


@pytest.mark.parametrize(
    ("outcome", "kind", "at_s"),
    [(raise_connection(after_s=3), "connection", 3.0), (raise_timeout(), "timeout", 0.0), (hang(), "timeout", 10.0)],
)
def test_transport_errors_come_at_their_time(outcome: Outcome, kind: str, at_s: float) -> None:
    async def scenario() -> tuple[str, float, str]:
        scripted = ScriptedProvider({"a": [outcome]})
        with pytest.raises(TransportError) as raised:
            await scripted.send(request_to("a"), timeout_s=10)
        return raised.value.kind, asyncio.get_running_loop().time(), scripted.sent[0].state

    assert run(scenario()) == (kind, at_s, "failed")


def test_answers_take_the_time_of_the_script() -> None:
    async def scenario() -> float:
        scripted = ScriptedProvider({"a": [stream("x", "y", after_s=2, gap_s=1)]})
        async with scripted.stream(request_to("a", streamed=True), timeout_s=10) as response:
            await response.read()
        return asyncio.get_running_loop().time()

    assert run(scenario()) == 2 + 5  # role, two pieces, finish, [DONE]


def test_a_cancelled_request_and_a_stream_left_early_are_abandoned() -> None:
    async def scenario() -> None:
        scripted = ScriptedProvider({"a": [hang(), stream("one", "two")]})
        asked = asyncio.ensure_future(scripted.send(request_to("a"), timeout_s=1000))
        await asyncio.sleep(5)
        assert scripted.open == 1
        asked.cancel()
        await asyncio.wait([asked])
        async with scripted.stream(request_to("a", streamed=True), timeout_s=10) as response:
            await response.read_chunk()
        assert [sent.state for sent in scripted.sent] == ["abandoned", "abandoned"]
        assert [sent.at_s for sent in scripted.sent] == [0.0, 5.0]
        assert scripted.open == 0

    run(scenario())


def test_a_timeout_of_the_callers_own_is_not_the_transports() -> None:
    async def scenario() -> None:
        scripted = ScriptedProvider({"a": [stream("one", stall_after=0)]})
        with pytest.raises(TimeoutError):
            async with scripted.stream(request_to("a", streamed=True), timeout_s=10) as response, asyncio.timeout(3):
                await response.read()

    run(scenario())


def test_scripts_are_found_by_key_or_host_and_requests_are_kept() -> None:
    async def scenario() -> None:
        scripted = ScriptedProvider({"sk-1": [ok("by key")], "b": [ok("by host")]}, otherwise=ok("otherwise"))
        for name, key, text in [("x", "sk-1", b"by key"), ("b", "other", b"by host"), ("c", "", b"otherwise")]:
            assert text in (await scripted.send(request_to(name, key=key), timeout_s=1)).body
        assert [sent.name for sent in scripted.sent] == ["sk-1", "b", "c"]
        assert scripted.sent[0].json()["model"] == "m"
        scripted.add("b", ok(), ok())
        assert scripted.left("b") == 2

    run(scenario())


def test_a_script_that_has_run_out_names_the_request() -> None:
    async def scenario() -> None:
        scripted = ScriptedProvider({"a": [ok()]})
        await scripted.send(request_to("a"), timeout_s=1)
        with pytest.raises(ScriptExhausted, match="no outcome for request 2 to 'a'"):
            await scripted.send(request_to("a"), timeout_s=1)

    run(scenario())


def test_an_endpoint_leads_to_its_script_without_showing_its_key() -> None:
    endpoint = ScriptedProvider({}).endpoint("opus-a", dialect="anthropic", model="claude")
    assert (endpoint.base_url, endpoint.adapter, endpoint.model) == ("http://opus-a.scripted", "anthropic", "claude")
    assert "scripted-key" not in repr(endpoint)


@pytest.mark.parametrize("adapter", adapters.names())
def test_an_endpoint_of_every_adapter_is_answered_in_its_dialect(adapter: str) -> None:
    scripted = ScriptedProvider({"a": [ok("well")]})
    endpoint = scripted.endpoint("a", dialect=adapter)
    asked = adapters.get(adapter).build(ChatRequest(messages=[{"role": "user", "content": "Hi"}]), endpoint)
    told = run(scripted.send(asked, timeout_s=10))
    reply = adapters.get(adapter).parse(told.status, told.headers, told.body)
    assert isinstance(reply, Reply)
    assert reply.text == "well"
