"""The small JSON files that `junctor calibrate` writes and a fleet file names: read whole, or refused by name."""

from __future__ import annotations

import pathlib
from typing import Final, TypeVar

import msgspec

from junctor.exceptions import ConfigError

MAX_BYTES: Final = 65_536
"""Thresholds and a handful of weights take a kilobyte."""


A = TypeVar("A")


def load(path: pathlib.Path, form: type[A], what: str) -> A:
    """The `what` in this file. Raises `ConfigError` for anything else than a whole one of its version."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such file"
        raise ConfigError(f"{path.name!r} cannot be read ({why}); paths begin at the fleet file") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path.name!r} is larger than {MAX_BYTES:,} bytes; it is no {what}")
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name!r} is no {what} of version 1 ({error}); make one by junctor calibrate") from None


def encoded(artifact: object) -> bytes:
    """The content of such a file."""
    return msgspec.json.format(msgspec.json.encode(artifact)) + b"\n"
