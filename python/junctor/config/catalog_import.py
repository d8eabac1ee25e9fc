"""Catalogs of one's own from tables that people have: LiteLLM's JSON and models.dev's `api.json`. Pure functions.

The shipped catalog is small on purpose; who runs a model that it leaves out often has one of these tables at hand. What
a table does not tell is left at its careful default, what it tells in another unit is converted, and entries that are
no chat or embedding model are left out. The result is a `Catalog` like any other: `write` makes a file of it for the
`catalog:` key of a fleet file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.config.catalog import Catalog, Facts
from junctor.config.prices import PriceRow, TierRow
from junctor.estimate import BYTES_PER_TOKEN

_PER_TOKEN: Final = 1_000_000 * 1_000_000
_PER_MILLION: Final = 1_000_000
_FLAGS: Final = {
    "tools": "function_calling",
    "parallel_tools": "parallel_function_calling",
    "images": "vision",
    "files": "pdf_input",
    "audio": "audio_input",
    "structured_output": "response_schema",
    "reasoning": "reasoning",
}
_ABOVE: Final = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_OURS: Final = {"amazon-bedrock": "bedrock", "google": "gemini", "google-vertex": "vertex"}
"""Providers that models.dev calls otherwise."""


def from_litellm_json(table: Mapping[str, Mapping[str, Any]], *, as_of: str = "") -> Catalog:
    """The chat and embedding models of LiteLLM's `model_prices_and_context_window.json`.

    Keys keep their provider (`gemini/…`, `azure/…`), those without one get `litellm_provider`'s. `as_of` is the table's
    day (YYYY-MM-DD), which it does not say itself.
    """
    models = {}
    for key, row in table.items():
        if row.get("mode") in ("chat", "embedding"):
            name = key if "/" in key else f"{row.get('litellm_provider')}/{key}"
            models[name] = _litellm(row, as_of)
    return _catalog(models, as_of)


def from_models_dev(table: Mapping[str, Mapping[str, Any]], *, as_of: str = "") -> Catalog:
    """The models of models.dev's `api.json`: providers with their models, prices in dollars per million tokens."""
    models = {}
    for provider, entry in table.items():
        for name, row in entry.get("models", {}).items():
            if "text" in row.get("modalities", {}).get("output", ("text",)):
                models[f"{_OURS.get(provider, provider)}/{name}"] = _models_dev(name, row, as_of)
    return _catalog(models, as_of)


def write(catalog: Catalog) -> bytes:
    """The catalog as a file with one row a line."""
    rows = (f"    {_json(name)}: {_json(facts)}" for name, facts in catalog.models.items())
    return ('{\n  "as_of": ' + _json(catalog.as_of) + ',\n  "models": {\n' + ",\n".join(rows) + "\n  }\n}\n").encode()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _catalog(models: dict[str, Facts], as_of: str) -> Catalog:
    return Catalog(as_of=as_of, sources={}, notes=(), families={}, models=dict(sorted(models.items())))


def _litellm(row: Mapping[str, Any], as_of: str) -> Facts:
    vector = row.get("mode") == "embedding"
    able = [word for word, flag in _FLAGS.items() if row.get(f"supports_{flag}")]
    price = None if row.get("input_cost_per_token") is None else PriceRow(**_litellm_rates(row, ""), tiers=_tiers(row))
    return Facts(
        capabilities=("embeddings",) if vector else (*able, "streaming"),
        bytes_per_token=BYTES_PER_TOKEN,
        context_tokens=_count(row.get("max_input_tokens") or row.get("max_tokens")),
        max_output_tokens=None if vector else _count(row.get("max_output_tokens")),
        price=price,
        sampling=row.get("supports_sampling_params") is not False,
        forced_tools=row.get("supports_forced_tool_use") is not False,
        prefill=bool(row.get("supports_assistant_prefill")),
        prompt_cache_min_tokens=_count(row.get("prompt_cache_min_tokens")),
        embedding_dimensions=_count(row.get("output_vector_size")) if vector else None,
        retires_on=str(row.get("deprecation_date") or ""),
        ends_by="LiteLLM" if row.get("deprecation_date") else "",
        as_of=as_of,
        source="LiteLLM",
    )


def _tiers(row: Mapping[str, Any]) -> tuple[TierRow, ...]:
    bounds = sorted(int(found[1]) for key in row if (found := _ABOVE.fullmatch(key)))
    return tuple(TierRow(above=bound * 1000, **_litellm_rates(row, f"_above_{bound}k_tokens")) for bound in bounds)


def _litellm_rates(row: Mapping[str, Any], tail: str) -> Any:
    write = "cache_creation_input_token_cost"
    return {
        "input": _micros(row.get(f"input_cost_per_token{tail}"), _PER_TOKEN) or 0,
        "output": _micros(row.get(f"output_cost_per_token{tail}"), _PER_TOKEN) or 0,
        "cached_input": _micros(row.get(f"cache_read_input_token_cost{tail}"), _PER_TOKEN),
        "cache_write": _micros(row.get(f"{write}{tail}"), _PER_TOKEN),
        "cache_write_1h": _micros(row.get(f"{write}_above_1hr{tail}"), _PER_TOKEN),
    }


def _models_dev(name: str, row: Mapping[str, Any], as_of: str) -> Facts:
    reads, limit = row.get("modalities", {}).get("input", ()), row.get("limit", {})
    vector = "embed" in name
    told = {
        "tools": row.get("tool_call"),
        "images": "image" in reads,
        "files": "pdf" in reads,
        "audio": "audio" in reads,
        "structured_output": row.get("structured_output"),
        "reasoning": row.get("reasoning"),
    }
    cost = row.get("cost")
    return Facts(
        capabilities=("embeddings",) if vector else (*(word for word, can in told.items() if can), "streaming"),
        bytes_per_token=BYTES_PER_TOKEN,
        context_tokens=_count(limit.get("context")),
        max_output_tokens=None if vector else _count(limit.get("output")),
        price=None if cost is None else PriceRow(**_models_dev_rates(cost), tiers=_long(cost)),
        sampling=row.get("temperature") is not False,
        seen_deprecated_on=as_of if row.get("status") == "deprecated" else "",
        ends_by="models.dev" if row.get("status") == "deprecated" else "",
        as_of=as_of,
        source="models.dev",
    )


def _models_dev_rates(cost: Mapping[str, Any]) -> Any:
    return {
        "input": _micros(cost.get("input"), _PER_MILLION) or 0,
        "output": _micros(cost.get("output"), _PER_MILLION) or 0,
        "cached_input": _micros(cost.get("cache_read"), _PER_MILLION),
        "cache_write": _micros(cost.get("cache_write"), _PER_MILLION),
    }


def _long(cost: Mapping[str, Any]) -> tuple[TierRow, ...]:
    over = cost.get("context_over_200k")
    return () if not over else (TierRow(above=200_000, **_models_dev_rates(over)),)


def _micros(usd: object, per: int) -> int | None:
    return None if usd is None else round(float(str(usd)) * per)


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None
