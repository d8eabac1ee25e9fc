"""However a request ends, everything is released and the caller is charged exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from junctor.doors import Answer
from junctor.exceptions import NoCapacity, Refused
from junctor.testing.scripted import fail, hang, ok, stream
from tests.client.stage import Stage, turns
from tests.doors.heard import PATHS, body_for
from tests.doors.visit import CHAT, MESSAGES, Ledger, came, incoming, read, visit

DIALECTS = ("openai", "anthropic")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_caller_that_leaves_after_any_piece_stops_the_provider_and_is_charged_once(path: str, dialect: str) -> None:
    """B32: closed unread, after each piece and at the end; relayed and rendered alike."""

    async def leave(stage: Stage, ledger: Ledger, after: int) -> bool:
        found = await came(stage, incoming(path, body_for(path, stream=True)), ledger)
        assert not isinstance(found.body, bytes)
        ended = False
        for _ in range(after):
            if await anext(found.body, None) is None:
                ended = True
                break
        await found.body.aclose()
        await found.body.aclose()
        return ended

    for after in range(40):
        stage = Stage({"a": [stream("one ", "two ", "three", gap_s=1.0)]}, dialect=dialect)
        ledger = Ledger()
        ended = stage.run(leave(stage, ledger, after))
        stage.assert_released()
        assert len(ledger.settled) == 1
        usage, _ = ledger.settled[0]
        assert stage.provider.sent[0].state == ("done" if ended else stage.provider.sent[0].state) != "open"
        if ended:
            assert usage is not None
            assert usage.known
            return
    pytest.fail("the stream never ended")


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_a_request_cancelled_at_any_await_is_released_and_charged_once(path: str, streamed: bool) -> None:
    """B32: the task of a caller that hung up, at every turn of the event loop."""

    async def scenario(stage: Stage, ledger: Ledger, moment_s: float, after: int) -> bool:
        async def whole() -> object:
            return await read(await came(stage, incoming(path, body_for(path, stream=streamed)), ledger))

        task = asyncio.ensure_future(whole())
        if moment_s:
            await asyncio.sleep(moment_s)
        await turns(after)
        task.cancel()
        await asyncio.wait([task])
        return not task.cancelled()

    ends = []
    for moment_s in (0.0, 2.0, 4.0, 5.0, 30.0):
        for after in range(12):
            script = {"a": [fail(500)], "b": [stream("one ", "two ", "three", after_s=3.0, gap_s=1.0)]}
            stage, ledger = Stage(script, dialect="gemini"), Ledger()
            ends.append(stage.run(scenario(stage, ledger, moment_s, after)))
            stage.assert_released()
            assert len(ledger.settled) == len(ledger.admitted) <= 1
    assert (ends[0], ends[-1]) == (False, True)


ENDINGS: dict[str, Callable[[], Stage]] = {
    "well": lambda: Stage({"a": [ok("x")]}),
    "no usage": lambda: Stage({"a": [ok("x", usage=False)]}),
    "failed": lambda: Stage({"a": [fail(500)] * 3}),
    "refused by the provider": lambda: Stage({"a": [fail(400)]}),
    "late": lambda: Stage({"a": [hang()] * 3}),
    "interrupted": lambda: Stage({"a": [stream("one ", "two", cut_after=1)]}),
    "throttled": lambda: Stage({"a": [fail(429, retry_after_s=30.0)] * 2}),
}


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_is_charged_once(name: str, streamed: bool) -> None:
    """What is charged is what the attempts of the call were settled with, known or estimated."""
    stage, ledger = ENDINGS[name](), Ledger()
    body = body_for(CHAT, stream=streamed)
    seen = visit(stage, CHAT, body, ledger, x_junctor_deadline_s="20")
    ((usage, cost),) = ledger.settled
    deployment = stage.deployment("a")
    assert cost == deployment["cost_usd_micros"]
    if name in ("well", "no usage"):
        assert seen.status == 200
        assert usage is not None
        assert usage.known == (name == "well")  # B30: an estimate says that it is one
    assert (usage is None) == (deployment["input_tokens"] + deployment["output_tokens"] == 0)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("error", [Refused("group g is not yours"), NoCapacity("your limit", retry_after_s=3.0)])
def test_a_caller_that_is_not_admitted_costs_nothing(error: Exception, streamed: bool) -> None:
    """Nothing is held, sent or charged, and the caller's own limit says when to come back."""

    class Bounded(Ledger):
        def admit(self, *_: Any) -> Ledger:
            raise error

    stage, caller = Stage({"a": []}), Bounded()
    seen = visit(stage, CHAT, body_for(CHAT, stream=streamed), caller)
    assert seen.status == (403 if isinstance(error, Refused) else 429)
    assert seen.headers.get("retry-after") == (None if isinstance(error, Refused) else "3")
    assert caller.settled == []


def test_a_callers_tenant_is_not_its_own_to_say() -> None:
    """Neither by header nor by tag; what the program says of itself counts where there is no caller."""
    stage = Stage({"a": [ok("x")] * 2})
    headers = {"x_junctor_tenant": "forged", "x_junctor_tags": "tenant=forged,k=v", "x_junctor_task": "chat"}
    said: list[Any] = []

    class Named(Ledger):
        def admit(self, asked: Any, input_tokens: int, output_tokens: int | None) -> Ledger:
            said.append(dict(asked.options))
            return super().admit(asked, input_tokens, output_tokens)

    visit(stage, CHAT, body_for(CHAT, stream=False), Named(tenant="real"), **headers)
    assert (said[0]["tenant"], said[0]["tags"], said[0]["task"]) == ("real", {"k": "v"}, "chat")
    visit(stage, CHAT, body_for(CHAT, stream=False), Named(), **headers)
    assert "tenant" not in said[1]


def test_an_answer_shows_no_content_when_it_is_printed() -> None:
    """B75: reprs end up in logs."""
    assert "secret" not in repr(Answer(200, {"a": "secret"}, b"secret"))
