"""The traffic mix: which requests come how often, and by how much a bill exceeds their sum.

A bill is more than calls times price. What is left out when one multiplies is known well enough to be named, and each
part is a factor of its own: attempts that failed after they were paid, conversations that send their past again,
prompts and tools that grow, trials and evaluations that nobody counts as traffic, and traffic that nobody foresaw. The
usual values come to 1.7 together, the rule of thumb; they are guesses until a log of your own replaces them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from junctor.config.errors import Problems
from junctor.config.read import look
from junctor.config.spec import Closed, Share, Text

Factor = Annotated[float, msgspec.Meta(ge=1, le=10)]
PerDay = Annotated[float, msgspec.Meta(ge=0.001, le=1e9)]
Days = Annotated[float, msgspec.Meta(ge=1, le=366)]
UsdPerMonth = Annotated[float, msgspec.Meta(ge=0.01, le=1e9)]

MAX_LINES: Final = 1_000
"""Kinds of requests; a mix that needs more is a trace, and `junctor simulate` reads those."""


class MixError(ValueError):
    """The mix cannot be read: one sentence with the place, the value, what is allowed and a hint."""


class Margins(Closed, frozen=True, kw_only=True):
    """What a sum of calls leaves out, as factors of its cost.

    `attempts`: retries, hedges and cut answers that were paid. `conversation`: turns that send their past again.
    `prompts`: system prompts, tools and retrieved text that grow. `trials`: development and evaluation.
    `unplanned`: traffic that nobody foresaw.
    """

    attempts: Factor = 1.05
    conversation: Factor = 1.25
    prompts: Factor = 1.10
    trials: Factor = 1.07
    unplanned: Factor = 1.10

    @property
    def together(self) -> float:
        """Their product."""
        return float(math.prod(msgspec.structs.astuple(self)))


class Line(Closed, frozen=True, kw_only=True):
    """One kind of request: `request` as for `junctor explain`, so many of them a day, so much of each prompt cached."""

    name: Text
    per_day: PerDay
    request: dict[str, Any]
    cached_share: Share = 0.0


class Mix(Closed, frozen=True, kw_only=True):
    """A whole mix. `peak` is the busiest minute as a multiple of the mean one; `budget_usd` is for all `days`."""

    version: Literal[1]
    traffic: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    days: Days = 30
    peak: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 3.0
    budget_usd: UsdPerMonth | None = None
    margins: Margins = Margins()


def read(path: Path) -> Mix:
    """The mix in a YAML file. Raises `MixError`."""
    import yaml

    try:
        found = msgspec.yaml.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise MixError(f"{path} cannot be read ({str(error).splitlines()[0]}); give a YAML file") from None
    try:
        return msgspec.convert(found, Mix)
    except msgspec.ValidationError as error:
        problems = Problems(str(path))
        look(found, Mix, (), problems)
        first = str(problems.found[0]) if problems.found else f"{path}: {error}"
        raise MixError(first) from None
