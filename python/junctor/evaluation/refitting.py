"""Intervals that hold the luck of training too: learners are fitted again and again on training prompts drawn anew.

A bootstrap of the judged prompts says how far a figure of *these fitted learners* is chance. Another training set of
the same kind would have made another learner; how much that moves a figure is only found by fitting it again. So each
draw takes training prompts with replacement (by groups, fold by fold, the judged ones as they are), fits everyone on
them, and judges on one draw of the judged prompts. A draw costs a whole cross-validation, so there are tens and not a
thousand: the bounds are coarse, and stand beside the others instead of replacing them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from junctor.evaluation.choosers import Learner
from junctor.evaluation.curves import apgr, pair_curve
from junctor.evaluation.deciding import best
from junctor.evaluation.fleets import BEST_SINGLE
from junctor.evaluation.folds import Fold, Held, held_out
from junctor.evaluation.pairs import wanted
from junctor.evaluation.report import Figure, Refit, RefitLine
from junctor.evaluation.resampling import Bootstrap, interval
from junctor.evaluation.table import Floats, Ints, Table

AGAINST: Final = "label mean"


def refitted(
    table: Table,
    learners: Sequence[Learner],
    folds: Sequence[Fold],
    pairs: Sequence[tuple[str, str]],
    *,
    count: int,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _text: None,
) -> Refit:
    """APGR on each pair, and quality among all models, of learners that were fitted so many times."""
    names = [learner.name for learner in learners]
    found: dict[str, list[list[float]]] = {}
    for number in range(-1, count):  # the first as they are: what the bounds are around
        tell(f"refitting: {number + 1} of {count}")
        drawn = folds if number < 0 else [_drawn(table, fold, np.random.default_rng([seed, number])) for fold in folds]
        said = [held_out(learner, table, drawn) for learner in learners]
        for where, figures in _figures(table, said, folds, pairs, None if number < 0 else seed + number).items():
            found.setdefault(where, []).append(figures)
    lines = []
    for where, drawn_figures in found.items():
        values = np.array(drawn_figures)
        over = values - values[:, [names.index(AGAINST)]]
        for place, name in enumerate(names):
            if name == BEST_SINGLE and where != _EVERYONE:
                continue  # a constant, which is the random line
            lines.append(
                RefitLine(
                    name=name,
                    where=where,
                    figure=Figure.of(interval(float(values[0, place]), values[1:, place])),
                    over_label_mean=Figure.of(interval(float(over[0, place]), over[1:, place])),
                )
            )
    return Refit(count=count, lines=lines)


_EVERYONE: Final = "all models"


def _drawn(table: Table, fold: Fold, rng: np.random.Generator) -> Fold:
    """The fold with training rows drawn with replacement, a group as often as it was drawn."""
    _, group = np.unique(table.groups[fold.train], return_inverse=True)
    groups = int(group.max()) + 1
    times = np.bincount(rng.integers(0, groups, groups), minlength=groups)
    return Fold(np.repeat(fold.train, times[group]), fold.test, fold.label)


def _figures(
    table: Table, said: Sequence[Held], folds: Sequence[Fold], pairs: Sequence[tuple[str, str]], draw: int | None
) -> dict[str, list[float]]:
    """One figure for each learner: by pair its APGR, over all models the mean quality of what it scores highest."""
    tested = np.sort(np.concatenate([fold.test for fold in folds]))
    told = {}
    for weak, strong in pairs:
        columns = np.array([table.index(weak), table.index(strong)], np.int64)
        rows = tested[~np.isnan(table.quality[np.ix_(tested, columns)]).any(axis=1)]
        gain, weights = np.diff(table.quality[np.ix_(rows, columns)], axis=1)[:, 0], _weights(table, rows, draw)
        told[f"{weak} or {strong}"] = [
            float(apgr(pair_curve(wanted(_part(held, rows, columns), "judged").score, gain, weights))[0])
            for held in said
        ]
    rows = tested[~np.isnan(table.quality[tested]).any(axis=1)]
    weights = _weights(table, rows, draw)[0]
    quality = [(table.quality[rows] * best(held.scores[rows])).sum(axis=1) for held in said]
    told[_EVERYONE] = [float(weights @ one / weights.sum()) for one in quality]
    return told


def _weights(table: Table, rows: Ints, draw: int | None) -> Floats:
    """One draw of these prompts, or all of them once."""
    if draw is None:
        return np.ones((1, len(rows)))
    return Bootstrap(table.groups[rows], 1, draw).of(lambda weights: weights)


def _part(held: Held, rows: Ints, columns: Ints) -> Held:
    return Held(held.scores[np.ix_(rows, columns)], held.usual[np.ix_(rows, columns)], None)
