"""Trains a probe: logistic regression from numbers about an answer to whether it is right.

Rejected: learning whether the strong model would do better, which is what a cascade wants to know. Log-probabilities of
the small model tell little of it: cross-validated on `tinylm_logprobs` it ordered prompts worse than any plain signal.

Newton's method on a handful of features with a small ridge; scikit-learn does the same with a library more. A label
may lie between 0 and 1 (a token F1), which the likelihood takes as it is. One kind of answer only is an error: there
would be nothing to tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from junctor.calibration.measured import Floats, Ints, Measured
from junctor.cascade.probe import FEATURES, Probe, Weight
from junctor.evaluation.rows import TableError

RIDGE: Final = 1.0
"""One pseudo-observation against each weight: seven features of a few hundred answers are easily too sure."""

ROUNDS: Final = 50


def train(data: Measured, *, model: str = "") -> Probe:
    """The probe for these answers. Raises `TableError` for answers that are all alike, or without log-probabilities."""
    if data.features is None:
        raise TableError("a probe needs the column token_logprobs, which the table has not")
    known = ~np.isnan(data.features).any(axis=1)
    x, y = data.features[known], data.small[known]
    if len(y) < 2 or float(np.ptp(y)) < 1e-9:
        raise TableError("all answers are equally good; a probe needs right and wrong ones")
    mean, scale = x.mean(axis=0), x.std(axis=0)
    used = scale > 1e-9  # what never changes tells nothing
    weights = _fit((x[:, used] - mean[used]) / scale[used], y)
    names = [name for name, there in zip(FEATURES, used, strict=True) if there]
    return Probe(
        bias=float(weights[0]),
        weights=tuple(
            Weight(name, float(weight), float(middle), float(width))
            for name, weight, middle, width in zip(names, weights[1:], mean[used], scale[used], strict=True)
        ),
        model=model,
        trained_on=len(y),
    )


def _fit(x: Floats, y: Floats) -> Floats:
    """Bias and weights of the ridge-regularised maximum likelihood."""
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = 1e-6
    weights = np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -60, 60)))
        slope = design.T @ (y - p) - penalty * weights
        bend = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights


def crossed(data: Measured, folds: Iterable[tuple[Ints, Ints]]) -> tuple[Floats, Floats]:
    """Readings by probes that have not seen the answer, for folds of rows to train on and rows to read.

    Beside each, what that probe says of its training rows on average. NaN where there is no reading. Raises
    `TableError` as `train`.
    """
    found, usual = np.full((2, len(data)), np.nan)
    for rest, held in folds:
        probe = train(data.select(rest))
        found[held] = scores(probe, data.select(held))
        usual[held] = np.nanmean(scores(probe, data.select(rest)))
    return found, usual


def scores(probe: Probe, data: Measured) -> Floats:
    """The probe's readings, NaN where it has none."""
    assert data.features is not None
    names = list(FEATURES)
    logit = np.full(len(data), probe.bias)
    for item in probe.weights:
        logit = logit + item.weight * (data.features[:, names.index(item.feature)] - item.mean) / item.scale
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(logit, -60, 60)))
    return found
