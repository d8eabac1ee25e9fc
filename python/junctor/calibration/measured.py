"""A table of answers as numbers: how sure the small model looked, how good both models were.

Every row is one prompt answered by the small model. `token_logprobs` and `token_entropies` hold one number per token,
as a list or separated by blanks; the signals are computed from them by the functions that serve (`cascade.signals`), so
that a threshold means the same on both sides. Any other signal is a column of its own name. What has no reading in
service has none here, and counts as escalated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from junctor.cascade.probe import features
from junctor.cascade.signals import Tokens, mean_logprob, min_logprob, tokens_of
from junctor.config.errors import did_you_mean, show
from junctor.evaluation.rows import Row, TableError, read_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FROM_TOKENS: Final[Mapping[str, Callable[[Tokens], float]]] = {
    "mean_logprob": mean_logprob,
    "min_logprob": min_logprob,
}
COLUMNS: Final = ("margin", "entropy", "self_consistency", "verbal", "probe", "check")
"""Signals that a column of their name may hold."""

MIN_PROMPTS: Final = 20
"""Of a calibration. Fewer say nothing about a share that is worth writing down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to read. `where` keeps rows whose cells are equal; `join` is a second table, matched by the column `on`."""

    small: str
    strong: str | None = None
    where: Sequence[tuple[str, str]] = ()
    join: Path | None = None
    on: str = "id"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Measured:
    """Prompts as numbers. Readings are NaN where an answer has none; `strong` is None if only shares are wanted.

    `features` are those of a probe, NaN likewise, None without token log-probabilities. `groups` numbers prompts, equal
    ones alike. `notes` say what was left out.
    """

    readings: Mapping[str, Floats]
    small: Floats
    strong: Floats | None
    features: Floats | None
    groups: Ints
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.small)

    def select(self, rows: Ints) -> Measured:
        """These rows."""
        return Measured(
            readings={name: values[rows] for name, values in self.readings.items()},
            small=self.small[rows],
            strong=None if self.strong is None else self.strong[rows],
            features=None if self.features is None else self.features[rows],
            groups=self.groups[rows],
        )

    def reading(self, signal: str) -> Floats:
        """The readings of a signal. Raises `TableError` if the table has none."""
        found = self.readings.get(signal)
        if found is None:
            hint = did_you_mean(signal, self.readings, what="signals of this table")
            raise TableError(f"the table has no readings of {signal!r}; {hint}")
        return found

    def shuffled(self, seed: int) -> Ints:
        """The rows in an order drawn by prompts: equal ones stay together."""
        _, group = np.unique(self.groups, return_inverse=True)
        place = np.random.default_rng(seed).permutation(int(group.max()) + 1)
        return np.argsort(place[group], kind="stable").astype(np.int64)

    def folds(self, count: int, seed: int) -> Ints:
        """A fold for each row, equal prompts in one."""
        _, group = np.unique(self.groups, return_inverse=True)
        distinct = int(group.max()) + 1
        of_group = np.empty(distinct, np.int64)
        of_group[np.random.default_rng(seed).permutation(distinct)] = np.arange(distinct) % count
        return of_group[group]


def read(table: Path, wanted: Wanted) -> Measured:
    """The table's numbers. Raises `TableError` for what cannot be meant."""
    columns, rows = read_rows(table)
    notes: list[str] = []
    for column, value in wanted.where:
        _known(table, column, columns)
        rows = [row for row in rows if str(row.cells.get(column)) == value]
    if not rows:
        raise TableError(f"{table}: no row is left; the conditions fit none")
    if wanted.join is not None:
        columns, rows = _joined(table, columns, rows, wanted, notes)
    for column in filter(None, [wanted.small, wanted.strong]):
        _known(table, column, columns)
    small = _numbers(table, rows, wanted.small, low=0.0, high=1.0)
    strong = None if wanted.strong is None else _numbers(table, rows, wanted.strong, low=0.0, high=1.0)
    readings, vectors = _readings(table, columns, rows)
    if not readings:
        names = ", ".join(("token_logprobs", *COLUMNS))
        raise TableError(f"{table}: there is nothing to read confidence from; give one of the columns {names}")
    if len(rows) < MIN_PROMPTS:
        raise TableError(f"{table}: {len(rows)} prompts are left; a calibration needs at least {MIN_PROMPTS}")
    for name, values in readings.items():
        if missing := int(np.isnan(values).sum()):
            notes.append(f"{missing} of {len(rows)} answers have no reading of {name}; they count as escalated")
    key = wanted.on if wanted.on in columns else None
    ids = [str(row.cells.get(key)) if key else str(number) for number, row in enumerate(rows)]
    _, groups = np.unique(np.array(ids), return_inverse=True)
    return Measured(
        readings=readings, small=small, strong=strong, features=vectors,
        groups=groups.astype(np.int64), notes=tuple(notes),
    )  # fmt: skip


def _known(table: Path, column: str, columns: Iterable[str]) -> None:
    if column not in columns:
        raise TableError(f"{table}: there is no column {column!r}; {did_you_mean(column, columns, what='columns')}")


def _joined(
    table: Path, columns: tuple[str, ...], rows: list[Row], wanted: Wanted, notes: list[str]
) -> tuple[tuple[str, ...], list[Row]]:
    assert wanted.join is not None
    more, others = read_rows(wanted.join)
    _known(table, wanted.on, columns)
    _known(wanted.join, wanted.on, more)
    beside = {str(row.cells.get(wanted.on)): row.cells for row in others}
    if len(beside) < len(others):
        raise TableError(f"{wanted.join}: the column {wanted.on!r} has one value twice; a join needs one row for each")
    found = [
        Row(row.place, {**beside[str(row.cells[wanted.on])], **row.cells})
        for row in rows
        if str(row.cells.get(wanted.on)) in beside
    ]
    if not found:
        raise TableError(f"{table} and {wanted.join} have no {wanted.on!r} in common; name the right column by --on")
    if len(found) < len(rows):
        notes.append(f"{len(rows) - len(found)} rows have no partner in {wanted.join.name} and are left out")
    return tuple(dict.fromkeys((*columns, *more))), found


def _numbers(table: Path, rows: Sequence[Row], column: str, *, low: float, high: float) -> Floats:
    found = np.empty(len(rows))
    for place, row in enumerate(rows):
        value = _number(row.cells.get(column))
        if value is None or not low <= value <= high:
            shown = show(row.cells.get(column))
            raise TableError(
                f"{table}: {row.place}, column {column!r} is {shown}; allowed is a number from {low:g} to {high:g}"
            )
        found[place] = value
    return found


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _readings(
    table: Path, columns: tuple[str, ...], rows: Sequence[Row]
) -> tuple[dict[str, Floats], Floats | None]:  # fmt: skip
    found: dict[str, Floats] = {}
    vectors: Floats | None = None
    if "token_logprobs" in columns:
        tokens = [_tokens(table, row) for row in rows]
        for name, of in FROM_TOKENS.items():
            found[name] = np.array([math.nan if one is None else of(one) for one in tokens])
        vectors = np.array([features(one or Tokens((math.nan,), ())) for one in tokens])
    if "token_entropies" in columns and "entropy" not in columns:
        lists = [_list(table, row, "token_entropies") for row in rows]
        found["entropy"] = np.array([-math.fsum(one) / len(one) if one else math.nan for one in lists])
    for name in COLUMNS:
        if name in columns:
            cells = [_number(row.cells.get(name)) for row in rows]
            found[name] = np.array([math.nan if value is None else value for value in cells])
    return found, vectors


def _tokens(table: Path, row: Row) -> Tokens | None:
    told = tokens_of({"content": [{"logprob": value} for value in _list(table, row, "token_logprobs")]})
    return None if isinstance(told, str) else told


def _list(table: Path, row: Row, column: str) -> list[float]:
    """One number per token; NaN where a word is none, which spoils the reading as it does in service."""
    cell = row.cells.get(column)
    parts = cell.split() if isinstance(cell, str) else cell if isinstance(cell, list) else None
    if parts is None:
        raise TableError(
            f"{table}: {row.place}, column {column!r} is {show(cell)}; allowed are numbers, in a list or between blanks"
        )
    values = [_number(part) for part in parts]
    return [math.nan if value is None else value for value in values]
