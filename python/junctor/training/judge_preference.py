"""What a scorer of comparisons is worth on prompts that it had not seen, beside ratings alone and a coin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from junctor.evaluation.resampling import Bootstrap, Interval, interval
from junctor.training.comparisons import Comparisons
from junctor.training.preference import Preferred
from junctor.training.ratings import ELO

Floats = NDArray[np.float64]

BINS: Final = 10
"""Of the calibration error: equal counts, so that no bin is a single row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFigures:
    """Out of fold: squared error of the predicted chance, and the share of decided rows whose winner was predicted."""

    error: dict[str, Interval]
    winner: dict[str, Interval]
    gain: Interval
    """In squared error, of prompts over ratings alone: above 0 is better."""
    calibration: float
    """Mean distance between predicted chance and what happened, over bins of rows."""
    points: dict[str, tuple[float, float]]
    """Elo points of each model, 1,000 on average, and 95 % of them to either side."""

    def as_json(self) -> dict[str, Any]:
        """Plain data; an interval is value, low, high."""
        return {
            "error": {name: list(value) for name, value in self.error.items()},
            "winner": {name: list(value) for name, value in self.winner.items()},
            "gain": list(self.gain),
            "calibration": self.calibration,
            "points": {name: list(value) for name, value in self.points.items()},
        }


def judge_preference(made: Comparisons, trained: Preferred, *, draws: int = 1_000, seed: int = 0) -> PairFigures:
    """The figures of a scorer on the comparisons that it was trained on, by its predictions out of fold."""
    boot = Bootstrap(made.groups, draws, seed)
    chances = {"scorer": trained.predicted, "ratings alone": trained.alone, "coin": np.full(len(made), 0.5)}
    errors = {name: (chance - made.won) ** 2 for name, chance in chances.items()}
    decided = made.won != 0.5
    sure = Bootstrap(made.groups[decided], draws, seed)
    # Who says even odds is right half of the time.
    right = {
        name: np.where(chance == 0.5, 0.5, (chance > 0.5) == (made.won > 0.5))[decided]
        for name, chance in chances.items()
    }

    def mean(values: Floats, by: Bootstrap) -> Interval:
        return interval(float(values.mean()), by.mean(values))

    points = zip(made.models, 1_000 + ELO * trained.ratings, 1.96 * ELO * trained.errors, strict=True)
    return PairFigures(
        error={name: mean(values, boot) for name, values in errors.items()},
        winner={name: mean(values.astype(float), sure) for name, values in right.items()},
        gain=mean(errors["ratings alone"] - errors["scorer"], boot),
        calibration=_calibration(trained.predicted, made.won),
        points={name: (float(point), float(wide)) for name, point, wide in points},
    )


def _calibration(chance: Floats, won: Floats) -> float:
    order = np.argsort(chance, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    return float(np.mean([abs(chance[part].mean() - won[part].mean()) for part in parts]))
