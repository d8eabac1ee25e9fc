"""Nearest prompts in numpy: what the core tells of an embedding, for training, and how many neighbours pay.

A neighbour of cosine `c` weighs `((1 + c) / 2) ** (2 ** sharpness)`, the mean as much as `smoothing`: the same sums as
in `rust/core/src/learned/embedded/neighbours.rs`, on vectors that are not rounded. How many, how sharp and how smooth
is chosen by squared error out of fold, from few settings, since more would fit the folds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

NEAREST: Final = (16, 48, 128)
SHARPNESS: Final = (1, 3, 5, 7)
SHARES: Final = (0.1, 0.5)
"""What the mean weighs, as a share of what the neighbours of a usual prompt weigh together."""
CHUNK: Final = 1_000
"""Prompts looked at together, so that ten thousand neighbours of each fit into memory."""
LEAST: Final = 1e-5
"""Of smoothing: the core takes none below a tenth of it."""


class Near(NamedTuple):
    """The nearest of each prompt, nearest first: how near, and their rows among those known."""

    cosines: Floats
    places: NDArray[np.int64]


class Setting(NamedTuple):
    """How neighbours are asked."""

    nearest: int
    sharpness: int
    smoothing: float


def nearest(known: Vectors, asked: Vectors, most: int) -> Near:
    """The nearest of the known vectors for each asked one, nearest first. Both are of length 1."""
    most = min(most, len(known))
    cosines, places = np.empty((len(asked), most)), np.empty((len(asked), most), np.int64)
    for begin in range(0, len(asked), CHUNK):
        part = slice(begin, begin + CHUNK)
        found = asked[part] @ known.T
        top = np.argpartition(-found, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(found, top, axis=1), axis=1, kind="stable")
        places[part] = np.take_along_axis(top, order, axis=1)
        cosines[part] = np.take_along_axis(found, places[part], axis=1)
    return Near(cosines, places)


def weights(near: Near, sharpness: int) -> Floats:
    """What each neighbour weighs."""
    found: Floats = np.clip((1.0 + near.cosines) / 2.0, 0.0, 1.0) ** (2**sharpness)
    return found


def told(near: Near, quality: Floats, means: Floats, setting: Setting) -> Floats:
    """Qualities (asked, models) by the neighbours' `quality` under one setting."""
    count = min(setting.nearest, near.places.shape[1])
    weight = weights(near, setting.sharpness)[:, :count]
    found = np.empty((len(weight), quality.shape[1]))
    for begin in range(0, len(weight), CHUNK):
        part = slice(begin, begin + CHUNK)
        cells = quality[near.places[part, :count]]
        known = ~np.isnan(cells)
        above = np.einsum("nk,nkm->nm", weight[part], np.where(known, cells, 0.0))
        below = np.einsum("nk,nkm->nm", weight[part], known.astype(float))
        found[part] = (above + setting.smoothing * means) / (below + setting.smoothing)
    return found


def settings(near: Near) -> Iterator[Setting]:
    """All settings that are tried: the smoothing of each goes with what its neighbours usually weigh."""
    for sharpness in SHARPNESS:
        sums = np.cumsum(weights(near, sharpness), axis=1).mean(axis=0)
        for count in NEAREST:
            usual = float(sums[min(count, len(sums)) - 1])
            for share in SHARES:
                yield Setting(count, sharpness, float(np.float32(np.clip(share * usual, LEAST, 1_000.0))))
