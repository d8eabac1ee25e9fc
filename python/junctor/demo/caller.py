"""Who makes the calls of a run: the client under show, or the random choice it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from junctor.demo.tally import Ended
from junctor.demo.traffic import Ask


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one deployment stands right now, for the live table. None: this caller does not know such a thing."""

    name: str
    attempts: int
    in_flight: int
    throttled: int
    failed: int
    latency_s: float
    breaker: str | None = None
    breaker_reason: str = ""
    breaker_s: float = 0.0
    held_s: float | None = None
    free: float | None = None


class Caller(Protocol):
    """Makes calls and says how they ended. Nothing it does raises, except cancellation."""

    @property
    def title(self) -> str:
        """Its name in tables."""

    async def ask(self, ask: Ask, *, due_s: float) -> Ended:
        """Make this call; `due_s` is the loop's time when it was due, from which its times are counted."""

    def standings(self) -> Sequence[Standing]:
        """Every deployment, in the order of the fleet."""
