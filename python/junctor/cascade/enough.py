"""When a stream has said what was asked for: a closed JSON value, or one of some labels. Pure.

A model that is asked for a label likes to explain it, and one that is asked for JSON may go on after the last brace.
What comes then is paid for and thrown away. A stop sequence would need to know what it writes next; these conditions
look at what it wrote. They are sure or silent: a label counts once the word has ended, because "no" may become
"nothing", and braces inside strings count for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from junctor.exceptions import InvalidRequest

Until = Literal["json"] | Sequence[str]


class Enough(Protocol):
    """Watches one answer."""

    def feed(self, piece: str) -> int | None:
        """The next piece of text. Once the answer is sure: how many characters of this piece still belong to it."""


class JsonClosed:
    """The first object or array of the answer has closed."""

    __slots__ = ("_depth", "_escaped", "_quoted")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = self._escaped = False

    def feed(self, piece: str) -> int | None:
        """See `Enough`."""
        for place, letter in enumerate(piece, 1):
            if self._quoted:
                if self._escaped:
                    self._escaped = False
                elif letter == "\\":
                    self._escaped = True
                elif letter == '"':
                    self._quoted = False
            elif letter in "{[":
                self._depth += 1
            elif self._depth and letter == '"':
                self._quoted = True
            elif self._depth and letter in "}]":
                self._depth -= 1
                if not self._depth:
                    return place
        return None


class LabelSaid:
    """The answer begins with one of the labels, and the word has ended."""

    __slots__ = ("_labels", "_text")

    def __init__(self, labels: Sequence[str]) -> None:
        # The longest first: of "bug" and "bug report" the second is meant where it stands.
        self._labels = sorted((label.strip().lower() for label in labels), key=len, reverse=True)
        self._text: str | None = ""

    def feed(self, piece: str) -> int | None:
        """See `Enough`."""
        if self._text is None:
            return None
        before = len(self._text)
        self._text += piece
        skipped = len(self._text) - len(self._text.lstrip(" \t\r\n\"'`*"))
        said = self._text[skipped:].lower()
        if any(label.startswith(said) for label in self._labels):
            return None  # it may still become this one
        followed = max(_common(said, label) for label in self._labels)
        found = next((label for label in self._labels if said.startswith(label)), "")
        if found and followed == len(found) and not said[len(found)].isalnum():
            return max(0, skipped + len(found) - before)
        # It begins with something else, or went on as if it were a longer label: it will not be sure any more.
        self._text = None
        return None


def _common(one: str, other: str) -> int:
    """How long both are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def condition(until: Until | None) -> Enough | None:
    """What watches an answer for this wish, anew for each. Raises `InvalidRequest` for a wish that is none."""
    if until is None:
        return None
    if until == "json":
        return JsonClosed()
    if isinstance(until, str) or not until or not all(isinstance(label, str) and label.strip() for label in until):
        raise InvalidRequest(f"until is {until!r}; it must be 'json' or a list of labels, such as ['yes', 'no']")
    return LabelSaid(until)
