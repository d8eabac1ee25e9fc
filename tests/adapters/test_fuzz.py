"""No bytes make an adapter raise: whatever arrives is a reply or a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor import adapters
from junctor.failures import Failure
from junctor.reply import Event, Reply, TextDelta
from tests.adapters import recorded
from tests.adapters.frames import raw_frame, text_header

WORDS = """
choices message delta content tool_calls function arguments usage prompt_tokens error type code id index text input
stop_reason content_block partial_json thinking candidates parts functionCall args finishReason usageMetadata
promptTokenCount details retryDelay violations promptFeedback blockReason partialArgs jsonPath stringValue name
willContinue x_groq reasoning_details logprobs status message_start
output toolUse toolUseId reasoningContent reasoningText citationsContent stopReason inputTokens __type detail thinking
contentBlockIndex start redactedContent signature citation toolResult
"""
KEYS = WORDS.split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
PAYLOADS = BODIES | st.sampled_from([b"[DONE]", b"\n", b"["])
DAMAGE = st.binary(max_size=8) | st.sampled_from([b'"', b"{", b"}", b"\n\n", b"null"])


@given(st.sampled_from(adapters.names()), st.sampled_from([200, 200, 200, 400, 429, 500, 0, 999, -1]), BODIES)
def test_no_body_raises(adapter: str, status: int, body: bytes) -> None:
    assert isinstance(adapters.get(adapter).parse(status, {}, body), Reply | Failure)
    assert isinstance(adapters.get(adapter).classify(status, {}, body), Failure)


TYPES = ["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error", "x"]

EVENTS = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x"]


@given(
    st.sampled_from(adapters.names()),
    st.lists(BODIES | st.sampled_from([b"[DONE]", b"\n", b"["]), max_size=6),
    st.data(),
)
def test_no_stream_raises(adapter: str, bodies: list[bytes], data: st.DataObject) -> None:
    reader = adapters.get(adapter).reader()
    for body in bodies:
        if adapter == "anthropic" and body[:1] == b"{" and data.draw(st.booleans()):
            kind = data.draw(st.sampled_from(TYPES))
            body = f'{{"type":"{kind}",'.encode() + body[1:] if len(body) > 2 else f'{{"type":"{kind}"}}'.encode()
        if adapter == "bedrock" and data.draw(st.booleans()):
            name = data.draw(st.sampled_from(EVENTS))
            reader.feed(raw_frame(text_header(":event-type", name), body))
        else:
            reader.feed(b"data: " + body + b"\n\n")
    assert isinstance(reader.close(), Reply | Failure)
    assert reader.output_chunks >= 0
    assert isinstance(reader.text, str)


@pytest.mark.parametrize("adapter", adapters.names())
@settings(max_examples=settings().max_examples // 6)  # each reads a whole recording several times
@given(data=st.data())
def test_a_damaged_recording_never_raises(adapter: str, data: st.DataObject) -> None:
    """Bytes of real answers, some of them overwritten, removed or doubled."""
    rows = [row for row in recorded.rows(errors=False) if recorded.adapter_of(row) == adapter]
    if not rows:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    row: dict[str, Any] = data.draw(st.sampled_from(rows))
    found = recorded.response_of(row["id"])
    raw = bytearray(recorded.stream_bytes(row) if row["stream"] else json.dumps(found["json"]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(raw) - 1, 0)))
        span = data.draw(st.integers(0, 40))
        raw[place : place + span] = data.draw(DAMAGE)
    if not row["stream"]:
        assert isinstance(adapters.get(adapter).parse(200, {}, bytes(raw)), Reply | Failure)
        return
    whole = read(adapter, bytes(raw), len(raw) or 1)
    assert read(adapter, bytes(raw), data.draw(st.integers(1, 200))) == whole, "however it is cut"
    events, closed = whole
    delivered = "".join(event.text for event in events if isinstance(event, TextDelta))
    if isinstance(closed, Reply):
        assert closed.text == delivered, "what was delivered is what the reply says"


def read(adapter: str, raw: bytes, size: int) -> tuple[list[Event], Reply | Failure]:
    reader = adapters.get(adapter).reader()
    events = [event for start in range(0, len(raw), size) for event in reader.feed(raw[start : start + size])]
    return events, reader.close()


def test_citations_that_are_no_list_are_survived() -> None:
    """Found by damaging recordings."""
    block = {"type": "text", "text": "", "citations": 9}
    cited = {"type": "citations_delta", "citation": {"url": "u"}}
    events = [
        {"type": "message_start", "message": {"model": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": cited},
        {"type": "message_stop"},
    ]
    _, closed = read("anthropic", b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), 50)
    assert isinstance(closed, Reply)
    assert closed.message["provider_fields"]["anthropic"]["content"][0]["citations"] == [{"url": "u"}]
