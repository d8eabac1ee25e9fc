"""The catalog and the accounting profiles: dated, plausible, and found by every usual spelling of a model."""

from __future__ import annotations

import datetime as dt
import pathlib
import zlib

import msgspec
import pytest

from junctor.config import Config, accounting, from_mapping
from junctor.config import catalog as catalog_module
from junctor.config.catalog import Facts, catalog, facts_of, facts_of_all
from junctor.config.prices import Price, PriceRow, TierRow
from junctor.config.providers import ADAPTER_ACCOUNTING, KNOWN
from junctor.config.spec import CAPABILITIES


def test_every_row_is_plausible() -> None:
    for name, facts in catalog().models.items():
        assert set(facts.capabilities) <= {*CAPABILITIES, "embeddings"}, name
        assert len({"streaming", "embeddings"} & set(facts.capabilities)) == 1, name
        assert 0 < (facts.context_tokens or 0) <= 10_000_000, name
        assert 2 <= facts.bytes_per_token <= 4, name
        assert dt.date(2026, 8, 1) <= dt.date.fromisoformat(facts.as_of) <= dt.date.fromisoformat(catalog().as_of), name
        assert set(facts.source.split(", ")) <= set(catalog().sources), name
        # Whoever serves an open model sets its price and its longest answer.
        assert (facts.price is None) == name.startswith("open/"), name
        for day in filter(None, (facts.seen_deprecated_on, facts.retires_on)):
            assert dt.date(2025, 1, 1) <= dt.date.fromisoformat(day) <= dt.date(2030, 1, 1), name
        assert bool(facts.ends_by) == bool(facts.seen_deprecated_on or facts.retires_on), name
        assert set(facts.ends_by.split(", ")) - {""} <= set(catalog().sources), name
        if facts.newest_of_line:
            newer = catalog().models[facts.newest_of_line]
            assert not newer.retires_on or newer.retires_on > facts.retires_on, name
        if facts.price is not None:
            _plausible(name, facts, facts.price)


def _plausible(name: str, facts: Facts, price: PriceRow) -> None:
    if "embeddings" in facts.capabilities:
        assert (facts.max_output_tokens, price.output) == (None, 0), name
    else:
        assert 0 < (facts.max_output_tokens or 0) <= (facts.context_tokens or 0), name
        assert 0 < price.input <= price.output <= 200_000_000, name
    assert price.batch is None or price.batch[0] < price.input, name
    bounds = [tier.above for tier in price.tiers]
    assert bounds == sorted(bounds), name
    assert all(100_000 <= bound < (facts.context_tokens or 0) for bound in bounds), name
    every: list[PriceRow | TierRow] = [price, *price.tiers]
    for rates in every:
        assert rates.input >= price.input, name
        assert rates.cached_input is None or rates.cached_input < rates.input, name
        assert rates.cache_write is None or rates.cache_write > rates.input, name
        assert rates.cache_write_1h is None or rates.cache_write_1h > (rates.cache_write or rates.input), name


def test_the_models_that_the_documentation_names_are_listed() -> None:
    named = {"anthropic/claude-opus-4-8", "anthropic/claude-haiku-4-5", "openai/gpt-5.6", "gemini/gemini-2.5-flash"}
    assert named <= set(catalog().models)


def test_every_known_provider_has_models_and_the_file_stays_small_enough_to_review() -> None:
    listed = {name.partition("/")[0] for name in catalog().models}
    assert {"openai", "anthropic", "gemini", "mistral", "bedrock", "azure", "vertex", "cohere", "open"} <= listed
    assert set(KNOWN) - listed <= {"openrouter"}  # it serves models of the others
    file = pathlib.Path(str(catalog_module.__file__)).with_name("catalog.json").read_bytes()
    assert len(file) < 150 * 1024
    assert len(zlib.compress(file)) < 15 * 1024, "its part of a wheel"
    assert len(file.splitlines()) < len(catalog().models) + 30, "a line for each row"


def test_embedding_models_are_listed_with_the_length_of_their_vectors() -> None:
    small = catalog().models["openai/text-embedding-3-small"]
    assert small.capabilities == ("embeddings",)
    assert (small.embedding_dimensions, small.price) == (1536, PriceRow(input=20_000, output=0))


def test_a_model_at_a_second_host_is_like_its_makers_but_for_what_the_host_says() -> None:
    models = catalog().models
    made, served = models["anthropic/claude-opus-4-8"], models["bedrock/anthropic.claude-opus-4-8"]
    assert served.capabilities == made.capabilities
    assert (served.sampling, made.sampling) == (False, False)
    assert served.price is not None
    assert served.price.input == 5_500_000, "a region costs a tenth more"
    assert models["vertex/claude-opus-4-8"].retires_on != made.retires_on


def test_a_status_is_told_from_the_day_on_which_it_is_so() -> None:
    facts = Facts(capabilities=(), bytes_per_token=3.5, seen_deprecated_on="2026-05-01", retires_on="2026-12-01")
    use = msgspec.structs.replace(facts, newest_of_line="acme/new")
    assert facts.status("2026-04-30") == ""
    assert facts.status("2026-05-01") == "deprecated: retires 2026-12-01"
    assert use.status("2026-12-01") == "retired: since 2026-12-01; the newest of its line is acme/new"
    assert msgspec.structs.replace(facts, retires_on="").status("2026-05-02") == "deprecated: no date is known"
    only = msgspec.structs.replace(facts, seen_deprecated_on="")
    assert (only.status("2026-09-01"), only.status("2026-09-02")) == ("", "deprecated: retires 2026-12-01")
    assert only.status("") == ""


def test_prices_are_micro_dollars_and_what_is_not_told_costs_what_input_costs() -> None:
    models = catalog().models
    opus, groq = models["anthropic/claude-opus-4-8"].price, models["groq/llama-3.3-70b-versatile"].price
    assert opus is not None
    assert groq is not None
    assert opus.whole == Price(
        input=5_000_000, output=25_000_000, cached_input=500_000, cache_write=6_250_000, cache_write_1h=10_000_000
    )
    assert groq.whole == Price(
        input=590_000, output=790_000, cached_input=590_000, cache_write=590_000, cache_write_1h=590_000
    )


def test_catalog_and_profiles_are_dated() -> None:
    assert dt.date.fromisoformat(catalog().as_of) >= dt.date(2026, 11, 1)
    assert dt.date.fromisoformat(accounting.AS_OF) >= dt.date(2026, 11, 1)
    assert all(profile.source for profile in accounting.PROFILES.values())


@pytest.mark.parametrize(
    ("model", "adapter", "listed", "context"),
    [
        ("openai/gpt-4.1", "openai", True, 1_047_576),
        ("openai/gpt-4.1-2025-04-14", "openai", True, 1_047_576),
        ("anthropic/claude-haiku-4-5-20251001", "anthropic", True, 200_000),
        ("azure/gpt-4o", "openai", True, 128_000),
        ("my-proxy/claude-opus-4-8", "anthropic", True, 1_000_000),
        ("bedrock/us.anthropic.claude-opus-4-8", "openai", True, 1_000_000),
        ("bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0", "openai", True, 200_000),
        ("bedrock/amazon.nova-pro-v1:0", "openai", True, 300_000),
        ("bedrock/openai.gpt-oss-120b-1:0", "openai", True, 128_000),
        ("vertex/claude-opus-4-8@default", "anthropic", True, 1_000_000),
        ("mistral/mistral-large-latest", "openai", True, 262_144),
        ("vllm/Llama-3.3-70B-Instruct", "openai", True, 131_072),
        ("vllm/meta-llama/Llama-3.3-70B-Instruct", "openai", True, 131_072),
        ("openrouter/anthropic/claude-opus-4.8", "openai", True, 1_000_000),
        ("openrouter/google/gemini-2.5-flash", "openai", True, 1_048_576),
        ("openrouter/openai/gpt-5.6", "openai", True, 1_050_000),
        ("openrouter/nobody/nothing", "openai", False, None),
        ("openai/gpt-99", "openai", False, None),
        ("gemini/gemini-99", "gemini", False, None),
    ],
)
def test_a_model_is_found_by_its_usual_spellings(model: str, adapter: str, listed: bool, context: int | None) -> None:
    facts, found = catalog().find(model, adapter)
    assert (found, facts.context_tokens) == (listed, context)


def test_every_known_provider_has_a_family_and_a_profile() -> None:
    for known in KNOWN.values():
        assert known.accounting in accounting.PROFILES
    assert set(ADAPTER_ACCOUNTING.values()) <= set(accounting.PROFILES)
    for adapter in ADAPTER_ACCOUNTING:
        careful, listed = catalog().find("nobody/nothing", adapter)
        assert (listed, careful.price) == (False, None)
        assert {"tools", "streaming"} <= set(careful.capabilities)


def _fleet(**deployment: object) -> Config:
    mapping = {
        "version": 1,
        "deployments": {"a": {"model": "openai/gpt-5.6", "keys": ["env:A", "env:B"], **deployment}},
    }
    return from_mapping(mapping)


def test_facts_of_a_deployment_are_the_catalog_s_unless_the_fleet_file_has_its_own_word() -> None:
    listed = catalog().models["openai/gpt-5.6"]
    plain = facts_of(_fleet(), "a.2")
    assert plain.price is not None
    assert listed.price is not None
    assert (plain.capabilities, plain.context_tokens) == (listed.capabilities, listed.context_tokens)
    assert (plain.price.input, plain.price.output, plain.accounting) == (
        listed.price.input, listed.price.output, "openai",
    )  # fmt: skip
    own = facts_of(_fleet(capabilities=["tools"], context_tokens=9, price={"input": 1, "output": 2}), "a")
    assert (own.capabilities, own.context_tokens) == (("tools",), 9)
    assert own.price is not None
    assert (own.price.input, own.price.cached_input, own.price.output) == (1_000_000, 1_000_000, 2_000_000)


def test_a_name_that_stands_for_several_can_what_any_of_them_can() -> None:
    small = {"model": "groq/llama-3.3-70b-versatile", "key": "env:C"}
    deployments = {"a": {"model": "openai/gpt-5.6", "key": "env:A"}, "b": small}
    fleet = from_mapping({"version": 1, "deployments": deployments, "groups": {"g": {"members": ["a", "b"]}}})
    a, b = facts_of(fleet, "a"), facts_of(fleet, "b")
    both = facts_of_all(fleet, "g")
    assert set(both.capabilities) == {*a.capabilities, *b.capabilities}
    assert both.context_tokens == max(a.context_tokens or 0, b.context_tokens or 0)
    assert both.price == a.price  # the dearer one
    assert facts_of_all(fleet, "groq/llama-3.3-70b-versatile") == b
    with pytest.raises(KeyError):
        facts_of_all(fleet, "nobody")
    with pytest.raises(KeyError):
        facts_of(fleet, "g")
