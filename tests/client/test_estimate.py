"""Estimates of size, and the name of a prompt's beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from junctor.estimate import CACHEABLE_CHARS, PART_TOKENS, measure, prefix_affinity
from junctor.request import ChatRequest
from junctor.testing.scripted import ok
from tests.client.stage import Stage


def asked(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return ChatRequest(messages=messages, **fields)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_text_counts_three_and_a_half_bytes_per_token() -> None:
    """And its characters are counted as they are."""
    assert measure(asked(user("a" * 350))) == (3 + 4 + 100, 350)


def test_bytes_count_rather_than_characters() -> None:
    """A Chinese character is three bytes and about one token."""
    assert measure(asked(user("語" * 350))) == (3 + 4 + 300, 350)


def test_parts_count_like_text_or_a_constant() -> None:
    """An image's size in base64 says nothing about its tokens."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    tokens, chars = measure(asked(user([{"type": "text", "text": "a" * 35}, image])))
    assert (tokens, chars) == (7 + 10 + PART_TOKENS["image_url"], 35)


def test_tools_schemas_and_calls_are_input_too() -> None:
    """Ten tools can be longer than the prompt."""
    bare = measure(asked(user("hi")))[0]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"description": "x" * 700}}}
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": "y" * 700}}]}
    assert measure(asked(user("hi"), tools=[tool]))[0] > bare + 200
    assert measure(asked(user("hi"), call))[0] > bare + 200
    assert measure(asked(user("hi"), response_format={"type": "json_schema", "schema": "z" * 700}))[0] > bare + 200


def test_a_candidate_is_charged_by_its_own_tokenizer() -> None:
    """The client's estimate is one; what is held differs by the deployment that a call went to."""
    limit: list[Mapping[str, Any]] = [{"dimension": "input_tpm", "limit": 100_000, "burst_s": 60.0}]
    deployments = [
        {"name": name, "provider": "openai", "model": "openai/m", "pools": [name], "tokens_permille": permille}
        for name, permille in (("a", 1_000), ("b", 1_430))
    ]
    stage = Stage({"a": [ok()], "b": [ok()]}, limits={"a": limit, "b": limit}, fleet={"deployments": deployments})
    for name, held in (("a", 1_000), ("b", 1_430)):
        receipt = stage.run(stage.client.chat(name, [user("x" * 3_476)])).receipt
        assert receipt is not None
        assert receipt.attempts[0].decision.held == {f"{name}.input_tpm": held}


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_longer_text_never_counts_less(text: str, more: str) -> None:
    """Monotone, and no text breaks it (lone surrogates included)."""
    assert measure(asked(user(text + more)))[0] >= measure(asked(user(text)))[0]


def test_strange_content_is_measured_and_not_refused() -> None:
    """Saying no to it is the adapter's business."""
    for content in (None, 7, {"x": 1}, ["plain", 7, {"type": "odd"}], "\ud800"):
        assert measure(asked(user(content)))[0] >= 7
        prefix_affinity([user(content)])


def test_short_prompts_have_no_affinity_and_long_ones_share_it_by_their_beginning() -> None:
    """Below the providers' cache threshold a warm place saves nothing; the end of the prompt does not matter."""
    system = {"role": "system", "content": "s" * CACHEABLE_CHARS}
    assert prefix_affinity([user("hi")]) is None
    named = prefix_affinity([system, user("one")])
    assert named is not None
    assert named == prefix_affinity([system, user("two")])
    assert named != prefix_affinity([{"role": "system", "content": "t" * CACHEABLE_CHARS}, user("one")])


def test_affinity_shows_no_content() -> None:
    """Receipts carry it."""
    assert "secret" not in str(prefix_affinity([user("secret" * 1000)]))
