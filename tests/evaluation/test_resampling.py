"""Intervals hold what they promise, draws are the same for all figures, tests are exact."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from junctor.evaluation.resampling import Bootstrap, interval, sign_p, swapped_p


def test_the_same_seed_draws_the_same_prompts() -> None:
    """So two figures of one report are paired, however they are made."""
    values = np.random.default_rng(1).random(50)
    draws = Bootstrap(np.arange(50), draws=200, seed=3)
    np.testing.assert_allclose(draws.mean(values), draws.mean(np.column_stack([values, values]))[:, 1])
    np.testing.assert_allclose(draws.mean(values + 0.25) - draws.mean(values), 0.25)
    assert not np.array_equal(draws.mean(values), Bootstrap(np.arange(50), draws=200, seed=4).mean(values))


def test_an_interval_covers_as_often_as_it_says() -> None:
    """Of 300 samples of a coin, close to 95 % of the intervals hold its true mean."""
    rng = np.random.default_rng(0)
    held = 0
    for turn in range(300):
        sample = (rng.random(120) < 0.3).astype(float)
        found = interval(sample.mean(), Bootstrap(np.arange(120), draws=300, seed=turn).mean(sample))
        held += found.low <= 0.3 <= found.high
    assert 0.90 <= held / 300 <= 0.985


def test_copies_of_a_prompt_add_nothing() -> None:
    """Every prompt four times, in groups: the interval of the prompts, not one half as wide."""
    values = np.random.default_rng(5).random(60)
    alone = np.std(Bootstrap(np.arange(60), seed=1).mean(values))
    copied = np.std(Bootstrap(np.repeat(np.arange(60), 4), seed=1).mean(np.repeat(values, 4)))
    blind = np.std(Bootstrap(np.arange(240), seed=1).mean(np.repeat(values, 4)))
    assert copied == pytest.approx(alone, rel=0.01)
    assert blind == pytest.approx(alone / 2, rel=0.1)


def test_large_tables_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts change nothing."""
    values = np.random.default_rng(2).random(40)
    whole = Bootstrap(np.arange(40), draws=100, seed=9).mean(values)
    monkeypatch.setattr("junctor.evaluation.resampling.CELLS", 120)
    np.testing.assert_allclose(Bootstrap(np.arange(40), draws=100, seed=9).mean(values), whole)


def test_swapping_signs_is_the_exact_test() -> None:
    """Against all 2^n ways to swap."""
    difference = np.array([0.5, 1, -0.5, 1, 0, 1, 1, -1, 0.5])
    means = [abs(np.dot(signs, difference)) for signs in itertools.product((-1, 1), repeat=len(difference))]
    exact = np.mean([mean >= abs(difference.sum()) - 1e-9 for mean in means])
    assert swapped_p(difference, np.arange(9), draws=20_000) == pytest.approx(exact, abs=0.015)
    assert swapped_p(np.zeros(5), np.arange(5)) == 1.0
    assert swapped_p(np.repeat(difference, 3), np.repeat(np.arange(9), 3), draws=20_000) == pytest.approx(
        exact, abs=0.015
    )


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 0), (8, 3), (3, 8), (10, 10), (40, 25)])
def test_the_sign_test_is_exact(wins: int, losses: int) -> None:
    """Against binomial coefficients."""
    count = wins + losses
    tail = sum(math.comb(count, k) for k in range(min(wins, losses) + 1)) / 2**count
    assert sign_p(wins, losses) == pytest.approx(min(1.0, 2 * tail))


def test_a_figure_without_a_value_has_no_bounds() -> None:
    """NaN draws are left out; nothing but NaN gives NaN."""
    assert interval(1.0, np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0, 1.0)
    assert math.isnan(interval(1.0, np.array([np.nan])).low)
