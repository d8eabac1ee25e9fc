"""A calibration: thresholds that `junctor calibrate` found, with what they were found on and what is promised.

The file names the models of each step, because a threshold belongs to one model's confidence: after a new version the
same number means something else. `junctor check` compares them with the fleet's and warns.
"""

from __future__ import annotations

import math
import pathlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from junctor.exceptions import ConfigError

MAX_BYTES: Final = 65_536
"""Of a calibration's file. Real ones have less than two kilobytes."""


class Promise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was asked for, what the table shows, and between which bounds it lies with `confidence` on prompts like its.

    `target`: `escalation` and `rejection` are shares of prompts, `quality` the mean of what is delivered, `kept` that
    over the strong model's, `cost` dollars per call.
    """

    target: Literal["escalation", "rejection", "quality", "kept", "cost"]
    asked: float
    found: float
    low: float | None = None
    high: float | None = None
    confidence: float
    method: str
    prompts: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds for one signal. `models` are those of each step, `reject` may be missing."""

    kind: Literal["junctor-calibration"] = "junctor-calibration"
    version: Literal[1] = 1
    signal: Annotated[str, Meta(min_length=1, max_length=64)]
    accept: float
    reject: float | None = None
    models: tuple[tuple[str, ...], ...] = ()
    promises: tuple[Promise, ...] = ()
    note: str = ""

    def to_json(self) -> bytes:
        """The file's content."""
        return msgspec.json.format(msgspec.json.encode(self)) + b"\n"


def load(path: pathlib.Path) -> Calibration:
    """The calibration in this file. Raises `ConfigError` for anything else than a whole one of this version."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such file"
        raise ConfigError(f"{path.name!r} cannot be read ({why}); paths begin at the fleet file") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path.name!r} is larger than {MAX_BYTES:,} bytes; it is no calibration")
    try:
        found = msgspec.json.decode(raw, type=Calibration)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path.name!r} is no calibration of version 1 ({error}); make one by junctor calibrate"
        ) from None
    numbers = [found.accept, *([] if found.reject is None else [found.reject])]
    if not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{path.name!r} holds a threshold that is no finite number; calibrate again")
    return found
