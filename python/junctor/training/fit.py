"""Training: out-of-fold predictions, calibration, the abstain band, the final weights, the file.

Every figure that is told of a scorer comes from predictions of prompts that it had not seen, nor any equal to them;
calibrated by curves that had not seen them either. The weights in the file are trained on everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from junctor import _core
from junctor.evaluation import Table, TableError
from junctor.training.calibrate import KEPT, KEPT_WITH_TASKS, band, calibrated, knots
from junctor.training.design import Design, Features, design, told
from junctor.training.ridge import ridge

Floats = NDArray[np.float64]

LEAST_PROMPTS: Final = 100
"""Different ones: with fewer, five folds calibrate on next to nothing."""
MOST_MODELS: Final = 32
"""What an artifact has room for."""
SECONDS_PER_DAY: Final = 86_400
TASK_PRIOR: Final = 20.0
"""Prompts that the mean of all is worth beside those of a task: a task of a few prompts says next to nothing."""


class TrainingError(TableError):
    """A table cannot be trained on: one sentence with the thing, the value, what is allowed and a hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train. The defaults were chosen by cross-validation (docs/decisions/036); more rarely pays."""

    features: Features = field(default_factory=Features)
    strength: float = 16.0
    task_strength: float = 2.0
    """Of the ridge that predicts the task's mean, where the table has tasks: means are less noisy than answers."""
    folds: int = 5
    seed: int = 0
    day: int | None = None
    """Days since 1970, for the file; today if not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A scorer, and what it predicted out of fold. `rounding` is the most that bytes instead of floats change."""

    artifact: bytes
    models: tuple[str, ...]
    predicted: Floats
    """Prompts × models, out of fold and calibrated."""
    fold: NDArray[np.int64]
    """Of each prompt; predictions come from the other folds."""
    abstained: NDArray[np.bool_]
    band: float
    rounding: float
    took_s: float
    notes: tuple[str, ...] = ()
    """Sentences about what was chosen and what was left out, for people."""


def train(table: Table, recipe: Recipe | None = None, *, tell: Callable[[str], None] = lambda _: None) -> Trained:
    """Trains a scorer for the models of a table. `tell` hears how far it is.

    Raises `TrainingError` for a table that teaches nothing.
    """
    recipe = recipe or Recipe()
    began = time.perf_counter()
    _check(table, recipe)
    tell("reading the prompts")
    made = design(table.prompts, recipe.features, table.outlines)
    fold = _folds(table, recipe)
    raw = np.zeros(table.quality.shape)
    for number in range(recipe.folds):
        tell(f"fold {number + 1} of {recipe.folds}")
        train_on, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        raw[held] = _Fit(made, table, train_on, recipe).raw(made, held)
    kept = KEPT if table.tasks is None else KEPT_WITH_TASKS
    predicted = cross_calibrated(raw, table.quality, fold, kept)
    tell("the whole table")
    everything = np.arange(len(table))
    fit = _Fit(made, table, everything, recipe)
    curves = [knots(*known_cells(raw[:, model], table.quality[:, model]), kept) for model in range(len(table.models))]
    width = band(predicted, table.quality, fit.means)
    artifact = _pack(table, recipe, fit, curves, width)
    return Trained(
        artifact=artifact,
        models=table.models,
        predicted=predicted,
        fold=fold,
        abstained=np.abs(predicted - fit.means).max(axis=1) < width,
        band=width,
        rounding=_rounding(artifact, table, fit.raw(made, everything), curves),
        took_s=time.perf_counter() - began,
    )


class _Fit:
    """Weights of all models, trained on some of the prompts; `means` are the labels' there.

    Where prompts have tasks the weights are a sum: of those that predict the mean of the prompt's task, and of those
    that predict what is left. The first is learned from much less noise, so it may be followed much closer. Serving
    needs no task: a sum of linear models is one.
    """

    def __init__(self, made: Design, table: Table, rows: NDArray[np.int64], recipe: Recipe) -> None:
        quality = table.quality[rows]
        known = ~np.isnan(quality)
        self.means: Floats = _means(quality, known)
        usual = np.tile(self.means, (len(rows), 1))
        rarity = made.rarity(rows)
        x, measured = made.x[rows].multiply(rarity).tocsr(), known.astype(np.float32)

        def solved(target: Floats, strength: float) -> NDArray[np.float32]:
            return ridge(x, np.where(known, target, 0.0).astype(np.float32), measured, strength)

        weights: NDArray[np.float32] | float = 0.0
        if table.tasks is not None:
            of_task = by_task([table.tasks[row] for row in rows], quality, self.means)
            weights, usual = solved(of_task - usual, recipe.task_strength), of_task
        self.weights = (weights + solved(quality - usual, recipe.strength)) * rarity[:, None]

    def raw(self, made: Design, rows: NDArray[np.int64]) -> Floats:
        """Predictions before calibration."""
        found: Floats = self.means + (made.x[rows] @ self.weights).astype(np.float64)
        return found


def by_task(tasks: Sequence[str], quality: Floats, means: Floats) -> Floats:
    """For each prompt the mean quality in its task, for each model; of few prompts drawn towards the mean of all."""
    _, of = np.unique(tasks, return_inverse=True)
    known = ~np.isnan(quality)
    sums, counts = np.zeros((int(of.max()) + 1, len(means))), np.zeros((int(of.max()) + 1, len(means)))
    np.add.at(sums, of, np.where(known, quality, 0.0))
    np.add.at(counts, of, known)
    found: Floats = ((sums + TASK_PRIOR * means) / (counts + TASK_PRIOR))[of]
    return found


def _means(quality: Floats, known: NDArray[np.bool_]) -> Floats:
    found: Floats = np.where(known, quality, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return found


def cross_calibrated(raw: Floats, quality: Floats, fold: NDArray[np.int64], kept: float = KEPT) -> Floats:
    """Calibrates each fold by the curves of the others."""
    found = np.zeros_like(raw)
    for number in range(int(fold.max()) + 1):
        held = fold == number
        for model in range(raw.shape[1]):
            points = knots(*known_cells(raw[~held, model], quality[~held, model]), kept)
            found[held, model] = calibrated(raw[held, model], points)
    return found


def known_cells(raw: Floats, quality: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(quality)
    return raw[known], quality[known]


def _folds(table: Table, recipe: Recipe) -> NDArray[np.int64]:
    """A fold for each prompt, equal prompts in the same."""
    count = int(table.groups.max()) + 1
    dealt = np.arange(count) % recipe.folds
    drawn: NDArray[np.int64] = np.random.default_rng(recipe.seed).permutation(dealt)[table.groups]
    return drawn


def _pack(table: Table, recipe: Recipe, fit: _Fit, curves: list[list[tuple[float, float]]], width: float) -> bytes:
    features, day = recipe.features, recipe.day
    means = fit.means.tolist()
    models = [
        {"name": name, "label_mean": mean, "bias": mean, "knots": points}
        for name, mean, points in zip(table.models, means, curves, strict=True)
    ]
    facts = {
        "bits": features.bits,
        "pairs": features.pairs,
        "grams": features.grams,
        "fields": [] if table.outlines is None else table.outlines.fields,
        "scales": features.scales,
        "band": width,
        "rows": len(table),
        "day": int(time.time()) // SECONDS_PER_DAY if day is None else day,
        "models": models,
    }
    return _core.pack_scorer(msgspec.json.encode(facts), np.ascontiguousarray(fit.weights, np.float32).tobytes())


def _rounding(artifact: bytes, table: Table, raw: Floats, curves: list[list[tuple[float, float]]]) -> float:
    """Reads the file back and compares: the largest difference over prompts and models."""
    exact = np.column_stack([calibrated(raw[:, model], points) for model, points in enumerate(curves)])
    return float(np.abs(exact - told(_core.Scorer(artifact), table)).max())


def _check(table: Table, recipe: Recipe) -> None:
    different = len(np.unique(table.groups))
    if different < LEAST_PROMPTS:
        raise TrainingError(
            f"{table.source}: it has {different} different prompts; training needs at least {LEAST_PROMPTS}: "
            "collect more answers, or set `quality` of the deployments by hand"
        )
    if len(table.models) > MOST_MODELS:
        raise TrainingError(
            f"{table.source}: it has {len(table.models)} models; a scorer holds up to {MOST_MODELS}: name fewer"
        )
    for row, prompt in enumerate(table.prompts):
        if not prompt.strip():
            raise TrainingError(
                f"{table.source}: the prompt of {table.ids[row]!r} is empty; a prompt needs text: leave its row out"
            )
    for model, name in enumerate(table.models):
        known = table.quality[:, model][~np.isnan(table.quality[:, model])]
        if len(known) < LEAST_PROMPTS:
            raise TrainingError(
                f"{table.source}: {name!r} was measured on {len(known)} prompts; training needs at least "
                f"{LEAST_PROMPTS}: measure more, or leave it out and name a model that it is `like`"
            )
        if known.min() == known.max():
            raise TrainingError(
                f"{table.source}: every answer of {name!r} has quality {known[0]:g}; training needs better and worse "
                "ones: leave it out, and set `quality` of its deployments"
            )
    if not 2 <= recipe.folds <= different:
        raise TrainingError(f"folds is {recipe.folds}; allowed is 2 to {different}, usually 5")
    for name, strength, usual in (
        ("strength", recipe.strength, 16),
        ("task_strength", recipe.task_strength, 2),
    ):
        if not 0 < strength < float("inf"):
            raise TrainingError(f"{name} is {strength}; allowed is a number above 0, usually {usual}")
