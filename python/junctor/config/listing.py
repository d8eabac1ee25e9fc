"""Looking for models in the catalog: filters, order, and the form in which people and programs are told of one.

One place for `junctor models` and the MCP server, so that both find the same. Prices are compared by a blend, three
tokens of prompt for one of answer, because two prices cannot be put in an order and most traffic is about that; the two
themselves are always shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from junctor.config.catalog import Facts
from junctor.config.prices import MICROS, PriceRow, TierRow

Order = Literal["name", "price", "context"]
ORDERS: Final[tuple[Order, ...]] = ("name", "price", "context")
_USD_WORDS: Final = ("input", "output", "cached_input", "cache_write", "cache_write_1h")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a model must be like; what is not given asks nothing.

    `text` are words that all stand in the name; `max_usd` is dollars per million tokens of the blend, which open
    models, having no price, do not meet; `ending` asks for those that are deprecated or retired.
    """

    text: Sequence[str] = ()
    providers: Sequence[str] = ()
    can: Sequence[str] = ()
    max_usd: float | None = None
    min_context: int | None = None
    ending: bool = False
    order: Order = "name"


def listed(models: Mapping[str, Facts], wanted: Wanted, *, today: str) -> list[tuple[str, Facts]]:
    """The models that are as wanted, in the order that is asked for."""
    found = [(name, facts) for name, facts in models.items() if _meets(name, facts, wanted, today)]
    if wanted.order == "price":
        unpriced = float("inf")
        return sorted(found, key=lambda row: (unpriced if (usd := blend_usd(row[1])) is None else usd, row[0]))
    if wanted.order == "context":
        return sorted(found, key=lambda row: (-(row[1].context_tokens or 0), row[0]))
    return sorted(found, key=lambda row: row[0])


def _meets(name: str, facts: Facts, wanted: Wanted, today: str) -> bool:
    usd = blend_usd(facts)
    return (
        all(word.lower() in name.lower() for word in wanted.text)
        and (not wanted.providers or name.partition("/")[0] in wanted.providers)
        and set(wanted.can) <= set(facts.capabilities)
        and (wanted.max_usd is None or (usd is not None and usd <= wanted.max_usd))
        and (wanted.min_context is None or (facts.context_tokens or 0) >= wanted.min_context)
        and (not wanted.ending or facts.status(today) != "")
    )


def blend_usd(facts: Facts) -> float | None:
    """Dollars per million tokens, three of the prompt for one of the answer; None without a price."""
    price = facts.price
    if price is None:
        return None
    micros = price.input if "embeddings" in facts.capabilities else (3 * price.input + price.output) / 4
    return micros / MICROS


def told(name: str, facts: Facts, *, today: str) -> dict[str, Any]:
    """One model as JSON has it: prices in dollars per million tokens, what is not known left out."""
    plain = {
        word: list(value) if isinstance(value, tuple) else value for word, value in msgspec.to_builtins(facts).items()
    }
    plain.pop("price", None)
    rest = {word: value for word, value in plain.items() if value not in (None, "")}
    if facts.price is not None:
        rest["price_usd_per_million"] = _usd(facts.price)
    status = facts.status(today)
    return {"model": name, **rest, **({"status": status} if status else {})}


def _usd(row: PriceRow) -> dict[str, Any]:
    found = _rates(row)
    if row.batch is not None:
        found["batch"] = {"input": row.batch[0] / MICROS, "output": row.batch[1] / MICROS}
    if row.tiers:
        found["tiers"] = [{"above_input_tokens": tier.above, **_rates(tier)} for tier in row.tiers]
    return found


def _rates(row: PriceRow | TierRow) -> dict[str, Any]:
    given = {word: getattr(row, word) for word in _USD_WORDS}
    return {word: value / MICROS for word, value in given.items() if value is not None}
