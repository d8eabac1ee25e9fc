"""The responses dialect beyond the shared table: items that come back, streams that differ, how answers end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import adapters
from junctor.failures import Failure
from junctor.reply import Event, Finish, ReasoningDelta, Reply, TextDelta, ToolCallDelta
from junctor.request import ChatRequest
from tests.adapters import recorded
from tests.adapters.cases import TOOLS, endpoint, user

NAME = "openai-responses"
USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 29,
}


def message(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part], **more}


def called(id: str = "call_1", name: str = "weather", arguments: str = '{"city":"Oslo"}') -> dict[str, Any]:
    return {
        "id": f"fc_{id}", "type": "function_call", "status": "completed",
        "call_id": id, "name": name, "arguments": arguments,
    }  # fmt: skip


def thought(*summary: str, sealed: str | None = "gAAAA", content: str | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"id": "rs_1", "type": "reasoning", "encrypted_content": sealed}
    item["summary"] = [{"type": "summary_text", "text": text} for text in summary]
    if content is not None:
        item["content"] = [{"type": "reasoning_text", "text": content}]
    return item


SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
RESPONSES_ANSWERS: dict[str, list[dict[str, Any]]] = {
    "text": [message("Hello")],
    "text in two messages": [message("Wait. ", phase="commentary"), message("Done.", phase="final_answer")],
    "a call": [called()],
    "thought before parallel calls": [thought("One", "Two"), called(), called("call_2", "clock", "{}")],
    "shown thinking": [thought(sealed=None, content="Hm"), message("4")],
    "a search": [thought(), SEARCH, message("Found")],
    "a custom tool's call": [
        {"id": "ct_1", "type": "custom_tool_call", "call_id": "c9", "name": "sql", "input": "select"}
    ],
}


def answer(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5.4-2026-03-05", "error": None,
        "incomplete_details": None, "output": list(output), "usage": USAGE, **more,
    }  # fmt: skip


def parse(body: dict[str, Any]) -> Reply:
    reply = adapters.get(NAME).parse(200, {}, json.dumps(body).encode())
    assert isinstance(reply, Reply), reply
    return reply


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def read(*events: dict[str, Any], tail: bytes = b"") -> tuple[list[Event], Reply | Failure]:
    reader = adapters.get(NAME).reader()
    seen = reader.feed(sse(*events) + tail)
    return seen, reader.close()


def spoken(body: dict[str, Any], *, last: str = "response.completed") -> list[dict[str, Any]]:
    """The events of a stream that says the same as a whole answer."""
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {**body, "output": [], "usage": None}}]
    for place, item in enumerate(body["output"]):
        events.append({"type": "response.output_item.added", "output_index": place, "item": {**item, "arguments": ""}})
        for index, part in enumerate(item.get("summary") or ()):
            kind = "response.reasoning_summary_text.delta"
            events.append({"type": kind, "output_index": place, "summary_index": index, "delta": part["text"]})
        for index, part in enumerate(item.get("content") or ()):
            kind = "response.reasoning_text.delta" if item["type"] == "reasoning" else "response.output_text.delta"
            events.extend(
                {"type": kind, "output_index": place, "content_index": index, "delta": letter}
                for letter in part.get("text", "")
            )
        if item["type"] == "function_call":
            kind = "response.function_call_arguments.delta"
            events.extend({"type": kind, "output_index": place, "delta": letter} for letter in item["arguments"])
        if item["type"] == "custom_tool_call":
            kind = "response.custom_tool_call_input.delta"
            events.append({"type": kind, "output_index": place, "delta": item["input"]})
        events.append({"type": "response.output_item.done", "output_index": place, "item": item})
    return [*events, {"type": last, "response": body}]


@pytest.mark.parametrize("name", RESPONSES_ANSWERS)
def test_whole_and_streamed_alike(name: str) -> None:
    body = answer(*RESPONSES_ANSWERS[name])
    whole = parse(body)
    _, streamed = read(*spoken(body))
    assert streamed == whole
    ends_only = [event for event in spoken(body) if not event["type"].endswith(("delta", "added"))]
    seen, told_at_once = read(*ends_only)
    assert told_at_once == whole, "a host that sends no pieces"
    assert "".join(event.text for event in seen if isinstance(event, TextDelta)) == whole.text
    seen, last_only = read(spoken(body)[0], spoken(body)[-1])
    assert last_only == whole, "a host that sends its answer in the last event only"
    assert [event.name for event in seen if isinstance(event, ToolCallDelta) and event.name] == [
        call.name for call in whole.tool_calls
    ]


def test_text_calls_thought_and_usage() -> None:
    reply = parse(answer(*RESPONSES_ANSWERS["thought before parallel calls"]))
    assert (reply.text, reply.finish_reason, reply.reasoning) == ("", "tool_calls", "One\n\nTwo")
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("call_1", "weather", '{"city":"Oslo"}'),
        ("call_2", "clock", "{}"),
    ]
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (20, 9, 8, 4)
    assert (reply.id, reply.model) == ("resp_1", "gpt-5.4-2026-03-05")
    assert parse(answer(message("Hi"))).message == {"role": "assistant", "content": "Hi"}, "nothing to keep"


@pytest.mark.parametrize(
    ("body", "finish"),
    [
        (answer(message("cut"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (answer(message(""), status="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
        (answer(message("?"), status="incomplete", incomplete_details={"reason": "new"}), "unknown"),
        (answer({**message(""), "content": [{"type": "refusal", "refusal": "No."}]}), "refusal"),
        (answer(message("left out"), status=None), "stop"),
        (answer(status="queued"), "unknown"),
    ],
)
def test_how_an_answer_ended(body: dict[str, Any], finish: str) -> None:
    assert parse(body).finish_reason == finish
    seen, closed = read(
        *spoken(body, last="response.incomplete" if body["status"] == "incomplete" else "response.done")
    )
    assert isinstance(closed, Reply)
    assert [event.reason for event in seen if isinstance(event, Finish)] == [closed.finish_reason]
    if body["status"] not in (None, "queued"):
        assert closed.finish_reason == finish


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}), "rate_limit"),
        (answer(status="failed", error={"code": "server_error", "message": "oops"}), "server"),
        (answer(status="cancelled"), "malformed"),
        ({"object": "chat.completion", "choices": []}, "malformed"),
    ],
)
def test_a_response_that_is_no_answer_is_a_failure(body: dict[str, Any], kind: str) -> None:
    failure = adapters.get(NAME).parse(200, {}, json.dumps(body).encode())
    assert isinstance(failure, Failure)
    assert failure.kind == kind


def test_refusals_and_logprobs_are_kept_from_streams() -> None:
    refused = answer({**message(""), "content": [{"type": "refusal", "refusal": "No."}]})
    pieces = [{"type": "response.refusal.delta", "output_index": 0, "delta": piece} for piece in ("N", "o.")]
    done = {"type": "response.output_item.done", "output_index": 0, "item": refused["output"][0]}
    _, closed = read(*pieces, done, {"type": "response.completed", "response": refused})
    assert isinstance(closed, Reply)
    assert (closed.refusal, closed.finish_reason, closed.text) == ("No.", "refusal", "")
    token = {"token": "Hi", "logprob": -0.1, "top_logprobs": []}
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi", "logprobs": [token]}
    _, closed = read(delta, {"type": "response.completed", "response": {**answer(), "output": None}})
    assert isinstance(closed, Reply)
    assert (closed.logprobs, closed.text) == ({"content": [token]}, "Hi")


def test_a_last_event_without_its_empty_line_counts() -> None:
    body = answer(message("Hi"))
    events = spoken(body)
    _, closed = read(*events[:-1], tail=sse(events[-1]).rstrip(b"\n"))
    assert closed == parse(body)


def test_a_stream_that_opens_calls_without_end_is_broken_off() -> None:
    reader = adapters.get(NAME).reader()
    for place in range(5000):
        added = {"type": "response.output_item.added", "output_index": place, "item": called(f"c{place}")}
        reader.feed(sse(added))
    closed = reader.close()
    assert isinstance(closed, Failure)
    assert closed.kind == "malformed"


def test_thinking_arrives_in_paragraphs() -> None:
    seen, _ = read(*spoken(answer(*RESPONSES_ANSWERS["thought before parallel calls"])))
    assert [event.text for event in seen if isinstance(event, ReasoningDelta)] == ["One", "\n\nTwo"]


def back(reply: Reply, **place: Any) -> list[dict[str, Any]]:
    results = [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in reply.tool_calls]
    request = ChatRequest(messages=[user(), reply.message, *results], tools=TOOLS)
    body = json.loads(adapters.get(NAME).build(request, endpoint(NAME, **place)).body)
    items: list[dict[str, Any]] = body["input"]
    return items[1 : len(items) - len(results)]


@pytest.mark.parametrize("name", ["thought before parallel calls", "a search", "text in two messages"])
def test_items_go_back_to_the_same_model_as_they_came(name: str) -> None:
    output = RESPONSES_ANSWERS[name]
    assert back(parse(answer(*output)), model="gpt-5.4") == output


def test_another_model_gets_neither_thought_nor_ids() -> None:
    reply = parse(answer(thought("One"), message("Well."), called()))
    plain = [
        {"role": "assistant", "content": "Well."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Oslo"}'},
    ]
    assert back(reply, model="gpt-5.6") == plain
    assert back(reply, model="gpt-5.4", base_url="https://a.openai.azure.com/openai/v1") == plain, "Azure's own seal"
    at_azure = parse(answer(thought("One"), called(), content_filters=[{"blocked": False}]))
    assert back(at_azure, model="gpt-5.4") == plain[1:]
    azure_name = back(at_azure, model="our-own-name", base_url="https://a.openai.azure.com/openai/v1")
    assert azure_name == [thought("One"), called()], "a deployment's name says nothing of its model"


def test_a_thought_that_cannot_be_read_again_goes_and_takes_the_ids_along() -> None:
    reply = parse(answer(thought("One", sealed=None), message("Well."), called()))
    items = back(reply, model="gpt-5.4")
    assert [item["type"] for item in items] == ["message", "function_call"]
    assert not any("id" in item for item in items)


def test_recorded_items_go_back_as_they_came() -> None:
    rows = [row for row in recorded.rows(stream=False, errors=False) if recorded.adapter_of(row) == NAME]
    if not rows:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    seen = 0
    for row in rows:
        found = recorded.response_of(row["id"])["json"]
        reply = adapters.get(NAME).parse(200, {}, json.dumps(found).encode())
        assert isinstance(reply, Reply)
        items = found["output"]
        if "provider_fields" not in reply.message or any(
            item["type"] == "reasoning" and not item.get("encrypted_content") and not item.get("content")
            for item in items
        ):
            continue
        base = {"azure": "https://a.openai.azure.com/openai/v1"}.get(row["provider"], "https://api.openai.com/v1")
        told = back(reply, model=reply.model, base_url=base)
        assert told == [{key: value for key, value in item.items() if value is not None} for item in items], row["id"]
        seen += 1
    assert seen > 25
