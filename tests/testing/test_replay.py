"""A replayed answer is the recorded one, byte for byte, however it is cut into pieces, and ends as told."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyreqwest.client import ClientBuilder

from junctor.testing import Delivery, Exchange, ReplayServer
from tests.testing.raw import Got, fetch, on_manual_time

DATA = Path(os.environ.get("JUNCTOR_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "recorded"
BODY = bytes(range(256)) * 4
OWN = Exchange(status=200, headers=(("Content-Type", "application/x-test"), ("X-Twice", "a")), body=BODY)


def replayed(exchange: Exchange, delivery: Delivery, *, give_up_s: float = 60.0) -> tuple[Got, float]:
    """What a raw client gets, and how long it took."""

    async def scenario() -> tuple[Got, float]:
        async with ReplayServer([(exchange, delivery)]) as server:
            got = await fetch(server.url, "/any", give_up_s=give_up_s)
            return got, asyncio.get_running_loop().time()

    return on_manual_time(scenario())


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("chunk_bytes", [None, 1, 7, (1, 100, 50)])
def test_the_body_is_identical_in_every_framing_and_piece_size(framing: str, chunk_bytes: int | None) -> None:
    delivery = msgspec.convert({"framing": framing, "chunk_bytes": chunk_bytes}, Delivery)
    got, _ = replayed(OWN, delivery)
    assert (got.status, got.body) == (200, BODY)
    assert got.complete
    assert got.headers["content-type"] == "application/x-test"


def test_each_piece_is_one_chunk_of_the_size_that_was_asked_for() -> None:
    got, _ = replayed(OWN, Delivery(chunk_bytes=(1, 100, 50)))
    assert [len(chunk) for chunk in got.chunks[:4]] == [1, 100, 50, 50]


def test_pauses_come_before_each_piece_and_the_last_one_repeats() -> None:
    _, took_s = replayed(OWN, Delivery(chunk_bytes=256, delays_s=(3.0, 0.5)))
    assert took_s == pytest.approx(3.0 + 3 * 0.5)


@pytest.mark.parametrize("framing", ["chunked", "length"])
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("cut_at", [0, 1, 300])
def test_a_cut_ends_the_connection_after_exactly_so_many_bytes(framing: str, how: str, cut_at: int) -> None:
    got, _ = replayed(OWN, msgspec.convert({"cut_at": cut_at, "how": how, "framing": framing}, Delivery))
    assert not got.complete
    assert got.reset == (how == "reset")
    if how == "close":  # a reset overtakes what was written before it
        assert (got.status, got.body) == (200, BODY[:cut_at])


def test_a_stall_goes_silent_after_exactly_so_many_bytes() -> None:
    got, took_s = replayed(OWN, Delivery(stall_at=300, chunk_bytes=100), give_up_s=20.0)
    assert (got.silent, got.body) == (True, BODY[:300])
    assert took_s == pytest.approx(20.0)


def test_nothing_at_all_may_come() -> None:
    closed, _ = replayed(OWN, Delivery(before_headers="close"))
    reset, _ = replayed(OWN, Delivery(before_headers="reset"))
    silent, _ = replayed(OWN, Delivery(before_headers="stall"))
    assert (closed.status, closed.complete, closed.reset, closed.silent) == (0, False, False, False)
    assert (reset.status, reset.reset) == (0, True)
    assert (silent.status, silent.silent) == (0, True)


def test_exchanges_are_served_in_order_and_the_last_one_repeats() -> None:
    async def scenario() -> list[int]:
        busy = Exchange(status=503)
        async with ReplayServer([busy, OWN]) as server:
            statuses = [(await fetch(server.url, f"/{number}", body=b"x")).status for number in range(3)]
            assert [(each.path, each.body) for each in server.received] == [(f"/{n}", b"x") for n in range(3)]
            return statuses

    assert on_manual_time(scenario()) == [503, 200, 200]


def test_the_default_http_client_sees_the_same_bytes() -> None:
    async def scenario() -> bytes:
        delivery = Delivery(chunk_bytes=7)
        async with ReplayServer([(OWN, delivery)]) as server, ClientBuilder().build() as client:
            response = await client.get(server.url).build().send()
            return bytes(await response.bytes())

    assert asyncio.run(scenario()) == BODY


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "bedrock"])
@pytest.mark.parametrize("stream", [False, True])
def test_recorded_cases_come_back_identical_in_pieces(provider: str, stream: bool) -> None:
    index = DATA / "index.json"
    if not index.exists():
        pytest.skip(f"the recorded exchanges are not at {DATA}; set JUNCTOR_DATA to the folder that holds them")
    rows = [row for row in json.loads(index.read_text()) if (row["provider"], row["stream"]) == (provider, stream)]
    seen = 0
    for row in rows[:30]:
        path = DATA / f"{row['id']}.json"
        response = json.loads(path.read_text())["response"]
        if not any(response.get(form) is not None for form in ("json", "text", "b64")):
            with pytest.raises(ValueError, match="none of json, text, b64"):
                Exchange.load(path)
            continue
        exchange = Exchange.load(path)
        got, _ = replayed(exchange, Delivery(chunk_bytes=(1, 7, 64)))
        assert (got.status, got.body, got.complete) == (row["status"], exchange.body, True)
        if response.get("text") is not None:
            assert got.body.decode() == response["text"]
        if response.get("json") is not None:
            assert json.loads(got.body) == response["json"]
        seen += 1
    assert seen


@pytest.mark.parametrize("wrong", [{"chunk_bytes": 0}, {"chunk_bytes": ()}, {"cut_at": 1, "stall_at": 2}])
def test_a_delivery_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"allowed are sizes|one way"):
        Delivery(**wrong)
