"""Recorded prompts and arrivals, where the machine has them: MMLU questions and an hour of Azure's LLM traffic.

The folder is looked for in `$JUNCTOR_DATA`, in `../shared/data` beside the checkout, and in the same place beside the
working directory. It is no part of the package; without it the demo uses its own sample.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

PROMPTS_FILE: Final = Path("routellm_mmlu", "train.csv.gz")
TRACE_FILE: Final = Path("azure_llm_2023", "conv.csv.gz")
CHECKOUT: Final = Path(__file__).resolve().parents[3]
PROMPTS_READ: Final = 3_000
"""Of nearly ten thousand: enough that hardly any comes twice, and read in a few hundredths of a second."""


class Arrival(NamedTuple):
    """One request of the trace: seconds since the first, prompt tokens, answer tokens."""

    at_s: float
    input_tokens: int
    output_tokens: int


def folder(given: Path | None) -> Path | None:
    """The folder that holds both recordings, or None. A folder that is given is the only one looked at."""
    named = os.environ.get("JUNCTOR_DATA")
    places = [given] if given else [Path(named)] if named else [CHECKOUT.parent / "shared/data", Path("../shared/data")]
    found = (place for place in places if (place / PROMPTS_FILE).is_file() and (place / TRACE_FILE).is_file())
    return next(found, None)


def prompts(data: Path) -> list[str]:
    """Questions with their options, every few hundredth so that all subjects are there."""
    rows = [row["prompt"] for row in _rows(data / PROMPTS_FILE)]
    return rows[:: max(1, len(rows) // PROMPTS_READ)]


def trace(data: Path, *, start: int, count: int) -> list[Arrival]:
    """`count` requests in a row, from number `start` on, the first at 0 s. Fewer if the recording ends."""
    rows = islice(_rows(data / TRACE_FILE), start, start + count)
    found = [Arrival(float(row["t_s"]), int(row["in_tok"]), int(row["out_tok"])) for row in rows]
    return [each._replace(at_s=each.at_s - found[0].at_s) for each in found]


TRACE_LENGTH: Final = 13_000
"""Requests in the recording, rounded down: where a run may begin depends on it."""


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
