"""Every fault of a simulated provider, seen by a raw client and in the provider's own counters."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from junctor.testing import Key, Latency, Limits, SimulatedProvider, faults
from tests.testing.raw import DIALECTS, Got, ask, on_manual_time, one_key

WORDS = "one two three four five"
TERMINAL = {"openai": b"[DONE]", "anthropic": b"message_stop", "gemini": b'"finishReason":"STOP"'}
ERROR_MARK = {"openai": b'{"error":', "anthropic": b"event: error", "gemini": b'{"error":'}


def hit(dialect: str, fault: faults.Fault, *, stream: bool = False) -> tuple[Got, SimulatedProvider]:
    """One request to a provider with this fault."""
    provider = one_key(dialect, text=WORDS, latency=Latency(first_token_s=1.0))

    async def scenario() -> Got:
        async with provider:
            provider.inject(fault)
            got = await ask(provider, dialect, stream=stream)
            await asyncio.sleep(0.01)  # the server learns of an abandoned connection on its next turn
            return got

    return on_manual_time(scenario()), provider


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("fault", "statuses", "counter"),
    [
        (faults.dead(), {"openai": 401, "anthropic": 401, "gemini": 400}, "failed"),
        (faults.server_error(), {"openai": 500, "anthropic": 500, "gemini": 500}, "failed"),
        (faults.server_error(status=502), {"openai": 502, "anthropic": 502, "gemini": 502}, "failed"),
        (faults.overloaded(), {"openai": 503, "anthropic": 529, "gemini": 503}, "failed"),
        (faults.throttle(), {"openai": 429, "anthropic": 429, "gemini": 429}, "throttled"),
        (faults.spend_cap(), {"openai": 429, "anthropic": 429, "gemini": 429}, "throttled"),
        (faults.spend_cap(status=400), {"openai": 400, "anthropic": 400, "gemini": 400}, "failed"),
    ],
)
def test_error_answers_have_the_providers_status_and_an_error_body(
    dialect: str, fault: faults.Fault, statuses: dict[str, int], counter: str
) -> None:
    for stream in (False, True):
        got, provider = hit(dialect, fault, stream=stream)
        counts = provider.counts()
        assert got.status == statuses[dialect]
        assert got.complete
        assert got.json()["error"]["message"]
        assert "retry-after" not in got.headers
        assert (counts.requests, getattr(counts, counter)) == (1, 1)
        assert counts.statuses == {got.status: 1}
        assert counts.faults == {fault.kind: 1}


def test_a_throttle_gives_its_hint_where_the_provider_gives_it() -> None:
    fault = faults.throttle(retry_after_s=1.5)
    openai, anthropic, gemini = (hit(dialect, fault)[0] for dialect in DIALECTS)
    assert (openai.headers["retry-after-ms"], openai.headers["retry-after"]) == ("1500", "2")
    assert anthropic.headers["retry-after"] == "2"
    assert "retry-after" not in gemini.headers
    assert gemini.json()["error"]["details"][0]["retryDelay"] == "2s"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_html_and_empty_answers_come_with_status_200(dialect: str) -> None:
    page, _ = hit(dialect, faults.html())
    nothing, provider = hit(dialect, faults.empty(), stream=True)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert (nothing.status, nothing.body, nothing.complete) == (200, b"", True)
    assert provider.counts().failed == 1


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_hang_sends_nothing_and_counts_the_client_that_left(dialect: str, stream: bool) -> None:
    got, provider = hit(dialect, faults.hang(), stream=stream)
    counts = provider.counts()
    assert (got.silent, got.status, got.body) == (True, 0, b"")
    assert (counts.aborted, counts.in_flight) == (1, 0)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("events", [0, 2])
def test_a_stall_sends_headers_prelude_and_so_many_events_and_then_nothing(dialect: str, events: int) -> None:
    got, provider = hit(dialect, faults.stall(events), stream=True)
    assert (got.status, got.silent) == (200, True)
    assert words_in(got) == WORDS.split()[:events]
    assert TERMINAL[dialect] not in got.body
    assert dialect == "gemini" or got.chunks
    assert (provider.counts().aborted, provider.counts().streams_open) == (1, 0)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("events", [0, 3])
@pytest.mark.parametrize("how", ["close", "reset", "clean"])
def test_a_cut_stream_ends_after_so_many_events_without_its_terminal_marker(
    dialect: str, events: int, how: faults.Break
) -> None:
    got, provider = hit(dialect, faults.cut(events, how=how), stream=True)
    assert TERMINAL[dialect] not in got.body
    assert (got.complete, got.reset) == (how == "clean", how == "reset")
    if how != "reset":  # what a reset overtakes is lost
        assert words_in(got) == WORDS.split()[:events]
    assert (provider.counts().broken, provider.counts().ok) == (1, 0)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("events", [0, 2])
def test_an_error_event_comes_before_or_after_content_in_a_stream_with_status_200(dialect: str, events: int) -> None:
    got, provider = hit(dialect, faults.stream_error(events), stream=True)
    assert (got.status, got.complete) == (200, True)
    assert ERROR_MARK[dialect] in got.chunks[-1]
    assert words_in(got) == WORDS.split()[:events]
    assert TERMINAL[dialect] not in got.body
    assert provider.counts().failed == 1


@pytest.mark.parametrize("how", ["close", "clean"])
def test_a_cut_whole_answer_is_half_a_body(how: faults.Break) -> None:
    got, provider = hit("openai", faults.cut(how=how))
    assert got.body.startswith(b'{"id"')
    assert not got.body.endswith(b"}}")
    assert got.complete == (how == "clean")
    assert provider.counts().broken == 1


def test_slow_multiplies_the_time_of_everything() -> None:
    async def scenario() -> list[float]:
        loop = asyncio.get_running_loop()
        times = []
        async with one_key(text=WORDS, latency=Latency(first_token_s=1.0, per_output_token_s=0.1)) as provider:
            for factor in (1.0, 8.0):
                provider.inject(faults.slow(factor))
                began_s = loop.time()
                await ask(provider)
                times.append(loop.time() - began_s)
                provider.clear()
        return times

    assert on_manual_time(scenario()) == pytest.approx([1.5, 12.0])


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_usage_can_be_missing(dialect: str, stream: bool) -> None:
    got, _ = hit(dialect, faults.no_usage(), stream=stream)
    assert b"sage" not in got.body.replace(b"message", b"").replace(b"Message", b"")


def test_an_answer_can_be_unsure_of_its_words() -> None:
    """Log-probabilities are told to who asks, whole and streamed: by default good ones."""
    for stream in (False, True):
        for fault, told in ((None, -0.1), (faults.unsure(-2.0), -2.0), (faults.unsure(), None)):
            assert _logprobs(fault, stream=stream) == told


def _logprobs(fault: faults.Fault | None, *, stream: bool) -> float | None:
    async def scenario() -> bytes:
        async with one_key() as provider:
            if fault is not None:
                provider.inject(fault)
            return (await ask(provider, stream=stream, logprobs=True)).body

    told = set(re.findall(rb'"logprob":(-[0-9.]+)', on_manual_time(scenario())))
    return float(told.pop()) if told else None


def test_headers_can_lie_about_what_is_left() -> None:
    for dialect in ("openai", "anthropic"):
        got, _ = hit_with_limits(dialect, faults.lying_headers("NaN", limit="-1"))
        told = {name: value for name, value in got.headers.items() if "ratelimit" in name and "reset" not in name}
        assert set(told.values()) == {"NaN", "-1"}


def hit_with_limits(dialect: str, fault: faults.Fault) -> tuple[Got, SimulatedProvider]:
    provider = SimulatedProvider([Key("k", dialect=dialect, limits=Limits(rpm=10, tpm=10_000))])

    async def scenario() -> Got:
        async with provider:
            provider.inject(fault)
            return await ask(provider, dialect)

    return on_manual_time(scenario()), provider


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_lost_region_is_unreachable_while_the_others_serve_and_comes_back(how: str) -> None:
    async def scenario() -> None:
        keys = [Key("k", region="us"), Key("e", region="eu")]
        async with SimulatedProvider(keys) as provider:
            lost = provider.inject(faults.lost("reset" if how == "reset" else "close"), region="eu")
            gone = await ask(provider, key="e", region="eu")
            assert gone.reset if how == "reset" else gone.refused
            assert (await ask(provider, key="k", region="us")).status == 200
            provider.remove(lost)
            provider.remove(lost)
            assert (await ask(provider, key="e", region="eu")).status == 200

    on_manual_time(scenario())


def test_faults_hit_only_the_keys_they_name_and_end_when_removed() -> None:
    async def scenario() -> None:
        keys = [Key("a"), Key("b"), Key("k", dialect="anthropic")]
        async with SimulatedProvider(keys) as provider:

            async def statuses() -> list[int]:
                return [
                    (await ask(provider, key="a")).status,
                    (await ask(provider, key="b")).status,
                    (await ask(provider, "anthropic")).status,
                ]

            dead = provider.inject(faults.dead(), key="a")
            assert await statuses() == [401, 200, 200]
            provider.inject(faults.overloaded(), dialect="anthropic")
            assert await statuses() == [401, 200, 529]
            provider.remove(dead)
            assert await statuses() == [200, 200, 529]
            provider.inject(faults.server_error(), region="us")
            provider.clear(region="us")
            assert await statuses() == [200, 200, 529]
            provider.clear()
            assert await statuses() == [200, 200, 200]

    on_manual_time(scenario())


def test_a_rate_hits_that_share_of_requests_and_a_seed_repeats_it() -> None:
    async def scenario(seed: int) -> list[int]:
        async with one_key(seed=seed) as provider:
            provider.inject(faults.server_error(0.3))
            return [(await ask(provider)).status for _ in range(200)]

    first = on_manual_time(scenario(1))
    assert 40 <= first.count(500) <= 80
    assert on_manual_time(scenario(1)) == first
    assert on_manual_time(scenario(2)) != first


def test_faults_work_the_same_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

    async def scenario() -> None:
        async with one_key(text=WORDS) as provider:
            assert (await ask(provider, stream=True)).complete
            reset = provider.inject(faults.cut(1, how="reset"))
            assert (await ask(provider, stream=True)).reset
            provider.remove(reset)
            for how in ("close", "reset"):
                lost = provider.inject(faults.lost("reset" if how == "reset" else "close"), region="us")
                gone = await ask(provider)
                assert gone.reset if how == "reset" else gone.refused
                provider.remove(lost)
                assert (await ask(provider)).status == 200

    uvloop.run(scenario())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: faults.hang(1.5), "rate is 1.5, allowed is 0 to 1"),
        (lambda: faults.cut(-1), "after_events is -1, allowed is 0 or more"),
        (lambda: faults.slow(0), "factor is 0, allowed is above 0"),
        (lambda: one_key().inject(faults.dead(), key="x"), "no key matches key='x'"),
        (lambda: one_key().inject(faults.lost(), key="k"), "give region= and nothing else"),
        (lambda: one_key().inject(faults.lost(), region="mars"), "region is 'mars', allowed are us"),
        (
            lambda: Key("k", dialect="cobol"),
            "dialect is 'cobol', allowed are openai, openai-responses, anthropic, gemini",
        ),
        (lambda: SimulatedProvider([Key("k"), Key("k")]), "'k' appears twice"),
    ],
)
def test_what_cannot_be_is_refused_with_the_allowed_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def words_in(got: Got) -> list[str]:
    """The words of WORDS that arrived."""
    return [word for word in WORDS.split() if f'"{word}"'.encode() in got.body or f'" {word}"'.encode() in got.body]
