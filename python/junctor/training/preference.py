"""From comparisons to a scorer: the chance that a model's answer is preferred to the reference's, by prompt.

The rating of a model is its chance over all prompts; what the prompt adds is linear in the core's features of its
words, trained by the logistic loss on the difference of the two that were compared. So RouteLLM's question is asked,
"who would win this one", with the features of the linear scorer; its similarity-weighted ranking would solve a
Bradley-Terry model for every request, which is no work for a decision. Quality is the chance against the reference,
ties halved: the reference's own is ½ for every prompt, and a `gap` of .1 is sixty to forty.

Predictions out of fold say how much of what the prompt adds is kept: one factor for all models, for each compared pair
is another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from junctor import _core
from junctor.training.calibrate import band
from junctor.training.comparisons import Comparisons
from junctor.training.design import design
from junctor.training.fit import LEAST_PROMPTS, MOST_MODELS, SECONDS_PER_DAY, Recipe, TrainingError
from junctor.training.ratings import doubts, ratings, sigmoid

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Matrix: TypeAlias = Any
"""A scipy CSR matrix: prompts × features."""

STEPS: Final = 60
"""Of L-BFGS: what is left undone after those is what the ridge would shrink away."""
CURVATURE: Final = 0.25
"""Of the logistic loss at even odds: by so much the ridge is weaker here to mean the same as for squared error."""
KNOTS: Final = 16
"""Of the curve from logarithms of odds to a chance: as many as the file has room for."""
FARTHEST: Final = 6.0
"""Logarithms of odds at which the curve ends: 400 to 1."""
MOST_KEPT: Final = 4.0
"""The ridge shrinks what little was learned of each feature; folds may say that it shrank too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """A scorer trained on comparisons. `predicted` is the first model's chance of each row, out of fold."""

    artifact: bytes
    models: tuple[str, ...]
    reference: str
    ratings: Floats
    errors: Floats
    predicted: Floats
    alone: Floats
    """The same by ratings alone, also out of fold."""
    kept: float
    """Of what prompts add."""
    band: float
    took_s: float
    notes: tuple[str, ...]


def train_preference(
    made: Comparisons,
    recipe: Recipe | None = None,
    *,
    reference: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Preferred:
    """Trains a linear scorer on comparisons; `reference` is the model of highest rating if not given.

    Raises `TrainingError` for comparisons that teach nothing.
    """
    recipe = recipe or Recipe()
    began = time.perf_counter()
    _check(made, recipe, reference)
    tell("reading the prompts")
    words = design(made.prompts, recipe.features)
    fold = _folds(made, recipe)
    alone, added = np.zeros(len(made)), np.zeros(len(made))
    for number in range(recipe.folds):
        tell(f"fold {number + 1} of {recipe.folds}")
        learn, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        some = made.select(learn)
        rated, _ = ratings(some)
        rarity = words.rarity(learn)
        weights = _weights(words.x[learn].multiply(rarity).tocsr(), some, rated, recipe.strength)
        alone[held] = rated[made.first[held]] - rated[made.second[held]]
        added[held] = _difference(words.x[held].multiply(rarity).tocsr() @ weights, made.first[held], made.second[held])
    predicted = np.zeros(len(made))
    for number in range(recipe.folds):
        held = fold == number
        predicted[held] = sigmoid(alone[held] + _kept(alone[~held], added[~held], made.won[~held]) * added[held])
    kept = _kept(alone, added, made.won)
    tell("the whole table")
    rated, errors = ratings(made)
    at = made.models.index(reference) if reference is not None else int(np.argmax(rated))
    everything = np.arange(len(made))
    rarity = words.rarity(everything)
    weights = kept * _weights(words.x.multiply(rarity).tocsr(), made, rated, recipe.strength)
    weights = (weights - weights[:, [at]]) * rarity[:, None]
    width = band(predicted[:, None], made.won[:, None], sigmoid(alone)[:, None])
    found = _pack(made, recipe, weights, rated - rated[at], width)
    return Preferred(
        artifact=found,
        models=made.models,
        reference=made.models[at],
        ratings=rated,
        errors=errors,
        predicted=predicted,
        alone=sigmoid(alone),
        kept=kept,
        band=width,
        took_s=time.perf_counter() - began,
        notes=doubts(made),
    )


def _difference(said: Floats, first: Ints, second: Ints) -> Floats:
    rows = np.arange(len(said))
    found: Floats = said[rows, first] - said[rows, second]
    return found


def _weights(whole: Matrix, made: Comparisons, rated: Floats, strength: float) -> Floats:
    """What each feature adds to each model's rating, (features, models): logistic loss on differences, and a ridge."""
    count, rows = len(made.models), np.arange(len(made))
    seen = np.unique(whole.indices)
    x = whole[:, seen].astype(np.float64)
    start = rated[made.first] - rated[made.second]
    ridge, back = CURVATURE * strength, x.T.tocsr()

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(-1, count)
        odds = start + _difference(x @ weights, made.first, made.second)
        value = float((np.logaddexp(0.0, odds) - made.won * odds).sum() + 0.5 * ridge * (flat @ flat))
        wrong = sigmoid(odds) - made.won
        spread = np.zeros((len(made), count))
        spread[rows, made.first] = wrong
        spread[rows, made.second] = -wrong
        slope = back @ spread + ridge * weights
        return value, slope.ravel()

    found = optimize.minimize(
        loss, np.zeros(x.shape[1] * count), jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-7}
    )
    weights = np.zeros((whole.shape[1], count))
    weights[seen] = found.x.reshape(-1, count)
    return weights


def _kept(alone: Floats, added: Floats, won: Floats) -> float:
    """How much of what prompts add is kept, from none to `MOST_KEPT`: where the logistic loss out of fold is least."""

    def loss(share: float) -> float:
        odds = alone + share * added
        return float((np.logaddexp(0.0, odds) - won * odds).mean())

    return float(optimize.minimize_scalar(loss, bounds=(0.0, MOST_KEPT), method="bounded").x)


def _folds(made: Comparisons, recipe: Recipe) -> Ints:
    count = int(made.groups.max()) + 1
    drawn: Ints = np.random.default_rng(recipe.seed).permutation(np.arange(count) % recipe.folds)[made.groups]
    return drawn


def _pack(made: Comparisons, recipe: Recipe, weights: Floats, over: Floats, width: float) -> bytes:
    """The artifact: raw predictions are logarithms of odds against the reference, the curve makes them chances."""
    at = np.linspace(-FARTHEST, FARTHEST, KNOTS)
    curve = list(zip(at.tolist(), sigmoid(at).tolist(), strict=True))
    models = [
        {"name": name, "label_mean": mean, "bias": bias, "knots": curve}
        for name, mean, bias in zip(made.models, sigmoid(over).tolist(), over.tolist(), strict=True)
    ]
    facts = {
        "bits": recipe.features.bits, "pairs": recipe.features.pairs, "grams": recipe.features.grams,
        "fields": [], "scales": recipe.features.scales, "band": width, "rows": len(made),
        "day": int(time.time()) // SECONDS_PER_DAY if recipe.day is None else recipe.day, "models": models,
    }  # fmt: skip
    return _core.pack_scorer(msgspec.json.encode(facts), np.ascontiguousarray(weights, np.float32).tobytes())


def _check(made: Comparisons, recipe: Recipe, reference: str | None) -> None:
    different, source = len(np.unique(made.groups)), made.source
    if different < LEAST_PROMPTS:
        raise TrainingError(
            f"{source}: it has comparisons of {different} different prompts; training needs at least {LEAST_PROMPTS}: "
            "ratings alone are in `junctor.training.ratings`"
        )
    if not 2 <= len(made.models) <= MOST_MODELS:
        raise TrainingError(f"{source}: it has {len(made.models)} models; a scorer of pairs holds 2 to {MOST_MODELS}")
    if reference is not None and reference not in made.models:
        raise TrainingError(f"{source}: the reference is {reference!r}; allowed are {', '.join(made.models)}")
    if np.all(made.won == 0.5):
        raise TrainingError(f"{source}: every comparison is a tie; training needs some that were won")
    wins = np.zeros(len(made.models))
    np.add.at(wins, made.first, made.won)
    np.add.at(wins, made.second, 1.0 - made.won)
    winners = np.flatnonzero(wins)
    if len(winners) == 1:
        raise TrainingError(
            f"{source}: {made.models[winners[0]]!r} has won every comparison; training needs prompts on which others "
            "do: set `quality` of the deployments"
        )
    if not 2 <= recipe.folds <= different:
        raise TrainingError(f"folds is {recipe.folds}; allowed is 2 to {different}, usually 5")
    if not 0 < recipe.strength < float("inf"):
        raise TrainingError(f"strength is {recipe.strength}; allowed is a number above 0, usually 16")
