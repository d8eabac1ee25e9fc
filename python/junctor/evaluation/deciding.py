"""From predicted quality to a choice: shares of the models for each prompt.

A choice is an array of (prompts, models) whose rows sum to 1: whatever ties is shared equally, so a chooser that knows
nothing is random choice exactly, and no order of the models can flatter it. Costs here are what is known beforehand,
the mean of a model on the training folds; what an answer really cost is only for judging.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Decide = Callable[[Floats, Floats, float], Floats]
"""From predicted quality and expected cost, both (prompts, models), and a setting, to shares."""

TIE: Final = 1e-12


def best(scores: Floats) -> Floats:
    """The model of the highest score."""
    return _shared(scores >= scores.max(axis=1, keepdims=True) - TIE)


def traded(scores: Floats, cost: Floats, price: float) -> Floats:
    """The highest score less `price` times the cost in dollars: what a dollar is worth in quality."""
    return best(scores - price * cost)


def above_floor(scores: Floats, cost: Floats, floor: float) -> Floats:
    """The cheapest model whose score is at least `floor`; the best one where there is none."""
    able = scores >= floor - TIE
    able |= (scores >= scores.max(axis=1, keepdims=True) - TIE) & ~able.any(axis=1, keepdims=True)
    cheapest = np.where(able, cost, np.inf)
    return _shared(able & (cheapest <= cheapest.min(axis=1, keepdims=True) + TIE))


def within_gap(scores: Floats, cost: Floats, gap: float) -> Floats:
    """The cheapest model that is at most `gap` below the best one: a family with a tolerated loss.

    0 is always the best, 1 always the cheapest (as Bedrock's prompt routing does, arXiv 2509.06274).
    """
    able = scores >= scores.max(axis=1, keepdims=True) - gap - TIE
    cheapest = np.where(able, cost, np.inf)
    return _shared(able & (cheapest <= cheapest.min(axis=1, keepdims=True) + TIE))


OBJECTIVES: Final[dict[str, Decide]] = {"trade": traded, "floor": above_floor, "gap": within_gap}


def settings(objective: str, cost: Floats, points: int = 48) -> list[float]:
    """The settings that a curve goes through: from quality alone to cost alone."""
    if objective == "trade":
        spread = float(np.ptp(cost.mean(axis=0)))
        return [0.0] + ([] if spread <= 0 else list(np.geomspace(1e-3, 1e2, points) / spread))
    return list(np.linspace(0.0, 1.0, points + 1))


def _shared(chosen: NDArray[np.bool_]) -> Floats:
    """Equal shares of what is chosen in each row."""
    counted: Floats = chosen / chosen.sum(axis=1, keepdims=True)
    return counted
