"""Plain text for terminals: colour where it is wanted, columns that line up, numbers that read easily.

Our own forty lines rather than rich: the demo must run with what the library itself needs.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import IO, Final

COLUMNS: Final = 79
"""Of what is printed: the narrowest terminal that people use has 80, and some break a line that fills it."""

_ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*m")
_CODES: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36}


class Paint:
    """Colours text, or leaves it alone."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, text: str, *styles: str) -> str:
        """`text` in these styles: bold, dim, red, green, yellow, blue, cyan."""
        if not self.enabled or not styles:
            return text
        return f"\x1b[{';'.join(str(_CODES[style]) for style in styles)}m{text}\x1b[0m"


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at this stream, in a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def progress() -> Callable[[str], None]:
    """Tells how far a command is, in one line of standard error, to a person only; "" takes the line away."""
    if not is_terminal(sys.stderr):
        return lambda _text: None
    return lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def paint_for(stream: IO[str]) -> Paint:
    """Colour on a terminal, unless NO_COLOR says no (see no-color.org)."""
    return Paint(is_terminal(stream) and not os.environ.get("NO_COLOR"))


def width(text: str) -> int:
    """Columns that the text takes; escapes take none."""
    return len(_ESCAPE.sub("", text))


def cell(text: str, columns: int, side: str = "<") -> str:
    """`text` padded to `columns`; `side` is where it leans: `<` or `>`."""
    gap = " " * (columns - width(text))
    return gap + text if side == ">" else text + gap


def clip(text: str, columns: int) -> str:
    """As much of `text` as fits `columns`, its escapes kept and closed."""
    if width(text) <= columns:
        return text
    kept, left = "", columns
    for piece in re.split(rf"({_ESCAPE.pattern})", text):
        kept += piece if _ESCAPE.fullmatch(piece) else piece[:left]
        left -= 0 if _ESCAPE.fullmatch(piece) else min(left, len(piece))
    return kept


def table(rows: Sequence[Sequence[str]], sides: str, *, indent: int = 2, gap: int = 2) -> list[str]:
    """Lines with aligned columns; `sides` has one `<` or `>` per column. All rows have as many cells."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(sides))] if rows else []
    lines = (
        (" " * gap).join(cell(text, columns, side) for text, columns, side in zip(row, widths, sides, strict=True))
        for row in rows
    )
    return [(" " * indent + line).rstrip() for line in lines]


def seconds(value_s: float) -> str:
    """`850 µs`, `12 ms`, `1.25 s`, `300 s`."""
    if value_s < 0.001:
        return f"{value_s * 1e6:.0f} µs"
    if value_s < 1.0:
        return f"{value_s * 1e3:.0f} ms"
    return f"{value_s:.2f} s" if value_s < 10.0 else f"{value_s:.0f} s"


def dollars(micros: int) -> str:
    """`$0.000125`, `$1.27`: as many digits as tell something."""
    usd = micros / 1_000_000
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.01 else f"${usd:.6f}"


def wrapped(text: str, *, indent: int = 0) -> list[str]:
    """`text` in lines that a plain terminal of 80 columns shows whole, moved to the right by `indent`."""
    return textwrap.wrap(text, COLUMNS, initial_indent=" " * indent, subsequent_indent=" " * indent)


def plural(count: int, noun: str) -> str:
    """`1 error`, `2 errors`, `1,000 calls`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
