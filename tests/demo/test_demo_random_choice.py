"""Random choice is the honest opponent that the report says it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from junctor.demo.fleet import KEYS, fleet
from junctor.demo.random_choice import RandomChoice
from junctor.demo.tally import Ended
from junctor.demo.traffic import LOOKUP_TOOL, Ask
from junctor.testing.outcomes import Outcome
from junctor.testing.scripted import ScriptedProvider, fail, ok, raise_connection, stream


def _scripted(otherwise: Outcome) -> ScriptedProvider:
    scripted = ScriptedProvider({}, otherwise=otherwise)
    for plan in KEYS:
        scripted.add(plan.secret)
    return scripted


def _ask(**more: Any) -> Ask:
    plain: dict[str, Any] = {
        "number": 0, "at_s": 0.0, "model": "auto", "group": "strong", "messages": [{"role": "user", "content": "Hi"}],
        "options": {"max_tokens": 9}, "streamed": False, "eu_only": False,
    }  # fmt: skip
    return Ask(**{**plain, **more})


def _run(scripted: ScriptedProvider, ask: Ask, seed: int = 1) -> Ended:
    caller = RandomChoice(fleet(lambda dialect, region: f"http://{region}.test/{dialect}"), scripted, seed=seed)

    async def once() -> Ended:
        return await caller.ask(ask, due_s=asyncio.get_running_loop().time())

    return asyncio.run(once())


def test_an_answer_costs_its_tokens_at_the_key_s_price() -> None:
    ended = _run(_scripted(ok("fine", input_tokens=1_000_000, output_tokens=0)), _ask(group="small"))
    assert (ended.kind, ended.attempts) == ("ok", 1)
    assert ended.cost_usd_micros > 0


def test_three_tries_at_three_keys_of_the_group() -> None:
    scripted = _scripted(fail(500))
    assert _run(scripted, _ask()).kind == "server"
    names = [sent.name for sent in scripted.sent]
    assert len(set(names)) == len(names) == 3
    assert set(names) <= {plan.secret for plan in KEYS if plan.model.group == "strong"}


@pytest.mark.parametrize("seed", range(10))
def test_the_law_is_kept(seed: int) -> None:
    scripted = _scripted(raise_connection())
    ended = _run(scripted, _ask(eu_only=True), seed)
    assert (ended.kind, ended.attempts) == ("connection", 2)
    assert {sent.name for sent in scripted.sent} == {"demo-gpt-eu", "demo-opus-eu"}


def test_a_caller_s_own_mistake_is_not_tried_elsewhere() -> None:
    ended = _run(_scripted(fail(400)), _ask(options={"tools": [LOOKUP_TOOL]}))
    assert (ended.kind, ended.attempts) == ("invalid_request", 1)


def test_a_stream_moves_before_its_first_content_and_is_interrupted_after_it() -> None:
    assert _run(_scripted(stream("a", " b", cut_after=0)), _ask(streamed=True)).attempts == 3
    cut = _run(_scripted(stream("a", " b", cut_after=1)), _ask(streamed=True))
    assert (cut.kind, cut.attempts, cut.first_content_s) == ("interrupted", 1, None)


def test_a_whole_stream_has_the_time_of_its_first_content() -> None:
    ended = _run(_scripted(stream("a", " b")), _ask(streamed=True))
    assert ended.kind == "ok"
    assert ended.first_content_s is not None
    assert 0 <= ended.first_content_s <= ended.total_s
