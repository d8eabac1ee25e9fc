"""Every way in, and every way that leads nowhere, answered in the form of the API that was meant."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from junctor import config, gateway
from junctor.exceptions import ConfigError
from junctor.testing.scripted import fail, ok, stream
from tests.gateway.visit import ASK, CHAT, MESSAGES, Place, Visit

ANTHROPIC = {"anthropic-version": "2023-06-01"}


def test_a_chat_goes_through_and_says_who_answered() -> None:
    """The answer is the dialect's own, the headers are the receipt, the access line is its summary."""

    async def scene() -> None:
        place = Place({"a": [ok("hello")]})
        seen = await place.ask()
        assert (seen.status, seen.json()["choices"][0]["message"]["content"]) == (200, "hello")
        assert seen.headers["x-junctor-deployment"] == "a"
        assert seen.headers["content-length"] == str(len(seen.body))
        [told] = place.told
        assert (told.status, told.route, told.ended, told.deployment) == (200, CHAT, "ok", "a")
        assert told.bytes_out == len(seen.body)
        place.assert_released()

    asyncio.run(scene())


def test_a_stream_goes_through_piece_by_piece_and_has_its_end() -> None:
    """Nothing is gathered on the way, and the last message ends the body."""

    async def scene() -> None:
        place = Place({"a": [stream("one", " two", " three")]})
        seen = await place.ask(body={**ASK, "stream": True})
        assert seen.headers["content-type"].startswith("text/event-stream")
        assert "content-length" not in seen.headers
        assert seen.text == "one two three"
        assert seen.body.endswith(b"data: [DONE]\n\n")
        assert seen.ended
        assert len(seen.pieces) > 3
        place.assert_released()

    asyncio.run(scene())


WRONG: list[tuple[str, str, dict[str, str], Any, int, str]] = [
    ("POST", "/v1/nowhere", {}, b"{}", 404, "invalid_request_error"),
    ("GET", "/", {}, b"", 404, "invalid_request_error"),
    ("GET", "/v1/nowhere", ANTHROPIC, b"", 404, "not_found_error"),
    ("GET", CHAT, {}, b"", 405, "invalid_request_error"),
    ("DELETE", MESSAGES, ANTHROPIC, b"", 405, "invalid_request_error"),
    ("POST", "/healthz", {}, b"", 405, "invalid_request_error"),
    ("POST", CHAT, {}, b'{"model": "g", ', 400, "invalid_request_error"),
    ("POST", CHAT, {}, b"[]", 400, "invalid_request_error"),
    ("POST", CHAT, {}, b"\xff\xfe\x00", 400, "invalid_request_error"),
    ("POST", CHAT, {}, b"", 400, "invalid_request_error"),
    ("POST", CHAT, {}, {**ASK, "model": "nobody"}, 404, "invalid_request_error"),
    ("POST", MESSAGES, ANTHROPIC, b"{", 400, "invalid_request_error"),
    ("POST", MESSAGES, ANTHROPIC, {**ASK, "model": "nobody"}, 404, "not_found_error"),
    ("POST", CHAT, {}, b" " * 2048, 413, "invalid_request_error"),
    ("POST", MESSAGES, {}, b" " * 2048, 413, "request_too_large"),
    ("POST", CHAT, {"content-length": "99999999"}, b"{}", 413, "invalid_request_error"),
]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "kind"), WRONG)
def test_what_is_wrong_is_told_in_the_dialect_of_its_path(
    method: str, path: str, headers: dict[str, str], body: Any, status: int, kind: str
) -> None:
    """Unknown paths, wrong methods, bodies that are no JSON or too large, names that nothing has."""

    async def scene() -> None:
        place = Place({"a": []}, max_body_bytes=1024)
        seen = await place.ask(path, body, headers=headers, method=method)
        assert seen.status == status, seen.body
        told = seen.json()
        assert told["error"]["type"] == kind
        assert ("type" in told) == (path == MESSAGES or "anthropic-version" in headers)
        assert seen.ended
        if status == 405:
            assert seen.headers["allow"] in ("POST", "GET, HEAD")
        place.assert_released()

    asyncio.run(scene())


def test_a_body_that_lies_about_its_length_is_counted_as_it_comes() -> None:
    """`content-length: 2` opens no door for more than the bound, and none at all is no way round it."""

    async def scene() -> None:
        place = Place({"a": []}, max_body_bytes=1024)
        for headers in ({"content-length": "3"}, {"content-length": "-1"}, {"content-length": "9" * 30}, {}):
            visit = Visit(CHAT, [b" " * 600, b" " * 600, b"{}"], headers=headers)
            await place.gateway(visit.scope, visit.receive, visit.send)
            assert visit.seen.status == 413
        assert not place.provider.sent

    asyncio.run(scene())


def test_health_is_alive_and_ready_until_draining() -> None:
    """Alive whatever happens; ready while requests may come and a deployment can take them."""

    async def scene() -> None:
        place = Place({"a": [], "b": []})
        assert (await place.ask("/healthz", b"", method="GET")).json() == {"status": "alive"}
        head = await place.ask("/healthz", b"", method="HEAD")
        assert (head.body, head.headers["content-length"]) == (b"", "18")
        assert (await place.ask("/readyz", b"", method="GET")).status == 200
        place.gateway.drain()
        seen = await place.ask("/readyz", b"", method="GET")
        assert (seen.status, seen.json()) == (503, {"status": "draining"})
        await place.gateway.aclose()

    asyncio.run(scene())


def test_not_ready_when_every_deployment_is_out() -> None:
    """Breakers that are all open are no readiness."""

    async def scene() -> None:
        place = Place({"a": [], "b": []})
        for name in ("a", "b"):
            place.gateway.client.router.set_breaker(name, "open")
        seen = await place.ask("/readyz", b"", method="GET")
        assert (seen.status, seen.json()) == (503, {"status": "no deployment can take requests"})

    asyncio.run(scene())


def test_models_are_listed_in_the_dialect_that_asks() -> None:
    """OpenAI's list, Anthropic's list for who sends `anthropic-version`, one model by its name, 404 for others."""

    async def scene() -> None:
        place = Place({"a": []})
        openai = (await place.ask("/v1/models", b"", method="GET")).json()
        assert openai["object"] == "list"
        assert {"g", "a/m", "auto"} <= {model["id"] for model in openai["data"]}
        anthropic = (await place.ask("/v1/models", b"", method="GET", headers=ANTHROPIC)).json()
        assert anthropic["has_more"] is False
        assert (await place.ask("/v1/models/a/m", b"", method="GET")).json()["id"] == "a/m"
        assert (await place.ask("/v1/models/nobody", b"", method="GET")).status == 404

    asyncio.run(scene())


def test_failures_of_providers_reach_their_caller_as_its_dialect_tells_them() -> None:
    """One that can be mended by nobody else is told; one that can be is not seen."""

    async def scene() -> None:
        place = Place({"a": [fail(500), fail(400)], "b": [fail(500), fail(400)], "c": [fail(500), fail(400)]})
        assert (await place.ask()).status == 502
        assert (await place.ask()).status == 400
        place.assert_released()

    asyncio.run(scene())


def test_a_fleet_without_a_gateway_section_is_refused_with_a_hint() -> None:
    """Who may come in is never a default."""
    fleet = {"version": 1, "providers": {"l": {"adapter": "openai", "base_url": "http://x/v1"}}}
    with pytest.raises(ConfigError, match="gateway: is missing; give it keys"):
        gateway.app(config.from_mapping({**fleet, "deployments": {"a": {"model": "l/m"}}}))


def test_a_fault_of_our_own_is_a_500_that_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An exception that nobody foresaw: the caller learns that, the log where, and neither what it quoted."""

    async def scene() -> None:
        place = Place({"a": []})

        def broken(*_: object) -> None:
            raise RuntimeError("CANARY in an exception")

        place.gateway.key = broken  # type: ignore[assignment,method-assign]  # the fault that is put in
        seen = await place.ask()
        assert (seen.status, seen.json()["error"]["code"]) == (500, "internal_error")
        assert b"CANARY" not in seen.body
        assert place.told[0].ended == "error"

    asyncio.run(scene())
    assert "RuntimeError in" in caplog.text
    assert "CANARY" not in caplog.text
