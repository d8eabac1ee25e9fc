"""The fault matrix as a caller of the gateway sees it: what fails over is not seen, what does not is its dialect's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from junctor import config, gateway
from junctor.exceptions import ConfigError
from junctor.receipts import Receipt
from junctor.testing.scripted import Outcome, ok, raw, stream
from tests.gateway.test_gateway_keys import level, until
from tests.gateway.visit import ASK, CHAT, MESSAGES, Place, Seen

STREAM = {**ASK, "stream": True}
HTML = raw(200, b"<html>Bad gateway</html>", headers=[("content-type", "text/html")])
UNSEEN: dict[str, Outcome] = {
    "B42 an error before the first content": stream("lost", error_after=0),
    "B44 an end before the first content": stream("lost", cut_after=0, cut="clean"),
    "B46 a page with status 200": HTML,
    "B46 nothing with status 200": raw(200, b""),
}


def ends_properly(path: str, body: bytes) -> bool:
    """Whether a stream has its dialect's terminal marker."""
    return (b"[DONE]" if path == CHAT else b"event: message_stop") in body


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("fault", "body"),
    [
        *((fault, STREAM) for fault in UNSEEN),
        # Only a stream can break off in the middle.
        *((fault, ASK) for fault in UNSEEN if fault.startswith("B46")),
    ],
)
def test_what_breaks_before_the_first_content_is_not_seen(path: str, fault: str, body: Any) -> None:
    """B42, B44, B46: one clean answer from somebody else, and the number of attempts in a header."""

    async def scene() -> None:
        place = Place({"a": [UNSEEN[fault]], "b": [UNSEEN[fault]], "c": []}, otherwise=ok("well"))
        seen = await place.ask(path, body)
        assert seen.status == 200
        assert b"well" in seen.body
        assert b"lost" not in seen.body
        assert body is ASK or ends_properly(path, seen.body)
        assert int(seen.headers["x-junctor-attempts"]) == len(place.provider.sent)
        place.assert_released()

    asyncio.run(scene())


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    "fault",
    [
        stream("one", " two", error_after=1),
        stream("one", " two", cut_after=1),
        stream("one", " two", cut_after=1, cut="clean"),
    ],
    ids=["B43 an error", "a lost connection", "B44 an end without its marker"],
)
def test_what_breaks_after_the_first_content_never_looks_like_an_end(path: str, fault: Outcome) -> None:
    """The text that came, once; then the dialect's error and no terminal marker; the key is charged and free."""

    async def scene() -> None:
        place = Place({"a": [fault]}, keys={"team": {"concurrency": 1, "usd_per_day": 1}})
        seen = await place.ask(path, STREAM, headers=place.bearer("team"))
        assert seen.status == 200
        assert seen.body.count(b"one") == 1
        assert b'"error"' in seen.pieces[-2] + seen.pieces[-1]
        assert not ends_properly(path, seen.body)
        assert seen.ended, "the connection itself is well"
        assert level(place, "concurrency") == 1
        assert level(place, "usd_per_day") < 1_000_000
        place.assert_released()

    asyncio.run(scene())


@pytest.mark.parametrize("body", [ASK, STREAM], ids=["whole", "stream"])
def test_an_answer_without_usage_is_charged_by_estimate(body: Any) -> None:
    """B30: it is not free, for the key as for the fleet."""

    async def scene() -> None:
        place = Place({"a": [ok("hello", usage=False)]}, keys={"team": {"usd_per_day": 1, "tpd": 10_000}})
        assert (await place.ask(body=body, headers=place.bearer("team"))).status == 200
        assert level(place, "usd_per_day") < 1_000_000
        assert level(place, "tpd") < 10_000
        assert place.gateway.client.counters["usage_unknown"] == 1

    asyncio.run(scene())


def test_a_stream_in_odd_pieces_comes_out_whole() -> None:
    """B45: CRLF, a byte order mark, an event of a megabyte, invalid UTF-8 between events: parsed or a clean error."""

    async def scene() -> None:
        long = "x" * 1_000_000
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}

        def event(delta: Any, end: Any = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": end}
            return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\r\n\r\n"

        pieces = b"\xef\xbb\xbf" + event({"content": long}) + event({}, "stop") + b"data: [DONE]\r\n\r\n"
        kind = [("content-type", "text/event-stream")]
        broken = raw(200, b"data: \xff\xfe{\n\n", headers=kind)
        place = Place({"a": [raw(200, pieces, headers=kind)]}, otherwise=broken)
        assert (await place.ask(body=STREAM)).text == long
        seen = await place.ask(body=STREAM)
        assert (seen.status, seen.json()["error"]["type"]) == (502, "server_error")
        place.assert_released()

    asyncio.run(scene())


@pytest.mark.parametrize("weight", [float("nan"), -1, 1e300])
def test_a_weight_that_is_no_weight_is_a_config_error_before_anything_is_served(weight: float) -> None:
    """B65: naming the field; weight 0 is a drained deployment."""
    deployments = {"a": {"model": "l/m", "weight": weight}, "b": {"model": "l/m"}}
    fleet = {"version": 1, "providers": {"l": {"adapter": "openai", "base_url": "http://x/v1"}},
             "deployments": deployments, "gateway": {"keys": "none"}}  # fmt: skip
    with pytest.raises(ConfigError, match=r"deployments\.a\.weight"):
        gateway.app(config.from_mapping(fleet))


def test_no_deployment_is_an_error_and_thousands_are_a_fleet() -> None:
    """B66: bounded work for one request among 2,000 deployments; a fleet of none is refused with its file."""
    with pytest.raises(ConfigError, match="deployments"):
        gateway.app(config.from_mapping({"version": 1, "deployments": {}, "gateway": {"keys": "none"}}))

    async def scene() -> None:
        many = {f"d{number}": {"model": "a/m", "provider": "a"} for number in range(2_000)}
        place = Place({"a": [ok("hello")]}, fleet={"deployments": many, "groups": {"g": {"members": list(many)}}})
        assert (await place.ask()).status == 200
        assert (await place.ask("/readyz", b"", method="GET")).status == 200

    asyncio.run(scene())


def test_a_megabyte_of_metadata_or_of_a_header_routes_nothing_and_hurts_nobody() -> None:
    """B67: a value that could match a rule has a bound; what is only passed on has the body's."""

    async def scene() -> None:
        place = Place({"a": []}, otherwise=ok("hello"))
        huge = "CANARY" * 200_000
        for body, headers in (
            ({**ASK, "metadata": {"junctor_task": huge}}, {}),
            ({**ASK, "model": huge}, {}),
            (ASK, {"x-junctor-task": huge}),
        ):
            seen: Seen = await place.ask(body=body, headers=headers)
            assert 400 <= seen.status < 500
            assert len(seen.body) < 2_000
        assert not place.provider.sent

    asyncio.run(scene())


def test_a_callback_that_raises_or_blocks_changes_no_answer() -> None:
    """B68: receipts are told on a thread; what happens there is counted and stays there."""
    told: list[Receipt] = []

    def callback(receipt: Receipt) -> None:
        told.append(receipt)
        raise RuntimeError("a fault of the program's own")

    async def scene() -> None:
        place = Place({"a": []}, otherwise=ok("hello"))
        app = gateway.app(place.config, transport=place.provider, on_receipt=callback)
        place.gateway = app
        assert [(await place.ask()).status for _ in range(3)] == [200] * 3
        client = app.client
        await until(lambda: client.counters["callback_error"] == 3)
        await app.aclose()

    asyncio.run(scene())
    assert len(told) == 3


def test_a_five_megabyte_prompt_goes_through_and_is_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    """B75: neither in a log nor in an error, an access line, a header or a metric."""

    async def scene() -> None:
        place = Place({"a": [ok("hello")], "b": [], "c": []}, otherwise=raw(500, b"no"), metrics="open")
        prompt = "CANARY-75 " * 500_000
        body = {**ASK, "messages": [{"role": "user", "content": prompt}], "user": "CANARY-75"}
        statuses = set()
        for _ in range(3):
            seen = await place.ask(body=body, headers={"x-secret": "CANARY-75"})
            statuses.add(seen.status)
            assert b"CANARY-75" not in seen.body
            assert "CANARY-75" not in repr(seen.headers)
        assert statuses == {200, 502}
        metrics = await place.ask("/metrics", b"", method="GET")
        assert metrics.status == 200
        assert b"CANARY-75" not in metrics.body
        assert "CANARY-75" not in repr(place.told)

    asyncio.run(scene())
    assert "CANARY-75" not in caplog.text


def test_metrics_are_for_keys_that_may_read_them() -> None:
    """No key, a key without `metrics: true`, one with it; `off` is a 404."""

    async def scene() -> None:
        place = Place({"a": [ok("hello")]}, keys={"team": {}, "scraper": {"metrics": True}})
        await place.ask(headers=place.bearer("team"))
        seen = [
            await place.ask("/metrics", b"", method="GET", headers=headers)
            for headers in ({}, place.bearer("team"), place.bearer("scraper"))
        ]
        assert [each.status for each in seen] == [401, 401, 200]
        assert b"junctor_calls_total" in seen[2].body
        off = Place({"a": []}, metrics="off")
        assert (await off.ask("/metrics", b"", method="GET")).status == 404

    asyncio.run(scene())
