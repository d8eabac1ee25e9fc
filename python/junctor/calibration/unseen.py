"""What the same procedure yields on prompts that it did not see, and how well each signal orders them.

Each fold is judged by thresholds that were found on the others, and the folds are put together. The order of the
prompts by a signal is judged by APGR: the share of the gap between the two models that is recovered, averaged over
all shares of strong calls; 0.5 is chance (`evaluation.curves`).
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from junctor.calibration.measured import Measured
from junctor.calibration.plans import Plan, calibrated
from junctor.calibration.thresholds import escalated
from junctor.calibration.training import crossed
from junctor.evaluation.curves import apgr, pair_curve
from junctor.evaluation.resampling import Bootstrap, interval

FOLDS: Final = 5
DRAWS: Final = 1_000


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of prompts that were not calibrated on, all folds together. Qualities need the strong model's."""

    prompts: int
    folds: int
    escalated: float
    low: float
    high: float
    quality: float | None = None
    small_quality: float
    strong_quality: float | None = None
    kept: float | None = None
    usd: float | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How well a signal orders the prompts, with the middle 95 % of draws of the prompts."""

    signal: str
    apgr: float
    low: float
    high: float


def unseen(data: Measured, plan: Plan, *, folds: int = FOLDS) -> Unseen:
    """Each fold under the thresholds of the others."""
    fold = data.folds(folds, plan.seed)
    up = np.zeros(len(data), bool)
    for number in range(folds):
        rest, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        result = calibrated(data.select(rest), plan)
        up[held] = escalated(result.readings(data.select(held), plan.signal), result.accept)
    share = float(up.mean())
    around = interval(share, Bootstrap(data.groups, DRAWS, plan.seed).mean(up.astype(np.float64)))
    small = float(data.small.mean())
    told = Unseen(
        prompts=len(data), folds=folds, escalated=share, low=around.low, high=around.high, small_quality=small,
        usd=plan.small_usd + share * plan.strong_usd if plan.strong_usd else None,
    )  # fmt: skip
    if data.strong is None:
        return told
    quality, strong = float(np.where(up, data.strong, data.small).mean()), float(data.strong.mean())
    return msgspec.structs.replace(
        told, quality=quality, strong_quality=strong, kept=quality / strong if strong > 0 else None
    )


def orders(data: Measured, *, seed: int = 0, folds: int = FOLDS) -> list[Order]:
    """Every signal of the table and the probe, trained on the other folds. Empty without the strong model's quality."""
    if data.strong is None:
        return []
    readings = dict(data.readings)
    if data.features is not None and "probe" not in readings and float(np.ptp(data.small)) > 0:
        fold = data.folds(folds, seed)
        sides = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(folds)]
        readings["probe"], _ = crossed(data, sides)
    gain = data.strong - data.small
    drawn = Bootstrap(data.groups, DRAWS, seed)
    told = []
    for name, values in readings.items():
        doubt = np.where(np.isnan(values), np.inf, -values)  # no reading is escalated first
        value = float(apgr(pair_curve(doubt, gain)))
        around = interval(value, drawn.of(lambda weights, doubt=doubt: apgr(pair_curve(doubt, gain, weights))))  # type: ignore[misc]  # a lambda's default has no type
        told.append(Order(signal=name, apgr=value, low=around.low, high=around.high))
    return sorted(told, key=lambda order: -order.apgr)
