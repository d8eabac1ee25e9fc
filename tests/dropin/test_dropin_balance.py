"""Requests of an unchanged program are spread, limited and failed over like any others of the fleet."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from junctor.testing import Latency, faults
from tests.dropin.place import HELLO, WORDS, keys

MOST = 80
KEYS = ["sk-a", "sk-b", "sk-c", "sk-d"]
NOW = {"x-junctor-max-wait-s": "0"}
FAULTS = [faults.server_error(), faults.dead(), faults.cut(0), faults.throttle(retry_after_s=30)]


def test_many_threads_share_the_keys_and_no_more_than_one_thread_of_ours() -> None:
    """160 requests of 16 threads: each has its answer, each key its share, and the bridge is one thread."""
    before = bridges()
    alike = Latency(first_token_s=0.05)
    with keys(KEYS, latency=alike) as place, place.openai() as llm, ThreadPoolExecutor(16) as threads:

        def ask(number: int) -> int:
            if number % 2:
                chunks = list(llm.chat.completions.create(model="auto", messages=HELLO, stream=True))
                text = "".join((chunk.choices[0].delta.content or "") if chunk.choices else "" for chunk in chunks)
            else:
                text = llm.chat.completions.create(model="auto", messages=HELLO).choices[0].message.content or ""
            return len(text.split())

        assert set(threads.map(ask, range(160))) == {WORDS}
        assert len(bridges() - before) == 1
        shares = [place.provider.counts(key=key).requests for key in KEYS]
        assert sum(shares) == 160
        assert min(shares) >= 10, shares
        assert not place.in_flight
    assert not bridges() - before


def bridges() -> set[threading.Thread]:
    """The threads of bridges that there are."""
    return {thread for thread in threading.enumerate() if thread.name == "junctor-bridge"}


def test_async_and_sync_callers_share_one_transport_and_its_limits() -> None:
    """Ten a minute for each of two keys are twenty for both kinds of callers together."""
    with keys(KEYS[:2], rpm=10, burst_s=60) as place:

        async def one(llm: openai.AsyncOpenAI) -> bool:
            try:
                await llm.chat.completions.create(model="auto", messages=HELLO, extra_headers=NOW)
            except openai.RateLimitError:
                return False
            return True

        async def twelve() -> list[bool]:
            async with place.openai_async() as llm:
                done = await asyncio.gather(*(one(llm) for _ in range(12)))
            await place.client.leave_loop()
            return done

        assert asyncio.run(twelve()) == [True] * 12
        with place.openai() as llm:
            for _ in range(8):
                llm.chat.completions.create(model="auto", messages=HELLO, extra_headers=NOW)
            with pytest.raises(openai.RateLimitError) as limited:
                llm.chat.completions.create(model="auto", messages=HELLO, extra_headers=NOW)
            assert int(limited.value.response.headers["retry-after"]) >= 1
        assert asyncio.run(twelve()) == [False] * 12
        assert place.provider.counts().requests == 20


@pytest.mark.parametrize("fault", FAULTS)
def test_a_key_that_fails_is_not_noticed(fault: faults.Fault) -> None:
    """Whole answers and streams: another key serves, and a header tells of the attempts."""
    with keys(KEYS) as place, place.openai() as llm:
        place.provider.inject(fault, key="sk-a")
        asked = attempts = 0
        # The draw decides when the key that fails is asked; that it never is in so many calls happens to nobody.
        while asked < MOST and (asked < 4 or not place.provider.counts(key="sk-a").requests):
            raw: Any = llm.chat.completions.with_raw_response.create(
                model="auto", messages=HELLO, stream=bool(asked % 2)
            )
            answer = raw.parse()
            assert len(list(answer)) > WORDS if asked % 2 else answer.choices[0].message.content
            asked += 1
            attempts += int(raw.headers["x-junctor-attempts"])
        assert attempts > asked
        assert not place.in_flight
