"""Looks and pictures of made-up fleets, for tests of what is shown."""

from __future__ import annotations

from typing import Any

from junctor import config
from junctor.top import Look, Picture, picture

QUIET = {
    "provider": "near", "model": "near/m", "weight": 1.0, "share": 1.0, "in_flight": 0, "latency_s": 0.8,
    "success": 1.0, "age_s": 0.0, "held_s": 0.0, "exhausted": False, "breaker": "closed", "breaker_reason": "failures",
    "breaker_s": 0.0, "attempts": 0, "succeeded": 0, "failed": 0, "throttled": 0, "input_tokens": 0, "output_tokens": 0,
    "cost_usd_micros": 0, "refusals": 0,
}  # fmt: skip
PROCESS = {
    "seat": 0,
    "pid": 4711,
    "own": False,
    "alive": True,
    "behind": False,
    "config": "5f28e41ed3ac6302",
    "since_s": 40,
}


def fleet_of(names: list[str], rpm: int = 60) -> config.Config:
    return config.from_mapping(
        {
            "version": 1,
            "providers": {"near": {"adapter": "openai", "base_url": "http://127.0.0.1:9/v1"}},
            "pools": {"org": {"tpm": 400_000}},
            "deployments": {name: {"model": "near/m", "rpm": rpm, "pools": ["org"]} for name in names},
            "groups": {"strong": {"members": names}},
        }
    )


def look(fleet: config.Config, at_s: float, seen: dict[str, dict[str, Any]], **more: Any) -> Look:
    names = [item.name for item in fleet.deployments]
    pools = {name: {"rpm": {"limit": 60, "level": 45, "free": 0.75}} for name in names}
    return Look(
        fleet=fleet,
        seen={
            "at_s": at_s,
            "segment": "one.segment",
            "is_newest": True,
            "deployments": {name: QUIET | seen.get(name, {}) for name in names if seen.get(name) != {"gone": True}},
            "pools": {"org": {"tpm": {"limit": 400_000, "level": 12_000, "free": 0.03}}, **pools},
            "counters": {"reserved": 0, "no_capacity": 0},
            "processes": [PROCESS],
            **more,
        },
    )


def pictured(seen: dict[str, dict[str, Any]], *, names: list[str] | None = None, **more: Any) -> Picture:
    """Two seconds after a look at a quiet fleet."""
    fleet = fleet_of(names or ["a", "b", "c"])
    after = look(fleet, 102.0, seen, **more)
    return picture(look(fleet, 100.0, {}), after, names=[item.name for item in fleet.deployments])
