"""An answer of the caller's own dialect comes back as its provider wrote it, however it travels, wherever it breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.relay import Raw, RawReader, kept_ending
from junctor.reply import Reply
from junctor.testing.scripted import Outcome, fail, ok, raw, stream
from tests.adapters.recorded import adapter_of, rows, stream_bytes
from tests.client.stage import Stage
from tests.doors.heard import PATHS, body_for
from tests.doors.visit import CHAT, MESSAGES, RESPONSES, Seen, visit

DIALECT = {CHAT: "openai", MESSAGES: "anthropic"}
STREAMS = [
    row for row in rows(stream=True, errors=False) if adapter_of(row) in ("openai", "openai-responses", "anthropic")
]

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln/+=="},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "block_of_next_week", "anything": [1.50, 1e22, "\u2028"]},
        {"type": "text", "text": "Sure.", "citations": [{"type": "char_location", "cited_text": "x"}]},
    ],
    "stop_reason": "end_turn",
    "container": {"id": "c"},
    "usage": {"input_tokens": 3, "output_tokens": 4, "service_tier": "standard", "iterations": [{"n": 1}]},
}


def test_a_whole_answer_keeps_every_byte_but_the_cost() -> None:
    """Unknown blocks and fields, digits and escapes are the provider's; the cost is one field of the usage."""
    body = json.dumps(MESSAGE).encode()
    stage = Stage({"a": [raw(200, body)]}, dialect="anthropic")
    seen = visit(stage, MESSAGES, body_for(MESSAGES, stream=False))
    assert b"[1.5, 1e+22" in seen.body
    got = seen.json()
    assert got["usage"].pop("cost_usd") == pytest.approx(43e-6)
    assert got == MESSAGE


def frames(*events: dict[str, Any], end: str = "\n") -> bytes:
    return "".join(f"event: {event['type']}{end}data: {json.dumps(event)}{end}{end}" for event in events).encode()


OPENING: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln/+=="}},
    {"type": "content_block_stop", "index": 0},
    {"type": "event_of_next_week", "index": 7},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Sure."}},
]
CLOSING: list[dict[str, Any]] = [
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4, "new": {"a": 1}}},
    {"type": "message_stop"},
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_stream_keeps_every_event_and_has_the_cost_in_its_last_usage(end: str) -> None:
    stage = Stage({"a": [raw(200, frames(*OPENING, *CLOSING, end=end))]}, dialect="anthropic")
    events = visit(stage, MESSAGES, body_for(MESSAGES, stream=True)).events()
    assert events[-2]["usage"].pop("cost_usd") > 0
    assert events == [*OPENING, *CLOSING]


def test_a_stream_that_is_cut_ends_in_the_dialects_error_and_never_cleanly() -> None:
    """B44: everything that came before, no end, nothing of another provider."""
    stage = Stage({"a": [raw(200, frames(*OPENING, *CLOSING[:1]))], "b": [ok("another")]}, dialect="anthropic")
    events = visit(stage, MESSAGES, body_for(MESSAGES, stream=True)).events()
    assert events[: len(OPENING)] == OPENING
    assert events[-1]["type"] == "error"
    assert "message_stop" not in [event["type"] for event in events]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("how", [{"error_after": 2}, {"cut_after": 2}, {"cut_after": 2, "cut": "clean"}])
def test_a_stream_that_breaks_after_content_is_told_in_the_callers_dialect(
    path: str, dialect: str, how: dict[str, Any]
) -> None:
    """B43, B44: the pieces that came, once, then an error; the words of the provider's fault are not the caller's."""
    stage = Stage({"a": [stream("one ", "two ", "three ", "four", **how)], "b": [ok("another")]}, dialect=dialect)
    seen = visit(stage, path, body_for(path, stream=True))
    assert seen.body.count(b"one ") >= 1
    assert b"four" not in seen.body
    assert b"another" not in seen.body
    last = seen.events()[-1]
    told = last["response"] if path == RESPONSES else last
    assert told["error"]["message"].startswith("the stream broke after 8 characters of text")
    assert last.get("type") == {CHAT: None, MESSAGES: "error", RESPONSES: "response.failed"}[path]
    for end in (b"[DONE]", b"message_stop", b"response.completed"):
        assert end not in seen.body


def test_an_end_that_is_not_followed_by_its_marker_is_no_end() -> None:
    """B44: the reason for an end came, the marker did not: an error, and the reason was never handed over."""
    stage = Stage({"a": [raw(200, frames(*OPENING, *CLOSING[:2]))]}, dialect="anthropic")
    kinds = [event["type"] for event in visit(stage, MESSAGES, body_for(MESSAGES, stream=True)).events()]
    assert "message_delta" not in kinds
    assert kinds[-1] == "error"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    "bad",
    [
        fail(500),
        stream("x", error_after=0),
        stream("x", cut_after=0),
        stream("x", cut_after=0, cut="clean"),
        raw(200, b"<html></html>"),
        raw(200, b""),
        raw(200, b"data: \xff\xfe{\n\n"),
    ],
    ids=["500", "error", "cut", "clean-cut", "html", "empty", "garbage"],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_what_fails_before_content_is_answered_elsewhere_unseen(path: str, bad: Outcome, streamed: bool) -> None:
    """B42, B46: one clean answer of another deployment, and a header that tells of two attempts."""
    stage = Stage({"a": [bad], "b": [ok("from b")]}, dialect=DIALECT[path])
    if not streamed and bad.does == "speak":
        pytest.skip("a stream's way to fail")
    seen = visit(stage, path, body_for(path, stream=streamed))
    assert b"from" in seen.body
    assert seen.headers["x-junctor-deployment"] == "b"
    assert seen.headers["x-junctor-attempts"] == "2"
    assert b"html" not in seen.body


def test_usage_that_nobody_asked_for_is_left_out() -> None:
    """The provider is always asked for it, to settle; whoever did not ask may not expect a chunk without choices."""
    stage = Stage({"a": [stream("one"), stream("one")]})
    body = {**body_for(CHAT, stream=True)}
    del body["stream_options"]
    events = visit(stage, CHAT, body).events()
    assert [event for event in events[:-1] if not event["choices"]] == []
    assert stage.provider.sent[0].json()["stream_options"] == {"include_usage": True}


def pieces(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def blocks(body: bytes) -> list[bytes]:
    """The events of a stream with their line ends made equal, nothing else changed."""
    text = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return [block.strip(b"\n") for block in text.split(b"\n\n") if block.strip(b"\n")]


@pytest.mark.parametrize("row", STREAMS or [{}], ids=lambda row: row.get("id", "no-data"))
def test_every_recorded_stream_passes_unchanged(row: dict[str, Any]) -> None:
    """B45: cut anywhere, what goes out and what is kept for the end is the stream; the reply is what it always was."""
    if not row:
        pytest.skip("the recorded exchanges are not here; set JUNCTOR_DATA")
    adapter = adapters.get(adapter_of(row))
    for size in (1, 7, 64, 1 << 30):
        body = stream_bytes(row)[: 8_000 if size == 1 else None]
        reader, plain = RawReader(adapter.reader()), adapter.reader()
        out: list[bytes] = []
        for piece in pieces(body, size):
            event: object
            for event in reader.feed(piece):
                if isinstance(event, Raw):
                    out += blocks(event.blocks)
            plain.feed(piece)
        closing, same = reader.close(), plain.close()
        assert type(closing) is type(same)
        if isinstance(closing, Reply) and isinstance(same, Reply):
            assert (closing.text, closing.usage, closing.tool_calls) == (same.text, same.usage, same.tool_calls)
            out += [block for kept in kept_ending(closing) or () for block in blocks(kept)]
            assert out == blocks(body)
        else:
            assert out == blocks(body)[: len(out)]


def test_a_caller_of_another_dialect_gets_its_own() -> None:
    """The same upstream bytes, asked for through OpenAI's door: no event of Anthropic's is in it."""
    stage = Stage({"a": [raw(200, frames(*OPENING, *CLOSING))]}, dialect="anthropic")
    seen: Seen = visit(stage, CHAT, body_for(CHAT, stream=True))
    assert b"message_start" not in seen.body
    assert "".join(c["delta"].get("content") or "" for e in seen.events()[:-1] for c in e["choices"]) == "Sure."
