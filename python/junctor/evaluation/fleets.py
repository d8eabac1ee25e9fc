"""Judges choosers among all models of a table, on the plane of quality and cost.

Every chooser is told at one setting, quality alone, where all can be compared; learners also at the settings of an
objective, which makes a curve. The best single model that gains are measured from is the best in hindsight, as in
LLMRouterBench: harder to beat than the one that the training folds would have named, which stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from junctor.evaluation import metrics
from junctor.evaluation.choosers import always, evenly, oracle
from junctor.evaluation.deciding import OBJECTIVES, best, settings
from junctor.evaluation.folds import Held
from junctor.evaluation.report import Calibrated, Figure, Fleet, FleetLine, Role, Versus
from junctor.evaluation.resampling import Bootstrap, interval, sign_p, swapped_p
from junctor.evaluation.table import Floats, Table

PER: Final = 1_000.0
"""Costs are told per so many prompts: a single one costs thousandths of a cent."""

BEST_SINGLE: Final = "best single"


@dataclass(frozen=True, slots=True)
class Entry:
    """One chooser: shares at quality alone, role, scores if it has any, and the points of (prompts, settings)."""

    shares: Floats
    role: Role
    scores: Floats | None = None
    point_quality: Floats | None = None
    point_cost: Floats | None = None


def entry(table: Table, held: Held, role: Role, objective: str = "trade") -> Entry:
    """A learner's entry: the highest score at quality alone, and the points of its objective where costs are known."""
    shares = best(held.scores)
    if table.cost_usd is None or np.isnan(table.cost_usd).any() or held.cost_usd is None:
        return Entry(shares, role, held.scores)
    decide = OBJECTIVES[objective]
    chosen = [decide(held.scores, held.cost_usd, value) for value in settings(objective, held.cost_usd)]
    return Entry(
        shares,
        role,
        held.scores,
        np.column_stack([(table.quality * shares).sum(axis=1) for shares in chosen]),
        np.column_stack([(table.cost_usd * shares).sum(axis=1) for shares in chosen]),
    )


def judge_fleet(table: Table, choosers: Mapping[str, Entry], draws: Bootstrap, *, objective: str = "trade") -> Fleet:
    """The lines of these choosers, and of random, oracle and every single model. `table` is measured everywhere."""
    everyone = {
        **choosers,
        "random": Entry(evenly(table), "baseline"),
        "oracle": Entry(oracle(table), "bound"),
        **({"oracle, cheapest": Entry(oracle(table, cheapest=True), "bound")} if table.cost_usd is not None else {}),
        **{model: Entry(always(table, model), "model") for model in table.models},
    }
    judge = _Judge(table, everyone, draws)
    tasks = [] if table.tasks is None else table.tasks
    return Fleet(
        best_single=judge.best,
        objective=objective,
        lines=[judge.line(name) for name in everyone],
        task_prompts={task: tasks.count(task) for task in dict.fromkeys(tasks)},
        front=judge.front(),
    )


class _Judge:
    """One table, everyone who is judged on it, and the draws that all figures share."""

    def __init__(self, table: Table, everyone: Mapping[str, Entry], draws: Bootstrap) -> None:
        self.table, self.everyone, self.draws = table, everyone, draws
        self.best = table.models[int(table.quality.mean(axis=0).argmax())]
        self.quality = {name: (table.quality * entry.shares).sum(axis=1) for name, entry in everyone.items()}
        self.cost = {name: self._cost(entry.shares) for name, entry in everyone.items()}
        names = list(everyone)
        drawn = draws.mean(np.column_stack([self.quality[name] for name in names]))
        self.drawn = dict(zip(names, drawn.T, strict=True))
        self.cost_drawn = {
            name: draws.mean(cost) for name, cost in self.cost.items() if cost is not None
        }  # fmt: skip
        self.single_costs = [float(cost.mean()) for model in table.models if (cost := self.cost[model]) is not None]
        self.points = {name: self._points(name) for name in names}

    def line(self, name: str) -> FleetLine:
        """Everything about one chooser."""
        entry, quality, cost = self.everyone[name], self.quality[name], self.cost[name]
        costs, heights = self.points[name]
        gains: dict[str, float] = {}
        if costs is not None and entry.role != "model":
            single = float(self.quality[self.best].mean())
            its_cost = self.cost[self.best]
            gains = {"perf_gain": metrics.perf_gain(heights, single)}
            if its_cost is not None and its_cost.mean() > 0:
                gains["cost_save"] = metrics.cost_save(costs, heights, single, float(its_cost.mean()))
            gains["pareto_distance"] = metrics.pareto_distance(costs, heights, *self._all_points())
        return FleetLine(
            name=name,
            role=entry.role,
            quality=self._figure(quality, self.drawn[name]),
            regret=self._figure(self.quality["oracle"] - quality, self.drawn["oracle"] - self.drawn[name]),
            shares=dict(zip(self.table.models, entry.shares.mean(axis=0).tolist(), strict=True)),
            cost_usd_per_1k=None if cost is None else self._figure(cost * PER, self.cost_drawn[name] * PER),
            arena=self._arena(name),
            aiq=self._aiq(entry),
            point_cost_usd_per_1k=[] if costs is None else (costs * PER).tolist(),
            point_quality=[] if costs is None else heights.tolist(),
            versus=self._versus(name),
            calibrated=None if entry.scores is None else _calibrated(entry.scores, self.table.quality),
            tasks=self._tasks(quality),
            **gains,
        )

    def front(self) -> list[str]:
        """The models that are worth their price on some prompt of this table, on average."""
        models = self.table.models
        if len(self.single_costs) < len(models):
            return []
        heights = np.array([self.quality[model].mean() for model in models])
        kept = metrics.pareto(np.array(self.single_costs), heights)
        return [model for model, there in zip(models, kept.tolist(), strict=True) if there]

    def _cost(self, shares: Floats) -> Floats | None:
        """Dollars by prompt, None if they are unknown for a model that is chosen."""
        if self.table.cost_usd is None:
            return None
        cost: Floats = np.where(shares > 0, self.table.cost_usd, 0.0)
        return None if np.isnan(cost).any() else (cost * shares).sum(axis=1)

    def _points(self, name: str) -> tuple[Floats | None, Floats]:
        """Mean costs (None where unknown) and qualities of a chooser's settings."""
        entry, cost = self.everyone[name], self.cost[name]
        if entry.point_quality is not None and entry.point_cost is not None:
            return entry.point_cost.mean(axis=0), entry.point_quality.mean(axis=0)
        return (None if cost is None else np.array([cost.mean()])), np.array([self.quality[name].mean()])

    def _all_points(self) -> tuple[Floats, Floats]:
        """Of everyone but the oracles, which nobody can be measured against for lack of a crystal ball."""
        known = [
            (costs, heights)
            for name, (costs, heights) in self.points.items()
            if costs is not None and self.everyone[name].role != "bound"
        ]
        return np.concatenate([costs for costs, _ in known]), np.concatenate([heights for _, heights in known])

    def _figure(self, values: Floats, drawn: Floats) -> Figure:
        return Figure.of(interval(float(values.mean()), drawn))

    def _arena(self, name: str) -> Figure | None:
        cost = self.cost[name]
        if cost is None:
            return None
        value = float(metrics.arena_score(float(self.quality[name].mean()), float(cost.mean()) * PER))
        return Figure.of(interval(value, metrics.arena_score(self.drawn[name], self.cost_drawn[name] * PER)))

    def _aiq(self, entry: Entry) -> Figure | None:
        """Over the costs of the single models, so that all choosers of one table share the range."""
        if entry.point_quality is None or entry.point_cost is None or len(self.single_costs) < 2:
            return None
        low, high = min(self.single_costs), max(self.single_costs)
        value = metrics.aiq(entry.point_cost.mean(axis=0), entry.point_quality.mean(axis=0), low, high)
        costs, heights = self.draws.mean(entry.point_cost), self.draws.mean(entry.point_quality)
        drawn = [metrics.aiq(cost, height, low, high) for cost, height in zip(costs, heights, strict=True)]
        return Figure.of(interval(value, np.array(drawn)))

    def _versus(self, name: str) -> list[Versus]:
        """A judged chooser against every baseline and the best single model; baselines against the latter only."""
        role = self.everyone[name].role
        if role not in ("judged", "baseline"):
            return []
        others = [other for other, entry in self.everyone.items() if entry.role == "baseline" and role == "judged"]
        return [self._against(name, other) for other in dict.fromkeys([*others, self.best]) if other != name]

    def _against(self, name: str, other: str) -> Versus:
        difference = self.quality[name] - self.quality[other]
        won, lost = int((difference > 1e-12).sum()), int((difference < -1e-12).sum())
        return Versus(
            against=other,
            difference=self._figure(difference, self.drawn[name] - self.drawn[other]),
            p_swapped=swapped_p(difference, self.table.groups, seed=self.draws.seed),
            p_sign=sign_p(won, lost),
            won=won,
            lost=lost,
        )

    def _tasks(self, quality: Floats) -> dict[str, float]:
        if self.table.tasks is None:
            return {}
        labels, of = np.unique(np.array(self.table.tasks), return_inverse=True)
        mean = np.bincount(of, weights=quality) / np.bincount(of)
        return dict(zip(labels.tolist(), mean.tolist(), strict=True))


def _calibrated(scores: Floats, quality: Floats) -> Calibrated:
    predicted, measured = scores.ravel(), quality.ravel()
    bins = metrics.reliability(predicted, measured)
    return Calibrated(
        ece=metrics.ece(predicted, measured),
        brier=metrics.brier(predicted, measured),
        predicted=bins.predicted.tolist(),
        measured=bins.measured.tolist(),
        prompts=bins.prompts.tolist(),
    )
