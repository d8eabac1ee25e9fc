"""What providers really said, read by the official SDKs through doors of other dialects and of their own.

The SDK's client is the real one; its transport hands the request to a door, and the provider behind answers with a
recorded exchange, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

import anthropic
import httpx2
import openai
import pytest

from junctor import adapters
from junctor.doors import Incoming, Stream, answer, find
from junctor.reply import Reply
from junctor.testing.replay import Exchange
from junctor.testing.scripted import raw
from tests.adapters.recorded import ROOT, adapter_of, rows, stream_bytes
from tests.client.stage import Stage

ROWS = rows(errors=False)
UNFIT = {
    # Two answers that were filed as one stream.
    "anthropic/messages/anthropic-tool-search-bm25-1.0",
    "anthropic/messages/anthropic-tool-search-deferred-bm25.0",
    "anthropic/messages/anthropic-tool-search-deferred-regex.0",
    # Bytes that the SDK itself refuses to take from their provider: an id that changes, a source of an unknown type.
    "azure/responses/azure-reasoning-encrypted-content-1.0",
    "openai/responses/openai-reasoning-encrypted-content-1.0",
    "openai/responses/test-openai-responses-model-web-search-tool-stream.0",
}
STREAMED = [row for row in ROWS if row["stream"] and row["id"] not in UNFIT]
WHOLE = [row for row in ROWS if not row["stream"]]
EVERY = 4
"""Every fourth exchange meets every door; what the adapters make of all of them is tested with the adapters."""


class Body(httpx2.AsyncByteStream):
    """A door's stream as the HTTP library takes it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class DoorTransport(httpx2.AsyncBaseTransport):
    """Carries the SDK's requests to the doors."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        door = find(request.method, request.url.path)
        assert door is not None
        headers = {name.lower(): value for name, value in request.headers.items()}
        incoming = Incoming(request.method, request.url.path, headers, await request.aread())
        found = await answer(self._stage.client, door, incoming)
        if isinstance(found.body, bytes):
            return httpx2.Response(found.status, headers=found.headers, content=found.body)
        return httpx2.Response(found.status, headers=found.headers, stream=Body(found.body))


Heard = tuple[str, list[tuple[str, Any]]]


def openai_client(stage: Stage) -> openai.AsyncOpenAI:
    http = httpx2.AsyncClient(transport=DoorTransport(stage))
    return openai.AsyncOpenAI(api_key="k", base_url="http://doors/v1", http_client=http, max_retries=0)


async def by_chat(stage: Stage, *, stream: bool) -> Heard:
    async with openai_client(stage) as client:
        messages: Any = [{"role": "user", "content": "Hi"}]
        if not stream:
            found = await client.chat.completions.create(model="g", messages=messages)
            message = found.choices[0].message
            calls = message.tool_calls or []
            named = [(c.function.name, c.function.arguments) for c in calls if c.type == "function"]
            return message.content or "", named
        text = ""
        pieces: dict[int, list[str]] = {}
        async for chunk in await client.chat.completions.create(model="g", messages=messages, stream=True):
            for choice in chunk.choices[:1]:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    known = pieces.setdefault(call.index, ["", ""])
                    if call.function is not None:
                        known[0] += call.function.name or ""
                        known[1] += call.function.arguments or ""
        return text, [(name, arguments) for name, arguments in pieces.values()]


async def by_responses(stage: Stage, *, stream: bool) -> Heard:
    async with openai_client(stage) as client:
        if stream:
            async with client.responses.stream(model="g", input="Hi") as events:
                async for _ in events:
                    pass
                found: Any = await events.get_final_response()
        else:
            found = await client.responses.create(model="g", input="Hi")
        return found.output_text, [(i.name, i.arguments) for i in found.output if i.type == "function_call"]


async def by_messages(stage: Stage, *, stream: bool) -> Heard:
    http = httpx2.AsyncClient(transport=DoorTransport(stage))
    async with anthropic.AsyncAnthropic(
        api_key="k", base_url="http://doors", http_client=http, max_retries=0
    ) as client:
        messages: Any = [{"role": "user", "content": "Hi"}]
        if stream:
            async with client.messages.stream(model="g", max_tokens=100, messages=messages) as events:
                found: Any = await events.get_final_message()
        else:
            found = await client.messages.create(model="g", max_tokens=100, messages=messages)
        text = "".join(block.text for block in found.content if block.type == "text")
        return text, [(b.name, json.dumps(b.input)) for b in found.content if b.type == "tool_use"]


Ask = Callable[..., Coroutine[Any, Any, Heard]]
CLIENTS: dict[str, Ask] = {"openai": by_chat, "openai-responses": by_responses, "anthropic": by_messages}


def arguments(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {"raw_arguments": text}


def last_response(body: bytes) -> Any:
    """The whole answer that ends a stream of responses."""
    ends = [line[5:] for line in body.split(b"\n") if line.startswith(b"data:") and b'"response.' in line]
    return next(found["response"] for found in map(json.loads, reversed(ends)) if "response" in found)


def check(row: dict[str, Any], name: str, *, stream: bool) -> None:
    """What the SDK heard is what the adapter of the provider reads out of the same bytes."""
    adapter = adapters.get(adapter_of(row))
    exchange = Exchange.load(ROOT / f"{row['id']}.json") if not stream else None
    body = stream_bytes(row) if exchange is None else exchange.body
    if stream:
        reader = adapter.reader()
        reader.feed(body)
        expected = reader.close()
    else:
        expected = adapter.parse(200, {}, body)
    if not isinstance(expected, Reply):
        return  # a broken exchange: what happens to it is tested with the relay
    if stream and name == adapter.name == "openai-responses":
        # Its last event holds the whole answer, and the SDK goes by that; of some, deltas were left out when filed.
        expected = adapter.parse(200, {}, json.dumps(last_response(body)).encode())
        assert isinstance(expected, Reply)
    provider = adapter.name.partition("-")[0]
    stage = Stage({"a": [raw(200, body)]}, dialect=provider, adapter=adapter.name)
    text, calls = stage.run(cast(Any, CLIENTS[name](stage, stream=stream)))
    stage.assert_released()
    shown = expected.refusal if name == "anthropic" != adapter.name else None
    assert text == (expected.text or shown or "")
    told = [(call.name, arguments(call.arguments)) for call in expected.tool_calls]
    assert [(called, arguments(text)) for called, text in calls] == told


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("row", WHOLE[::EVERY] or [{}], ids=lambda row: row.get("id", "no-data"))
def test_an_official_client_reads_a_recorded_answer_through_any_door(row: dict[str, Any], name: str) -> None:
    if not row:
        pytest.skip("the recorded exchanges are not here; set JUNCTOR_DATA")
    check(row, name, stream=False)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("row", STREAMED[::EVERY] or [{}], ids=lambda row: row.get("id", "no-data"))
def test_an_official_client_reads_a_recorded_stream_through_any_door(row: dict[str, Any], name: str) -> None:
    if not row:
        pytest.skip("the recorded exchanges are not here; set JUNCTOR_DATA")
    check(row, name, stream=True)
