"""`Client.embed`: vectors by the same walk, attempts, limits and receipts as a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec
import pytest

import junctor
from junctor.config import load, over_keys
from junctor.exceptions import InvalidRequest, Refused
from junctor.reply import Embeddings
from junctor.testing import Key, SimulatedProvider, faults

FLEET = """
version: 1
state: process
providers:
  sim: {{adapter: openai, base_url: "{url}/v1"}}
  claude: {{adapter: anthropic, base_url: "{url}", key: "env:SIM_A"}}
deployments:
  a: {{model: sim/embed, key: "env:SIM_A", capabilities: [embeddings], price: {{input: 20, output: 0}}, rpm: 100}}
  b: {{model: sim/embed, key: "env:SIM_B", capabilities: [embeddings], weight: 0.001, rpm: 100}}
  chat: {{model: sim/chat, key: "env:SIM_A"}}
  wrong: {{model: claude/embed, capabilities: [embeddings]}}
groups:
  e: {{members: [a, b]}}
"""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_A", "sk-a")
    monkeypatch.setenv("SIM_B", "sk-b")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


class Scene:
    """A simulated provider with two keys, and a client over it."""

    def __init__(self, tmp_path: Any) -> None:
        self.provider = SimulatedProvider([Key("sk-a", name="a"), Key("sk-b", name="b")])
        self.file = tmp_path / "fleet.yaml"
        self.receipts: list[Any] = []

    async def __aenter__(self) -> junctor.Client:
        await self.provider.__aenter__()
        self.file.write_text(FLEET.format(url=self.provider.url()))
        router = junctor.Router.from_config(load(self.file), seed=1)
        self.client = junctor.Client(router, on_receipt=self.receipts.append)
        return self.client

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        await self.provider.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("inputs", "count", "tokens"),
    [("one", 1, 1), (["one", "two", "three"], 3, 3), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)],
)
def test_one_vector_per_input_whatever_its_form(tmp_path: Any, inputs: Any, count: int, tokens: int) -> None:
    async def scenario() -> None:
        async with Scene(tmp_path) as llm:
            found = await llm.embed("e", inputs, dimensions=4)
            assert type(found) is Embeddings
            assert [len(vector) for vector in found.vectors] == [4] * count
            assert (found.usage.input_tokens, found.usage.output_tokens, found.model) == (tokens, 0, "embed")

    run(scenario())


def test_a_vector_call_is_settled_like_a_chat(tmp_path: Any) -> None:
    scene = Scene(tmp_path)

    async def scenario() -> None:
        async with scene as llm:
            found = await llm.embed("e", ["word " * 400] * 3, task="index")
            assert found.receipt is not None
            (attempt,) = found.receipt.attempts
            assert (attempt.deployment, attempt.outcome, attempt.status) == ("a", "ok", 200)
            assert attempt.input_tokens == found.usage.input_tokens == 1500
            assert attempt.decision.request["needs"] == ["embeddings"]
            assert found.cost_usd == 1500 * 20 / 1e6
            assert b"vectors" in msgspec.json.encode(found)
            assert b"receipt" not in msgspec.json.encode(found)
        assert [receipt.attempts[0].deployment for receipt in scene.receipts] == ["a"]

    run(scenario())


def test_a_failed_attempt_is_followed_by_another_one(tmp_path: Any) -> None:
    scene = Scene(tmp_path)

    async def scenario() -> None:
        async with scene as llm:
            scene.provider.inject(faults.server_error(), key="a")
            found = await llm.embed("e", "one")
            assert found.receipt is not None
            assert [attempt.outcome for attempt in found.receipt.attempts] == ["server", "ok"]
            assert found.vectors

    run(scenario())


def test_who_cannot_embed_is_refused_by_the_gate(tmp_path: Any) -> None:
    async def scenario() -> None:
        async with Scene(tmp_path) as llm:
            with pytest.raises(Refused, match="embeddings"):
                await llm.embed("chat", "one")
            with pytest.raises(InvalidRequest, match="'wrong' speaks anthropic, a dialect without embeddings"):
                await llm.embed("wrong", "one")

    run(scenario())


def test_inputs_together_may_exceed_the_context_of_each() -> None:
    async def scenario() -> None:
        async with SimulatedProvider([Key("sk-a")]) as provider:
            fleet = over_keys("sim/embed", keys=["sk-a"], base_url=provider.base_url("openai"))
            able = msgspec.structs.replace(fleet.deployments[0], capabilities=("embeddings",), context_tokens=100)
            router = junctor.Router.from_config(msgspec.structs.replace(fleet, deployments=(able,)))
            async with junctor.Client(router) as llm:
                assert len((await llm.embed("sim/embed", ["word " * 40] * 20)).vectors) == 20

    run(scenario())


@pytest.mark.parametrize("inputs", [[], b"one", ["one", 2], [[]], [1.5], None, [["one"]]])
def test_inputs_that_are_none_are_refused_before_anything_is_held(tmp_path: Any, inputs: Sequence[Any]) -> None:
    async def scenario() -> None:
        async with Scene(tmp_path) as llm:
            with pytest.raises(InvalidRequest, match="inputs is a"):
                await llm.embed("e", inputs)
            assert llm.counters["calls"] == 0
            with pytest.raises(InvalidRequest, match="dimensions is 0"):
                await llm.embed("e", "one", dimensions=0)

    run(scenario())
