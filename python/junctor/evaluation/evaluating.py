"""One evaluation from a table to a report: folds, learners on them, everyone judged on the same prompts and draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from junctor.evaluation.choosers import BASELINES, LabelMean, Learner, always, evenly
from junctor.evaluation.deciding import best
from junctor.evaluation.drafts import Cascade
from junctor.evaluation.fleets import BEST_SINGLE, Entry, entry, judge_fleet
from junctor.evaluation.folds import Fold, Held, by_prompts, by_tasks, costs_beside, held_out
from junctor.evaluation.offpolicy import Log, estimate
from junctor.evaluation.pairs import Wanted, judge_pair, wanted
from junctor.evaluation.refitting import refitted
from junctor.evaluation.report import Figure, Logged, Pair, Report, Role
from junctor.evaluation.resampling import DRAWS, Bootstrap, interval
from junctor.evaluation.rows import TableError
from junctor.evaluation.table import Floats, Ints, Table, plain

PROBE: Final = "trained probe"

FEW: Final = 200
"""Prompts below which a report says that they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is evaluated and how.

    `learners` are fitted on the folds; `scores` come from elsewhere, (prompts, models) by name; `choices` are shares of
    the models that somebody decided without scores, such as a fleet file. `pairs` are (weak, strong), `cascades` drafts
    and who comes after them. `log` is real traffic with propensities, where learners are estimated that were fitted on
    the table. `folds` counts folds of prompts; with `leave_tasks_out` every task is a fold instead. `refit` is how
    often learners are fitted again on training prompts drawn anew, for bounds that hold that luck too: each time as
    much work as all the rest.
    """

    learners: Sequence[Learner] = ()
    scores: Mapping[str, Floats] = field(default_factory=dict)
    choices: Mapping[str, Floats] = field(default_factory=dict)
    pairs: Sequence[tuple[str, str]] = ()
    cascades: Sequence[Cascade] = ()
    folds: int = 5
    leave_tasks_out: bool = False
    log: Log | None = None
    objective: str = "trade"
    seed: int = 0
    draws: int = DRAWS
    refit: int = 0


def evaluate(table: Table, plan: Plan, *, tell: Callable[[str], None] = lambda _text: None) -> Report:
    """Judges everyone of the plan, the baselines beside them. Raises `TableError` for a table that cannot tell."""
    if len(table.models) < 2:
        raise TableError(f"{table.source}: it has {table.models[0]!r} alone; choosing needs two models at least")
    folds = by_tasks(table) if plan.leave_tasks_out else by_prompts(table, plan.folds, seed=plan.seed)
    said = _said(table, plan, folds, tell)
    tested = np.sort(np.concatenate([fold.test for fold in folds]))
    pairs = []
    for weak, strong in plan.pairs:
        tell(f"{weak} and {strong}")
        pairs.append(_pair(table, said, plan, tested, (weak, strong)))
    for cascade in plan.cascades:
        tell(f"{cascade.table.models[0]} and then {cascade.table.models[1]}")
        pairs.append(_cascade(cascade, plan))
    tell("all models")
    rows = tested[~np.isnan(table.quality[tested]).any(axis=1)]
    if not len(rows):
        raise TableError(f"{table.source}: no prompt was measured on every model; name fewer models")
    measured = table.select(rows).measured()
    entries = {name: entry(measured, _at(held, rows), role, plan.objective) for name, (held, role) in said.items()}
    choices = {name: Entry(shares[rows], "judged") for name, shares in plan.choices.items()}
    draws = Bootstrap(measured.groups, plan.draws, plan.seed)
    return Report(
        table=table.source,
        prompts=len(table),
        judged_prompts=len(measured),
        models=list(table.models),
        tasks=len(set(table.tasks or [])),
        split="tasks left out" if plan.leave_tasks_out else f"{len(folds)} folds",
        seed=plan.seed,
        draws=plan.draws,
        notes=[
            *table.notes,
            *(note for cascade in plan.cascades for note in cascade.table.notes),
            *_doubts(table, len(measured), plan),
        ],
        pairs=pairs,
        logged=None if plan.log is None else _logged(table, plan.log, plan),
        fleet=judge_fleet(measured, {**choices, **entries}, draws, objective=plan.objective),
        refit=None
        if not plan.refit
        else refitted(
            table, [*plan.learners, *BASELINES], folds, plan.pairs, count=plan.refit, seed=plan.seed, tell=tell
        ),
    )


def _said(table: Table, plan: Plan, folds: Sequence[Fold], tell: Callable[[str], None]) -> dict[str, tuple[Held, Role]]:
    """What everyone said of the held-out prompts, the judged ones first."""
    said: dict[str, tuple[Held, Role]] = {}
    for name, scores in plan.scores.items():
        usual = np.zeros(scores.shape)  # they know nothing of these folds
        said[name] = Held(scores, usual, costs_beside(table, folds)), "judged"
    for learner in plan.learners:
        said[learner.name] = held_out(learner, table, folds, tell=tell), "judged"
    for learner in BASELINES:
        if learner.name in said or learner.name in plan.choices:
            raise TableError(f"{learner.name!r} is the name of a baseline; call what is judged otherwise")
        said[learner.name] = held_out(learner, table, folds, tell=tell), "baseline"
    return said


def _pair(
    table: Table, said: Mapping[str, tuple[Held, Role]], plan: Plan, tested: Ints, names: tuple[str, str]
) -> Pair:
    """One pair, on the tested prompts that both models were measured on."""
    columns = [table.index(name) for name in names]
    rows = tested[~np.isnan(table.quality[tested][:, columns]).any(axis=1)]
    pair = table.select(rows).pair(*names)
    choosers = {
        name: wanted(_at(held, rows, columns), role)
        for name, (held, role) in said.items()
        if name != BEST_SINGLE  # a constant, which is the random line
    }
    return judge_pair(pair, choosers, Bootstrap(pair.groups, plan.draws, plan.seed))


def _cascade(cascade: Cascade, plan: Plan) -> Pair:
    """One cascade: its signals are judged, beside prompt length and label mean fitted on its own folds."""
    table = cascade.table
    folds = by_tasks(table) if plan.leave_tasks_out else by_prompts(table, plan.folds, seed=plan.seed)
    rows = np.sort(np.concatenate([fold.test for fold in folds]))
    probed = cascade.by_probe(folds)
    signals = {**cascade.unsure, **({} if probed is None else {PROBE: probed})}
    choosers = {name: Wanted(np.nan_to_num(unsure[rows], posinf=1e300), "judged") for name, unsure in signals.items()}
    for learner in BASELINES:
        if learner.name != BEST_SINGLE:
            choosers[learner.name] = wanted(_at(held_out(learner, table, folds), rows), "baseline")
    judged = table.select(rows)
    return judge_pair(judged, choosers, Bootstrap(judged.groups, plan.draws, plan.seed), cascade=True)


def _logged(table: Table, log: Log, plan: Plan) -> Logged:
    """Everyone that can choose for the prompts of the log, fitted on the prompts of the table that are not in it."""
    draws = Bootstrap(log.table.groups, plan.draws, plan.seed)
    there = {plain(prompt) for prompt in log.table.prompts}
    unseen = [row for row, prompt in enumerate(table.prompts) if plain(prompt) not in there]
    if not unseen:
        raise TableError(f"{table.source}: all its prompts are in {log.table.source}, so nobody can be fitted unseen")
    known = table.select(unseen)
    predicted = LabelMean().fit(known)(log.table)
    targets = {learner.name: best(learner.fit(known)(log.table)) for learner in (*plan.learners, *BASELINES)}
    targets |= {"random": evenly(log.table)} | {model: always(log.table, model) for model in table.models}
    return Logged(
        log=log.table.source,
        prompts=len(log.table),
        quality=Figure.of(interval(float(log.quality.mean()), draws.mean(log.quality))),
        lines=[estimate(name, log, target, predicted, draws) for name, target in targets.items()],
    )


def _at(held: Held, rows: Ints, columns: Sequence[int] | None = None) -> Held:
    """These rows, and columns, of what was said."""
    kept = slice(None) if columns is None else list(columns)
    cost = None if held.cost_usd is None else held.cost_usd[rows][:, kept]
    return Held(held.scores[rows][:, kept], held.usual[rows][:, kept], cost)


def _doubts(table: Table, measured: int, plan: Plan) -> list[str]:
    """What a reader should know before believing the figures."""
    told = []
    if table.tasks is None:
        told.append("without a task column the label mean knows no more than the best single model")
    if measured < FEW:
        told.append(f"{measured:,} prompts are few: look at the intervals, not at the figures")
    if plan.scores:
        told.append(
            "scores from a file are taken at their word: nothing shows that they were made without these prompts"
        )
    if plan.leave_tasks_out:
        told.append("tasks are left out: this is about traffic of a new kind, not about more of the same")
    return told
