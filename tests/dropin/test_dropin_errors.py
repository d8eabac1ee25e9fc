"""What fails is the caller's SDK's own exception, says when to ask again, and quotes no secret."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from junctor.testing import faults
from junctor.testing.scripted import Outcome, fail, hang, ok, raise_connection, stream
from tests.dropin.place import CANARY, HELLO, LIBRARIES, Place, keys, scripted

SDKS = [openai, anthropic]
NOW = {"x-junctor-max-wait-s": "0"}


def client_of(place: Place, sdk: Any, **options: Any) -> Any:
    """The sync SDK."""
    return place.openai(**options) if sdk is openai else place.anthropic(**options)


def ask(llm: Any, model: str = "g", **more: Any) -> Any:
    """One request to either SDK."""
    if isinstance(llm, openai.OpenAI):
        return llm.chat.completions.create(model=model, messages=HELLO, **more)
    return llm.messages.create(model=model, messages=HELLO, max_tokens=64, **more)


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (fail(500), "InternalServerError"),
        (fail(503), "InternalServerError"),
        (raise_connection(), "InternalServerError"),
        (fail(401), "InternalServerError"),  # the operator's key: not the caller's to mend
        (fail(429, retry_after_s=7), "RateLimitError"),
        (fail(400, kind="invalid_request"), "BadRequestError"),
        (fail(400, kind="context_length"), "BadRequestError"),
    ],
)
def test_each_failure_is_the_exception_that_the_sdk_has_for_it(sdk: Any, outcome: Outcome, error: str) -> None:
    """Anthropic's own classes for overloads are kinds of these."""
    place = scripted({"a": []}, otherwise=outcome, dispatch={"attempts": 1})
    with client_of(place, sdk) as llm, pytest.raises(getattr(sdk, error)) as failed:
        ask(llm)
    assert "key" not in failed.value.response.headers
    assert failed.value.response.headers["x-junctor-request-id"]
    assert not place.in_flight


@pytest.mark.parametrize("sdk", SDKS)
def test_a_name_and_a_path_that_nothing_answers_are_the_dialects_404(sdk: Any) -> None:
    """A model that the fleet does not have; an API that has no door, named with those that there are."""
    place = scripted({"a": []})
    with client_of(place, sdk) as llm:
        with pytest.raises(sdk.NotFoundError, match="nobody"):
            ask(llm, "nobody")
        with pytest.raises(sdk.NotFoundError, match=r"nothing here answers GET /v1/files.*chat/completions") as absent:
            llm.get("/v1/files?secret=CANARY" if sdk is anthropic else "/files?secret=CANARY", cast_to=object)
        assert "CANARY" not in str(absent.value)
        with pytest.raises(sdk.NotFoundError):
            llm.models.retrieve("nobody")
    kind = absent.value.body["error"]["type"] if sdk is anthropic else absent.value.body["type"]
    assert kind == ("not_found_error" if sdk is anthropic else "invalid_request_error")
    assert place.provider.sent == []


@pytest.mark.parametrize("sdk", SDKS)
def test_what_junctor_has_tried_already_the_sdk_does_not_try_again(sdk: Any) -> None:
    """Three attempts of one call stay three, though the SDK would ask three times by itself."""
    place = scripted({name: [] for name in "abcd"}, otherwise=fail(500))
    with client_of(place, sdk, max_retries=2) as llm, pytest.raises(sdk.InternalServerError) as failed:
        ask(llm)
    assert failed.value.response.headers["x-should-retry"] == "false"
    assert len(place.provider.sent) == int(failed.value.response.headers["x-junctor-attempts"]) == 3


@pytest.mark.parametrize("sdk", SDKS)
def test_a_limit_says_when_and_the_sdk_asks_again_then(sdk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 429 with `retry-after` is left to the SDK's own patience, which is told the time to wait."""
    slept: list[float] = []

    def sleep(_: Any, *, response: Any, **__: Any) -> None:
        slept.append(int(response.headers["retry-after-ms"]) / 1000)

    for client in (openai._base_client.SyncAPIClient, anthropic._base_client.SyncAPIClient):
        monkeypatch.setattr(client, "_sleep_for_retry", sleep)
    pool = {"p": {"provider": "a", "rpm": 1, "burst_s": 60}}
    place = scripted({"a": [ok("one")]}, pools=pool, deployments={"a": {"model": "a/m", "pools": ["p"]}})
    with client_of(place, sdk, max_retries=2) as llm:
        ask(llm)
        with pytest.raises(sdk.RateLimitError) as limited:
            ask(llm, extra_headers=NOW)
    assert len(slept) == 2
    assert all(0 < seconds <= 60 for seconds in slept)
    assert 1 <= int(limited.value.response.headers["retry-after"]) <= 60
    assert len(place.provider.sent) == 1


def told(event: Any) -> str:
    """The text of a stream's event, in either dialect."""
    if hasattr(event, "choices"):
        return (event.choices[0].delta.content or "") if event.choices else ""
    return event.delta.text if event.type == "content_block_delta" else ""


def read(events: Any, texts: list[str]) -> None:
    """A stream to its end."""
    for event in events:
        texts.append(told(event))


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("cut", [{"cut_after": 1}, {"cut_after": 1, "cut": "clean"}, {"error_after": 1}])
def test_a_cut_stream_never_ends_as_if_it_were_whole(sdk: Any, cut: dict[str, Any]) -> None:
    """The text that came, then the SDK's own error, in both dialects."""
    place = scripted({"a": [stream("one", " two", **cut)]})
    texts: list[str] = []
    with client_of(place, sdk) as llm:
        events = ask(llm, stream=True)
        with pytest.raises(sdk.APIError):
            read(events, texts)
    assert "".join(texts) == "one"
    assert not place.in_flight


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_callers_own_timeout_is_its_sdks_timeout(library: Any, streamed: bool) -> None:
    """A provider that hangs: `APITimeoutError` after the caller's seconds, everything released, sync and async.

    An answer that is not streamed has the timeout for its deadline, so its deployment is known to have hung.
    """
    place = scripted({"a": []}, otherwise=hang())
    with place.openai(library, timeout=0.3) as llm, pytest.raises(openai.APITimeoutError):
        ask(llm, stream=streamed)
    assert not place.in_flight

    async def scene() -> None:
        async with place.openai_async(library, timeout=0.3) as llm:
            with pytest.raises(openai.APITimeoutError):
                await llm.chat.completions.create(model="g", messages=HELLO, stream=streamed)

    asyncio.run(scene())
    assert [sent.state for sent in place.provider.sent] == [("abandoned" if streamed else "failed")] * 2
    assert not place.in_flight


def test_a_timeout_that_is_too_short_for_any_attempt_is_a_timeout_too() -> None:
    """Nothing is sent that could not be waited for."""
    place = scripted({"a": []})
    for timeout in (0.05, 0.0):
        with place.openai(timeout=timeout) as llm, pytest.raises(openai.APITimeoutError):
            ask(llm)
    assert place.provider.sent == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_stream_that_stalls_meets_the_callers_timeout_between_pieces(library: Any) -> None:
    """The text before it has come; the library's own error is what the SDK made its own of."""
    place = scripted({"a": []}, otherwise=stream("one", " two", stall_after=1))
    texts: list[str] = []
    with place.openai(library, timeout=0.05) as llm:
        events = ask(llm, stream=True)
        with pytest.raises(openai.APITimeoutError) as late:
            read(events, texts)
    assert type(late.value.__cause__) is library.ReadTimeout

    async def scene() -> None:
        async with place.openai_async(library, timeout=0.05) as llm:
            events = await llm.chat.completions.create(model="g", messages=HELLO, stream=True)
            with pytest.raises(openai.APITimeoutError):
                texts.extend([told(event) async for event in events])

    asyncio.run(scene())
    assert "".join(texts) == "one"
    assert not place.in_flight


def test_a_deadline_that_is_nearer_than_the_timeout_stays_a_504() -> None:
    """The fleet's own bound, or the one that the request asks for in a header."""
    place = scripted({"a": []}, otherwise=hang())
    with place.openai() as llm, pytest.raises(openai.InternalServerError) as late:
        ask(llm, extra_headers={"x-junctor-deadline-s": "0.05"})
    assert (late.value.status_code, late.value.response.headers["x-should-retry"]) == (504, "false")


def test_no_key_of_the_caller_and_none_of_a_provider_is_seen_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    """B75: not at the provider, not in an error, a header, a log line or a `repr`."""
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "anthropic", "httpx", "httpx2", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # theirs quote what the program itself sends
    for fault in (faults.dead(), faults.spend_cap(), faults.throttle(retry_after_s=600)):
        with keys(["sk-one-SECRET", "sk-two-SECRET"]) as place:
            place.provider.inject(fault)
            for sdk in SDKS:
                client = client_of(place, sdk, default_headers={"cookie": CANARY})
                with client as llm, pytest.raises(sdk.APIStatusError) as failed:
                    ask(llm, "auto", extra_headers=NOW)
                told = f"{failed.value} {failed.value.response.headers} {failed.value.body} {place.transport!r}"
                assert "CANARY" not in told
                assert "SECRET" not in told
    recorded = scripted({"a": []}, otherwise=ok())
    for sdk in SDKS:
        with client_of(recorded, sdk, default_headers={"cookie": CANARY}) as llm:
            ask(llm, extra_headers={"x-api-key": CANARY, "api-key": CANARY})
    assert len(recorded.provider.sent) == 2
    assert "CANARY" not in repr([(dict(sent.request.headers), sent.request.body) for sent in recorded.provider.sent])
    assert "CANARY" not in caplog.text
    assert "SECRET" not in caplog.text


def test_a_request_of_another_library_is_refused_by_name() -> None:
    """It is a mistake of the program, not of a caller."""
    place = scripted({"a": []})
    with pytest.raises(TypeError, match="a str is no request of httpx or of httpx2"):
        place.transport.handle_request("GET /")
    assert httpx2.Request("GET", "http://x/").url.host == "x"
