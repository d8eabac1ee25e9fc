"""Bounds that hold for any number of prompts, whatever their distribution, if those to come are drawn like them.

A threshold that is read off a table fits the table better than the prompts to come, and a few hundred prompts leave a
share of 30 % open by several points. So every promise has a bound with a stated confidence:

- **Shares** are exact. A threshold between the b-th and the next of n sorted readings has a share of all prompts below
  it that is distributed as an order statistic of uniform numbers (Wilks, Ann. Math. Stat. 12, 1941), so its bounds are
  beta quantiles: those of Clopper & Pearson (Biometrika 26, 1934) for b of n. That the readings were looked at costs
  nothing.
- **Means** of what lies between 0 and 1 are tested by betting (Waudby-Smith & Ramdas, JRSS B 86, 2024): whoever bets
  against "the mean loss is at least a" and multiplies the stake by 20 has shown the opposite at 95 %. The bets follow
  what was seen before, so a small variance gives a small bound, which Hoeffding's inequality does not.

Rejected: the bootstrap, whose intervals are right in the limit only; and normal approximations, for the same reason.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS: Final = 60
"""Halvings of a bisection: as exact as a float."""

BOLDEST: Final = 0.9
"""Of the stake that one bet may lose."""


class Tail:
    """At least k successes among n: its probability, for any probability of one."""

    __slots__ = ("_logs", "_x", "k", "n")

    def __init__(self, k: int, n: int) -> None:
        self.k, self.n = k, n
        factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
        self._x = np.arange(max(k, 0), n + 1)
        self._logs = factorials[n] - factorials[self._x] - factorials[n - self._x]

    def at(self, p: float) -> float:
        """The probability, if one success has probability p."""
        if self.k <= 0:
            return 1.0
        if self.k > self.n or p <= 0.0:
            return 0.0
        if p >= 1.0:
            return 1.0
        terms = self._logs + self._x * math.log(p) + (self.n - self._x) * math.log1p(-p)
        most = float(terms.max())
        return min(1.0, math.exp(most) * float(np.exp(terms - most).sum()))


def order_quantile(q: float, k: int, n: int) -> float:
    """The q-quantile of the k-th smallest of n uniform numbers: Beta(k, n − k + 1). 0 for k = 0, 1 for k > n."""
    if k <= 0:
        return 0.0
    if k > n:
        return 1.0
    tail, low, high = Tail(k, n), 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if tail.at(middle) >= q else (middle, high)
    return (low + high) / 2


def share_between(below: int, n: int, confidence: float) -> tuple[float, float]:
    """Where the share of prompts below a threshold lies that has `below` of n readings under it."""
    tail = (1.0 - confidence) / 2
    return order_quantile(tail, below, n), order_quantile(1.0 - tail, below + 1, n)


def share_at_most(below: int, n: int, confidence: float) -> float:
    """What that share is at most."""
    return order_quantile(confidence, below + 1, n)


def mean_is_less(losses: Floats, level: float) -> float:
    """A p-value for "the mean loss is at least `level`", of losses from 0 to 1 in an order drawn at random."""
    if not 0.0 < level <= 1.0:
        return 1.0
    count = np.arange(1, len(losses) + 1)
    mean = (0.5 + np.cumsum(losses)) / (count + 1)
    spread = (0.25 + np.cumsum((losses - mean) ** 2)) / (count + 1)
    before_mean = np.concatenate([[0.5], mean[:-1]])
    before_spread = np.concatenate([[0.25], spread[:-1]])
    gap = level - before_mean
    # The growth-optimal bet for what was seen so far, and never one that could lose more than the boldest.
    bet = np.clip(gap / (before_spread + gap**2), 0.0, BOLDEST / max(1e-12, 1.0 - level))
    wealth = np.cumsum(np.log1p(bet * (level - losses)))
    return math.exp(-max(0.0, float(wealth.max())))
