"""Keys: who comes in, what they may ask for, and how much; exact, settled, and kept over a reload."""

from __future__ import annotations

import asyncio
import hmac
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from junctor import gateway
from junctor.exceptions import ConfigError
from junctor.gateway.keys import PREFIX, Keys, make
from junctor.testing.scripted import ScriptedProvider, fail, hang, ok, stream
from tests.gateway.visit import ASK, CHAT, MESSAGES, Place, Visit

ANSWER = ok("hello", input_tokens=100, output_tokens=20)


def test_a_key_is_random_and_only_its_hash_is_kept() -> None:
    """Two keys share nothing but their prefix; neither the hash nor the table shows the key."""
    (one, hashed), (other, _) = make(), make()
    assert one != other
    assert one.startswith(PREFIX)
    assert len(one) - len(PREFIX) == 43
    assert one not in hashed
    place = Place({"a": []}, keys={"team": {}})
    assert place.secrets["team"] not in repr(msgspec.to_builtins(place.config.gateway))


@pytest.mark.parametrize("path", [CHAT, MESSAGES, "/v1/models"])
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "no API key was given"),
        ({"authorization": "Basic dGVhbTp4"}, "no API key was given"),
        ({"authorization": "Bearer "}, "no API key was given"),
        ({"authorization": "Bearer sk-junctor-CANARY"}, "not known here"),
        ({"x-api-key": "CANARY" * 2000}, "not known here"),
        ({"x-api-key": "ключ-CANARY".encode().decode("latin-1")}, "not known here"),
    ],
)
def test_nobody_comes_in_without_a_known_key(path: str, headers: dict[str, str], message: str) -> None:
    """401 in the form of the path's dialect, before the body is read; what was presented is never repeated."""

    async def scene() -> None:
        place = Place({"a": []}, keys={"team": {}})
        visit = Visit(path, b"{}", headers=headers, method="GET" if path.endswith("models") else "POST")
        await place.gateway(visit.scope, visit.receive, visit.send)
        assert visit.seen.status == 401
        assert visit.seen.headers["www-authenticate"] == "Bearer"
        assert message in visit.seen.json()["error"]["message"]
        assert b"CANARY" not in visit.seen.body
        assert place.told[0].key == "-"
        assert not place.provider.sent

    asyncio.run(scene())


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_a_key_comes_in_by_any_header_that_sdks_use_and_stops_there(header: str) -> None:
    """`Authorization: Bearer`, `x-api-key`, `api-key`; the provider is told of none of them."""

    async def scene() -> None:
        place = Place({"a": [ANSWER]}, keys={"team": {}})
        key = place.secrets["team"]
        seen = await place.ask(headers={header: f"Bearer {key}" if header == "authorization" else key})
        assert seen.status == 200
        assert place.told[0].key == "team"
        assert key not in repr(place.provider.sent[0].request.headers)

    asyncio.run(scene())


def test_an_expired_key_is_refused_from_its_day_on() -> None:
    """Midnight UTC of the day that is named, to the second."""
    place = Place({"a": []}, keys={"team": {"expires": "2026-01-31"}})
    assert place.config.gateway is not None
    keys = Keys(place.config.gateway)
    headers = place.bearer("team")
    midnight = 1_769_817_600.0
    assert keys.find(headers, midnight - 1).name == "team"
    with pytest.raises(Exception, match="has expired"):
        keys.find(headers, midnight)


def test_every_presented_key_is_compared_known_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is the constant-time one, over whole digests, also where nothing was found."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr("junctor.gateway.keys.hmac.compare_digest", noted)
    place = Place({"a": []}, keys={"team": {}})
    assert place.config.gateway is not None
    keys = Keys(place.config.gateway)
    keys.find(place.bearer("team"), 0)
    with pytest.raises(Exception, match="not known"):
        keys.find({"x-api-key": "wrong"}, 0)
    assert [(len(one), len(other)) for one, other in compared] == [(32, 32), (32, 32)]


def test_a_key_asks_for_its_own_names_alone() -> None:
    """403 for other groups, models, deployments and for `auto`; the list of models shows the same."""

    async def scene() -> None:
        place = Place({"a": [ANSWER, ANSWER], "b": []}, keys={"team": {"groups": ["g"], "models": ["a/m"]}},
                      fleet={"groups": {"g": {"members": ["a"]}, "h": {"members": ["b"]}}})  # fmt: skip
        headers = place.bearer("team")
        for name, status in (("g", 200), ("a/m", 200), ("h", 403), ("b/m", 403), ("a", 403), ("auto", 403)):
            seen = await place.ask(body={**ASK, "model": name}, headers=headers)
            assert seen.status == status, (name, seen.body)
        refused = await place.ask(MESSAGES, {**ASK, "model": "h"}, headers=headers)
        assert refused.json()["error"]["type"] == "permission_error"
        listed = await place.ask("/v1/models", b"", method="GET", headers=headers)
        assert {model["id"] for model in listed.json()["data"]} == {"g", "a/m"}

    asyncio.run(scene())


def test_what_a_key_says_of_its_requests_cannot_be_said_otherwise_by_them() -> None:
    """Compliance sees the key's tenant, tier and tags, whatever headers and metadata claim."""

    async def scene() -> None:
        clauses = [{"name": "EU data", "when": {"data": "eu"}, "require": {"region": "eu"}},
                   {"name": "tenant", "when": {"tenant": "acme"}, "require": {"region": "eu"}}]  # fmt: skip
        keys: dict[str, dict[str, Any]] = {"data": {"tags": {"data": "eu"}}, "tenant": {"tenant": "acme"}, "free": {}}
        place = Place({"a": [ANSWER]}, keys=keys, fleet={"compliance": clauses})
        for name in ("data", "tenant"):
            for claim in ({"x-junctor-data": "none"}, {"x-junctor-tenant": "other"}, {"x-junctor-tags": "data=none"},
                          {"x-junctor-tags": "tenant=other"}, {}):  # fmt: skip
                seen = await place.ask(headers={**place.bearer(name), **claim})
                assert seen.status == 403, (name, claim, seen.body)
        assert (await place.ask(headers=place.bearer("free"))).status == 200

    asyncio.run(scene())


def test_requests_a_minute_are_counted_to_the_request() -> None:
    """The sixth of five is 429 in its dialect, with a time to come back; another key is not touched."""

    async def scene() -> None:
        place = Place({"a": []}, keys={"team": {"rpm": 300, "burst_s": 1}, "other": {}}, otherwise=ANSWER)
        statuses = [(await place.ask(headers=place.bearer("team"))).status for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        seen = await place.ask(MESSAGES, headers=place.bearer("team"))
        assert seen.json()["error"]["type"] == "rate_limit_error"
        assert "used up its rpm" in seen.json()["error"]["message"]
        assert int(seen.headers["retry-after"]) >= 1
        assert (await place.ask(headers=place.bearer("other"))).status == 200

    asyncio.run(scene())


def test_tokens_are_held_by_estimate_and_settled_by_use() -> None:
    """`max_tokens` is held while the answer is awaited; what was not used comes back."""

    async def scene() -> None:
        place = Place({"a": [ANSWER, ANSWER]}, keys={"team": {"tpd": 60_000}})
        await place.ask(body={**ASK, "max_tokens": 50_000}, headers=place.bearer("team"))
        assert 60_000 - level(place, "tpd") == 120
        larger = await place.ask(body={**ASK, "max_tokens": 70_000}, headers=place.bearer("team"))
        assert larger.status == 413
        assert "whole tpd of the API key 'team'" in larger.json()["error"]["message"]

    asyncio.run(scene())


def test_requests_at_once_are_permits_that_come_back_however_a_request_ends() -> None:
    """Answered, failed, refused, left by its client, streamed, cut short: the second place is free again."""

    async def scene() -> None:
        script = [ANSWER, fail(400), stream("x", "y"), stream("x", stall_after=1), hang(), ANSWER]
        place = Place({"a": script}, keys={"team": {"concurrency": 1, "groups": ["g"]}})
        headers = place.bearer("team")
        assert (await place.ask(headers=headers)).status == 200
        assert (await place.ask(headers=headers)).status == 400
        assert (await place.ask(headers=headers, body={**ASK, "model": "a/m"})).status == 403
        assert (await place.ask(headers=headers, body={**ASK, "stream": True})).status == 200
        for streamed in (True, False):
            visit = Visit(body={**ASK, "stream": streamed}, headers=headers)
            running = asyncio.create_task(place.gateway(visit.scope, visit.receive, visit.send))
            await until(lambda: place.provider.open == 1 and level(place, "concurrency") == 0)
            busy = await place.ask(headers=headers)
            assert (busy.status, "used up its concurrency" in busy.body.decode()) == (429, True)
            visit.leave()
            await running
            assert level(place, "concurrency") == 1
        assert (await place.ask(headers=headers)).status == 200
        place.assert_released()

    asyncio.run(scene())


def test_a_budget_is_settled_by_what_calls_really_cost() -> None:
    """Micro-dollars to the last one: 100 tokens in at $1, 20 out at $10 a million are 300 of them."""

    async def scene() -> None:
        place = Place({"a": []}, keys={"team": {"usd_per_day": 0.01}}, otherwise=ANSWER)
        statuses: list[int] = []
        while len(statuses) < 60 and (not statuses or statuses[-1] == 200):
            statuses.append((await place.ask(headers=place.bearer("team"))).status)
        left = level(place, "usd_per_day")
        assert 10_000 - left == 300 * (len(statuses) - 1)
        assert statuses[-1] == 429
        assert left < 2 * 300 + 512

    asyncio.run(scene())


def test_a_reload_keeps_levels_and_adopts_keys(tmp_path: Path) -> None:
    """A key that stays has used what it has used; one that is gone is unknown; a new one comes in at once."""

    async def scene() -> None:
        provider = ScriptedProvider({"a": []}, otherwise=ANSWER)
        (stays, stays_hash), (goes, goes_hash), (comes, comes_hash) = make(), make(), make()
        file = tmp_path / "fleet.yaml"

        def write(keys: dict[str, Any], **more: Any) -> None:
            fleet = {
                "version": 1, "state": "process", "gateway": {"keys": keys},
                "providers": {"a": {"adapter": "openai", "base_url": provider.base_url("a")}},
                "deployments": {"a": {"model": "a/m"}}, **more,
            }  # fmt: skip
            file.write_bytes(msgspec.json.encode(fleet))

        async def status(key: str) -> int:
            visit = Visit(body={**ASK, "model": "a"}, headers={"x-api-key": key})
            await app(visit.scope, visit.receive, visit.send)
            return visit.seen.status

        limit = {"rpm": 120, "burst_s": 1}
        write({"stays": {"hash": stays_hash, **limit}, "goes": {"hash": goes_hash}})
        app = gateway.app(file, transport=provider)
        assert [await status(stays), await status(goes), await status(comes)] == [200, 200, 401]
        write({"stays": {"hash": stays_hash, **limit}, "comes": {"hash": comes_hash, **limit}})
        app.reload()
        assert [await status(key) for key in (stays, stays, goes, comes)] == [200, 429, 401, 200]
        write({"stays": {"hash": stays_hash, "rpm": 0}})
        with pytest.raises(ConfigError, match=r"gateway\.keys\.stays\.rpm"):
            app.reload()
        assert [await status(stays), await status(comes)] == [429, 200]
        await app.aclose()

    asyncio.run(scene())


async def until(true: Any) -> None:
    """Wait until it is true; a fault of the test is a failure and no hang."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it never became true"
        await asyncio.sleep(0)


def level(place: Place, dimension: str) -> int:
    """What is left of a limit of the key `team`."""
    limits = place.gateway._limits
    assert limits is not None, "the gateway is open"
    left: int = limits.snapshot()["team"][dimension]
    return left
