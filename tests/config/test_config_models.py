"""Models over time: what is said of those that end, catalogs of one's own, a model swapped for another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from junctor import config
from junctor.config.catalog import Catalog, catalog, facts_of
from junctor.config.catalog_import import from_litellm_json, from_models_dev, write
from junctor.config.prices import PriceRow, TierRow
from junctor.exceptions import ConfigError

ROW = {"capabilities": ["tools", "streaming"], "bytes_per_token": 3.5, "as_of": "2026-11-01"}
PRICED = {**ROW, "price": {"input": 10, "output": 20}}
ENDING = {**PRICED, "seen_deprecated_on": "2026-06-01", "retires_on": "2026-12-01", "newest_of_line": "acme/new"}


def _fleet(folder: Path, models: dict[str, Any], *deployed: str, **more: Any) -> Path:
    """A fleet file over these models at a host of one's own, with a catalog of its own beside it."""
    (folder / "own.json").write_text(json.dumps({"models": models}), encoding="utf-8")
    fleet = {
        "version": 1,
        "catalog": "own.json",
        "providers": {"acme": {"adapter": "openai", "base_url": "http://127.0.0.1:9/v1"}},
        "deployments": {f"d{number}": {"model": model, **more} for number, model in enumerate(deployed)},
    }
    path = folder / "fleet.yaml"
    path.write_text(json.dumps(fleet), encoding="utf-8")
    return path


def _said(path: Path, today: str | None) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in config.check(path, today=today)]


def test_check_warns_of_a_model_from_the_day_on_which_it_ends(tmp_path: Path) -> None:
    path = _fleet(tmp_path, {"acme/old": ENDING}, "acme/old")
    assert _said(path, "2026-05-31") == []
    assert _said(path, "2026-06-01") == [
        "deployments.d0.model: acme/old is deprecated: retires 2026-12-01; the newest of its line is acme/new"
    ]
    assert _said(path, "2026-12-01") == [
        "deployments.d0.model: acme/old is retired: since 2026-12-01; the newest of its line is acme/new"
    ]
    assert _said(path, None) == []


def test_check_warns_of_prices_that_the_catalog_has_had_for_half_a_year(tmp_path: Path) -> None:
    path = _fleet(tmp_path, {"acme/a": PRICED, "acme/b": ROW}, "acme/a", "acme/b")
    unlisted = "deployments.d1.model: acme/b is not in the catalog"
    assert not [line for line in _said(path, "2027-05-02") if not line.startswith(unlisted)]
    assert _said(path, "2027-05-04")[-1] == (
        "deployments: the catalog's prices are older than 6 months for acme/a (2026-11-01); "
        "use a newer junctor, a catalog of your own, or give price"
    )
    own = _fleet(tmp_path, {"acme/a": PRICED}, "acme/a", price={"input": 3, "output": 4})
    assert _said(own, "2027-05-04") == [], "the file's own price is its author's matter"


def test_an_endpoint_knows_the_end_of_its_model_as_of_when_the_fleet_was_read(tmp_path: Path) -> None:
    fleet = config.load(_fleet(tmp_path, {"acme/old": ENDING}, "acme/old"))
    june, december = 1_780_272_000, 1_796_083_200  # the first of each, at midnight UTC
    told = [config.compile(fleet, wall_epoch_s=at).endpoints[0].model_status for at in (june - 1, june, december)]
    assert told == [
        "",
        "deprecated: retires 2026-12-01; the newest of its line is acme/new",
        "retired: since 2026-12-01; the newest of its line is acme/new",
    ]
    hashes = {config.compile(fleet, wall_epoch_s=at).config_hash for at in (june - 1, december)}
    assert len(hashes) == 1, "a date changes no decision"


def test_a_model_is_swapped_by_one_word_of_the_file() -> None:
    """Gates, prices and dialect follow the model; nothing else of the fleet changes."""

    def fleet(model: str) -> config.Config:
        deployment = {"model": model, "key": "env:HOME", "rpm": 10}
        return config.from_mapping({"version": 1, "deployments": {"a": deployment}})

    one, other = fleet("openai/gpt-4.1"), fleet("anthropic/claude-opus-4-8")
    for made, adapter, context, price, word in (
        (one, "openai", 1_047_576, 2_000_000, "logprobs"),
        (other, "anthropic", 1_000_000, 5_000_000, "reasoning"),
    ):
        compiled = config.compile(made, secrets=False)
        (core,) = json.loads(compiled.fleet)["deployments"]
        assert (compiled.endpoints[0].adapter, core["context_tokens"], core["price"]["input"]) == (
            adapter,
            context,
            price,
        )
        assert word in core["capabilities"]
    assert "logprobs" not in facts_of(other, "a").capabilities
    assert one.pools == other.pools


def test_a_catalog_of_ones_own_is_laid_over_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    rows = {
        "acme/large": PRICED,
        "openai/gpt-5.6": {"like": "openai/gpt-5.6", "context_tokens": 9},
        "acme/small": {"like": "acme/large", "max_output_tokens": 7},
    }
    file.write_text(json.dumps({"models": rows}), encoding="utf-8")
    own, shipped = Catalog.load(file), catalog()
    assert own.models["openai/gpt-5.6"].context_tokens == 9
    assert own.models["openai/gpt-5.6"].price == shipped.models["openai/gpt-5.6"].price
    assert own.models["acme/small"].price == PriceRow(input=10, output=20)
    assert own.models["anthropic/claude-opus-5"] == shipped.models["anthropic/claude-opus-5"]
    assert shipped.models["openai/gpt-5.6"].context_tokens != 9, "the shipped one is nobody's to change"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is no catalog"),
        ('{"models": {"a/b": {"bytes_per_token": 3}}}', "models.a/b: Object missing required field `capabilities`"),
        ('{"models": {"a/b": {"like": "a/c"}}}', "models.a/b: is like 'a/c', which is listed neither"),
        ('{"models": {"a/b": {"like": "a/b"}}}', "models.a/b: is like 'a/b', which is listed neither"),
        ('{"models": {"a/b": {"like": "a/c"}, "a/c": {"like": "a/b"}}}', "which is listed neither"),
        ('{"models": {"a/b": {"like": 3}}}', "models.a/b: is like 3"),
    ],
)
def test_a_wrong_catalog_names_its_row(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "own.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"own\.json") as caught:
        Catalog.load(file)
    assert said in str(caught.value)


def test_a_fleet_file_says_where_its_wrong_catalog_is_named(tmp_path: Path) -> None:
    path = _fleet(tmp_path, {}, "acme/a")
    (tmp_path / "own.json").unlink()
    with pytest.raises(ConfigError, match=r"catalog: .*own.json: cannot be read"):
        config.load(path)


def test_litellms_table_becomes_a_catalog_that_a_file_can_hold(tmp_path: Path) -> None:
    table: dict[str, dict[str, Any]] = {
        "gemini/pro": {
            "litellm_provider": "gemini", "mode": "chat", "max_input_tokens": 1000, "max_output_tokens": 100,
            "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07,
            "input_cost_per_token_above_200k_tokens": 2.5e-06, "output_cost_per_token_above_200k_tokens": 1.5e-05,
            "supports_function_calling": True, "supports_sampling_params": False, "deprecation_date": "2027-01-01",
        },
        "embed-x": {"litellm_provider": "cohere", "mode": "embedding", "input_cost_per_token": 1e-07,
                    "max_input_tokens": 512, "output_vector_size": 1024},
        "dall-e": {"litellm_provider": "openai", "mode": "image_generation"},
    }  # fmt: skip
    found = from_litellm_json(table, as_of="2026-11-24")
    assert list(found.models) == ["cohere/embed-x", "gemini/pro"]
    pro, vector = found.models["gemini/pro"], found.models["cohere/embed-x"]
    assert pro.price == PriceRow(
        input=1_250_000, output=10_000_000, cached_input=125_000,
        tiers=(TierRow(above=200_000, input=2_500_000, output=15_000_000),),
    )  # fmt: skip
    assert (pro.capabilities, pro.sampling, pro.retires_on) == (("tools", "streaming"), False, "2027-01-01")
    assert (vector.capabilities, vector.embedding_dimensions) == (("embeddings",), 1024)
    file = tmp_path / "own.json"
    file.write_bytes(write(found))
    assert Catalog.load(file).models["gemini/pro"] == pro


def test_models_devs_table_becomes_a_catalog() -> None:
    model = {
        "id": "pro", "tool_call": True, "reasoning": True, "temperature": False, "structured_output": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]}, "limit": {"context": 1000, "output": 100},
        "cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "context_over_200k": {"input": 2.5, "output": 15}},
        "status": "deprecated",
    }  # fmt: skip
    picture = {"modalities": {"input": ["text"], "output": ["image"]}}
    found = from_models_dev({"google": {"models": {"pro": model, "picture": picture}}}, as_of="2026-08-18")
    (pro,) = found.models.values()
    assert list(found.models) == ["gemini/pro"]
    assert pro.capabilities == ("tools", "images", "structured_output", "reasoning", "streaming")
    assert (pro.context_tokens, pro.max_output_tokens, pro.sampling) == (1000, 100, False)
    assert pro.price == PriceRow(
        input=1_250_000, output=10_000_000, cached_input=125_000,
        tiers=(TierRow(above=200_000, input=2_500_000, output=15_000_000),),
    )  # fmt: skip
    assert pro.seen_deprecated_on == "2026-08-18"
