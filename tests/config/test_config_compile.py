"""Compiling: keys are counted out, calendars written down, hashes stable, references opened last."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from junctor import config
from junctor.config.zones import UnknownZone, transitions
from junctor.exceptions import ConfigError

Fleet = Callable[[dict[str, Any]], dict[str, Any]]


def test_a_list_of_keys_makes_one_deployment_per_key_with_limits_of_its_own(
    small: dict[str, Any], fleet_of: Fleet
) -> None:
    fleet = fleet_of(small)
    assert [item["name"] for item in fleet["deployments"]] == ["opus", "haiku.1", "haiku.2", "llama"]
    pools = [pool["name"] for pool in fleet["pools"]]
    assert pools == ["acme", "haiku.1", "haiku.2", "llama"]
    assert fleet["groups"][1]["members"] == ["haiku.1", "haiku.2", "llama"]


def test_the_name_of_a_deployment_with_keys_stays_askable_as_a_group(small: dict[str, Any], fleet_of: Fleet) -> None:
    small["rules"][0]["use"] = "haiku"
    implied = fleet_of(small)["groups"][2]
    assert (implied["name"], implied["members"]) == ("haiku", ["haiku.1", "haiku.2"])


def test_shared_pools_stand_before_the_private_one(small: dict[str, Any], fleet_of: Fleet) -> None:
    small["deployments"]["opus"]["rpm"] = 50
    assert fleet_of(small)["deployments"][0]["pools"] == ["acme", "opus"]


def test_daily_limits_carry_a_calendar_and_the_others_none(small: dict[str, Any], fleet_of: Fleet) -> None:
    small["pools"]["acme"]["reset"]["zone"] = "America/Los_Angeles"
    limits = {limit["dimension"]: limit for limit in fleet_of(small)["pools"][0]["limits"]}
    assert limits["rpm"]["calendar"] is None
    calendar = limits["rpd"]["calendar"]
    assert calendar[0] == [0, -8 * 3600]
    spring = int(dt.datetime(2027, 3, 14, 10, tzinfo=dt.UTC).timestamp())
    autumn = int(dt.datetime(2027, 11, 7, 9, tzinfo=dt.UTC).timestamp())
    assert [spring, -7 * 3600] in calendar
    assert [autumn, -8 * 3600] in calendar
    assert calendar[-1][0] > dt.datetime(2040, 1, 1, tzinfo=dt.UTC).timestamp()


def test_days_begin_at_utc_unless_the_provider_says_otherwise(fleet_of: Fleet) -> None:
    def calendar(model: str) -> Any:
        fleet = fleet_of({"version": 1, "deployments": {"a": {"model": model, "rpd": 10}}})
        return fleet["pools"][0]["limits"][0]["calendar"]

    assert calendar("openai/gpt-4.1") == [[0, 0]]
    assert calendar("gemini/gemini-2.5-flash")[0] == [0, -8 * 3600]


def test_every_zone_of_the_database_has_increasing_transitions() -> None:
    for name in (
        "Europe/Berlin",
        "Africa/Casablanca",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "Pacific/Apia",
        "Etc/UTC",
    ):
        found = transitions(name)
        assert [moment for moment, _ in found] == sorted({moment for moment, _ in found})
        assert all(abs(offset) <= 15 * 3600 for _, offset in found)


@pytest.mark.parametrize("name", ["America", "../../etc/passwd", "\0", "", "é", "a" * 500])
def test_a_zone_that_is_none_is_an_error_and_opens_no_file(name: str) -> None:
    with pytest.raises(UnknownZone):
        transitions(name)


def test_money_per_day_is_counted_in_micro_dollars(small: dict[str, Any], fleet_of: Fleet) -> None:
    small["deployments"]["llama"]["usd_per_day"] = 12.5
    limits = fleet_of(small)["pools"][-1]["limits"]
    assert [(limit["dimension"], limit["limit"]) for limit in limits] == [
        ("concurrency", 8),
        ("usd_per_day", 12_500_000),
    ]


def test_accounting_follows_the_provider_and_can_be_overridden(small: dict[str, Any], fleet_of: Fleet) -> None:
    small["providers"]["azure"] = {"base_url": "https://acme.openai.azure.com/openai/v1"}
    small["deployments"]["az"] = {"model": "azure/gpt-4.1", "tpm": 1000}
    small["providers"]["vllm"]["accounting"] = {"output": "none", "fixed_window": True}
    fleet = fleet_of(small)
    accounting = {item["name"]: item["accounting"] for item in fleet["deployments"]}
    assert accounting["az"] == {"output": "max_tokens", "count_cached_input": True, "reconcile": False}
    assert accounting["llama"]["output"] == "none"
    limits = {pool["name"]: pool["limits"][0] for pool in fleet["pools"]}
    assert limits["az"]["fixed_window"] is True
    assert limits["haiku.1"]["fixed_window"] is False
    assert limits["llama"]["fixed_window"] is False, "concurrency has no window"
    assert fleet["deployments"][-1]["price"]["input"] == 2_000_000, "azure serves openai's models at openai's prices"


@pytest.mark.parametrize(
    ("model", "weight"),
    [
        ("anthropic.claude-opus-4-20250514-v1:0", 5),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 5),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", 5),
        ("global.anthropic.claude-fable-5-1", 5),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", 1),
        ("anthropic.claude-3-haiku-20240307-v1:0", 1),
        ("anthropic.claude-v2:1", 1),
        ("anthropic.claude-instant-v1", 1),
        ("amazon.nova-pro-v1:0", 1),
        ("meta.llama3-3-70b-instruct-v1:0", 1),
    ],
)
def test_what_claude_writes_counts_fivefold_at_aws_and_nothing_else_does(
    small: dict[str, Any], fleet_of: Fleet, model: str, weight: int
) -> None:
    small["providers"]["aws"] = {"adapter": "bedrock", "region": "eu-west-1"}
    small["deployments"]["there"] = {"model": "aws/some", "provider_model": model, "key": "env:A"}
    accounting = {item["name"]: item["accounting"] for item in fleet_of(small)["deployments"]}
    assert accounting["there"].get("output_weight", 1) == weight
    assert all("output_weight" not in other for name, other in accounting.items() if name != "there")


def test_a_file_may_say_how_much_output_weighs(small: dict[str, Any], fleet_of: Fleet) -> None:
    small["providers"]["vllm"]["accounting"] = {"output_weight": 3}
    accounting = {item["name"]: item["accounting"] for item in fleet_of(small)["deployments"]}
    assert accounting["llama"]["output_weight"] == 3


def test_the_core_is_told_to_what_size_rules_and_groups_cut_prompts(small: dict[str, Any], fleet_of: Fleet) -> None:
    group = next(iter(small["groups"]))
    small["groups"][group]["prune"] = "auto"
    small["rules"] = [{"name": "cut", "use": group, "prune": {"to_tokens": 900}}, {"use": group}]
    fleet = fleet_of(small)
    assert [rule["action"].get("prune") for rule in fleet["rules"]] == [{"tokens": 900}, None]
    assert {item["name"]: item["prune"] for item in fleet["groups"] if "prune" in item} == {group: "context"}


def test_a_pool_of_one_provider_counts_as_that_provider_does(small: dict[str, Any], fleet_of: Fleet) -> None:
    small["providers"]["azure"] = {"base_url": "https://acme.openai.azure.com/openai/v1"}
    small["deployments"]["az"] = {"model": "azure/gpt-4.1", "pools": ["sub"]}
    small["pools"]["sub"] = {"rpm": 10}
    assert fleet_of(small)["pools"][1]["limits"][0]["fixed_window"] is True


def test_own_words_override_the_catalog(fleet_of: Fleet) -> None:
    own = {"capabilities": ["tools"], "context_tokens": 9, "max_output_tokens": 8, "price": {"input": 1, "output": 2}}
    fleet = fleet_of({"version": 1, "deployments": {"a": {"model": "openai/gpt-4.1", **own}}})
    item = fleet["deployments"][0]
    assert (item["capabilities"], item["context_tokens"], item["max_output_tokens"]) == (["tools"], 9, 8)
    assert item["tokens_permille"] == 1_000
    assert item["price"] == {
        "input": 1_000_000,
        "output": 2_000_000,
        "cached_input": 1_000_000,
        "cache_write": 1_000_000,
    }


@pytest.mark.parametrize(
    ("model", "own", "permille"),
    [
        ("openai/gpt-5.6", {}, 1_000),
        ("anthropic/claude-haiku-4-5", {}, 1_129),
        ("anthropic/claude-opus-4-8", {}, 1_429),
        ("gemini/gemini-2.5-flash", {}, 1_029),
        ("anthropic/claude-opus-4-8", {"bytes_per_token": 5}, 700),
    ],
)
def test_each_family_has_the_factor_of_its_tokenizer(
    model: str, own: dict[str, Any], permille: int, fleet_of: Fleet
) -> None:
    """Measured: as many tokens of its own for each thousand of the common measure."""
    fleet = fleet_of({"version": 1, "deployments": {"a": {"model": model, **own}}})
    assert fleet["deployments"][0]["tokens_permille"] == permille


def test_the_hash_changes_with_decisions_only(small: dict[str, Any]) -> None:
    def hash_of(**changed: Any) -> str:
        return config.compile(config.from_mapping({**small, **changed}), secrets=False).config_hash

    first = hash_of()
    assert len(first) == 16
    assert hash_of() == first
    opus = small["deployments"]["opus"]
    assert hash_of(deployments={**small["deployments"], "opus": {**opus, "key": "env:OTHER"}}) == first
    assert hash_of(deployments={**small["deployments"], "opus": {**opus, "weight": 3}}) != first


def test_the_hash_does_not_depend_on_the_wall_clock(small: dict[str, Any]) -> None:
    fleet = config.from_mapping(small)
    early, late = (config.compile(fleet, wall_epoch_s=second, secrets=False) for second in (0, 1_795_463_160))
    assert early.config_hash == late.config_hash
    assert json.loads(late.fleet)["wall_epoch_s"] == 1_795_463_160


def test_every_reference_that_cannot_be_read_is_named_at_once(small: dict[str, Any], tmp_path: pathlib.Path) -> None:
    small["deployments"]["haiku"]["keys"] = ["env:A", "file:missing.key"]
    with pytest.raises(ConfigError) as caught:
        config.compile(config.from_mapping(small, source="f.yaml", folder=tmp_path), environ={"A": "  "})
    assert caught.value.problems == (
        "f.yaml: deployments.opus.key: the environment variable ANTHROPIC_KEY is not set; set it, or name another one",
        "f.yaml: deployments.haiku.keys[0]: env:A is empty; give it the key",
        "f.yaml: deployments.haiku.keys[1]: file:missing.key cannot be read (No such file or directory)",
    )


def test_file_references_begin_beside_the_fleet_file(small: dict[str, Any], tmp_path: pathlib.Path) -> None:
    (tmp_path / "opus.key").write_text("sk-from-file\n")
    small["deployments"]["opus"]["key"] = "file:opus.key"
    fleet = config.from_mapping(small, folder=tmp_path)
    key = config.compile(fleet, environ={"A": "a", "B": "b"}).endpoints[0].key
    assert key is not None
    assert key.reveal() == "sk-from-file"


@pytest.mark.parametrize("raw", [b"two\nlines", b"\xff\xfe", b"x" * 70_000, b""])
def test_a_file_that_is_no_key_is_refused_without_showing_it(
    small: dict[str, Any], tmp_path: pathlib.Path, raw: bytes
) -> None:
    (tmp_path / "k").write_bytes(raw)
    small["deployments"]["opus"]["key"] = "file:k"
    with pytest.raises(ConfigError, match="file:k") as caught:
        config.compile(config.from_mapping(small, folder=tmp_path), environ={"A": "a", "B": "b"})
    assert "two" not in str(caught.value)


def test_headers_and_addresses_may_be_references(small: dict[str, Any]) -> None:
    small["providers"]["vllm"] = {"adapter": "openai", "base_url": "env:URL", "headers": {"X-Api-Key": "env:H"}}
    fleet = config.from_mapping(small)
    environ = {"ANTHROPIC_KEY": "a", "A": "a", "B": "b", "H": "canary", "URL": "http://localhost:1/v1/"}
    endpoint = config.compile(fleet, environ=environ).endpoints[-1]
    assert (endpoint.base_url, dict(endpoint.headers)) == ("http://localhost:1/v1", {"x-api-key": "canary"})
    assert "canary" not in repr(endpoint)
    with pytest.raises(ConfigError, match="env:URL holds no http or https address"):
        config.compile(fleet, environ={**environ, "URL": "localhost"})


def test_the_customary_key_goes_to_the_provider_itself_only() -> None:
    def key(**site: str) -> object:
        mapping = {"version": 1, "providers": {"openai": site}, "deployments": {"a": {"model": "openai/gpt-4.1"}}}
        return config.from_mapping(mapping).deployments[0].key

    assert str(key()) == "env:OPENAI_API_KEY"
    assert str(key(base_url="https://api.openai.com/v1/")) == "env:OPENAI_API_KEY"
    assert key(base_url="https://elsewhere.example/v1") is None


def test_timeouts_come_from_the_nearest_place_that_gives_them(small: dict[str, Any]) -> None:
    small["dispatch"] = {"first_content_timeout_s": 5, "idle_timeout_s": 6}
    small["providers"]["anthropic"] = {"idle_timeout_s": 7}
    small["deployments"]["opus"]["first_content_timeout_s"] = 8
    endpoints = config.compile(config.from_mapping(small), secrets=False).endpoints
    assert [(e.first_content_timeout_s, e.idle_timeout_s) for e in endpoints] == [(8, 7), (5, 7), (5, 7), (5, 6)]


def test_known_addresses_agree_with_the_adapters() -> None:
    adapters = pytest.importorskip("junctor.adapters", reason="the adapters are not there")
    if not hasattr(adapters, "get"):
        pytest.skip("the adapters are not finished")
    from junctor.config.providers import KNOWN

    for name in ("openai", "anthropic", "gemini"):
        adapter = adapters.get(name)
        assert (KNOWN[name].base_url, KNOWN[name].key_env) == (adapter.default_base_url, adapter.key_env)
