"""Cascades as others see them: callers of the gateway's doors, and observers."""

from __future__ import annotations

from typing import Any, cast

import pytest

from junctor.client import Client
from junctor.observe import Observer
from junctor.observe.observed import Observed
from junctor.testing.scripted import Outcome, fail, ok, stream
from tests.cascade.scene import SURE, UNSURE, Scene
from tests.client.stage import Stage
from tests.doors.heard import PATHS, body_for, heard
from tests.doors.visit import CHAT, Ledger, visit
from tests.observe.agreement import assert_agrees


def escalating(*, streamed: bool, strong: list[Outcome] | None = None) -> Scene:
    of = stream if streamed else ok
    return Scene({"small": [of("it", logprobs=UNSURE)], "strong": strong or [of("no")]})


def through(scene: Scene, path: str, body: dict[str, Any], caller: Ledger | None = None) -> Any:
    """A visit: a scene has all of a stage that a visit needs."""
    return visit(cast(Stage, scene), path, body, caller)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_caller_of_any_door_hears_the_strong_answer_alone_and_is_charged_for_both(path: str, streamed: bool) -> None:
    scene, caller = escalating(streamed=streamed), Ledger()
    seen = through(scene, path, body_for(path, stream=streamed, model="careful"), caller)
    assert heard(path, seen, stream=streamed).text == "no"
    assert (seen.headers["x-junctor-cascade"], seen.headers["x-junctor-deployment"]) == ("careful", "strong-1")
    assert seen.headers["x-junctor-attempts"] == "2"
    assert "x-junctor-downgrade" not in seen.headers
    ((usage, micros),) = caller.settled
    assert usage is not None
    assert (usage.output_tokens, micros > 0) == (2, True), "a token of each"
    counted = heard(path, seen, stream=streamed).cost_usd
    assert counted == pytest.approx(micros / 1e6)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_caller_hears_of_a_degraded_answer(streamed: bool) -> None:
    scene = escalating(streamed=streamed, strong=[fail(400)])
    seen = through(scene, CHAT, body_for(CHAT, stream=streamed, model="careful"))
    assert heard(CHAT, seen, stream=streamed).text == "it"
    assert (seen.headers["x-junctor-downgrade"], seen.headers["x-junctor-deployment"]) == ("true", "small-1")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_caller_who_asked_for_no_log_probabilities_gets_none_in_its_own_dialect(streamed: bool) -> None:
    of = stream if streamed else ok
    scene = Scene({"small": [of("it", logprobs=SURE)], "strong": []})
    seen = through(scene, CHAT, body_for(CHAT, stream=streamed, model="careful"))
    assert heard(CHAT, seen, stream=streamed).text == "it"
    assert b'"logprob":' not in seen.body
    assert scene.provider.sent[0].json()["logprobs"] is True


class Watcher(Observer):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Observed] = []

    def ended(self, call: Observed, mark: object) -> None:
        del mark
        self.heard.append(call)


SPECULATIVE = {"speculative": True}
SAMPLED = {"signal": "self_consistency", "samples": 3, "accept": 0.5, "reject": 0.1}


@pytest.mark.parametrize(
    ("small", "strong", "cascade", "count"),
    [
        ([ok("a", logprobs=UNSURE)], [ok("no")], {}, 2),
        ([ok("a", logprobs=SURE, after_s=1.0)], [ok("no", after_s=2.0)], SPECULATIVE, 2),
        ([ok("a", logprobs=UNSURE, after_s=1.0)], [ok("no", after_s=2.0)], SPECULATIVE, 2),
        ([ok("a"), ok("a"), ok("b")], [], SAMPLED, 3),
        ([ok("a", logprobs=UNSURE)], [fail(400)], {}, 2),
    ],
)
def test_an_observer_hears_of_one_call_with_every_attempt(
    small: list[Outcome], strong: list[Outcome], cascade: dict[str, Any], count: int
) -> None:
    watcher = Watcher()
    scene = Scene({"small": small, "strong": strong}, cascade=cascade, limits={"rpm": 60_000}, observers=[watcher])
    reply = scene.chat()
    scene.run(scene.client.aclose())
    (call,) = watcher.heard
    assert (call.asked, call.outcome) == ("careful", "ok")
    assert call.receipt == reply.receipt
    assert_agrees(call)
    assert len(call.attempts) == count
    assert call.answered is not None
    assert call.answered.usage == reply.usage


def test_prometheus_counts_steps_waste_and_labels_and_a_step_is_no_retry() -> None:
    pytest.importorskip("prometheus_client", reason="needs the extra prometheus")
    from junctor.observe.prometheus import Metrics

    scene = Scene(
        {
            "small": [ok("code"), ok("a", logprobs=SURE, after_s=1.0), ok("b", logprobs=UNSURE, after_s=1.0)],
            "strong": [ok("no", after_s=2.0), ok("no", after_s=2.0)],
        },
        cascade=SPECULATIVE,
        limits={"rpm": 60_000},
        classifiers={"intent": {"ask": "small", "labels": ["code", "talk"], "fallback": "talk"}},
        rules=[{"classify": "intent"}, {"cascade": "careful"}],
    )
    metrics = Metrics(scene.router)
    scene.client = Client(scene.router, scene.provider, observers=[metrics.observer], seed=1)
    scene.chat("auto", max_tokens=10)
    scene.chat("auto", max_tokens=10)
    scene.run(scene.client.aclose())
    told = metrics.exposition()[1].decode()
    for line in (
        'junctor_cascade_steps_total{cascade="careful",step="small",verdict="accepted"} 1.0',
        'junctor_cascade_steps_total{cascade="careful",step="small",verdict="escalated"} 1.0',
        'junctor_cascade_steps_total{cascade="careful",step="strong",verdict="beaten"} 1.0',
        'junctor_cascade_steps_total{cascade="careful",step="strong",verdict="answered"} 1.0',
        'junctor_labels_total{classifier="intent",source="model"} 1.0',
        'junctor_labels_total{classifier="intent",source="cache"} 1.0',
    ):
        assert line in told
    assert 'junctor_cascade_waste_usd_total{cascade="careful"} 0.' in told
    assert "junctor_retries_total{" not in told
