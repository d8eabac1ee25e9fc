"""Fixtures: the example of the guide, a small valid mapping to spoil, and helpers that compile and list problems."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from junctor import _core, config
from junctor.exceptions import ConfigError

FIXTURES = pathlib.Path(__file__).with_name("fixtures")

SMALL: dict[str, Any] = {
    "version": 1,
    "state": "host",
    "providers": {
        "anthropic": {},
        "vllm": {"adapter": "openai", "base_url": "http://10.0.0.7:8000/v1", "headers": {"x-team": "blue"}},
    },
    "pools": {"acme": {"provider": "anthropic", "rpm": 4000, "tpm": 400_000, "rpd": 5000, "reset": {"zone": "UTC"}}},
    "deployments": {
        "opus": {
            "model": "anthropic/claude-opus-4-8",
            "key": "env:ANTHROPIC_KEY",
            "pools": ["acme"],
            "region": "us",
            "weight": 2,
            "agreements": ["baa"],
            "price": {"input": 5, "output": 25},
        },
        "haiku": {"model": "anthropic/claude-haiku-4-5", "keys": ["env:A", "env:B"], "rpm": 100, "burst_s": 20},
        "llama": {"model": "vllm/llama-3.3-70b-instruct", "concurrency": 8, "data": ["phi"], "tenants": ["acme"]},
    },
    "groups": {
        "strong": {"members": ["opus"], "fallback": ["small"], "objective": {"quality": 1, "cost": 0.5}},
        "small": {"members": ["haiku", "llama"], "objective": "cheapest", "affinity": "prefix"},
    },
    "compliance": [
        {"name": "phi", "when": {"data": "phi"}, "require": {"agreements": ["baa"], "region": ["us", "eu"]}}
    ],
    "rules": [
        {
            "name": "free",
            "when": {"user_tier": ["free"], "input_tokens": {"max": 100}},
            "use": "small",
            "effort": "low",
        },
        {
            "when": {
                "any": [{"tools": True}, {"not": {"task": "chat"}}],
                "tags": {"env": {"prefix": "prod"}, "x": [1, 2]},
            },
            "use": "opus",
            "max_cost_usd": 0.01,
        },
        {"when": {"model": "opus", "prompt_chars": "500..2000"}, "refuse": "not today"},
        {"use": "strong"},
    ],
    "balance": {"gamma": 0.3, "age_factor": "off"},
    "retry": {"ratio": 0.1},
    "dispatch": {"attempts": 2, "deadline_s": 60},
}


@pytest.fixture
def small() -> dict[str, Any]:
    """A valid mapping that uses most sections; every test gets its own copy."""
    return copy.deepcopy(SMALL)


@pytest.fixture(scope="session")
def small_json() -> bytes:
    """The same mapping as JSON, for tests that need many copies."""
    return json.dumps(SMALL).encode()


@pytest.fixture
def fixtures() -> pathlib.Path:
    return FIXTURES


@pytest.fixture
def problems_of() -> Callable[[Mapping[str, Any]], list[str]]:
    """The lines of the ConfigError that a mapping raises."""

    def lines(mapping: Mapping[str, Any]) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            config.from_mapping(mapping, source="fleet.yaml")
        return list(caught.value.problems)

    return lines


@pytest.fixture
def fleet_of() -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The fleet that a mapping compiles to, decoded."""

    def fleet(mapping: Mapping[str, Any]) -> dict[str, Any]:
        compiled = config.compile(config.from_mapping(mapping), secrets=False)
        decoded: dict[str, Any] = json.loads(compiled.fleet)
        return decoded

    return fleet


@pytest.fixture
def core_accepts() -> Callable[[bytes], None]:
    """Raises if the core refuses a fleet that was compiled here."""
    return _core.check_fleet


@pytest.fixture
def shadowed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """Stands in for the core's search for unreachable rules; a test appends what it should find."""
    found: list[tuple[int, list[int]]] = []
    monkeypatch.setattr(_core, "shadowed_rules", lambda _fleet: list(found))
    return found
