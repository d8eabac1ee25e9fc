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
        self._pieces: dict[str, Piece] = {}
        self._size = 0
        for family in families:
            # The count of what overflows has a label set for each family, whatever the bound.
            room = max_label_sets if family is not OVERFLOW else len(families)
            self._pieces[family.name] = Piece(self, family, start=self._size, room=room)
            self._size += width(family) * (room + 1)
        self._directory = directory
        self._process = 0
        self._sets: int | None = None
        self._open()

    def of(self, family: Family) -> Piece:
        """Where this family is counted."""
        return self._pieces[family.name]

    def numbers(self) -> Numbers:
        """All numbers: this process's own, or with a directory those of every worker that ever counted there."""
        own = {
            (name, labels): piece.read(place)
            for name, piece in self._pieces.items()
            for labels, place in list(piece.places.items())
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
            for piece in self._pieces.values():
                piece.places = {}
                piece.taken = 0
            self._open()

    def named(self, family: Family, labels: tuple[str, ...], place: int) -> None:
        """This label set is met for the first time and has its place: readers of the file are told."""
        if self._sets is not None:
            os.write(self._sets, msgspec.json.encode([family.name, list(labels), place]) + b"\n")

    def _open(self) -> None:
        self._process = os.getpid()
        if self._directory is None:
            self._count_in(array("d", bytes(self._size * WORD_BYTES)))
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
        self._count_in(cast(MutableSequence[float], memoryview(mapped).cast("d")))
        if self._sets is not None:
            os.close(self._sets)
        self._sets = os.open(stem.with_name(stem.name + SETS_SUFFIX), flags | os.O_APPEND, 0o600)

    def _count_in(self, words: MutableSequence[float]) -> None:
        for piece in self._pieces.values():
            piece.words = words

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
            piece = self._pieces.get(name)
            if piece is None or len(labels) != len(piece.family.labels):
                continue
            found = list(words[place : place + piece.width])
            if place >= 0 and len(found) == piece.width:
                yield (name, labels), found


class Piece:
    """One family's part of the array. What finds no room here is counted as `other`, and told in `OVERFLOW`."""

    __slots__ = ("_room", "_slots", "_start", "family", "places", "taken", "width", "words")

    def __init__(self, slots: Slots, family: Family, *, start: int, room: int) -> None:
        self._slots = slots
        self._start = start
        self._room = room
        self.family = family
        self.width = width(family)
        self.places: dict[tuple[str, ...], int] = {}
        self.taken = 0
        self.words: MutableSequence[float] = array("d")

    def add(self, labels: tuple[str, ...], amount: float = 1.0) -> None:
        """Count."""
        place = self.places.get(labels)
        self.words[self._found(labels) if place is None else place] += amount

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        """Put a value into a histogram."""
        place = self.places.get(labels)
        if place is None:
            place = self._found(labels)
        self.words[place] += value
        self.words[place + 1 + bisect_left(self.family.buckets, value)] += 1.0

    def read(self, place: int) -> list[float]:
        """The numbers of the label set at this place."""
        return list(self.words[place : place + self.width])

    def _found(self, labels: tuple[str, ...]) -> int:
        """The place of a label set that has none yet."""
        index = self.taken
        if index == self._room:
            if self.family is not OVERFLOW:
                self._slots.of(OVERFLOW).add((self.family.name,))
            labels = (OTHER,) * len(self.family.labels)
            if (known := self.places.get(labels)) is not None:
                return known
        else:
            self.taken += 1
        place = self._start + index * self.width
        self._slots.named(self.family, labels, place)
        self.places[labels] = place
        return place


_decoded = msgspec.json.Decoder(tuple[str, tuple[str, ...], int]).decode


def width(family: Family) -> int:
    """Words of one label set: one of a counter; a histogram's sum, and a count for each bucket and for the rest."""
    return 1 if family.kind != "histogram" else 2 + len(family.buckets)
