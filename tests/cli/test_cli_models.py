"""`junctor models`: what is listed, in which order, in full, as JSON, and for a fleet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from junctor.cli.models import LETTERS, tokens
from junctor.config.catalog import Facts, catalog
from junctor.config.listing import Wanted, blend_usd, listed
from junctor.config.prices import PriceRow
from junctor.config.spec import CAPABILITIES

Run = Callable[..., Any]


def _names(run: Run, *argv: str) -> list[str]:
    status, out, err = run("models", "--json", *argv)
    assert err == ""
    found = [row["model"] for row in json.loads(out)["models"]]
    assert status == (0 if found else 1)
    return found


def test_without_a_filter_every_model_is_listed(run: Run) -> None:
    assert _names(run) == sorted(catalog().models)


def test_words_and_options_narrow_together(run: Run) -> None:
    found = _names(run, "Claude", "5", "--provider", "anthropic", "--provider", "bedrock", "--can", "tools")
    assert {name.partition("/")[0] for name in found} == {"anthropic", "bedrock"}
    assert all("claude" in name and "5" in name for name in found)
    assert _names(run, "--can", "embeddings", "--can", "tools") == []
    assert set(_names(run, "--min-context", "1000000")) == {
        name for name, facts in catalog().models.items() if (facts.context_tokens or 0) >= 1_000_000
    }


def test_a_highest_price_leaves_out_what_is_dearer_and_what_has_no_price(run: Run) -> None:
    found = _names(run, "--max-price", "1", "--sort", "price")
    costs = [blend_usd(catalog().models[name]) for name in found]
    assert costs == sorted(cost for cost in costs if cost is not None)
    assert costs[-1] is not None
    assert costs[-1] <= 1
    assert not [name for name in found if name.startswith("open/")]


def test_orders_are_by_price_with_the_unknown_last_and_by_context_with_the_longest_first() -> None:
    def facts(context: int, price: PriceRow | None = None) -> Facts:
        return Facts(capabilities=("tools",), bytes_per_token=3.5, context_tokens=context, price=price)

    cheap, dear = PriceRow(input=1, output=1), PriceRow(input=2, output=9)
    models = {"a/free": facts(1), "a/dear": facts(3, dear), "a/cheap": facts(2, cheap)}
    by = {order: [name for name, _ in listed(models, Wanted(order=order), today="2026-11-24")]
          for order in ("price", "context", "name")}  # fmt: skip
    assert by == {
        "price": ["a/cheap", "a/dear", "a/free"],
        "context": ["a/dear", "a/cheap", "a/free"],
        "name": ["a/cheap", "a/dear", "a/free"],
    }


def test_models_that_end_are_marked_and_can_be_asked_for(run: Run) -> None:
    row = next(row for row in json.loads(run("models", "--json", "--deprecated").out)["models"]
               if row["model"] == "anthropic/claude-mythos-preview")  # fmt: skip
    assert row["status"] == (
        "retired: since 2026-06-09 by LiteLLM; the newest of its line is anthropic/claude-mythos-5-1"
    )
    assert "anthropic/claude-opus-5-5" not in _names(run, "--deprecated", "--provider", "anthropic")
    assert "retired: since 2026-06-09" in run("models", "claude", "--provider", "anthropic").out


def test_a_model_named_in_full_is_told_in_full_with_its_tiers(run: Run) -> None:
    status, out, _ = run("models", "gemini/gemini-2.5-pro")
    assert status == 0
    lines = [line.split(maxsplit=1)[0] for line in out.splitlines()]
    assert lines[0] == "gemini/gemini-2.5-pro"
    assert "  dollars per million     input 1.25, output 10, cached input 0.125" in out.splitlines()
    assert "  above 200k of prompt    input 2.5, output 15, cached input 0.25" in out.splitlines()
    assert "  in batches              input 0.625, output 5" in out.splitlines()


def test_a_fleet_shows_what_its_deployments_resolve_to(run: Run, fleet: Path) -> None:
    status, out, _ = run("models", "--fleet", str(fleet), "--json", "big")
    assert status == 0
    (first, second) = json.loads(out)["models"]
    assert (first["deployment"], first["model"], first["in_catalog"]) == ("big-eu", "near/big", False)
    assert second["deployment"] == "big-us"
    assert first["price_usd_per_million"]["output"] == 25
    assert first["capabilities"] == ["tools", "streaming"]
    assert run("models", "--fleet", str(fleet)).out.splitlines()[0].split() == [
        "deployment", "model", "context", "in", "out", "can",
    ]  # fmt: skip


def test_nothing_found_is_status_1_and_wrong_words_are_status_2(run: Run) -> None:
    assert run("models", "no-such-model")[:2] == (
        1, "no model is as wanted; ask for less, or see junctor models --help\n",
    )  # fmt: skip
    assert run("models", "--can", "fly").status == 2
    assert run("models", "--fleet", "missing.yaml").status == 2


@pytest.mark.parametrize(("count", "said"), [(None, "?"), (512, "512"), (128_000, "128k"), (1_047_576, "1.05M")])
def test_token_counts_are_short(count: int | None, said: str) -> None:
    assert tokens(count) == said


def test_every_capability_has_a_letter_of_its_own() -> None:
    assert {*CAPABILITIES, "embeddings"} == set(LETTERS)
    shown = [letter for letter in LETTERS.values() if letter]
    assert len(set(shown)) == len(shown) == len(LETTERS) - 1
