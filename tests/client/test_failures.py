"""Every failure kind, unstreamed, before and after the first content: what follows, and what the deployment learns."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import ClassVar

import pytest

from junctor.client import Client
from junctor.exceptions import StreamInterrupted
from junctor.failures import KINDS, Kind
from junctor.reply import Done, Finish, TextDelta
from junctor.request import HttpRequest
from junctor.testing.scripted import (
    Outcome,
    fail,
    hang,
    ok,
    raise_connection,
    raise_timeout,
    raw,
    stream,
)
from junctor.transport.base import Response, StreamedResponse
from tests.client.stage import Stage, outcomes

WHOLE: dict[Kind, Outcome] = {
    "auth": fail(401),
    "permission": fail(403),
    "not_found": fail(404),
    "rate_limit": fail(429, retry_after_s=1),
    "quota": fail(429, kind="quota"),
    "context_length": fail(400, kind="context_length"),
    "overloaded": fail(503),
    "timeout": hang(),
    "invalid_request": fail(400),
    "server": fail(500),
    "malformed": raw(200, b"<html>gateway</html>", headers=[("content-type", "text/html")]),
    "connection": raise_connection(),
}
BEFORE: dict[Kind, Outcome] = {
    **WHOLE,
    "overloaded": stream("a", error_after=0, error="overloaded"),
    "server": stream("a", error_after=0, error="server"),
    "rate_limit": stream("a", error_after=0, error="rate_limit"),
    "timeout": stream("a", stall_after=0),
    "truncated": stream("a", cut_after=0, cut="clean"),
    "connection": stream("a", cut_after=0),
}
AFTER: dict[Kind, Outcome] = {
    "overloaded": stream("one", " two", error_after=1, error="overloaded"),
    "server": stream("one", " two", error_after=1, error="server"),
    "rate_limit": stream("one", " two", error_after=1, error="rate_limit"),
    "timeout": stream("one", " two", stall_after=1),
    "truncated": stream("one", " two", cut_after=1, cut="clean"),
    "connection": stream("one", " two", cut_after=1),
}
# What the router's state shows after one such failure (`failures.Meaning.health`).
HEALTH = {
    "hard": {"failed": 1, "throttled": 0, "held": False, "breaker": "closed"},
    "throttled": {"failed": 0, "throttled": 1, "held": True, "breaker": "closed"},
    "exhausted": {"failed": 0, "throttled": 1, "held": True, "breaker": "closed"},
    "config": {"failed": 1, "throttled": 0, "held": False, "breaker": "open"},
    "none": {"failed": 0, "throttled": 0, "held": False, "breaker": "closed"},
}


def test_the_tables_cover_every_kind() -> None:
    """A kind that nobody tries is a kind that nobody knows. The content filter speaks in each dialect's own way."""
    assert set(WHOLE) | set(BEFORE) | {"content_filter"} == set(KINDS)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_failed_chat_goes_elsewhere_or_stops_as_the_table_says(kind: Kind) -> None:
    """`elsewhere` is invisible but for the receipt; `stop` raises the kind's own error at once."""
    stage = Stage({"a": [WHOLE[kind]], "b": [ok("fine")]})
    meaning = KINDS[kind]
    if meaning.next == "elsewhere":
        reply = stage.chat()
        assert (reply.text, outcomes(reply.receipt)) == ("fine", [("a", kind), ("b", "ok")])
    else:
        with pytest.raises(meaning.error) as caught:
            stage.chat()
        assert outcomes(caught.value.receipt) == [("a", kind)]
        assert (caught.value.deployment, caught.value.provider) == ("a", "openai")
    assert_learned(stage, kind)


@pytest.mark.parametrize("kind", BEFORE)
def test_a_stream_that_fails_before_content_is_one_clean_stream_elsewhere(kind: Kind) -> None:
    """B4, B42: nothing of the first attempt is seen, not even its role chunk."""
    stage = Stage({"a": [BEFORE[kind]], "b": [stream("fine", " too")]})
    meaning = KINDS[kind]
    streamed = stage.stream()
    if meaning.next == "elsewhere":
        assert streamed.events[:3] == [TextDelta("fine"), TextDelta(" too"), Finish("stop")]
        assert outcomes(streamed.reply.receipt) == [("a", kind), ("b", "ok")]
    else:
        assert streamed.events == []
        assert isinstance(streamed.error, meaning.error)
        assert outcomes(streamed.error.receipt) == [("a", kind)]
    assert_learned(stage, kind)


@pytest.mark.parametrize("dialect", ["openai", "openai-responses", "anthropic", "gemini"])
@pytest.mark.parametrize("kind", AFTER)
def test_a_stream_that_breaks_after_content_says_so(kind: Kind, dialect: str) -> None:
    """B43, B44, C18: the typed interruption, the text that was delivered, and no second attempt."""
    stage = Stage({"a": [AFTER[kind]], "b": [stream("never")]}, dialect=dialect)
    streamed = stage.stream()
    error = streamed.error
    assert isinstance(error, StreamInterrupted)
    assert (error.kind, error.partial) == (kind, "one")
    assert streamed.text == "one"
    assert not any(isinstance(event, Done | Finish) for event in streamed.events)
    assert outcomes(error.receipt) == [("a", kind)]
    assert error.usage.output_tokens >= 1
    assert stage.provider.left("b") == 1
    assert stage.client.counters["stream_interrupted"] == 1
    assert_learned(stage, kind)


def assert_learned(stage: Stage, kind: Kind) -> None:
    """Deployment `a` learned what the kind's row says, and everything was released."""
    stage.assert_released()
    state = stage.deployment("a")
    told = {"failed": state["failed"], "throttled": state["throttled"], "breaker": state["breaker"]}
    told["held"] = state["held_s"] > 0
    assert told == HEALTH[KINDS[kind].health]


def test_a_provider_that_gives_up_by_itself_is_a_timeout() -> None:
    """The transport's own timeout (connecting) is the deployment's, not the deadline's."""
    stage = Stage({"a": [raise_timeout()], "b": [ok()]})
    assert outcomes(stage.chat().receipt) == [("a", "timeout"), ("b", "ok")]


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"null", b"[]", b"{}", b'{"choices": []}', b"\xff\xfe"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_200_without_an_answer_is_a_failure(body: bytes, dialect: str) -> None:
    """B46: HTML, nothing, or JSON that is no reply: malformed, and somebody else answers."""
    script = {"a": [raw(200, body)], "b": [ok()]}
    assert outcomes(Stage(script, dialect=dialect).chat().receipt) == [("a", "malformed"), ("b", "ok")]
    streamed = Stage(script, dialect=dialect).stream()
    assert streamed.text == "fine"
    assert outcomes(streamed.reply.receipt)[0][0] == "a"
    assert outcomes(streamed.reply.receipt)[0][1] in ("malformed", "truncated")


def test_a_revoked_key_is_out_and_the_others_go_on() -> None:
    """B41: after one 401 that key is not asked again; its breaker names the reason."""
    stage = Stage({"a": [fail(401)], "b": []}, otherwise=ok())
    for _ in range(20):
        stage.chat()
    assert len([sent for sent in stage.provider.sent if sent.name == "a"]) == 1
    assert stage.deployment("a")["breaker_reason"] == "config"


def test_a_spend_cap_is_not_asked_again() -> None:
    """B40: `quota` without a hint holds the deployment; nobody retries into it."""
    stage = Stage({"a": [fail(429, kind="quota")], "b": []}, otherwise=ok())
    for _ in range(20):
        stage.chat()
    assert len([sent for sent in stage.provider.sent if sent.name == "a"]) == 1
    assert stage.deployment("a")["exhausted"] is True
    assert stage.deployment("a")["breaker"] == "closed"


class Flood:
    """A provider that sends nothing but keep-alives, as fast as they can be read, a second of the clock each."""

    status = 200
    headers: ClassVar[dict[str, str]] = {"content-type": "text/event-stream"}

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def read_chunk(self) -> bytes:
        """Never waits, so no timer of the event loop ever gets its turn."""
        self.stage.clock.advance(1.0)
        return b": ping\n\n"

    async def read(self) -> bytes:
        """Not used: the status is 200."""
        raise NotImplementedError


class FloodedProvider:
    """The script of every deployment but `a`, which floods."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """The script."""
        return await self.stage.provider.send(request, timeout_s=timeout_s)

    async def close(self) -> None:
        """Nothing to close."""

    def stream(self, request: HttpRequest, *, timeout_s: float) -> AbstractAsyncContextManager[StreamedResponse]:
        """The flood, or the script."""
        if "//a." in request.url:
            return nullcontext(Flood(self.stage))
        return self.stage.provider.stream(request, timeout_s=timeout_s)


def test_a_flood_of_pings_is_no_content() -> None:
    """B4: keep-alives keep the connection alive, not the attempt: at 20 s it fails over, even if no read ever waits."""
    stage = Stage({"a": [], "b": [stream("fine")]})
    stage.client = Client(stage.router, FloodedProvider(stage), seed=1)
    streamed = stage.stream()
    assert (streamed.text, outcomes(streamed.reply.receipt)) == ("fine", [("a", "timeout"), ("b", "ok")])
    assert 20.0 <= stage.clock.now_s() <= 21.1


@pytest.mark.parametrize("chunks", [0, 2])
def test_a_stream_without_end_is_cut_at_a_bound(chunks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded whatever a host sends: another deployment answers, or after content the stream breaks."""
    endless = stream(*["x" * 5_000] * 100)
    monkeypatch.setattr("junctor.streaming.MAX_STREAM_BYTES", 3_000 + 6_000 * chunks)
    stage = Stage({"a": [endless], "b": [stream("x")]})
    streamed = stage.stream()
    if chunks == 0:
        assert (streamed.text, outcomes(streamed.reply.receipt)) == ("x", [("a", "malformed"), ("b", "ok")])
    else:
        assert isinstance(streamed.error, StreamInterrupted)
        assert (streamed.error.kind, streamed.error.partial) == ("malformed", streamed.text)
        assert len(streamed.text) == 5_000 * chunks
    stage.assert_released()
