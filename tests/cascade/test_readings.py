"""Signals for which somebody is asked: samples, a score in words, the program's own check, a probe."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from junctor.cascade.probe import FEATURES, Probe, Weight, load
from junctor.cascade.signals import Tokens
from junctor.exceptions import ConfigError
from junctor.reply import Reply
from junctor.testing.scripted import Outcome, fail, ok
from tests.cascade.scene import SURE, UNSURE, Scene, climb, steps

SAMPLED = {"signal": "self_consistency", "samples": 4, "accept": 0.6, "reject": 0.1}
SPOKEN = {"signal": "verbal", "accept": 0.8, "reject": 0.2}
ROOMY = {"rpm": 60_000}


# ---- samples ----


def test_samples_that_agree_are_confidence() -> None:
    answers = [ok("Paris"), ok("paris."), ok("Lyon"), ok("PARIS")]
    scene = Scene({"small": answers, "strong": []}, cascade=SAMPLED, limits=ROOMY)
    reply = scene.chat()
    (step,) = climb(reply).steps
    assert reply.text == "Paris"
    assert (step.verdict, step.attempts) == ("accepted", 4)
    assert step.value == pytest.approx(2 / 3)
    assert reply.receipt is not None
    assert len(reply.receipt.attempts) == 4
    assert step.cost_usd_micros == reply.receipt.cost_usd_micros
    assert [sent.json().get("temperature") for sent in scene.provider.sent] == [None, 0.7, 0.7, 0.7]


def test_samples_that_disagree_are_escalated() -> None:
    scene = Scene(
        {"small": [ok("Paris"), ok("Rome"), ok("Lyon"), ok("Paris")], "strong": [ok("Bern")]},
        cascade=SAMPLED,
        limits=ROOMY,
    )
    reply = scene.chat()
    assert steps(reply) == [("small", "escalated"), ("strong", "answered")]


def test_each_sample_is_held_by_the_limits_and_too_few_are_no_reading() -> None:
    """One permit: of three samples at once two find no room."""
    scene = Scene({"small": [ok("Paris"), ok("Paris", after_s=9.0)], "strong": [ok("Bern")]}, cascade=SAMPLED)
    reply = scene.chat(max_wait_s=0)
    first = climb(reply).steps[0]
    assert (first.verdict, first.value) == ("escalated", None)
    assert first.why == "only 1 of 3 further samples were answered"


# ---- a score in words ----


@pytest.mark.parametrize(
    ("said", "verdict", "value"), [("91", "accepted", 0.91), ("50", "escalated", 0.5), ("5 %", "rejected", 0.05)]
)
def test_a_score_in_words_decides(said: str, verdict: str, value: float) -> None:
    scene = Scene({"small": [ok("Paris"), ok(said)], "strong": [ok("Bern")]}, cascade=SPOKEN)
    reply = scene.chat()
    first = climb(reply).steps[0]
    assert (first.verdict, first.value, first.attempts) == (verdict, value, 2)
    asked = scene.provider.sent[1].json()
    assert "whole number from 0 to 100" in asked["messages"][0]["content"]
    assert "Answer:\nParis" in asked["messages"][1]["content"]
    assert (asked["temperature"], asked["max_tokens"]) == (0.0, 8)


@pytest.mark.parametrize("said", [ok("I am quite sure"), ok(""), fail(400)])
def test_nonsense_for_a_score_is_no_reading(said: Outcome) -> None:
    scene = Scene({"small": [ok("Paris"), said], "strong": [ok("Bern")]}, cascade=SPOKEN)
    first = climb(scene.chat()).steps[0]
    assert (first.verdict, first.value) == ("escalated", None)
    assert first.why in ("the score is no whole number from 0 to 100", "nobody could be asked for it: BadRequest")


def test_another_group_may_be_asked_for_the_score_and_is_bound_by_the_law_as_well() -> None:
    scene = Scene(
        {"small": [ok("Paris")], "judge": [], "strong": [ok("Bern")]},
        cascade={**SPOKEN, "by": "judge"},
        compliance=[{"when": {"data": "secret"}, "require": {"not_provider": "at-judge"}}],
    )
    first = climb(scene.chat(data="secret")).steps[0]
    assert (first.why, scene.asked) == ("nobody could be asked for it: Refused", ["small", "strong"])


# ---- the program's own check ----


def own(check: Any, answers: list[Outcome] | None = None) -> Scene:
    cascade = {"signal": "check", "check": "mine", "accept": None, "reject": None}
    return Scene(
        {"small": answers or [ok("Paris")], "strong": [ok("Bern")]},
        cascade={key: value for key, value in cascade.items() if value is not None},
        checks={"mine": check},
        cascades={"careful": {"steps": ["small", "strong"], "signal": "check", "check": "mine"}},
    )


async def later(reply: Reply) -> bool:
    await asyncio.sleep(0.5)
    return reply.text == "Paris"


@pytest.mark.parametrize("check", [lambda reply: reply.text == "Paris", lambda _: 1.5, later])
def test_a_check_that_says_yes_accepts(check: Any) -> None:
    assert steps(own(check).chat()) == [("small", "accepted")]


def test_a_check_that_says_no_escalates() -> None:
    first = climb(own(lambda _: False).chat()).steps[0]
    assert (first.verdict, first.value, first.threshold) == ("escalated", 0.0, 1.0)


async def for_ever(_reply: Reply) -> bool:
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (lambda _: 1 / 0, "the check 'mine' raised ZeroDivisionError"),
        (lambda _: None, "the check said None, which is no finite number"),
        (lambda _: float("nan"), "the check said float, which is no finite number"),
    ],
)
def test_a_check_that_breaks_hurts_no_call(check: Any, why: str) -> None:
    first = climb(own(check).chat()).steps[0]
    assert (first.verdict, first.value, first.why) == ("escalated", None, why)


def test_a_check_that_never_ends_has_as_long_as_the_call() -> None:
    """The answer is not lost with it: it is the best that there is."""
    reply = own(for_ever).chat(deadline_s=3.0)
    assert steps(reply) == [("small", "kept"), ("strong", "failed")]


def test_a_check_that_the_client_was_not_given_is_no_reading() -> None:
    scene = own(lambda _: True)
    scene.client.checks = {}
    assert climb(scene.chat()).steps[0].why == "the client was given no check 'mine'"


# ---- a probe ----

PROBE = Probe(bias=1.0, weights=(Weight("min_logprob", 2.0, mean=-1.0, scale=0.5),), model="at-small/m-small")


def test_a_probe_is_a_logistic_regression_of_its_features() -> None:
    assert PROBE.score(Tokens((-0.5, -1.0), ())) == pytest.approx(1 / (1 + 2.718281828**-1))
    assert PROBE.read({"content": [{"logprob": -1.5}]}).value == pytest.approx(1 / (1 + 2.718281828))
    assert PROBE.read(None) == (None, "the answer came without log-probabilities")


def test_a_probe_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "probe.json").write_bytes(PROBE.to_json())
    monkeypatch.chdir(tmp_path)
    cascade = {"signal": "probe", "probe": "probe.json", "accept": 0.9, "reject": 0.1}
    scene = Scene(
        {"small": [ok("a b", logprobs=SURE), ok("a b", logprobs=UNSURE)], "strong": [ok("Bern")]}, cascade=cascade
    )
    assert steps(scene.chat()) == [("small", "accepted")]
    first = climb(scene.chat()).steps[0]
    assert first.verdict == "escalated"
    assert first.value == pytest.approx(PROBE.score(Tokens(UNSURE, ())))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, r"'p.json' is no probe of version 1 .*; make one by junctor calibrate"),
        ({"kind": "other"}, r"'p.json' is no probe of version 1"),
        ({"further": 1}, r"'p.json' is no probe of version 1"),
        ({"weights": []}, r"'p.json' is no probe of version 1"),
        ({"weights": [{"feature": "magic", "weight": 1}]}, r"'p.json' looks at 'magic', which nothing measures; known"),
        ({"weights": [{"feature": "spread", "weight": 1, "scale": 0}]}, r"no usable numbers for 'spread'"),
    ],
)
def test_a_wrong_probe_is_a_clear_error(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(json.dumps({**json.loads(PROBE.to_json()), **change}))
    with pytest.raises(ConfigError, match=message):
        load(file)


def test_a_probe_cut_anywhere_is_no_probe(tmp_path: Path) -> None:
    file, whole = tmp_path / "p.json", PROBE.to_json().rstrip()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ConfigError):
            load(file)
    file.write_bytes(b" " * 70_000)
    with pytest.raises(ConfigError, match="larger than 65,536 bytes"):
        load(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "absent.json")


def test_features_of_one_token_are_finite() -> None:
    assert [of(Tokens((-2.0,), ())) for of in FEATURES.values()] == [-2.0, -2.0, -2.0, -2.0, 0.0, 1.0, 0.0]
