"""Fleets of the process tests: small, with limits whose windows are short enough to be filled within a second."""

from __future__ import annotations

import json
from pathlib import Path
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


def fleet_file(folder: Path, url: str, **limits: int) -> Path:
    """A file as users write it: one deployment at a server of the test's, with these limits."""
    (folder / "key").write_text("sk-test")
    told = {
        "version": 1,
        "providers": {"local": {"adapter": "openai", "base_url": f"{url}/v1", "key": f"file:{folder / 'key'}"}},
        "deployments": {"only": {"model": "local/m", "context_tokens": 8000, **limits}},
        "groups": {"all": {"members": ["only"]}},
        "rules": [{"use": "all"}],
    }
    path = folder / "fleet.yaml"
    path.write_text(json.dumps(told))  # JSON is YAML
    return path
