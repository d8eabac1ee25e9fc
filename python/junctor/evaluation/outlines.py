"""What a table says of requests beside their text: how many tools, images, turns, …, as the core's outline calls them.

Such columns are optional. A table without them is a table of texts alone, and what is trained on it looks at nothing
else. An empty cell is what a plain request has: no tools, no images, no files, one turn, no system prompt, an answer of
any form and any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from junctor._core import Outline

FIELDS: Final = Outline.FIELDS
"""The columns that are read so, in the order of the core."""

MOST: Final = 1_000_000_000
"""The largest figure: beyond it somebody wrote something else."""


@dataclass(frozen=True, slots=True)
class Outlines:
    """The fields that a table has, and an outline for each of its rows."""

    fields: tuple[str, ...]
    rows: tuple[Outline, ...]

    @classmethod
    def of(cls, fields: tuple[str, ...], figures: Iterable[Mapping[str, int]]) -> Outlines | None:
        """The outlines of rows with these figures; None if the table has no such field."""
        return cls(fields, tuple(Outline(**row) for row in figures)) if fields else None

    def select(self, rows: Iterable[int]) -> Outlines:
        """Those of these rows."""
        return Outlines(self.fields, tuple(self.rows[row] for row in rows))
