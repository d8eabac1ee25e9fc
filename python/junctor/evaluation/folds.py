"""Cross-validation: every prompt is judged by a scorer that has not seen it, nor a copy of it, nor (if asked) its task.

Folds are drawn by groups of equal prompts from a seed. Leaving tasks out answers another question than leaving prompts
out: not "more of the same traffic" but "traffic of a new kind", where most that was learned is worth nothing; a report
that shows one must not be read as the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from junctor.evaluation.choosers import Learner, means
from junctor.evaluation.rows import TableError
from junctor.evaluation.table import Floats, Ints, Table

MAX_FOLDS: Final = 100


class Fold(NamedTuple):
    """Rows to fit on, rows to judge, and how the fold is called."""

    train: Ints
    test: Ints
    label: str


class Held(NamedTuple):
    """What was said of each prompt while it was held out, all (prompts, models).

    `scores` are a learner's; `usual` the models' mean quality in the training folds, and `cost_usd` their mean cost.
    """

    scores: Floats
    usual: Floats
    cost_usd: Floats | None


def by_prompts(table: Table, count: int, *, seed: int = 0) -> list[Fold]:
    """`count` folds of about equal size, equal prompts together. Raises `TableError` if there are too few prompts."""
    _, group = np.unique(table.groups, return_inverse=True)
    groups = int(group.max()) + 1
    if groups < 2:
        raise TableError(f"{table.source}: its prompts are all the same; give at least two different ones")
    if not 2 <= count <= min(groups, MAX_FOLDS):
        raise TableError(
            f"{table.source}: {count} folds were asked for; allowed are 2 to {min(groups, MAX_FOLDS)}, "
            f"with {groups:,} different prompts"
        )
    turn = np.empty(groups, np.int64)
    turn[np.random.default_rng(seed).permutation(groups)] = np.arange(groups) % count
    return _folds(turn[group], [f"fold {number + 1}" for number in range(count)])


def by_tasks(table: Table) -> list[Fold]:
    """One fold per task, its prompts unseen, and copies of them under other tasks too.

    Raises `TableError` for a table with less than two tasks.
    """
    labels, of = np.unique(np.array(table.tasks or []), return_inverse=True)
    if len(labels) < 2:
        raise TableError(f"{table.source}: leaving tasks out needs two at least; it has {len(labels)}: name the column")
    folds = []
    for fold in _folds(of, labels.tolist()):
        copied = np.isin(table.groups[fold.train], table.groups[fold.test])
        if not copied.all():
            folds.append(Fold(fold.train[~copied], fold.test, fold.label))
    return folds


def held_out(
    learner: Learner, table: Table, folds: Sequence[Fold], *, tell: Callable[[str], None] = lambda _text: None
) -> Held:
    """Fits the learner on each fold's training rows and scores its test rows, of which it sees the prompts alone.

    Raises `TableError` for scores of a wrong shape, or that are no numbers.
    """
    scores = np.full(table.quality.shape, np.nan)
    for number, fold in enumerate(folds):
        tell(f"{learner.name}: {number + 1} of {len(folds)}")
        test = _blind(table.select(fold.test))
        said = np.asarray(learner.fit(table.select(fold.train))(test), np.float64)
        if said.shape != test.quality.shape or not np.isfinite(said).all():
            wrong = int((~np.isfinite(said)).sum())
            raise TableError(
                f"{learner.name} said {said.shape} scores for {fold.label}, {wrong} of them no numbers; "
                f"allowed is a number for each of {len(test)} prompts and {len(table.models)} models"
            )
        scores[fold.test] = said
    return beside(scores, table, folds)


def beside(scores: Floats, table: Table, folds: Sequence[Fold]) -> Held:
    """Scores of the held-out prompts with what the training folds tell beside them."""
    usual = np.full(table.quality.shape, np.nan)
    cost = None if table.cost_usd is None else np.full(table.quality.shape, np.nan)
    for fold in folds:
        train = table.select(fold.train)
        usual[fold.test] = means(train.quality)
        if cost is not None and train.cost_usd is not None:
            cost[fold.test] = known_costs(train.cost_usd)
    return Held(scores, usual, cost)


def _blind(table: Table) -> Table:
    """The prompts alone: who scores them cannot see how they ended."""
    return replace(table, quality=np.full(table.quality.shape, np.nan), cost_usd=None)


def known_costs(cost_usd: Floats) -> Floats:
    """Each model's mean cost where it is known, NaN where it never is."""
    known = ~np.isnan(cost_usd)
    counts = known.sum(axis=0)
    mean: Floats = np.where(counts > 0, np.where(known, cost_usd, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)
    return mean


def _folds(of: Ints, labels: list[str]) -> list[Fold]:
    rows = range(len(labels))
    return [Fold(np.flatnonzero(of != row), np.flatnonzero(of == row), labels[row]) for row in rows]
