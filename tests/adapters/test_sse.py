"""Server-sent events: the same events however the bytes are cut and whatever ends the lines."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor import adapters
from junctor.adapters.sse import EventTooLong, SseDecoder
from junctor.failures import Failure
from junctor.reply import Reply, StreamError, TextDelta

Events = list[tuple[bytes, bytes]]


def decode(pieces: list[bytes], **options: int) -> Events:
    decoder = SseDecoder(**options)
    return [event for piece in pieces for event in decoder.feed(piece)]


def naive(text: str) -> Events:
    """The standard's algorithm, line by line: slow and plain, to compare with."""
    found: Events = []
    name = ""
    data: list[str] = []
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line in lines[:-1]:
        if not line:
            if data:
                found.append((name.encode(), "\n".join(data).encode()))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return found


LINE = st.one_of(
    st.sampled_from(
        ["", "", "data", "data:", "data: ", ": comment", "event: ping", "id: 3", "retry: 10", "data:  two"]
    ),
    st.text(alphabet='aß€😀 {}":[]', max_size=8).map(lambda words: f"data: {words}"),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[int]]:
    lines = draw(st.lists(st.tuples(LINE, st.sampled_from(["\n", "\r\n", "\r"])), max_size=25))
    text = draw(st.sampled_from(["", "\ufeff"])) + "".join(line + end for line, end in lines)
    size = len(text.encode())
    return text, sorted(draw(st.lists(st.integers(0, size), max_size=12)))


@given(streams())
def test_any_cut_and_any_mix_of_line_ends_gives_the_standards_events(drawn: tuple[str, list[int]]) -> None:
    """B45: split anywhere, CR, LF and CRLF mixed, with and without a byte order mark."""
    text, cuts = drawn
    raw = text.encode()
    edges = [0, *cuts, len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(edges)]
    # A CR at the very end may still be half of a CRLF, which changes nothing about the events.
    assert decode(pieces) == naive(text) == decode([raw]) == decode([bytes([byte]) for byte in raw])


def test_a_character_cut_in_two_is_whole_again() -> None:
    raw = "data: grüße 😀\n\n".encode()
    for cut in range(len(raw)):
        assert decode([raw[:cut], raw[cut:]]) == [(b"", "grüße 😀".encode())]


def test_an_event_that_never_ends_is_refused_at_the_bound() -> None:
    """B45: bounded memory; the error is typed."""
    with pytest.raises(EventTooLong, match="1000 bytes"):
        decode([b"data: " + b"x" * 600, b"x" * 600], max_event_bytes=1000)
    with pytest.raises(EventTooLong):
        decode([b"data: " + b"x" * 1200 + b"\n\n"], max_event_bytes=1000)


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([b"data: ", b"\n", b"\r", b"\n\n", b"\xef\xbb\xbf"]))),
    st.integers(1, 64),
)
def test_whatever_comes_no_more_is_kept_than_the_bound(pieces: list[bytes], bound: int) -> None:
    """B45: any bytes in any pieces: the decoder keeps one unfinished event within its bound, or refuses."""
    decoder = SseDecoder(max_event_bytes=bound)
    for piece in pieces:
        try:
            events = decoder.feed(piece)
        except EventTooLong:
            return
        assert all(len(name) + len(data) <= bound for name, data in events)
        assert len(decoder.rest()) <= bound + 2, "and the beginning of a byte order mark"


def test_many_small_events_in_one_chunk_are_not_too_long() -> None:
    assert len(decode([b"data: x\n\n" * 1000], max_event_bytes=1000)) == 1000


def test_a_10_mb_line_in_small_pieces_costs_linear_time_and_bounded_memory() -> None:
    piece = b"x" * 4096
    decoder = SseDecoder()
    decoder.feed(b"data: ")
    tracemalloc.start()
    for _ in range(10 * 256):
        assert decoder.feed(piece) == []
    [(_, data)] = decoder.feed(b"\n\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 10 * 256 * 4096
    assert peak < 64 * 1024 * 1024


BROKEN_BYTES = [
    pytest.param(b'data: {"a": "\xff\xfe"}\n\n', id="invalid UTF-8"),
    pytest.param(b"data: {nope}\n\n", id="no JSON"),
    pytest.param(b"data: " + b"x" * 17 * 1024 * 1024, id="17 MB line"),
    pytest.param(b"<html><body>Bad gateway</body></html>", id="HTML"),
    pytest.param(b"", id="nothing"),
    pytest.param(b'data: {"choices": 3, "content": {}, "candidates": "x", "type": 4}\n\n', id="wrong types"),
]


@pytest.mark.parametrize("adapter", adapters.names())
@pytest.mark.parametrize("raw", BROKEN_BYTES)
def test_a_stream_of_nonsense_is_a_failure_and_never_raises(adapter: str, raw: bytes) -> None:
    """B45, B46: parse, or a typed failure."""
    reader = adapters.get(adapter).reader()
    events = reader.feed(raw)
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert closed.kind in ("malformed", "truncated")
    assert all(event.failure == closed for event in events if isinstance(event, StreamError))
    assert reader.feed(b"data: {}\n\n") == [] or closed.kind != "malformed" or not events


def test_a_marker_without_its_blank_line_still_ends_the_stream() -> None:
    raw = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]'
    reader = adapters.get("openai").reader()
    assert reader.feed(raw) == [TextDelta("Hi")]
    closed = reader.close()
    assert isinstance(closed, Reply)
    assert closed.text == "Hi"
