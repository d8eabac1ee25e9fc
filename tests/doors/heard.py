"""What a caller hears through each door, judged by the official SDK's types and told in one form for all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.doors.visit import CHAT, MESSAGES, RESPONSES, Seen

_messages: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_responses: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

PATHS = (CHAT, MESSAGES, RESPONSES)


class Heard(msgspec.Struct):
    """An answer in one form: `finish` in the words of the dialect, `tokens` as (input, cached, output)."""

    text: str
    calls: list[tuple[str, dict[str, Any]]]
    finish: str
    tokens: tuple[int, int, int]
    cost_usd: float
    reasoning: str = ""
    refusal: str = ""


def body_for(path: str, *, stream: bool, **more: Any) -> dict[str, Any]:
    """The smallest request of each door."""
    body: dict[str, Any] = {"model": "g", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    if path == CHAT and stream:
        body["stream_options"] = {"include_usage": True}
    if path == MESSAGES:
        body["max_tokens"] = 100
    if path == RESPONSES:
        del body["messages"]
        body["input"] = "Hi"
    return {**body, **more}


def heard(path: str, seen: Seen, *, stream: bool) -> Heard:
    """What was heard. Fails if the SDK's types would not take it."""
    assert seen.status == 200, seen.body
    if path == CHAT:
        return _chat_stream(seen.events()) if stream else _chat(seen.json())
    if path == MESSAGES:
        return _message_stream(seen.events()) if stream else _message(seen.json())
    return _response_stream(seen.events()) if stream else _response(seen.json())


def _chat(body: Any) -> Heard:
    said = ChatCompletion.model_validate(body, strict=True)
    (choice,), usage = said.choices, said.usage
    assert usage is not None
    details = usage.prompt_tokens_details
    return Heard(
        text=choice.message.content or "",
        calls=[(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()],  # type: ignore[union-attr]  # functions only
        finish=choice.finish_reason,
        tokens=(usage.prompt_tokens, (details and details.cached_tokens) or 0, usage.completion_tokens),
        cost_usd=body["usage"]["cost_usd"],
        reasoning=body["choices"][0]["message"].get("reasoning_content") or "",
        refusal=choice.message.refusal or "",
    )


def _chat_stream(events: list[Any]) -> Heard:
    assert events.pop() == "[DONE]"
    whole: dict[str, Any] = {"content": "", "reasoning_content": "", "refusal": None}
    calls: dict[int, dict[str, Any]] = {}
    finish, usage = "", None
    for event in events:
        ChatCompletionChunk.model_validate(event, strict=True)
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            delta = choice["delta"]
            finish = choice["finish_reason"] or finish
            for name in whole:
                if delta.get(name):
                    whole[name] = (whole[name] or "") + delta[name]
            for call in delta.get("tool_calls") or ():
                known = calls.setdefault(call["index"], {"name": "", "arguments": ""})
                for name, piece in call["function"].items():
                    known[name] += piece or ""
    assert usage is not None
    return Heard(
        text=whole["content"],
        calls=[(call["name"], json.loads(call["arguments"])) for call in calls.values()],
        finish=finish,
        tokens=(
            usage["prompt_tokens"],
            (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
            usage["completion_tokens"],
        ),
        cost_usd=usage["cost_usd"],
        reasoning=whole["reasoning_content"],
        refusal=whole["refusal"] or "",
    )


def _message(body: Any) -> Heard:
    said = Message.model_validate(body, strict=True)
    usage = said.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Heard(
        text="".join(block.text for block in said.content if block.type == "text"),
        calls=[(block.name, dict(block.input)) for block in said.content if block.type == "tool_use"],
        finish=str(said.stop_reason),
        tokens=(usage.input_tokens + read + written, read, usage.output_tokens),
        cost_usd=body["usage"]["cost_usd"],
        reasoning="".join(block.thinking for block in said.content if block.type == "thinking"),
    )


def _message_stream(events: list[Any]) -> Heard:
    """Puts the message together as the SDKs do, block by block, and reads that."""
    message: dict[str, Any] = {}
    written: dict[int, str] = {}
    for event in [event for event in events if event["type"] != "ping"]:  # the SDK skips them, too
        _messages.validate_python(event, strict=True)
        kind = event["type"]
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append(event["content_block"])
        elif kind == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                written[event["index"]] = written.get(event["index"], "") + delta["partial_json"]
            else:
                name = delta["type"].removesuffix("_delta")
                block[name] += delta[name]
        elif kind == "content_block_stop":
            if text := written.get(event["index"]):
                message["content"][event["index"]]["input"] = json.loads(text)
        elif kind == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    assert events[-1]["type"] == "message_stop"
    return _message(message)


def _response(body: Any) -> Heard:
    said = Response.model_validate(body, strict=True)
    usage = said.usage
    assert usage is not None
    spoken = [part for item in said.output if item.type == "message" for part in item.content]
    return Heard(
        text=said.output_text,
        calls=[(item.name, json.loads(item.arguments)) for item in said.output if item.type == "function_call"],
        finish=str(said.status),
        tokens=(usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens),
        cost_usd=body["usage"]["cost_usd"],
        reasoning="".join(part.text for item in said.output if item.type == "reasoning" for part in item.summary),
        refusal="".join(part.refusal for part in spoken if part.type == "refusal"),
    )


def _response_stream(events: list[Any]) -> Heard:
    """Checks that what grew is what the last event holds."""
    text, arguments = "", ""
    for number, event in enumerate(events):
        _responses.validate_python(event, strict=True)
        assert event["sequence_number"] == number
        if event["type"] == "response.output_text.delta":
            text += event["delta"]
        elif event["type"] == "response.function_call_arguments.delta":
            arguments += event["delta"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    last = events[-1]["response"]
    assert events[-1]["type"] == f"response.{last['status']}"
    assert sorted(done, key=lambda item: last["output"].index(item)) == last["output"]
    found = _response(last)
    assert text == found.text
    calls = [item["arguments"] for item in last["output"] if item["type"] == "function_call"]
    assert arguments == "".join(calls)
    return found
