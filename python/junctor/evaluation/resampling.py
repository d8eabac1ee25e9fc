"""How sure a figure is: draws of the prompts with replacement, and exact tests of "better".

Prompts that are equal are drawn together (a cluster bootstrap): two copies of one question are one observation. All
figures of a report are made from the same draws, so the difference of two of them is paired for free. What such an
interval holds is the chance of *these prompts*; that tomorrow's prompts are of another kind, no bootstrap knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS: Final = 1_000
LEVEL: Final = 0.95
CELLS: Final = 4_000_000
"""Of weights at once: 32 MB, whatever the size of the table."""


class Interval(NamedTuple):
    """A figure with the bounds that hold the middle 95 % of its draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws over groups of equal prompts: weights of the prompts, the same ones each time."""

    groups: NDArray[np.int64]
    draws: int = DRAWS
    seed: int = 0

    def of(self, figure: Callable[[Floats], Floats]) -> Floats:
        """The figure for all draws; it is given weights (some draws, prompts) and answers (some draws, …)."""
        _, group = np.unique(self.groups, return_inverse=True)
        count = int(group.max()) + 1
        rng = np.random.default_rng(self.seed)
        step = max(1, CELLS // len(group))
        found = []
        for first in range(0, self.draws, step):
            size = min(step, self.draws - first)
            drawn = rng.integers(0, count, (size, count))
            counts = np.zeros((size, count))
            for row, picks in zip(counts, drawn, strict=True):
                row += np.bincount(picks, minlength=count)
            found.append(figure(counts[:, group]))
        return np.concatenate(found)

    def mean(self, values: Floats) -> Floats:
        """Draws of the mean of values by prompt: (draws,), or (draws, columns) for several columns."""
        return self.of(lambda weights: weights @ values / _over(weights.sum(axis=1), values))


def interval(value: float, draws: Floats, level: float = LEVEL) -> Interval:
    """The figure between its draws' percentiles; NaN bounds if no draw has a value."""
    there = draws[~np.isnan(draws)]
    if not len(there):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def swapped_p(difference: Floats, groups: NDArray[np.int64], draws: int = 10_000, seed: int = 0) -> float:
    """How often chance alone makes the mean difference as large: signs of whole groups swapped at random, two-sided.

    One is added above and below (Phipson & Smyth 2010), so that no finite number of draws claims p = 0.
    """
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group, weights=difference)
    sums = sums[np.abs(sums) > 1e-12]
    if not len(sums):
        return 1.0
    rng = np.random.default_rng(seed)
    observed, as_large, done = abs(sums.sum()) - 1e-9, 0, 0
    while done < draws:
        size = min(draws - done, max(1, CELLS // len(sums)))
        signs = rng.integers(0, 2, (size, len(sums))) * 2.0 - 1.0
        as_large += int((np.abs(signs @ sums) >= observed).sum())
        done += size
    return (as_large + 1) / (draws + 1)


def sign_p(wins: int, losses: int) -> float:
    """The exact two-sided sign test: how often a fair coin is as uneven as wins to losses."""
    count, few = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    logs = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(few + 1)]
    most = max(logs)
    tail = most + math.log(sum(math.exp(value - most) for value in logs)) - count * math.log(2)
    return min(1.0, 2 * math.exp(tail))


def _over(total: Floats, values: Floats) -> Floats:
    return total if values.ndim == 1 else total[:, None]
