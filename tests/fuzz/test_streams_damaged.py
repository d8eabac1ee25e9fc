"""Streams of the three dialects, damaged anywhere: a reply or a failure, the same however they are cut, and never other
text than was delivered. What the decoder beneath keeps is bounded by `tests/adapters/test_sse.py`."""

from __future__ import annotations

from random import Random

import pytest

from junctor import adapters
from junctor.failures import Failure
from junctor.reply import Event, Reply, StreamError, TextDelta
from tests.fuzz.mutants import CASES, corpus, mutants, survived

WORDS = [
    *(
        b"data: [DONE]\n\n",
        b"event: error\n",
        b"data: ",
        b"data",
        b":",
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"true",
        b'"\\ud83d"',
    ),
    *(
        b'"error":',
        b'"choices":[]',
        b'"delta":null',
        b'"type":"message_stop"',
        b'"finishReason":"STOP"',
        b'"text":9',
        b"[" * 2000,
    ),
]
DIALECTS = ("openai", "anthropic", "gemini")


def read(dialect: str, raw: bytes, sizes: Random | None) -> tuple[list[Event], Reply | Failure, str]:
    """Events, end and text of a stream: whole, or in pieces of random sizes."""
    reader, events, start = adapters.get(dialect).reader(), list[Event](), 0
    while start < len(raw):
        size = len(raw) if sizes is None else sizes.choice((1, 2, 7, 50, 1000))
        events += reader.feed(raw[start : start + size])
        start += size
    return events, reader.close(), reader.text


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_well_formed_is_read(dialect: str) -> None:
    """Two replies and an error each, so that mutants have something to lose."""
    ends = {name: read(dialect, raw, None)[1] for name, raw in corpus(f"{dialect}-*.sse")}
    assert [name for name, end in ends.items() if isinstance(end, Failure)] == [f"{dialect}-error.sse"]
    text = ends[f"{dialect}-text.sse"]
    assert isinstance(text, Reply)
    assert text.text.startswith("Zwölf boats")
    tools = ends[f"{dialect}-tools.sse"]
    assert isinstance(tools, Reply)
    assert tools.finish_reason == "tool_calls"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_stream_raises_hangs_or_says_more_than_it_delivered(dialect: str) -> None:
    for number, (name, mutant) in enumerate(mutants(corpus(f"{dialect}-*.sse"), WORDS, CASES)):
        events, end, text = survived(number, read, dialect, mutant, None)
        delivered = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert text == delivered, name
        assert isinstance(end, Reply | Failure), name
        if isinstance(end, Reply):
            assert end.text == delivered, name
        assert sum(isinstance(event, StreamError) for event in events) <= 1, name
        assert (events, end, text) == read(dialect, mutant, Random(number)), f"{name}: cut otherwise"
