"""junctor inside a LiteLLM Router: every kind of attempt is decided, held and settled once, in the real Router."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import litellm
import pytest

import junctor
from junctor.testing import Latency, faults
from tests.older.routed import HELLO, Routed, entry, provider, routed, until

USAGE = {"include_usage": True}


async def _whole(at: Routed) -> None:
    answer = await at.router.acompletion("chat", HELLO)
    assert answer.choices[0].message.content


async def _stream(at: Routed) -> None:
    chunks = [chunk async for chunk in await at.router.acompletion("chat", HELLO, stream=True, stream_options=USAGE)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def _blocking(at: Routed) -> None:
    answer = await asyncio.to_thread(at.router.completion, "chat", HELLO)
    assert answer.choices[0].message.content


async def _blocking_stream(at: Routed) -> None:
    def read() -> list[Any]:
        return list(at.router.completion("chat", HELLO, stream=True, stream_options=USAGE))

    assert len(await asyncio.to_thread(read)) > 1


async def _responses(at: Routed) -> None:
    answer = await at.router.aresponses(model="chat", input="Say something about rivers.", max_output_tokens=64)
    assert answer.output


WAYS = [_whole, _stream, _blocking, _blocking_stream]


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("way", WAYS)
def test_an_attempt_is_settled_once_with_its_usage(way: Callable[..., Any], dialect: str) -> None:
    """Whole or streamed, on the loop or blocking: junctor's tokens are those that the provider counted."""
    with provider("a", dialect=dialect).in_thread() as there, routed([entry("chat", there, "a", dialect)]) as at:
        at.run(way(at))
        state, seen = at.state("a"), there.counts(key="a")
        assert at.counters == {"attempts": 1, "settled": 1}
        assert (state["attempts"], state["succeeded"]) == (1, 1)
        assert (state["input_tokens"], state["output_tokens"]) == (seen.input_tokens, seen.output_tokens)
        assert state["cost_usd_micros"] > 0


async def _responses_stream(at: Routed) -> None:
    events = [event async for event in await at.router.aresponses(model="chat", input="Rivers?", stream=True)]
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("way", [_responses, _responses_stream])
def test_other_apis_of_the_router_are_decided_too(way: Callable[..., Any]) -> None:
    """OpenAI's responses go through the same strategy, with metadata under another name."""
    with provider("a").in_thread() as there, routed([entry("chat", there, "a")]) as at:
        at.run(way(at))
        assert at.state("a")["output_tokens"] == there.counts(key="a").output_tokens
        assert at.counters == {"attempts": 1, "settled": 1}


def test_embeddings_are_decided_too() -> None:
    """Texts and token ids."""
    with provider("a").in_thread() as there:
        entries = [entry("vectors", there, "a", model="openai/text-embedding-3-small")]
        with routed(entries) as at:
            at.run(at.router.aembedding("vectors", input=["one", "two"]))
            at.run(at.router.aembedding("vectors", input="one"))
            state = at.state("a")
            assert (state["succeeded"], state["input_tokens"]) == (2, there.counts(key="a").input_tokens)


@pytest.mark.parametrize("way", [_whole, _blocking])
def test_attempts_follow_the_weights(way: Callable[..., Any]) -> None:
    """LiteLLM's `weight`, as junctor draws by it."""
    with provider("a", "b").in_thread() as there:
        entries = [entry("chat", there, "a", weight=49), entry("chat", there, "b", weight=1)]

        async def calls(at: Routed) -> None:
            for _ in range(40):
                await way(at)

        with routed(entries) as at:
            at.run(calls(at))
            assert there.counts(key="a").ok > 4 * there.counts(key="b").ok
            assert there.counts().ok == at.counters["settled"] == 40


def test_a_limit_is_exact_under_concurrency(tmp_path: Any) -> None:
    """Of 24 calls at once 7 are let in, by a limit that all share; LiteLLM's own count them only afterwards."""
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "version: 1\nstate: process\npools: {account: {rpm: 7, burst_s: 60}}\n"
        "deployments:\n  a: {model: openai/gpt-5.4, pools: [account]}\n  b: {model: openai/gpt-5.4, pools: [account]}\n"
        "groups: {chat: {members: [a, b]}}\n",
        encoding="utf-8",
    )

    async def calls(at: Routed) -> list[Any]:
        return await asyncio.gather(*(at.router.acompletion("chat", HELLO) for _ in range(24)), return_exceptions=True)

    with provider("a", "b").in_thread() as there:
        entries = [entry("chat", there, "a"), entry("chat", there, "b")]
        with routed(entries, fleet=file) as at:
            answers = at.run(calls(at))
            refused = [answer for answer in answers if isinstance(answer, Exception)]
            assert (len(answers) - len(refused), there.counts().requests) == (7, 7)
            assert {type(error) for error in refused} == {litellm.RateLimitError}
            first: Any = refused[0]
            assert (first.status_code, first.llm_provider) == (429, "junctor")
            assert 0 < first.cooldown_time <= 60
            assert 1 <= int(first.response.headers["retry-after"]) <= 60
            assert isinstance(first.__cause__, junctor.NoCapacity)
            assert "chat" in str(first)
            assert "None" not in str(first)
            assert at.counters["refused"] == 17


def test_a_call_may_wait_for_capacity() -> None:
    """Two permits and four calls: the others get theirs when the first are settled."""

    async def calls(at: Routed) -> None:
        await asyncio.gather(*(at.router.acompletion("chat", HELLO) for _ in range(4)))

    with provider("a", latency=Latency(first_token_s=0.05)).in_thread() as there:
        entries = [entry("chat", there, "a", max_parallel_requests=2)]
        with routed(entries, max_wait_s=10.0) as at:
            at.run(calls(at))
            assert there.counts().ok == 4
            assert at.counters["waited"] > 0


def test_a_failed_attempt_is_retried_elsewhere() -> None:
    """LiteLLM retries; junctor sends the retry where this call was not yet."""

    async def calls(at: Routed) -> None:
        for _ in range(4):
            await _whole(at)

    with provider("a", "b").in_thread() as there:
        there.inject(faults.overloaded(), key="a")
        entries = [entry("chat", there, "a", weight=1000), entry("chat", there, "b", weight=1)]
        with routed(entries, num_retries=1) as at:
            at.run(calls(at))
            assert there.counts(key="b").ok == 4
            assert at.state("a")["throttled"] == there.counts(key="a").requests > 0


def test_a_breaker_opens_and_traffic_moves() -> None:
    """A provider that only fails is left alone, though LiteLLM's cooldowns are off; its fallbacks go on at once."""

    async def calls(at: Routed) -> None:
        for _ in range(24):
            await _whole(at)

    with provider("a", "b").in_thread() as there:
        there.inject(faults.server_error(), key="a")
        entries = [entry("chat", there, "a"), entry("other", there, "b")]
        with routed(entries, fallbacks=[{"chat": ["other"]}]) as at:
            at.run(calls(at))
            asked = there.counts(key="a").requests
            assert at.state("a")["breaker"] != "closed"
            assert there.counts(key="b").ok == 24
            assert at.counters == {"attempts": asked + 24, "settled": asked + 24, "refused": 24 - asked}
            assert asked < 24


def test_a_refused_group_falls_back_as_litellm_says() -> None:
    """LiteLLM's fallbacks stay its own: nobody free in one group, then the other, both decided by junctor."""
    with provider("a").in_thread() as there, provider("c", dialect="anthropic").in_thread() as other:
        entries = [entry("chat", there, "a"), entry("claude", other, "c", "anthropic")]
        with routed(entries, fallbacks=[{"chat": ["claude"]}]) as at:
            at.strategy.router.set_breaker("chat", "open")
            at.run(_whole(at))
            assert (there.counts().requests, other.counts().ok) == (0, 1)
            assert at.counters == {"attempts": 1, "settled": 1, "refused": 1}


def test_the_rules_of_a_fleet_file_route_auto(tmp_path: Any) -> None:
    """A name that LiteLLM itself does not know: it does not retry that, and falls back where it is told to."""
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "version: 1\nstate: process\ndeployments: {a: {model: openai/gpt-5.4}, b: {model: openai/gpt-5.4}}\n"
        "groups: {small: {members: [a]}, large: {members: [b], fallback: [small]}}\n"
        "rules: [{name: titles, when: {task: title}, use: small}, {name: rest, use: large}]\n",
        encoding="utf-8",
    )

    async def calls(at: Routed) -> None:
        await at.router.acompletion("auto", HELLO, metadata={"junctor": {"task": "title"}})
        await at.router.acompletion("auto", HELLO)
        there.inject(faults.server_error(), key="b")
        await at.router.acompletion("auto", HELLO)

    with provider("a", "b").in_thread() as there:
        entries = [entry("small", there, "a"), entry("large", there, "b")]
        with routed(entries, fleet=file, fallbacks=[{"auto": ["small"]}]) as at:
            at.run(calls(at))
            assert (there.counts(key="a").ok, there.counts(key="b").ok, there.counts(key="b").failed) == (2, 1, 1)


def test_a_cancelled_call_gives_its_permit_back() -> None:
    """No callback tells of it; the reservation ends with the call's last reference."""

    async def cancelled(at: Routed) -> None:
        call = asyncio.create_task(at.router.acompletion("chat", HELLO))
        await asyncio.to_thread(until, lambda: there.counts().in_flight)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with provider("a").in_thread() as there:
        there.inject(faults.hang())
        with routed([entry("chat", there, "a")]) as at:
            at.run(cancelled(at))
            state = at.state("a")
            assert at.counters == {"attempts": 1, "abandoned": 1}
            assert (state["in_flight"], state["failed"]) == (0, 0)


@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_that_is_left_gives_its_permit_back(closed: bool) -> None:
    """Closed or forgotten: LiteLLM tells of neither."""

    async def left(at: Routed) -> None:
        stream = await at.router.acompletion("chat", HELLO, stream=True)
        assert await anext(stream)
        if closed:
            await stream.aclose()

    with provider("a").in_thread() as there, routed([entry("chat", there, "a")]) as at:
        at.run(left(at))
        at.ended()
        assert at.counters == {"attempts": 1, "abandoned": 1}


def test_a_timeout_counts_against_the_deployment_if_it_is_its_own() -> None:
    """An impatient caller is nobody's ill health; the entry's `timeout` is what the deployment is granted."""
    with provider("a", "b").in_thread() as there:
        there.inject(faults.hang())
        entries = [entry("granted", there, "a", timeout=0.1), entry("hurried", there, "b")]
        with routed(entries) as at:
            with pytest.raises(litellm.Timeout):
                at.run(at.router.acompletion("granted", HELLO))
            with pytest.raises(litellm.Timeout):
                at.run(at.router.acompletion("hurried", HELLO, timeout=0.1))
            assert at.state("a")["failed"] == 1
            assert at.state("b")["failed"] == 0
            assert at.counters == {"attempts": 2, "settled": 2}


@pytest.mark.parametrize("way", [_stream, _blocking_stream])
def test_a_stream_that_breaks_is_a_failure(way: Callable[..., Any]) -> None:
    """What LiteLLM tells of then is an exception of the HTTP library's, not of its own."""
    with provider("a").in_thread() as there:
        there.inject(faults.cut(2))
        with routed([entry("chat", there, "a")]) as at:
            with pytest.raises(litellm.APIConnectionError):
                at.run(way(at))
            assert at.state("a")["failed"] == 1
            assert at.counters == {"attempts": 1, "settled": 1}


def test_a_stream_that_goes_on_elsewhere_is_two_attempts() -> None:
    """LiteLLM begins anew in a fallback group when a stream breaks before its first content."""
    with provider("a", "b").in_thread() as there:
        there.inject(faults.cut(0), key="a")
        entries = [entry("chat", there, "a"), entry("other", there, "b")]
        with routed(entries, fallbacks=[{"chat": ["other"]}]) as at:
            at.run(_stream(at))
            assert at.counters == {"attempts": 2, "settled": 2}
            assert (at.state("a")["failed"], at.state("b")["succeeded"]) == (1, 1)


def test_every_attempt_of_a_storm_is_settled_once() -> None:
    """All faults at once, retries, cancellations, streams and blocking calls: attempts = settled + abandoned."""

    async def calls(at: Routed) -> Counter[str]:
        tasks = [asyncio.create_task(WAYS[number % 4](at)) for number in range(48)]
        for task in tasks[::8]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return Counter(type(result).__name__ for result in results)

    with provider("a", "b", "c", seed=3).in_thread() as there:
        there.inject(faults.server_error(0.3), key="a")
        there.inject(faults.throttle(0.3), key="b")
        there.inject(faults.cut(1, 0.3), key="c")
        with routed([entry("chat", there, label) for label in "abc"], num_retries=1) as at:
            ends = at.run(calls(at))
            at.balanced()
            assert ends["NoneType"] > 10
            assert ends["CancelledError"] == 6
            assert at.counters["attempts"] >= there.counts().requests
