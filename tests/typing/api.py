"""What a type checker must make of the public names. Never run: `make types` reads it.

A return type that becomes `Any` breaks nobody's tests and everybody's editor, so the types that users meet are pinned
here with `assert_type`.
"""

from __future__ import annotations

from typing import Any, assert_type

import httpx
import httpx2

import junctor
from junctor.dropin import DropIn
from junctor.receipts import Attempt, Decision, Explanation, Receipt
from junctor.reply import Done, Embeddings, Event, Reply, TextDelta, Usage


async def chat(llm: junctor.Client) -> None:
    """A whole answer, with tags and limits as keyword options."""
    reply = await llm.chat("auto", [{"role": "user", "content": "Hi"}], task="chat", max_tokens=64, deadline_s=10.0)
    assert_type(reply, Reply)
    assert_type(reply.text, str)
    assert_type(reply.usage, Usage)
    assert_type(reply.cost_usd, float)
    if reply.receipt is not None:
        assert_type(reply.receipt.attempts, tuple[Attempt, ...])


async def embed(llm: junctor.Client) -> None:
    """Vectors, with a chat's routing options."""
    found = await llm.embed("vectors", ["one", "two"], dimensions=8, tenant="t", max_wait_s=1.0)
    assert_type(found, Embeddings)
    assert_type(found.vectors, list[list[float]])
    assert_type(found.receipt, Receipt | None)


async def stream(llm: junctor.Client) -> None:
    """Events that a `match` can tell apart."""
    async for event in llm.stream("strong", [{"role": "user", "content": "Hi"}]):
        assert_type(event, Event)
        match event:
            case TextDelta():
                assert_type(event.text, str)
            case Done():
                assert_type(event.reply, Reply)


def dropped_in(llm: junctor.Client) -> None:
    """One transport fits the clients of both libraries, async and sync."""
    transport = junctor.httpx_transport(llm)
    assert_type(transport, DropIn)
    assert_type(transport.client, junctor.Client)
    httpx.Client(transport=transport), httpx.AsyncClient(transport=transport)
    httpx2.Client(transport=transport), httpx2.AsyncClient(transport=transport)


async def opened() -> None:
    """`open` gives a client that is its own context."""
    async with junctor.Client.open("fleet.yaml") as llm:
        assert_type(llm, junctor.Client)


def reserve(router: junctor.Router) -> None:
    """Hold, settle, and what is told about it."""
    with router.reserve("auto", input_tokens=900, output_tokens=300, needs={"tools"}, tags={"task": "x"}) as held:
        assert_type(held.deployment, str)
        assert_type(held.receipt, Receipt)
        assert_type(held.settle("ok", input_tokens=880, output_tokens=122, first_token_s=0.41), int)
        assert_type(router.replay(held.receipt), Decision)
    assert_type(router.explain("auto", input_tokens=900), Explanation)
    assert_type(router.snapshot(), dict[str, Any])


def errors(error: junctor.NoCapacity | junctor.Refused | junctor.StreamInterrupted) -> None:
    """Errors carry typed fields."""
    assert_type(error.receipt, Receipt | None)
    if isinstance(error, junctor.NoCapacity):
        assert_type(error.retry_after_s, float)
    if isinstance(error, junctor.Refused):
        assert_type(error.refusals, dict[str, str])
    if isinstance(error, junctor.StreamInterrupted):
        assert_type(error.partial, str)
        assert_type(error.usage, Usage)
