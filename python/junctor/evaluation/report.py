"""What an evaluation found, as data: what `--json` prints, and what text and plots are made of. NaN is null in JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

from junctor.evaluation.resampling import Interval

Role = Literal["judged", "baseline", "bound", "model"]
"""What a line is for: the chooser in question, what it must beat, what nobody can beat, or one model for all."""


class Figure(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval; NaN where it has no meaning."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Interval) -> Figure:
        """An interval as data."""
        return cls(*found)


class Versus(msgspec.Struct, frozen=True, kw_only=True):
    """A paired comparison: how much more than `against`, on the same draws of the same prompts.

    `p_swapped` is by swapping which of the two is which, `p_sign` of the sign test on prompts won and lost; NaN where
    the figure is no mean over prompts.
    """

    against: str
    difference: Figure
    p_swapped: float = float("nan")
    p_sign: float = float("nan")
    won: int = 0
    lost: int = 0


class Calibrated(msgspec.Struct, frozen=True, kw_only=True):
    """How well scores are the quality they predict, over all models: errors, and the bins of a reliability diagram."""

    ece: float
    brier: float
    predicted: list[float]
    measured: list[float]
    prompts: list[int]


class PairLine(msgspec.Struct, frozen=True, kw_only=True):
    """A chooser between a weak and a strong model. The curve is at `share` of strong calls, with its band.

    `cost_usd_per_1k` and `quality` are along the curve too; costs are empty where they are not known.
    """

    name: str
    role: Role
    apgr: Figure
    cpt50: Figure
    cpt80: Figure
    share: list[float]
    recovered: list[float]
    low: list[float]
    high: list[float]
    quality: list[float]
    cost_usd_per_1k: list[float] = []
    versus: list[Versus] = []


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A weak and a strong model, and everyone who chose between them. `cascade`: the weak one always answers first."""

    weak: str
    strong: str
    weak_quality: Figure
    strong_quality: Figure
    oracle_quality: Figure
    lines: list[PairLine]
    cascade: bool = False


class FleetLine(msgspec.Struct, frozen=True, kw_only=True):
    """A chooser among all models, by quality alone, and its points on the plane for other settings of its objective."""

    name: str
    role: Role
    quality: Figure
    regret: Figure
    shares: dict[str, float]
    cost_usd_per_1k: Figure | None = None
    arena: Figure | None = None
    aiq: Figure | None = None
    perf_gain: float = float("nan")
    cost_save: float = float("nan")
    pareto_distance: float = float("nan")
    point_cost_usd_per_1k: list[float] = []
    point_quality: list[float] = []
    point_low: list[float] = []
    point_high: list[float] = []
    versus: list[Versus] = []
    calibrated: Calibrated | None = None
    tasks: dict[str, float] = {}


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Everyone who chose among all models. `front` names the models that no other beats in both quality and cost."""

    best_single: str
    objective: str
    lines: list[FleetLine]
    task_prompts: dict[str, int] = {}
    front: list[str] = []


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a chooser would have been worth on logged traffic, by three estimates, and what speaks against them.

    `never_logged` is the part of its choices that fell on models which the log never chose.
    """

    name: str
    ips: Figure
    snips: Figure
    doubly_robust: Figure | None
    effective_prompts: float
    mean_weight: Figure
    never_logged: float
    doubts: list[str] = []


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A log of choices with propensities, and everyone on it. `quality` is what was really logged."""

    log: str
    prompts: int
    quality: Figure
    lines: list[LogLine]


class RefitLine(msgspec.Struct, frozen=True, kw_only=True):
    """A learner's APGR on a pair, or its quality among all models, with bounds over learners that were fitted anew."""

    name: str
    where: str
    figure: Figure
    over_label_mean: Figure


class Refit(msgspec.Struct, frozen=True, kw_only=True):
    """Figures whose bounds hold the luck of training as well as that of the judged prompts."""

    count: int
    lines: list[RefitLine]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation: of what, how, and what was found.

    `intervals` says what all bounds but those of `refit` are made of: draws of the judged prompts, learners as fitted.
    """

    table: str
    prompts: int
    judged_prompts: int
    models: list[str]
    tasks: int
    split: str
    seed: int
    draws: int
    notes: list[str] = []
    pairs: list[Pair] = []
    fleet: Fleet | None = None
    logged: Logged | None = None
    intervals: Literal["judged prompts drawn, learners as fitted"] = "judged prompts drawn, learners as fitted"
    refit: Refit | None = None
