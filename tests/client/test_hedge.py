"""Hedging: a second attempt beside a slow first one, and never a trace of the one that lost."""

from __future__ import annotations

import asyncio
import errno
import gc
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from junctor import adapters
from junctor.exceptions import DeadlineExceeded, InvalidRequest, ServerError
from junctor.receipts import Attempt, Receipt
from junctor.reply import TextDelta
from junctor.request import ChatRequest, Endpoint, HttpRequest
from junctor.testing.scripted import Outcome, fail, hang, ok, raise_connection, stream
from junctor.transport.base import Response
from tests.client.stage import MESSAGES, Stage, outcomes, read, turns

STREAM_WAIT_S = 3.2
"""Four times the prior of 0.8 s, which is what the core goes by before it has measured anything."""
CHAT_WAIT_S = STREAM_WAIT_S + 0.8 * 10 / 50
"""The same and the time to write ten tokens."""
ROOMY: list[Mapping[str, Any]] = [
    {"dimension": "rpm", "limit": 60_000, "window_s": 60, "burst_s": 60},
    {"dimension": "tpm", "limit": 1_000_000, "window_s": 60, "burst_s": 60},
    {"dimension": "concurrency", "limit": 4, "window_s": 1, "burst_s": 1},
]


def hedging(script: Mapping[str, list[Outcome]], *, saved: int = 1, **more: Any) -> Stage:
    """A stage whose group hedges, with so many hedges saved up."""
    stage = Stage(script, hedge=True, **more)
    for _ in range(20 * saved):
        stage.router.note_call()
    return stage


def counted(stage: Stage) -> dict[str, int]:
    """The counters of hedging."""
    counters = stage.router.snapshot()["counters"]
    return {name: count for name, count in counters.items() if name.startswith("hedge")}


def by_name(receipt: Receipt | None) -> dict[str, Attempt]:
    assert receipt is not None
    return {attempt.deployment: attempt for attempt in receipt.attempts}


def assert_nothing_left(stage: Stage) -> None:
    stage.assert_released()
    snapshot = stage.router.snapshot()
    pools = snapshot["pools"]
    assert {name: of["concurrency"]["level"] for name, of in pools.items()} == dict.fromkeys(pools, 4)
    assert snapshot["counters"].get("abandoned", 0) == 0


# ---- who wins ----


def test_a_chat_that_hangs_is_answered_by_another_deployment() -> None:
    """The caller waits for the hedge's start and one normal answer; the first attempt is cut off."""
    stage = hedging({"a": [hang()], "b": [ok("here", after_s=0.5)]})
    reply = stage.chat(max_tokens=10)
    assert reply.text == "here"
    assert stage.clock.now_s() == pytest.approx(CHAT_WAIT_S + 0.5, abs=0.02)
    assert outcomes(reply.receipt) == [("a", "cancelled"), ("b", "ok")]
    assert {name: attempt.hedge for name, attempt in by_name(reply.receipt).items()} == {"a": False, "b": True}
    assert [sent.state for sent in stage.provider.sent] == ["abandoned", "done"]
    stage.assert_released()


def test_a_stream_without_content_is_taken_over_by_another_deployment() -> None:
    """Headers and a prelude are no content. The caller sees one clean stream."""
    stage = hedging({"a": [stream("x", stall_after=0)], "b": [stream("one", " two", after_s=0.5)]})
    streamed = stage.stream()
    assert streamed.text == "one two"
    assert streamed.reply.text == "one two"
    assert stage.clock.now_s() == pytest.approx(STREAM_WAIT_S + 0.5, abs=0.02)
    assert outcomes(streamed.reply.receipt) == [("a", "cancelled"), ("b", "ok")]
    assert counted(stage)["hedge_won"] == 1
    stage.assert_released()


@pytest.mark.parametrize("streamed", [False, True])
def test_the_first_attempt_wins_if_it_is_faster_after_all(streamed: bool) -> None:
    """B47: one is delivered, the other aborted and settled; its waste is counted; the answer is the last attempt."""
    of = stream if streamed else ok
    stage = hedging({"a": [of("first", after_s=4.0)], "b": [of("second", after_s=4.0)]})
    reply = stage.stream().reply if streamed else stage.chat(max_tokens=10)
    assert reply.text == "first"
    assert outcomes(reply.receipt) == [("b", "cancelled"), ("a", "ok")]
    attempts = by_name(reply.receipt)
    assert attempts["b"].hedge
    assert reply.receipt is not None
    assert (reply.receipt.deployment, attempts["b"].status, attempts["a"].status) == ("a", None, 200)
    lost = attempts["b"]
    assert counted(stage) == {
        "hedged": 1,
        "hedge_won": 0,
        "hedge_denied": 0,
        "hedge_waste_tokens": lost.input_tokens + lost.output_tokens,
        "hedge_waste_usd_micros": lost.cost_usd_micros,
    }
    assert lost.cost_usd_micros > 0
    assert reply.cost_usd == pytest.approx(reply.receipt.cost_usd)
    assert lost.output_tokens == (0 if streamed else 10), "a stream without content has written nothing"
    stage.assert_released()


@pytest.mark.parametrize("streamed", [False, True])
def test_answers_in_the_same_turn_are_not_both_delivered(streamed: bool) -> None:
    """B47 at its sharpest: both have something to show at one instant, and only one is settled as an answer."""
    of, wait_s = (stream, STREAM_WAIT_S) if streamed else (ok, CHAT_WAIT_S)
    for early in (-2e-9, -1e-9, 0.0, 1e-9, 2e-9):
        stage = hedging({"a": [of("same", after_s=wait_s + 1.0)], "b": [of("same", after_s=1.0 + early)]})
        reply = stage.stream().reply if streamed else stage.chat(max_tokens=10)
        assert reply.text == "same"
        assert sorted(outcome for _, outcome in outcomes(reply.receipt)) == ["cancelled", "ok"]
        states = stage.router.snapshot()["deployments"].values()
        assert sum(state["succeeded"] for state in states) == 1
        stage.assert_released()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_hedge_that_was_never_sent_costs_nothing(streamed: bool) -> None:
    """The first attempt answers at the very instant at which its hedge would start: what is charged was sent."""
    of, wait_s = (stream, STREAM_WAIT_S) if streamed else (ok, CHAT_WAIT_S)
    for nanoseconds in range(-400, 100):
        after_s = wait_s + nanoseconds * 1e-9
        stage = hedging({"a": [of("here", after_s=after_s)], "b": [hang()]}, limits={"a": ROOMY, "b": ROOMY})

        async def scenario(stage: Stage = stage) -> dict[str, Any]:
            if streamed:
                await read(stage.client, max_tokens=10)
            else:
                await stage.client.chat("g", MESSAGES, max_tokens=10)
            assert_nothing_left(stage)
            pools: dict[str, Any] = stage.router.snapshot()["pools"]
            return pools

        pools = stage.run(scenario())
        sent = sum(sent.name == "b" for sent in stage.provider.sent)
        assert pools["b"]["rpm"]["level"] == 60_000 - sent


@pytest.mark.parametrize("streamed", [False, True])
def test_the_loser_is_gone_before_the_answer_is_handed_over(streamed: bool) -> None:
    """Not merely settled: its connection is closed when the caller sees the first event, or the reply."""
    of = stream if streamed else ok
    stage = hedging({"a": [hang()], "b": [of("here")]})

    async def scenario() -> None:
        if not streamed:
            await stage.client.chat("g", MESSAGES, max_tokens=10)
            stage.assert_released()
            return
        async with stage.client.stream("g", MESSAGES) as events:
            await anext(aiter(events))
            assert [sent.state for sent in stage.provider.sent] == ["abandoned", "open"]
            assert stage.deployment("a")["in_flight"] == 0

    stage.run(scenario())


def test_a_loser_that_takes_its_time_to_close_is_waited_for() -> None:
    """A connection is not left half closed behind a caller's back."""
    stage = hedging({"a": [hang()], "b": [ok("here")]})
    send, closed = stage.provider.send, []

    async def slow_to_close(request: HttpRequest, *, timeout_s: float) -> Response:
        try:
            return await send(request, timeout_s=timeout_s)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            closed.append(request)
            raise

    stage.provider.send = slow_to_close  # type: ignore[method-assign]  # for this stage only

    async def scenario() -> None:
        assert (await stage.client.chat("g", MESSAGES, max_tokens=10)).text == "here"
        assert len(closed) == 1

    stage.run(scenario())


def test_a_committed_stream_is_not_hedged() -> None:
    """After the first content there is nothing to win: a slow writer keeps its caller."""
    stage = hedging({"a": [stream("one", " two", gap_s=1.0)], "b": []})
    assert stage.stream().text == "one two"
    assert {sent.name for sent in stage.provider.sent} == {"a"}


def test_one_of_ten_hangs_and_nobody_waits_longer_than_a_hedge_and_a_normal_answer() -> None:
    """B3, C12: first content within the hedge's start and normal latency, for every call."""
    names = [f"d{number}" for number in range(10)]
    stage = hedging({name: [] for name in names}, otherwise=stream("x", after_s=0.5), weights=[1.0] * 10, saved=20)
    stage.provider.add("d3", *[hang()] * 100)
    waits_s = []

    async def scenario() -> None:
        for _ in range(200):
            begun_s = stage.clock.now_s()
            async with stage.client.stream("g", MESSAGES) as events:
                await anext(aiter(events))
                waits_s.append(stage.clock.now_s() - begun_s)

    stage.run(scenario())
    hung = sum(sent.name == "d3" for sent in stage.provider.sent)
    assert 1 <= hung == counted(stage)["hedge_won"] <= 20
    assert max(waits_s) <= STREAM_WAIT_S + 0.5 + 0.05
    assert sum(wait_s > 0.55 for wait_s in waits_s) == hung
    stage.assert_released()


# ---- failures ----


@pytest.mark.parametrize("streamed", [False, True])
def test_a_first_attempt_that_fails_leaves_the_call_to_its_hedge(streamed: bool) -> None:
    """No retry is spent, nothing is started a third time."""
    of = stream if streamed else ok
    stage = hedging({"a": [fail(500, after_s=4.0)], "b": [of("here", after_s=3.0)], "c": []})
    reply = stage.stream().reply if streamed else stage.chat(max_tokens=10)
    assert reply.text == "here"
    assert outcomes(reply.receipt) == [("a", "server"), ("b", "ok")]
    assert by_name(reply.receipt)["a"].status == 500
    assert stage.client.counters["retry"] == 0
    assert counted(stage)["hedge_waste_tokens"] == 0


@pytest.mark.parametrize("failure", [fail(500), fail(400), fail(429), raise_connection()])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_hedge_that_fails_does_not_matter(streamed: bool, failure: Outcome) -> None:
    """Not even with an error that would end a call: the first attempt goes on."""
    of = stream if streamed else ok
    stage = hedging({"a": [of("here", after_s=5.0)], "b": [failure]})
    reply = stage.stream().reply if streamed else stage.chat(max_tokens=10)
    assert reply.text == "here"
    assert [deployment for deployment, _ in outcomes(reply.receipt)] == ["b", "a"]
    assert stage.clock.now_s() == pytest.approx(5.0, abs=0.02)
    stage.assert_released()


@pytest.mark.parametrize("streamed", [False, True])
def test_two_failures_are_two_of_three_attempts(streamed: bool) -> None:
    """Both fail: the call goes on as after any failure, at a third deployment, and no further."""
    of = stream if streamed else ok
    script = {"a": [fail(500, after_s=4.0)], "b": [fail(503, after_s=2.0)], "c": [of("third")]}
    stage = hedging(script)
    reply = stage.stream().reply if streamed else stage.chat(max_tokens=10)
    assert outcomes(reply.receipt) == [("a", "server"), ("b", "overloaded"), ("c", "ok")]
    assert stage.client.counters["retry"] == 1
    stage.assert_released()
    all_fail = hedging({"a": [fail(500, after_s=4.0)], "b": [fail(500, after_s=2.0)], "c": [fail(500)]})
    error = all_fail.stream().error if streamed else _error(all_fail)
    assert isinstance(error, ServerError)
    assert len(outcomes(error.receipt)) == 3
    all_fail.assert_released()


def test_a_hedge_that_cannot_be_expressed_there_does_not_end_the_call() -> None:
    """Its provider does not take such a request: that is counted, and the first attempt answers."""
    stage = hedging({"a": [ok("here", after_s=5.0)], "b": []})
    real = adapters.get("openai")

    class Choosy:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def build(self, request: ChatRequest, endpoint: Endpoint, *, stream: bool = False) -> HttpRequest:
            if endpoint.deployment == "b":
                raise InvalidRequest("b takes no such file")
            return real.build(request, endpoint, stream=stream)

    stage.client._adapters["openai"] = Choosy()
    assert stage.chat(max_tokens=10).text == "here"
    assert stage.client.counters["hedge_error"] == 1
    stage.assert_released()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_hedge_with_an_error_of_this_machine_does_not_end_the_call(streamed: bool) -> None:
    """No descriptor was left for a second connection: the first one has its own."""
    of = stream if streamed else ok
    stage = hedging({"a": [of("here", after_s=5.0)], "b": []})
    real = stage.provider

    class Exhausted:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def send(self, request: HttpRequest, *, timeout_s: float) -> Any:
            _connect(request)
            return real.send(request, timeout_s=timeout_s)

        def stream(self, request: HttpRequest, *, timeout_s: float) -> Any:
            _connect(request)
            return real.stream(request, timeout_s=timeout_s)

    def _connect(request: HttpRequest) -> None:
        if "//b." in request.url:
            raise OSError(errno.EMFILE, "too many open files")

    stage.client._transport = Exhausted()
    assert (stage.stream().text if streamed else stage.chat(max_tokens=10).text) == "here"
    assert stage.client.counters["hedge_error"] == 1
    stage.assert_released()


# ---- when not ----


def test_the_only_deployment_is_not_hedged() -> None:
    """B48: there is nobody else, or nobody else is free: hedges are 0 and no budget is spent."""
    alone = hedging({"a": [ok(after_s=8.0)]})
    alone.chat(max_tokens=10)
    assert counted(alone)["hedged"] == counted(alone)["hedge_denied"] == 0
    held = hedging({"a": [ok(after_s=8.0)], "b": []})
    for _ in range(5):
        held.router.reserve("b").settle("server")
    held.chat(max_tokens=10)
    assert counted(held)["hedged"] == counted(held)["hedge_denied"] == 0
    assert held.router.try_hedge(), "the budget is as it was"


def test_without_budget_there_is_no_hedge_and_who_waits_longest_is_asked_again() -> None:
    """Zero reserve: the first calls have no hedge; one that still hangs gets the first that comes in."""
    stage = Stage({"a": [hang()], "b": [ok("late")]}, hedge=True)

    async def scenario() -> None:
        call = asyncio.ensure_future(stage.client.chat("g", MESSAGES, max_tokens=10))
        await asyncio.sleep(CHAT_WAIT_S + 0.1)
        assert counted(stage)["hedge_denied"] == 1
        for _ in range(20):
            stage.router.note_call()
        assert (await call).text == "late"

    stage.run(scenario())
    assert stage.clock.now_s() == pytest.approx(2 * CHAT_WAIT_S, abs=0.02)
    stage.assert_released()


@pytest.mark.parametrize("streamed", [False, True])
def test_hedges_are_at_most_one_in_twenty_of_two_thousand_calls(streamed: bool) -> None:
    """C16: everything takes longer than the longest wait, so every call would like a hedge. One in 20 has one."""
    of = stream if streamed else ok
    stage = Stage({"a": [], "b": [], "c": []}, otherwise=of("x", after_s=15.0), hedge=True, weights=[1.0] * 3)

    async def one() -> None:
        if streamed:
            assert (await read(stage.client)).error is None
        else:
            await stage.client.chat("g", MESSAGES, max_tokens=10)

    async def scenario() -> None:
        tasks = []
        for _ in range(2_000):
            tasks.append(asyncio.ensure_future(one()))
            await asyncio.sleep(0.05)
        await asyncio.gather(*tasks)

    stage.run(scenario())
    assert 50 <= counted(stage)["hedged"] <= 100
    assert len(stage.provider.sent) == 2_000 + counted(stage)["hedged"] <= 1.05 * 2_000
    stage.assert_released()


@pytest.mark.parametrize(("deadline_s", "hedged"), [(CHAT_WAIT_S + 0.35, 0), (CHAT_WAIT_S + 0.45, 1)])
def test_no_hedge_starts_that_could_not_answer_in_time(deadline_s: float, hedged: int) -> None:
    """SPEC A5: an attempt starts only with half of the usual time to first content left, here 0.4 s."""
    stage = hedging({"a": [hang()], "b": [hang()]})
    with pytest.raises(DeadlineExceeded):
        stage.chat(deadline_s=deadline_s, max_tokens=10)
    assert counted(stage)["hedged"] == hedged
    assert counted(stage)["hedge_denied"] == 0
    stage.assert_released()


def test_a_hedge_counts_as_an_attempt() -> None:
    """Who may try once may not try twice at once."""
    stage = hedging({"a": [ok(after_s=8.0)], "b": []})
    stage.router.attempts = 1
    assert outcomes(stage.chat(max_tokens=10).receipt) == [("a", "ok")]
    assert counted(stage)["hedged"] == 0


def test_a_call_is_hedged_once() -> None:
    """A first failure, then silence: one hedge; when that is slow too, nothing more is started."""
    stage = hedging({"a": [fail(500)], "b": [ok("b", after_s=19.0)], "c": [ok("c", after_s=9.0)]}, saved=3)
    reply = stage.chat(max_tokens=10)
    assert outcomes(reply.receipt) == [("a", "server"), ("b", "cancelled"), ("c", "ok")]
    assert counted(stage)["hedged"] == 1
    stage.assert_released()


def test_a_hedge_obeys_the_law() -> None:
    """Compliance excludes b: the hedge goes to c, however much heavier b is."""
    law = [{"when": {"attribute": "data", "one_of": ["eu"]}, "require": {"region": ["eu"]}}]
    stage = hedging({"a": [hang()], "b": [], "c": [ok("here")]}, fleet=_regions(law))
    reply = stage.chat(data="eu", max_tokens=10)
    assert outcomes(reply.receipt) == [("a", "cancelled"), ("c", "ok")]


def test_a_hedge_never_goes_to_a_fallback_group() -> None:
    """A slow answer of what was asked for is better than a downgrade nobody asked for."""
    small = {"name": "small", "members": ["c"]}
    script = {"a": [ok("asked for", after_s=8.0)], "b": [], "c": []}
    stage = hedging(script, members=["a", "b"], fallback=["small"], groups=[small])
    for _ in range(5):
        stage.router.reserve("b").settle("server")
    reply = stage.chat(max_tokens=10)
    assert outcomes(reply.receipt) == [("a", "ok")]
    assert not reply.receipt.downgrade if reply.receipt else False


def test_a_hedge_takes_no_last_room() -> None:
    """Where only one more fits, it is left to a request."""
    one: list[Mapping[str, Any]] = [{"dimension": "concurrency", "limit": 1, "window_s": 1, "burst_s": 1}]
    stage = hedging({"a": [ok(after_s=8.0)], "b": []}, limits={"b": one})
    assert outcomes(stage.chat(max_tokens=10).receipt) == [("a", "ok")]


def test_calls_that_are_not_hedged_cost_no_task() -> None:
    """Only a group that hedges pays for it."""

    def tasks(hedge: bool) -> int:
        stage = Stage({"a": [ok()], "b": []}, hedge=hedge)
        made = 0

        def factory(loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> asyncio.Task[Any]:
            nonlocal made
            made += 1
            return asyncio.Task(coro, loop=loop, **named)

        async def scenario() -> int:
            asyncio.get_running_loop().set_task_factory(factory)
            await stage.client.chat("g", MESSAGES)
            return made

        return stage.run(scenario())

    assert (tasks(False), tasks(True)) == (0, 1)


# ---- cancellation and deadlines ----

SCENES: dict[str, Callable[[], Stage]] = {
    "chat, both hang": lambda: _limited({"a": [hang()], "b": [hang()]}),
    "chat, the hedge wins": lambda: _limited({"a": [hang()], "b": [ok(after_s=0.2)]}),
    "chat, the first wins": lambda: _limited({"a": [ok(after_s=CHAT_WAIT_S + 0.2)], "b": [hang()]}),
    "stream, both hang": lambda: _limited({"a": [stream("x", stall_after=0)], "b": [hang()]}),
    "stream, the hedge wins": lambda: _limited({"a": [hang()], "b": [stream(*"abc", after_s=0.2, gap_s=0.05)]}),
    "stream, the first wins": lambda: _limited(
        {"a": [stream(*"abc", after_s=STREAM_WAIT_S + 0.2, gap_s=0.05)], "b": [stream("x", stall_after=0)]}
    ),
    "stream, the first fails": lambda: _limited(
        {"a": [fail(500, after_s=STREAM_WAIT_S + 0.1)], "b": [stream(*"abc", after_s=0.2, gap_s=0.05)]}
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_cancelled_at_any_step_beside_a_hedge_everything_is_released(scene: str) -> None:
    """At every moment from just before the hedge until the end, and at every turn of the loop after it."""
    for tick in range(14):
        for step in (*range(12), 25):
            stage = SCENES[scene]()

            async def scenario(stage: Stage = stage, at_s: float = 3.15 + tick * 0.05, step: int = step) -> None:
                task = asyncio.ensure_future(_call(stage, scene))
                await asyncio.sleep(at_s)
                await turns(step)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

            stage.run(scenario())
            assert_nothing_left(stage)


@pytest.mark.parametrize("scene", SCENES)
def test_cancelled_at_the_instant_of_the_win_everything_is_released(scene: str) -> None:
    """The caller's cancel races with the winner: whoever comes first, nothing is left."""
    wait_s = STREAM_WAIT_S if scene.startswith("stream") else CHAT_WAIT_S
    for offset in (0.0, 0.1, 0.2, 0.25):
        for step in range(12):
            stage = SCENES[scene]()

            async def scenario(stage: Stage = stage, at_s: float = wait_s + offset, step: int = step) -> None:
                task = asyncio.ensure_future(_call(stage, scene))
                await asyncio.sleep(at_s)
                await turns(step)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

            stage.run(scenario())
            assert_nothing_left(stage)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_deadline_ends_both(streamed: bool, caplog: pytest.LogCaptureFixture) -> None:
    """B50, C17: within 50 ms of it, with a hedge in flight or about to be; and the loop finds no error forgotten."""
    for tenth in range(28, 60):
        stage = _limited({"a": [hang()], "b": [hang()]})
        deadline_s = tenth / 10
        if streamed:
            error: Exception | None = stage.stream(deadline_s=deadline_s).error
        else:
            with pytest.raises(DeadlineExceeded) as caught:
                stage.chat(deadline_s=deadline_s, max_tokens=10)
            error = caught.value
        assert isinstance(error, DeadlineExceeded)
        assert deadline_s <= stage.clock.now_s() <= deadline_s + 0.05
        assert_nothing_left(stage)
    gc.collect()
    assert caplog.records == []


def test_a_stream_that_won_as_a_hedge_is_released_when_its_caller_leaves() -> None:
    """`break` after the first event, as with any stream."""
    receipts: list[Receipt] = []
    stage = hedging({"a": [hang()], "b": [stream(*"abcdef", gap_s=0.1)]}, on_receipt=receipts.append)

    async def scenario() -> None:
        async with stage.client.stream("g", MESSAGES) as events:
            async for event in events:
                assert event == TextDelta("a")
                break

    stage.run(scenario())
    stage.tell()
    assert outcomes(receipts[0]) == [("a", "cancelled"), ("b", "cancelled")]
    stage.assert_released()


def _call(stage: Stage, scene: str) -> Any:
    if scene.startswith("stream"):
        return read(stage.client, max_tokens=10)
    return stage.client.chat("g", MESSAGES, max_tokens=10)


def _limited(script: Mapping[str, list[Outcome]]) -> Stage:
    return hedging(script, limits=dict.fromkeys(script, ROOMY))


def _regions(law: list[dict[str, Any]]) -> dict[str, Any]:
    weights = {"a": 1000.0, "b": 10.0, "c": 0.001}
    deployments = [
        {
            "name": name,
            "provider": "openai",
            "model": "openai/m",
            "weight": weight,
            "region": "us" if name == "b" else "eu",
        }
        for name, weight in weights.items()
    ]
    return {"compliance": law, "deployments": deployments}


def _error(stage: Stage) -> ServerError:
    with pytest.raises(ServerError) as caught:
        stage.chat(max_tokens=10)
    return caught.value
