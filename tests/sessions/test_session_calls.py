"""Sessions over calls: what stays where its cache is, who is not answered by somebody weaker, what a budget allows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from junctor import config
from junctor._core import Reservation
from junctor.exceptions import Refused, ServerError
from junctor.receipts import Decision, Receipt
from junctor.reply import Reply
from junctor.router import Router
from junctor.testing.clock import ManualClock
from junctor.testing.scripted import fail, ok, raw, stream
from tests.cascade.scene import ONE_AT_A_TIME, SURE, UNSURE, Scene, climb, fleet, steps
from tests.client.stage import MESSAGES, Stage

CACHED = {"input": 5.0, "output": 0.0, "cached_input": 0.5, "cache_write": 6.25}


def of(reply: Reply) -> Receipt:
    assert reply.receipt is not None
    return reply.receipt


def decided(reply: Reply) -> Decision:
    decision = of(reply).decision
    assert decision is not None
    return decision


# ---- what moving costs ----


def test_a_session_stays_at_the_dear_model_while_its_cache_is_worth_it_and_the_receipt_says_what_leaving_costs() -> (
    None
):
    """The prompt is estimated at 40,000 tokens, of which 39,000 were read; the cheap model then becomes free again."""
    prices = {"dear": CACHED, "cheap": {name: rate / 5 for name, rate in CACHED.items()}}
    group = {"members": ["dear-1", "cheap-1"], "objective": "cheapest"}
    written = fleet(["dear", "cheap"], limits=None, groups={"g": group})
    for name, price in prices.items():
        written["deployments"][f"{name}-1"] |= {"price": price}
    router = Router.from_config(config.from_mapping(written), seed=1, clock=ManualClock())
    asked: dict[str, Any] = {"input_tokens": 40_000, "output_tokens": 1, "session": "s", "affinity": "s"}
    assert router.explain("g", **asked).deployment == "cheap-1"
    told = router.explain("g", **asked, warm=("dear-1", 39_000))
    assert (told.deployment, told.warm) == ("dear-1", True)
    seen = {each.deployment: each for each in told.candidates}
    assert (seen["dear-1"].cost_usd_micros, seen["dear-1"].cache_usd_micros) == (200_000, -175_500)
    assert (seen["dear-1"].move_usd_micros, seen["dear-1"].move_s) == (0, 0.0)
    assert (seen["cheap-1"].cost_usd_micros, seen["cheap-1"].cache_usd_micros) == (40_000, 9_750)
    assert (seen["cheap-1"].move_usd_micros, round(seen["cheap-1"].move_s, 3)) == (44_850, 1.95)
    with router.reserve("g", **asked, warm=("dear-1", 39_000)) as reservation:
        receipt = reservation.receipt
        assert Receipt.from_json(receipt.to_json()) == receipt
        assert router.replay(receipt) == receipt.decision


def test_a_client_charges_the_cache_that_answers_reported() -> None:
    """Two members; the first answer reports a read, so the other member charges for leaving from then on."""
    answer = {
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5_000, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4_000}},
    }
    stage = Stage(
        {"a": [], "b": []},
        otherwise=raw(200, msgspec.json.encode(answer)),
        weights=(1.0, 1.0),
        fleet={"groups": [{"name": "g", "members": ["a", "b"], "objective": {"latency": 1.0}}]},
    )
    long = [{"role": "user", "content": "x" * 17_500}]

    async def twice() -> list[Reply]:
        return [await stage.client.chat("g", long, session="s") for _ in range(2)]

    first, second = stage.run(twice())
    assert all(each.move_s == 0 for each in decided(first).candidates)
    moved = {each.deployment: each.move_s for each in decided(second).candidates}
    assert of(first).deployment == of(second).deployment
    assert moved == {of(first).deployment: 0, ({"a", "b"} - {of(first).deployment}).pop(): pytest.approx(0.2)}


# ---- one-way ----


def graded(**more: Any) -> dict[str, Any]:
    """A cheap weak, a dear strong deployment in the group `g`, whose escalation is one-way."""
    grades = (("weak", 0.5, 1_000_000), ("strong", 0.9, 9_000_000))
    deployments = [
        {
            "name": name,
            "provider": "openai",
            "model": f"openai/{name}",
            "quality": quality,
            "price": {"input": price, "output": price},
            "capabilities": ["tools"] if name == "strong" else [],
        }
        for name, quality, price in grades
    ]
    group = {"name": "g", "members": ["weak", "strong"], "objective": "cheapest", "one_way": True}
    sessions = {"idle_s": 600, "most": 100}
    return {"deployments": deployments, "groups": [group], "sessions": sessions, **more}


NEEDS_TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}
"""Only the strong one can do that."""


def staged_grades(weak: list[Any], strong: list[Any]) -> Stage:
    stage = Stage({"weak": weak, "strong": strong}, fleet=graded())
    stage.router.keeps_sessions = True
    return stage


def test_a_session_that_a_strong_model_answered_does_not_go_back_until_it_was_idle() -> None:
    stage = staged_grades([ok()] * 9, [ok()] * 9)
    assert of(stage.chat(session="s")).deployment == "weak"
    assert of(stage.chat(session="s", **NEEDS_TOOLS)).deployment == "strong"
    for _ in range(2):
        reply = stage.chat(session="s")
        assert (of(reply).deployment, of(reply).downgrade) == ("strong", False)
        assert of(stage.chat(session="other")).deployment == "weak"
        assert of(stage.chat()).deployment == "weak"
        assert of(stage.chat(session="s", tenant="acme")).deployment == "weak", "another tenant's s is another session"
    stage.clock.advance(601)
    assert of(stage.chat(session="s")).deployment == "weak"


def test_what_an_outage_sends_to_a_strong_model_may_go_back() -> None:
    stage = staged_grades([fail(500), ok()], [ok()])
    assert of(stage.chat(session="s")).deployment == "strong"
    assert of(stage.chat(session="s")).deployment == "weak"


def test_if_the_strong_model_is_down_the_weak_one_answers_visibly_and_the_mark_stays() -> None:
    stage = staged_grades([ok()], [ok(), fail(500), ok()])
    stage.chat(session="s", **NEEDS_TOOLS)
    reply = stage.chat(session="s")
    assert of(reply).deployment == "weak"
    assert decided(reply).weaker
    assert not decided(reply).downgrade
    assert of(reply).downgrade, "what is less than it could be is told as such"
    assert Receipt.from_json(of(reply).to_json()) == of(reply)
    assert of(stage.chat(session="s")).deployment == "strong"


ONE_WAY = {"escalation": "one-way"}


def test_an_escalated_session_begins_where_it_was_escalated_to() -> None:
    small = [ok("?", logprobs=UNSURE), ok("new", logprobs=SURE), ok("again", logprobs=SURE)]
    scene = Scene({"small": small, "strong": [ok("one"), ok("two")]}, cascade=ONE_WAY, sessions={"idle_s": 600})
    assert steps(scene.chat(session="s")) == [("small", "escalated"), ("strong", "answered")]
    second = scene.chat(session="s")
    assert (second.text, steps(second), climb(second).began) == ("two", [("strong", "answered")], 1)
    assert not of(second).downgrade
    assert steps(scene.chat(session="other")) == [("small", "accepted")]
    scene.clock.advance(601)
    assert scene.chat(session="s").text == "again"
    assert scene.asked == ["small", "strong", "strong", "small", "small"]


def test_streams_of_an_escalated_session_begin_there_too() -> None:
    small = [ok("?", logprobs=UNSURE)]
    scene = Scene({"small": small, "strong": [ok("one"), stream("one ", "two")]}, cascade=ONE_WAY)
    scene.chat(session="s")
    assert scene.stream(session="s").text == "one two"
    assert scene.asked == ["small", "strong", "strong"]


def test_without_the_wish_every_call_begins_at_the_first_step() -> None:
    scene = Scene({"small": [ok("?", logprobs=UNSURE), ok("!", logprobs=SURE)], "strong": [ok()]})
    scene.chat(session="s")
    assert scene.chat(session="s").text == "!"


@pytest.mark.parametrize("speculative", [False, True])
def test_if_the_step_it_reached_is_down_the_first_answers_visibly_and_the_mark_stays(speculative: bool) -> None:
    small = [ok("?", logprobs=UNSURE), ok("sure", logprobs=SURE)]
    strong = [ok("one", after_s=1), *[fail(500)] * 3, ok("three")]
    scene = Scene({"small": small, "strong": strong}, cascade={**ONE_WAY, "speculative": speculative}, limits=None)
    scene.chat(session="s")
    reply = scene.chat(session="s")
    assert reply.text == "sure"
    assert steps(reply) == [("strong", "failed"), ("small", "accepted")]
    assert climb(reply).degraded
    assert of(reply).downgrade
    scene.clock.advance(400)
    assert scene.chat(session="s").text == "three"


def test_who_prefers_no_answer_to_a_weak_one_gets_none() -> None:
    small, strong = [ok("?", logprobs=UNSURE)], [ok("one"), *[fail(500)] * 3]
    scene = Scene({"small": small, "strong": strong}, cascade={**ONE_WAY, "on_failure": "fail"}, limits=None)
    scene.chat(session="s")
    with pytest.raises(ServerError):
        scene.chat(session="s")
    assert scene.asked == ["small", "strong", "strong", "strong", "strong"]


def test_a_step_that_was_merely_passed_over_as_full_marks_nobody() -> None:
    scene = Scene({"small": [ok("!", logprobs=SURE)], "strong": [ok()]}, cascade=ONE_WAY)
    held = scene.router.reserve("small")
    assert steps_of(scene, session="s") == [("small", "failed"), ("strong", "answered")]
    held.settle("ok")
    assert steps(scene.chat(session="s")) == [("small", "accepted")]


def steps_of(scene: Scene, **options: Any) -> list[tuple[str, str]]:
    return steps(scene.run(scene.client.chat("careful", MESSAGES, **options)))


# ---- budgets ----


def budgeted(**sessions: Any) -> dict[str, Any]:
    return {"sessions": {"idle_s": 600, "most": 100, **sessions}}


def staged(sessions: Mapping[str, Any], *answers: Any, **more: Any) -> Stage:
    stage = Stage({"a": answers or [ok(input_tokens=100, output_tokens=50)] * 99}, fleet=budgeted(**sessions), **more)
    stage.router.keeps_sessions = True
    return stage


def test_a_budget_of_money_holds_for_all_calls_of_a_session_and_no_other() -> None:
    """Each call costs 100 × $1 + 50 × $10 per million = 600 micro-dollars; 1,007 are held for it."""
    stage = staged({"usd_micros": 3_000})
    for _ in range(4):
        stage.chat(session="s", max_tokens=100)
    assert stage.router.session_left("\0\0s") == (600, None)
    with pytest.raises(Refused) as caught:
        stage.chat(session="s", max_tokens=100)
    assert str(caught.value) == (
        "the session has used 2400 of its 3000 micro-dollars, 0 are held for calls under way, and this one would take "
        "1007: begin a new session, ask for less by max_tokens, or raise sessions.budget_usd"
    )
    assert caught.value.refusals.keys() == {"session"}
    assert caught.value.receipt is not None
    stage.chat(session="s", max_tokens=10)
    stage.chat(session="t", max_tokens=100)
    stage.chat(max_tokens=100)
    stage.assert_released()
    assert stage.router.snapshot()["sessions"] == {"remembered": 2, "evicted": 0}
    stage.clock.advance(601)
    stage.chat(session="s", max_tokens=100)


def test_a_budget_of_tokens_counts_prompts_and_answers() -> None:
    stage = staged({"tokens": 400})
    stage.chat(session="s", max_tokens=100)
    assert stage.router.session_left("\0\0s") == (None, 250)
    stage.chat(session="s", max_tokens=100)
    with pytest.raises(Refused, match=r"has used 300 of its 400 tokens.*budget_tokens"):
        stage.chat(session="s", max_tokens=100)


def test_every_attempt_of_a_call_is_charged_and_what_failed_for_nothing_is_not() -> None:
    answers = [fail(500), ok(input_tokens=100, output_tokens=50)]
    stage = Stage({"a": answers[:1], "b": answers[1:]}, fleet=budgeted(tokens=1_000))
    stage.router.keeps_sessions = True
    stage.chat(session="s", max_tokens=100)
    assert stage.router.session_left("\0\0s") == (None, 850)


def test_a_call_that_is_cancelled_or_forgotten_gives_back_or_keeps_what_it_may_have_used() -> None:
    stage = staged({"tokens": 1_000})
    ask: dict[str, Any] = {"input_tokens": 100, "output_tokens": 100, "session": "s"}
    stage.router.reserve("g", **ask).cancel(sent=False)
    assert stage.router.session_left("s") == (None, 1_000)
    with stage.router.reserve("g", **ask):
        assert stage.router.session_left("s") == (None, 800)
    assert stage.router.session_left("s") == (None, 800), "left unsettled: it may have been written"
    forgotten = stage.router.reserve("g", **ask)
    del forgotten
    assert stage.router.session_left("s") == (None, 600)
    reservation = stage.router.reserve("g", **ask)
    for _ in range(3):
        reservation.settle("ok", input_tokens=10, output_tokens=10)
    assert stage.router.session_left("s") == (None, 580), "once"


def test_parallel_calls_of_one_session_never_hold_more_than_its_budget() -> None:
    stage = staged({"tokens": 1_000}, *[ok(input_tokens=7, output_tokens=97, after_s=1)] * 99)

    async def scenario() -> list[Reply | BaseException]:
        calls = (stage.client.chat("g", MESSAGES, session="s", max_tokens=97) for _ in range(30))
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = stage.run(scenario())
    served = [answer for answer in answers if isinstance(answer, Reply)]
    assert len(served) == 9, "each holds 104: 7 estimated for the prompt and 97 for the answer"
    assert all(isinstance(answer, Refused) for answer in answers if not isinstance(answer, Reply))
    stage.assert_released()


def test_threads_that_reserve_for_one_session_together_get_exactly_what_fits() -> None:
    stage = staged({"tokens": 1_000})
    held: list[Reservation] = []
    together = threading.Barrier(8)

    def reserve() -> None:
        together.wait()
        for _ in range(50):
            try:
                held.append(stage.router.reserve("g", input_tokens=3, output_tokens=0, session="s"))
            except Refused:
                continue

    threads = [threading.Thread(target=reserve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 333
    for reservation in held:
        reservation.cancel(sent=False)
    assert stage.router.session_left("s") == (None, 1_000)


def test_a_reload_keeps_what_sessions_have_spent() -> None:
    written = fleet(["a"], sessions={"budget_tokens": 1_000})
    router = Router.from_config(config.from_mapping(written), clock=ManualClock())
    assert router.keeps_sessions
    ask: dict[str, Any] = {"input_tokens": 100, "output_tokens": 100, "session": "s"}
    router.reserve("a", **ask).settle("ok", input_tokens=100, output_tokens=100)
    router.reload_config(config.from_mapping({**written, "sessions": {"budget_tokens": 300}}))
    assert router.session_left("s") == (None, 100)
    router.reload_config(config.from_mapping(fleet(["a"])))
    assert (router.keeps_sessions, router.session_left("s")) == (False, (None, None))
    router.reserve("a", **ask).cancel(sent=False)


def test_steps_of_a_cascade_are_charged_to_the_session_of_their_call() -> None:
    small = [ok("?", logprobs=UNSURE, input_tokens=10, output_tokens=10)]
    strong = [ok(input_tokens=10, output_tokens=20)]
    scene = Scene({"small": small, "strong": strong}, sessions={"budget_tokens": 5_000}, limits=ONE_AT_A_TIME)
    scene.chat(session="s", max_tokens=100)
    assert scene.router.session_left("\0\0s") == (None, 4_950)
