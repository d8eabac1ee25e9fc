"""Bounds hold: exact where there are tables of them, and as often as promised on drawn data."""

from __future__ import annotations

import numpy as np
import pytest

from junctor.calibration.bounds import Tail, mean_is_less, order_quantile, share_between
from junctor.calibration.measured import Measured
from junctor.calibration.thresholds import cuts, escalated, for_cost, for_quality, for_share
from junctor.evaluation.rows import TableError

ROUNDS = 300


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.3085), (5, 10, 0.1871, 0.8129), (1, 20, 0.0013, 0.2487), (20, 20, 0.8316, 1.0)],
)
def test_shares_are_those_of_clopper_and_pearson(successes: int, n: int, low: float, high: float) -> None:
    """Published two-sided 95 % intervals."""
    assert list(share_between(successes, n, 0.95)) == pytest.approx([low, high], abs=5e-5)


def test_a_binomial_tail_and_its_quantile_are_each_others_inverse() -> None:
    assert Tail(3, 5).at(0.5) == pytest.approx(0.5)
    assert Tail(0, 5).at(0.1) == 1.0
    assert Tail(6, 5).at(0.9) == 0.0
    assert (Tail(2, 5).at(0.0), Tail(2, 5).at(1.0)) == (0.0, 1.0)
    for k, n, q in ((1, 1, 0.3), (40, 700, 0.95), (5_000, 10_000, 0.05)):
        assert Tail(k, n).at(order_quantile(q, k, n)) == pytest.approx(q, abs=1e-6)
    assert (order_quantile(0.5, 0, 9), order_quantile(0.5, 10, 9)) == (0.0, 1.0)


def test_a_share_lies_within_its_bounds_as_often_as_promised() -> None:
    """Readings of a known distribution, so that the true share below each threshold is known."""
    rng, inside, below = np.random.default_rng(7), 0, 0
    for _ in range(ROUNDS):
        readings = rng.random(150)
        both = for_share(readings, 0.3, confidence=0.9)
        assert both.promise.low is not None
        assert both.promise.high is not None
        inside += both.promise.low <= both.threshold <= both.promise.high
        most = for_share(readings, 0.3, confidence=0.9, most=True)
        below += most.threshold <= 0.3
    assert inside >= 0.9 * ROUNDS - 3 * (0.09 * ROUNDS) ** 0.5
    assert below >= 0.9 * ROUNDS - 3 * (0.09 * ROUNDS) ** 0.5


@pytest.mark.parametrize("kept", [False, True])
def test_a_quality_is_kept_as_often_as_promised(kept: bool) -> None:
    """The small model is right as often as it is sure; the mean over all prompts to come is known in closed form."""
    rng, broken, useful = np.random.default_rng(11), 0, 0
    asked = 0.85 if not kept else 0.95
    for seed in range(ROUNDS):
        readings = rng.random(400)
        data = Measured(
            readings={"check": readings}, small=(rng.random(400) < readings).astype(float),
            strong=(rng.random(400) < 0.92).astype(float), features=None, groups=np.arange(400),
        )  # fmt: skip
        try:
            found = for_quality(data, readings, asked, confidence=0.9, kept=kept, seed=seed)
        except TableError:
            continue  # nothing was promised, so nothing is broken
        t = min(1.0, max(0.0, found.threshold))
        true = 0.92 * t + (1 - t**2) / 2
        broken += true < (asked * 0.92 if kept else asked) - 1e-12
        useful += t < 1
    assert broken <= 0.1 * ROUNDS + 3 * (0.09 * ROUNDS) ** 0.5
    assert useful > ROUNDS / 2, "a promise that always escalates everything would be none"


def test_a_p_value_is_small_only_by_chance_where_the_mean_is_at_the_level() -> None:
    rng = np.random.default_rng(3)
    small = sum(mean_is_less((rng.random(300) < 0.3).astype(float), 0.3) <= 0.1 for _ in range(ROUNDS))
    assert small <= 0.1 * ROUNDS + 3 * (0.09 * ROUNDS) ** 0.5
    assert mean_is_less((rng.random(300) < 0.1).astype(float), 0.3) < 0.001
    assert mean_is_less(np.zeros(10), 0.0) == 1.0


def test_every_threshold_escalates_what_it_counts() -> None:
    readings = np.array([0.5, np.nan, 0.2, 0.5, 0.9, 0.2])
    found = cuts(readings)
    assert found.below.tolist() == [1, 3, 5, 6]
    for value, below in zip(found.values, found.below, strict=True):
        assert escalated(readings, float(value)).sum() == below
    assert for_share(readings, 0.5, confidence=0.95).below == 3


def test_a_cost_is_a_share_in_other_words() -> None:
    readings = np.linspace(0, 1, 1_000)
    found = for_cost(readings, 0.004, small_usd=0.001, strong_usd=0.01, confidence=0.95)
    assert found.promise.high is not None
    assert found.promise.high <= 0.004
    assert found.promise.found == pytest.approx(0.001 + 0.01 * found.below / 1_000)
    assert 0.25 < found.below / 1_000 < 0.3
    with pytest.raises(TableError, match=r"do not pay the small model's 0\.005"):
        for_cost(readings, 0.004, small_usd=0.005, strong_usd=0.01, confidence=0.95)


def test_what_cannot_be_promised_is_said() -> None:
    readings = np.linspace(0, 1, 30)
    with pytest.raises(TableError, match=r"at most 1\.0% cannot be promised by 30 prompts: 9\.5% is the least"):
        for_share(readings, 0.01, confidence=0.95, most=True)
    poor = Measured(
        readings={"check": readings}, small=readings, strong=np.full(30, 0.5), features=None, groups=np.arange(30)
    )
    with pytest.raises(TableError, match=r"a quality of 0\.9 cannot be promised by 30 prompts, not even by escalating"):
        for_quality(poor, readings, 0.9, confidence=0.95, kept=False)
    with pytest.raises(TableError, match="no answer has a reading"):
        cuts(np.full(5, np.nan))
