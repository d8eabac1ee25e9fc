"""Figures of points on the plane of cost and quality, and of predicted against measured quality. Pure functions.

Each names its source. Where a source leaves something open, the docstring says what was taken.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ARENA_BETA: Final = 0.1
ARENA_C_MAX: Final = 200.0
ARENA_C_MIN: Final = 0.0044
"""RouterArena's constants: what cost weighs beside accuracy, and dollars per 1,000 prompts at either end."""

BINS: Final = 10
"""Of a reliability diagram."""


def arena_score(accuracy: float | Floats, usd_per_1k: float | Floats) -> Floats:
    """RouterArena's score S = (1+β)·A·C / (β·A + C) (arXiv 2510.00202), from 0 to 1.

    A is accuracy; C = (log₂ c_max − log₂ c) / (log₂ c_max − log₂ c_min), with c dollars per 1,000 prompts, held within
    c_min and c_max so that C stays within 0 to 1.
    """
    held = np.clip(usd_per_1k, ARENA_C_MIN, ARENA_C_MAX)
    cheap = np.log2(ARENA_C_MAX / held) / np.log2(ARENA_C_MAX / ARENA_C_MIN)
    below = ARENA_BETA * np.asarray(accuracy) + cheap
    score: Floats = np.divide(
        (1 + ARENA_BETA) * np.asarray(accuracy) * cheap, below, out=np.zeros_like(below), where=below > 0
    )
    return score


def pareto(cost: Floats, quality: Floats) -> NDArray[np.bool_]:
    """Which points no other point beats: none is as cheap and better, or cheaper and as good. Twins are both kept."""
    cheaper = cost[None, :] <= cost[:, None]
    better = quality[None, :] >= quality[:, None]
    strictly = (cost[None, :] < cost[:, None]) | (quality[None, :] > quality[:, None])
    return np.logical_not((cheaper & better & strictly).any(axis=1))


def hull(cost: Floats, quality: Floats) -> tuple[Floats, Floats]:
    """The non-decreasing convex hull (RouterBench, arXiv 2403.12031, §3.2): what mixtures of these points can reach.

    From the cheapest point to the best one, costs and qualities rising.
    """
    found: list[tuple[float, float]] = []
    for at, height in sorted(
        zip(cost.tolist(), quality.tolist(), strict=True), key=lambda point: (point[0], -point[1])
    ):
        if found and height <= found[-1][1]:
            continue
        while len(found) > 1 and _slope(found[-2], (at, height)) >= _slope(found[-2], found[-1]):
            found.pop()
        if found and found[-1][0] == at:
            found.pop()
        found.append((at, height))
    return np.array([point[0] for point in found]), np.array([point[1] for point in found])


def aiq(cost: Floats, quality: Floats, low: float, high: float) -> float:
    """RouterBench's AIQ (arXiv 2403.12031, §3.2): the mean height of the hull between two costs.

    The range is the caller's, so that choosers can be compared; beyond its dearest point a hull goes on level, and
    below its cheapest one it counts as 0 (RouterBench mixes with a "zero router" there, which is kinder to the dear).
    """
    if not high > low:
        return float("nan")
    at, height = hull(cost, quality)
    inside = at[(at > low) & (at < high)]
    grid = np.concatenate([[low], inside, [high]])
    values = np.interp(grid, at, height)
    if at[0] <= low:
        return float(np.trapezoid(values, grid)) / (high - low)
    reached = grid >= at[0]
    return float(np.trapezoid(values[reached], grid[reached])) / (high - low)


def perf_gain(quality: Floats, best_single: float) -> float:
    """LLMRouterBench's PerfGain (arXiv 2601.07206): the best quality of all points over the best single's, − 1."""
    return float(quality.max()) / best_single - 1.0


def cost_save(cost: Floats, quality: Floats, best_single: float, its_cost: float) -> float:
    """LLMRouterBench's CostSave (arXiv 2601.07206): the largest saving among the points that lose nothing, NaN if none.

    Negative if all of those are dearer than the best single model.
    """
    lossless = cost[quality >= best_single - 1e-12]
    return float("nan") if not len(lossless) else 1.0 - float(lossless.min()) / its_cost


def pareto_distance(cost: Floats, quality: Floats, all_cost: Floats, all_quality: Floats) -> float:
    """How far these points lie from the front of all points, on average (after LLMRouterBench's ParetoDist).

    Both axes are scaled to the range of all points, and the distance is to the nearest point of the front's staircase
    corners. The paper does not fix its scaling in what we could read: compare within one report only.
    """
    front = pareto(all_cost, all_quality)
    scale = np.array([np.ptp(all_cost) or 1.0, np.ptp(all_quality) or 1.0])
    ours = np.column_stack([cost, quality]) / scale
    best = np.column_stack([all_cost[front], all_quality[front]]) / scale
    return float(np.sqrt(((ours[:, None] - best[None]) ** 2).sum(axis=2)).min(axis=1).mean())


def regret(quality: Floats, shares: Floats) -> Floats:
    """By prompt, what the best model would have had more than these shares of the models."""
    lost: Floats = quality.max(axis=1) - (quality * shares).sum(axis=1)
    return lost


class Reliability(NamedTuple):
    """Predicted against measured quality, in bins of the prediction that are not empty."""

    predicted: Floats
    measured: Floats
    prompts: NDArray[np.int64]


def reliability(predicted: Floats, measured: Floats, bins: int = BINS) -> Reliability:
    """Bins of equal width over 0 to 1 (Guo et al., arXiv 1706.04599)."""
    where = np.minimum((np.clip(predicted, 0, 1) * bins).astype(np.int64), bins - 1)
    count = np.bincount(where, minlength=bins)
    there = count > 0
    sums = [np.bincount(where, weights=values, minlength=bins)[there] for values in (predicted, measured)]
    return Reliability(sums[0] / count[there], sums[1] / count[there], count[there])


def ece(predicted: Floats, measured: Floats, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al., arXiv 1706.04599): mean gap of the bins, by their share of prompts."""
    found = reliability(predicted, measured, bins)
    return float((np.abs(found.predicted - found.measured) * found.prompts).sum() / len(predicted))


def brier(predicted: Floats, measured: Floats) -> float:
    """Mean squared error of the prediction (Brier 1950); for scores between 0 and 1 as for right and wrong."""
    return float(((predicted - measured) ** 2).mean())


def _slope(left: tuple[float, float], right: tuple[float, float]) -> float:
    return (right[1] - left[1]) / (right[0] - left[0]) if right[0] > left[0] else float("inf")
