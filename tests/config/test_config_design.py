"""The example of the design is a valid fleet, in both formats, and means what it says."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from junctor import config

ENVIRON = {"ANTHROPIC_KEY_A": "sk-a", "ANTHROPIC_KEY_B": "sk-b", "OPENAI_API_KEY": "sk-o"}


@pytest.fixture
def design(fixtures: pathlib.Path) -> config.Compiled:
    return config.compile(config.load(fixtures / "design.yaml"), environ=ENVIRON)


def test_yaml_and_toml_compile_to_the_same_bytes(fixtures: pathlib.Path, design: config.Compiled) -> None:
    toml = config.compile(config.load(fixtures / "design.toml"), environ=ENVIRON)
    assert toml == design


def test_the_core_takes_the_example(design: config.Compiled, core_accepts: Callable[[bytes], None]) -> None:
    core_accepts(design.fleet)


def test_checking_the_example_finds_no_error(fixtures: pathlib.Path) -> None:
    found = config.check(fixtures / "design.yaml", environ=ENVIRON)
    assert [str(problem) for problem in found if problem.severity == "error"] == []


def test_endpoints_stand_in_the_order_of_the_deployments(design: config.Compiled) -> None:
    fleet = json.loads(design.fleet)
    assert [item["name"] for item in fleet["deployments"]] == ["opus-a", "opus-b", "haiku", "gpt"]
    assert [item.deployment for item in design.endpoints] == ["opus-a", "opus-b", "haiku", "gpt"]
    gpt = design.endpoints[3]
    assert (gpt.adapter, gpt.model, gpt.base_url) == ("openai", "gpt-5.6", "https://api.openai.com/v1")
    assert gpt.key is not None
    assert gpt.key.reveal() == "sk-o"


def test_own_limits_become_a_private_pool_with_the_name_of_the_deployment(design: config.Compiled) -> None:
    fleet = json.loads(design.fleet)
    pools = {pool["name"]: {limit["dimension"]: limit["limit"] for limit in pool["limits"]} for pool in fleet["pools"]}
    assert pools == {
        "acme-opus": {"rpm": 4000, "input_tpm": 2_000_000, "output_tpm": 400_000},
        "opus-b": {"rpm": 1000, "tpm": 450_000},
        "haiku": {"rpm": 4000},
        "gpt": {"rpm": 10_000, "tpm": 2_000_000, "tpd": 1_000_000_000},
    }
    assert [item["pools"] for item in fleet["deployments"]] == [["acme-opus"], ["opus-b"], ["haiku"], ["gpt"]]


def test_prices_limits_and_accounting_come_from_the_catalog_and_the_profiles(design: config.Compiled) -> None:
    opus: dict[str, Any] = json.loads(design.fleet)["deployments"][0]
    assert opus["price"] == {
        "input": 5_000_000,
        "output": 25_000_000,
        "cached_input": 500_000,
        "cache_write": 6_250_000,
        "cache_write_1h": 10_000_000,
    }
    assert opus["accounting"] == {"output": "learned", "count_cached_input": False, "reconcile": True}
    assert (opus["context_tokens"], opus["max_output_tokens"]) == (1_000_000, 128_000)
    assert "images" in opus["capabilities"]
    assert "logprobs" not in opus["capabilities"]


def test_rules_and_law_reach_the_core_in_its_own_words(design: config.Compiled) -> None:
    fleet = json.loads(design.fleet)
    assert [clause["require"] for clause in fleet["compliance"]] == [{"region": ["eu"]}, {"agreements": ["baa"]}]
    assert fleet["compliance"][0]["when"] == {"attribute": "data", "one_of": ["eu-personal"]}
    assert fleet["rules"][1] == {
        "name": "extraction",
        "when": {"attribute": "task", "one_of": ["extraction", "classification"]},
        "action": {"use": "small", "max_tokens": 512},
    }
    short = fleet["rules"][2]["when"]["all"]
    assert short == [{"number": "input_tokens", "min": None, "max": 499}, {"flag": "tools", "is": False}]
    assert fleet["rules"][3]["when"] == {}
    assert fleet["groups"][0] == {
        "name": "strong",
        "members": ["opus-a", "opus-b", "gpt"],
        "fallback": ["small"],
        "objective": "balanced",
    }


def test_the_fleet_that_goes_to_the_core_holds_no_secret_and_no_reference(design: config.Compiled) -> None:
    assert not any(secret.encode() in design.fleet for secret in ENVIRON.values())
    assert b"env:" not in design.fleet
