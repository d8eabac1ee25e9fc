"""What a judge said, kept as lines of JSON while it speaks, so that an interrupted judgement goes on where it was.

A question is known by a digest of who is asked and of every word: an answer that changed, another wording or another
judge is another question, and nothing stale can be read. What the judge said without giving a verdict is kept as such
and not asked again; a question that nobody answered is kept for what it cost, and is.

One process at a time may hear verdicts into a file: it is locked. A line that a killed process left unfinished is cut
off and asked again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from junctor.labelling.judge import Verdict
from junctor.labelling.records import MAX_LINES, LabelError, private

DIGITS: Final = 32
"""Of a digest in hexadecimal: two million questions do not collide."""

BEGIN: Final = b'{"question":"'
"""Of a line that this wrote. Nothing else is ever cut off: the file may be somebody's by mistake."""


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What became of one question about the answers `first` and `second`, shown in this order.

    Without `verdict` the judge said something else, or with `failure` nothing at all. `model` is who answered.
    """

    question: str
    first: str
    second: str
    verdict: Verdict | None = None
    failure: str = ""
    model: str = ""
    cost_usd: float = 0.0


def digest(judge: str, text: str) -> str:
    """What a question is known by: who is asked, and what."""
    return hashlib.sha256(f"{judge}\x00{text}".encode("utf-8", "replace")).hexdigest()[:DIGITS]


class Verdicts:
    """The file, open for more. `said` has what was answered, by question; `spent_usd` is what all of it cost."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises `LabelError` for a file that holds something else, or that another process hears verdicts into."""
        self.path = Path(path)
        self.said: dict[str, Said] = {}
        self.spent_usd = 0.0
        try:
            self._file: IO[bytes] = open(self.path, "a+b", opener=private)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise LabelError(f"{path} cannot be written ({error.strerror or error}); choose another file") from None
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def add(self, said: Said) -> None:
        """Keeps what was said: with the system before this returns, so that a killed process loses none of it."""
        self._file.write(msgspec.json.encode(said) + b"\n")
        self._file.flush()
        self._note(said)

    def close(self) -> None:
        """Lets others in."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_how: object) -> None:
        self.close()

    def _note(self, said: Said) -> None:
        self.spent_usd += said.cost_usd
        if not said.failure:
            self.said.setdefault(said.question, said)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabelError(f"{self.path} is being written by another process; wait for it, or stop it") from None

    def _read(self) -> None:
        decoder, whole = msgspec.json.Decoder(Said), 0
        self._file.seek(0)
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n") and line.startswith(BEGIN[: len(line)]):
                break  # a process was killed while it wrote this
            if number > MAX_LINES:
                raise LabelError(f"{self.path} has more than {MAX_LINES:,} lines; begin another file")
            try:
                self._note(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise LabelError(
                    f"{self.path}: line {number:,} is no verdict ({error}); name a file of `junctor label judge`"
                ) from None
            whole += len(line)
        self._file.truncate(whole)
