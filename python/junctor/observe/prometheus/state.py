"""The router's state as samples, read when somebody scrapes.

With the host scope this state is one for all workers: limits, breakers and the attempts under way of the whole host. So
any worker tells the same, no worker adds its own to another's, and the samples carry no label of a worker: a sum over
workers would be wrong by their number. With the process scope there is one state for each worker, and a scrape tells
that of the worker that answered it; `junctor_state_info` says which it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from junctor.observe.prometheus import families as f

if TYPE_CHECKING:
    from junctor.router import Router

BREAKER_STATES: Final = ("closed", "open", "half_open", "forced_open")

Sample = tuple[f.Family, tuple[str, ...], float]


class State:
    """Reads one router."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def samples(self) -> Iterator[Sample]:
        """Every family of state, each sample once."""
        snapshot = self._router.snapshot()
        yield from _of_all(snapshot)
        for name, told in snapshot["deployments"].items():
            yield from _of_deployment((name, told["provider"], told["model"]), told)
        for pool, limits in snapshot["pools"].items():
            for dimension, told in limits.items():
                yield f.LIMIT, (pool, dimension), told["limit"]
                yield f.LEVEL, (pool, dimension), told["level"]
                yield f.FREE, (pool, dimension), told["free"]
        for event, count in snapshot["counters"].items():
            yield f.CORE, (event,), count


def _of_all(snapshot: Mapping[str, Any]) -> Iterator[Sample]:
    scope, config = "host" if snapshot["state"]["shared"] else "process", snapshot["config_hash"]
    alive = [process for process in snapshot["processes"] if process["alive"]]
    leases = snapshot.get("leases") or {}
    yield f.STATE, (scope, config), 1
    yield f.CONFIG, (), crc32(config.encode())
    yield f.PROCESSES, (), len(alive) or 1
    yield f.BEHIND, (), sum(process["behind"] for process in alive)
    yield f.HOSTS, (), leases.get("hosts", 0)
    yield f.COORDINATOR, (), leases.get("coordinator") == "reachable"


def _of_deployment(place: tuple[str, ...], told: Mapping[str, Any]) -> Iterator[Sample]:
    for state in BREAKER_STATES:
        yield f.BREAKER, (*place, state), told["breaker"] == state
    yield f.IN_FLIGHT, place, told["in_flight"]
    yield f.HELD, place, told["held_s"]
    yield f.SUCCESS, place, told["success"]
    yield f.SHARE, place, told["share"]
    yield f.LATENCY, place, told["latency_s"]
