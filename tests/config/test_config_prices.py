"""Money: what providers publish, to the micro-dollar, through a fleet file and the core that settles it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor import Router
from junctor._core import ManualClock
from junctor.config import from_mapping
from junctor.config.prices import Price, PriceRow, Tier, TierRow, cost_usd_micros

# As the providers' price pages had them, in US dollars per million tokens.
OPUS_4_8 = {"input": 5, "output": 25, "cached_input": 0.50, "cache_write": 6.25, "cache_write_1h": 10}
"""platform.claude.com/docs/en/about-claude/pricing: writes cost 1.25 and 2 times the input, reads a tenth."""
GEMINI_2_5_PRO = {
    "input": 1.25, "output": 10, "cached_input": 0.125,
    "tiers": [{"above": 200_000, "input": 2.50, "output": 15, "cached_input": 0.25}],
}  # fmt: skip
"""ai.google.dev/gemini-api/docs/pricing: prompts of up to 200,000 tokens, and longer ones."""
GPT_5_6 = {
    "input": 4, "output": 20, "cached_input": 0.40, "cache_write": 5,
    "tiers": [{"above": 272_000, "input": 8, "output": 30, "cached_input": 0.80, "cache_write": 10}],
}  # fmt: skip
"""developers.openai.com/api/docs/pricing: twice the input and 1.5 times the output above 272,000 tokens of prompt."""


def _router(price: dict[str, Any]) -> Router:
    deployment = {"model": "anthropic/claude-opus-4-8", "price": price, "context_tokens": 2_000_000}
    fleet = {"version": 1, "providers": {"anthropic": {"key": "env:HOME"}}, "deployments": {"a": deployment}}
    return Router.from_config(from_mapping(fleet), seed=1, clock=ManualClock(1_000.0))


@pytest.mark.parametrize(
    ("price", "used", "micros"),
    [
        # Anthropic's example of a session: 50,000 tokens in at $5 are $0.25, 15,000 out at $25 are $0.375.
        (OPUS_4_8, {"input_tokens": 50_000, "output_tokens": 15_000}, 250_000 + 375_000),
        # Of 50,000 the cache had 40,000, at $0.50: $0.02; 10,000 plain at $5: $0.05; out $0.375.
        (
            OPUS_4_8,
            {"input_tokens": 50_000, "cached_tokens": 40_000, "output_tokens": 15_000},
            20_000 + 50_000 + 375_000,
        ),
        # 100,000 written for five minutes at $6.25: $0.625; then 100,000 for an hour at $10: $1.
        (OPUS_4_8, {"input_tokens": 100_000, "cache_write_tokens": 100_000, "output_tokens": 0}, 625_000),
        (
            OPUS_4_8,
            {"input_tokens": 100_000, "cache_write_tokens": 100_000, "cache_write_1h_tokens": 100_000,
             "output_tokens": 0},
            1_000_000,
        ),
        # 456 for five minutes and 100 for an hour (of 556 written): 2,850 and 1,000 micro-dollars.
        (
            OPUS_4_8,
            {"input_tokens": 556, "cache_write_tokens": 556, "cache_write_1h_tokens": 100, "output_tokens": 0},
            2_850 + 1_000,
        ),
        # 200,000 tokens in at $1.25: $0.25; one more and all of them cost $2.50: 200,001 × 2.5 = 500,002.5, rounded up.
        (GEMINI_2_5_PRO, {"input_tokens": 200_000, "output_tokens": 1_000}, 250_000 + 10_000),
        (GEMINI_2_5_PRO, {"input_tokens": 200_001, "output_tokens": 1_000}, 515_003),
        # Cached tokens count towards the bound: 150,000 at $0.25 and 150,000 at $2.50, out at $15.
        (
            GEMINI_2_5_PRO,
            {"input_tokens": 300_000, "cached_tokens": 150_000, "output_tokens": 1_000},
            37_500 + 375_000 + 15_000,
        ),
        # 272,000 in at $4 are $1.088, 300,000 at $8 are $2.40; 10,000 out at $20 are $0.20, at $30 $0.30.
        (GPT_5_6, {"input_tokens": 272_000, "output_tokens": 10_000}, 1_088_000 + 200_000),
        (GPT_5_6, {"input_tokens": 300_000, "output_tokens": 10_000}, 2_400_000 + 300_000),
    ],
)  # fmt: skip
def test_a_settlement_costs_what_the_provider_publishes(
    price: dict[str, Any], used: dict[str, Any], micros: int
) -> None:
    reservation = _router(price).reserve("a", input_tokens=10, output_tokens=10)
    assert reservation.settle(**used) == micros
    assert reservation.receipt.cost_usd_micros == micros


def test_an_estimate_knows_the_tier_of_a_long_prompt() -> None:
    router = _router(GEMINI_2_5_PRO)
    short = router.explain("a", input_tokens=100_000, output_tokens=0)
    long = router.explain("a", input_tokens=1_000_000, output_tokens=0)
    # A word of Claude's newest tokenizer is 1.43 times as many tokens: see bytes_per_token of the catalog.
    assert long.estimated_cost_usd_micros == pytest.approx(20 * short.estimated_cost_usd_micros, rel=0.001)


def test_tiers_count_by_their_bounds_in_whatever_order_they_are_written() -> None:
    tiers = [{"above": 200, "input": 3, "output": 0}, {"above": 100, "input": 2, "output": 0}]
    router = _router({"input": 1, "output": 0, "tiers": tiers})
    costs = [router.reserve("a").settle(input_tokens=n, output_tokens=0) for n in (100, 101, 200, 201)]
    assert costs == [100, 202, 400, 603]


RATE = st.integers(0, 10**12)
COUNT = st.integers(0, 3_000_000)


@settings(max_examples=50)
@given(
    rates=st.lists(RATE, min_size=5, max_size=5),
    dearer=st.lists(RATE, min_size=5, max_size=5),
    above=st.integers(1, 3_000_000),
    counts=st.lists(COUNT, min_size=5, max_size=5),
)
def test_what_a_price_is_asked_for_is_what_the_core_settles(
    rates: list[int], dearer: list[int], above: int, counts: list[int]
) -> None:
    words = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
    base, long = dict(zip(words, rates, strict=True)), {"above": above, **dict(zip(words, dearer, strict=True))}
    price = msgspec.convert({**base, "tiers": [long]}, Price)
    names = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "cache_write_1h_tokens")
    used: dict[str, Any] = dict(zip(names, counts, strict=True))
    fleet = {"config_hash": "x", "deployments": [{"name": "a", "price": {**base, "tiers": [long]}}]}
    settled = Router(msgspec.json.encode(fleet), ["nowhere"]).reserve("a").settle(**used)
    assert settled == cost_usd_micros(price, **used)


def test_what_a_row_leaves_open_costs_what_input_costs_and_an_hour_what_a_shorter_write_costs() -> None:
    row = PriceRow(input=10, output=20, cache_write=12, tiers=(TierRow(above=5, input=30, output=40),))
    assert row.whole == Price(
        input=10, output=20, cached_input=10, cache_write=12, cache_write_1h=12,
        tiers=(Tier(above=5, input=30, output=40, cached_input=30, cache_write=30, cache_write_1h=30),),
    )  # fmt: skip
