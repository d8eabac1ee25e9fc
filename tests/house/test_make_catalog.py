"""How one row of the catalog is made of tables that disagree; only `make catalog` reads the tables themselves."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.catalog_rows import Price, Said, abilities, bytes_per_token, disagreements, is_general, open_row, row
from scripts.make_catalog import FAMILIES, document

DATED, CHEAP, DEAR = "2026-11-24", Price(input=1_000_000, output=5_000_000), Price(input=2_000_000, output=9_000_000)


def _said(source: str, **more: Any) -> Said:
    plain = {"context_tokens": 200_000, "max_output_tokens": 64_000, "abilities": {"tools": True}}
    return Said(**{"source": source, "as_of": DATED, **plain, **more})


def test_a_row_has_prices_of_the_first_and_abilities_of_the_second() -> None:
    prices = _said("genai-prices", price=CHEAP, abilities={}, max_output_tokens=None)
    facts = _said("models.dev", as_of="2026-08-18", price=DEAR)
    assert row("groq", "m", [facts, prices]) == {
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
        [_said("models.dev", price=CHEAP), _said("LiteLLM", retired=True)],
        [_said("models.dev", price=CHEAP), _said("LiteLLM", chat=False)],
        [_said("models.dev")],
        [_said("models.dev", price=CHEAP, context_tokens=None)],
        [_said("models.dev", price=CHEAP, max_output_tokens=None)],
        [_said("genai-prices", price=CHEAP, abilities={})],
    ],
    ids=["unknown", "retired", "no chat", "no price", "no context", "no longest answer", "no abilities"],
)
def test_a_model_that_is_not_known_well_gets_no_row(said: list[Said]) -> None:
    assert row("openai", "m", said) is None


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
    ],
)
def test_dates_aliases_and_special_kinds_get_no_row(name: str, general: bool) -> None:
    assert is_general(name) is general


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
