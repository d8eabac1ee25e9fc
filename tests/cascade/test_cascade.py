"""Cascades from end to end: who is asked, what is delivered, what the receipt says, what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from junctor.exceptions import (
    BadRequest,
    ContentFiltered,
    DeadlineExceeded,
    NoCapacity,
    Refused,
    ServerError,
    StreamInterrupted,
)
from junctor.receipts import Receipt
from junctor.reply import Finish, TextDelta
from junctor.testing.scripted import Outcome, fail, hang, ok, raise_connection, raw, stream
from tests.cascade.scene import LOST, SURE, UNSURE, Scene, climb, steps
from tests.client.stage import outcomes


def small(text: str = "it is", logprobs: tuple[float, ...] = SURE, **more: Any) -> Outcome:
    return ok(text, logprobs=logprobs, **more)


# ---- who is asked ----


def test_a_sure_answer_is_delivered_and_nobody_else_is_asked() -> None:
    scene = Scene({"small": [small()], "strong": []})
    reply = scene.chat()
    assert (reply.text, scene.asked) == ("it is", ["small"])
    (step,) = climb(reply).steps
    assert (step.model, step.verdict, step.signal, step.value) == ("small", "accepted", "mean_logprob", -0.1)
    assert (step.threshold, step.attempts, step.why) == (-0.4, 1, "")
    assert scene.client.counters["cascade_accepted"] == 1
    assert reply.receipt is not None
    assert not reply.receipt.downgrade


def test_an_unsure_answer_is_escalated_and_both_are_paid() -> None:
    scene = Scene({"small": [small(logprobs=UNSURE)], "strong": [ok("it is not")]})
    reply = scene.chat()
    assert (reply.text, scene.asked) == ("it is not", ["small", "strong"])
    assert steps(reply) == [("small", "escalated"), ("strong", "answered")]
    assert outcomes(reply.receipt) == [("small-1", "ok"), ("strong-1", "ok")]
    first, second = climb(reply).steps
    assert (first.value, first.threshold) == (-0.9, -0.4)
    assert (second.value, second.signal) == (None, "")
    assert reply.receipt is not None
    assert reply.receipt.cost_usd_micros == first.cost_usd_micros + second.cost_usd_micros > 0
    assert reply.cost_usd == reply.receipt.cost_usd
    assert not reply.receipt.downgrade, "the strong model is no downgrade"
    assert scene.client.counters["cascade_escalated"] == 1


@pytest.mark.parametrize(
    ("logprobs", "asked", "verdict"),
    [
        (SURE, ["small"], "accepted"),
        (UNSURE, ["small", "middle"], "escalated"),
        (LOST, ["small", "strong"], "rejected"),
    ],
)
def test_between_the_thresholds_the_next_step_is_asked_and_below_both_the_last(
    logprobs: tuple[float, ...], asked: list[str], verdict: str
) -> None:
    """T1 and T2: accepted, one step up, or to the top at once."""
    cascade = {"steps": ["small", "middle", "strong"]}
    scene = Scene({"small": [small(logprobs=logprobs)], "middle": [small()], "strong": [ok()]}, cascade=cascade)
    reply = scene.chat()
    assert scene.asked == asked
    assert steps(reply)[0] == ("small", verdict)


def test_log_probabilities_are_asked_of_judged_steps_only_and_not_shown_to_who_did_not_ask() -> None:
    scene = Scene({"small": [small(logprobs=UNSURE), small()], "strong": [ok()]})
    scene.chat()
    assert scene.chat().logprobs is None
    assert [sent.json().get("logprobs") for sent in scene.provider.sent] == [True, None, True]
    assert [sent.json().get("top_logprobs") for sent in scene.provider.sent] == [1, None, 1], "some servers need it"
    wanted = Scene({"small": [small()], "strong": []}).chat(logprobs=True)
    assert len(wanted.logprobs["content"]) == 2


@pytest.mark.parametrize("signal", ["entropy", "margin"])
def test_alternatives_are_asked_for_where_the_signal_needs_them(signal: str) -> None:
    thresholds = {"entropy": {"accept": -0.5, "reject": -0.7}, "margin": {"accept": 0.5, "reject": 0.1}}[signal]
    scene = Scene({"small": [small()], "strong": []}, cascade={"signal": signal, **thresholds})
    assert steps(scene.chat()) == [("small", "accepted")]
    assert scene.provider.sent[0].json()["top_logprobs"] == 5


def test_rules_use_a_cascade_by_either_name_and_what_they_ask_for_holds_for_every_step() -> None:
    for words in ({"use": "careful"}, {"cascade": "careful"}, {"use": "small", "cascade": "careful"}):
        scene = Scene(
            {"small": [small(logprobs=UNSURE)], "strong": [ok()]},
            rules=[{"name": "all", **words, "max_tokens": 7, "effort": "low"}],
        )
        reply = scene.chat("auto")
        assert steps(reply) == [("small", "escalated"), ("strong", "answered")]
        assert [sent.json()["max_tokens"] for sent in scene.provider.sent] == [7, 7]
        assert [sent.json()["reasoning_effort"] for sent in scene.provider.sent] == ["low", "low"]


def test_a_cost_cap_of_the_rule_keeps_the_dear_step_out_and_the_cheap_answer_is_marked() -> None:
    scene = Scene(
        {"small": [small(logprobs=UNSURE)], "strong": []},
        rules=[{"cascade": "careful", "max_cost_usd": 0.000_500}],
    )
    reply = scene.chat("auto", max_tokens=20)
    assert scene.asked == ["small"]
    assert steps(reply) == [("small", "kept"), ("strong", "failed")]


def test_the_router_alone_knows_a_cascade_as_the_group_of_its_first_step() -> None:
    scene = Scene({"small": [], "strong": []})
    with scene.router.reserve(model="careful") as held:
        assert (held.deployment, held.group, held.downgrade) == ("small-1", "careful", False)
        held.settle("ok")
    assert scene.router.explain("careful").group == "careful"


# ---- no reading, no guess ----


WITHOUT = {
    "no log-probabilities": (ok("it is"), "the answer came without log-probabilities"),
    "a positive one": (small(logprobs=(-0.1, 0.5)), "token 2 has the log-probability 0.5, which is above 0"),
    "none for a token": (
        raw(
            200,
            b'{"id":"x","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",'
            b'"content":"it"},"logprobs":{"content":[{"token":"it","logprob":null}]}}],"usage":{"prompt_tokens":1,'
            b'"completion_tokens":1}}',
            headers=[("content-type", "application/json")],
        ),
        "token 1 has no log-probability",
    ),
}


@pytest.mark.parametrize("case", WITHOUT)
def test_without_a_usable_reading_it_is_escalated_and_says_why(case: str) -> None:
    outcome, why = WITHOUT[case]
    scene = Scene({"small": [outcome], "strong": [ok("sure")]})
    reply = scene.chat()
    (first, _) = climb(reply).steps
    assert (reply.text, first.verdict, first.value, first.why) == ("sure", "escalated", None, why)
    assert scene.client.counters["cascade_unknown"] == 1


def test_who_prefers_it_has_such_answers_accepted_and_still_sees_why() -> None:
    scene = Scene({"small": [ok("it is")], "strong": []}, cascade={"unknown": "accept"})
    (step,) = climb(scene.chat()).steps
    assert (step.verdict, step.value, step.why) == ("accepted", None, "the answer came without log-probabilities")


def test_a_deployment_that_gives_none_is_not_asked_for_them() -> None:
    scene = Scene({"small": [ok("it is")], "strong": [ok()]}, able=["strong"])
    (first, _) = climb(scene.chat()).steps
    assert first.why == "small-1 gives no log-probabilities"
    assert "logprobs" not in scene.provider.sent[0].json()


# ---- failing steps ----


@pytest.mark.parametrize("outcome", [fail(500), fail(429), raise_connection(), raw(200, b"<html>"), fail(400)])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_failing_cheap_step_goes_on_to_the_next(outcome: Outcome, streamed: bool) -> None:
    scene = Scene({"small": [outcome], "strong": [ok("here")]})
    reply = scene.stream().reply if streamed else scene.chat()
    assert reply.text == "here"
    assert steps(reply) == [("small", "failed"), ("strong", "answered")]
    assert reply.receipt is not None
    assert not reply.receipt.downgrade


def test_a_cheap_step_without_room_is_passed_over() -> None:
    """The later steps are the fallbacks of the first: the same walk finds them, without waiting."""
    scene = Scene({"small": [], "strong": [ok("here")]})

    async def scenario() -> str:
        with scene.router.reserve(model="small") as held:
            reply = await scene.client.chat("careful", [{"role": "user", "content": "Hi"}])
            held.settle("ok")
        return reply.text

    assert scene.run(scenario()) == "here"
    assert scene.clock.now_s() == 0
    scene.assert_released()


FILTERED = raw(
    400,
    b'{"error":{"message":"filtered","type":"invalid_request_error","param":"prompt","code":"content_filter"}}',
    headers=[("content-type", "application/json")],
)


def test_a_prompt_that_a_provider_refuses_is_not_tried_at_the_next() -> None:
    scene = Scene({"small": [FILTERED], "strong": []})
    with pytest.raises(ContentFiltered) as raised:
        scene.chat()
    receipt = raised.value.receipt
    assert receipt is not None
    assert receipt.cascade is not None
    assert [step.verdict for step in receipt.cascade.steps] == ["failed"]


@pytest.mark.parametrize("streamed", [False, True])
def test_if_nobody_better_can_answer_the_cheap_answer_is_delivered_with_a_mark(streamed: bool) -> None:
    scene = Scene({"small": [small(logprobs=UNSURE)], "strong": [fail(400)]})
    reply = scene.stream().reply if streamed else scene.chat()
    assert reply.text == "it is"
    assert steps(reply) == [("small", "kept"), ("strong", "failed")]
    assert climb(reply).degraded
    assert climb(reply).steps[0].why == "strong could not answer: BadRequest"
    assert reply.receipt is not None
    assert reply.receipt.downgrade
    assert reply.receipt.deployment == "small-1", "the attempt that answers is the last"
    assert scene.client.counters["cascade_degraded"] == 1


def test_who_prefers_an_error_gets_it_with_the_whole_story() -> None:
    scene = Scene({"small": [small(logprobs=UNSURE)], "strong": [fail(400)]}, cascade={"on_failure": "fail"})
    with pytest.raises(BadRequest) as raised:
        scene.chat()
    receipt = raised.value.receipt
    assert receipt is not None
    assert outcomes(receipt) == [("small-1", "ok"), ("strong-1", "invalid_request")]
    assert receipt.cascade is not None
    assert [step.verdict for step in receipt.cascade.steps] == ["escalated", "failed"]


def test_everything_failing_is_the_last_ones_error() -> None:
    scene = Scene({"small": [fail(400)], "strong": [fail(500)] * 3})
    with pytest.raises(ServerError):
        scene.chat()


def test_one_deadline_is_over_all_steps() -> None:
    """The strong step hangs until the call's deadline; then the cheap answer is there, marked, on time."""
    scene = Scene({"small": [small(logprobs=UNSURE, after_s=2.0)], "strong": [hang()]})
    reply = scene.chat(deadline_s=5.0)
    assert scene.clock.now_s() == pytest.approx(5.0, abs=0.05)
    assert steps(reply) == [("small", "kept"), ("strong", "failed")]
    late = Scene({"small": [hang()], "strong": []})
    with pytest.raises(DeadlineExceeded):
        late.chat(deadline_s=5.0)
    assert late.asked == ["small"]


# ---- the law ----


LAW = [{"name": "eu only", "when": {"data": "eu"}, "require": {"region": "eu"}}]


def test_no_step_reaches_a_deployment_that_the_gate_excludes() -> None:
    """Neither by escalation nor by failure: the cheap answer is marked, or the call is refused."""
    scene = Scene({"small": [small(logprobs=UNSURE)], "strong": []}, compliance=LAW)
    scene = _in_europe(scene, "small-1")
    reply = scene.chat(data="eu")
    assert (scene.asked, steps(reply)) == (["small"], [("small", "kept"), ("strong", "failed")])
    failed = _in_europe(Scene({"small": [fail(500), fail(500), fail(500)], "strong": []}, compliance=LAW), "small-1")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whichever of ours; that strong was not asked is what counts
        failed.chat(data="eu")
    assert isinstance(raised.value, ServerError | Refused | NoCapacity)
    assert set(failed.asked) == {"small"}


def _in_europe(scene: Scene, name: str) -> Scene:
    """The same scene with one deployment in the EU."""
    import msgspec

    moved = tuple(
        msgspec.structs.replace(item, region="eu") if item.name == name else item for item in scene.config.deployments
    )
    fleet = msgspec.structs.replace(scene.config, deployments=moved)
    from junctor.client import Client
    from junctor.router import Router

    scene.router = Router.from_config(fleet, seed=1, clock=scene.clock)
    scene.client = Client(scene.router, scene.provider, seed=1)
    return scene


# ---- streams ----


def test_a_streamed_cheap_answer_is_held_back_until_it_was_judged() -> None:
    """Nothing of an answer that is escalated is ever seen; the strong one streams as it comes."""
    scene = Scene(
        {"small": [stream("it", " is", logprobs=UNSURE, gap_s=1.0)], "strong": [stream("no", " no", gap_s=1.0)]}
    )
    streamed = scene.stream()
    assert streamed.text == "no no"
    assert [event for event in streamed.events if isinstance(event, TextDelta)] == [TextDelta("no"), TextDelta(" no")]
    assert steps(streamed.reply) == [("small", "escalated"), ("strong", "answered")]
    assert streamed.reply.receipt is not None
    assert streamed.reply.cost_usd == streamed.reply.receipt.cost_usd


def test_a_streamed_cheap_answer_that_is_sure_is_delivered_as_a_stream() -> None:
    scene = Scene({"small": [stream("it", " is", logprobs=SURE)], "strong": []})
    streamed = scene.stream()
    assert [type(event).__name__ for event in streamed.events] == ["TextDelta", "TextDelta", "Finish", "Done"]
    assert isinstance(streamed.events[2], Finish)
    assert steps(streamed.reply) == [("small", "accepted")]


def test_a_cheap_stream_that_breaks_was_seen_by_nobody_and_is_escalated() -> None:
    scene = Scene({"small": [stream("it", " is", cut_after=1)], "strong": [stream("no")]})
    streamed = scene.stream()
    assert streamed.text == "no"
    assert steps(streamed.reply) == [("small", "failed"), ("strong", "answered")]
    assert climb(streamed.reply).steps[0].why == "StreamInterrupted"


def test_a_strong_stream_that_breaks_after_its_first_content_is_an_interruption() -> None:
    """What was handed over cannot be taken back, so the cheap answer is no way out any more."""
    scene = Scene({"small": [stream("it", logprobs=UNSURE)], "strong": [stream("no", " no", cut_after=1)]})
    streamed = scene.stream()
    assert isinstance(streamed.error, StreamInterrupted)
    assert streamed.error.partial == "no"
    receipt = streamed.error.receipt
    assert receipt is not None
    assert [attempt.deployment for attempt in receipt.attempts] == ["small-1", "strong-1"]


# ---- who is told ----


def test_the_receipt_is_told_once_and_survives_json() -> None:
    receipts: list[Receipt] = []
    scene = Scene({"small": [small(logprobs=UNSURE)], "strong": [ok()]}, on_receipt=receipts.append)
    reply = scene.chat()
    scene.run(scene.client.aclose())
    assert receipts == [reply.receipt]
    assert Receipt.from_json(receipts[0].to_json()) == receipts[0]


def test_every_step_can_be_replayed() -> None:
    scene = Scene({"small": [small(logprobs=UNSURE)], "strong": [ok()]})
    receipt = scene.chat().receipt
    assert receipt is not None
    for attempt in receipt.attempts:
        assert scene.router.replay(attempt.decision).deployment == attempt.deployment


@pytest.mark.parametrize("streamed", [False, True])
def test_a_step_hedges_like_its_group(streamed: bool) -> None:
    """A cheap deployment that hangs is answered for by another one of its step, before anything is escalated."""
    of = stream if streamed else ok
    scene = Scene(
        {"small": [hang()], "other": [of("it is", logprobs=SURE)], "strong": []},
        groups={"cheap": {"members": ["small-1", "other-1"], "hedge": True}, "strong": {"members": ["strong-1"]}},
        cascade={"steps": ["cheap", "strong"]},
        weights={"small": 1000.0, "other": 0.001},
        limits={"rpm": 60_000},  # a hedge wants room for two
    )
    for _ in range(20):
        scene.router.note_call()
    reply = scene.stream().reply if streamed else scene.chat(max_tokens=10)
    assert (reply.text, steps(reply)) == ("it is", [("cheap", "accepted")])
    assert outcomes(reply.receipt) == [("small-1", "cancelled"), ("other-1", "ok")]
    assert climb(reply).steps[0].attempts == 2
