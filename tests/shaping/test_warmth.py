"""What is expected from a prompt cache: what was read lately, in the same place, and no more than is shared."""

from __future__ import annotations

from junctor.estimate import measure, shared_tokens
from junctor.request import ChatRequest
from junctor.warmth import KEPT_S, MAX_KEPT, Warmth


def test_what_was_read_is_expected_until_providers_may_have_forgotten_it() -> None:
    warmth = Warmth()
    assert warmth.expected("s", 0.0) is None
    warmth.note("s", "a", 900, 10.0)
    assert warmth.expected("s", 10.0 + KEPT_S) == ("a", 900)
    assert warmth.expected("s", 10.1 + KEPT_S) is None


def test_the_last_answer_is_believed_whatever_it_says() -> None:
    warmth = Warmth()
    warmth.note("s", "a", 900, 0.0)
    warmth.note("s", "b", 40, 1.0)
    assert warmth.expected("s", 1.0) == ("b", 40)
    warmth.note("s", "b", 0, 2.0)
    assert warmth.expected("s", 2.0) is None


def test_it_has_a_bound_and_forgets_the_longest_unused() -> None:
    warmth = Warmth()
    for number in range(MAX_KEPT):
        warmth.note(str(number), "a", 1, 0.0)
    warmth.note("0", "a", 2, 1.0)
    warmth.note("one more", "a", 1, 1.0)
    assert warmth.expected("0", 1.0) == ("a", 2)
    assert warmth.expected("1", 1.0) is None
    assert warmth.expected("2", 1.0) == ("a", 1)


def test_requests_of_one_prefix_share_what_stands_before_the_first_users_word() -> None:
    tools = [{"type": "function", "function": {"name": "f", "description": "x" * 700, "parameters": {}}}]
    system = {"role": "system", "content": "y" * 3_500}
    short = ChatRequest(messages=[system, {"role": "user", "content": "Hi"}], tools=tools)
    long = ChatRequest(messages=[system, {"role": "user", "content": "z" * 35_000}], tools=tools)
    assert shared_tokens(short) == shared_tokens(long)
    assert 1_200 < shared_tokens(short) < measure(short)[0]
    assert shared_tokens(ChatRequest(messages=[{"role": "user", "content": "Hi"}])) < 10
