"""A table: prompts × models, how good each answer was and what it cost. What training and evaluation read.

Rows are prompts. Equal prompts (but for case and white space) form one group, in a table that is read also those that
are nearly the same (`alike`), and whatever splits a table keeps groups together: a prompt that stands in training and
in test would be remembered, not predicted. A cell that was not measured is NaN and stays so; nobody fills it in. Costs
are dollars of that very answer: the table's own (`m|usd`), or made of tokens or characters and a price. They are floats
here, unlike in the core: means of thousandths of cents.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from junctor.config.errors import did_you_mean
from junctor.config.prices import Price
from junctor.evaluation.alike import MOST_PROMPTS, near
from junctor.evaluation.cells import gather
from junctor.evaluation.columns import Columns, layout
from junctor.evaluation.costs import dollars
from junctor.evaluation.outlines import Outlines
from junctor.evaluation.rows import TableError, called, read_rows

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MIN_SPLIT: Final = 2
"""Groups of equal prompts that a split needs: one for each side."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Table:
    """Prompts, models, and what was measured. Arrays cannot be written to; `select` and `pair` make other tables.

    `quality` is from 0 to 1 with a row per prompt and a column per model, NaN where it was not measured; `cost_usd`
    likewise, from 0, or None if no cost is known at all. `outlines` say what came with each prompt, None if nothing is
    known of it; `embeddings` are a vector for each prompt (float32, none of zeros), where the table has them. `groups`
    numbers equal prompts alike; it is found where it is not given. `notes` are sentences about what was found while
    reading, for people. Raises `TableError` for parts that do not fit each other.
    """

    ids: list[str]
    prompts: list[str]
    models: tuple[str, ...]
    quality: Floats
    cost_usd: Floats | None = None
    tasks: list[str] | None = None
    outlines: Outlines | None = None
    embeddings: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    source: str = "table"
    groups: Ints = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    def __post_init__(self) -> None:
        self._check()
        if not len(self.groups):
            object.__setattr__(self, "groups", _groups(self.prompts))
        for array in (self.quality, self.cost_usd, self.groups, self.embeddings):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.prompts)

    def index(self, model: str) -> int:
        """The column of a model. Raises `TableError` naming the nearest one."""
        if model not in self.models:
            raise self._error(f"there is no model {model!r}; {did_you_mean(model, self.models, what='models')}")
        return self.models.index(model)

    def select(self, rows: Ints | NDArray[np.bool_] | Sequence[int]) -> Table:
        """These rows, by number or as a mask, in this order."""
        chosen = np.asarray(rows)
        where = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        if not len(where):
            raise self._error("no row is left; select at least one")
        return self._with(where, np.arange(len(self.models)))

    def only(self, models: Sequence[str]) -> Table:
        """These models, in this order, all rows."""
        return self._with(np.arange(len(self)), np.array([self.index(model) for model in models], np.int64))

    def pair(self, weak: str, strong: str) -> Table:
        """The two models as columns 0 and 1, on the prompts that both were measured on.

        Raises `TableError` if there is nothing to choose: the same model twice, no common prompt, or equal scores.
        """
        if weak == strong:
            raise self._error(f"weak and strong are both {weak!r}; name two models of the table")
        both = self.only((weak, strong)).measured()
        if np.array_equal(both.quality[:, 0], both.quality[:, 1]):
            raise self._error(
                f"{weak!r} and {strong!r} have the same score on every prompt; there is nothing to choose"
            )
        return both

    def measured(self) -> Table:
        """The rows on which every model was measured. Raises `TableError` if there is none."""
        whole = np.flatnonzero(~np.isnan(self.quality).any(axis=1))
        if not len(whole):
            raise self._error("no prompt was measured on every model; name fewer models")
        return self if len(whole) == len(self) else self.select(whole)

    def split(self, share: float = 0.2, *, seed: int = 0) -> tuple[Table, Table]:
        """All but `share` of the prompts, and that share: drawn by groups, so that equal prompts stay together."""
        if not 0.0 < share < 1.0:
            raise self._error(f"the share is {share!r}; allowed is above 0 to below 1")
        _, group = np.unique(self.groups, return_inverse=True)
        count = int(group.max()) + 1
        if count < MIN_SPLIT:
            raise self._error("there is one prompt only; a split needs two different ones")
        drawn = np.random.default_rng(seed).permutation(count)
        held = np.zeros(count, bool)
        held[drawn[: min(max(round(share * count), 1), count - 1)]] = True
        return self.select(~held[group]), self.select(held[group])

    def _with(self, rows: Ints, columns: Ints) -> Table:
        return replace(
            self,
            ids=[self.ids[row] for row in rows],
            prompts=[self.prompts[row] for row in rows],
            models=tuple(self.models[column] for column in columns),
            quality=self.quality[np.ix_(rows, columns)],
            cost_usd=None if self.cost_usd is None else self.cost_usd[np.ix_(rows, columns)],
            tasks=None if self.tasks is None else [self.tasks[row] for row in rows],
            outlines=None if self.outlines is None else self.outlines.select(rows.tolist()),
            embeddings=None if self.embeddings is None else self.embeddings[rows],
            groups=self.groups[rows],
        )

    def _check(self) -> None:
        shape = (len(self.prompts), len(self.models))
        if not all(shape):
            raise self._error(f"it has {shape[0]} prompts and {shape[1]} models; give at least one of each")
        if len(set(self.models)) < len(self.models):
            raise self._error("a model stands twice among its models; name each once")
        beside = self.ids if self.outlines is None else self.outlines.rows
        vectors = self.ids if self.embeddings is None else self.embeddings
        lengths = {
            len(self.ids), len(self.tasks or self.ids), len(beside), len(vectors), len(self.groups) or shape[0]
        }  # fmt: skip
        if lengths != {shape[0]}:
            raise self._error(f"it has {shape[0]} prompts, but not as many ids, tasks, outlines, groups or embeddings")
        for name, array, most in (("quality", self.quality, 1.0), ("cost_usd", self.cost_usd, np.finfo(float).max)):
            if array is None:
                continue
            if array.shape != shape or array.dtype != np.float64:
                raise self._error(f"{name} is {array.dtype} of {array.shape}; allowed is float64 of {shape}")
            wrong = ~(np.isnan(array) | ((array >= 0.0) & (array <= most)))
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                raise self._error(
                    f"{name} of {self.models[column]!r} in row {row + 1:,} is {float(array[row, column])!r}; allowed: "
                    + ("0 to 1, or NaN where it was not measured" if most == 1.0 else "0 or more, or NaN")
                )

    def _error(self, message: str) -> TableError:
        return TableError(f"{self.source}: {message}")


def read_table(
    path: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    prices: Mapping[str, Price | float] | None = None,
    answer_tokens: int | None = None,
    top: float = 1.0,
    clip: bool = False,
) -> Table:
    """Reads a table in CSV, TSV or JSON lines (also .gz), wide or long; `Columns` says how.

    `prices` gives models (by name or pattern) a price per token, or as a number the dollars of a call, in place of
    the table's own.
    Prompts without a token count are estimated as everywhere (one per 3.5 bytes), answers by their characters, and
    without those as `answer_tokens`. `top` is the score of a perfect answer: scores are divided by it.
    Scores beyond 0 to `top` are errors, or with `clip` moved to the nearest end and counted in the notes.

    Raises `TableError` with file, row, column, value, what is allowed and a hint.
    """
    where = Path(path)
    names, rows = read_rows(where)
    found = layout(where, names, columns or Columns())
    cells = gather(where, found, rows, top=top, clip=clip, models=None if columns is None else columns.models)
    cost, told = dollars(where, cells, prices or {}, answer_tokens)
    table = Table(
        ids=cells.ids,
        prompts=cells.prompts,
        models=cells.models,
        quality=cells.quality,
        cost_usd=cost,
        tasks=cells.tasks,
        outlines=cells.outlines,
        embeddings=cells.embeddings,
        source=called(where),
    )
    return _noted(_joined(table), (*cells.notes, *told))


def plain(prompt: str) -> str:
    """A prompt without what does not make it another one: case, and the amount of white space."""
    return " ".join(prompt.split()).casefold()


def _groups(prompts: Sequence[str]) -> Ints:
    """A number for each prompt, the same for prompts that differ in case and white space alone."""
    numbers: dict[str, int] = {}
    found = (numbers.setdefault(plain(prompt), len(numbers)) for prompt in prompts)
    return np.fromiter(found, np.int64, len(prompts))


def _joined(table: Table) -> Table:
    """The table with prompts in one group that are nearly the same."""
    if len(table) > MOST_PROMPTS:
        told = f"nobody looked for prompts that are nearly the same: there are more than {MOST_PROMPTS:,}"
        return replace(table, notes=(told,))
    groups = near(table.prompts, table.groups)
    again = len(np.unique(table.groups)) - len(np.unique(groups))
    told = f"{again:,} prompts are nearly another one (seven in ten runs of three words); those are never split either"
    return replace(table, groups=groups, notes=(told,) if again else ())


def _noted(table: Table, notes: Sequence[str]) -> Table:
    """The table with what is to be told of it: duplicates and missing cells, after what reading it told."""
    told = list(notes)
    again = len(table) - len(np.unique(_groups(table.prompts)))
    if again:
        told.append(f"{again:,} of {len(table):,} prompts stand there before; equal ones are never split")
    told += table.notes
    for model, missing in zip(table.models, np.isnan(table.quality).sum(axis=0).tolist(), strict=True):
        if missing:
            told.append(f"{model}: {missing:,} of {len(table):,} prompts were not measured")
    return replace(table, notes=tuple(told))
