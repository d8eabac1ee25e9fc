"""The drop-in under the SDKs before the newest ones, in an environment of their own, where only these are installed.

OpenAI 2 is on httpx. Anthropic 1 is on httpx2 already, 0.x on httpx: the test asks the SDK.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from importlib.metadata import requires, version
from typing import Any

import anthropic
import openai
import pytest

import junctor
from junctor.dropin import DropIn
from junctor.testing import Key, SimulatedProvider, faults

KEYS = ["sk-a", "sk-b"]
WORDS = 5
SAID: list[Any] = [{"role": "user", "content": "Hello, how are you?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAIS: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ANTHROPICS: Any = {"name": "weather", "input_schema": SCHEMA}


def library_of(sdk: str) -> Any:
    """The HTTP library that this SDK cannot do without."""
    needed = [line for line in requires(sdk) or () if "extra ==" not in line]
    return pytest.importorskip("httpx2" if any(line.startswith("httpx2") for line in needed) else "httpx")


@pytest.fixture
def transport() -> Iterator[DropIn]:
    """Two keys, one of which fails: nobody notices."""
    with SimulatedProvider([Key(key) for key in KEYS], output_tokens=WORDS).in_thread() as provider:
        provider.inject(faults.server_error(), key="sk-a")
        client = junctor.Client.over_keys("openai/gpt-5.6", keys=KEYS, base_url=provider.base_url("openai"), seed=1)
        transport = junctor.httpx_transport(client)
        yield transport
        transport.close()
        assert all(not each["in_flight"] for each in client.router.snapshot()["deployments"].values())


def test_these_are_the_older_ones() -> None:
    """Otherwise this shows nothing that the other tests do not."""
    assert int(version("openai").partition(".")[0]) < 3
    assert int(version("anthropic").partition(".")[0]) < 2


def test_openai_sync(transport: DropIn) -> None:
    """Chats, streams, a round of tools, an error of the SDK's own."""
    http = library_of("openai").Client(transport=transport)
    with openai.OpenAI(api_key="unused", max_retries=0, http_client=http) as llm:
        create = llm.chat.completions.create
        for _ in range(3):
            assert len((create(model="auto", messages=SAID).choices[0].message.content or "").split()) == WORDS
        text = ""
        for chunk in create(model="auto", messages=SAID, stream=True):
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        assert len(text.split()) == WORDS
        with llm.chat.completions.stream(model="auto", messages=SAID, tools=[OPENAIS]) as stream:
            message = stream.get_final_completion().choices[0].message
        assert message.tool_calls
        [call] = message.tool_calls
        assert set(json.loads(call.function.arguments)) == {"city"}
        turns = [*SAID, message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        assert create(model="auto", messages=turns, tools=[OPENAIS]).choices[0].message.content
        assert "auto" in {model.id for model in llm.models.list()}
        with pytest.raises(openai.NotFoundError):
            create(model="nobody", messages=SAID)


def test_openai_async(transport: DropIn) -> None:
    """The same seam in the program's own loop."""

    async def scene() -> None:
        http = library_of("openai").AsyncClient(transport=transport)
        async with openai.AsyncOpenAI(api_key="unused", max_retries=0, http_client=http) as llm:
            create = llm.chat.completions.create
            replies = await asyncio.gather(*(create(model="auto", messages=SAID) for _ in range(8)))
            assert {len((reply.choices[0].message.content or "").split()) for reply in replies} == {WORDS}
            text = ""
            async for chunk in await create(model="auto", messages=SAID, stream=True):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            assert len(text.split()) == WORDS
            with pytest.raises(openai.NotFoundError):
                await create(model="nobody", messages=SAID)
        await transport.client.leave_loop()

    asyncio.run(scene())


def test_anthropic_sync(transport: DropIn) -> None:
    """Messages, streams, a round of tools and a count, answered by a provider of the other dialect."""
    http = library_of("anthropic").Client(transport=transport)
    with anthropic.Anthropic(api_key="unused", max_retries=0, http_client=http) as llm:
        create = llm.messages.create
        for _ in range(3):
            assert create(model="auto", messages=SAID, max_tokens=64).usage.output_tokens == WORDS
        with llm.messages.stream(model="auto", messages=SAID, max_tokens=64) as stream:
            assert len("".join(stream.text_stream).split()) == WORDS
        with llm.messages.stream(model="auto", messages=SAID, max_tokens=64, tools=[ANTHROPICS]) as stream:
            asked = stream.get_final_message()
        use = asked.content[-1]
        assert use.type == "tool_use"
        result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
        turns: Any = [*SAID, {"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]
        assert create(model="auto", messages=turns, max_tokens=64, tools=[ANTHROPICS]).content[0].type == "text"
        assert llm.messages.count_tokens(model="auto", messages=SAID).input_tokens > 3
        with pytest.raises(anthropic.NotFoundError):
            create(model="nobody", messages=SAID, max_tokens=64)


def test_anthropic_async(transport: DropIn) -> None:
    """The same seam in the program's own loop."""

    async def scene() -> None:
        http = library_of("anthropic").AsyncClient(transport=transport)
        async with anthropic.AsyncAnthropic(api_key="unused", max_retries=0, http_client=http) as llm:
            reply = await llm.messages.create(model="auto", messages=SAID, max_tokens=64)
            assert reply.usage.output_tokens == WORDS
            async with llm.messages.stream(model="auto", messages=SAID, max_tokens=64) as stream:
                text = "".join([piece async for piece in stream.text_stream])
            assert len(text.split()) == WORDS
        await transport.client.leave_loop()

    asyncio.run(scene())
