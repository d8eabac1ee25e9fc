"""What a call carries in and out: tags, overrides, usage, receipts, sinks."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from junctor.client import Client
from junctor.exceptions import ConfigError, InvalidRequest, Refused
from junctor.receipts import Receipt
from junctor.reply import Done, Finish, Reply, TextDelta, ToolCallDelta
from junctor.router import Router
from junctor.testing.scripted import fail, ok, tool_call
from tests.client.stage import MESSAGES, Stage, outcomes

TPM: dict[str, list[Any]] = {"a": [{"dimension": "tpm", "limit": 60_000, "window_s": 60, "burst_s": 10}]}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}


def always(action: dict[str, Any]) -> dict[str, Any]:
    """A rule for every request that asks for `auto`."""
    return {"rules": [{"name": "only", "when": {}, "action": action}]}


def test_a_reply_knows_where_it_came_from_and_what_it_cost() -> None:
    """Price per million: 1 $ in, 10 $ out."""
    stage = Stage({"a": [ok(input_tokens=1_000, output_tokens=100)]})
    reply = stage.chat()
    assert reply.cost_usd == pytest.approx(0.002)
    assert reply.receipt is not None
    assert reply.receipt.cost_usd_micros == 2_000
    (attempt,) = reply.receipt.attempts
    assert (attempt.deployment, attempt.status, attempt.usage_known) == ("a", 200, True)
    assert (attempt.input_tokens, attempt.output_tokens) == (1_000, 100)


def test_a_receipt_is_json_without_content_and_can_be_read_back() -> None:
    """It may be logged and sent: neither prompt nor key is in it."""
    stage = Stage({"a": [ok("canary answer")]})
    reply = stage.run(stage.client.chat("g", [{"role": "user", "content": "canary prompt"}], session="s"))
    assert reply.receipt is not None
    line = reply.receipt.to_json()
    assert msgspec.json.decode(line, type=Receipt) == reply.receipt
    assert b"canary" not in line
    assert b"scripted-key" not in line


def test_a_receipt_can_be_replayed() -> None:
    """Same config, request, time and seed: the same decision, candidates and scores included."""
    stage = Stage({"a": [fail(500), ok()], "b": [ok(), ok()]})
    for reply in (stage.chat(), stage.chat()):
        assert reply.receipt is not None
        for attempt in reply.receipt.attempts:
            assert stage.router.replay(attempt.decision) == attempt.decision
    with pytest.raises(InvalidRequest, match="no decision"):
        stage.router.replay(Receipt())


def test_a_reply_is_plain_data_and_its_receipt_is_put_together_on_demand() -> None:
    """Encoding leaves the receipt out; a reply that no client made has none."""
    stage = Stage({"a": [ok("text")]})
    reply = stage.chat()
    decoded = msgspec.json.decode(msgspec.json.encode(reply), type=Reply)
    assert decoded == reply
    assert decoded.receipt is None
    assert reply.receipt is reply.receipt


def test_stream_and_chat_give_the_same_reply() -> None:
    """`Done` carries what `chat` would have returned; deltas add up to it; `Finish` comes only before `Done`."""
    stage = Stage({"a": [ok("one two three"), ok("one two three")]})
    whole = stage.chat()
    streamed = stage.stream()
    assert streamed.text == streamed.reply.text == whole.text
    assert (streamed.reply.usage, streamed.reply.finish_reason) == (whole.usage, whole.finish_reason)
    assert [type(event) for event in streamed.events[-2:]] == [Finish, Done]
    assert all(type(event) is TextDelta for event in streamed.events[:-2])
    assert streamed.reply.receipt is not None
    assert streamed.reply.receipt.attempts[0].first_content_s is not None


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_tool_call_is_content(dialect: str) -> None:
    """It satisfies the first-content timer and comes out whole, streamed or not."""
    script = [tool_call("find", {"x": 1}), tool_call("find", {"x": 1})]
    stage = Stage({"a": script}, dialect=dialect)
    (call,) = stage.chat(tools=[TOOL]).tool_calls
    assert (call.name, msgspec.json.decode(call.arguments)) == ("find", {"x": 1})
    streamed = stage.stream(tools=[TOOL])
    assert any(isinstance(event, ToolCallDelta) for event in streamed.events)
    assert streamed.reply.tool_calls[0].name == "find"


def test_a_rules_cap_and_effort_reach_the_provider() -> None:
    """The answer is capped where the caller asked for more; effort is filled in where the caller said nothing."""
    stage = Stage({"a": []}, otherwise=ok(), fleet=always({"use": "g", "max_tokens": 50, "effort": "low"}))
    for asked in (None, 10, 500):
        stage.chat("auto", max_tokens=asked)
    stage.chat("auto", effort="high")
    bodies = [sent.json() for sent in stage.provider.sent]
    sizes = [body.get("max_completion_tokens", body.get("max_tokens")) for body in bodies]
    assert sizes == [50, 10, 50, 50]
    assert [body.get("reasoning_effort") for body in bodies] == ["low", "low", "low", "high"]


def test_tags_reach_the_rules() -> None:
    """Well-known tags and own ones; what the rules refuse is refused with their message."""
    condition = {"all": [{"attribute": "task", "one_of": ["spam"]}, {"attribute": "team", "one_of": ["red"]}]}
    rules = [
        {"name": "no spam", "when": condition, "action": {"refuse": "no spam please"}},
        {"name": "otherwise", "when": {}, "action": {"use": "g"}},
    ]
    stage = Stage({"a": []}, otherwise=ok(), fleet={"rules": rules})
    with pytest.raises(Refused, match="no spam please") as caught:
        stage.chat("auto", task="spam", tags={"team": "red"})
    assert caught.value.receipt is not None
    assert stage.chat("auto", task="spam", tags={"team": "blue"}).receipt is not None


def test_needs_reach_the_gate() -> None:
    """A request for something that no deployment can do is refused before it is sent."""
    stage = Stage({"a": []}, otherwise=ok())
    with pytest.raises(Refused):
        stage.chat(logprobs=True)
    assert stage.provider.sent == []


def test_parameters_that_a_provider_cannot_express_are_told() -> None:
    """Never silently lost: the receipt names them."""
    stage = Stage({"a": [ok()]}, dialect="anthropic")
    reply = stage.chat(frequency_penalty=0.5, max_tokens=5)
    assert reply.receipt is not None
    assert any("frequency_penalty" in name for name in reply.receipt.dropped)


def test_usage_far_above_the_estimate_becomes_debt() -> None:
    """B29: the finished answer is delivered; later calls wait for what it really took."""
    stage = Stage({"a": [ok(input_tokens=40_000, output_tokens=10)]}, limits=TPM)
    assert stage.chat(max_tokens=10).text == "fine"
    assert stage.router.snapshot()["pools"]["a"]["tpm"]["level"] < 0


@pytest.mark.parametrize("streamed", [False, True])
def test_missing_usage_settles_by_estimate_and_says_so(streamed: bool) -> None:
    """B30: the hold stays charged, the receipt and the counter say that it is a guess."""
    stage = Stage({"a": [ok(usage=False)]}, limits=TPM)
    reply = stage.stream(max_tokens=500).reply if streamed else stage.chat(max_tokens=500)
    assert reply.usage.known is False
    assert reply.receipt is not None
    assert reply.receipt.attempts[0].usage_known is False
    assert stage.client.counters["usage_unknown"] == 1
    assert stage.router.snapshot()["pools"]["a"]["tpm"]["level"] <= 10_000 - 500


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_wait_s": -1}, "max_wait_s is -1"),
        ({"deadline_s": 0}, "deadline_s is 0"),
        ({"attempts": 0}, "attempts is 0"),
    ],
)
def test_nonsense_is_told_before_anything_is_held(options: dict[str, Any], complaint: str) -> None:
    """The message names the option, the value and what is allowed."""
    stage = Stage({"a": []})
    with pytest.raises(InvalidRequest, match=complaint):
        stage.chat(**options)
    wrong: tuple[Any, ...] = ([], "Hi", {"role": "user"})
    for messages in wrong:
        with pytest.raises(InvalidRequest, match="messages must be"):
            stage.run(stage.client.chat("g", messages))
    with pytest.raises(TypeError, match="colour"):
        stage.chat(colour="red")
    with pytest.raises(InvalidRequest):
        stage.chat("no such model")
    stage.assert_released()


def test_a_message_that_no_adapter_can_express_costs_nothing() -> None:
    """The adapter refuses after the reservation: everything is given back, nothing is sent."""
    stage = Stage({"a": []}, limits=TPM)
    before = stage.router.snapshot()["pools"]
    with pytest.raises(InvalidRequest):
        stage.run(stage.client.chat("g", [{"role": "no such role", "content": "x"}], max_tokens=5))
    assert stage.router.snapshot()["pools"] == before
    stage.assert_released()


def test_clients_share_nothing_but_a_router() -> None:
    """Own counters, own transport; limits and breakers are the router's."""
    stage = Stage({"a": []}, otherwise=ok())
    other = Client(stage.router, stage.provider)
    stage.chat()
    stage.run(other.chat("g", MESSAGES))
    assert (stage.client.counters["calls"], other.counters["calls"]) == (1, 1)
    assert stage.deployment("a")["attempts"] == 2


def test_a_session_stays_where_it_is_warm() -> None:
    """Equal weights: without a session calls spread, with one they meet."""
    names = [f"d{number}" for number in range(8)]
    stage = Stage({name: [] for name in names}, otherwise=ok())
    for number in range(30):
        stage.chat(session=None)
        stage.chat(session="alice", user=str(number))
    alices = {sent.name for sent in stage.provider.sent if "user" in sent.json()}
    assert len(alices) == 1


def test_a_reload_under_way_fails_nobody() -> None:
    """B64: the attempt in flight finishes at a deployment that is no longer there; the next call uses the new fleet."""
    stage = Stage({"a": [ok(after_s=5)], "b": [ok("new")]}, members=["a"])

    async def scenario() -> tuple[Reply, Reply]:
        task = asyncio.ensure_future(stage.client.chat("g", MESSAGES))
        await asyncio.sleep(1)
        body = {
            "config_hash": "second",
            "deployments": [{"name": "b", "provider": "openai", "model": "openai/m"}],
            "groups": [{"name": "g", "members": ["b"]}],
        }
        stage.router.reload(msgspec.json.encode(body), [stage.provider.endpoint("b")])
        later = await stage.client.chat("g", MESSAGES)
        return await task, later

    first, later = stage.run(scenario())
    assert (outcomes(first.receipt), outcomes(later.receipt)) == ([("a", "ok")], [("b", "ok")])
    stage.assert_released()


def test_over_keys_needs_no_file() -> None:
    """One deployment per key; the keys are never shown."""
    client = Client.over_keys("openai/gpt-5.6", keys=["sk-one", "sk-two"], rpm=10, tpm=10_000)
    deployments = client.router.snapshot()["deployments"]
    assert len(deployments) == 2
    assert "sk-one" not in repr(vars(client)) + repr(deployments)
    with pytest.raises(ConfigError):
        Client.over_keys("no slash", keys=["sk-one"])


def test_open_reads_a_fleet_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults of the file's `dispatch` section become the client's."""
    monkeypatch.setenv("KEY_A", "sk-canary")
    path = tmp_path / "fleet.yaml"
    path.write_text(
        "version: 1\nstate: process\ndispatch: {deadline_s: 42, max_wait_s: 1, attempts: 2}\n"
        "deployments:\n  a: {model: openai/gpt-5.6, key: env:KEY_A}\n",
        encoding="utf-8",
    )
    router = Router.open(path)
    assert (router.deadline_s, router.max_wait_s, router.attempts) == (42, 1, 2)
    assert router.explain("a").deployment == "a"
    path.write_text(path.read_text(encoding="utf-8").replace("42", "43"), encoding="utf-8")
    router.reload_from(path)
    assert router.deadline_s == 43
    path.write_text("version: 2\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        router.reload_from(path)
    assert router.explain("a").deployment == "a"
