"""Writes `python/junctor/config/catalog.json` from three public tables: `make catalog`.

Why a program: prices and limits of hundreds of models change every month; typed by hand they are wrong after two. Why
not at run time: the tables weigh up to 118 MB and disagree. So their packages are read here, in an environment of their
own (`scripts/setup_catalog.sh`), and one small dated file is reviewed like code. The same packages and the same file
give the same bytes: of the file that is there only the days are kept on which a model was first seen deprecated.

Differences to the file that is there, and between the tables, are told on standard error.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from scripts.catalog_names import REGIONS, is_general, maker_of
from scripts.catalog_rows import Said, disagreements, open_row, row, shortened, successors
from scripts.catalog_tables import PROVIDERS, READ_ON, Table, genai_prices, litellm, models_dev

TARGET: Final = Path(__file__).parents[1] / "python/junctor/config/catalog.json"

SOON: Final = (dt.date.fromisoformat(READ_ON) + dt.timedelta(days=180)).isoformat()
"""A model that ends before this is to be replaced, and replaces nothing."""

HOSTS: Final = ("bedrock", "azure", "vertex")
"""Who serves models of the others: written `like` the maker's row. Bedrock's own are listed too."""

FEW: Final = frozenset({"cerebras", "fireworks", "perplexity", "together"})
"""Hosts of hundreds of open models, of which only those are listed that models.dev finds worth naming."""

NOTES: Final = (
    "Micro-dollars per million tokens. Of several tiers that of the longest prompt reached counts for all tokens.",
    "cache_write is the price of a five-minute write, cache_write_1h of an hour's, where writes are charged for.",
    "retires_on is the day that LiteLLM's table names; some hosts promise not to retire a model before it.",
    "seen_deprecated_on is when a table was first seen to call the model deprecated; ends_by says which tables do.",
    "newest_of_line is read off the names of models, and no provider's recommendation.",
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
    "bedrock": {"capabilities": ["tools", "streaming"], "bytes_per_token": 2.45},
    "mistral": {"capabilities": ["tools", "structured_output", "streaming"], "bytes_per_token": 3.24},
}  # fmt: skip
"""What a model that is not listed is taken to be able to, by the dialect it is spoken to in."""

Rows = dict[str, dict[str, Any]]


def main() -> None:
    """Read, merge, write, tell what changed."""
    of_litellm, litellm_version = litellm()
    of_models_dev, snapshot = models_dev()
    wanted = {ours: {*of_models_dev.get(ours, {}), *of_litellm.get(ours, {})} for ours in PROVIDERS}
    of_prices, prices_version = genai_prices(wanted)
    before: Rows = json.loads(TARGET.read_bytes())["models"]
    models = rows((of_models_dev, of_prices, of_litellm))
    finish(models, before)
    sources = {
        "genai-prices": {"version": prices_version, "as_of": READ_ON, "licence": "MIT"},
        "LiteLLM": {"version": litellm_version, "as_of": READ_ON, "licence": "MIT"},
        "models.dev": {"version": snapshot, "as_of": snapshot, "licence": "MIT"},
    }
    _tell_changes(models, before)
    ordered = {name: models[name] for name in sorted(models, key=lambda name: (name.partition("/")[0] in HOSTS, name))}
    TARGET.write_text(document({"as_of": READ_ON, "sources": sources, "notes": NOTES}, ordered), encoding="utf-8")


def document(head: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> str:
    """The file: one line per model, so that a change is one line of a diff. The file's own date is not repeated."""
    parts = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    dated = {
        name: {key: value for key, value in found.items() if (key, value) != ("as_of", head["as_of"])}
        for name, found in models.items()
    }
    for section, lines_of in (("families", FAMILIES), ("models", dated)):
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in lines_of.items())
        parts.append(f'  "{section}": {{\n{lines}\n  }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def rows(tables: tuple[Table, ...]) -> Rows:
    """Every row; those of hosts after those of makers, which they are like."""
    models: Rows = {}
    for ours in PROVIDERS:
        for name, said in _said(ours, tables):
            full = row(ours, name, said, today=READ_ON)
            if full is None:
                continue
            for text in disagreements(each for each in said if each.as_of == READ_ON):
                print(f"{ours}/{name}: prices differ: {text}", file=sys.stderr)
            if ours not in HOSTS:
                models[f"{ours}/{name}"] = full
            elif (own := _host_row(ours, name, full, said, models)) is not None:
                models[f"{ours}/{name}"] = own
    for name, told in tables[0]["open"].items():
        if is_general("open", name) and (found := open_row(name, [told])) is not None:
            models[f"open/{name}"] = found
    return models


def _said(ours: str, tables: tuple[Table, ...]) -> Iterator[tuple[str, list[Said]]]:
    for name in sorted(
        {name for table in tables for name in table.get(ours, {})}, key=lambda name: (bool(REGIONS.match(name)), name)
    ):
        said = [table[ours][name] for table in tables if name in table.get(ours, {})]
        if ours in FEW and name not in tables[0][ours]:
            continue
        kind = "embedding" if any(each.kind == "embedding" for each in said) else "chat"
        if is_general(ours, name, kind):
            yield name, said


def _host_row(ours: str, name: str, full: dict[str, Any], said: list[Said], models: Rows) -> dict[str, Any] | None:
    """A host's row: like that of its maker, or like that without a region. One that says nothing new is left out."""
    placeless = f"{ours}/{REGIONS.sub('', name, count=1)}"
    regional = placeless != f"{ours}/{name}" and placeless in models
    maker = placeless if regional else maker_of(ours, name)
    if maker is None or maker not in models:
        return full if ours == "bedrock" else None
    made = _whole(models, maker)
    denied = {word for each in said if each.source == "LiteLLM" for word, can in each.abilities.items() if not can}
    own = shortened(full, maker, made, denied)
    ends = {word: own[word] for word in ("retires_on",) if word in own and own[word] != models[maker].get(word)}
    return None if regional and not ends and own.get("price") is None else own


def _whole(models: Rows, name: str) -> dict[str, Any]:
    found = models[name]
    if (like := found.get("like")) is None:
        return found
    return {**_whole(models, like), **{word: value for word, value in found.items() if word != "like"}}


def finish(models: Rows, before: Rows) -> None:
    """Name the newest of their lines, and keep the days on which a model was first seen deprecated."""
    for ours in PROVIDERS:
        mine = {name.partition("/")[2]: found for name, found in models.items() if name.partition("/")[0] == ours}
        ended = {name for name, found in mine.items() if found.keys() & {"seen_deprecated_on", "retires_on"}}
        answering = {name for name in mine if "embeddings" not in _whole(models, f"{ours}/{name}")["capabilities"]}
        soon = {
            name for name in ended & answering if "seen_deprecated_on" in mine[name] or mine[name]["retires_on"] < SOON
        }
        for name, newer in successors(answering, soon).items():
            mine[name]["newest_of_line"] = f"{ours}/{newer}"
    for name, found in models.items():
        seen = before.get(name, {}).get("seen_deprecated_on")
        if seen and found.get("seen_deprecated_on", "") > seen:
            found["seen_deprecated_on"] = seen


def _tell_changes(models: Rows, before: Rows) -> None:
    for name in sorted({*before, *models}):
        old, new = before.get(name), models.get(name)
        if old is None or new is None:
            print(f"{name}: {'new' if old is None else 'gone'}", file=sys.stderr)
            continue
        for key in sorted({*old, *new} - {"as_of", "source"}):
            if old.get(key) != new.get(key):
                print(f"{name}: {key}: {old.get(key)} -> {new.get(key)}", file=sys.stderr)


if __name__ == "__main__":
    main()
