"""The binary frames of AWS: read as botocore reads them, however they are cut, and never past a wrong checksum."""

from __future__ import annotations

import json
import struct
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor import adapters
from junctor.adapters.bedrock.event_stream import MAX_FRAME_BYTES, MAX_HEADER_BYTES, EventStreamDecoder, Frame
from junctor.adapters.sse import BrokenFraming
from junctor.failures import Failure
from junctor.reply import Reply, StreamError, TextDelta
from tests.adapters import recorded
from tests.adapters.frames import frame, header, raw_frame, text_header

eventstream = pytest.importorskip("botocore.eventstream", reason="botocore is not installed")

TEXT = {"contentBlockIndex": 0, "delta": {"text": "Hel"}}
HELLO = frame("contentBlockDelta", TEXT)


def read(raw: bytes, size: int | None = None) -> list[Frame]:
    decoder = EventStreamDecoder()
    step = size or max(len(raw), 1)
    return [found for start in range(0, len(raw), step) for found in decoder.feed(raw[start : start + step])]


def by_botocore(raw: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(raw)
    return [(message.headers, message.payload) for message in buffer]


def test_every_recorded_stream_is_framed_as_botocore_reads_it() -> None:
    rows = [row for row in recorded.rows(stream=True, errors=False) if recorded.adapter_of(row) == "bedrock"]
    if not rows:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    for row in rows:
        raw = recorded.stream_bytes(row)
        theirs = by_botocore(raw)
        for size in (None, 1, 7, 64):
            assert [tuple(found) for found in read(raw, size)] == theirs, row["id"]
    assert len(rows) == 29


VALUES = st.one_of(
    st.tuples(st.sampled_from([0, 1]), st.just(b"")),
    st.tuples(st.just(2), st.binary(min_size=1, max_size=1)),
    st.tuples(st.just(3), st.binary(min_size=2, max_size=2)),
    st.tuples(st.just(4), st.binary(min_size=4, max_size=4)),
    st.tuples(st.sampled_from([5, 8]), st.binary(min_size=8, max_size=8)),
    st.tuples(st.just(9), st.binary(min_size=16, max_size=16)),
    st.tuples(st.just(6), st.binary(max_size=20).map(lambda data: struct.pack(">H", len(data)) + data)),
    st.tuples(st.just(7), st.text(max_size=9).map(lambda text: struct.pack(">H", len(text.encode())) + text.encode())),
)
NAMES = st.text(min_size=1, max_size=9)


@given(st.lists(st.tuples(st.dictionaries(NAMES, VALUES, max_size=4), st.binary(max_size=50)), max_size=4), st.data())
def test_frames_of_any_headers_are_read_as_botocore_reads_them(messages: list[Any], data: st.DataObject) -> None:
    """Headers of all ten types stand around the texts that we look at."""
    raw = b"".join(
        raw_frame(b"".join(header(name, kind, value) for name, (kind, value) in headers.items()), payload)
        for headers, payload in messages
    )
    theirs = [
        ({name: value for name, value in headers.items() if isinstance(value, str)}, payload)
        for headers, payload in by_botocore(raw)
    ]
    assert [tuple(found) for found in read(raw, data.draw(st.integers(1, 40)))] == theirs


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_any_wrong_byte_ends_the_stream_after_what_was_whole(place: int, change: int) -> None:
    raw = bytearray(HELLO + HELLO + HELLO)
    place %= len(raw)
    raw[place] ^= change
    for size in (1, 7, len(raw)):
        reader = adapters.get("bedrock").reader()
        events = [
            event for start in range(0, len(raw), size) for event in reader.feed(bytes(raw[start : start + size]))
        ]
        whole = place // len(HELLO)
        assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("Hel")] * whole
        closed = reader.close()
        assert isinstance(closed, Failure)
        assert closed.kind in ("malformed", "truncated")
        assert reader.text == "Hel" * whole


def prelude(size: int, header_size: int) -> bytes:
    head = struct.pack(">II", size, header_size)
    return head + struct.pack(">I", crc32(head))


@pytest.mark.parametrize(
    ("size", "header_size"),
    [
        (MAX_FRAME_BYTES + 1, 0),
        (2**32 - 1, 0),
        (15, 0),
        (0, 0),
        (100, 85),
        (MAX_HEADER_BYTES + 100, MAX_HEADER_BYTES + 1),
        (16, 2**32 - 1),
    ],
)
def test_lengths_that_cannot_be_are_refused_before_anything_is_kept(size: int, header_size: int) -> None:
    """A length of four gigabytes under a right checksum must not make us wait for them."""
    with pytest.raises(BrokenFraming, match=rf"a?n? event stream frame of {size} bytes"):
        list(EventStreamDecoder().feed(prelude(size, header_size)))


def test_an_unfinished_frame_holds_no_more_than_what_came() -> None:
    decoder = EventStreamDecoder()
    assert list(decoder.feed(prelude(MAX_FRAME_BYTES, 0))) == []
    assert list(decoder.feed(b"x" * 5000)) == []
    assert decoder.pending == 5012


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05abc",
        b"\x01a",
        header("a", 7, b"\x00\x09abc"),
        header("a", 7, b"\x00"),
        header("a", 4, b"\x00\x00"),
        header("a", 10, b"\x00\x00"),
        header("a", 7, b"\x00\x01\xff"),
        bytes([1, 0xFF, 0]),
    ],
)
def test_headers_that_are_cut_off_or_of_unknown_types_are_refused(headers: bytes) -> None:
    with pytest.raises(BrokenFraming):
        read(raw_frame(headers, b"{}"))


def test_an_exception_after_text_is_a_failure_and_the_text_stays() -> None:
    reader = adapters.get("bedrock").reader()
    broken = frame("modelStreamErrorException", {"message": "broke off", "originalStatusCode": 500}, kind="exception")
    events = reader.feed(HELLO + broken + HELLO)
    assert [type(event) for event in events] == [TextDelta, StreamError]
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert (closed.kind, closed.message, closed.code) == ("server", "broke off", "modelStreamErrorException")
    assert reader.text == "Hel"


def test_an_error_frame_is_a_failure_by_its_headers() -> None:
    named = {":message-type": "error", ":error-code": "throttlingException", ":error-message": "Too many requests"}
    reader = adapters.get("bedrock").reader()
    reader.feed(raw_frame(b"".join(map(text_header, named, named.values())), b""))
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert (closed.kind, closed.message) == ("rate_limit", "Too many requests")


def stop(reason: str = "end_turn") -> bytes:
    return frame("messageStop", {"stopReason": reason})


def test_a_stream_that_lost_only_its_usage_is_a_whole_answer() -> None:
    reader = adapters.get("bedrock").reader()
    reader.feed(HELLO + stop())
    closed = reader.close()
    assert isinstance(closed, Reply)
    assert (closed.text, closed.finish_reason, closed.usage.known) == ("Hel", "stop", False)


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_what_bedrock_itself_could_not_read_is_no_answer(reason: str) -> None:
    reader = adapters.get("bedrock").reader()
    reader.feed(HELLO + stop(reason))
    whole = {"output": {"message": {"role": "assistant", "content": [{"text": "Hel"}]}}, "stopReason": reason}
    for closed in (reader.close(), adapters.get("bedrock").parse(200, {}, json.dumps(whole).encode())):
        assert isinstance(closed, Failure)
        assert closed.kind == "malformed"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("stop_sequence", "stop"),
        ("brand_new", "unknown"),
    ],
)
def test_stop_reasons(reason: str, finish: str) -> None:
    reader = adapters.get("bedrock").reader()
    reader.feed(HELLO + stop(reason))
    closed = reader.close()
    assert isinstance(closed, Reply)
    assert closed.finish_reason == finish


def test_a_streamed_answer_is_the_whole_one_block_for_block() -> None:
    """Signed reasoning, hidden reasoning in two pieces, citations, server tools, a call without arguments."""
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "H"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "YQ=="}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "Yg=="}}}),
        (
            "contentBlockStart",
            {
                "contentBlockIndex": 2,
                "start": {"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use"}},
            },
        ),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"q":'}}}),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "1}"}}}),
        (
            "contentBlockStart",
            {"contentBlockIndex": 3, "start": {"toolResult": {"toolUseId": "s", "status": "success"}}},
        ),
        ("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"toolResult": [{"text": "found"}]}}),
        ("contentBlockDelta", {"contentBlockIndex": 4, "delta": {"text": "It rains"}}),
        ("contentBlockDelta", {"contentBlockIndex": 4, "delta": {"citation": {"title": "news"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 5, "delta": {"text": "."}}),
        ("contentBlockStart", {"contentBlockIndex": 6, "start": {"toolUse": {"toolUseId": "a", "name": "f"}}}),
        ("contentBlockStop", {"contentBlockIndex": 6}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokens": 4}}),
    ]
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "YWI="}},
        {"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use", "input": {"q": 1}}},
        {"toolResult": {"toolUseId": "s", "status": "success", "content": [{"text": "found"}]}},
        {"citationsContent": {"content": [{"text": "It rains"}], "citations": [{"title": "news"}]}},
        {"text": "."},
        {"toolUse": {"toolUseId": "a", "name": "f", "input": {}}},
    ]
    reader = adapters.get("bedrock").reader()
    for name, body in events:
        reader.feed(frame(name, body))
    streamed = reader.close()
    usage = {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokens": 4}
    answer = {"output": {"message": {"content": content}}, "stopReason": "tool_use", "usage": usage}
    assert streamed == adapters.get("bedrock").parse(200, {}, json.dumps(answer).encode())
    assert isinstance(streamed, Reply)
    assert streamed.message["provider_fields"]["bedrock"]["content"] == content
    assert (streamed.text, streamed.reasoning, [call.name for call in streamed.tool_calls]) == (
        "It rains.",
        "Hm",
        ["f"],
    )
    assert (streamed.usage.input_tokens, streamed.usage.cached_tokens) == (7, 4)


def test_a_second_message_and_endless_blocks_are_broken_streams() -> None:
    start = frame("messageStart", {"role": "assistant"})
    second = adapters.get("bedrock").reader()
    second.feed(start + HELLO + start)
    closed = second.close()
    assert isinstance(closed, Failure)
    assert closed.kind == "malformed"
    endless = adapters.get("bedrock").reader()
    for index in range(5000):
        endless.feed(frame("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": "x"}}))
    closed = endless.close()
    assert isinstance(closed, Failure)
    assert "more than 4096 content blocks" in closed.message
