"""What a raw prediction is worth, and when it is worth nothing: learned from predictions out of fold.

A model that has seen a prompt predicts it too well, so calibration uses predictions of models that have not. The
curve lies between an isotonic one over a few bins and the raw prediction. The isotonic one alone is calibrated
best, and chooses worse: its level stretches make prompts equal that are not, and what it stretches for each model by
itself is noise as well (docs/decisions/036).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KNOTS: Final = 12
"""Fewer than the file has room for: each bin should hold some dozens of prompts."""
LEAST_PER_KNOT: Final = 25
KEPT: Final = 0.5
"""Of a raw prediction, which is a quality already, if a timid one. What is kept keeps order and restraint."""
KEPT_WITH_TASKS: Final = 0.75
"""The same, where tasks taught: such predictions are less timid, and calibrated as well with more of them kept."""
BAND_SHARES: Final = np.arange(0.05, 0.51, 0.05)
"""An abstain band may keep the scorer silent on at most half of the prompts."""


def knots(raw: Floats, quality: Floats, kept: float = KEPT) -> list[tuple[float, float]]:
    """Points from raw predictions to qualities, both rising: at least two, about `KNOTS`. `kept` is of the raw ones."""
    order = np.argsort(raw, kind="stable")
    raw, quality = raw[order], quality[order]
    bins = np.array_split(np.arange(len(raw)), int(np.clip(len(raw) // LEAST_PER_KNOT, 2, KNOTS)))
    at = np.array([raw[part].mean() for part in bins])
    level = _rising(np.array([quality[part].mean() for part in bins]), np.array([len(part) for part in bins]))
    # The ends go on to the farthest predictions, as far as these are kept.
    ends = kept * np.array([raw[0] - at[0], raw[-1] - at[-1]])
    found = (1 - kept) * level + kept * at
    at = np.concatenate([[raw[0]], at, [raw[-1]]])
    found = np.clip(np.concatenate([[found[0] + ends[0]], found, [found[-1] + ends[1]]]), 0.0, 1.0)
    points: list[tuple[float, float]] = []
    for place, value in zip(at.astype(np.float32).tolist(), found.astype(np.float32).tolist(), strict=True):
        if not points or place > points[-1][0]:
            points.append((place, max(value, points[-1][1]) if points else value))
    if len(points) == 1:
        points.append((points[0][0] + 1.0, points[0][1]))
    return points


def calibrated(raw: Floats, points: list[tuple[float, float]]) -> Floats:
    """The qualities that raw predictions stand for, as the core reckons them."""
    at, value = np.array(points).T
    found: Floats = np.interp(raw, at, value)
    return found


def band(predicted: Floats, quality: Floats, means: Floats) -> float:
    """Below which distance from the means, for every model, predictions have not paid out of fold.

    The widest one, up to half of the prompts, whose prompts were predicted no better than by the means: by less than
    one standard error of squared error. 0 if there is none.
    """
    measured = ~np.isnan(quality).all(axis=1)
    predicted, quality = predicted[measured], quality[measured]
    distance = np.abs(predicted - means).max(axis=1)
    gain = np.nanmean((quality - means) ** 2 - (quality - predicted) ** 2, axis=1)
    order = np.argsort(distance, kind="stable")
    widest = 0.0
    for share in BAND_SHARES:
        inside = order[: int(share * len(order))]
        if len(inside) > 1 and gain[inside].mean() < gain[inside].std() / np.sqrt(len(inside)):
            widest = float(distance[inside[-1]])
    return min(widest, 1.0)


def _rising(values: Floats, weights: NDArray[np.int64]) -> Floats:
    """The nearest rising values in weighted squares: neighbours that fall are pooled."""
    pools: list[list[float]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            value, weight, count = pools.pop()
            before = pools[-1]
            before[0] = (before[0] * before[1] + value * weight) / (before[1] + weight)
            before[1] += weight
            before[2] += count
    return np.repeat([pool[0] for pool in pools], [int(pool[2]) for pool in pools])
