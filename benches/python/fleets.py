"""The fleets that the benchmarks route over.

Fleets grow by groups, as they do in life: twenty deployments each, five sharing a pool, every attempt held against four
limits of two pools. `one_group` puts all of them into a single group instead, the hardest case for a balancer.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from junctor.request import Endpoint, Secret
from junctor.router import Router

GROUP: Final = 20
POOL: Final = 5
PLACES: Final = [{"dimension": "concurrency", "limit": 10**6}]
# More than two processes can use up, and whole numbers of ticks per unit, as limits that people set are.
AMPLE: Final = [{"dimension": "rpm", "limit": 10**9}, {"dimension": "tpm", "limit": 96 * 10**10}]


def fleet(deployments: int, rules: int, *, one_group: bool = False, places: bool = False) -> dict[str, Any]:
    """The compiled form of a fleet, as the core takes it. The last rule is the one that matches.

    With `places` each deployment has a limit of concurrency too.
    """
    size = deployments if one_group else GROUP
    starts = range(0, deployments, size)
    groups = [
        {"name": f"g{index}", "members": [f"d{number}" for number in range(start, min(start + size, deployments))]}
        for index, start in enumerate(starts)
    ]
    pools = [f"pool-{index}" for index in range(-(-deployments // POOL))] + [f"d{n}" for n in range(deployments)]
    return {
        "config_hash": "bench",
        "pools": [{"name": name, "limits": [*AMPLE, *(PLACES if places and name[0] == "d" else [])]} for name in pools],
        "deployments": [_deployment(number) for number in range(deployments)],
        "groups": groups,
        "compliance": [
            {"when": {"attribute": "data", "one_of": ["eu-personal"]}, "require": {"region": ["eu"]}},
            {"when": {"attribute": "data", "one_of": ["phi"]}, "require": {"agreements": ["baa"]}},
        ],
        "rules": [
            *(_rule(number, len(groups)) for number in range(rules - 1)),
            {"name": "otherwise", "action": {"use": "g0"}},
        ],
    }


def _deployment(number: int) -> dict[str, Any]:
    return {
        "name": f"d{number}",
        "provider": f"p{number % 8}",
        "model": f"p{number % 8}/m{number // GROUP}",
        "region": ("us", "eu")[number % 2],
        "pools": [f"pool-{number // POOL}", f"d{number}"],
        "capabilities": ["tools", "images", "streaming"],
        "context_tokens": 200_000,
        "max_output_tokens": 32_000,
        "price": {"input": 3_000_000, "output": 15_000_000},
    }


def _rule(number: int, groups: int) -> dict[str, Any]:
    when = [
        {"attribute": "task", "one_of": [f"task-{number}", "extraction"]},
        {"attribute": "tenant", "one_of": [f"tenant-{number}"]},
        {"number": "input_tokens", "max": 100 + number},
    ]
    return {"name": f"r{number}", "when": {"all": when}, "action": {"use": f"g{number % groups}"}}


def router(
    deployments: int,
    rules: int,
    *,
    one_group: bool = False,
    places: bool = False,
    shared: tuple[str, str] | None = None,
) -> Router:
    """A router over `fleet`, for decisions only: its endpoints lead nowhere. `shared` says where its state is."""
    spec = fleet(deployments, rules, one_group=one_group, places=places)
    return _router(spec, "http://127.0.0.1:9/v1", shared)


def serving(base_url: str, deployments: int = 10) -> Router:
    """A router whose deployments all lead to `base_url`, in the OpenAI dialect."""
    return _router(fleet(deployments, 1), base_url)


def _router(spec: dict[str, Any], base_url: str, shared: tuple[str, str] | None = None) -> Router:
    key = Secret("sk-bench", "bench")
    endpoints = [
        Endpoint(
            deployment=each["name"],
            provider=each["provider"],
            adapter="openai",
            model="bench",
            base_url=base_url,
            key=key,
        )
        for each in spec["deployments"]
    ]
    return Router(msgspec.json.encode(spec), endpoints, seed=1, shared=shared)
