"""What tokens cost: micro-dollars per million of them, by kind, and dearer for prompts above some length.

Money is integers and is rounded once, upwards, so that no estimate is below the bill. Providers charge a long prompt as
a whole: one token above a tier's bound makes every token of the request cost that tier's price, cached and written ones
included. The core reckons so for every decision (`rust/core/src/price.rs`); `cost_usd_micros` is the same arithmetic
for people who ask what something would cost, and the tests hold the two against each other.

Writing to a prompt cache for an hour has a price of its own at some providers; where it is not given it costs what a
write for five minutes costs. Batch prices are told, never charged: no call of ours is a batch.
"""

from __future__ import annotations

from typing import Final

import msgspec

MICROS: Final = 1_000_000


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars per million tokens of requests with more than `above` input tokens, cached ones included."""

    above: int
    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars per million tokens. `tiers` are in the order of their bounds, lowest first."""

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    tiers: tuple[Tier, ...] = ()

    def at(self, input_tokens: int) -> Price | Tier:
        """The price of a request with so many input tokens."""
        return next((tier for tier in reversed(self.tiers) if input_tokens > tier.above), self)


class TierRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tier as the catalog file writes it. What is not given costs what the tier's plain input costs."""

    above: int
    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None


class PriceRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Micro-dollars per million tokens, as the catalog file writes them.

    What is not given costs what plain input costs, an hour's write what a shorter one costs. `batch` is the price of
    input and output in a provider's batches.
    """

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    batch: tuple[int, int] | None = None
    tiers: tuple[TierRow, ...] = ()

    @property
    def whole(self) -> Price:
        """The price with nothing left open."""
        return Price(**_filled(self), tiers=tuple(Tier(above=tier.above, **_filled(tier)) for tier in self.tiers))


def _filled(row: PriceRow | TierRow) -> dict[str, int]:
    write = row.input if row.cache_write is None else row.cache_write
    return {
        "input": row.input,
        "output": row.output,
        "cached_input": row.input if row.cached_input is None else row.cached_input,
        "cache_write": write,
        "cache_write_1h": write if row.cache_write_1h is None else row.cache_write_1h,
    }


def from_usd(usd: float) -> int:
    """Micro-dollars of dollars."""
    return round(usd * MICROS)


def cost_usd_micros(
    price: Price,
    *,
    input_tokens: int,
    output_tokens: int = 0,
    cached_tokens: int = 0,
    cache_write_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
) -> int:
    """Micro-dollars for these tokens, rounded up once, as the core reckons them.

    `cached_tokens` and `cache_write_tokens` are part of the input tokens, `cache_write_1h_tokens` of the written ones.
    """
    rates = price.at(input_tokens)
    cached = min(cached_tokens, input_tokens)
    written = min(cache_write_tokens, input_tokens - cached)
    long = min(cache_write_1h_tokens, written)
    sum_of_parts = (
        (input_tokens - cached - written) * rates.input
        + cached * rates.cached_input
        + (written - long) * rates.cache_write
        + long * rates.cache_write_1h
        + output_tokens * rates.output
    )
    return -(-sum_of_parts // MICROS)
