"""A stream is left as soon as its answer is sure: the rest is cut off, and what came is settled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.cascade.enough import JsonClosed, LabelSaid, condition
from junctor.exceptions import InvalidRequest, StreamInterrupted
from junctor.reply import Done, Finish, TextDelta
from junctor.testing.scripted import Outcome, stream
from tests.cascade.scene import Scene, climb, steps
from tests.client.stage import Stage, read, turns

LONG = [stream("code", ", because", *[" of this and that"] * 50, gap_s=0.1)]
LIMITS: list[Mapping[str, Any]] = [
    {"dimension": "tpm", "limit": 1_000_000, "window_s": 60, "burst_s": 60},
    {"dimension": "concurrency", "limit": 1, "window_s": 1, "burst_s": 1},
]


def test_a_label_ends_the_answer_and_the_provider_is_cut_off() -> None:
    stage = Stage({"a": LONG}, limits={"a": LIMITS})
    streamed = stage.stream(until=["code", "talk"], max_tokens=500)
    assert [type(event) for event in streamed.events] == [TextDelta, Finish, Done]
    reply = streamed.reply
    assert (streamed.text, reply.text, reply.finish_reason) == ("code", "code", "stop")
    assert stage.clock.now_s() < 1.0
    assert [sent.state for sent in stage.provider.sent] == ["abandoned"]
    assert reply.receipt is not None
    (attempt,) = reply.receipt.attempts
    assert (attempt.outcome, attempt.output_tokens) == ("ok", 2)
    assert reply.receipt.notes == ("until: the answer was sure after 4 characters, the rest was cut off",)
    assert reply.cost_usd == reply.receipt.cost_usd > 0
    assert stage.client.counters["early_exit"] == 1
    assert stage.deployment("a")["succeeded"] == 1
    stage.assert_released()
    assert stage.router.snapshot()["pools"]["a"]["concurrency"]["level"] == 1


def test_chat_has_the_same_answer() -> None:
    stage = Stage({"a": LONG})
    assert stage.chat(until=["code", "talk"]).text == "code"
    stage.assert_released()


def test_json_ends_with_its_last_brace() -> None:
    stage = Stage({"a": [stream('{"a": "}', '"}', " and", " so on", gap_s=0.1)]})
    assert stage.chat(until="json").text == '{"a": "}"}'
    stage = Stage({"a": [stream('Sure: [1, {"b": 2}] I', " hope so", gap_s=0.1)]})
    assert stage.stream(until="json").text == 'Sure: [1, {"b": 2}]'


def test_an_answer_that_is_never_sure_is_delivered_whole() -> None:
    stage = Stage({"a": [stream("I", " think", " code")]})
    reply = stage.chat(until=["code", "talk"])
    assert (reply.text, reply.usage.known) == ("I think code", True)
    assert stage.client.counters["early_exit"] == 0


def test_a_stream_that_breaks_before_is_an_interruption() -> None:
    stage = Stage({"a": [stream('{"a"', ": 1", cut_after=1)]})
    with pytest.raises(StreamInterrupted):
        stage.chat(until="json")
    stage.assert_released()


def test_the_wish_must_be_one() -> None:
    stage = Stage({"a": []})
    for wrong in ("yaml", [], ["a", ""], [3]):
        with pytest.raises(InvalidRequest, match="must be 'json' or a list of labels"):
            stage.chat(until=wrong)


def test_cancelled_at_any_step_everything_is_released() -> None:
    for step in range(60):
        stage = Stage({"a": [stream("code", ", because", " of")]}, limits={"a": LIMITS})

        async def scenario(stage: Stage = stage, step: int = step) -> bool:
            task = asyncio.ensure_future(read(stage.client, until=["code"]))
            await turns(step)
            done = task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return done

        done = stage.run(scenario())
        stage.assert_released()
        if done:
            break


# ---- in cascades ----

SURE_LABEL = stream("code", ", because", *[" of this and that"] * 50, gap_s=0.1, logprobs=(-0.1, -9.0))


def of_scene(small: Outcome, *strong: Outcome, **more: Any) -> Scene:
    return Scene({"small": [small], "strong": list(strong)}, cascade=more)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_judged_step_is_left_once_it_is_sure_and_judged_by_that_much(streamed: bool) -> None:
    """The token after the label is unlike anything, and no part of the answer."""
    scene = of_scene(SURE_LABEL)
    wish: dict[str, Any] = {"until": ["code", "talk"]}
    reply = scene.stream(**wish).reply if streamed else scene.chat(**wish)
    (step,) = climb(reply).steps
    assert (reply.text, step.verdict, step.value) == ("code", "accepted", -0.1)
    assert scene.clock.now_s() < 1.0
    assert [sent.state for sent in scene.provider.sent] == ["abandoned"]
    assert reply.receipt is not None
    assert "until: the answer was sure after 4 characters, the rest was cut off" in reply.receipt.notes
    assert reply.receipt.attempts[0].output_tokens == 2
    assert scene.client.counters["early_exit"] == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_last_step_is_left_too(streamed: bool) -> None:
    """Both are settled with what came, in one second instead of ten."""
    unsure = stream("code", ", because", *[" of this"] * 50, gap_s=0.1, logprobs=(-0.9, -0.1))
    scene = of_scene(unsure, stream("talk", ", because", *[" of that"] * 50, gap_s=0.1))
    wish: dict[str, Any] = {"until": ["code", "talk"]}
    reply = scene.stream(**wish).reply if streamed else scene.chat(**wish)
    assert reply.text == "talk"
    assert steps(reply) == [("small", "escalated"), ("strong", "answered")]
    assert scene.clock.now_s() < 1.0
    assert reply.receipt is not None
    assert [attempt.output_tokens for attempt in reply.receipt.attempts] == [2, 2]
    assert any("until:" in note for note in reply.receipt.notes)
    assert reply.cost_usd == reply.receipt.cost_usd
    assert scene.client.counters["early_exit"] == 2


def test_each_step_has_a_condition_of_its_own() -> None:
    """What the first step said is no part of what the second says."""
    scene = of_scene(stream("co", logprobs=(-0.9,)), stream("talk", ", yes"))
    assert scene.stream(until=["code", "talk"]).text == "talk"


def test_a_draft_that_is_sure_early_beats_the_strong_model() -> None:
    """It would have taken five seconds whole; the strong model is cut off at once, and its waste is counted."""
    scene = of_scene(SURE_LABEL, stream("talk", after_s=2.0), speculative=True)
    reply = scene.stream(until=["code", "talk"]).reply
    assert sorted(steps(reply)) == [("small", "accepted"), ("strong", "beaten")]
    assert scene.clock.now_s() < 0.5
    assert climb(reply).waste_tokens == scene.client.counters["speculation_waste_tokens"] > 0


def test_a_judged_step_that_is_never_sure_is_read_to_its_end() -> None:
    scene = of_scene(stream("I", " think", " code", logprobs=(-0.1, -0.1, -0.1)))
    reply = scene.chat(until=["code", "talk"])
    assert (reply.text, reply.usage.known) == ("I think code", True)


# ---- the conditions ----


def cut(enough: Any, pieces: list[str]) -> str | None:
    """What an answer in these pieces is cut to, None if it is never sure."""
    text = ""
    for piece in pieces:
        length = enough.feed(piece)
        if length is not None:
            return text + piece[:length]
        text += piece
    return None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("code.", "code"),
        (' "Code", since', ' "Code'),
        ("bug report: it", "bug report"),
        ("bug: it", "bug"),
        ("bug reporting", None),
        ("bug repo: it", None),
        ("codebase ", None),
        ("code", None),
        ("the code ", None),
        ("", None),
    ],
)
def test_a_label_is_sure_once_its_word_has_ended_however_it_is_cut(text: str, label: str | None) -> None:
    labels = ["bug", "bug report", "code"]
    assert cut(LabelSaid(labels), [text]) == label
    assert cut(LabelSaid(labels), list(text)) == label


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=80)
@given(st.dictionaries(st.text(), VALUES, max_size=4) | st.lists(VALUES, max_size=4), st.text(), st.integers(1, 7))
def test_json_is_sure_exactly_at_its_end_wherever_it_is_cut(value: Any, after: str, width: int) -> None:
    whole = json.dumps(value, ensure_ascii=False)
    text = whole + after
    pieces = [text[place : place + width] for place in range(0, len(text), width)]
    assert cut(JsonClosed(), pieces) == whole


def test_no_wish_is_no_condition() -> None:
    assert condition(None) is None
