"""Choosers: whatever is evaluated. A learner is fitted on some prompts and scores others; the baselines are learners.

A *scorer* answers predicted quality by prompt and model; how a model follows from it is `deciding`'s. So the label's
mean, the prompt's length and a learned scorer differ in nothing but what they know, and all are fitted on the training
folds only: the best single model too, for whoever picks it on the test folds has peeked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from junctor.evaluation.table import Floats, Table

Scorer = Callable[[Table], Floats]
"""Predicted quality of (prompts, models) for the prompts of a table, whose own quality and costs are not told."""

LENGTH_BINS: Final = 20
"""Of the prompt-length baseline: quantiles, so that each holds as many prompts."""

PRIOR: Final = 5.0
"""How many prompts of the whole table a label counts beside its own: a label seen twice is not yet a mean."""


class Learner(Protocol):
    """What can be fitted: `name` for people, and `fit`, which sees the training folds and nothing else."""

    @property
    def name(self) -> str: ...

    def fit(self, table: Table) -> Scorer: ...


def means(quality: Floats, weight: float = 0.0, prior: Floats | None = None) -> Floats:
    """Mean quality of each model where it was measured; `prior` counts as `weight` prompts, and fills what is empty."""
    counts = (~np.isnan(quality)).sum(axis=0) + weight
    sums = np.nansum(quality, axis=0) + (0.0 if prior is None else weight * prior)
    empty = 0.5 if prior is None else prior
    return np.where(counts > 0, sums / np.maximum(counts, 1e-9), empty)


@dataclass(frozen=True, slots=True)
class BestSingle:
    """One model for all prompts: the one that was best on the training folds."""

    name: str = "best single"

    def fit(self, table: Table) -> Scorer:
        """Means of the models; the same for every prompt."""
        known = means(table.quality)
        return lambda asked: np.tile(known, (len(asked), 1))


@dataclass(frozen=True, slots=True)
class LabelMean:
    """What a static rule on the task's label could do: each model's mean on prompts of that label.

    A label that the training folds do not have gets what their prompts get on average.
    """

    name: str = "label mean"

    def fit(self, table: Table) -> Scorer:
        """Means by label, drawn to those over all prompts by `PRIOR` prompts. Without labels: the means alone."""
        overall = means(table.quality)
        labels = np.array(table.tasks or [""] * len(table))
        known = {label: means(table.quality[labels == label], PRIOR, overall) for label in np.unique(labels).tolist()}
        usual = np.mean([known[label] for label in labels.tolist()], axis=0)
        return lambda asked: np.array([known.get(label, usual) for label in asked.tasks or [""] * len(asked)])


@dataclass(frozen=True, slots=True)
class PromptLength:
    """What length alone tells: each model's mean on prompts about as long."""

    name: str = "prompt length"

    def fit(self, table: Table) -> Scorer:
        """Means in bins of equal counts."""
        sizes, overall = _sizes(table), means(table.quality)
        edges = np.unique(np.quantile(sizes, np.linspace(0, 1, LENGTH_BINS + 1)[1:-1]))
        where = np.searchsorted(edges, sizes, side="right")
        bins = range(len(edges) + 1)
        known = np.array([means(table.quality[where == number], PRIOR, overall) for number in bins])
        return lambda asked: known[np.searchsorted(edges, _sizes(asked), side="right")]


BASELINES: Final[tuple[Learner, ...]] = (PromptLength(), LabelMean(), BestSingle())


def always(table: Table, model: str) -> Floats:
    """The choice of one model for every prompt."""
    shares = np.zeros(table.quality.shape)
    shares[:, table.index(model)] = 1.0
    return shares


def evenly(table: Table) -> Floats:
    """Random choice: every model as often."""
    return np.full(table.quality.shape, 1.0 / len(table.models))


def oracle(table: Table, *, cheapest: bool = False) -> Floats:
    """The best answer of each prompt, known afterwards; equally good ones shared, or the cheapest of them."""
    top: NDArray[np.bool_] = table.quality >= table.quality.max(axis=1, keepdims=True) - 1e-12
    if cheapest and table.cost_usd is not None:
        cost = np.where(top, np.nan_to_num(table.cost_usd, nan=np.inf), np.inf)
        top = top & (cost <= cost.min(axis=1, keepdims=True))
    shares: Floats = top / top.sum(axis=1, keepdims=True)
    return shares


def _sizes(table: Table) -> Floats:
    return np.array([len(prompt) for prompt in table.prompts], np.float64)
