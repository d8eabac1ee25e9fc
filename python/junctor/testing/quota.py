"""Real limits for a simulated provider: token buckets that refill continuously and answer with a time.

A fake that returns a 429 on every tenth call proves nothing about a limiter. This one counts what the provider would
count, admits exactly what the limit allows, and says when the next request would pass.
The arithmetic is the plain textbook bucket in floats: it is the naive twin that the router's own buckets are judged by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

Dimension = Literal["rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd"]
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)
DAY_S: Final = 86_400.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one quota allows. None means no such limit.

    `rpm` and the token limits count per `window_s` seconds (60: a minute), `rpd` and `tpd` per day. `burst_s` is how
    many seconds of a limit may be used at once; None: the whole window, so that a fresh key admits exactly `rpm`
    requests in one instant. Real providers reject shorter bursts; 10 is a realistic value.
    """

    rpm: int | None = None
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    rpd: int | None = None
    tpd: int | None = None
    window_s: float = 60.0
    burst_s: float | None = None

    def __post_init__(self) -> None:
        for name in DIMENSIONS:
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"{name} is {limit}, allowed is 1 or more; faults.throttle() admits nothing at all")
        for what, seconds in (("window_s", self.window_s), ("burst_s", self.burst_s)):
            if seconds is not None and seconds <= 0:
                raise ValueError(f"{what} is {seconds}, allowed is above 0")


class Standing(msgspec.Struct, frozen=True):
    """Where one limit stands: the limit, what is left of it, and seconds until it is full again."""

    limit: int
    remaining: int
    reset_s: float


class Refusal(msgspec.Struct, frozen=True):
    """Why a request was not admitted. `retry_after_s` is None when it is larger than the whole bucket."""

    dimension: Dimension
    limit: int
    used: int
    requested: int
    retry_after_s: float | None


class Bucket:
    """A token bucket that may go into debt."""

    __slots__ = ("at_s", "capacity", "level", "limit", "rate")

    def __init__(self, limit: int, *, window_s: float, burst_s: float, now_s: float) -> None:
        self.limit = limit
        self.rate = limit / window_s
        self.capacity = limit if burst_s >= window_s else max(1.0, limit * burst_s / window_s)
        self.level: float = self.capacity
        self.at_s = now_s

    def refill(self, now_s: float) -> None:
        """Bring the level up to `now_s`; an older time changes nothing."""
        if now_s > self.at_s:
            self.level = min(self.capacity, self.level + (now_s - self.at_s) * self.rate)
            self.at_s = now_s

    def wait_s(self, amount: int) -> float | None:
        """Seconds until `amount` fits; 0 when it fits now, None when it never will."""
        needed = max(amount, 1)  # even a free request needs a level above zero: debts are paid first
        if needed > self.capacity:
            return None
        missing = needed - self.level
        return 0.0 if missing <= 1e-9 else missing / self.rate

    def standing(self) -> Standing:
        """The level in the terms of a rate-limit header."""
        return Standing(self.limit, max(0, int(self.level + 1e-9)), (self.capacity - self.level) / self.rate)


class Quota:
    """The buckets of one account: all of them admit a request, or none is touched."""

    def __init__(self, limits: Limits, *, now_s: float) -> None:
        self.limits = limits
        self.buckets: dict[Dimension, Bucket] = {}
        for dimension in DIMENSIONS:
            limit = getattr(limits, dimension)
            if limit is not None:
                window_s = DAY_S if dimension in ("rpd", "tpd") else limits.window_s
                burst_s = DAY_S if window_s == DAY_S or limits.burst_s is None else limits.burst_s
                self.buckets[dimension] = Bucket(limit, window_s=window_s, burst_s=burst_s, now_s=now_s)

    def admit(self, amounts: Mapping[Dimension, int], now_s: float) -> Refusal | None:
        """Take `amounts` from all buckets, or take nothing and say which bucket refused."""
        charged = [(bucket, amounts[name], name) for name, bucket in self.buckets.items() if name in amounts]
        for bucket, amount, name in charged:
            bucket.refill(now_s)
            wait_s = bucket.wait_s(amount)
            if wait_s is None or wait_s > 0:
                used = max(0, int(bucket.capacity - bucket.level))
                return Refusal(name, bucket.limit, used, amount, wait_s)
        for bucket, amount, _ in charged:
            bucket.level -= amount
        return None

    def charge(self, amounts: Mapping[Dimension, int], now_s: float) -> None:
        """Take `amounts` whatever the level: what an answer turned out to use."""
        for name, amount in amounts.items():
            bucket = self.buckets.get(name)
            if bucket is not None:
                bucket.refill(now_s)
                bucket.level -= amount

    def standings(self, now_s: float) -> dict[Dimension, Standing]:
        """Where every limit stands."""
        for bucket in self.buckets.values():
            bucket.refill(now_s)
        return {name: bucket.standing() for name, bucket in self.buckets.items()}
