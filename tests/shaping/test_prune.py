"""Any conversation: within the budget or an honest no, pairs whole, order kept, once is enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.estimate import weigh
from junctor.request import Message
from junctor.shaping.prune import assembled, cut, left_out

TEXTS = st.integers(0, 400).map(lambda size: "x" * size)


def _calls(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"c{first + n}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in range(count)
    ]


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Turns with parallel calls whose results come in any order, calls nobody answered, late system messages."""
    messages: list[Message] = []
    number = 0
    for _ in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(["user", "user", "assistant", "calls", "calls", "system", "unanswered"]))
        if kind in ("calls", "unanswered"):
            count = draw(st.integers(1, 3))
            calls = _calls(number, count)
            number += count
            messages.append({"role": "assistant", "content": draw(TEXTS), "tool_calls": calls})
            if kind == "calls":
                for call in draw(st.permutations(calls)):
                    if draw(st.integers(0, 9)) == 0:
                        messages.append({"role": "user", "content": draw(TEXTS)})
                    messages.append({"role": "tool", "tool_call_id": call["id"], "content": draw(TEXTS)})
        else:
            messages.append({"role": kind, "content": draw(TEXTS)})
    return messages


def called(messages: Sequence[Message]) -> list[set[str]]:
    return [{call["id"] for call in message["tool_calls"]} for message in messages if message.get("tool_calls")]


def answered(messages: Sequence[Message]) -> set[str]:
    return {message["tool_call_id"] for message in messages if message["role"] == "tool"}


@given(messages=conversations(), budget=st.integers(0, 900), keep_turns=st.integers(1, 4), marker=st.booleans())
@settings(max_examples=300)
def test_a_pruned_conversation_is_whole_in_all_its_parts(
    messages: list[Message], budget: int, keep_turns: int, marker: bool
) -> None:
    beside = weigh(left_out(99)) if marker else 0.0
    found = cut(messages, budget=budget, keep_turns=keep_turns, beside=beside)
    kept = [messages[place] for place in found.kept]

    assert sorted((*found.kept, *found.gone)) == list(range(len(messages)))
    assert list(found.kept) == sorted(found.kept)
    total = beside + sum(map(weigh, kept))
    assert found.fits == (total <= budget)

    before, after = called(messages), called(kept)
    assert all(calls in before for calls in after)
    assert answered(kept) == answered(messages) & set().union(*after)
    assert [m for m in kept if m["role"] == "system"] == [m for m in messages if m["role"] == "system"]
    users = [m for m in messages if m["role"] == "user"]
    assert not users or kept.count(users[-1]) >= 1

    again = cut(kept, budget=budget, keep_turns=keep_turns, beside=beside)
    assert again.gone == ()

    if beside + sum(map(weigh, messages)) <= budget:
        assert found.gone == ()
    if marker and found.gone:
        marked = assembled(messages, found, left_out(found.turns))
        assert len(marked) == len(kept) + 1
        assert [m for m in marked if m in kept] == kept


def test_whole_old_turns_go_before_anything_of_the_kept_ones() -> None:
    old = [{"role": "user", "content": "x" * 400}, {"role": "assistant", "content": "x" * 400}]
    new = [{"role": "user", "content": "what now"}]
    messages: list[Message] = [{"role": "system", "content": "Be brief."}, *old, *old, *new]
    found = cut(messages, budget=300, keep_turns=1)
    assert (found.gone, found.turns, found.fits) == ((1, 2), 1, True)
    assert found.tokens == round(sum(weigh(message) for message in old))


def test_an_agents_oldest_calls_go_when_one_turn_is_all_there_is() -> None:
    messages: list[Message] = [{"role": "user", "content": "find it"}]
    for number in range(6):
        messages.append({"role": "assistant", "content": None, "tool_calls": _calls(number * 2, 2)})
        messages += [{"role": "tool", "tool_call_id": f"c{number * 2 + n}", "content": "y" * 300} for n in (0, 1)]
    found = cut(messages, budget=600, keep_turns=2)
    assert found.fits
    assert found.kept[0] == 0
    assert found.kept[1:] == tuple(range(len(messages) - len(found.kept) + 1, len(messages)))
    assert found.turns == 1


@pytest.mark.parametrize("budget", [0, 10])
def test_what_must_stay_stays_and_the_result_says_that_it_does_not_fit(budget: int) -> None:
    messages: list[Message] = [{"role": "system", "content": "s" * 100}, {"role": "user", "content": "u" * 100}]
    found = cut(messages, budget=budget, keep_turns=1)
    assert (found.gone, found.fits) == ((), False)


def test_no_conversation_is_no_problem() -> None:
    assert cut([], budget=0, keep_turns=1).fits
