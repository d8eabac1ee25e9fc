"""World files: what they lay over the fleet, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from junctor import config
from junctor.simulation import world
from junctor.simulation.world import WorldError
from scripts.markdown import ROOT

FLEET = {
    "version": 1,
    "providers": {"near": {"adapter": "openai", "base_url": "http://127.0.0.1:9/v1"}},
    "pools": {"all": {"provider": "near", "tpm": 6_000, "usd_per_day": 5}},
    "deployments": {
        "a": {"model": "near/one", "rpm": 60, "pools": ["all"], "price": {"input": 5, "output": 25, "cached_input": 1}},
        "b": {"model": "near/one", "pools": ["all"], "rpd": 100, "price": {"input": 5, "output": 25}},
    },
    "groups": {"both": {"members": ["a", "b"]}},
}


def _answering(folder: Path, text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    path = folder / "world.yaml"
    path.write_text(text, encoding="utf-8")
    providers, quotas = world.answering(config.from_mapping(FLEET), world.read(path))
    return {told["name"]: told for told in providers}, quotas


def _limits(quotas: list[dict[str, Any]]) -> set[tuple[str, str, float, float]]:
    return {(told["pool"], told["dimension"], told["limit"], told["window_s"]) for told in quotas}


def test_without_a_file_the_fleet_is_taken_at_its_word() -> None:
    """Money is no provider's limit, and a cache is where cached input has a price of its own."""
    providers, quotas = world.answering(config.from_mapping(FLEET), world.World())
    assert _limits(quotas) == {("all", "tpm", 6_000.0, 60.0), ("a", "rpm", 60.0, 60.0), ("b", "rpd", 100.0, 86_400.0)}
    assert [told["cache_ttl_s"] for told in providers] == [300.0, None]
    assert all(told["first_content_s"] == 0.8 and told["faults"] == [] for told in providers)


def test_layers_lie_over_each_other_and_faults_add_up(tmp_path: Path) -> None:
    told, quotas = _answering(
        tmp_path,
        """
        defaults: {first_content_s: 0.5, faults: [{kind: slow, factor: 2}]}
        providers: {near: {tokens_per_s: 30, first_content_s: 0.6}}
        deployments:
          b: {first_content_s: 0.7, cache: true, faults: [{kind: quota, left: 0.1, from_s: 5}]}
        pools: {all: {tpm: 3000}, a: {concurrency: 4}}
        """,
    )
    assert [told[name]["first_content_s"] for name in "ab"] == [0.6, 0.7]
    assert [told[name]["tokens_per_s"] for name in "ab"] == [30.0, 30.0]
    assert [[fault["kind"] for fault in told[name]["faults"]] for name in "ab"] == [["slow"], ["slow", "quota"]]
    assert told["b"]["faults"][1]["share"] == 0.1
    assert told["b"]["cache_ttl_s"] == 300.0
    assert ("all", "tpm", 3_000.0, 60.0) in _limits(quotas)
    assert {("a", "rpm", 60.0, 60.0), ("a", "concurrency", 4.0, 60.0)} <= _limits(quotas)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    told, _ = _answering(tmp_path, "")
    assert told["a"]["spread"] == 0.6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deployments: {c: {}}", "deployments.c names nothing of the fleet; the fleet has a, b"),
        ("providers: {neer: {}}", "providers.neer names nothing of the fleet; did you mean 'near'?"),
        ("pools: {al: {tpm: 1}}", "pools.al names nothing of the fleet; did you mean 'all'?"),
        ("deploymnets: {}", "'deploymnets' is not known; allowed are defaults, providers, deployments, pools"),
        ("deployments: [a]", "deployments is a list; give a mapping by name"),
        ("- a", "is a list; give a mapping with defaults, providers, deployments or pools"),
        ("a: [", "cannot be read"),
        ("defaults: {spread: -1}", "defaults.spread is -1: expected `float` >= 0.0"),
        ("defaults: {outliers: 1.5}", "defaults.outliers is 1.5: expected `float` <= 1.0"),
        ("defaults: {latency: 1}", "defaults is a mapping: object contains unknown field `latency`"),
        ("deployments: {a: {faults: [{kind: slwo}]}}", "deployments.a.faults[0].kind is 'slwo': invalid enum value"),
        ("deployments: {a: {faults: [{kind: slow, factor: 0}]}}", "faults[0].factor is 0: expected `float` > 0.0"),
        ("pools: {all: {tpm: 0}}", "pools.all.tpm is 0: expected `float` > 0.0"),
    ],
)
def test_what_is_wrong_is_named_with_its_value_and_range(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WorldError) as told:
        _answering(tmp_path, text)
    assert said in str(told.value)


def test_the_guide_names_every_key_and_fault() -> None:
    page = (ROOT / "docs" / "guides" / "cli.md").read_text(encoding="utf-8")
    forms = (world.Layer, world.Fault, world.Truth)
    keys = {field for form in forms for field in form.__struct_fields__}
    kinds = get_args(get_type_hints(world.Fault)["kind"]) + get_args(get_type_hints(world.Fault)["lie"])
    assert {word for word in keys | set(kinds) if f"`{word}`" not in page} == set()


def test_the_example_is_a_world_of_the_example_fleet() -> None:
    fleet = config.load(ROOT / "examples" / "fleet.yaml")
    told, _ = world.answering(fleet, world.read(ROOT / "examples" / "world.yaml"))
    assert [fault["kind"] for one in told for fault in one["faults"]] == ["hangs", "slow"]
