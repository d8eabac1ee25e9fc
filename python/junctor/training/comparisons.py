"""Comparisons: which of two answers to a prompt was preferred. What people click, and what a judge says of pairs.

A row has `prompt`, `model_a`, `model_b` and `winner`; `embedding` and `id` are read where they are there. A winner is
`model_a` or `model_b` (or `a`, `b`), the name of one of the two, or a tie: `tie`, and Chatbot Arena's `tie (bothbad)`
and `both_bad`, which say that neither was better. Anything else is an error with its row: a winner that is not
understood would be counted for somebody.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from junctor.config.errors import did_you_mean, show
from junctor.evaluation.columns import NAMES
from junctor.evaluation.rows import Row, TableError, called, read_rows, text_of
from junctor.evaluation.table import plain
from junctor.evaluation.vectors import vectors

COLUMNS: Final = ("model_a", "model_b", "winner")
"""What tells that a file holds comparisons."""

FIRST: Final = frozenset({"model_a", "a"})
SECOND: Final = frozenset({"model_b", "b"})
TIES: Final = frozenset({"tie", "tie (bothbad)", "bothbad", "both_bad", "draw"})

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Comparisons:
    """Row by row: the prompt, two models by their places in `models`, and the first one's share of the win (1, ½, 0).

    `groups` numbers equal prompts alike, so that folds keep them together; `notes` are sentences for people.
    """

    prompts: list[str]
    models: tuple[str, ...]
    first: Ints
    second: Ints
    won: Floats
    groups: Ints
    embeddings: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    source: str = "comparisons"

    def __len__(self) -> int:
        return len(self.prompts)

    def select(self, rows: Ints) -> Comparisons:
        """These rows, with all models."""
        return replace(
            self,
            prompts=[self.prompts[row] for row in rows],
            first=self.first[rows],
            second=self.second[rows],
            won=self.won[rows],
            groups=self.groups[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
        )


def holds_comparisons(names: Sequence[str]) -> bool:
    """Whether a file with these columns is one of comparisons."""
    return set(COLUMNS) <= set(names)


def read_comparisons(
    path: str | os.PathLike[str], *, models: Sequence[str] | None = None, prompt: str | None = None
) -> Comparisons:
    """Reads a file of comparisons. `models` names those to learn of, also such as were never compared.

    Raises `TableError` with file, row, column, value, what is allowed and a hint.
    """
    where = Path(path)
    names, rows = read_rows(where)
    for column in COLUMNS:
        if column not in names:
            raise TableError(f"{where} has no column {column!r}; {did_you_mean(column, names, what='columns')}")
    asked = prompt or next((name for name in NAMES["prompt"] if name in names), None)
    if asked is None or asked not in names:
        raise TableError(f"{where} has no column {prompt or 'prompt'!r}; name the one that holds the prompts")
    embedding = next((name for name in NAMES["embedding"] if name in names), None)
    read = [_comparison(where, asked, row) for row in rows]
    there = sorted({name for _, first, second, _ in read for name in (first, second)})
    known = tuple(models) if models is not None else tuple(there)
    kept = [number for number, (_, first, second, _) in enumerate(read) if first in known and second in known]
    if not kept:
        raise TableError(
            f"{where}: no row compares two of {', '.join(known)}; {did_you_mean(known[0], there, what='models')}"
        )
    chosen = [read[number] for number in kept]
    prompts = [prompt for prompt, *_ in chosen]
    place = {name: number for number, name in enumerate(known)}
    numbers: dict[str, int] = {}
    groups = np.array([numbers.setdefault(plain(prompt), len(numbers)) for prompt in prompts])
    first = np.array([place[name] for _, name, _, _ in chosen])
    second = np.array([place[name] for _, _, name, _ in chosen])
    notes = []
    if len(kept) < len(read):
        notes.append(f"{len(read) - len(kept):,} of {len(read):,} comparisons are of other models and left out")
    if len(numbers) < len(kept):
        notes.append(
            f"{len(kept) - len(numbers):,} of {len(kept):,} prompts stand there before; equal ones share a fold"
        )
    return Comparisons(
        prompts=prompts,
        models=known,
        first=first,
        second=second,
        won=np.array([share for *_, share in chosen]),
        groups=groups,
        embeddings=vectors(where, embedding, [rows[number] for number in kept]),
        notes=tuple(notes),
        source=called(where),
    )


def _comparison(path: Path, column: str, row: Row) -> tuple[str, str, str, float]:
    """The prompt, both models, and the first one's share of the win."""
    prompt = text_of(path, row, column, row.cells.get(column))
    if not prompt.strip():
        _refuse(path, row, column, prompt, "a prompt of at least one byte", "drop the row")
    first, second = (text_of(path, row, name, row.cells.get(name)) for name in ("model_a", "model_b"))
    for name, value in (("model_a", first), ("model_b", second)):
        if not value.strip():
            _refuse(path, row, name, value, "the name of a model", "fill it in, or drop the row")
    if first == second:
        _refuse(path, row, "model_b", second, f"another model than model_a, which is {first!r}", "drop the row")
    said = text_of(path, row, "winner", row.cells.get("winner"))
    word = said.strip().casefold()
    if said == first or (word in FIRST and said != second):
        return prompt, first, second, 1.0
    if said == second or word in SECOND:
        return prompt, first, second, 0.0
    if word not in TIES:
        allowed = f"model_a, model_b, tie, {first!r} or {second!r}"
        _refuse(path, row, "winner", said, allowed, "drop the row if nobody knows")
    return prompt, first, second, 0.5


def _refuse(path: Path, row: Row, column: str, value: object, allowed: str, hint: str) -> NoReturn:
    raise TableError(f"{path}: {row.place}, column {column!r} is {show(value)}; allowed is {allowed}: {hint}")
