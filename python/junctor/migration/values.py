"""Single values: references, numbers, lengths of time, and names that a fleet file may have."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

from junctor.config.build import AUTO

_OLD: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]{0,254})")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")
_DAY: Final = frozenset({"1d", "24h", "86400s", "1440m"})
_PLACEHOLDERS: Final = frozenset(
    {"", "none", "null", "empty", "fake", "fake-key", "dummy", "not-needed", "no-key", "na"}
)


def reference(value: object) -> str | None:
    """`env:NAME` for `os.environ/NAME`; None for anything else."""
    found = _OLD.fullmatch(value.strip()) if isinstance(value, str) else None
    return None if found is None else f"env:{found[1]}"


def is_placeholder(value: object) -> bool:
    """Whether this is what people write for a key where none is needed."""
    return isinstance(value, str) and value.strip().lower() in _PLACEHOLDERS


def number(value: object) -> float | None:
    """The number that this is, texts of digits included; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value == value and abs(value) < 1e15 else None
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}(\.\d{1,9})?", value.strip()):
        return float(value)
    return None


def is_a_day(duration: object) -> bool:
    """Whether a budget's duration is a day, the only one that junctor counts."""
    return isinstance(duration, str) and duration.strip().lower() in _DAY


def plain(value: float) -> int | float:
    """The number as a person would write it: whole ones without a point."""
    return int(value) if value == int(value) else value


def as_name(text: str) -> str:
    """A name for a group, deployment or provider, as near to `text` as one may be."""
    short = _NOT_IN_NAMES.sub("-", text).strip("._-")[:80] or "model"
    return f"{short}-model" if short == AUTO else short


def fresh(name: str, taken: Container[str]) -> str:
    """The name, or with the first free number behind it."""
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def env_name(*parts: str) -> str:
    """A name for an environment variable, made of these parts."""
    return re.sub(r"[^A-Z0-9]+", "_", "_".join(parts).upper()).strip("_") or "KEY"
