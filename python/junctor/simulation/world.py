"""Who answers in a simulated run, and how: the fleet taken at its word, and a file that says where the truth differs.

Without a file each provider admits what the fleet's limits say, answers as the fleet's priors expect, and has a prompt
cache if cached input has a price of its own. A world file lays over that, in layers: `defaults` for all, then
`providers`, then `deployments`; faults add up. `pools` says what is really admitted, by the name of a pool or of a
deployment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from junctor.config.errors import nearest, show

if TYPE_CHECKING:
    from junctor.config import Config
    from junctor.config.valid import Deployment

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=31_622_400.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0, le=1e9)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Dimension = Literal["rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd", "concurrency"]

DAILY: Final = frozenset({"rpd", "tpd"})
DAY_S: Final = 86_400.0


class WorldError(ValueError):
    """The world file is none: one sentence with the place, the value, what is allowed and a hint."""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What ails a provider from `from_s` to `to_s`; with `every_s` it comes and goes, for `for_s` of each round."""

    kind: Literal[
        "errors", "down", "throttles", "hangs", "slow", "quota", "revoked", "exhausted", "cuts", "stalls", "burns",
        "headers",
    ]  # fmt: skip
    from_s: Seconds = 0.0
    to_s: Seconds | None = None
    every_s: Positive | None = None
    for_s: Positive | None = None
    after_s: Seconds = 0.02
    share: Share = 1.0
    left: Share = 0.2
    factor: Positive = 8.0
    hint_s: Seconds | None = None
    per_minute: Positive = 60_000.0
    lie: Literal["huge", "negative", "nothing", "stale"] = "huge"


class Layer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How providers answer; what a layer does not say is as in the one below."""

    first_content_s: Positive | None = None
    spread: Annotated[float, msgspec.Meta(ge=0.0, le=5.0)] | None = None
    outliers: Share | None = None
    tokens_per_s: Positive | None = None
    reads_per_s: Positive | None = None
    slots: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    headers: bool | None = None
    cache: bool | None = None
    cache_ttl_s: Positive | None = None
    cache_min_tokens: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] | None = None
    faults: list[Fault] = []


class Truth(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a pool really admits: units per minute, per day for `rpd` and `tpd`, at once for `concurrency`."""

    rpm: Positive | None = None
    tpm: Positive | None = None
    input_tpm: Positive | None = None
    output_tpm: Positive | None = None
    rpd: Positive | None = None
    tpd: Positive | None = None
    concurrency: Positive | None = None
    burst_s: Positive | None = None


class World(msgspec.Struct, kw_only=True):
    """A whole world file."""

    defaults: Layer = msgspec.field(default_factory=Layer)
    providers: dict[str, Layer] = msgspec.field(default_factory=dict)
    deployments: dict[str, Layer] = msgspec.field(default_factory=dict)
    pools: dict[str, Truth] = msgspec.field(default_factory=dict)


USUAL: Final[Mapping[str, Any]] = {
    "first_content_s": 0.8, "spread": 0.6, "outliers": 0.01, "tokens_per_s": 80.0, "reads_per_s": 12_500.0,
    "slots": None, "headers": False, "cache_ttl_s": 300.0, "cache_min_tokens": 1_024,
}  # fmt: skip
"""What is taken of a provider of whom nothing is said: SPEC's latencies, a cache as most of them have."""


def read(path: Path) -> World:
    """The world in a YAML file. Raises `WorldError`."""
    import yaml

    try:
        found = msgspec.yaml.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise WorldError(f"{path} cannot be read ({_line(error)}); give a YAML file") from None
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise WorldError(f"{path} is {show(found)}; give a mapping with defaults, providers, deployments or pools")
    world = World()
    for section, value in found.items():
        if section == "defaults":
            world.defaults = _convert(path, ("defaults",), value, Layer)
        elif section in ("providers", "deployments", "pools"):
            if not isinstance(value, dict):
                raise WorldError(f"{path}: {section} is {show(value)}; give a mapping by name")
            form: Any = Truth if section == "pools" else Layer
            named = {str(name): _convert(path, (section, str(name)), part, form) for name, part in value.items()}
            setattr(world, section, named)
        else:
            raise WorldError(f"{path}: {section!r} is not known; allowed are defaults, providers, deployments, pools")
    return world


def _convert(path: Path, place: tuple[str, ...], value: Any, form: Any) -> Any:
    try:
        return msgspec.convert(value, type=form, strict=True)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        steps = re.findall(r"\.(\w+)|\[(\d+)\]", where)
        for name, index in steps:
            try:
                value = value[int(index)] if index else value[name]
            except (KeyError, TypeError, IndexError):
                break
        dotted = ".".join(place) + "".join(f"[{index}]" if index else f".{name}" for name, index in steps)
        raise WorldError(f"{path}: {dotted} is {show(value)}: {what[:1].lower()}{what[1:]}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def answering(fleet: Config, world: World) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How each deployment answers and what each pool admits, for a job. Raises `WorldError` for lost names."""
    _known("providers", world.providers, fleet.providers)
    _known("deployments", world.deployments, [deployment.name for deployment in fleet.deployments])
    _known("pools", world.pools, [*fleet.pools, *(deployment.name for deployment in fleet.deployments)])
    providers = [_provider(deployment, world) for deployment in fleet.deployments]
    return providers, [quota for name in {**fleet.pools, **world.pools} for quota in _quotas(fleet, world, name)]


def _known(section: str, names: Mapping[str, object], known: Any) -> None:
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"the fleet has {', '.join(sorted(known)[:5])}"
            raise WorldError(f"{section}.{name} names nothing of the fleet; {hint}")


def _provider(deployment: Deployment, world: World) -> dict[str, Any]:
    named = (world.providers.get(deployment.provider), world.deployments.get(deployment.name))
    layers = [world.defaults, *(layer for layer in named if layer is not None)]
    told: dict[str, Any] = dict(USUAL)
    if deployment.latency_prior_s is not None:
        told["first_content_s"] = deployment.latency_prior_s
    cache = deployment.price.cached_input < deployment.price.input
    faults: list[dict[str, Any]] = []
    for layer in layers:
        said = {name: value for name, value in msgspec.structs.asdict(layer).items() if value is not None}
        faults += [_fault(fault) for fault in said.pop("faults", [])]
        cache = said.pop("cache", cache)
        told |= said
    told["cache_ttl_s"] = told["cache_ttl_s"] if cache else None
    return {"name": deployment.name, **told, "faults": faults}


def _fault(fault: Fault) -> dict[str, Any]:
    told = msgspec.structs.asdict(fault)
    left = told.pop("left")
    return told | ({"share": left} if fault.kind == "quota" else {})


def _quotas(fleet: Config, world: World, name: str) -> list[dict[str, Any]]:
    truth = world.pools.get(name, Truth())
    pool = fleet.pools.get(name)
    limits = {limit.dimension: limit for limit in (pool.limits if pool else ())}
    told = []
    for dimension in Dimension.__args__:  # type: ignore[attr-defined]  # a Literal has its words there
        really, limit = getattr(truth, dimension), limits.get(dimension)
        if really is None and limit is None:
            continue
        day = dimension in DAILY
        window_s = DAY_S if day else limit.window_s if limit else 60.0
        burst_s = DAY_S if day else truth.burst_s or (limit.burst_s if limit else 10.0)
        units = float(limit.limit if really is None and limit else really)
        told.append({"pool": name, "dimension": dimension, "limit": units, "window_s": window_s, "burst_s": burst_s})
    return told
