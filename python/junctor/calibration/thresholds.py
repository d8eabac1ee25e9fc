"""T1 and T2 for a target.

An answer is escalated when its reading is below the threshold; answers without one are below every threshold. For a
share of escalations the threshold is the one whose share comes nearest, with exact bounds on both sides, or the highest
one that keeps the share at most what is asked. For a quality the thresholds are tested from the safest, which escalates
everything, downwards, and the last one that passes is taken: with tests in an order that was fixed beforehand the
promise holds for it (Learn then Test, Angelopoulos et al., arXiv 2110.01052: fixed sequence testing).
A cost is a share in other words, where a call of each model has its price.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Final, NamedTuple

import numpy as np

from junctor.calibration.bounds import mean_is_less, share_at_most, share_between
from junctor.calibration.measured import Floats, Measured
from junctor.cascade.calibration import Promise
from junctor.evaluation.rows import TableError

EXACT: Final = "order statistics (Wilks 1941, Clopper-Pearson)"
TESTED: Final = "Learn then Test (arXiv 2110.01052), betting p-values (Waudby-Smith & Ramdas 2024)"
CUTS: Final = 200
"""Thresholds that are tested for a quality, evenly spread over the prompts."""

SPREAD: Final = 1e-9


class Found(NamedTuple):
    """A threshold, how many readings are below it, and what is promised of it."""

    threshold: float
    below: int
    promise: Promise


class Cuts(NamedTuple):
    """Where a threshold can lie: between two different readings, or above or below all. Rising."""

    values: Floats
    below: np.ndarray[tuple[int], np.dtype[np.int64]]


def cuts(readings: Floats) -> Cuts:
    """All thresholds that differ in what they escalate. Raises `TableError` if no answer has a reading."""
    known = np.sort(readings[~np.isnan(readings)])
    if not len(known):
        raise TableError("no answer has a reading; there is nothing to calibrate")
    missing = len(readings) - len(known)
    distinct, first = np.unique(known, return_index=True)
    middle = (distinct[1:] + distinct[:-1]) / 2
    above = distinct[-1] + max(SPREAD, abs(distinct[-1]) * 1e-6)
    values = np.concatenate([[distinct[0]], middle, [above]])
    below = np.concatenate([first, [len(known)]]) + missing
    return Cuts(values, below.astype(np.int64))


def escalated(readings: Floats, threshold: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which answers are escalated."""
    return ~(readings >= threshold)


def for_share(
    readings: Floats, share: float, *, confidence: float, most: bool = False, rejection: bool = False
) -> Found:
    """The threshold under which this share of prompts falls; with `most`, at most this share, surely."""
    found, n = cuts(readings), len(readings)
    if most:
        # The bound rises with the count below, so the highest threshold within it is found by halving.
        place = bisect_right(found.below, share, key=lambda below: share_at_most(int(below), n, confidence)) - 1
        if place < 0:
            least = share_at_most(int(found.below[0]), n, confidence)
            raise TableError(
                f"a share of at most {share:.1%} cannot be promised by {n} prompts: {least:.1%} is the least; "
                "ask for more, or give more prompts"
            )
        low, high = None, share_at_most(int(found.below[place]), n, confidence)
    else:
        place = int(np.argmin(np.abs(found.below / n - share)))
        low, high = share_between(int(found.below[place]), n, confidence)
    below = int(found.below[place])
    promise = Promise(
        target="rejection" if rejection else "escalation", asked=share, found=below / n, low=low, high=high,
        confidence=confidence, method=EXACT, prompts=n,
    )  # fmt: skip
    return Found(float(found.values[place]), below, promise)


def for_cost(readings: Floats, usd: float, *, small_usd: float, strong_usd: float, confidence: float) -> Found:
    """The threshold by which a call costs at most this on average: a small one, and a strong one if escalated."""
    share = (usd - small_usd) / strong_usd if strong_usd > 0 else -1.0
    if not share > 0.0:
        raise TableError(f"{usd:g} dollars a call do not pay the small model's {small_usd:g}; ask for more")
    found = for_share(readings, min(1.0, share), confidence=confidence, most=True)
    told = found.promise
    high = 1.0 if told.high is None else told.high
    promise = Promise(
        target="cost", asked=usd, found=small_usd + told.found * strong_usd, high=small_usd + high * strong_usd,
        confidence=confidence, method=EXACT, prompts=told.prompts,
    )  # fmt: skip
    return Found(found.threshold, found.below, promise)


def for_quality(
    data: Measured, readings: Floats, asked: float, *, confidence: float, kept: bool, seed: int = 0
) -> Found:
    """The lowest threshold whose mean quality is at least `asked`; with `kept`, that part of the strong model's."""
    if data.strong is None:
        raise TableError("a quality needs the strong model's too; name its column by --strong")
    order = data.shuffled(seed)
    readings, small, strong = readings[order], data.small[order], data.strong[order]
    found, n = cuts(readings), len(readings)
    chosen: int | None = None
    tested = range(len(found.values) - 1, -1, -max(1, len(found.values) // CUTS))
    for place in tested:
        delivered = np.where(escalated(readings, found.values[place]), strong, small)
        # Losses from 0 to 1 whose mean is below the level exactly where the promise holds.
        if kept:
            losses, level = (asked * strong - delivered + 1.0) / (1.0 + asked), 1.0 / (1.0 + asked)
        else:
            losses, level = 1.0 - delivered, 1.0 - asked
        if mean_is_less(losses, level) > 1.0 - confidence:
            break
        chosen = place
    if chosen is None:
        mean = float(strong.mean())
        what = f"{asked:.1%} of the strong model's quality" if kept else f"a quality of {asked:g}"
        raise TableError(
            f"{what} cannot be promised by {n} prompts, not even by escalating all (the strong model's mean is "
            f"{mean:.3f}); ask for less, or give more prompts"
        )
    delivered = np.where(escalated(readings, found.values[chosen]), strong, small)
    mean = float(delivered.mean())
    promise = Promise(
        target="kept" if kept else "quality", asked=asked,
        found=mean / float(strong.mean()) if kept and strong.mean() > 0 else mean, low=asked,
        confidence=confidence, method=TESTED, prompts=n,
    )  # fmt: skip
    return Found(float(found.values[chosen]), int(found.below[chosen]), promise)


def rounded(threshold: float) -> float:
    """A threshold as it is written down: six digits tell all readings apart that models' numbers do."""
    return float(f"{threshold:.6g}") if math.isfinite(threshold) else threshold
