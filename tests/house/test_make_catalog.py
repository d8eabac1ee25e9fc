"""How one row of the catalog is made of tables that disagree; only `make catalog` reads the tables themselves."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.catalog_names import canonical, is_general, maker_of
from scripts.catalog_rows import (
    Price,
    Rates,
    Said,
    abilities,
    bytes_per_token,
    disagreements,
    ends,
    open_row,
    row,
    shortened,
    successors,
)
from scripts.catalog_tables import litellm_said
from scripts.make_catalog import FAMILIES, document

DATED, CHEAP, DEAR = "2026-11-24", Price(input=1_000_000, output=5_000_000), Price(input=2_000_000, output=9_000_000)


def _said(source: str, **more: Any) -> Said:
    plain = {"context_tokens": 200_000, "max_output_tokens": 64_000, "abilities": {"tools": True}}
    return Said(**{"source": source, "as_of": DATED, **plain, **more})


def test_a_row_has_prices_of_the_first_and_abilities_of_the_second() -> None:
    prices = _said("genai-prices", price=CHEAP, abilities={}, max_output_tokens=None)
    facts = _said("models.dev", as_of="2026-08-18", price=DEAR)
    assert row("groq", "m", [facts, prices], today=DATED) == {
        "context_tokens": 200_000,
        "max_output_tokens": 64_000,
        "capabilities": ["tools", "streaming"],
        "bytes_per_token": 3.5,
        "price": {"input": 1_000_000, "output": 5_000_000},
        "as_of": DATED,
        "source": "genai-prices, models.dev",
    }


@pytest.mark.parametrize(
    "said",
    [
        [],
        [_said("models.dev", price=CHEAP), _said("LiteLLM", retires_on="2024-01-01")],
        [_said("models.dev", price=CHEAP), _said("LiteLLM", kind="other")],
        [_said("models.dev")],
        [_said("models.dev", price=CHEAP, context_tokens=None)],
        [_said("models.dev", price=CHEAP, max_output_tokens=None)],
        [_said("genai-prices", price=CHEAP, abilities={})],
    ],
    ids=["unknown", "long retired", "no chat", "no price", "no context", "no longest answer", "no abilities"],
)
def test_a_model_that_is_not_known_well_gets_no_row(said: list[Said]) -> None:
    assert row("openai", "m", said, today=DATED) is None


def test_a_much_lower_context_of_another_table_counts_and_a_rounded_one_does_not() -> None:
    def context(*known: int) -> object:
        orders = ("models.dev", "genai-prices", "LiteLLM")
        said = [_said(source, context_tokens=each) for source, each in zip(orders, known, strict=False)]
        return (open_row("m", said) or {})["context_tokens"]

    assert context(1_000_000, 200_000) == 200_000
    assert context(1_048_576, 1_000_000) == 1_048_576
    assert context(400_000, 400_000, 1_000_000) == 400_000


def test_abilities_are_those_of_the_model_and_files_those_of_the_interface() -> None:
    model = _said("models.dev", abilities={"tools": True, "images": False, "files": False, "reasoning": True})
    interface = _said("LiteLLM", abilities={"images": True, "files": True, "parallel_tools": True})
    assert abilities("groq", [model, interface]) == ["tools", "parallel_tools", "files", "reasoning", "streaming"]


def test_dialects_add_what_no_table_tells() -> None:
    tools = _said("models.dev", abilities={"tools": True})
    assert abilities("anthropic", [tools]) == ["tools", "parallel_tools", "streaming"]
    assert abilities("openai", [tools]) == ["tools", "streaming", "logprobs"]
    assert abilities("openai", [_said("models.dev", abilities={"reasoning": True})]) == ["reasoning", "streaming"]


def test_an_open_model_has_neither_price_nor_longest_answer() -> None:
    found = open_row("llama-3.3-70b-instruct", [_said("models.dev", price=CHEAP)])
    assert found is not None
    assert not {"price", "max_output_tokens"} & found.keys()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5.6", 3.5),
        ("claude-opus-4-6", 3.1),
        ("claude-opus-4-7", 2.45),
        ("claude-sonnet-5-5", 2.45),
        ("gemini-2.5-pro", 3.4),
        ("grok-4.5", 3.61),
        ("mistral-nemo", 3.24),
    ],
)
def test_token_sizes_are_those_of_the_family(name: str, expected: float) -> None:
    assert bytes_per_token(name) == expected


@pytest.mark.parametrize(
    ("name", "general"),
    [
        ("gpt-5.6", True),
        ("gemini-3.1-pro-preview", True),
        ("claude-haiku-4-5-20251001", False),
        ("gpt-4o-2024-08-06", False),
        ("gpt-realtime-2.1", False),
        ("gemini-flash-latest", False),
        ("gpt-5.3-codex", False),
        ("text-embedding-3-small", False),
        ("low/1024-x-1024/gpt-5", False),
    ],
)
def test_dates_aliases_and_special_kinds_get_no_row(name: str, general: bool) -> None:
    assert is_general("openai", name) is general


def test_who_reviews_is_told_where_prices_differ() -> None:
    said = [_said("genai-prices", price=CHEAP), _said("LiteLLM", price=DEAR), _said("models.dev", price=CHEAP)]
    assert disagreements(said) == ["genai-prices 1000000/5000000, LiteLLM 2000000/9000000"]
    assert disagreements([_said("LiteLLM")]) == []


def test_the_file_has_a_line_per_model() -> None:
    text = document({"as_of": DATED}, {"a/b": {"x": 1}, "a/c": {"x": 2}})
    lines = text.splitlines()
    assert '    "a/b": {"x": 1},' in lines
    assert '    "a/c": {"x": 2}' in lines
    assert len(lines) == 2 + 1 + len(FAMILIES) + 2 + 2 + 2


def test_a_name_is_the_same_whatever_date_version_and_region_it_is_written_with() -> None:
    assert canonical("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0") == "us.anthropic.claude-haiku-4-5"
    assert canonical("bedrock", "openai.gpt-oss-120b-1:0") == "openai.gpt-oss-120b"
    assert canonical("vertex", "claude-opus-5@default") == "claude-opus-5"
    assert canonical("mistral", "mistral-large-2512") == "mistral-large-2512", "a version of its own"
    assert maker_of("bedrock", "us-gov.anthropic.claude-opus-5") == "anthropic/claude-opus-5"
    assert maker_of("azure", "gpt-5.6") == "openai/gpt-5.6"
    assert maker_of("bedrock", "amazon.nova-pro") is None
    assert is_general("mistral", "mistral-large-latest")
    assert is_general("bedrock", "mistral.magistral-small-2509")
    assert is_general("openai", "text-embedding-3-small", "embedding")


def test_a_price_has_an_hours_write_batches_and_the_tiers_that_a_prompt_can_reach() -> None:
    long = Rates(input=2, output=4)
    price = Price(input=1, output=3, cache_write_1h=2, batch=(1, 2), tiers=((300_000, long), (100_000, long)))
    found = row("groq", "m", [_said("models.dev", price=price)], today=DATED)
    assert found is not None
    tier = {"above": 100_000, "input": 2, "output": 4}
    assert found["price"] == {"input": 1, "output": 3, "cache_write_1h": 2, "batch": [1, 2], "tiers": [tier]}


def test_what_a_table_tells_of_ends_is_in_the_row_and_a_model_that_ended_lately_keeps_it() -> None:
    assert ends(
        [_said("LiteLLM", retires_on="2026-12-11"), _said("models.dev", as_of="2026-08-18", deprecated=True)]
    ) == {
        "seen_deprecated_on": "2026-08-18",
        "retires_on": "2026-12-11",
        "ends_by": "models.dev, LiteLLM",
    }
    found = row("groq", "m", [_said("models.dev", price=CHEAP, retires_on="2026-10-01")], today=DATED)
    assert found is not None
    assert found["retires_on"] == "2026-10-01"


def test_the_successor_of_a_model_is_the_newest_of_its_line() -> None:
    names = [
        "claude-opus-4-1",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-haiku-5",
        "gpt-4o",
        "gpt-5.6",
        "gpt-6-preview",
    ]
    assert successors(names, {"claude-opus-4-1", "gpt-4o", "claude-haiku-5"}) == {
        "claude-opus-4-1": "claude-opus-5-5",
        "gpt-4o": "gpt-5.6",
    }
    assert successors(["c4ai-8b", "c4ai-32b"], {"c4ai-8b"}) == {}, "a size is no version"


def test_a_host_s_row_says_what_differs_from_its_maker_s() -> None:
    made = {"context_tokens": 9, "capabilities": ["tools", "files"], "bytes_per_token": 3.5,
            "price": {"input": 1, "output": 2, "batch": [1, 1]}, "sampling": False}  # fmt: skip
    full = {"context_tokens": 9, "capabilities": ["tools"], "bytes_per_token": 3.1, "price": {"input": 1, "output": 2}}
    assert shortened(full, "a/m", made, set()) == {"like": "a/m"}
    dearer = {**full, "price": {"input": 3, "output": 4}}
    assert shortened(dearer, "a/m", made, {"files"}) == {
        "like": "a/m", "capabilities": ["tools"], "price": {"input": 3, "output": 4},
    }  # fmt: skip


def test_litellm_s_words_are_read_as_ours() -> None:
    said = litellm_said(
        {
            "litellm_provider": "anthropic", "mode": "chat", "max_input_tokens": 10, "max_output_tokens": 5,
            "input_cost_per_token": 3e-06, "output_cost_per_token": 15e-06, "cache_creation_input_token_cost": 3.75e-06,
            "cache_creation_input_token_cost_above_1hr": 6e-06, "cache_read_input_token_cost": 3e-07,
            "input_cost_per_token_above_200k_tokens": 6e-06, "output_cost_per_token_above_200k_tokens": 22.5e-06,
            "input_cost_per_token_above_200k_tokens_priority": 9e-06, "input_cost_per_token_batches": 1.5e-06,
            "output_cost_per_token_batches": 7.5e-06, "supports_sampling_params": False, "supports_vision": True,
            "prompt_cache_min_tokens": 1024, "deprecation_date": "2027-01-01",
        }
    )  # fmt: skip
    assert said.price == Price(
        input=3_000_000, output=15_000_000, cached_input=300_000, cache_write=3_750_000, cache_write_1h=6_000_000,
        batch=(1_500_000, 7_500_000), tiers=((200_000, Rates(input=6_000_000, output=22_500_000)),),
    )  # fmt: skip
    assert (said.needs, said.abilities, said.prompt_cache_min_tokens) == ({"sampling": False}, {"images": True}, 1024)
    assert said.retires_on == "2027-01-01"
