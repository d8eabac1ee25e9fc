"""Two looks, one picture: levels as they are now, counts as rates since the look before.

The structs are also the shape of `junctor top --json`, which docs/guides/cli.md describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from junctor.config import Config
from junctor.top.watch import Look

LEAST_S: Final = 1e-3
"""Looks that are closer than this say nothing about rates."""

_RATES: Final = ("attempts", "succeeded", "failed", "throttled", "refusals")


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of a pool; a deployment's own limits are in a pool of its name."""

    pool: str
    dimension: str
    level: int
    limit: int
    free: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment of the file. `seen` is what a snapshot says of it; None if no process runs it."""

    name: str
    running: bool
    share: float = 0.0
    per_s: Mapping[str, float] = {}
    limits: tuple[Limit, ...] = ()
    seen: Mapping[str, Any] | None = None

    def now(self, figure: str, default: float = 0.0) -> float:
        """A figure of the snapshot."""
        return float((self.seen or {}).get(figure, default))

    @property
    def free(self) -> float | None:
        """How empty its emptiest limit is; None without limits."""
        return min((limit.free for limit in self.limits), default=None)


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process that shares the state."""

    seat: int
    pid: int
    alive: bool
    up_s: float
    config: str
    behind: bool


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A counter: how many since the state was made, and how many a second since the look before."""

    count: int
    per_s: float


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `over_s` is the time between the two looks; `is_newest`: the processes run what the file says."""

    file: str
    segment: str
    at_s: float
    over_s: float
    is_newest: bool
    deployments: tuple[Row, ...]
    limits: tuple[Limit, ...]
    processes: tuple[Process, ...]
    counters: Mapping[str, Rate]
    leases: Any = None


def picture(before: Look, now: Look, *, names: Iterable[str]) -> Picture:
    """The picture of the deployments `names`, in this order; shares are parts of what these attempted."""
    over_s = max(now.seen["at_s"] - before.seen["at_s"], 0.0)
    rate = _Rate(over_s)
    limits = _limits(now.seen["pools"])
    pools = {item.name: item.pools for item in now.fleet.deployments}
    rows = [_row(name, before.seen, now.seen, rate, limits, pools.get(name, ())) for name in names]
    total = sum(row.per_s.get("attempts", 0.0) for row in rows)
    shown = {pool for row in rows for pool in pools.get(row.name, ())}
    return Picture(
        file=now.fleet.source,
        segment=now.seen["segment"],
        at_s=now.seen["at_s"],
        over_s=over_s,
        is_newest=now.seen["is_newest"],
        deployments=tuple(
            msgspec.structs.replace(row, share=row.per_s["attempts"] / total) if total and row.running else row
            for row in rows
        ),
        limits=tuple(limit for pool in limits if pool in shown for limit in limits[pool]),
        processes=tuple(_process(each, now.seen["at_s"]) for each in now.seen["processes"]),
        counters={
            name: Rate(count=count, per_s=rate(before.seen["counters"].get(name, 0), count))
            for name, count in now.seen["counters"].items()
        },
        leases=now.seen.get("leases"),
    )


def members(fleet: Config, group: str) -> tuple[str, ...]:
    """The deployments that a request for `group`, or a model or a deployment, may meet before any fallback."""
    if group in fleet.groups:
        return fleet.groups[group].members
    return tuple(item.name for item in fleet.deployments if group in (item.name, item.model))


class _Rate:
    """Counts as rates. One that fell is of another segment: then nothing is known yet."""

    def __init__(self, over_s: float) -> None:
        self._over_s = over_s

    def __call__(self, before: int, now: int) -> float:
        return max(0, now - before) / self._over_s if self._over_s >= LEAST_S else 0.0


def _row(
    name: str,
    before: dict[str, Any],
    now: dict[str, Any],
    rate: _Rate,
    limits: Mapping[str, tuple[Limit, ...]],
    pools: Iterable[str],
) -> Row:
    seen = now["deployments"].get(name)
    if seen is None:
        return Row(name=name, running=False)
    old = before["deployments"].get(name, {})
    return Row(
        name=name,
        running=True,
        per_s={figure: rate(old.get(figure, 0), seen[figure]) for figure in _RATES},
        limits=tuple(limit for pool in pools for limit in limits.get(pool, ())),
        seen=seen,
    )


def _limits(pools: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, tuple[Limit, ...]]:
    def told(pool: str, dimension: str, seen: Mapping[str, Any]) -> Limit:
        return Limit(pool=pool, dimension=dimension, level=seen["level"], limit=seen["limit"], free=seen["free"])

    return {pool: tuple(told(pool, *each) for each in dimensions.items()) for pool, dimensions in pools.items()}


def _process(seen: Mapping[str, Any], now_s: float) -> Process:
    return Process(
        seat=seen["seat"],
        pid=seen["pid"],
        alive=seen["alive"],
        up_s=max(0.0, now_s - seen["since_s"]),
        config=seen["config"],
        behind=seen["behind"],
    )
