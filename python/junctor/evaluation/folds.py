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

from junctor.evaluation.choosers import Learner, Scorer
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

    `scores` are a learner's; `usual` is what it says of its training prompts on average, `cost_usd` the models' mean
    costs there.
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
    scores, usual = np.full((2, *table.quality.shape), np.nan)
    for number, fold in enumerate(folds):
        tell(f"{learner.name}: {number + 1} of {len(folds)}")
        scorer, train, test = learner.fit(table.select(fold.train)), table.select(fold.train), table.select(fold.test)
        scores[fold.test] = _said(learner.name, fold.label, scorer, test)
        usual[fold.test] = _said(learner.name, fold.label, scorer, train).mean(axis=0)
    return Held(scores, usual, costs_beside(table, folds))


def costs_beside(table: Table, folds: Sequence[Fold]) -> Floats | None:
    """For each prompt the models' mean costs in the folds that it is not in, which is what may be known beforehand."""
    if table.cost_usd is None:
        return None
    cost = np.full(table.quality.shape, np.nan)
    for fold in folds:
        cost[fold.test] = known_costs(table.cost_usd[fold.train])
    return cost


def _said(name: str, label: str, scorer: Scorer, asked: Table) -> Floats:
    """What a scorer says of prompts, of which it sees nothing else."""
    said = np.asarray(scorer(_blind(asked)), np.float64)
    if said.shape != asked.quality.shape or not np.isfinite(said).all():
        wrong = int((~np.isfinite(said)).sum())
        raise TableError(
            f"{name} said {said.shape} scores for {label}, {wrong} of them no numbers; "
            f"allowed is a number for each of {len(asked)} prompts and {len(asked.models)} models"
        )
    return said


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
