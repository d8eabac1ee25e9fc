"""The cells of a table as arrays: every value parsed once, or refused with its place.

An empty cell, JSON's null and a model that has no row for a prompt are "not measured". A cell that says `nan` or `inf`
is an error instead: some program computed it, and whoever reads on would average its mistake away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
import numpy as np
from numpy.typing import NDArray

from junctor.config.errors import show
from junctor.evaluation.columns import EXTRAS, Layout, chosen
from junctor.evaluation.outlines import MOST as MOST_FIGURE
from junctor.evaluation.outlines import Outlines
from junctor.evaluation.rows import Row, TableError, text_of
from junctor.evaluation.vectors import vectors

MOST: Final = {"usd": 1e6, "in_tok": 1e9, "out_tok": 1e9, "chars": 1e10}
"""The largest value of each extra: beyond it somebody wrote another unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What a file holds, by prompt and model. `extras` has an array for each kind of column beside the scores."""

    ids: list[str]
    prompts: list[str]
    tasks: list[str] | None
    models: tuple[str, ...]
    quality: NDArray[np.float64]
    extras: Mapping[str, NDArray[np.float64]]
    notes: tuple[str, ...]
    outlines: Outlines | None = None
    embeddings: NDArray[np.float32] | None = None


def gather(
    path: Path,
    layout: Layout,
    rows: Sequence[Row],
    *,
    top: float = 1.0,
    clip: bool = False,
    models: Sequence[str] | None = None,
) -> Cells:
    """All cells of the rows. Raises `TableError` for the first that is wrong."""
    if not 0.0 < top < float("inf"):
        raise TableError(f"{path}: the top score is {top!r}; allowed is a number above 0")
    reader = _Reader(path, layout, top, clip)
    cells = reader.long(rows, models) if layout.long else reader.wide(rows)
    measured = cells.quality[~np.isnan(cells.quality)]
    if not len(measured):
        raise TableError(f"{path}: no answer has a score; fill in at least one cell per model")
    if len(cells.models) > 1 and measured.min() == measured.max():
        raise TableError(
            f"{path}: all {len(measured):,} scores are {measured[0]:g}, so there is nothing to tell apart; "
            "a table needs good and bad answers"
        )
    return cells


class _Reader:
    """Reads the cells of one file."""

    def __init__(self, path: Path, layout: Layout, top: float, clip: bool) -> None:
        self.path, self.layout, self.top, self.clip = path, layout, top, clip
        self.clipped = 0
        self.places: dict[str, tuple[str, str]] = {}  # where an id stands first, and its prompt

    def wide(self, rows: Sequence[Row]) -> Cells:
        """One row per prompt."""
        models = self.layout.models
        there = {name for row in rows for name in row.cells}
        extras = {
            extra: [f"{model}|{extra}" for model in models]
            for extra in EXTRAS
            if any(f"{model}|{extra}" in there for model in models)
        }
        quality = np.array([[self._score(row, model) for model in models] for row in rows], np.float64)
        arrays = {
            extra: np.array([[self._amount(row, name, extra) for name in names] for row in rows], np.float64)
            for extra, names in extras.items()
        }
        ids, prompts = self._texts(rows)
        return Cells(
            ids=ids, prompts=prompts, tasks=self._tasks(rows), models=models, quality=quality, extras=arrays,
            notes=self._notes(models), outlines=self._outlines(rows),
            embeddings=vectors(self.path, self.layout.embedding, rows),
        )  # fmt: skip

    def long(self, rows: Sequence[Row], wanted: Sequence[str] | None) -> Cells:
        """One row per prompt and model, in any order; prompts are told apart by id, or without one by their text."""
        layout = self.layout
        column, quality = layout.model or "", layout.quality or ""
        names = [text_of(self.path, row, column, row.cells.get(column)) for row in rows]
        for row, name in zip(rows, names, strict=True):
            if not name:
                self._refuse(row, column, name, "the name of a model", "fill it in, or drop the row")
        models = chosen(self.path, wanted, names)
        kept = [(row, name) for row, name in zip(rows, names, strict=True) if name in set(models)]
        ids, prompts = self._texts([row for row, _ in kept])
        first: dict[str, int] = {}
        for number, identity in enumerate(ids):
            first.setdefault(identity, number)
        where = {identity: number for number, identity in enumerate(first)}
        shape = (len(where), len(models))
        scores = np.full(shape, np.nan)
        arrays = {extra: np.full(shape, np.nan) for extra in layout.extras}
        seen: dict[tuple[int, int], str] = {}
        for (row, name), identity in zip(kept, ids, strict=True):
            at = where[identity], models.index(name)
            if at in seen:
                raise TableError(f"{self.path}: {row.place} is {name!r} with {show(identity)} again, after {seen[at]}")
            seen[at] = row.place
            scores[at] = self._score(row, quality)
            for extra, column in layout.extras.items():
                arrays[extra][at] = self._amount(row, column, extra)
        lead = [kept[number][0] for number in first.values()]
        return Cells(
            ids=list(where), prompts=[prompts[number] for number in first.values()], tasks=self._tasks(lead),
            models=models, quality=scores, extras=arrays, notes=self._notes(models), outlines=self._outlines(lead),
            embeddings=vectors(self.path, self.layout.embedding, lead),
        )  # fmt: skip

    def _notes(self, models: Sequence[str]) -> tuple[str, ...]:
        notes = []
        if self.layout.inferred:
            notes.append(f"taken as models, having only scores from 0 to 1: {', '.join(models)}")
        if self.layout.outline:
            notes.append(f"taken as what came with the prompts: {', '.join(self.layout.outline)}")
        if self.layout.aside:
            notes.append(f"columns left aside: {', '.join(self.layout.aside)}")
        if self.clipped:
            notes.append(f"scores moved to the nearest end of 0 to {self.top:g}: {self.clipped:,}")
        return tuple(notes)

    def _texts(self, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
        prompts = [self._prompt(row) for row in rows]
        ids = [self._id(row, prompt) for row, prompt in zip(rows, prompts, strict=True)]
        return ids, prompts

    def _id(self, row: Row, prompt: str) -> str:
        column = self.layout.id
        if column is None:
            return prompt if self.layout.long else row.place.split(" (")[0].removeprefix("row ").replace(",", "")
        value = row.cells.get(column)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        identity = text_of(self.path, row, column, value)
        if not identity:
            self._refuse(row, column, value, "a name for the prompt", "number the prompts")
        place, before = self.places.setdefault(identity, (row.place, prompt))
        if before != prompt:
            self._refuse(row, column, value, f"one prompt per id, and {place} has another", "number the prompts")
        return identity

    def _prompt(self, row: Row) -> str:
        parts = [
            _lettered(text_of(self.path, row, column, row.cells.get(column)), column != self.layout.prompt[0])
            for column in self.layout.prompt
        ]
        prompt = "\n".join(filter(None, parts))
        if not prompt:
            self._refuse(row, self.layout.prompt[0], prompt, "a prompt of at least one byte", "drop the row")
        return prompt

    def _tasks(self, rows: Sequence[Row]) -> list[str] | None:
        column = self.layout.task
        if column is None:
            return None
        tasks = [text_of(self.path, row, column, row.cells.get(column) or "") for row in rows]
        return tasks if any(tasks) else None

    def _outlines(self, rows: Sequence[Row]) -> Outlines | None:
        fields = self.layout.outline
        read = ({name: self._figure(row, name) for name in fields} for row in rows)
        return Outlines.of(fields, ({name: figure for name, figure in one.items() if figure >= 0} for one in read))

    def _figure(self, row: Row, column: str) -> int:
        """A whole number, -1 for none."""
        figure = self._number(row, column, "a whole number from 0, or nothing for what a plain request has")
        if figure != figure:
            return -1
        if not (0 <= figure <= MOST_FIGURE and figure == int(figure)):
            allowed = f"a whole number from 0 to {MOST_FIGURE:,}"
            self._refuse(row, column, row.cells[column], allowed, "name it in `ignore` if it is something else")
        return int(figure)

    def _score(self, row: Row, column: str) -> float:
        score = self._number(row, column, f"a number from 0 to {self.top:g}, or nothing if it was not measured")
        if self.clip and not (score != score or 0.0 <= score <= self.top):
            self.clipped += 1
            score = min(max(score, 0.0), self.top)
        if not (score != score or 0.0 <= score <= self.top):
            hint = "name the models if this column is none" if self.layout.inferred else "clip it, or say the top score"
            self._refuse(row, column, row.cells[column], f"0 to {self.top:g}", hint)
        return score / self.top

    def _amount(self, row: Row, column: str, extra: str) -> float:
        amount = self._number(row, column, "a number from 0, or nothing if it is not known")
        if not (amount != amount or 0.0 <= amount <= MOST[extra]):
            self._refuse(row, column, row.cells[column], f"0 to {MOST[extra]:,.0f}", "look at the unit")
        return amount

    def _number(self, row: Row, column: str, allowed: str) -> float:
        """The number in a cell, NaN for none."""
        value: Any = row.cells.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            return float("nan")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if number - number != 0.0:  # neither text nor NaN nor an infinity can be meant
            hint = "name the models, if this column is none" if self.layout.inferred else "leave the cell empty"
            self._refuse(row, column, value, allowed, hint)
        return number

    def _refuse(self, row: Row, column: str, value: object, allowed: str, hint: str) -> NoReturn:
        raise TableError(f"{self.path}: {row.place}, column {column!r} is {show(value)}; allowed is {allowed}: {hint}")


def _lettered(text: str, listed: bool) -> str:
    """A JSON list of texts, in a column that is joined to the prompt, as lines `A. …`; any other text as it is."""
    if not listed or not text.startswith("["):
        return text
    try:
        options = msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        return text
    letters = (chr(ord("A") + number) if number < 26 else str(number + 1) for number in range(len(options)))
    return "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
