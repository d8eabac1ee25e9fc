"""Labels by a small model: asked once, bounded, remembered, paid for, and never a silent guess."""

from __future__ import annotations

from typing import Any

import pytest

from junctor import config
from junctor.cascade.classify import Memory, label_in, newest, task_of
from junctor.exceptions import Refused
from junctor.receipts import Labelled, Receipt
from junctor.reply import Reply
from junctor.testing.scripted import Outcome, fail, hang, ok
from tests.cascade.scene import Scene, fleet

INTENT = {"ask": "small", "labels": ["code", "talk"], "fallback": "talk"}
RULES = [
    {"name": "urgent", "when": {"priority": "high"}, "use": "strong"},
    {"name": "sort", "classify": "intent"},
    {"name": "code", "when": {"tags": {"intent": "code"}}, "use": "strong"},
    {"name": "rest", "use": "middle"},
]


def sorting(said: list[Outcome], *, rules: Any = RULES, intent: Any = INTENT, **more: Any) -> Scene:
    script = {"small": said, "middle": [ok("middle")] * 5, "strong": [ok("strong")] * 5}
    return Scene(script, cascades={}, classifiers={"intent": intent}, rules=rules, **more)


def labels(reply: Reply) -> tuple[Labelled, ...]:
    assert reply.receipt is not None
    return reply.receipt.labels


@pytest.mark.parametrize(
    ("said", "text", "label"), [("code", "strong", "code"), ("Talk.", "middle", "talk"), ('"code"', "strong", "code")]
)
def test_the_label_is_a_tag_that_the_rules_below_match(said: str, text: str, label: str) -> None:
    scene = sorting([ok(said)])
    reply = scene.chat("auto")
    assert reply.text == text
    (told,) = labels(reply)
    assert (told.classifier, told.label, told.source, told.why) == ("intent", label, "model", "")
    assert told.cost_usd_micros > 0
    receipt = reply.receipt
    assert receipt is not None
    assert receipt.cost_usd_micros == told.cost_usd_micros + receipt.attempts[0].cost_usd_micros
    assert reply.cost_usd == receipt.cost_usd
    assert Receipt.from_json(receipt.to_json()) == receipt
    assert receipt.decision is not None
    assert receipt.decision.rule == ("code" if label == "code" else "rest")


def test_a_streamed_call_is_labelled_as_well() -> None:
    streamed = sorting([ok("code")]).stream("auto")
    assert (streamed.text, labels(streamed.reply)[0].label) == ("strong", "code")


def test_who_meets_no_such_rule_is_not_asked_about() -> None:
    scene = sorting([])
    assert scene.chat("auto", priority="high").text == "strong"
    assert scene.chat("middle").text == "middle"
    assert scene.chat("auto", tags={"intent": "code"}).text == "strong", "its caller knows already"
    assert "small" not in scene.asked


def test_a_text_is_asked_about_once() -> None:
    scene = sorting([ok("code")])
    assert [labels(scene.chat("auto"))[0].source for _ in range(3)] == ["model", "cache", "cache"]
    assert scene.asked.count("small") == 1
    assert (scene.client.counters["label_model"], scene.client.counters["label_cache"]) == (1, 2)


def test_what_is_remembered_is_bounded_and_can_be_off() -> None:
    rules = [{"classify": "intent"}, {"use": "small"}]
    written = config.from_mapping(fleet(["small"], classifiers={"intent": {**INTENT, "cache": 2}}, rules=rules))
    memory = Memory(written.classifiers["intent"])
    memory.put(b"1", "a")
    memory.put(b"2", "b")
    assert memory.get(b"1") == "a"
    memory.put(b"3", "c")
    assert (memory.get(b"1"), memory.get(b"2"), memory.get(b"3"), len(memory)) == ("a", None, "c", 2)
    scene = sorting([ok("code"), ok("code")], intent={**INTENT, "cache": 0})
    assert [labels(scene.chat("auto"))[0].source for _ in range(2)] == ["model", "model"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([ok("I would say that this is about cooking")], "the answer is none of the labels"),
        ([ok("code or talk")], "the answer is none of the labels"),
        ([ok("")], "the answer is none of the labels"),
        ([fail(400)], "BadRequest"),
        ([fail(500)] * 3, "ServerError"),
        ([hang()], "DeadlineExceeded"),
    ],
)
def test_a_model_that_is_down_or_talks_nonsense_gives_the_stated_label(said: list[Outcome], why: str) -> None:
    scene = sorting(said, intent={**INTENT, "deadline_s": 2.0})
    reply = scene.chat("auto")
    (told,) = labels(reply)
    assert (reply.text, told.label, told.source, told.why) == ("middle", "talk", "fallback", why)
    assert scene.client.counters["label_fallback"] == 1
    assert scene.clock.now_s() <= 2.2
    assert told.cost_usd_micros > 0 or why not in ("the answer is none of the labels", "DeadlineExceeded")


def test_a_fallback_is_not_remembered() -> None:
    scene = sorting([ok("nonsense"), ok("code")])
    assert [labels(scene.chat("auto"))[0].label for _ in range(3)] == ["talk", "code", "code"]


def test_the_question_is_bound_by_the_law_of_its_call() -> None:
    """A text that the small model may not see is not sorted by it."""
    scene = sorting([], compliance=[{"when": {"data": "secret"}, "require": {"not_provider": "at-small"}}])
    (told,) = labels(scene.chat("auto", data="secret"))
    assert (told.source, told.why) == ("fallback", "Refused")
    assert "small" not in scene.asked


def test_the_question_is_held_by_the_limits() -> None:
    scene = sorting([])

    async def scenario() -> Reply:
        with scene.router.reserve(model="small") as held:
            reply = await scene.client.chat("auto", [{"role": "user", "content": "Hi"}])
            held.settle("ok")
        return reply

    (told,) = labels(scene.run(scenario()))
    assert (told.source, told.why) == ("fallback", "NoCapacity")


def test_a_rule_that_sorts_whoever_asks_for_a_model_does_not_sort_the_question_itself() -> None:
    """Else a label would want a label."""
    rules = [{"name": "sort", "when": {"model": ["small", "strong"]}, "classify": "intent"}, {"use": "strong"}]
    scene = sorting([ok("code")], rules=rules)
    (told,) = labels(scene.chat("strong"))
    assert (told.source, told.why) == ("fallback", "Refused")


def test_the_router_alone_says_which_tag_it_wants() -> None:
    scene = sorting([])
    with pytest.raises(Refused, match="the tag 'intent' is missing"):
        scene.router.reserve(model="auto")
    with scene.router.reserve(model="auto", tags={"intent": "code"}) as held:
        assert held.group == "strong"
        held.cancel(sent=False)


def test_several_classifiers_are_asked_one_after_the_other() -> None:
    scene = Scene(
        {"small": [ok("code"), ok("angry")], "middle": [], "strong": [ok("strong")]},
        cascades={},
        classifiers={"intent": INTENT, "mood": {**INTENT, "labels": {"calm": "", "angry": "shouts"}, "tag": "tone"}},
        rules=[
            {"classify": "intent"},
            {"when": {"tags": {"intent": "code"}}, "classify": "mood"},
            {"when": {"tags": {"tone": "angry"}}, "use": "strong"},
            {"use": "middle"},
        ],
    )
    reply = scene.chat("auto")
    assert [(told.classifier, told.label) for told in labels(reply)] == [("intent", "code"), ("mood", "angry")]
    assert reply.text == "strong"
    assert "angry: shouts" in scene.provider.sent[1].json()["messages"][0]["content"]


def test_the_newest_words_of_the_user_are_what_is_sorted() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert newest([{"role": "user", "content": "old"}, {"role": "user", "content": parts}]).split() == ["a", "b"]
    assert newest([{"role": "system", "content": "x"}]) == ""
    scene = sorting([])
    assert scene.run(scene.client.chat("auto", [{"role": "user", "content": " "}])).text == "middle"
    long = sorting([ok("code")], intent={**INTENT, "max_chars": 16})
    long.run(long.client.chat("auto", [{"role": "user", "content": "x" * 100 + "the end is here"}]))
    assert long.provider.sent[0].json()["messages"][1]["content"] == "xthe end is here"


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("bug report", "bug report"),
        ("Label: bug report", "bug report"),
        ("bug", "bug"),
        ("debugging", None),
        ("bug or feature", None),
        ("", None),
    ],
)
def test_a_label_is_found_or_not(said: str, label: str | None) -> None:
    assert label_in(said, ["bug", "bug report", "feature"]) == label


def test_what_the_model_is_told() -> None:
    known = config.from_mapping(
        fleet(
            ["small"],
            classifiers={"intent": {**INTENT, "labels": {"code": "programs", "talk": ""}, "about": "Be strict."}},
            rules=[{"classify": "intent"}, {"use": "small"}],
        )
    )
    told = task_of(known.classifiers["intent"])
    assert "one of these labels and nothing else: code, talk. They mean: code: programs. Be strict." in told
