"""How far labellers agree: what they make alike, and Krippendorff's alpha, which takes off what chance makes alike.

Alpha (interval scale; Krippendorff 2004) is 1 for full agreement and 0 for chance, and copes with labels that are
missing and with any number of labellers. Below .67 its author draws no conclusions: such labels mostly tell who did it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import msgspec


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Over the answers that two or more labelled: the share of pairs that are alike, and alpha (NaN for no variety)."""

    answers: int
    alike: float
    alpha: float


def agreement(labels: Mapping[str, Mapping[str, float]]) -> Agreement:
    """The agreement of labellers, who gave quality by key."""
    keys = dict.fromkeys(key for given in labels.values() for key in given)
    units = [[given[key] for given in labels.values() if key in given] for key in keys]
    units = [unit for unit in units if len(unit) > 1]
    pairs = [pair for unit in units for pair in combinations(unit, 2)]
    if not pairs:
        return Agreement(answers=0, alike=float("nan"), alpha=float("nan"))
    alike = sum(abs(a - b) < 1e-9 for a, b in pairs) / len(pairs)
    return Agreement(answers=len(units), alike=alike, alpha=_alpha(units))


def _alpha(units: list[list[float]]) -> float:
    """1 − observed disagreement over that of all labels thrown together."""
    values = [value for unit in units for value in unit]
    count, mean = len(values), sum(values) / len(values)
    # the mean squared difference of all pairs is twice the variance, so no pair has to be looked at
    expected = 2 * sum((value - mean) ** 2 for value in values) / (count - 1)
    observed = sum(sum((a - b) ** 2 for a, b in combinations(unit, 2)) * 2 / (len(unit) - 1) for unit in units) / count
    return float("nan") if expected == 0 else 1 - observed / expected
