"""Cascades on a table: a small model's recorded answers with their log-probabilities, and a strong model to go on to.

The draft file has a row per prompt: `id` as in the table, the quality of the draft, and `token_logprobs` (natural, one
per token), perhaps `token_entropies`, separated by spaces or as a JSON list. Each signal orders the prompts by how sure
the draft was; the curve over its thresholds is a pair's, with the draft paid for every prompt. An answer without
log-probabilities is escalated before all others, and counted in the notes: whoever says nothing of its confidence has
none. A probe reads several numbers at once and is trained on the folds that it does not judge. Thresholds for a target
are calibration's business; this shows what a signal is worth at all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from junctor.calibration.measured import Measured
from junctor.calibration.training import crossed
from junctor.cascade.probe import FEATURES, features
from junctor.cascade.signals import Tokens
from junctor.config.errors import did_you_mean, show
from junctor.evaluation.folds import Fold
from junctor.evaluation.rows import Row, TableError, called, read_rows, text_of
from junctor.evaluation.table import Floats, Table

QUALITIES: Final = ("quality", "score", "f1")
SIGNALS: Final[Mapping[str, tuple[str, Callable[[Floats], float]]]] = {
    "mean log-prob": ("token_logprobs", lambda values: float(values.mean())),
    "minimum log-prob": ("token_logprobs", lambda values: float(values.min())),
    "first log-prob": ("token_logprobs", lambda values: float(values[0])),
    "summed log-prob": ("token_logprobs", lambda values: float(values.sum())),
    "mean entropy": ("token_entropies", lambda values: -float(values.mean())),
    "maximum entropy": ("token_entropies", lambda values: -float(values.max())),
}
"""By name: the column, and how sure the draft was, from its values; more is surer."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """A pair of draft and strong model, and by signal how much each prompt asks to go on.

    `features` are what a trained probe reads, NaN for an answer that says nothing.
    """

    table: Table
    unsure: Mapping[str, Floats]
    features: Floats

    def by_probe(self, folds: Sequence[Fold]) -> Floats | None:
        """How unsure each draft is by a probe that was trained on the other folds; None where nothing trains one.

        Read above what the probe says of its own training folds, as all scores of several folds are.
        """
        measured = Measured(
            readings={},
            small=self.table.quality[:, 0],
            strong=self.table.quality[:, 1],
            features=self.features,
            groups=self.table.groups,
        )
        try:
            sure, usual = crossed(measured, [(fold.train, fold.test) for fold in folds])
        except TableError:
            return None
        return np.where(np.isnan(sure), np.inf, np.round(usual - sure, 12))


def read_cascade(
    path: Path, table: Table, strong: str, *, model: str | None = None, quality: str | None = None
) -> Cascade:
    """The drafts in a file, joined by id with the strong model's quality. Raises `TableError` for what does not fit.

    `model` chooses among the values of a `model` column; `quality` names the column of the draft's quality.
    """
    names, rows = read_rows(path)
    column = quality or next((name for name in QUALITIES if name in names), "quality")
    for needed in ("id", column, "token_logprobs"):
        if needed not in names:
            raise TableError(f"{path} has no column {needed!r}; {did_you_mean(needed, names, what='columns')}")
    draft, rows = _one_model(path, rows, model)
    drafts = {str(row.cells["id"]): row for row in rows}
    where = [number for number, identity in enumerate(table.ids) if identity in drafts]
    if not where:
        raise TableError(f"{path} has no draft for any prompt of {table.source}: their ids must be the same")
    joined = table.select(where).only((strong,)).measured()
    found = [drafts[identity] for identity in joined.ids]
    cost = None if joined.cost_usd is None else np.column_stack([np.zeros(len(joined)), joined.cost_usd])
    unsure = {
        name: -np.array([_sure(path, row, source, reading) for row in found])
        for name, (source, reading) in SIGNALS.items()
        if source in names
    }
    pair = replace(
        joined,
        models=(draft, strong),
        quality=np.column_stack([[_quality(path, row, column) for row in found], joined.quality[:, 0]]),
        cost_usd=cost,
    ).pair(draft, strong)
    silent = int(np.isinf(next(iter(unsure.values()))).sum())
    notes = [f"{called(path)}: {len(pair):,} drafts of {draft} are joined with {strong}"]
    notes += [f"{called(path)}: {silent:,} drafts without log-probabilities are escalated first"] if silent else []
    notes += ["the draft is counted as free of charge"] if cost is not None else []
    return Cascade(replace(pair, notes=tuple(notes)), unsure, np.array([_features(path, row) for row in found]))


def _one_model(path: Path, rows: list[Row], model: str | None) -> tuple[str, list[Row]]:
    """The rows of the draft model, and its name."""
    there = list(dict.fromkeys(str(row.cells.get("model") or "draft") for row in rows))
    wanted = model or there[0]
    if wanted not in there:
        raise TableError(f"{path} has no drafts of {wanted!r}; {did_you_mean(wanted, there, what='models')}")
    if model is None and len(there) > 1:
        raise TableError(f"{path} has drafts of {len(there)} models; name one of {', '.join(there[:8])}")
    return wanted, [row for row in rows if str(row.cells.get("model") or "draft") == wanted]


def _quality(path: Path, row: Row, column: str) -> float:
    value = row.cells[column]
    number = _value(value)
    if not 0.0 <= number <= 1.0:
        raise TableError(f"{path}: {row.place}, column {column!r} is {show(value)}; allowed is 0 to 1")
    return number


def _features(path: Path, row: Row) -> list[float]:
    """What a probe reads of the draft."""
    values = _values(path, row, "token_logprobs")
    if not len(values):
        return [np.nan] * len(FEATURES)
    return features(Tokens(tuple(np.minimum(values, 0.0).tolist()), ()))


def _sure(path: Path, row: Row, column: str, reading: Callable[[Floats], float]) -> float:
    """How sure the draft was; minus infinity if it does not say."""
    values = _values(path, row, column)
    return reading(values) if len(values) else -np.inf


def _values(path: Path, row: Row, column: str) -> Floats:
    """The numbers of one cell, none if it is empty."""
    value = row.cells.get(column)
    listed = value if isinstance(value, list) else text_of(path, row, column, value or "").split()
    values = np.array([_value(word) for word in listed], np.float64)
    wrong = ~np.isfinite(values) | ((values > 1e-6) if column == "token_logprobs" else (values < -1e-6))
    if wrong.any():
        allowed = "numbers up to 0" if column == "token_logprobs" else "numbers from 0"
        raise TableError(
            f"{path}: {row.place}, column {column!r} has {show(listed[int(wrong.argmax())])}; allowed are {allowed}, "
            "in natural logarithms"
        )
    return values


def _value(word: object) -> float:
    try:
        return float(word)  # type: ignore[arg-type]  # whatever cannot be a number is NaN, and refused as one
    except (TypeError, ValueError):
        return float("nan")
