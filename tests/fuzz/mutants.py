"""Damaged copies of what is well formed: a byte here, a piece there, a word that is known to hurt.

Hypothesis draws values of a shape and shrinks them; what it does not do is to begin with whole documents of ours and
damage their bytes. Each mutant is made from its own number, so that the ordinary run tries the same ones everywhere and
a failure names the one that repeats it; `JUNCTOR_CASES` says how many. The corpus are files that we wrote, beside this
one.
"""

from __future__ import annotations

import os
import signal
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

CASES: Final = int(os.environ.get("JUNCTOR_CASES", "2000"))
CORPUS: Final = Path(__file__).parent / "corpus"

MAX_BYTES: Final = 64 * 1024
"""Of a mutant: larger inputs are the business of tests that measure them."""
MAX_MEMORY: Final = 48 * 1024 * 1024
"""That one mutant may cost. Reading a file takes 16 of it, its bound; what multiplied itself would take more."""
HANG_S: Final = 20.0
"""A mutant that takes so long hangs: the slowest takes some milliseconds, even on a busy machine."""
MEASURED: Final = 20
"""One mutant in so many is looked at for memory: that costs ten times its time."""

NUMBERS: Final = (
    b"0",
    b"-1",
    b"9007199254740993",
    b"1e308",
    b"-1e-308",
    b"NaN",
    b"Infinity",
    b"9" * 400,
    b"0.5",
    b"1_0",
)
BYTES: Final = (
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\t",
    b" ",
    b'"',
    b"'",
    b"\\",
)


def corpus(pattern: str) -> list[tuple[str, bytes]]:
    """Name and bytes of the files that match, in order."""
    found = [(file.name, file.read_bytes()) for file in sorted(CORPUS.glob(pattern))]
    assert found, pattern
    return found


def mutants(seeds: Sequence[tuple[str, bytes]], words: Sequence[bytes], cases: int) -> Iterator[tuple[str, bytes]]:
    """So many damaged copies, each with the name that repeats it."""
    for number in range(cases):
        name, seed = seeds[number % len(seeds)]
        draw = Random(f"{name}:{number}")
        mutant = bytearray(seed)
        for _ in range(draw.choice((1, 1, 2, 3, 8))):
            draw.choice(DAMAGE)(mutant, draw, [*words, *NUMBERS, *BYTES], seeds)
        yield f"{name}:{number}", bytes(mutant[:MAX_BYTES])


def _span(mutant: bytearray, draw: Random) -> slice:
    start = draw.randint(0, len(mutant))
    return slice(start, start + draw.choice((1, 2, 5, 40, 400)))


def _line(mutant: bytearray, draw: Random) -> slice:
    start = mutant.rfind(b"\n", 0, draw.randint(0, len(mutant))) + 1
    end = mutant.find(b"\n", start)
    return slice(start, len(mutant) if end < 0 else end + 1)


_Damage = Callable[[bytearray, Random, Sequence[bytes], Sequence[tuple[str, bytes]]], None]


def _flip(mutant: bytearray, draw: Random, _words: object, _seeds: object) -> None:
    if mutant:
        mutant[draw.randrange(len(mutant))] ^= 1 << draw.randrange(8)


def _remove(mutant: bytearray, draw: Random, _words: object, _seeds: object) -> None:
    del mutant[_span(mutant, draw)]


def _double(mutant: bytearray, draw: Random, _words: object, _seeds: object) -> None:
    span = _span(mutant, draw)
    mutant[span.start : span.start] = bytes(mutant[span]) * draw.choice((1, 1, 3, 60))


def _cut(mutant: bytearray, draw: Random, _words: object, _seeds: object) -> None:
    del mutant[draw.randint(0, len(mutant)) :]


def _remove_line(mutant: bytearray, draw: Random, _words: object, _seeds: object) -> None:
    del mutant[_line(mutant, draw)]


def _move_line(mutant: bytearray, draw: Random, _words: object, _seeds: object) -> None:
    line = bytes(mutant[_line(mutant, draw)])
    there = _line(mutant, draw).start
    mutant[there:there] = line


def _insert(mutant: bytearray, draw: Random, words: Sequence[bytes], _seeds: object) -> None:
    start = draw.randint(0, len(mutant))
    mutant[start:start] = draw.choice(words)


def _overwrite(mutant: bytearray, draw: Random, words: Sequence[bytes], _seeds: object) -> None:
    mutant[_span(mutant, draw)] = draw.choice(words)


def _number(mutant: bytearray, draw: Random, _words: object, _seeds: object) -> None:
    """One of the numbers becomes another."""
    digits = [place for place, byte in enumerate(mutant) if 48 <= byte <= 57]
    if digits:
        start = end = draw.choice(digits)
        while start > 0 and 48 <= mutant[start - 1] <= 57:
            start -= 1
        while end < len(mutant) and 48 <= mutant[end] <= 57:
            end += 1
        mutant[start:end] = draw.choice(NUMBERS)


def _splice(mutant: bytearray, draw: Random, _words: object, seeds: Sequence[tuple[str, bytes]]) -> None:
    _, other = draw.choice(seeds)
    piece = bytearray(other)
    mutant[_span(mutant, draw)] = piece[_span(piece, draw)]


DAMAGE: Final[tuple[_Damage, ...]] = (
    _flip,
    _remove,
    _double,
    _cut,
    _remove_line,
    _move_line,
    _insert,
    _overwrite,
    _number,
    _splice,
)


def survived(number: int, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """What `work` returns, if it returns in time and, for some, within its memory."""
    with _in_time():
        if number % MEASURED:
            return work(*args, **named)
        tracemalloc.start()
        try:
            result = work(*args, **named)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < MAX_MEMORY, f"{most} bytes"
    return result


@contextmanager
def _in_time() -> Iterator[None]:
    def hangs(_signal: object, _frame: object) -> None:
        raise AssertionError(f"nothing after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
