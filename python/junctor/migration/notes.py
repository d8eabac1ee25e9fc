"""What an import has to say: one note for each key that did not come over as it was.

A converter that drops what it does not know is worse than none: the fleet starts, and the limit that was lost is found
on the provider's bill. So a section is read by taking its keys one by one, and what nobody took is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from junctor.config.errors import Path, scrub, show_path


class Note(msgspec.Struct, frozen=True):
    """One key: where it stands, what kind of value it has (never the value), why it is told, and what to do.

    `left` keys are not in the fleet file. `changed` ones are, in a form that means something a little different.
    """

    path: str
    value: str
    why: str
    hint: str
    fate: Literal["left", "changed"] = "left"

    def __str__(self) -> str:
        verb = "not carried over" if self.fate == "left" else "carried over in another form"
        return f"{self.path} ({self.value}): {verb}: {self.why}; {self.hint}"


def kind_of(value: object) -> str:
    """What kind of value this is, in words that give nothing of it away."""
    match value:
        case None:
            return "empty"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "a reference" if value.startswith("os.environ/") else "a text"
        case Mapping():
            return f"a mapping of {len(value)}"
        case list() | tuple():
            return f"a list of {len(value)}"
    return f"a {type(value).__name__}"


class Notes:
    """Collects the notes of one import, at most one for each path."""

    def __init__(self) -> None:
        self._found: dict[Path, Note] = {}
        self.carried = 0

    def left(self, path: Path, value: object, why: str, hint: str) -> None:
        """This key is not in the fleet file."""
        self._found.setdefault(path, Note(show_path(path), kind_of(value), scrub(why), scrub(hint)))

    def changed(self, path: Path, value: object, why: str, hint: str) -> None:
        """This key is in the fleet file, and means something else there."""
        self._found.setdefault(path, Note(show_path(path), kind_of(value), scrub(why), scrub(hint), "changed"))

    @property
    def found(self) -> tuple[Note, ...]:
        """All of them, in the order in which they were found."""
        return tuple(self._found.values())


class Section:
    """One mapping of the old file, read key by key; `close` tells of the keys that nobody took."""

    def __init__(self, given: object, path: Path, notes: Notes) -> None:
        self.path = path
        self.notes = notes
        self._rest: dict[Any, object] = {}
        if isinstance(given, Mapping):
            self._rest.update(given)
        elif given is not None:
            notes.left(path, given, "a mapping was expected here", "write its keys below it")

    def take(self, key: str) -> object:
        """The value of this key, which counts as carried over; None if it is not there or empty."""
        value = self._rest.pop(key, None)
        self.notes.carried += value is not None
        return value

    def inside(self, key: str) -> object:
        """A section in this one; its own keys are what counts."""
        return self._rest.pop(key, None)

    def leave(self, key: str, value: object, why: str, hint: str) -> None:
        """A key that was taken and cannot be used after all."""
        self.notes.carried -= 1
        self.notes.left((*self.path, key), value, why, hint)

    def change(self, key: str, value: object, why: str, hint: str) -> None:
        """A key that was taken and comes over in another form."""
        self.notes.changed((*self.path, key), value, why, hint)

    def abandon(self) -> None:
        """The whole section is told of in one note elsewhere: its keys need none of their own."""
        self._rest.clear()

    def close(self, hints: Mapping[str, tuple[str, str]]) -> None:
        """Tell of every key that is left; `hints` knows why and what to do for some."""
        for key, value in self._rest.items():
            if value is not None:
                why, hint = hints.get(str(key), UNKNOWN)
                self.notes.left((*self.path, str(key)), value, why, hint)
        self._rest.clear()


UNKNOWN = ("junctor has no such key", "see docs/guides/from-litellm.md for what it has")
