"""Predicted quality from a file: a row per prompt with its `id`, a column per model of the table.

Any finite numbers are scores: what is only ordered (an Elo, a logit) serves a threshold as well as a quality between 0
and 1 does, though not calibration, nor a price in dollars per quality.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from junctor.config.errors import did_you_mean, show
from junctor.evaluation.rows import TableError, read_rows, text_of
from junctor.evaluation.table import Floats, Table


def read_scores(path: Path, table: Table) -> Floats:
    """The scores of the table's prompts and models. Raises `TableError` for what is missing or no number."""
    names, rows = read_rows(path)
    for column in ("id", *table.models):
        if column not in names:
            raise TableError(
                f"{path} has no column {column!r}; {did_you_mean(column, names, what='columns')}: "
                "it needs id and a column for each model of the table"
            )
    known: dict[str, list[float]] = {}
    for row in rows:
        value = row.cells.get("id")
        identity = str(value) if isinstance(value, int) else text_of(path, row, "id", value)
        known[identity] = [_number(path, row.place, model, row.cells.get(model)) for model in table.models]
    for identity in table.ids:
        if identity not in known:
            raise TableError(f"{path} has no scores for the prompt with id {show(identity)}; score every prompt")
    return np.array([known[identity] for identity in table.ids], np.float64)


def _number(path: Path, place: str, column: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever cannot be one raises
    except (TypeError, ValueError):
        number = float("nan")
    if number - number != 0.0:
        raise TableError(f"{path}: {place}, column {column!r} is {show(value)}; allowed is a finite number")
    return number
