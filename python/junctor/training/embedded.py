"""Scorers that read embeddings: `knn` and `mf`, around a linear one that reads words.

The embeddings are the table's: whoever trains made them, with the model that will make those of requests. The linear
scorer in the same file speaks for requests that bring none. Folds are shared, so that both are judged on equal prompts;
settings are chosen by squared error out of fold, which flatters figures a little: there are two dozen of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from junctor import _core
from junctor.evaluation import Table
from junctor.training import factors, nearest
from junctor.training.calibrate import band, calibrated, knots
from junctor.training.fit import Recipe, Trained, TrainingError, cross_calibrated, known_cells, train

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
S = TypeVar("S")
Points = list[tuple[float, float]]

Kind = Literal["knn", "mf"]
MOST_VECTORS: Final = 10_000
"""Prompts that a scorer of kind `knn` keeps: each is looked at in each decision."""
MOST_BYTES: Final = 12 * 1_048_576
"""What the core lets them take, at a byte a number."""


def train_embedded(
    table: Table,
    kind: Kind,
    by: str,
    recipe: Recipe | None = None,
    *,
    most: int = MOST_VECTORS,
    tell: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Trains a scorer of this kind on the table's embeddings, which the model `by` made; `most` vectors are kept.

    Raises `TrainingError` for a table without embeddings, and for one that teaches nothing.
    """
    recipe = recipe or Recipe()
    began = time.perf_counter()
    vectors = unit(table, kind)
    if not 1 <= len(by.encode()) <= 255 or not by.isprintable():
        raise TrainingError(
            f"the name of the embedding model is {by!r}; allowed are 1 to 255 bytes of printable text: name the model "
            "that made the table's embeddings, since those of requests must be its own too"
        )
    if most < 1:
        raise TrainingError(f"the number of vectors is {most}; allowed is 1 or more, usually {MOST_VECTORS:,}")
    words = train(table, recipe, tell=tell)
    tell(f"{kind}: choosing by folds")
    most = min(most, MOST_BYTES // vectors.shape[1])
    made = _Nearest(table, vectors, most, recipe.seed) if kind == "knn" else _Factors(table, vectors)
    raw = made.chosen(words.fold)
    predicted = cross_calibrated(raw, table.quality, words.fold)
    curves = [knots(*known_cells(raw[:, model], table.quality[:, model])) for model in range(len(table.models))]
    means = np.nanmean(table.quality, axis=0)
    width = band(predicted, table.quality, means)
    tell(f"{kind}: the whole table")
    facts = {
        "by": by,
        "dimension": vectors.shape[1],
        "band": width,
        "models": list(zip(means.tolist(), curves, strict=True)),
    }
    artifact, exact = made.packed(words.artifact, facts)
    return replace(
        words,
        artifact=artifact,
        predicted=predicted,
        abstained=np.abs(predicted - means).max(axis=1) < width,
        band=width,
        rounding=_rounding(artifact, table, exact, curves),
        took_s=time.perf_counter() - began,
        notes=made.notes(),
    )


def unit(table: Table, kind: str) -> Vectors:
    """The table's embeddings, each of length 1. Raises `TrainingError` if there are none."""
    if table.embeddings is None:
        raise TrainingError(
            f"{table.source} has no column 'embedding'; a scorer of kind {kind} needs a vector for each prompt: add "
            "the column (JSON lines are best), or train kind linear"
        )
    vectors = table.embeddings.astype(np.float64)
    found: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


def best(settings: Iterable[S], raw: Callable[[S], Floats], quality: Floats) -> tuple[S, Floats]:
    """The setting with the least squared error, and what it predicts."""
    found = [(setting, raw(setting)) for setting in settings]
    errors = [float(np.nanmean((predicted - quality) ** 2)) for _, predicted in found]
    return found[int(np.argmin(errors))]


class _Nearest:
    """Kind `knn`: the prompts themselves, or as many of them as fit."""

    def __init__(self, table: Table, vectors: Vectors, most: int, seed: int) -> None:
        self.quality, self.vectors, self.most, self.seed = table.quality, vectors, most, seed

    def _kept(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        if len(rows) <= self.most:
            return rows
        return np.sort(np.random.default_rng(self.seed).permutation(rows)[: self.most])

    def chosen(self, fold: NDArray[np.int64]) -> Floats:
        """What is predicted out of fold, under the setting that is best there."""
        folds = []
        for number in np.unique(fold):
            held, kept = np.flatnonzero(fold == number), self._kept(np.flatnonzero(fold != number))
            near = nearest.nearest(self.vectors[kept], self.vectors[held], max(nearest.NEAREST))
            folds.append((held, self.quality[kept], near))

        def raw(setting: nearest.Setting) -> Floats:
            found = np.zeros(self.quality.shape)
            for held, quality, near in folds:
                found[held] = nearest.told(near, quality, np.nanmean(quality, axis=0), setting)
            return found

        self.setting, found = best(nearest.settings(folds[0][2]), raw, self.quality)
        return found

    def packed(self, words: bytes, facts: dict[str, Any]) -> tuple[bytes, Floats]:
        """The artifact, and what it would predict of its own prompts if nothing were rounded."""
        setting = self.setting
        kept = self._kept(np.arange(len(self.quality)))
        told = facts | {"how": {"kind": "knn", **setting._asdict()}}
        vectors = np.ascontiguousarray(self.vectors[kept])
        quality = np.ascontiguousarray(self.quality[kept], np.float32)
        artifact = _core.pack_embedded(words, msgspec.json.encode(told), vectors.tobytes(), quality.tobytes())
        near = nearest.nearest(vectors, self.vectors, setting.nearest)
        means = np.nanmean(self.quality, axis=0)
        return artifact, nearest.told(near, self.quality[kept], means, setting)

    def notes(self) -> tuple[str, ...]:
        """What was chosen, and what is not kept."""
        setting = self.setting
        kept, count = min(self.most, len(self.quality)), len(self.quality)
        chosen = f"knn: {setting.nearest} neighbours, sharpness {setting.sharpness}, chosen out of fold"
        left = f"knn: {kept:,} of {count:,} prompts are kept, drawn by the seed; what the others said is lost"
        return (chosen, left) if kept < count else (chosen,)


class _Factors:
    """Kind `mf`: a projection, and a few numbers for each model."""

    def __init__(self, table: Table, vectors: Vectors) -> None:
        self.quality, self.vectors = table.quality, vectors

    def chosen(self, fold: NDArray[np.int64]) -> Floats:
        """As of the nearest."""
        sides = [(np.flatnonzero(fold == number), fold != number) for number in np.unique(fold)]
        fits = [(held, factors.Regression(self.vectors[rest], self.quality[rest])) for held, rest in sides]
        ranks = sorted({min(rank, self.quality.shape[1]) for rank in factors.RANKS})

        def raw(setting: factors.Setting) -> Floats:
            found = np.zeros(self.quality.shape)
            for held, fit in fits:
                found[held] = factors.predict(fit, self.vectors[held], setting)
            return found

        settings = [factors.Setting(strength, rank) for strength in factors.STRENGTHS for rank in ranks]
        self.setting, found = best(settings, raw, self.quality)
        return found

    def packed(self, words: bytes, facts: dict[str, Any]) -> tuple[bytes, Floats]:
        """As of the nearest."""
        setting = self.setting
        fit = factors.Regression(self.vectors, self.quality)
        projection, factor = factors.shared(fit.weights(setting.strength), fit.vectors - fit.centre, setting.rank)
        biases = fit.means - factor @ (projection @ fit.centre)
        artifact = packed_factors(words, facts, biases, projection, factor)
        return artifact, factors.predict(fit, self.vectors, setting)

    def notes(self) -> tuple[str, ...]:
        """What was chosen."""
        return (f"mf: {self.setting.rank} factors, ridge {self.setting.strength:g}, chosen out of fold",)


def packed_factors(words: bytes, facts: dict[str, Any], biases: Floats, projection: Floats, factor: Floats) -> bytes:
    """An artifact of kind `mf`."""
    told = facts | {"how": {"kind": "mf", "rank": len(projection), "biases": biases.tolist()}}
    first = np.ascontiguousarray(projection, np.float32)
    second = np.ascontiguousarray(factor, np.float32)
    return _core.pack_embedded(words, msgspec.json.encode(told), first.tobytes(), second.tobytes())


def _rounding(artifact: bytes, table: Table, raw: Floats, curves: list[Points]) -> float:
    """Reads the file back and compares: the largest difference over prompts and models."""
    exact = np.column_stack([calibrated(raw[:, model], points) for model, points in enumerate(curves)])
    return float(np.abs(exact - told_embedded(_core.Scorer(artifact), table)).max())


def told_embedded(scorer: _core.Scorer, table: Table) -> Floats:
    """What a scorer says of a table's prompts by their embeddings, which it must have: (prompts, models)."""
    assert table.embeddings is not None
    pairs = zip(table.prompts, table.embeddings, strict=True)
    return np.array([scorer.scores(prompt, embedding=vector) for prompt, vector in pairs], np.float64)
