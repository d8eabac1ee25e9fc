"""One calibration from beginning to end: a signal, a target, thresholds, promises, and a probe if the signal is one.

A probe is trained on half of the prompts and its thresholds are found on the other half: on its own training prompts it
looks surer than it is.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np

from junctor.calibration.measured import Floats, Measured
from junctor.calibration.thresholds import Found, escalated, for_cost, for_quality, for_share, rounded
from junctor.calibration.training import scores, train
from junctor.cascade.calibration import Promise
from junctor.cascade.probe import Probe
from junctor.evaluation.rows import TableError


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted. `value` is the target's; `reject` the share of prompts that go to the last step at once."""

    signal: str
    target: Literal["escalation", "at-most", "quality", "kept", "cost"]
    value: float
    confidence: float = 0.95
    reject: float | None = None
    small_usd: float = 0.0
    strong_usd: float = 0.0
    model: str = ""
    seed: int = 0


class Result(NamedTuple):
    """What was found."""

    accept: float
    reject: float | None
    promises: tuple[Promise, ...]
    probe: Probe | None

    def readings(self, data: Measured, signal: str) -> Floats:
        """The signal's readings of any prompts."""
        return data.reading(signal) if self.probe is None else scores(self.probe, data)


def calibrated(data: Measured, plan: Plan) -> Result:
    """Thresholds for the plan. Raises `TableError` where the target cannot be promised."""
    probe: Probe | None = None
    if plan.signal == "probe" and "probe" not in data.readings:
        half = data.folds(2, plan.seed)
        probe = train(data.select(np.flatnonzero(half == 0)), model=plan.model)
        data = data.select(np.flatnonzero(half == 1))
        readings = scores(probe, data)
    else:
        readings = data.reading(plan.signal)
    found = _kept_when_rounded(_found(data, readings, plan), readings)
    reject: float | None = None
    promises: tuple[Promise, ...] = (found.promise,)
    if plan.reject is not None:
        lower = _kept_when_rounded(
            for_share(readings, plan.reject, confidence=plan.confidence, rejection=True), readings
        )
        if lower.threshold > found.threshold:
            raise TableError(
                f"a rejected share of {plan.reject:.1%} is more than the {found.below / len(readings):.1%} that are "
                "escalated at all; ask for less"
            )
        reject, promises = lower.threshold, (found.promise, lower.promise)
    return Result(found.threshold, reject, promises, probe)


def _found(data: Measured, readings: Floats, plan: Plan) -> Found:
    confidence, value = plan.confidence, plan.value
    if plan.target == "cost":
        return for_cost(readings, value, small_usd=plan.small_usd, strong_usd=plan.strong_usd, confidence=confidence)
    if plan.target in ("quality", "kept"):
        return for_quality(data, readings, value, confidence=confidence, kept=plan.target == "kept", seed=plan.seed)
    return for_share(readings, value, confidence=confidence, most=plan.target == "at-most")


def _kept_when_rounded(found: Found, readings: Floats) -> Found:
    """A threshold that is pleasant to read, if it escalates the same answers."""
    pleasant = rounded(found.threshold)
    same = np.array_equal(escalated(readings, pleasant), escalated(readings, found.threshold))
    return found._replace(threshold=pleasant) if same else found
