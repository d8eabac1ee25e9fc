"""Fleets of the process tests: small, with limits whose windows are short enough to be filled within a second or two."""

from __future__ import annotations

import json
from typing import Any

Fleet = dict[str, Any]


def limit(dimension: str, units: int, *, window_s: float = 1.0, burst_s: float = 0.25) -> dict[str, Any]:
    """A limit of `units` in `window_s`, `burst_s` seconds of it at once."""
    return {"dimension": dimension, "limit": units, "window_s": window_s, "burst_s": burst_s}


def fleet(*deployments: str, hash: str = "c0ffee", limits: dict[str, list[dict[str, Any]]] | None = None) -> Fleet:
    """Deployments by name in the group `all`; `limits` gives some of them limits of their own."""
    own = limits or {}
    return {
        "config_hash": hash,
        "pools": [{"name": name, "limits": of} for name, of in own.items()],
        "deployments": [
            {"name": name, "provider": "acme", "model": "acme/one", "pools": [name] if name in own else []}
            for name in deployments
        ],
        "groups": [{"name": "all", "members": list(deployments)}],
    }


def compiled(spec: Fleet) -> bytes:
    """As the core reads it."""
    return json.dumps(spec).encode()
