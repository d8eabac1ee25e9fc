"""What a chooser would have been worth on logged traffic, where each prompt was answered by one model only.

The log says with which probability that model was chosen (its propensity). What the chooser in question would have done
with other probabilities is then an average of the logged qualities, weighted by the ratio of the two:

- IPS (Horvitz & Thompson 1952) averages weight × quality: right on average, and noisy where propensities are small.
- SNIPS (Swaminathan & Joachims 2015) divides by the weights instead of their number: steadier, slightly biased.
- Doubly robust (Dudík, Langford & Li, ICML 2011) takes a prediction for everyone and corrects it by what was seen:
  right if either the propensities or the predictions are.

None of them knows about models that the log never chose. So it is told how many prompts the estimate really rests on
(Kish's effective sample size), and what part of the chooser's choices the log cannot speak of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from junctor.config.errors import did_you_mean, show
from junctor.evaluation.columns import NAMES
from junctor.evaluation.report import Figure, LogLine
from junctor.evaluation.resampling import Bootstrap, interval
from junctor.evaluation.rows import Row, TableError, called, read_rows, text_of
from junctor.evaluation.table import Floats, Ints, Table
from junctor.receipts import Receipt

FEW: Final = 100.0
"""Effective prompts below which an estimate is called weak."""

MISSING: Final = 0.01
"""Of the choices: beyond this part that the log never made, the estimate is called partial."""


SURE: Final = 0.005
"""How seldom a sound log may be called one that is not, on either side: a report has many lines."""

WANTED: Final = ("prompt", "task", "model", "propensity", "quality")
"""What a row of a log says; the task may be missing."""


@dataclass(frozen=True, slots=True)
class Log:
    """Logged choices: a table whose only measured cell in each row is the model that answered."""

    table: Table
    chosen: Ints
    propensity: Floats

    @property
    def quality(self) -> Floats:
        """Of the answers that were given."""
        seen: Floats = self.table.quality[np.arange(len(self.chosen)), self.chosen]
        return seen


def estimate(name: str, log: Log, target: Floats, predicted: Floats | None, draws: Bootstrap) -> LogLine:
    """The value on the log of choosing with the shares `target`, (prompts, models).

    `predicted` is quality by prompt and model, from elsewhere than this log; without it nothing is doubly robust.
    """
    rows = np.arange(len(log.chosen))
    weight = target[rows, log.chosen] / log.propensity
    quality = log.quality
    told = weight * quality
    baseline = np.zeros(len(rows)) if predicted is None else (target * predicted).sum(axis=1)
    known = np.zeros(len(rows)) if predicted is None else predicted[rows, log.chosen]
    robust = baseline + weight * (quality - known)
    drawn = draws.mean(np.column_stack([told, weight, robust]))
    ratio = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(len(drawn), np.nan), where=drawn[:, 1] > 0)
    snips = float(told.sum() / weight.sum()) if weight.sum() > 0 else float("nan")
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if weight.any() else 0.0
    never = np.setdiff1d(np.arange(len(log.table.models)), log.chosen)
    missing = float(target[:, never].sum(axis=1).mean())
    return LogLine(
        name=name,
        ips=Figure.of(interval(float(told.mean()), drawn[:, 0])),
        snips=Figure.of(interval(snips, ratio)),
        doubly_robust=None if predicted is None else Figure.of(interval(float(robust.mean()), drawn[:, 2])),
        effective_prompts=effective,
        mean_weight=Figure.of(interval(float(weight.mean()), drawn[:, 1])),
        never_logged=missing,
        doubts=_doubts(effective, missing, *np.quantile(drawn[:, 1], [SURE, 1 - SURE]).tolist()),
    )


def _doubts(effective: float, missing: float, least: float, most: float) -> list[str]:
    told = []
    if missing > MISSING:
        told.append(f"{missing:.0%} of its choices are models that the log never chose: of those nothing is known")
    if effective < FEW:
        told.append(f"it rests on {effective:,.0f} prompts' worth of log: log longer, or explore more")
    if missing <= MISSING and most < 1.0:
        told.append("its mean weight is below 1: there are prompts on which the log never chose as it does")
    if least > 1.0:
        told.append("its mean weight is above 1: the logged propensities are smaller than they were")
    return told


def read_log(path: Path, table: Table) -> Log:
    """Logged choices: `prompt`, `model`, `propensity`, `quality`, perhaps `id` and `task`. Raises `TableError`.

    Models must be the table's. A prompt may be there as often as it was asked. A `receipt` stands for model and
    propensity where those are not given.
    """
    names, rows = read_rows(path)
    if "receipt" in names:
        rows = [_unfolded(path, row) for row in rows]
        names = tuple(dict.fromkeys((*names, "model", "propensity")))
    column = {what: next((name for name in (what, *NAMES.get(what, ())) if name in names), None) for what in WANTED}
    for what in ("prompt", "model", "propensity", "quality"):
        if column[what] is None:
            raise TableError(
                f"{path} has no column {what!r}; {did_you_mean(what, names, what='columns')}: "
                "a log needs prompt, model, propensity and quality"
            )
    reader = _Reader(path, {what: name for what, name in column.items() if name is not None}, table)
    chosen = np.array([reader.model(row) for row in rows], np.int64)
    quality = np.full((len(rows), len(table.models)), np.nan)
    quality[np.arange(len(rows)), chosen] = [reader.number(row, "quality", 0.0) for row in rows]
    logged = Table(
        ids=[str(number + 1) for number in range(len(rows))],
        prompts=[reader.text(row, "prompt") for row in rows],
        models=table.models,
        quality=quality,
        tasks=None if column["task"] is None else [reader.text(row, "task", empty=True) for row in rows],
        source=called(path),
    )
    return Log(logged, chosen, np.array([reader.number(row, "propensity", 1e-6) for row in rows], np.float64))


def _unfolded(path: Path, row: Row) -> Row:
    """A row whose receipt says which model was chosen, and how likely that was."""
    try:
        receipt = msgspec.convert(row.cells.get("receipt"), Receipt)
    except msgspec.ValidationError as error:
        raise TableError(
            f"{path}: {row.place}, column 'receipt' is none ({error}); allowed is what a reply carries, as JSON"
        ) from None
    told = {"model": receipt.deployment, "propensity": receipt.propensity}
    given = {name: value for name, value in row.cells.items() if value not in (None, "")}
    return Row(row.place, {**told, **given})


class _Reader:
    """The cells of a log."""

    def __init__(self, path: Path, column: dict[str, str], table: Table) -> None:
        self.path, self.column = path, column
        self.models = {model: number for number, model in enumerate(table.models)}

    def text(self, row: Row, what: str, *, empty: bool = False) -> str:
        """A cell that is text, and not empty unless that is allowed."""
        name = self.column[what]
        found = text_of(self.path, row, name, row.cells.get(name) or "")
        if not found and not empty:
            raise TableError(f"{self.path}: {row.place}, column {name!r} is empty; allowed is a {what}: drop the row")
        return found

    def model(self, row: Row) -> int:
        """The number of the model that was chosen."""
        name = self.text(row, "model")
        if name not in self.models:
            hint = did_you_mean(name, self.models, what="models")
            raise TableError(f"{self.path}: {row.place} chose {show(name)}, which is no model of the table; {hint}")
        return self.models[name]

    def number(self, row: Row, what: str, least: float) -> float:
        """A cell from `least` to 1."""
        name = self.column[what]
        value: Any = row.cells.get(name)
        if what == "propensity" and value in (None, ""):
            raise TableError(
                f"{self.path}: {row.place}, column {name!r} is {show(value)}; allowed is {least:g} to 1: how likely "
                "that choice was is not known (a retry, a hedge, a cascade, or a group without `explore`): drop the row"
            )
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not least <= number <= 1.0:
            raise TableError(f"{self.path}: {row.place}, column {name!r} is {show(value)}; allowed is {least:g} to 1")
        return number
