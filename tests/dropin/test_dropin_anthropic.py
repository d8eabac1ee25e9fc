"""The official Anthropic SDK on the drop-in, sync and async, answered by providers of three dialects."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.dropin.place import HELLO, SCHEMA, WORDS, Place

TOOL: Any = {"name": "weather", "input_schema": SCHEMA}
MODELS = ["claude", "gpt", "gemini"]


def answered(asked: Any) -> Any:
    """The conversation after a tool's result."""
    use = asked.content[-1]
    assert (use.type, asked.stop_reason) == ("tool_use", "tool_use")
    assert set(use.input) == {"city", "days"}
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    return [*HELLO, {"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]


@pytest.mark.parametrize("model", MODELS)
def test_sync_asks_streams_counts_and_calls_tools(place: Place, model: str) -> None:
    """A whole round of tools, streamed; the beta API takes the same way."""
    with place.anthropic() as llm:
        raw = llm.messages.with_raw_response.create(model=model, messages=HELLO, max_tokens=64)
        reply = raw.parse()
        assert (reply.content[0].type, reply.stop_reason, reply.usage.output_tokens) == ("text", "end_turn", WORDS)
        assert raw.headers["x-junctor-deployment"] == f"{model}-1"
        with llm.messages.stream(model=model, messages=HELLO, max_tokens=64) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert (len(text.split()), final.usage.output_tokens) == (WORDS, WORDS)
        with llm.messages.stream(model=model, messages=HELLO, max_tokens=64, tools=[TOOL]) as stream:
            turns = answered(stream.get_final_message())
        reply = llm.messages.create(model=model, messages=turns, max_tokens=64, tools=[TOOL])
        assert reply.content[0].type == "text"
        assert llm.messages.count_tokens(model=model, messages=HELLO).input_tokens > 3
        assert llm.beta.messages.create(model=model, messages=HELLO, max_tokens=64).content[0].type == "text"
        assert {"gpt", "claude"} <= {each.id for each in llm.models.list()}
    assert not place.in_flight


@pytest.mark.parametrize("model", MODELS)
def test_async_asks_streams_counts_and_calls_tools(place: Place, model: str) -> None:
    """The same in the caller's own event loop."""

    async def scene() -> None:
        async with place.anthropic_async() as llm:
            reply = await llm.messages.create(model=model, messages=HELLO, max_tokens=64)
            assert (reply.content[0].type, reply.usage.output_tokens) == ("text", WORDS)
            async with llm.messages.stream(model=model, messages=HELLO, max_tokens=64) as stream:
                text = "".join([piece async for piece in stream.text_stream])
            assert len(text.split()) == WORDS
            async with llm.messages.stream(model=model, messages=HELLO, max_tokens=64, tools=[TOOL]) as stream:
                turns = answered(await stream.get_final_message())
            reply = await llm.messages.create(model=model, messages=turns, max_tokens=64, tools=[TOOL])
            assert reply.content[0].type == "text"
            assert (await llm.messages.count_tokens(model=model, messages=HELLO)).input_tokens > 3
        await place.client.leave_loop()

    asyncio.run(scene())
    assert not place.in_flight
