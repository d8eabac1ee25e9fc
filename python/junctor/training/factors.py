"""Factors of models and prompts: ridge regression on embeddings, cut to the directions that models share.

RouteLLM's matrix factorisation predicts by a product of a model's vector and a projected embedding, learned by gradient
descent. With squared error the same form has a closed solution: a ridge regression for each model, of which the
largest singular directions of its predictions are kept. So there is nothing to tune but the ridge and the rank, which
are chosen out of fold, and the same table gives the same bytes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STRENGTHS: Final = (1.0, 4.0, 16.0, 64.0)
"""Of the ridge, for vectors of length 1."""
RANKS: Final = (1, 2, 4, 8, 32)
"""Most factors; never more than models."""


class Setting(NamedTuple):
    """How factors are fitted."""

    strength: float
    rank: int


class Regression:
    """Ridge weights of models at any strength: one decomposition for those that were measured on equal prompts."""

    def __init__(self, vectors: NDArray[np.float32], quality: Floats) -> None:
        self.vectors = vectors.astype(np.float64)
        known = ~np.isnan(quality)
        self.means: Floats = np.where(known, quality, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        self.centre: Floats = self.vectors.mean(axis=0)
        self._parts: list[tuple[NDArray[np.int64], Floats, Floats, Floats]] = []
        patterns, of = np.unique(known, axis=1, return_inverse=True)
        for number in range(patterns.shape[1]):
            models = np.flatnonzero(of.reshape(-1) == number)
            rows = patterns[:, number]
            x = self.vectors[rows] - self.centre
            y = quality[np.ix_(np.flatnonzero(rows), models)] - self.means[models]
            size, way = np.linalg.eigh(x.T @ x)
            self._parts.append((models, size, way, way.T @ (x.T @ y)))

    def weights(self, strength: float) -> Floats:
        """(dimension, models)."""
        found = np.zeros((self.vectors.shape[1], len(self.means)))
        for models, size, way, seen in self._parts:
            found[:, models] = way @ (seen / (np.maximum(size, 0.0) + strength)[:, None])
        return found


def shared(weights: Floats, vectors: Floats, rank: int) -> tuple[Floats, Floats]:
    """The largest directions of what weights predict: a projection (rank, dimension) and factors (models, rank)."""
    seen = vectors @ weights
    _, way = np.linalg.eigh(seen.T @ seen)
    kept = way[:, ::-1][:, : min(rank, weights.shape[1])]
    return (weights @ kept).T, kept


def predict(fit: Regression, vectors: NDArray[np.float32], setting: Setting) -> Floats:
    """Qualities (prompts, models) of vectors."""
    projection, factors = shared(fit.weights(setting.strength), fit.vectors - fit.centre, setting.rank)
    found: Floats = fit.means + ((vectors - fit.centre) @ projection.T) @ factors.T
    return found
