"""Labels by people: a CSV that opens in any spreadsheet, and what comes back.

The sheet shows no model and is shuffled, so that nobody labels a name or a habit. Labellers fill in `quality`, from 0
to 1 or on a scale of their own; empty is "not labelled". What comes back is found by its key, whatever was sorted.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from junctor.config.errors import show
from junctor.labelling.agreement import Agreement, agreement
from junctor.labelling.records import LabelError, Record

COLUMNS: Final = ("key", "task", "prompt", "answer", "quality", "note")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


def write_sheet(path: str | os.PathLike[str], records: Iterable[Record], *, seed: int = 0) -> int:
    """Writes a sheet to be labelled, shuffled, without the models' names; answers how many rows it has."""
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    with Path(path).open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for record in shuffled:
            rows.writerow([record.key, *map(_plain, (record.task, record.prompt, record.answer)), "", ""])
    return len(shuffled)


def read_sheets(
    paths: Sequence[str | os.PathLike[str]], records: Iterable[Record], *, top: float = 1.0
) -> tuple[dict[str, float], Agreement]:
    """Mean quality by key over the sheets, one for each labeller, and how far they agree. `top` is the best label.

    Raises `LabelError` for a key that no record has, a label that is no number or out of range, and for none at all.
    """
    known = {record.key for record in records}
    labels = {str(path): _labels(Path(path), known, top) for path in paths}
    keys = {key for given in labels.values() for key in given}
    if not keys:
        raise LabelError(f"no answer is labelled in {', '.join(labels) or 'no sheet'}; fill in the column quality")
    return {key: _mean(labels, key) for key in sorted(keys)}, agreement(labels)


def _labels(path: Path, known: set[str], top: float) -> dict[str, float]:
    found: dict[str, float] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for needed in ("key", "quality"):
                if needed not in (reader.fieldnames or ()):
                    raise LabelError(f"{path} has no column {needed!r}; a sheet has {', '.join(COLUMNS)}")
            for number, row in enumerate(reader, 1):
                key, label = (row["key"] or "").strip(), (row["quality"] or "").strip()
                if label:
                    found[_known(path, number, key, known, found)] = _number(path, number, label, top)
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}); give the path of a sheet") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path} is no CSV in UTF-8 ({error}); save the sheet as CSV, UTF-8") from None
    return found


def _known(path: Path, number: int, key: str, known: set[str], found: Mapping[str, float]) -> str:
    if key not in known:
        raise LabelError(f"{path}: row {number:,} has the key {show(key)}, which no record has; leave keys as they are")
    if key in found:
        raise LabelError(f"{path}: row {number:,} has the key {show(key)} again; one labeller labels an answer once")
    return key


def _number(path: Path, number: int, label: str, top: float) -> float:
    try:
        value = float(label.replace(",", "."))
    except ValueError:
        value = float("nan")
    if not 0.0 <= value <= top:
        raise LabelError(
            f"{path}: row {number:,}, column 'quality' is {show(label)}; allowed is 0 to {top:g}, or nothing"
        )
    return value / top


def _mean(labels: Mapping[str, Mapping[str, float]], key: str) -> float:
    given = [found[key] for found in labels.values() if key in found]
    return sum(given) / len(given)


def _plain(text: str) -> str:
    """A cell that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
