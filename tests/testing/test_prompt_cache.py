"""The simulated prompt cache: what is written is what is read, while it lives, from the right beginning only."""

from __future__ import annotations

from typing import Any

import pytest

from junctor.testing.prompt_cache import Cached, PromptCache, read_blocks

MODEL = "claude-sonnet-4-5"
TEXT = "w" * 8_000  # 2,000 tokens here
SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}


def text(words: str, mark: Any = None) -> dict[str, Any]:
    return {"type": "text", "text": words} | ({} if mark is None else {"cache_control": mark})


def body(*messages: dict[str, Any], system: list[dict[str, Any]], model: str = MODEL) -> dict[str, Any]:
    return {"model": model, "system": system, "messages": list(messages)}


def asks(words: str, mark: Any = None) -> dict[str, Any]:
    return {"role": "user", "content": [text(words, mark)]}


def test_what_was_written_is_read_at_the_same_beginning_for_five_minutes_after_the_last_read() -> None:
    cache = PromptCache()
    blocks = read_blocks(body(asks("one"), system=[text(TEXT, SHORT)]))
    other = read_blocks(body(asks("two"), system=[text(TEXT, SHORT)]))
    assert cache.take(blocks, 0.0) == Cached(0, 2001, 0)
    assert cache.take(other, 299.0) == Cached(2001, 0, 0)
    assert cache.take(other, 598.0) == Cached(2001, 0, 0)
    assert cache.take(other, 898.0) == Cached(0, 2001, 0)


@pytest.mark.parametrize(
    "changed",
    [
        body(asks("one"), system=[text("x" + TEXT, SHORT)]),
        body(asks("one"), system=[text(TEXT, SHORT)], model="claude-opus-4-1"),
        {"tools": [{"name": "f"}], **body(asks("one"), system=[text(TEXT, SHORT)])},
    ],
    ids=["text", "model", "tools"],
)
def test_anything_else_before_the_mark_is_another_beginning(changed: dict[str, Any]) -> None:
    cache = PromptCache()
    cache.take(read_blocks(body(asks("one"), system=[text(TEXT, SHORT)])), 0.0)
    assert cache.take(read_blocks(changed), 1.0).read == 0


def test_a_longer_conversation_reads_the_older_part_and_writes_the_newer() -> None:
    cache = PromptCache()
    system = [text(TEXT, SHORT)]
    first = [asks("one"), {"role": "assistant", "content": "two"}, asks(TEXT, SHORT)]
    assert cache.take(read_blocks(body(*first, system=system)), 0.0).written == 4_005
    longer = [*first[:2], asks(TEXT), {"role": "assistant", "content": "four"}, asks("five", SHORT)]
    found = cache.take(read_blocks(body(*longer, system=system)), 1.0)
    assert found.read == 4_005
    assert 0 < found.written < 10


def test_an_entry_more_than_twenty_blocks_before_a_mark_is_not_found() -> None:
    for between, found in ((18, True), (25, False)):
        cache = PromptCache()
        cache.take(read_blocks(body(asks(TEXT, SHORT), system=[])), 0.0)
        rest = [asks(f"m{n}") for n in range(between)]
        read = cache.take(read_blocks(body(asks(TEXT), *rest, asks("end", SHORT), system=[])), 1.0).read
        assert (read > 0) == found


def test_a_beginning_below_the_minimum_is_never_written() -> None:
    assert PromptCache().take(read_blocks(body(asks("Hi"), system=[text("w" * 4_000, SHORT)])), 0.0) == Cached()
    opus = body(asks("Hi"), system=[text(TEXT, SHORT)], model="claude-opus-4-8")
    assert PromptCache().take(read_blocks(opus), 0.0) == Cached()


def test_an_hours_writes_are_told_apart_and_live_an_hour() -> None:
    cache = PromptCache()
    blocks = read_blocks(body(asks(TEXT, SHORT), system=[text(TEXT, LONG)]))
    assert cache.take(blocks, 0.0) == Cached(0, 4_002, 2_001)
    assert cache.take(blocks, 3_599.0) == Cached(2_001, 2_001, 0)


def test_too_many_marks_and_a_long_one_after_a_short_one_are_refused_in_the_providers_words() -> None:
    with pytest.raises(ValueError, match=r"A maximum of 4 blocks .* Found 5\."):
        read_blocks(body(*(asks(f"{n}", SHORT) for n in range(5)), system=[]))
    with pytest.raises(ValueError, match="ttl='1h' cache_control block must not come after"):
        read_blocks(body(asks("Hi", LONG), system=[text(TEXT, SHORT)]))
