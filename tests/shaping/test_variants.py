"""The most specific variant wins, and only named places in a prompt are filled."""

from __future__ import annotations

import pytest

from junctor.exceptions import InvalidRequest
from junctor.shaping.variants import applied, choose, filled

NAMES = ["default", "*", "anthropic/*", "*/claude-*", "anthropic/claude-haiku-*", "cheap", "anthropic/claude-haiku-4-5"]


@pytest.mark.parametrize(("known", "wanted"), [(NAMES[:count], NAMES[count - 1]) for count in range(1, len(NAMES) + 1)])
def test_the_more_specific_name_wins_whatever_the_order(known: list[str], wanted: str) -> None:
    for order in (known, known[::-1]):
        assert choose(dict.fromkeys(order, "text"), model="anthropic/claude-haiku-4-5", group="cheap") == wanted


def test_a_variant_for_somebody_else_is_nobodys() -> None:
    variants = dict.fromkeys(["openai/*", "other-group", "anthropic/claude-opus-*"], "text")
    assert choose(variants, model="anthropic/claude-haiku-4-5", group="cheap") is None


def test_braces_that_are_no_placeholder_stay() -> None:
    text = 'For {who}: answer {"a": {b}} and never {0} or {who!r}'
    filled_in = 'For {b}: answer {"a": {b}} and never {0} or {who!r}'
    assert filled({"x": text, "y": "none"}, {"who": "{b}"}, prompt="p") == {"x": filled_in, "y": "none"}


def test_a_value_without_a_place_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="prompt_values: 'whom' stands nowhere in the prompt 'p'"):
        filled({"x": "Hi {who}", "y": "Hi"}, {"who": "x", "whom": "y"}, prompt="p")


def test_the_prompt_takes_the_place_of_the_first_system_messages_only() -> None:
    late = {"role": "system", "content": "late"}
    user = {"role": "user", "content": "Hi"}
    head = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}]
    new = {"role": "system", "content": "new"}
    assert applied([*head, user, late], "new") == [new, user, late]
    assert applied([user], "new") == [new, user]
