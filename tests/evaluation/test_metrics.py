"""Figures: against numbers worked out by hand, and against naive versions that loop."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.evaluation import metrics
from junctor.evaluation.curves import Curve, apgr, cpt, pair_curve, recovered_at

SCORES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([-1.0, 0.0, 0.5, 1.0])), min_size=2, max_size=30)
POINTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12)


def array(*values: float) -> metrics.Floats:
    """These numbers."""
    return np.array(values, np.float64)


def test_the_curve_of_a_pair_by_hand() -> None:
    """Four prompts, gains 1, 0, 1, −1: in this order the curve is 0, ½·2, …"""
    curve = pair_curve(array(4, 3, 2, 1), array(1, 0, 1, -1))
    np.testing.assert_allclose(curve.share, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.recovered, [0, 1, 1, 2, 1])
    # trapezoids: .125 + .25 + .375 + .375
    assert float(apgr(curve)) == pytest.approx(1.125)
    assert float(cpt(curve, 0.5)) == pytest.approx(0.125)
    assert float(cpt(curve, 1.0)) == pytest.approx(0.25)
    assert float(cpt(curve, 1.5)) == pytest.approx(0.625)
    assert math.isnan(float(cpt(curve, 2.5)))
    np.testing.assert_allclose(recovered_at(curve, array(0.125, 0.5)), [0.5, 1])


def test_a_constant_score_is_random_choice() -> None:
    """Whatever the order of rows: APGR ½, CPT(x) = x."""
    curve = pair_curve(np.zeros(7), array(1, 1, 1, 0, 0, 0, -1))
    assert (float(apgr(curve)), float(cpt(curve, 0.5)), float(cpt(curve, 0.8))) == pytest.approx((0.5, 0.5, 0.8))


def test_without_a_gap_there_is_no_recovery() -> None:
    """NaN where the strong model is not better, instead of a division by nothing."""
    curve = pair_curve(array(1, 2), array(1, -1))
    assert math.isnan(float(apgr(curve)))
    assert math.isnan(float(cpt(curve, 0.5)))


@given(SCORES, st.integers(0, 99))
def test_the_curve_is_the_mean_over_all_orders_of_ties(cases: list[tuple[int, float]], seed: int) -> None:
    """Against a loop that breaks ties at random: its mean area tends to ours; between ties the corners are equal."""
    score, gain = np.array([s for s, _ in cases], float), np.array([g for _, g in cases])
    curve = pair_curve(score, gain)
    if gain.sum() <= 0:
        assert np.isnan(curve.recovered[1:]).all()
        return
    naive = [0.0]
    for level in sorted(set(score), reverse=True):
        naive.append(gain[score >= level].sum() / gain.sum())
    np.testing.assert_allclose(curve.recovered, naive, atol=1e-9)
    areas = [_area_in_order(score, gain, np.random.default_rng([seed, turn])) for turn in range(40)]
    spread = np.std(areas) / math.sqrt(40) * 5 + 1e-9
    assert abs(np.mean(areas) - float(apgr(curve))) <= spread + 2 / len(gain)


def _area_in_order(score: metrics.Floats, gain: metrics.Floats, rng: np.random.Generator) -> float:
    """The area of a curve that calls the strong model one prompt after the other."""
    order = sorted(range(len(score)), key=lambda row: (-score[row], rng.random()))
    sums = [0.0, *itertools.accumulate(gain[row] for row in order)]
    return float(sum((a + b) / 2 for a, b in itertools.pairwise(sums)) / len(order) / gain.sum())


@given(SCORES)
def test_a_weighted_curve_is_the_curve_of_repeated_rows(cases: list[tuple[int, float]]) -> None:
    """A weight of three is the row three times, a weight of none its absence; all draws at once."""
    score, gain = np.array([s for s, _ in cases], float), np.array([g for _, g in cases])
    weights = np.random.default_rng(len(cases)).integers(0, 4, (5, len(cases))).astype(float)
    weights[:, 0] += 1
    together = apgr(pair_curve(score, gain, weights))
    wanted = cpt(pair_curve(score, gain, weights), 0.5)
    for draw, row in enumerate(weights):
        again = np.repeat(np.arange(len(score)), row.astype(int))
        alone = pair_curve(score[again], gain[again])
        np.testing.assert_allclose(together[draw], apgr(alone), atol=1e-9)
        np.testing.assert_allclose(wanted[draw], cpt(alone, 0.5), atol=1e-9)


def test_cpt_reads_the_first_crossing() -> None:
    """A curve that falls again has been there already."""
    curve = Curve(array(0, 0.2, 0.6, 1), array(0, 0.8, 0.3, 1))
    assert float(cpt(curve, 0.4)) == pytest.approx(0.1)
    assert float(cpt(curve, 0.8)) == pytest.approx(0.2)
    assert float(cpt(curve, 0.9)) == pytest.approx(0.6 + 0.4 * 6 / 7)


@pytest.mark.parametrize(
    ("accuracy", "usd", "score"),
    [
        (1.0, 0.0044, 1.0),
        (1.0, 200.0, 0.0),
        (0.0, 1.0, 0.0),
        (0.5, 0.0044, 1.1 * 0.5 / (0.05 + 1)),
        (0.7, 1.0, 1.1 * 0.7 * 0.494082 / (0.07 + 0.494082)),  # C = log2(200) / log2(200 / 0.0044) = 7.6439 / 15.4721
        (0.7, 1e-9, 1.1 * 0.7 / 1.07),
    ],
)
def test_the_arena_score_by_hand(accuracy: float, usd: float, score: float) -> None:
    """RouterArena's formula with its constants, and within its bounds."""
    assert float(metrics.arena_score(accuracy, usd)) == pytest.approx(score, abs=1e-4)


def test_the_hull_and_its_mean_height_by_hand() -> None:
    """(1, .2), (2, .6), (3, .7), (4, .9), (5, .5): the third is below the line, the fifth falls."""
    cost, quality = array(1, 2, 3, 4, 5), array(0.2, 0.6, 0.7, 0.9, 0.5)
    at, height = metrics.hull(cost, quality)
    np.testing.assert_allclose(at, [1, 2, 4])
    np.testing.assert_allclose(height, [0.2, 0.6, 0.9])
    # .4 + 1.5 + .9 over four; from 0 on nothing is there until 1
    assert metrics.aiq(cost, quality, 1, 5) == pytest.approx(2.8 / 4)
    assert metrics.aiq(cost, quality, 0, 5) == pytest.approx(2.8 / 5)
    assert metrics.aiq(cost, quality, 2, 3) == pytest.approx(0.675)
    assert math.isnan(metrics.aiq(cost, quality, 2, 2))


@given(POINTS)
def test_the_hull_is_above_every_mixture(points: list[tuple[int, int]]) -> None:
    """Against all pairs of points: at each cost no mixture of two is higher, and the hull is one of them."""
    cost, quality = np.array(points, float).T
    at, height = metrics.hull(cost, quality)
    for where in np.linspace(cost.min(), cost.max() + 1, 9):
        best = max(
            (qa if ca <= where else -1) if ca == cb else qa + (qb - qa) * min(1, (where - ca) / (cb - ca))
            for (ca, qa), (cb, qb) in itertools.product(zip(cost, quality, strict=True), repeat=2)
            if ca <= where and (ca <= cb)
        )
        best = max(best, max(q for c, q in zip(cost, quality, strict=True) if c <= where))
        assert float(np.interp(where, at, height)) == pytest.approx(best, abs=1e-9)


@given(POINTS)
def test_the_front_is_what_no_point_beats(points: list[tuple[int, int]]) -> None:
    """Against a loop."""
    cost, quality = np.array(points, float).T
    kept = [
        not any((c2 <= c and q2 >= q) and (c2 < c or q2 > q) for c2, q2 in points) for c, q in points
    ]  # fmt: skip
    assert metrics.pareto(cost, quality).tolist() == kept


def test_llmrouterbench_figures_by_hand() -> None:
    """Points (1, .5), (2, .62), (4, .66); the best single is .6 at 4."""
    cost, quality = array(1, 2, 4), array(0.5, 0.62, 0.66)
    assert metrics.perf_gain(quality, 0.6) == pytest.approx(0.1)
    assert metrics.cost_save(cost, quality, 0.6, 4) == pytest.approx(0.5)
    assert math.isnan(metrics.cost_save(cost, quality, 0.7, 4))
    assert metrics.cost_save(array(5), array(0.6), 0.6, 4) == pytest.approx(-0.25)
    # front (0, 0), (4, 1): the point (4, .5) is half the range below (4, 1)
    assert metrics.pareto_distance(array(4), array(0.5), array(0, 4, 4), array(0, 1, 0.5)) == pytest.approx(0.5)
    assert metrics.pareto_distance(array(4), array(1), array(0, 4, 4), array(0, 1, 0.5)) == 0


def test_regret_by_hand() -> None:
    """What the best would have had more, for shares of the models."""
    quality = np.array([[0, 1], [1, 0.5], [1, 1]])
    shares = np.array([[0.5, 0.5], [0, 1], [1, 0]])
    np.testing.assert_allclose(metrics.regret(quality, shares), [0.5, 0.5, 0])


def test_calibration_by_hand() -> None:
    """Bins of .1: two predictions of .05 with half of them right, two of .95 that are both right."""
    predicted, measured = array(0.05, 0.05, 0.95, 1.0), array(0, 1, 1, 1)
    found = metrics.reliability(predicted, measured)
    np.testing.assert_allclose(found.predicted, [0.05, 0.975])
    np.testing.assert_allclose(found.measured, [0.5, 1])
    assert found.prompts.tolist() == [2, 2]
    assert metrics.ece(predicted, measured) == pytest.approx((0.45 + 0.025) / 2)
    assert metrics.brier(predicted, measured) == pytest.approx((0.0025 + 0.9025 + 0.0025 + 0) / 4)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40))
def test_calibration_against_a_loop(pairs: list[tuple[float, float]]) -> None:
    """Bin by bin."""
    predicted, measured = np.array(pairs).T
    total = 0.0
    for k in range(10):
        inside = [(p, m) for p, m in pairs if min(int(p * 10), 9) == k]
        if inside:
            total += abs(sum(p for p, _ in inside) - sum(m for _, m in inside))
    assert metrics.ece(predicted, measured) == pytest.approx(total / len(pairs), abs=1e-9)
