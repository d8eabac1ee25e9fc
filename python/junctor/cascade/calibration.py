"""A calibration: thresholds that `junctor calibrate` found, with what they were found on and what is promised.

The file names the models of each step, because a threshold belongs to one model's confidence: after a new version the
same number means something else. `junctor check` compares them with the fleet's and warns.
"""

from __future__ import annotations

import math
import pathlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from junctor.cascade import artifacts
from junctor.exceptions import ConfigError


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
        return artifacts.encoded(self)


def load(path: pathlib.Path) -> Calibration:
    """The calibration in this file. Raises `ConfigError` for anything else than a whole one of this version."""
    found = artifacts.load(path, Calibration, "calibration")
    numbers = [found.accept, *([] if found.reject is None else [found.reject])]
    if not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{path.name!r} holds a threshold that is no finite number; calibrate again")
    return found
