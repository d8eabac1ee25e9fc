"""A kept answer, as one line of JSON; with its quality it is a row of a long table.

Answers have a key, made of prompt and model alone, under which labels come back: people who label see no model's name,
and a sheet that was sorted, cut or sent around still finds its answers.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

MAX_LINES: Final = 2_000_000
KEY_DIGITS: Final = 16


class LabelError(ValueError):
    """Records or labels cannot be used: one sentence with the place, the value, what is allowed and a hint."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One answer of one model to one prompt, scrubbed.

    `id` tells prompts apart; `cost_usd` is None if not known; `token_logprobs` are those of the answer's tokens, if
    they were asked for and make sense; `propensity` is the probability with which this model was chosen, as the receipt
    has it, None if not known.
    """

    id: str
    prompt: str
    model: str
    answer: str
    task: str = ""
    cost_usd: float | None = None
    token_logprobs: tuple[float, ...] = ()
    propensity: float | None = None

    @property
    def key(self) -> str:
        """What stands for this answer in a sheet."""
        return hashlib.sha256(f"{self.id}\x00{self.model}".encode()).hexdigest()[:KEY_DIGITS]


def private(path: str, flags: int) -> int:
    """Opens a file that holds content: for its owner alone."""
    return os.open(path, flags, 0o600)


def read_records(path: str | os.PathLike[str]) -> list[Record]:
    """The records of a file. Of a model that answered a prompt again the first answer counts: a table has one cell.

    Raises `LabelError` naming the line that is no record.
    """
    decoder, found = msgspec.json.Decoder(Record), dict[str, Record]()
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}); give the path of kept records") from None
    if len(lines) > MAX_LINES:
        raise LabelError(f"{path} has {len(lines):,} lines; allowed are {MAX_LINES:,}: take a sample")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LabelError(f"{path}: line {number:,} is no record ({error}); `Sample` writes them") from None
        found.setdefault(record.key, record)
    if not found:
        raise LabelError(f"{path} holds no records; keep some answers first")
    return list(found.values())


def write_table(path: str | os.PathLike[str], records: Iterable[Record], quality: Mapping[str, float]) -> int:
    """Writes the labelled records as a long table for `junctor evaluate`, and answers how many there are.

    `quality` is from 0 to 1 by key. Records without a label are left out: a table has no guesses.
    Where propensities are known the table has them too, so that it is a log for `--log`.
    """
    written, records = 0, list(records)
    chances = any(record.propensity is not None for record in records)
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "task", "prompt", "model", "quality", "cost_usd", *(["propensity"] if chances else [])])
        for record in records:
            if (label := quality.get(record.key)) is not None:
                cost = "" if record.cost_usd is None else f"{record.cost_usd:.9f}"
                chance = [] if not chances else ["" if record.propensity is None else repr(record.propensity)]
                rows.writerow([record.id, record.task, record.prompt, record.model, f"{label:g}", cost, *chance])
                written += 1
    return written


def write_drafts(
    path: str | os.PathLike[str], records: Iterable[Record], quality: Mapping[str, float], *, model: str | None = None
) -> tuple[str, int]:
    """Writes one model's labelled answers with their log-probabilities, beside what the other models' were worth, for
    `junctor calibrate` and `junctor evaluate --drafts`. Returns whose they are and how many.

    `model` may be left out if one alone told log-probabilities. Raises `LabelError` for one that told none.
    """
    labelled = [record for record in records if record.key in quality]
    told = sorted({record.model for record in labelled if record.token_logprobs})
    if model is None and len(told) != 1:
        raise LabelError(
            f"{len(told)} models have labelled answers with log-probabilities ({', '.join(told) or 'none'}); "
            + ("name one of them" if told else "keep answers that were asked for with logprobs=True")
        )
    name = told[0] if model is None else model
    if name not in told:
        raise LabelError(f"no labelled answer of {name!r} has log-probabilities; models with them: {', '.join(told)}")
    others = sorted({record.model for record in labelled} - {name})
    of = {(record.id, record.model): quality[record.key] for record in labelled}
    drafts = [record for record in labelled if record.model == name]
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "task", "model", "quality", "token_logprobs", *others])
        for draft in drafts:
            numbers = " ".join(f"{value:.5g}" for value in draft.token_logprobs)
            beside = [f"{of[draft.id, other]:g}" if (draft.id, other) in of else "" for other in others]
            rows.writerow([draft.id, draft.task, name, f"{quality[draft.key]:g}", numbers, *beside])
    return name, len(drafts)
