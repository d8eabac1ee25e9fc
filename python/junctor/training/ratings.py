"""Ratings of models from comparisons: Bradley and Terry's model at its maximum likelihood, as Chatbot Arena has it.

A model of rating `a` is preferred to one of `b` with probability `1 / (1 + exp(b - a))`; a tie is half a win. Elo's
updates reach about the same numbers and depend on the order of rows; the maximum does not. Each model also plays one
drawn game of `PRIOR` weight against an average one: whoever has only won stays finite, groups of models that never met
are laid beside each other at the average, and a model that was never compared is average. Cycles (a beats b beats c
beats a) have a maximum as well: they cost likelihood, and nothing else.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from junctor.training.comparisons import Comparisons

Floats = NDArray[np.float64]

PRIOR: Final = 0.5
"""Games that a rating does not rest on. Small beside the dozens that a rating of any use has."""
STEPS: Final = 60
NEAR: Final = 1e-10
ELO: Final = 400.0 / np.log(10.0)
"""From natural logarithms of odds to the points that people know."""


def ratings(made: Comparisons, prior: float = PRIOR) -> tuple[Floats, Floats]:
    """The rating of each model around a mean of about 0, in logarithms of odds, and its standard error."""
    count = len(made.models)
    won = np.zeros((count, count))
    np.add.at(won, (made.first, made.second), made.won)
    np.add.at(won, (made.second, made.first), 1.0 - made.won)
    games = won + won.T
    found, curved = np.zeros(count), np.eye(count)
    for _ in range(STEPS):
        chance = sigmoid(found[:, None] - found[None, :])
        own = sigmoid(found)
        slope = (won - games * chance).sum(axis=1) + prior * (0.5 - own)
        bent = games * chance * (1.0 - chance)
        curved = np.diag(bent.sum(axis=1) + prior * own * (1.0 - own)) - bent
        step = np.linalg.solve(curved, slope)
        # Of a model that has only won, Newton's steps are long at first.
        found += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(slope).max() < NEAR:
            break
    return found, np.sqrt(np.diag(np.linalg.inv(curved)))


def doubts(made: Comparisons) -> tuple[str, ...]:
    """What ratings do not rest on, in sentences: models never compared, and groups of models that never met."""
    count = len(made.models)
    met = np.eye(count, dtype=bool)
    met[made.first, made.second] = met[made.second, made.first] = True
    for through in range(count):
        met |= met[:, [through]] & met[[through], :]
    alone = [name for name, row in zip(made.models, met, strict=True) if row.sum() == 1]
    told = [f"{name}: never compared, so it is rated as an average model; `like` may know better" for name in alone]
    parts = {tuple(np.flatnonzero(row).tolist()) for row in met if row.sum() > 1}
    if len(parts) > 1:
        shown = "; ".join(", ".join(made.models[place] for place in part) for part in sorted(parts))
        told.append(f"models that never met, directly or through others, are rated by the average alone: {shown}")
    return tuple(told)


def sigmoid(odds: Floats) -> Floats:
    """The probability of these logarithms of odds, without overflow."""
    found: Floats = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return found
