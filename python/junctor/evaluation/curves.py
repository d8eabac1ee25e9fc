"""The curve of a pair of models: how much of their gap is recovered, for each share of calls to the strong one.

A chooser gives each prompt a score, how much it wants the strong model; a threshold on it makes a share of strong calls
and a quality. The curve goes through all thresholds. Prompts with one score cannot be told apart, so between the
points there is chance, which is a straight line: a constant score is exactly random choice, and no order of rows can
flatter it. RouteLLM samples ten thresholds instead, which agrees to about a hundredth and jumps with ties.

Every function takes weights of prompts, one row per draw, because that is how a bootstrap is made of it: a thousand
curves cost one sort.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """Points from no strong call to all of them. Arrays of (points,), or (draws, points) for weighted draws.

    `share` is of strong calls; `recovered` the PGR there, NaN where the strong model is not better than the weak one.
    """

    share: Floats
    recovered: Floats


def pair_curve(score: Floats, gain: Floats, weights: Floats | None = None) -> Curve:
    """The curve of a score, high where the strong model is wanted. `gain` is strong's quality less weak's, by prompt.

    PGR (RouteLLM, arXiv 2406.18665, §2.2): (quality of the mix − weak) / (strong − weak).
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # the last prompt of each score
    weighted = np.ones((1, len(order))) if weights is None else np.atleast_2d(weights)[:, order]
    calls = np.cumsum(weighted, axis=1)[:, ends]
    gained = np.cumsum(weighted * gain[order], axis=1)[:, ends]
    total = gained[:, -1:]
    start = np.zeros((len(weighted), 1))
    share = np.hstack([start, calls / calls[:, -1:]])
    recovered = np.hstack([start, gained / np.where(total > 1e-12, total, np.nan)])
    return Curve(share[0], recovered[0]) if weights is None or weights.ndim == 1 else Curve(share, recovered)


def apgr(curve: Curve) -> Floats:
    """Area under the PGR over the share of strong calls: 0.5 for random (RouteLLM, §2.2)."""
    heights = (curve.recovered[..., 1:] + curve.recovered[..., :-1]) / 2
    area: Floats = np.asarray((heights * np.diff(curve.share, axis=-1)).sum(axis=-1))
    return area


def cpt(curve: Curve, recovered: float) -> Floats:
    """CPT(x): the smallest share of strong calls at which the PGR is x (RouteLLM, §2.2); random needs x itself."""
    share, height = np.atleast_2d(curve.share), np.atleast_2d(curve.recovered)
    reached = np.nan_to_num(height, nan=-np.inf) >= recovered - 1e-12
    after = np.argmax(reached, axis=1)
    rows = np.arange(len(after))
    before = np.maximum(after - 1, 0)
    low, high = height[rows, before], height[rows, after]
    part = np.divide(recovered - low, high - low, out=np.zeros_like(low), where=high > low)
    found = share[rows, before] + part * (share[rows, after] - share[rows, before])
    found = np.where(reached.any(axis=1), found, np.nan)
    return np.asarray(found[0] if curve.share.ndim == 1 else found)


def recovered_at(curve: Curve, shares: Floats) -> Floats:
    """The PGR at these shares of strong calls, read off the line: (shares,) or (draws, shares)."""
    if curve.share.ndim == 1:
        return np.interp(shares, curve.share, curve.recovered)
    rows = zip(curve.share, curve.recovered, strict=True)
    return np.array([np.interp(shares, share, recovered) for share, recovered in rows])
