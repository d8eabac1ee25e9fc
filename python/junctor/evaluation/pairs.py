"""Judges choosers between a weak and a strong model: the curve over all thresholds, with its band.

Scores of several folds are pooled under one threshold, as they would be in service. What a scorer says of its own
training prompts on average is taken off first: otherwise a constant, whose training mean is low just where the test
fold is easy, would order the folds backwards and look worse than chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from junctor.evaluation.curves import Floats, along, apgr, cpt, pair_curve, recovered_at
from junctor.evaluation.folds import Held
from junctor.evaluation.report import Figure, Pair, PairLine, Role, Versus
from junctor.evaluation.resampling import Bootstrap, interval
from junctor.evaluation.table import Table

GRID: Final = np.linspace(0.0, 1.0, 101)
"""Shares of strong calls that a curve is told at."""


class Wanted(NamedTuple):
    """How much a chooser wants the strong model for each prompt, and what its line is for."""

    score: Floats
    role: Role


def wanted(held: Held, role: Role) -> Wanted:
    """The predicted gain of the strong model (column 1) over the weak one, above what the scorer says on average."""
    gain, usual = np.diff(held.scores, axis=1)[:, 0], np.diff(held.usual, axis=1)[:, 0]
    return Wanted(np.round(gain - usual, 12), role)


def judge_pair(table: Table, choosers: Mapping[str, Wanted], draws: Bootstrap, *, cascade: bool = False) -> Pair:
    """The lines of these choosers, random and oracle beside them. `table` has the weak and the strong model, measured.

    In a cascade the weak model is paid for every prompt, and the strong one on top where it is called.
    """
    weak, strong = table.quality.T
    everyone = {
        **choosers,
        "random": Wanted(np.zeros(len(table)), "baseline"),
        "oracle": Wanted(strong - weak, "bound"),
    }
    drawn = {name: _drawn(strong - weak, chooser.score, draws) for name, chooser in everyone.items()}
    best = table.quality.max(axis=1)
    return Pair(
        weak=table.models[0],
        strong=table.models[1],
        weak_quality=_mean(weak, draws),
        strong_quality=_mean(strong, draws),
        oracle_quality=_mean(best, draws),
        lines=[_line(table, name, everyone, drawn, cascade=cascade) for name in everyone],
        cascade=cascade,
    )


def _drawn(gain: Floats, score: Floats, draws: Bootstrap) -> tuple[Floats, Floats]:
    """The figures of one chooser, APGR, CPT(50 %), CPT(80 %) and the curve on the grid: as they are, and drawn."""

    def figures(weights: Floats) -> Floats:
        curve = pair_curve(score, gain, weights)
        return np.column_stack([apgr(curve), cpt(curve, 0.5), cpt(curve, 0.8), recovered_at(curve, GRID)])

    return figures(np.ones((1, len(gain))))[0], draws.of(figures)


def _line(
    table: Table,
    name: str,
    everyone: Mapping[str, Wanted],
    drawn: Mapping[str, tuple[Floats, Floats]],
    *,
    cascade: bool,
) -> PairLine:
    chooser, (value, draws) = everyone[name], drawn[name]
    weak, strong = table.quality.T
    apgr_found, cpt50, cpt80 = (Figure.of(interval(float(value[k]), draws[:, k])) for k in range(3))
    low, high = np.nanquantile(draws[:, 3:], [0.025, 0.975], axis=0) if not np.isnan(value[3:]).any() else value[[3, 3]]
    cost: list[float] = []
    if table.cost_usd is not None and not np.isnan(table.cost_usd).any():
        first, second = table.cost_usd.T
        extra = second if cascade else second - first
        cost = ((first.mean() + along(chooser.score, extra, GRID)) * 1_000).tolist()
    return PairLine(
        name=name,
        role=chooser.role,
        apgr=apgr_found,
        cpt50=cpt50,
        cpt80=cpt80,
        share=GRID.tolist(),
        recovered=value[3:].tolist(),
        low=np.broadcast_to(low, GRID.shape).tolist(),
        high=np.broadcast_to(high, GRID.shape).tolist(),
        quality=(weak.mean() + along(chooser.score, strong - weak, GRID)).tolist(),
        cost_usd_per_1k=cost,
        versus=_versus(name, everyone, drawn),
    )


def _versus(name: str, everyone: Mapping[str, Wanted], drawn: Mapping[str, tuple[Floats, Floats]]) -> list[Versus]:
    """A judged chooser against every baseline, on the same draws."""
    if everyone[name].role != "judged":
        return []
    value, draws = drawn[name]
    return [
        Versus(
            against=other,
            difference=Figure.of(interval(float(value[0] - drawn[other][0][0]), draws[:, 0] - drawn[other][1][:, 0])),
        )
        for other, chooser in everyone.items()
        if chooser.role == "baseline"
    ]


def _mean(values: Floats, draws: Bootstrap) -> Figure:
    return Figure.of(interval(float(values.mean()), draws.mean(values)))
