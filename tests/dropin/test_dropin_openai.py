"""The official OpenAI SDK on the drop-in: all that there is a door for, sync and async, on httpx2 and on httpx."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import openai
import pydantic
import pytest

from junctor.testing.scripted import ok
from tests.dropin.place import HELLO, LIBRARIES, SCHEMA, WORDS, Place, scripted

TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
MODELS = ["gpt", "claude", "gemini"]


class Weather(pydantic.BaseModel):
    """What is to be parsed out of an answer."""

    city: str
    days: int


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("model", MODELS)
def test_sync_chats_and_streams(place: Place, model: str, library: Any) -> None:
    """At a provider of each dialect, through a client of each library; what became of it is in the headers."""
    with place.openai(library) as llm:
        raw = llm.chat.completions.with_raw_response.create(model=model, messages=HELLO)
        reply = raw.parse()
        assert len((reply.choices[0].message.content or "").split()) == WORDS
        assert reply.usage is not None
        assert reply.usage.completion_tokens == WORDS
        assert raw.headers["x-junctor-deployment"] == f"{model}-1"
        assert raw.headers["x-junctor-attempts"] == "1"
        assert raw.elapsed.total_seconds() > 0
        assert reply._request_id == raw.headers["x-junctor-request-id"]

        text, usage = "", None
        with llm.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        ) as stream:
            for chunk in stream:
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                usage = chunk.usage or usage
        assert (len(text.split()), usage and usage.completion_tokens) == (WORDS, WORDS)
    assert not place.in_flight


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("model", MODELS)
def test_async_chats_and_streams(place: Place, model: str, library: Any) -> None:
    """The same object, in the caller's own event loop."""

    async def scene() -> None:
        async with place.openai_async(library) as llm:
            raw = await llm.chat.completions.with_raw_response.create(model=model, messages=HELLO)
            assert len((raw.parse().choices[0].message.content or "").split()) == WORDS
            assert raw.headers["x-junctor-deployment"] == f"{model}-1"
            assert raw.elapsed.total_seconds() > 0
            text = ""
            async for chunk in await llm.chat.completions.create(model=model, messages=HELLO, stream=True):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            assert len(text.split()) == WORDS
        await place.client.leave_loop()

    asyncio.run(scene())
    assert not place.in_flight


@pytest.mark.parametrize("model", MODELS)
def test_a_round_of_tools_is_streamed_answered_and_goes_on(place: Place, model: str) -> None:
    """The call comes in pieces, its result goes back, and the model speaks; the same with async."""

    def answered(message: Any) -> list[Any]:
        [call] = message.tool_calls
        assert set(json.loads(call.function.arguments)) == {"city", "days"}
        return [*HELLO, message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]

    with place.openai() as llm:
        with llm.chat.completions.stream(model=model, messages=HELLO, tools=[TOOL]) as stream:
            message = stream.get_final_completion().choices[0].message
        turns = answered(message)
        assert llm.chat.completions.create(model=model, messages=turns, tools=[TOOL]).choices[0].message.content

    async def scene() -> None:
        async with place.openai_async() as llm:
            async with llm.chat.completions.stream(model=model, messages=HELLO, tools=[TOOL]) as stream:
                message = (await stream.get_final_completion()).choices[0].message
            turns = answered(message)
            reply = await llm.chat.completions.create(model=model, messages=turns, tools=[TOOL])
            assert reply.choices[0].message.content
        await place.client.leave_loop()

    asyncio.run(scene())
    assert not place.in_flight


def test_structured_answers_are_parsed() -> None:
    """`parse` gives an object of the caller's class, from chats as from responses."""
    place = scripted({"a": []}, otherwise=ok('{"city": "Lyon", "days": 3}'))
    with place.openai() as llm:
        chat = llm.chat.completions.parse(model="g", messages=HELLO, response_format=Weather)
        assert chat.choices[0].message.parsed == Weather(city="Lyon", days=3)
        reply = llm.responses.parse(model="g", input="Where?", text_format=Weather)
        assert reply.output_parsed == Weather(city="Lyon", days=3)


def test_responses_embeddings_and_models(place: Place) -> None:
    """The other APIs of the same SDK; a name with a slash is one model."""
    with place.openai() as llm:
        reply = llm.responses.create(model="claude", input="Hello", instructions="Be short.")
        assert len(reply.output_text.split()) == WORDS
        events = list(llm.responses.create(model="gemini", input="Hello", stream=True))
        assert events[-1].type == "response.completed"
        found = llm.embeddings.create(model="embed", input=["one", "two"], dimensions=4)
        assert [len(row.embedding) for row in found.data] == [4, 4]
        assert {"gpt", "claude", "either", "auto"} <= {model.id for model in llm.models.list()}
        assert llm.models.retrieve("gpt/gpt").id == "gpt/gpt"

    async def scene() -> None:
        async with place.openai_async() as llm:
            assert "gpt" in {model.id async for model in llm.models.list()}
            async with llm.responses.stream(model="gpt", input="Hello") as stream:
                final = await stream.get_final_response()
            assert len(final.output_text.split()) == WORDS
            assert len((await llm.embeddings.create(model="embed", input="one")).data) == 1
        await place.client.leave_loop()

    asyncio.run(scene())


def test_azures_client_finds_its_paths(place: Place) -> None:
    """`/openai/deployments/NAME/...`, a version in the query, a host that is nobody's."""
    with openai.AzureOpenAI(
        api_key="unused", azure_endpoint="https://nobody.example", api_version="2024-10-21",
        http_client=httpx2.Client(transport=place.transport),
    ) as llm:  # fmt: skip
        assert llm.chat.completions.create(model="claude", messages=HELLO).choices[0].message.content
