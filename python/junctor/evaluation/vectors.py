"""Embeddings in a table: a vector for each prompt, made by one embedding model, or a refusal with its place.

In JSON lines a cell is a list of numbers; in CSV the same list as text. All prompts have one, of the same length, or
the table has none: a prompt without a vector has no place among the others, and nobody makes one up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec
import numpy as np
from numpy.typing import NDArray

from junctor.config.errors import show
from junctor.evaluation.rows import Row, TableError

MAX_DIMENSION: Final = 4_096
"""Numbers of an embedding, as the core takes them."""


def vectors(path: Path, column: str | None, rows: Sequence[Row]) -> NDArray[np.float32] | None:
    """The vectors of these rows, float32; None without such a column. Raises `TableError` for the first wrong one."""
    if column is None:
        return None
    first = _vector(path, column, rows[0])
    found = np.empty((len(rows), len(first)), np.float32)
    found[0] = first
    for number, row in enumerate(rows[1:], 1):
        vector = _vector(path, column, row)
        if len(vector) != len(first):
            hint = f"as in {rows[0].place}: vectors of one embedding model have one length"
            _refuse(path, column, row, f"a list of {len(vector)} numbers", f"{len(first)} numbers", hint)
        found[number] = vector
    return found


def _vector(path: Path, column: str, row: Row) -> NDArray[np.float32]:
    value = row.cells.get(column)
    if isinstance(value, str) and value.strip():
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError):
            _refuse(path, column, row, show(value), "a JSON list of numbers", "write it as [0.1, 0.2, …]")
    if value is None or value == "":
        _refuse(path, column, row, "empty", "a list of numbers", "embed this prompt too, or drop the row")
    if not isinstance(value, list) or not all(type(number) in (float, int) for number in value):
        _refuse(path, column, row, show(value), "a list of numbers", "write it as [0.1, 0.2, …]")
    if not 1 <= len(value) <= MAX_DIMENSION:
        _refuse(path, column, row, f"a list of {len(value):,} numbers", f"1 to {MAX_DIMENSION:,}", "shorten them")
    try:
        with np.errstate(over="ignore"):
            vector = np.array(value, np.float64).astype(np.float32)
    except OverflowError:  # an integer that no float holds
        vector = np.full(1, np.inf, np.float32)
    if not np.isfinite(vector).all() or not vector.any():
        shown = "all zeros" if not vector.any() else "a list with a number beyond float32"
        _refuse(path, column, row, shown, "finite numbers that point somewhere", "embed this prompt again")
    return vector


def _refuse(path: Path, column: str, row: Row, value: str, allowed: str, hint: str) -> NoReturn:
    raise TableError(f"{path}: {row.place}, column {column!r} is {value}; allowed is {allowed}: {hint}")
