"""A host that quotes the key in its refusal does not get it into an exception, whichever way the answer came."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import junctor
from junctor.request import HttpRequest
from junctor.testing import ManualTime, ScriptedProvider
from junctor.testing.scripted import raw
from junctor.transport.base import StreamedResponse

KEY = "sk-CANARY-9f8e7d6c5b4a3210"
HELLO = [{"role": "user", "content": "Hello"}]
SAID = f"Incorrect API key provided: {KEY}."
REFUSED = {
    "openai": {"error": {"message": SAID, "type": "invalid_request_error", "code": "invalid_api_key"}},
    "anthropic": {"type": "error", "error": {"type": "authentication_error", "message": SAID}},
    "gemini": {"error": {"code": 401, "message": SAID, "status": "UNAUTHENTICATED"}},
}
MODELS = {
    "openai": "openai/gpt-5.6",
    "anthropic": "anthropic/claude-haiku-4-5",
    "gemini": "gemini/gemini-2.5-flash",
}


def _raised(model: str, scripted: ScriptedProvider, *, streamed: bool) -> junctor.JunctorError:
    async def call() -> None:
        async with junctor.Client.over_keys(model, keys=[KEY], transport=scripted) as llm:
            if not streamed:
                await llm.chat(model, HELLO)
            else:
                async for _ in llm.stream(model, HELLO):
                    pass

    with pytest.raises(junctor.JunctorError) as caught:
        ManualTime().run(call())
    return caught.value


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", REFUSED)
def test_a_refusal_that_quotes_the_key_does_not_tell_it(dialect: str, streamed: bool) -> None:
    scripted = ScriptedProvider({KEY: [raw(401, json.dumps(REFUSED[dialect]).encode())] * 3})
    error = _raised(MODELS[dialect], scripted, streamed=streamed)
    assert "Incorrect API key provided: <env:KEY_1>." in str(error)
    assert KEY not in "".join(traceback.format_exception(error))
    assert error.receipt is not None
    assert KEY not in error.receipt.to_json().decode()


class Pieces(ScriptedProvider):
    """Streams these pieces one at a time, so that the first is handed over before the next one comes."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__({})
        self.status = 200
        self.headers = {"content-type": "text/event-stream"}
        self._pieces = list(pieces)

    async def read_chunk(self) -> bytes | None:
        return self._pieces.pop(0) if self._pieces else None

    async def read(self) -> bytes:
        raise NotImplementedError

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, timeout_s: float) -> AsyncIterator[StreamedResponse]:
        del request, timeout_s
        yield self


def test_an_error_within_a_stream_that_quotes_the_key_does_not_tell_it() -> None:
    content = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
    pieces = Pieces(*(f"data: {json.dumps(event)}\n\n".encode() for event in (content, REFUSED["openai"])))
    error = _raised(MODELS["openai"], pieces, streamed=True)
    assert isinstance(error, junctor.StreamInterrupted)
    assert "<env:KEY_1>" in str(error)
    assert KEY not in "".join(traceback.format_exception(error))
