"""Fixtures: small fleets as the core reads them, routers over them on a manual clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from junctor import Router
from junctor._core import ManualClock

RouterOf = Callable[..., Router]


def fleet(*deployments: dict[str, Any], **extra: Any) -> bytes:
    """A compiled fleet of these deployments with a group `all`."""
    named = [{"provider": "acme", "model": "acme/one", **deployment} for deployment in deployments]
    group = {"name": "all", "members": [deployment["name"] for deployment in named]}
    return json.dumps({"config_hash": "c0ffee", "deployments": named, "groups": [group], **extra}).encode()


def pool(name: str, **limits: int) -> dict[str, Any]:
    """A pool with these limits, each per minute and to be had at once."""
    return {"name": name, "limits": [{"dimension": d, "limit": n, "burst_s": 60.0} for d, n in limits.items()]}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000.0)


@pytest.fixture
def router_of(clock: ManualClock) -> RouterOf:
    """Opens a router over deployments given as mappings; each deployment's endpoint is `endpoint of <name>`."""

    def open_router(*deployments: dict[str, Any], endpoints: Sequence[object] | None = None, **extra: Any) -> Router:
        made = [f"endpoint of {deployment['name']}" for deployment in deployments] if endpoints is None else endpoints
        return Router(fleet(*deployments, **extra), made, seed=1, clock=clock)

    return open_router


A: dict[str, Any] = {"name": "a"}
B: dict[str, Any] = {"name": "b"}
PRICED: dict[str, Any] = {"name": "a", "pools": ["a"], "price": {"input": 1_000_000, "output": 2_000_000}}
