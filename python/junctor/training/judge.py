"""What a trained scorer is worth on prompts that it had not seen, beside what needs no scorer.

A figure alone says nothing: .68 of a curve's area may be all that the length of a prompt knows. So the best single
model, a random choice, the task's label (where the table has one) and an oracle stand beside it, with intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from junctor.evaluation import Table
from junctor.evaluation.curves import apgr, pair_curve
from junctor.evaluation.resampling import Bootstrap, Interval, interval
from junctor.training.fit import Trained

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Out of fold. Of the fleet: mean quality of the best predicted model. Of the pair with the widest gap: APGR."""

    fleet: dict[str, Interval]
    gain: Interval
    """Of the best predicted model over the best single one."""
    weak: str
    strong: str
    pair: dict[str, Interval]
    means: dict[str, float]
    brier: dict[str, tuple[float, float]]
    """Mean squared error of each model's predictions, and of its mean."""

    def as_json(self) -> dict[str, Any]:
        """Plain data; an interval is value, low, high."""
        return {
            "fleet": {name: list(value) for name, value in self.fleet.items()},
            "gain": list(self.gain),
            "pair": {"weak": self.weak, "strong": self.strong, **{k: list(v) for k, v in self.pair.items()}},
            "means": self.means,
            "brier": {name: list(value) for name, value in self.brier.items()},
        }


def judge(table: Table, trained: Trained, *, draws: int = 1_000, seed: int = 0) -> Figures:
    """The figures of a scorer on the table that it was trained on, by its predictions out of fold."""
    whole = ~np.isnan(table.quality).any(axis=1)
    if not whole.any():
        raise ValueError(f"{table.source}: no prompt was measured on every model, so no choice can be judged")
    quality, predicted, groups = table.quality[whole], trained.predicted[whole], table.groups[whole]
    prompts = [table.prompts[row] for row in np.flatnonzero(whole)]
    tasks = None if table.tasks is None else np.array(table.tasks)[whole]
    fold = trained.fold[whole]
    means = quality.mean(axis=0)
    boot = Bootstrap(groups, draws, seed)
    rows = np.arange(len(quality))
    chosen, best = quality[rows, predicted.argmax(axis=1)], quality[:, means.argmax()]
    of_fleet = {"scorer": chosen, "best single": best, "random": quality.mean(axis=1), "oracle": quality.max(axis=1)}
    if tasks is not None:
        of_fleet["task label"] = quality[rows, _by_label(tasks, quality, fold).argmax(axis=1)]

    def mean(values: Floats) -> Interval:
        return interval(float(values.mean()), boot.mean(values))

    weak, strong = int(means.argmin()), int(means.argmax())
    gain = quality[:, strong] - quality[:, weak]
    scores = {
        "scorer": predicted[:, strong] - predicted[:, weak],
        "length": np.array([float(len(prompt)) for prompt in prompts]),
        "oracle": gain,
    }
    if tasks is not None:
        scores["task label"] = _by_label(tasks, gain[:, None], fold)[:, 0]

    def area(score: Floats) -> Interval:
        curve = pair_curve(score, gain)
        return interval(float(apgr(curve)), boot.of(lambda weights: apgr(pair_curve(score, gain, weights))))

    errors = zip(predicted.T, quality.T, means, table.models, strict=True)
    return Figures(
        fleet={name: mean(values) for name, values in of_fleet.items()},
        gain=mean(chosen - best),
        weak=table.models[weak],
        strong=table.models[strong],
        pair={name: area(score) for name, score in scores.items()},
        means=dict(zip(table.models, means.tolist(), strict=True)),
        brier={name: (float(((p - q) ** 2).mean()), float(((m - q) ** 2).mean())) for p, q, m, name in errors},
    )


def _by_label(tasks: NDArray[np.str_], values: Floats, fold: NDArray[np.int64]) -> Floats:
    """For each prompt the means over its task in the other folds; of all tasks where those have none of it."""
    found = np.zeros_like(values)
    for number in np.unique(fold):
        held = fold == number
        for task in np.unique(tasks[held]):
            same = ~held & (tasks == task)
            found[held & (tasks == task)] = values[same if same.any() else ~held].mean(axis=0)
    return found
