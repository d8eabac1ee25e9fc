"""One row of the catalog from what several public tables say of a model. Pure: `make_catalog` reads and writes.

The tables disagree, so each field has an order of trust. Prices: genai-prices, which dates them, then LiteLLM, then
models.dev. Context and abilities: models.dev, which is about models, then LiteLLM, which is about interfaces; for files
and sound the other way round, since what matters is whether the interface takes them. A context that another table puts
much lower is taken at the lower value: the higher one needs a special header or a special contract. What is computed
needs (sampling, forced tools, prefill, the smallest prompt that is cached) LiteLLM alone tells. A model that has no
answer behind a chat interface and no vector behind another gets no row; one that is retired keeps its row for a while,
so that a fleet that still names it hears of it.

A model at a second host is written `like` its maker's row, with what differs: `shortened`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

BYTES_PER_TOKEN: Final = 3.5
"""Of the o200k vocabulary, erring on the low side; families have a factor to it."""

FACTORS: Final = (
    (r"claude-(opus-4-[78]|(opus|sonnet|haiku|fable|mythos)-[5-9])", 1.43),
    (r"claude", 1.13),
    (r"mistral|ministral|magistral|codestral|devstral|mixtral", 1.08),
    (r"gemini|gemma|llama|deepseek", 1.03),
    (r"qwen", 1.02),
    (r"grok", 0.97),
)
"""Tokens per o200k token, measured on the families' own reported usage; the first that fits counts, else 1."""

ROUNDED: Final = 0.9
"""Tables write 1,000,000 for 1,048,576: a context above this part of another is the same one."""

KEPT_DAYS: Final = 550
"""How long a retired model keeps its row: fleets are rarely left alone for longer."""

PRICE_ORDER: Final = ("genai-prices", "LiteLLM", "models.dev")
PRICED_BY_PAGE: Final = frozenset({"mistral"})
"""Whose prices LiteLLM copies from the page of each model, where genai-prices has what the same names meant earlier."""
FACT_ORDER: Final = ("models.dev", "genai-prices", "LiteLLM")
OF_INTERFACES: Final = ("files", "audio")
ABILITIES: Final = (
    "tools", "parallel_tools", "images", "files", "audio", "structured_output", "reasoning", "streaming", "logprobs",
)  # fmt: skip
_NEEDS: Final = {"sampling": True, "forced_tools": True, "prefill": False}
"""What else a request may ask of a model, and what is taken to be so unless a table says otherwise."""

Kind = Literal["chat", "embedding", "other"]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Micro-dollars per million tokens; None: as plain input, an hour's write as a shorter one."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None


@dataclass(frozen=True, kw_only=True)
class Price(Rates):
    """The base price, the dearer ones by the length of a prompt above which they hold, and that of batches."""

    batch: tuple[int, int] | None = None
    tiers: tuple[tuple[int, Rates], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one table says of one model. None and absent abilities: it does not say."""

    source: str
    as_of: str
    kind: Kind = "chat"
    deprecated: bool = False
    retires_on: str = ""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    abilities: Mapping[str, bool] = field(default_factory=dict)
    needs: Mapping[str, bool] = field(default_factory=dict)
    prompt_cache_min_tokens: int | None = None
    embedding_dimensions: int | None = None
    price: Price | None = None


def row(provider: str, name: str, said: Sequence[Said], *, today: str) -> dict[str, Any] | None:
    """The row of `provider/name`, or None if the tables do not tell enough or the model is none for a fleet."""
    if gone(said, today):
        return None
    if any(each.kind == "embedding" for each in said):
        return _embedding(provider, name, said)
    facts = _ordered(said, FACT_ORDER)
    answer = next((each.max_output_tokens for each in facts if each.max_output_tokens), None)
    priced_by = _priced_by(provider, said)
    found = open_row(name, said, provider=provider)
    if found is None or answer is None or priced_by is None or priced_by.price is None:
        return None
    context = found["context_tokens"]
    needs = {word: each.needs[word] for each in reversed(facts) for word in _NEEDS if word in each.needs}
    cached_from = next((each.prompt_cache_min_tokens for each in facts if each.prompt_cache_min_tokens), None)
    return {
        "context_tokens": context,
        "max_output_tokens": min(answer, context),
        **found,
        **{word: value for word, value in sorted(needs.items()) if value != _NEEDS[word]},
        **({"prompt_cache_min_tokens": cached_from} if cached_from else {}),
        "price": price_row(priced_by.price, context),
        **ends(said),
        "as_of": priced_by.as_of,
        "source": ", ".join(dict.fromkeys((priced_by.source, *found["source"].split(", ")))),
    }


def open_row(name: str, said: Sequence[Said], *, provider: str = "open") -> dict[str, Any] | None:
    """The row of a model that anybody may serve: hosts set their own price and longest answer."""
    facts = _ordered(said, FACT_ORDER)
    context = _context(facts)
    able = [each for each in facts if each.abilities]
    if context is None or not able or any(each.kind != "chat" for each in said):
        return None
    return {
        "context_tokens": context,
        "capabilities": abilities(provider, said),
        "bytes_per_token": bytes_per_token(name),
        "as_of": facts[0].as_of,
        "source": ", ".join(dict.fromkeys((facts[0].source, able[0].source))),
    }


def _embedding(provider: str, name: str, said: Sequence[Said]) -> dict[str, Any] | None:
    priced_by = _priced_by(provider, said)
    context = _context(_ordered(said, ("LiteLLM", "genai-prices", "models.dev")))
    if priced_by is None or priced_by.price is None or context is None:
        return None
    length = next((each.embedding_dimensions for each in said if each.embedding_dimensions), None)
    return {
        "context_tokens": context,
        "capabilities": ["embeddings"],
        "bytes_per_token": bytes_per_token(name),
        **({"embedding_dimensions": length} if length else {}),
        "price": price_row(priced_by.price, context),
        **ends(said),
        "as_of": priced_by.as_of,
        "source": ", ".join(dict.fromkeys((priced_by.source, *(each.source for each in said)))),
    }


def _priced_by(provider: str, said: Sequence[Said]) -> Said | None:
    order = ("LiteLLM", "genai-prices", "models.dev") if provider in PRICED_BY_PAGE else PRICE_ORDER
    return next((each for each in _ordered(said, order) if each.price is not None), None)


def price_row(price: Price, context: int) -> dict[str, Any]:
    """A price as the file has it. A tier that no prompt can reach is history, and is left out."""
    found = _rates(price)
    if price.batch is not None:
        found["batch"] = list(price.batch)
    tiers = [{"above": above, **_rates(rates)} for above, rates in sorted(price.tiers, key=lambda tier: tier[0])]
    reached = [tier for tier in tiers if tier["above"] < context]
    return found | ({"tiers": reached} if reached else {})


def _rates(rates: Rates) -> dict[str, Any]:
    words = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
    return {word: value for word in words if (value := getattr(rates, word)) is not None}


def ends(said: Sequence[Said]) -> dict[str, str]:
    """When the model was seen to be deprecated, at the latest, when it stops to answer, and who says so."""
    retires, whose = min(((each.retires_on, each.source) for each in said if each.retires_on), default=("", ""))
    seen, who = min(((each.as_of, each.source) for each in said if each.deprecated), default=("", ""))
    if retires and seen >= retires:
        seen = who = ""
    by = ", ".join(dict.fromkeys(filter(None, (who, whose))))
    told = {"seen_deprecated_on": seen, "retires_on": retires, "ends_by": by}
    return {word: text for word, text in told.items() if text}


def gone(said: Sequence[Said], today: str) -> bool:
    """Whether a model has been retired for so long that nobody asks for it any more."""
    first = (dt.date.fromisoformat(today) - dt.timedelta(days=KEPT_DAYS)).isoformat()
    return any(each.retires_on and each.retires_on < first for each in said)


def abilities(provider: str, said: Sequence[Said]) -> list[str]:
    """What the model can do, in the order of the fleet file's own list."""
    found = {"streaming": True}
    for each in reversed(_ordered(said, FACT_ORDER)):
        found.update(each.abilities)
    for each in said:
        if each.source == "LiteLLM":
            found.update({word: each.abilities[word] for word in OF_INTERFACES if word in each.abilities})
    if provider in (
        "anthropic",
        "gemini",
        "bedrock",
        "mistral",
    ):  # their dialects cannot turn it off, so no model could lack it
        found["parallel_tools"] = found.get("tools", False)
    if provider == "openai":  # returned by the chat interface wherever no reasoning stands before the answer
        found["logprobs"] = not found.get("reasoning", False)
    return [word for word in ABILITIES if found.get(word)]


def shortened(full: Mapping[str, Any], maker: str, made: Mapping[str, Any], denied: Iterable[str]) -> dict[str, Any]:
    """A host's row as what differs from its maker's. The model can the same, but for what the host's table denies."""
    able = [word for word in made["capabilities"] if word not in denied]
    own = {**full, "capabilities": able, "bytes_per_token": made["bytes_per_token"]}
    if _unbatched(own["price"]) == _unbatched(made["price"]):  # no table tells of batches at hosts: they may have none
        own["price"] = made["price"]
    for word in ("sampling", "forced_tools", "prefill", "prompt_cache_min_tokens"):
        if word in made and word not in own:
            own[word] = made[word]
    return {"like": maker, **{word: value for word, value in own.items() if made.get(word) != value}}


def _unbatched(price: Mapping[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in price.items() if word != "batch"}


def successors(names: Iterable[str], ended: Iterable[str]) -> dict[str, str]:
    """For each model that ends, the newest one of its line: the same name but for the numbers."""
    lines: dict[tuple[str, ...], list[str]] = {}
    leaving = set(ended)
    for name in names:
        if name not in leaving and "preview" not in name:
            lines.setdefault(_line(name), []).append(name)
    newest = {line: max(members, key=_version) for line, members in lines.items()}
    return {
        name: found
        for name in leaving
        if (found := newest.get(_line(name))) is not None and _version(found) > _version(name)
    }


_NUMBER: Final = re.compile(r"\d+(\.\d+)*o?\Z")


def _line(name: str) -> tuple[str, ...]:
    return tuple(sorted(part for part in name.split("-") if not _NUMBER.match(part) and part != "preview"))


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(digits) for part in name.split("-") if _NUMBER.match(part) for digits in re.findall(r"\d+", part))


def bytes_per_token(name: str) -> float:
    """Bytes of English text per token of the model's family."""
    factor = next((factor for pattern, factor in FACTORS if re.search(pattern, name)), 1.0)
    return round(BYTES_PER_TOKEN / factor, 2)


def disagreements(said: Iterable[Said]) -> list[str]:
    """Where two tables name different base prices: for whoever reviews a new catalog."""
    told = [(each.source, each.price) for each in said if each.price is not None]
    first = told[0] if told else None
    return [
        f"{first[0]} {first[1].input}/{first[1].output}, {source} {price.input}/{price.output}"
        for source, price in told[1:]
        if first is not None and (price.input, price.output) != (first[1].input, first[1].output)
    ]


def _ordered(said: Sequence[Said], order: Sequence[str]) -> list[Said]:
    return sorted(said, key=lambda each: order.index(each.source))


def _context(said: Sequence[Said]) -> int | None:
    known = [each.context_tokens for each in said if each.context_tokens]
    if not known:
        return None
    return next((other for other in known[1:] if other < ROUNDED * known[0]), known[0])
