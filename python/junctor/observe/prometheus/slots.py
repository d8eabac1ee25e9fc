"""Numbers under label sets: an array of words, with a bound, in memory or in a file that other workers read.

A call counts some ten things. prometheus_client's own counters take a lock and look a child up for each, which is as
much work as routing the call; and their form for several processes is chosen for the whole program by an environment
variable, at import. Here a number is an index into one array of doubles: to count is to add. Each family has a fixed
piece of the array, for as many label sets as it may have and one more, whose labels are all `other`. So the array never
grows, and where it is a mapped file, a worker's counts are in the file the moment they are made, outlive it, and
whoever is scraped adds up all files of the directory: exactly, and without asking anybody.

A file is written by one process: its name holds the process id and a random word. Beside the numbers lie the label
sets, one JSON line each, appended when a set is first met. A reader takes the sets it finds and the numbers under them;
a set whose line is cut short is one whose first count was not finished either.

Rejected: a directory per metric, as prometheus_client has (hundreds of files); a socket that collects from the others
(a worker that is busy or dead answers nothing).
"""

from __future__ import annotations

import mmap
import os
import secrets
from array import array
from bisect import bisect_left
from collections.abc import Iterator, MutableSequence, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from junctor.exceptions import ConfigError
from junctor.observe.prometheus.families import OVERFLOW, Family

OTHER: Final = "other"
MAX_LABEL_SETS: Final = 2_000
"""Label sets of one family before the rest is `other`: a hundred deployments with every outcome that there is."""

WORD_BYTES: Final = 8
NUMBERS_SUFFIX: Final = ".numbers"
SETS_SUFFIX: Final = ".sets"
MAX_SETS_BYTES: Final = 8 * 1024 * 1024
"""Of one worker's label sets; a longer file is none of ours."""

Numbers = dict[tuple[str, tuple[str, ...]], list[float]]
"""Family and label values to the numbers there: one of a counter; sum and buckets of a histogram."""


class Slots:
    """The numbers of some families. One thread at a time counts; anybody may read.

    `directory` is shared by the workers whose counts belong together; without one they are this process's alone.
    """

    def __init__(
        self, families: Sequence[Family], *, directory: Path | None = None, max_label_sets: int = MAX_LABEL_SETS
    ) -> None:
        if not 1 <= max_label_sets <= 100_000:
            raise ConfigError(f"max_label_sets is {max_label_sets}; it must be between 1 and 100000")
        self._families = {family.name: family for family in families}
        # The count of what overflows has a label set for each family, whatever the bound.
        self._room = {family.name: max_label_sets if family is not OVERFLOW else len(families) for family in families}
        self._places: dict[tuple[str, tuple[str, ...]], int] = {}
        self._taken = dict.fromkeys(self._families, 0)
        self._starts: dict[str, int] = {}
        end = 0
        for family in families:
            self._starts[family.name] = end
            end += width(family) * (self._room[family.name] + 1)
        self._size = end
        self._directory = directory
        self._process = 0
        self._sets: int | None = None
        self._words: MutableSequence[float] = array("d")
        self._open()

    def add(self, family: Family, labels: tuple[str, ...], amount: float = 1.0) -> bool:
        """Count; False if the family has no room for another label set, so that `other` was counted instead."""
        place = self._places.get((family.name, labels))
        fits = place is not None
        if place is None:
            fits, place = self._found(family, labels)
        self._words[place] += amount
        return fits

    def observe(self, family: Family, labels: tuple[str, ...], value: float) -> bool:
        """Put a value into a histogram; answers as `add` does."""
        place = self._places.get((family.name, labels))
        fits = place is not None
        if place is None:
            fits, place = self._found(family, labels)
        self._words[place] += value
        self._words[place + 1 + bisect_left(family.buckets, value)] += 1.0
        return fits

    def numbers(self) -> Numbers:
        """All numbers: this process's own, or with a directory those of every worker that ever counted there."""
        own = {
            key: list(self._words[place : place + width(self._families[key[0]])])
            for key, place in list(self._places.items())
        }
        if self._directory is None:
            return own
        total: Numbers = {}
        for path in sorted(self._directory.glob(f"*{NUMBERS_SUFFIX}")):
            for key, numbers in self._read(path):
                known = total.get(key)
                total[key] = numbers if known is None else [a + b for a, b in zip(known, numbers, strict=True)]
        return total

    def after_fork(self) -> None:
        """A forked child counts for itself: its parent's numbers are told by the parent."""
        if self._process != os.getpid():
            self._places = {}
            self._taken = dict.fromkeys(self._families, 0)
            self._open()

    def _found(self, family: Family, labels: tuple[str, ...]) -> tuple[bool, int]:
        """The place of a label set that was not met yet."""
        room = self._room[family.name]
        fits = self._taken[family.name] < room
        if not fits:
            labels = (OTHER,) * len(family.labels)
        key = (family.name, labels)
        known = self._places.get(key)
        if known is not None:
            return fits, known
        index = self._taken[family.name] if fits else room
        place = self._starts[family.name] + index * width(family)
        if self._sets is not None:
            os.write(self._sets, msgspec.json.encode([family.name, list(labels), place]) + b"\n")
        self._places[key] = place
        if fits:
            self._taken[family.name] += 1
        return fits, place

    def _open(self) -> None:
        self._process = os.getpid()
        if self._directory is None:
            self._words = array("d", bytes(self._size * WORD_BYTES))
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem = self._directory / f"{self._process}-{secrets.token_hex(8)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        numbers = os.open(stem.with_name(stem.name + NUMBERS_SUFFIX), flags, 0o600)
        try:
            os.ftruncate(numbers, self._size * WORD_BYTES)
            mapped = mmap.mmap(numbers, self._size * WORD_BYTES)
        finally:
            os.close(numbers)
        self._words = cast(MutableSequence[float], memoryview(mapped).cast("d"))
        if self._sets is not None:
            os.close(self._sets)
        self._sets = os.open(stem.with_name(stem.name + SETS_SUFFIX), flags | os.O_APPEND, 0o600)

    def _read(self, path: Path) -> Iterator[tuple[tuple[str, tuple[str, ...]], list[float]]]:
        """What one worker counted. A file that is damaged, or of other families, gives what makes sense in it."""
        try:
            words = memoryview(path.read_bytes()).cast("d")
            with path.with_suffix(SETS_SUFFIX).open("rb") as file:
                lines = file.read(MAX_SETS_BYTES).split(b"\n")[:-1]
        except (OSError, TypeError):
            return
        for line in lines:
            try:
                name, labels, place = _decoded(line)
            except msgspec.MsgspecError:
                continue
            family = self._families.get(name)
            if family is None or len(labels) != len(family.labels):
                continue
            found = list(words[place : place + width(family)])
            if place >= 0 and len(found) == width(family):
                yield (name, labels), found


_decoded = msgspec.json.Decoder(tuple[str, tuple[str, ...], int]).decode


def width(family: Family) -> int:
    """Words of one label set: one of a counter; a histogram's sum, and a count for each bucket and for the rest."""
    return 1 if family.kind != "histogram" else 2 + len(family.buckets)
