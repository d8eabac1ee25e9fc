"""Requests through a door onto a stage of scripted providers, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from junctor.doors import Answer, Caller, Incoming, answer, find
from junctor.reply import Usage
from tests.client.stage import Stage

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"


class Seen(msgspec.Struct):
    """An answer read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The data of every server-sent event; `[DONE]` stays text."""
        found = []
        for block in self.body.split(b"\n\n"):
            for line in block.split(b"\n"):
                if line.startswith(b"data:"):
                    text = line[5:].strip()
                    found.append(json.loads(text) if text != b"[DONE]" else "[DONE]")
        return found


class Ledger:
    """A caller that may do everything and counts what it is charged."""

    def __init__(self, **options: Any) -> None:
        self.given = options
        self.admitted: list[tuple[int, int | None]] = []
        self.settled: list[tuple[Usage | None, int]] = []

    def options(self, asked: Any) -> Mapping[str, Any]:
        del asked
        return self.given

    def admit(self, asked: Any, input_tokens: int, output_tokens: int | None) -> Ledger:
        del asked
        self.admitted.append((input_tokens, output_tokens))
        return self

    def settle(self, usage: Usage | None, cost_usd_micros: int) -> None:
        self.settled.append((usage, cost_usd_micros))


def incoming(path: str, body: Any, **headers: str) -> Incoming:
    """A request; header names are written with underscores."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Incoming("POST", path, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


async def came(stage: Stage, request: Incoming, caller: Caller | None = None) -> Answer:
    door = find(request.method, request.path)
    assert door is not None
    return await answer(stage.client, door, request, caller=caller)


async def read(found: Answer) -> Seen:
    body = found.body
    return Seen(
        found.status, found.headers, body if isinstance(body, bytes) else b"".join([part async for part in body])
    )


def visit(stage: Stage, path: str, body: Any, caller: Caller | None = None, **headers: str) -> Seen:
    """Ask, and read the answer to its end; afterwards nothing may be held."""

    async def scenario() -> Seen:
        return await read(await came(stage, incoming(path, body, **headers), caller))

    seen = stage.run(scenario())
    stage.assert_released()
    return seen
