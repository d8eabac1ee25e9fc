"""Calls shaped for the deployment that was picked: variants, pruning, summaries, and what receipts say of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from junctor import config
from junctor.exceptions import ConfigError, InvalidRequest, Refused
from junctor.receipts import Pruned, Receipt
from junctor.request import Native
from junctor.testing.scripted import fail, hang, ok
from tests.shaping.fleet import Fleet, receipt

PROMPTS = {"support": {"default": "Default.", "anthropic/*": "For Claude, {who}.", "openai/gpt-5*": "For GPT, {who}."}}
LONG = "x" * 350  # 104 tokens by the estimate, role included


def turns(count: int) -> list[dict[str, Any]]:
    """A conversation of this many old turns of some 208 tokens, and a last question."""
    old = [{"role": role, "content": f"{n} {LONG}"} for n in range(count) for role in ("user", "assistant")]
    return [{"role": "system", "content": "Be brief."}, *old, {"role": "user", "content": "And now?"}]


def test_a_fallback_gets_its_own_variant_and_the_receipt_names_both() -> None:
    fleet = Fleet({"claude": [fail(500)], "gpt": [ok()]}, prompts=PROMPTS)
    reply = fleet.chat(
        [{"role": "system", "content": "mine"}, {"role": "user", "content": "Hi"}],
        prompt="support",
        prompt_values={"who": "Ada"},
    )
    first, second = fleet.bodies()
    assert first["system"] == "For Claude, Ada."
    assert second["messages"][0] == {"role": "system", "content": "For GPT, Ada."}
    told = receipt(reply)
    assert [attempt.shaped and attempt.shaped.variant for attempt in told.attempts] == [
        "support/anthropic/*",
        "support/openai/gpt-5*",
    ]
    assert told.variant == "support/openai/gpt-5*"
    assert Receipt.from_json(told.to_json()) == told
    assert b"Ada" not in told.to_json()


def test_an_unknown_prompt_is_refused_with_the_nearest_and_nothing_is_sent() -> None:
    fleet = Fleet({"claude": []}, prompts=PROMPTS)
    with pytest.raises(InvalidRequest, match=r"there is no prompt 'suport'; did you mean 'support'"):
        fleet.chat(prompt="suport")
    with pytest.raises(InvalidRequest, match=r"there is no prompt to fill"):
        fleet.chat(prompt_values={"who": "Ada"})
    with pytest.raises(InvalidRequest, match="the fleet file has no prompts section"):
        Fleet({"claude": []}).chat(prompt="support")
    assert fleet.bodies() == []


def test_a_prompt_without_a_variant_for_the_picked_model_is_refused_and_capacity_comes_back() -> None:
    fleet = Fleet({"gem": []}, prompts={"p": {"openai/*": "x"}})
    with pytest.raises(InvalidRequest, match=r"'p' has no variant for 'gemini/gemini-2.5-flash'"):
        fleet.chat(prompt="p")
    assert fleet.router.snapshot()["deployments"]["gem"]["in_flight"] == 0


def test_a_prompt_may_stand_in_a_file_beside_the_fleet(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("From a file.\n", encoding="utf-8")
    fleet = Fleet({"gpt": []}, prompts={"p": {"default": {"file": "a.md"}}}, folder=str(tmp_path))
    fleet.chat(prompt="p")
    assert fleet.bodies()[0]["messages"][0]["content"] == "From a file."
    with pytest.raises(ConfigError, match=r"prompts\.p\.default\.file: 'b.md' cannot be read"):
        Fleet({"gpt": []}, prompts={"p": {"default": {"file": "b.md"}}}, folder=str(tmp_path))


def test_a_change_of_a_prompt_changes_the_hash_that_processes_compare() -> None:
    def hashed(prompts: dict[str, Any]) -> str:
        return config.compile(Fleet({"gpt": []}, prompts=prompts).config, secrets=False).config_hash

    assert hashed({"p": {"default": "a"}}) != hashed({"p": {"default": "b"}})
    assert hashed({}) == config.compile(Fleet({"gpt": []}).config, secrets=False).config_hash


def test_a_group_prunes_to_its_budget_and_says_what_went() -> None:
    groups = {"g": {"members": ["gpt"], "prune": {"to_tokens": 700, "keep_turns": 1, "marker": True}}}
    fleet = Fleet({"gpt": [ok()]}, groups=groups, deployments={"gpt": {"bytes_per_token": 3.5}})
    reply = fleet.chat(turns(10))
    sent = fleet.bodies()[0]["messages"]
    assert [message["role"] for message in sent[:2]] == ["system", "user"]
    assert sent[1]["content"] == "[7 earlier turns of this conversation left out]"
    assert sent[2]["content"].startswith("7 ")
    assert sent[-1]["content"] == "And now?"
    assert receipt(reply).pruned == Pruned(turns=7, tokens=1464)


def test_each_models_tokenizer_counts_for_the_budget() -> None:
    groups = {"g": {"members": ["gpt"], "prune": {"to_tokens": 700, "keep_turns": 1}}}
    left = []
    for bytes_per_token in (1.75, 3.5, 7.0):
        fleet = Fleet({"gpt": [ok()]}, groups=groups, deployments={"gpt": {"bytes_per_token": bytes_per_token}})
        fleet.chat(turns(10))
        left.append(len(fleet.bodies()[0]["messages"]))
    assert left == [4, 8, 14]


def test_a_conversation_too_long_for_everybody_is_cut_to_the_largest_context() -> None:
    places = {"gpt": {"context_tokens": 400}, "mini": {"context_tokens": 1200}}
    plain = Fleet({"gpt": [], "mini": []}, deployments=places)
    with pytest.raises(Exception, match=r"context|tokens"):
        plain.chat(turns(10))
    fleet = Fleet({"gpt": [ok()], "mini": [ok()]}, deployments=places)
    reply = fleet.chat(turns(10), prune="auto")
    told = receipt(reply)
    assert told.deployment == "mini"
    assert told.pruned is not None
    assert told.pruned.fits
    assert 0 < told.pruned.turns < 10
    assert receipt(fleet.chat("Hi", prune="auto")).pruned is None


def test_what_cannot_be_cut_is_sent_and_the_receipt_is_honest() -> None:
    fleet = Fleet({"gpt": [ok()]})
    told = receipt(fleet.chat(LONG * 2, prune={"to_tokens": 64}))
    assert told.pruned == Pruned(turns=0, tokens=0, fits=False)


def test_a_rule_prunes_what_it_places() -> None:
    rules = [
        {"name": "short", "when": {"task": "chat"}, "use": "g", "prune": {"to_tokens": 300, "keep_turns": 1}},
        {"use": "g"},
    ]
    fleet = Fleet({"gpt": [ok(), ok()]}, rules=rules)
    assert receipt(fleet.chat(turns(3), model="auto", task="chat")).pruned is not None
    assert receipt(fleet.chat(turns(3), model="auto")).pruned is None
    with pytest.raises(ConfigError, match=r"a rule that prunes needs a name"):
        Fleet({"gpt": []}, rules=[{"use": "g", "prune": "auto"}])


@pytest.mark.parametrize("prune", ["auto", {"to_tokens": 900}])
def test_a_rule_or_group_that_prunes_lets_in_what_fits_afterwards(prune: Any) -> None:
    """The gate judges the prompt as it will be sent, also where `auto` leads to a group that prunes."""
    places = {"gpt": {"context_tokens": 1_200}}
    ruled = [{"name": "long", "use": "g", "prune": prune}]
    grouped = {"g": {"members": ["gpt"], "prune": prune}}
    for sections in ({"rules": ruled}, {"rules": [{"use": "g"}], "groups": grouped}):
        fleet = Fleet({"gpt": [ok()]}, deployments=places, **sections)
        told = receipt(fleet.chat(turns(10), model="auto"))
        assert told.pruned is not None
        assert told.pruned.fits
        assert told.pruned.turns > 0
        assert fleet.router.replay(told.attempts[0].decision) == told.attempts[0].decision
        with pytest.raises(Refused, match="context"):
            fleet.chat(turns(10), model="auto", prune="off")


@pytest.mark.parametrize(
    ("prune", "words"),
    [
        ("yes", "prune"),
        ({"to_token": 300}, "prune: .*to_token"),
        ({"to_tokens": 5}, "prune: "),
        ({"how": "summarise"}, "prune.by is missing"),
        ({"how": "summarise", "by": "nobody"}, "prune.by: there is no group, model or deployment 'nobody'"),
    ],
)
def test_a_wrong_option_names_what_is_allowed(prune: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Fleet({"gpt": []}).chat(prune=prune)


SUMMARISED = {"to_tokens": 900, "keep_turns": 1, "how": "summarise", "by": "mini"}


def test_a_summary_stands_for_the_turns_and_its_cost_is_on_the_receipt() -> None:
    heard: list[Receipt] = []
    fleet = Fleet(
        {"gpt": [ok()], "mini": [ok("They spoke of x.", input_tokens=1000, output_tokens=10)]},
        groups={"g": {"members": ["gpt"], "prune": SUMMARISED}},
        deployments={"mini": {"price": {"input": 1.0, "output": 10.0}}, "gpt": {"price": {"input": 0, "output": 0}}},
        on_receipt=heard.append,
    )
    reply = fleet.chat(turns(10))
    asked, answered = fleet.bodies()
    assert asked["messages"][1]["content"].startswith("user: 0 xxx")
    assert answered["messages"][1]["role"] == "user"
    assert answered["messages"][1]["content"].startswith("[Summary of 9 earlier turns")
    assert answered["messages"][1]["content"].endswith("They spoke of x.")
    told = receipt(reply)
    assert told.pruned is not None
    assert told.pruned.summarised
    assert told.summary_cost_usd_micros == told.cost_usd_micros == 1100
    assert reply.cost_usd == pytest.approx(0.0011)
    fleet.run(fleet.client.aclose())
    assert [len(each.attempts) for each in heard] == [1]
    assert {state["in_flight"] for state in fleet.router.snapshot()["deployments"].values()} == {0}


@pytest.mark.parametrize("outcome", [fail(400), hang()], ids=["refused", "silent"])
def test_a_summary_that_fails_costs_its_deadline_at_most_and_the_turns_are_dropped(outcome: Any) -> None:
    fleet = Fleet(
        {"gpt": [ok()], "mini": [outcome]},
        groups={"g": {"members": ["gpt"], "prune": {**SUMMARISED, "deadline_s": 2.0}}},
        dispatch={"attempts": 1},
    )
    began = fleet.clock.now_s()
    told = receipt(fleet.chat(turns(10)))
    assert fleet.clock.now_s() - began <= 2.1
    assert told.pruned is not None
    assert (told.pruned.summarised, told.pruned.turns) == (False, 9)
    assert any(note.startswith("prune: no summary (") for note in told.notes)


def test_who_summarises_must_exist() -> None:
    prune = {**SUMMARISED, "by": "minni"}
    with pytest.raises(ConfigError, match=r"groups\.g\.prune\.by: there is no .*'minni'; did you mean 'mini'"):
        Fleet({"gpt": [], "mini": []}, groups={"g": {"members": ["gpt"], "prune": prune}})
    with pytest.raises(ConfigError, match=r"groups\.g\.prune\.by: is missing"):
        Fleet({"gpt": []}, groups={"g": {"members": ["gpt"], "prune": {"how": "summarise"}}})


def test_check_warns_of_variants_for_nobody(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "version: 1\n"
        "deployments: {a: {model: openai/gpt-5.6, key: env:HOME}}\n"
        "prompts: {p: {openai/*: x, anthropic/*: y}, q: {openai/gpt-4*: z}}\n",
        encoding="utf-8",
    )
    found = [str(problem) for problem in config.check(file)]
    assert any("prompts.p.anthropic/*" in line and "matches no deployment" in line for line in found)
    assert any("prompts.q" in line and "has no variant for openai/gpt-5.6" in line for line in found)
    assert not any("openai/*" in line for line in found)


def test_a_fleet_that_shapes_nothing_makes_no_shape() -> None:
    fleet = Fleet({"gpt": [ok()]})
    assert not fleet.router.shapes
    assert receipt(fleet.chat()).attempts[0].shaped is None
    assert fleet.router._shaping is None


def test_a_stream_is_shaped_like_a_chat() -> None:
    groups = {"g": {"members": ["claude", "gpt"], "prune": {"to_tokens": 400, "keep_turns": 1}}}
    fleet = Fleet({"claude": [fail(500)], "gpt": [ok("a b")]}, prompts=PROMPTS, groups=groups)
    events, reply = fleet.stream(turns(4), prompt="support", prompt_values={"who": "Ada"})
    assert "".join(getattr(event, "text", "") for event in events) == "a b"
    told = receipt(reply)
    assert told.variant == "support/openai/gpt-5*"
    assert told.pruned is not None
    assert fleet.bodies()[1]["messages"][0]["content"] == "For GPT, Ada."


def test_a_caller_who_leaves_while_a_summary_is_written_leaves_nothing_held() -> None:
    fleet = Fleet({"gpt": [], "mini": [hang()]}, groups={"g": {"members": ["gpt"], "prune": SUMMARISED}})

    async def leave() -> None:
        task = asyncio.create_task(fleet.client.chat("g", turns(10)))
        await asyncio.sleep(1.0)
        assert fleet.provider.open == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    fleet.run(leave())
    assert fleet.provider.open == 0
    assert {state["in_flight"] for state in fleet.router.snapshot()["deployments"].values()} == {0}


def test_the_order_is_variant_then_pruning_then_cache_points() -> None:
    """A long variant counts for the budget, and the mark stands on what is sent."""
    prompts = {"p": {"default": "Rules. " * 1_000}}  # 2,004 tokens in the common measure
    groups = {"g": {"members": ["claude"], "prune": {"to_tokens": 2_800, "keep_turns": 1}, "cache": "auto"}}
    fleet = Fleet({"claude": [ok()]}, prompts=prompts, groups=groups, deployments={"claude": {"bytes_per_token": 3.5}})
    reply = fleet.chat(turns(6), prompt="p")
    body = fleet.bodies()[0]
    assert body["system"][0]["text"].startswith("Rules. Rules.")
    assert "cache_control" in body["system"][-1]
    assert receipt(reply).pruned == Pruned(turns=3, tokens=627)
    assert len(body["messages"]) == 7


def test_a_callers_own_body_that_was_reshaped_is_said_anew_and_what_it_lost_is_told() -> None:
    fleet = Fleet({"claude": [ok(), ok()]}, prompts=PROMPTS)
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "container": "c"}
    native = Native("anthropic", body, drops=("container",))
    assert receipt(fleet.chat(native=native)).dropped == ()
    assert receipt(fleet.chat(native=native, prompt="support")).dropped == ("container",)
    assert ["container" in sent for sent in fleet.bodies()] == [True, False]
    with pytest.raises(InvalidRequest, match=r"container: only the caller's own anthropic body says this"):
        fleet.chat(native=Native("anthropic", body, demands=("container",)), prompt="support")
    assert {state["in_flight"] for state in fleet.router.snapshot()["deployments"].values()} == {0}
