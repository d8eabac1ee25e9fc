"""With `cache: auto` the second call with the same beginning lands where it is warm, and costs what reads cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from junctor import config
from junctor.adapters import get
from junctor.client import Client
from junctor.exceptions import StreamInterrupted
from junctor.receipts import Receipt
from junctor.reply import Reply, Usage
from junctor.request import ChatRequest, Endpoint, Message
from junctor.router import Router
from junctor.shaping.cache_points import keyed
from junctor.testing import Key, SimulatedProvider, faults
from junctor.testing.scripted import ok
from tests.shaping.fleet import Fleet, receipt

SYSTEM = {"role": "system", "content": "You know the exchange by heart. " * 400}  # 12,800 characters
PRICE = {"input": 3.0, "output": 0.0, "cached_input": 0.3, "cache_write": 3.75}


KEYS = [f"sk-{letter}" for letter in "abcde"]


def opened(
    provider: SimulatedProvider,
    folder: Path,
    on_receipt: Callable[[Receipt], object],
    limits: dict[str, int] | None = None,
    **group: Any,
) -> Client:
    """A client over one Claude at the provider's keys, each with these limits, in the group `g`."""
    for key in provider.keys:
        (folder / key.secret).write_text(key.secret, encoding="utf-8")
    deployments = {
        f"d{place}": {
            "model": "anthropic/claude-sonnet-4-5",
            "key": f"file:{key.secret}",
            "price": PRICE,
            **(limits or {}),
        }
        for place, key in enumerate(provider.keys)
    }
    fleet = config.from_mapping(
        {
            "version": 1,
            "state": "process",
            "providers": {"anthropic": {"base_url": provider.base_url("anthropic")}},
            "deployments": deployments,
            "groups": {"g": {"members": list(deployments), **group}},
        },
        folder=folder,
    )
    return Client(Router.from_config(fleet, seed=5), on_receipt=on_receipt, seed=5)


def asking(number: int) -> list[Message]:
    return [SYSTEM, {"role": "user", "content": f"Question {number}"}]


def micros(usage: Usage) -> float:
    """What these tokens cost."""
    plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    read, write = usage.cached_tokens * PRICE["cached_input"], usage.cache_write_tokens * PRICE["cache_write"]
    return plain * PRICE["input"] + read + write


def calls(folder: Path, count: int, **group: Any) -> tuple[list[Reply], int]:
    """(replies of calls that share a beginning, how many keys saw any): five keys of one Claude."""

    async def run() -> tuple[list[Reply], int]:
        async with SimulatedProvider([Key(key, dialect="anthropic") for key in KEYS]) as provider:
            async with opened(provider, folder, lambda _: None, **group) as client:
                replies = [await client.chat("g", asking(number)) for number in range(count)]
            return replies, sum(provider.counts(key=key).requests > 0 for key in KEYS)

    return asyncio.run(run())


def test_the_second_call_reads_what_the_first_wrote_at_a_tenth_of_the_price(tmp_path: Path) -> None:
    replies, keys = calls(tmp_path, 4, cache="auto")
    assert keys == 1
    first, *later = replies
    written = first.usage.cache_write_tokens
    assert written > 3_000
    assert first.usage.cached_tokens == 0
    for reply in later:
        assert (reply.usage.cached_tokens, reply.usage.cache_write_tokens) == (written, 0)
    for reply in replies:
        assert receipt(reply).cost_usd_micros == pytest.approx(micros(reply.usage), abs=3)
    assert later[0].cost_usd < first.cost_usd / 10


@pytest.mark.parametrize("ending", ["cut", "left", "late"])
def test_a_stream_that_ends_early_is_charged_what_its_cached_prompt_costs(tmp_path: Path, ending: str) -> None:
    """What was read from the cache is told at the beginning, and the answer's pieces are counted as they come."""
    told: list[Receipt] = []

    async def run() -> Usage:
        async with (
            SimulatedProvider([Key("sk-a", dialect="anthropic")], text="one two three four") as provider,
            opened(provider, tmp_path, told.append, cache="auto") as client,
        ):
            written = (await client.chat("g", asking(0))).usage.cache_write_tokens
            fault = faults.cut(after_events=2) if ending == "cut" else faults.stall(after_events=2)
            provider.inject(fault)
            stream = client.stream("g", asking(1), deadline_s=0.5 if ending == "late" else 30)
            if ending == "left":
                async with stream as events:
                    seen = [await anext(events), await anext(events)]
                    assert len(seen) == 2
            else:
                with pytest.raises(StreamInterrupted) as caught:
                    async for _ in stream:
                        pass
                assert caught.value.usage.cached_tokens == written
            return Usage(output_tokens=2, cached_tokens=written)

    usage = asyncio.run(run())
    attempt = told[1].attempts[0]
    assert attempt.output_tokens == usage.output_tokens
    assert usage.cached_tokens > 3_000
    expected = msgspec.structs.replace(usage, input_tokens=attempt.input_tokens)
    assert attempt.cost_usd_micros == pytest.approx(micros(expected), abs=1)


def test_what_is_expected_from_the_cache_is_not_held(tmp_path: Path) -> None:
    """The first call only wrote, so the second holds its prompt whole; from the third on what was read is left out."""
    replies, _ = calls(tmp_path, 4, limits={"input_tpm": 1_000_000}, cache="auto")
    attempts = [receipt(reply).attempts[0] for reply in replies]
    held = [sum(attempt.decision.held.values()) for attempt in attempts]  # one limit each
    settled = [sum(attempt.settled.values()) for attempt in attempts]
    read = replies[1].usage.cached_tokens
    assert read > 3_000
    assert held[0] == held[1]
    assert held[2] == held[3] == held[1] - read
    assert settled[2] == replies[2].usage.input_tokens - read


def test_without_it_nothing_is_cached_and_calls_spread(tmp_path: Path) -> None:
    replies, keys = calls(tmp_path, 8)
    assert keys > 1
    assert {(reply.usage.cached_tokens, reply.usage.cache_write_tokens) for reply in replies} == {(0, 0)}


def test_a_call_may_ask_for_it_or_decline() -> None:
    messages = [SYSTEM, {"role": "user", "content": "Hi"}]
    asked = Fleet({"claude": [ok(), ok()]})
    asked.chat(messages, cache="auto")
    assert b"cache_control" in asked.provider.sent[0].request.body
    declined = Fleet({"claude": [ok()]}, groups={"g": {"members": ["claude"], "cache": "auto"}})
    declined.chat(messages, cache="off")
    assert b"cache_control" not in declined.provider.sent[0].request.body


def test_a_provider_may_say_it_for_all_its_deployments() -> None:
    fleet = Fleet({"claude": [ok()], "gpt": []}, claude={"cache": "auto"})
    assert fleet.config.groups["g"].affinity == "prefix"
    fleet.chat([SYSTEM, {"role": "user", "content": "Hi"}])
    assert b"cache_control" in fleet.provider.sent[0].request.body
    fleet = Fleet(
        {"claude": [ok()]}, claude={"cache": "auto"}, groups={"g": {"members": ["claude"], "affinity": "off"}}
    )
    assert fleet.config.groups["g"].affinity == "off"


def test_openai_itself_gets_a_key_made_from_the_session() -> None:
    fleet = Fleet({"gpt": [ok()]}, groups={"g": {"members": ["gpt"], "cache": "auto"}})
    fleet.chat(session="Ada's")
    assert "prompt_cache_key" not in fleet.bodies()[0]  # a copy of the API may refuse what it does not know
    home = "https://api.openai.com/v1"
    endpoint = Endpoint(deployment="d", provider="openai", adapter="openai", model="gpt-5.6", base_url=home)
    request = keyed(ChatRequest(messages=[{"role": "user", "content": "Hi"}]), "openai", "Ada's")
    assert b'"prompt_cache_key":"' in get("openai").build(request, endpoint).body
