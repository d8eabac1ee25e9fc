"""The strategy by itself: which names are junctor's, what is asked of the walk, what ends when nobody tells."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import litellm
import pytest
from litellm import Router
from litellm.router_api import ChangeSet
from litellm.types.router import Deployment

import junctor
from junctor.exceptions import ConfigError
from junctor.litellm import JunctorStrategy, use_junctor
from junctor.litellm.tickets import KEY
from junctor.testing import ManualClock
from scripts.markdown import ROOT, program
from tests.older.routed import HELLO, entry, provider, routed

AT = provider("a")  # an address; nothing is sent there


def fleet(folder: Path, text: str) -> Path:
    """A fleet file whose state is this process's alone."""
    file = folder / "fleet.yaml"
    file.write_text(f"version: 1\nstate: process\n{text}", encoding="utf-8")
    return file


def listed(*ids: str, group: str = "chat", **params: Any) -> list[dict[str, Any]]:
    """Entries at an address that is never asked."""
    there = {"model": "openai/gpt-5.4", "api_key": "sk-none", "api_base": "http://127.0.0.1:9/v1", **params}
    return [{"model_name": group, "litellm_params": dict(there), "model_info": {"id": id}} for id in ids]


def pick(strategy: JunctorStrategy, model: str = "chat", **request: Any) -> Any:
    """What LiteLLM is given for a blocking call."""
    return strategy.get_available_deployment(model, messages=HELLO, request_kwargs=request)


def test_the_pick_is_litellms_own_entry_with_a_ticket() -> None:
    """Everything that LiteLLM keeps there stays; the list itself is not touched."""
    router = Router(model_list=listed("a", rpm=60))
    picked = pick(JunctorStrategy(router))
    own = router.registry().deployment_dict("a")
    assert own is not None
    assert picked["litellm_params"] == own["litellm_params"]
    assert KEY not in own["model_info"]
    assert picked["model_info"]["id"] == "a"


def test_a_ticket_is_a_text_wherever_it_goes() -> None:
    """Loggers copy, encode and send what they are told; only the ticket itself holds the reservation."""
    strategy = JunctorStrategy(Router(model_list=listed("a")))
    picked = pick(strategy)
    ticket = picked["model_info"][KEY]
    copied = copy.deepcopy(picked)
    assert copied["model_info"][KEY] is copy.copy(ticket) is ticket
    assert type(pickle.loads(pickle.dumps(ticket))) is str
    assert json.loads(json.dumps(picked["model_info"]))[KEY] == ticket
    del copied
    assert strategy.open == 1
    del picked, ticket
    assert (strategy.open, dict(+strategy.counters)) == (0, {"attempts": 1, "abandoned": 1})


def test_what_is_kept_too_long_is_abandoned() -> None:
    """A logger that keeps everything, and a call that nobody tells of: the bound ends it, once."""
    clock = ManualClock()
    strategy = JunctorStrategy(Router(model_list=listed("a")), clock=clock, abandon_after_s=60)
    kept = [pick(strategy) for _ in range(3)]
    clock.advance(59)
    pick(strategy)
    assert strategy.open == 3
    clock.advance(5)
    pick(strategy)
    assert (strategy.open, strategy.counters["abandoned"]) == (0, 5)
    state = strategy.router.snapshot()
    assert (state["deployments"]["chat"]["in_flight"], state["counters"]["abandoned"]) == (0, 5)
    late = {"litellm_params": {"model_info": kept[0]["model_info"]}}
    strategy.callback.log_success_event(late, None)
    del kept
    assert (strategy.counters["settled"], strategy.counters["abandoned"]) == (0, 5)


def test_who_tells_first_settles() -> None:
    """A hook and a log event tell of the same attempt, in either order and twice."""
    strategy = JunctorStrategy(Router(model_list=listed("a")))
    picked = pick(strategy)
    told = {"litellm_params": {"model_info": picked["model_info"]}}
    for _ in range(2):
        strategy.callback.log_failure_event({**told, "exception": litellm.APIConnectionError("gone", "openai", "gpt")})
        strategy.callback.log_success_event(told, litellm.ModelResponse())
    state = strategy.router.snapshot()["deployments"]["chat"]
    assert (state["attempts"], state["failed"], state["succeeded"], strategy.counters["settled"]) == (1, 1, 0, 1)


def test_a_failure_is_settled_by_its_hook_alone() -> None:
    """Where attempts share one logging object, as in LiteLLM's proxy, log events come once for all of a call."""
    strategy = JunctorStrategy(Router(model_list=listed("a")))
    for _ in range(2):
        told = {"model_info": pick(strategy)["model_info"]}
        error = litellm.APIConnectionError("gone", "openai", "gpt")
        asyncio.run(strategy.callback.async_post_call_failure_deployment_hook(told, error, None, fallback_depth=1))
    assert strategy.router.snapshot()["deployments"]["chat"]["failed"] == strategy.counters["settled"] == 2


def test_an_answer_of_litellms_cache_costs_nothing() -> None:
    """Nothing was sent, so all that was held comes back."""
    strategy = JunctorStrategy(Router(model_list=listed("a", tpm=1000)), clock=ManualClock())
    before = strategy.router.snapshot()["pools"]
    picked = pick(strategy)
    assert strategy.router.snapshot()["pools"] != before
    told = {"litellm_params": {"model_info": picked["model_info"]}, "cache_hit": True}
    strategy.callback.log_success_event(told, litellm.ModelResponse())
    state = strategy.router.snapshot()
    assert (state["deployments"]["chat"]["cost_usd_micros"], state["pools"]) == (0, before)


def test_names_that_are_not_junctors_go_where_litellm_sends_them() -> None:
    """Wildcards, speech and whatever else the import leaves out; `notes` tells of them."""
    entries = [*listed("a"), *listed("w", group="openai/*", model="openai/*")]
    router = Router(model_list=entries)
    strategy = use_junctor(router)
    assert ["model_list[1]" in str(note) for note in strategy.notes if "wildcard" in str(note)] == [True]
    picked = router.get_available_deployment("openai/gpt-4.1", messages=HELLO, request_kwargs={})
    assert picked["model_info"]["id"] == "w"
    assert dict(+strategy.counters) == {"elsewhere": 1}
    strategy.close()
    assert router.get_available_deployment("chat", messages=HELLO, request_kwargs={})["model_info"]["id"] == "a"
    assert strategy.counters["attempts"] == 0


def test_a_group_comes_before_an_id_of_the_same_name() -> None:
    """As in LiteLLM: entries are often called as their group is."""
    strategy = JunctorStrategy(Router(model_list=listed("chat", "b")))
    assert {pick(strategy)["model_info"]["id"] for _ in range(30)} == {"chat", "b"}
    failed: Any = {"metadata": {"previous_models": ({"deployment_id": "chat"},)}}
    assert {pick(strategy, **failed)["model_info"]["id"] for _ in range(10)} == {"b"}


@pytest.mark.parametrize(
    ("request_kwargs", "input"),
    [
        ({"contents": [{"parts": [{"text": "hi"}]}]}, None),
        ({}, [1, 2, 3]),
        ({}, [[1, 2], [3]]),
        ({}, ["text", {"image": "data"}]),
        ({}, [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]),
        ({"messages": []}, None),
    ],
)
def test_whatever_an_api_of_litellms_asks_with_is_sized(request_kwargs: dict[str, Any], input: Any) -> None:
    """Texts, tokens, items, words of other providers: what cannot be measured is no reason to refuse."""
    strategy = JunctorStrategy(Router(model_list=listed("a")))
    picked = strategy.get_available_deployment("chat", input=input, request_kwargs=request_kwargs)
    assert picked["model_info"]["id"] == "a"


def test_messages_may_be_litellms_own_objects() -> None:
    """An answer of LiteLLM's as part of the next question."""
    said = litellm.Message(role="assistant", content="Rivers flow.")
    strategy = JunctorStrategy(Router(model_list=listed("a")))
    asked: Any = [*HELLO, said, *HELLO]
    assert strategy.get_available_deployment("chat", messages=asked)["model_info"]["id"] == "a"


def test_an_id_or_an_alias_may_be_asked_for() -> None:
    """LiteLLM's other names of the same deployments."""
    router = Router(model_list=listed("a", "b"), model_group_alias={"talk": "chat"})
    strategy = JunctorStrategy(router)
    assert {pick(strategy, "b")["model_info"]["id"] for _ in range(5)} == {"b"}
    assert pick(strategy, "talk")["model_name"] == "chat"


def test_a_changed_list_is_a_changed_fleet() -> None:
    """What `router.apply` adds is picked from the next call on, what it removes no more."""
    router = Router(model_list=listed("a"))
    strategy = JunctorStrategy(router)
    held = pick(strategy)
    added = Deployment(**listed("b")[0])
    router.apply(ChangeSet(upsert=[added], delete=["a"]))
    assert {pick(strategy)["model_info"]["id"] for _ in range(5)} == {"b"}
    assert strategy.open == 1
    del held


def test_a_list_that_cannot_be_used_changes_nothing() -> None:
    """It is told once, as a warning; whoever is left of the old one is picked."""
    router = Router(model_list=listed("a"))
    strategy = JunctorStrategy(router)
    router.apply(ChangeSet(upsert=[Deployment(**listed("w", group="openai/*", model="openai/*")[0])], delete=["a"]))
    with (
        pytest.warns(RuntimeWarning, match="goes on with what it had: model_list: none of its 1 entries"),
        pytest.raises(litellm.BadRequestError, match="'chat' was picked and is no longer in the LiteLLM Router"),
    ):
        pick(strategy)
    router.apply(ChangeSet(upsert=[Deployment(**listed("b")[0])]))
    assert pick(strategy)["model_info"]["id"] == "b"


def test_a_changed_fleet_file_is_matched_anew(tmp_path: Path) -> None:
    """A router that follows its file, or that its program reloads."""
    file = fleet(tmp_path, "deployments: {a: {model: openai/gpt-5.4}}\ngroups: {chat: {members: [a]}}")
    strategy = JunctorStrategy(Router(model_list=listed("a", "b")), file)
    assert pick(strategy)["model_info"]["id"] == "a"
    fleet(tmp_path, "deployments: {b: {model: openai/gpt-5.4}}\ngroups: {chat: {members: [b]}}")
    strategy.router.reload_from(file)
    assert pick(strategy)["model_info"]["id"] == "b"


def test_two_routers_of_a_process_settle_each_its_own() -> None:
    """LiteLLM takes callbacks of one class for the same, unless they say otherwise."""
    with (
        provider("a", "b").in_thread() as there,
        routed([entry("chat", there, "a")]) as one,
        routed([entry("chat", there, "b")]) as two,
    ):
        one.run(one.router.acompletion("chat", HELLO))
        two.run(two.router.acompletion("chat", HELLO))
        assert one.counters == two.counters == {"attempts": 1, "settled": 1}


COMPLIANT = """
deployments:
  home: {model: openai/gpt-5.4, region: eu}
  away: {model: openai/gpt-5.4, region: us}
groups: {chat: {members: [home, away]}}
compliance:
  - {name: stays, when: {tenant: acme}, require: {region: [eu]}}
"""


def test_compliance_holds_for_what_metadata_says(tmp_path: Path) -> None:
    """A word in a call's metadata, and no call of the tenant leaves the region, whoever else is free."""
    strategy = JunctorStrategy(Router(model_list=listed("home", "away")), fleet(tmp_path, COMPLIANT))
    acme: Any = {"metadata": {"junctor": {"tenant": "acme"}}}
    assert {pick(strategy, **acme)["model_info"]["id"] for _ in range(20)} == {"home"}
    assert {pick(strategy)["model_info"]["id"] for _ in range(20)} == {"home", "away"}
    strategy.router.set_breaker("home", "open")
    with pytest.raises((litellm.RateLimitError, litellm.BadRequestError)):
        pick(strategy, metadata={"junctor": {"tenant": "acme", "max_wait_s": 0}})


def test_nobody_who_may_is_a_bad_request(tmp_path: Path) -> None:
    """With junctor's own error as the cause, which has the receipt."""
    only = COMPLIANT.replace("  home: {model: openai/gpt-5.4, region: eu}\n", "").replace("[home, away]", "[away]")
    strategy = JunctorStrategy(Router(model_list=listed("away")), fleet(tmp_path, only))
    with pytest.raises(litellm.BadRequestError, match="compliance") as refused:
        pick(strategy, litellm_metadata={"junctor": {"tenant": "acme"}})
    cause = refused.value.__cause__
    assert isinstance(cause, junctor.Refused)
    assert cause.refusals == {"away": "compliance: stays"}
    assert refused.value.llm_provider == "junctor"


def test_a_prompt_too_long_for_everybody_is_a_context_window_error(tmp_path: Path) -> None:
    """So that LiteLLM's `context_window_fallbacks` begin."""
    file = fleet(tmp_path, "deployments: {chat: {model: openai/gpt-5.4, context_tokens: 1000}}")
    strategy = JunctorStrategy(Router(model_list=listed("chat")), file)
    with pytest.raises(litellm.ContextWindowExceededError):
        strategy.get_available_deployment("chat", messages=[{"role": "user", "content": "long " * 4000}])


def test_rules_bound_the_call_that_litellm_sends(tmp_path: Path) -> None:
    """In the word that the call uses, and never above what it asks for itself."""
    file = fleet(
        tmp_path,
        "deployments: {chat: {model: openai/gpt-5.4}}\ngroups: {all: {members: [chat]}}\n"
        "rules: [{name: short, when: {model: chat, task: title}, max_tokens: 64, effort: low}]\n",
    )
    strategy = JunctorStrategy(Router(model_list=listed("chat")), file)
    title = {"junctor": {"task": "title"}}
    for asked, sent in (
        ({}, {"max_tokens": 64, "reasoning_effort": "low"}),
        ({"max_completion_tokens": 900}, {"max_completion_tokens": 64, "reasoning_effort": "low"}),
        ({"max_tokens": 10, "reasoning_effort": "high"}, {"max_tokens": 10, "reasoning_effort": "high"}),
    ):
        request: dict[str, Any] = {"metadata": title, **asked}
        strategy.get_available_deployment("chat", messages=HELLO, request_kwargs=request)
        assert request == {"metadata": title, **sent}
    responses: dict[str, Any] = {"litellm_metadata": title, "input": "hi"}
    strategy.get_available_deployment("chat", input="hi", request_kwargs=responses)
    assert responses == {"litellm_metadata": title, "input": "hi", "max_output_tokens": 64}
    vectors: dict[str, Any] = {"metadata": title}
    strategy.get_available_deployment("chat", input="hi", request_kwargs=vectors)
    assert vectors == {"metadata": title}


def test_a_deployment_that_failed_in_this_call_is_asked_last() -> None:
    """LiteLLM's record of the call's attempts names them."""
    strategy = JunctorStrategy(Router(model_list=listed("a", "b")))
    failed: Any = {"metadata": {"previous_models": ({"deployment_id": "a", "exception_type": "RateLimitError"},)}}
    assert {pick(strategy, **failed)["model_info"]["id"] for _ in range(10)} == {"b"}
    strategy.router.set_breaker(strategy.name_of("b"), "open")
    assert pick(strategy, **failed)["model_info"]["id"] == "a"


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"junctor": "acme"}, "metadata.junctor is a str; write a mapping of data, max_wait_s"),
        ({"junctor": {"tenants": "acme"}}, "metadata.junctor.tenants is unknown; it may say data"),
        ({"junctor": {"max_wait_s": -1}}, "max_wait_s is -1; it must be 0"),
    ],
)
def test_bad_metadata_is_named(metadata: dict[str, Any], words: str) -> None:
    """The thing, the value, what is allowed."""
    strategy = JunctorStrategy(Router(model_list=listed("a")))
    with pytest.raises(litellm.BadRequestError) as refused:
        pick(strategy, metadata=metadata)
    assert words in str(refused.value)


def test_a_fleet_that_the_router_cannot_serve_is_refused(tmp_path: Path) -> None:
    """Before any call: a deployment that could be picked and not be sent to."""
    file = fleet(tmp_path, "deployments: {a: {model: openai/gpt-5.4}, z: {model: openai/gpt-5.4}}")
    router = Router(model_list=listed("a", "b"))
    with pytest.raises(ConfigError, match=r"deployments\.z: is no deployment .* which has a, b; give .*\{id: z\}"):
        JunctorStrategy(router, file)
    with pytest.raises(ConfigError, match="none of its 1 entries can be routed"):
        JunctorStrategy(Router(model_list=listed("w", group="openai/*", model="openai/*")))
    with pytest.raises(ConfigError, match=r"abandon_after_s: is 0; it must be 1 or more seconds"):
        JunctorStrategy(router, abandon_after_s=0)


def test_no_key_of_a_provider_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """LiteLLM sends: neither the list's keys nor a fleet file's are junctor's business."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    router = Router(model_list=listed("a", api_key="sk-canary-in-clear"))
    for strategy in (
        JunctorStrategy(router),
        JunctorStrategy(router, fleet(tmp_path, "deployments: {a: {model: openai/gpt-5.4, key: env:NO_SUCH}}")),
    ):
        assert strategy.router.reserve("auto").endpoint.key is None
        assert "canary" not in repr(strategy.notes) + repr(strategy.router.snapshot())


def test_lists_with_other_keys_share_no_limits() -> None:
    """Processes with the same list meet, as workers should; LiteLLM's own ids tell keys apart, and so do addresses."""

    def name(**params: Any) -> str | None:
        entries = listed("", **params)
        del entries[0]["model_info"]
        config = JunctorStrategy(Router(model_list=entries)).router.config
        return None if config is None else config.name

    assert name() == name()
    assert len({name(), name(api_key="sk-other"), name(api_base="http://127.0.0.1:10/v1"), name(rpm=5)}) == 4


def test_the_guide_runs() -> None:
    """The program of docs/guides/from-litellm.md, and a pick of it."""
    names: dict[str, Any] = {}
    exec(program(ROOT / "docs" / "guides" / "from-litellm.md", "py"), names)
    strategy = names["strategy"]
    assert pick(strategy)["model_info"]["id"] in ("one", "two")
    assert strategy.router.snapshot()["pools"]["two"].keys() == {"rpm", "concurrency"}
    strategy.close()
