"""Draft and strong side by side: the first that will do is delivered, the other cut off, its waste counted."""

from __future__ import annotations

from typing import Any

import pytest

from junctor.exceptions import ServerError
from junctor.testing.scripted import Outcome, fail, hang, ok, stream
from tests.cascade.scene import SURE, UNSURE, Scene, climb, steps
from tests.client.stage import outcomes


def ahead(small: list[Outcome], strong: list[Outcome], **more: Any) -> Scene:
    return Scene({"small": small, "strong": strong}, cascade={"speculative": True, **more})


@pytest.mark.parametrize("streamed", [False, True])
def test_a_draft_that_passes_in_time_is_delivered_and_the_strong_one_cut_off(streamed: bool) -> None:
    of = stream if streamed else ok
    scene = ahead([of("draft", logprobs=SURE, after_s=1.0)], [of("strong", after_s=2.0)])
    reply = scene.stream().reply if streamed else scene.chat(max_tokens=10)
    assert reply.text == "draft"
    assert scene.clock.now_s() == pytest.approx(1.0, abs=0.01)
    assert sorted(steps(reply)) == [("small", "accepted"), ("strong", "beaten")]
    assert outcomes(reply.receipt) == [("strong-1", "cancelled"), ("small-1", "ok")]
    lost = climb(reply)
    assert reply.receipt is not None
    waste = reply.receipt.attempts[0]
    assert lost.waste_tokens == waste.input_tokens + waste.output_tokens > 0
    assert lost.waste_usd_micros == waste.cost_usd_micros > 0
    assert scene.client.counters["speculation_waste_tokens"] == lost.waste_tokens
    assert scene.client.counters["speculation_waste_usd_micros"] == lost.waste_usd_micros
    assert reply.cost_usd == reply.receipt.cost_usd
    assert [sent.state for sent in scene.provider.sent] == ["done", "abandoned"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_draft_that_does_not_pass_costs_no_further_wait(streamed: bool) -> None:
    of = stream if streamed else ok
    scene = ahead([of("draft", logprobs=UNSURE, after_s=1.0)], [of("strong", after_s=2.0)])
    reply = scene.stream().reply if streamed else scene.chat()
    assert reply.text == "strong"
    assert scene.clock.now_s() == pytest.approx(2.0, abs=0.01)
    assert steps(reply) == [("small", "escalated"), ("strong", "answered")]
    assert (climb(reply).waste_tokens, reply.receipt and reply.receipt.deployment) == (0, "strong-1")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_strong_answer_that_is_there_first_is_delivered(streamed: bool) -> None:
    of = stream if streamed else ok
    scene = ahead([of("draft", logprobs=SURE, after_s=2.0)], [of("strong", after_s=1.0)])
    reply = scene.stream().reply if streamed else scene.chat(max_tokens=10)
    assert reply.text == "strong"
    assert scene.clock.now_s() == pytest.approx(1.0, abs=0.01)
    assert sorted(steps(reply)) == [("small", "beaten"), ("strong", "answered")]


@pytest.mark.parametrize("streamed", [False, True])
def test_both_ready_at_one_instant_is_one_answer(streamed: bool) -> None:
    of = stream if streamed else ok
    for early in (-1e-9, 0.0, 1e-9):
        scene = ahead([of("draft", logprobs=SURE, after_s=1.0)], [of("strong", after_s=1.0 + early)])
        reply = scene.stream().reply if streamed else scene.chat()
        assert reply.text in ("draft", "strong")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_strong_model_that_fails_leaves_the_draft(streamed: bool) -> None:
    of = stream if streamed else ok
    good = ahead([of("draft", logprobs=SURE, after_s=1.0)], [fail(400)])
    reply = good.stream().reply if streamed else good.chat()
    assert (reply.text, sorted(steps(reply))) == ("draft", [("small", "accepted"), ("strong", "failed")])
    poor = ahead([of("draft", logprobs=UNSURE, after_s=1.0)], [fail(400)])
    reply = poor.stream().reply if streamed else poor.chat()
    assert (reply.text, sorted(steps(reply))) == ("draft", [("small", "kept"), ("strong", "failed")])
    assert climb(reply).degraded


@pytest.mark.parametrize("streamed", [False, True])
def test_a_draft_that_fails_leaves_the_strong_model(streamed: bool) -> None:
    scene = ahead([fail(400)], [stream("strong", after_s=1.0) if streamed else ok("strong", after_s=1.0)])
    reply = scene.stream().reply if streamed else scene.chat()
    assert (reply.text, steps(reply)) == ("strong", [("small", "failed"), ("strong", "answered")])


def test_if_both_fail_it_is_the_strong_ones_error() -> None:
    with pytest.raises(ServerError):
        ahead([fail(400)], [fail(500)] * 3).chat()


def test_a_draft_without_room_is_not_asked_twice() -> None:
    """The strong step serves already as the fallback, so nothing is started beside it."""
    scene = ahead([], [ok("strong")])

    async def scenario() -> str:
        with scene.router.reserve(model="small") as held:
            reply = await scene.client.chat("careful", [{"role": "user", "content": "Hi"}])
            held.settle("ok")
        return reply.text

    assert scene.run(scenario()) == "strong"
    assert scene.asked == ["strong"]


def test_a_strong_model_without_room_hinders_no_draft() -> None:
    scene = ahead([ok("draft", logprobs=SURE, after_s=1.0)], [])

    async def scenario() -> str:
        with scene.router.reserve(model="strong") as held:
            reply = await scene.client.chat("careful", [{"role": "user", "content": "Hi"}], max_wait_s=0)
            held.settle("ok")
        return reply.text

    assert scene.run(scenario()) == "draft"
    scene.assert_released()


def test_a_call_that_hangs_on_both_sides_ends_at_its_deadline() -> None:
    scene = ahead([hang()], [hang()])
    with pytest.raises(TimeoutError):
        scene.chat(deadline_s=3.0)
    assert scene.clock.now_s() == pytest.approx(3.0, abs=0.05)
