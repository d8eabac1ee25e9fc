"""`Config` to what runs: the fleet as JSON bytes for the core, and one endpoint per deployment beside it.

The bytes hold everything that decides and nothing that is secret; endpoints hold addresses and opened keys and never
leave the process. The hash in receipts is taken over the bytes without the wall clock, so it is equal whenever the
decisions would be: changing a key does not change it, changing a weight does.
"""

from __future__ import annotations

import hashlib
import pathlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from junctor.config import cascades, classifiers
from junctor.config.accounting import weight_of
from junctor.config.clouds import dialect_of
from junctor.config.errors import Path, Problems
from junctor.config.prices import Price, Tier
from junctor.config.references import Reference, Unreadable, current_environment
from junctor.config.scorer import compiled_scorer
from junctor.config.sessions import compiled_sessions
from junctor.config.shaping import PruneSpec, digest
from junctor.config.signers import sign_by
from junctor.config.sites import wrong_address
from junctor.config.spec import BalanceSpec, ObjectiveWeights
from junctor.config.valid import Config, Deployment, Limit, Provider
from junctor.config.zones import Transitions, transitions
from junctor.estimate import BYTES_PER_TOKEN
from junctor.request import Endpoint, Secret

if TYPE_CHECKING:
    from junctor.signing import Signer


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """What a router is made of. `endpoints` are in the order of the fleet's deployments.

    `coordinator` is the address of who grants leases, if limits are shared between hosts.
    """

    fleet: bytes
    endpoints: tuple[Endpoint, ...]
    config_hash: str
    coordinator: Secret | None = None


class Headers(dict[str, str]):
    """Header values that may be secrets: `repr` shows their names only."""

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"


def compile(
    config: Config,
    *,
    wall_epoch_s: int | None = None,
    environ: Mapping[str, str] | None = None,
    secrets: bool = True,
    keys: bool = True,
) -> Compiled:
    """Compiles a config.

    `wall_epoch_s` is the Unix time of the router's time zero, by which models are deprecated or retired; the router's
    owner knows it and may leave it out of replays. `environ` replaces the process's environment. `secrets=False` opens
    no reference and makes endpoints without keys, for checking, explaining and simulating on machines that have none;
    `keys=False` opens none of endpoints, for programs that send by other means.

    Raises `ConfigError` naming every reference that cannot be read.
    """
    problems = Problems(config.source)
    today = "" if wall_epoch_s is None else time.strftime("%Y-%m-%d", time.gmtime(wall_epoch_s))
    environ = current_environment() if environ is None else environ
    opener = _Opener(config, environ, problems, really=secrets and keys, today=today)
    endpoints = tuple(opener.endpoint(item) for item in config.deployments)
    coordinator = _Opener(config, environ, problems, really=secrets, today=today).coordinator()
    problems.raise_errors()
    body = _fleet(config)
    shaped = digest(config)
    # Only where it is asked for, so that no other fleet's hash changes.
    further = {"shaping": shaped, "cascades": cascades.digest(config), "classifiers": classifiers.digest(config)}
    hashed = {**body, **{word: value for word, value in further.items() if value is not None}}
    config_hash = hashlib.sha256(msgspec.json.encode(hashed, order="sorted")).hexdigest()[:16]
    clock = {} if wall_epoch_s is None else {"wall_epoch_s": wall_epoch_s}
    fleet = msgspec.json.encode({"config_hash": config_hash, **clock, **body}, order="deterministic")
    return Compiled(fleet=fleet, endpoints=endpoints, config_hash=config_hash, coordinator=coordinator)


def _fleet(config: Config) -> dict[str, Any]:
    zones: dict[str, Transitions] = {}
    pools = [
        {"name": pool.name, "limits": [_limit(limit, zones) for limit in pool.limits]} for pool in config.pools.values()
    ]
    groups = [
        {
            "name": group.name,
            "members": group.members,
            "fallback": group.fallback,
            "objective": _objective(group.objective),
            # Only where it is asked for, so that no other fleet's hash changes.
            **({"hedge": True} if group.hedge else {}),
            **({} if group.explore is None else {"explore": group.explore}),
            **({"one_way": True} if group.escalation == "one-way" else {}),
            **_prune(group.prune),
        }
        for group in config.groups.values()
    ]
    return {
        "pools": pools,
        "deployments": [_deployment(config, item) for item in config.deployments],
        "groups": groups,
        "compliance": [{"name": c.name, "when": c.when, "require": c.require} for c in config.compliance],
        "rules": [
            {"name": rule.name, "when": rule.when, "action": {**rule.action, **_prune(rule.prune)}}
            for rule in config.rules
        ],
        "balance": _balance(config.balance),
        "retry": {"ratio": config.retry.ratio, "floor_per_s": config.retry.floor_per_s},
        # Only where limits are shared, so that no other fleet's hash changes.
        **({"leases": {"hosts": config.state.hosts}} if config.state.kind == "redis" else {}),
        **({"scorer": compiled_scorer(config.scorer)} if config.scorer is not None else {}),
        **({"sessions": compiled_sessions(config.sessions)} if config.sessions is not None else {}),
    }


def _balance(balance: BalanceSpec) -> dict[str, Any]:
    prefill = balance.prefill_us_per_token
    return {
        "gamma": balance.gamma,
        "age_factor": None if balance.age_factor == "off" else balance.age_factor,
        "affinity_bound": balance.affinity_bound,
        **({"prefill_us_per_token": prefill} if prefill != BalanceSpec().prefill_us_per_token else {}),
    }


def _prune(prune: PruneSpec | None) -> dict[str, Any]:
    """What the gate may count on: to what size a prompt that is too long will be cut."""
    if prune is None:
        return {}
    return {"prune": "context" if prune.to_tokens is None else {"tokens": prune.to_tokens}}


def _limit(limit: Limit, zones: dict[str, Transitions]) -> dict[str, Any]:
    calendar = None
    if limit.zone is not None:
        calendar = zones.get(limit.zone) or zones.setdefault(limit.zone, transitions(limit.zone))
    return {
        "dimension": limit.dimension,
        "limit": limit.limit,
        "window_s": limit.window_s,
        "burst_s": limit.burst_s,
        "calendar": calendar,
        "fixed_window": limit.fixed_window,
    }


def _objective(objective: str | ObjectiveWeights) -> object:
    if isinstance(objective, str):
        return objective
    weights = {"quality": objective.quality, "cost": objective.cost, "latency": objective.latency}
    enough = {"floor": objective.floor, "gap": objective.gap, "tolerance": objective.tolerance}
    return weights | {word: value for word, value in enough.items() if value is not None}


def _deployment(config: Config, item: Deployment) -> dict[str, Any]:
    accounting = config.providers[item.provider].accounting
    weight = weight_of(accounting, item.provider_model)
    return {
        "name": item.name,
        "provider": item.provider,
        "model": item.model,
        "region": item.region,
        "weight": item.weight,
        "pools": item.pools,
        "capabilities": item.capabilities,
        "context_tokens": item.context_tokens,
        "max_output_tokens": item.max_output_tokens,
        "tokens_permille": round(1_000 * BYTES_PER_TOKEN / item.bytes_per_token),
        "agreements": item.agreements,
        "data": item.data,
        "tenants": item.tenants,
        "price": {**_rates(item.price), **_tiers(item.price)},
        "quality": item.quality,
        "accounting": {
            "output": accounting.output,
            "count_cached_input": accounting.count_cached_input,
            "reconcile": accounting.reconcile,
            # Only where it is another, so that no other fleet's hash changes.
            **({"output_weight": weight} if weight != 1 else {}),
        },
        "first_content_timeout_s": item.first_content_timeout_s,
        **({} if item.latency_prior_s is None else {"latency_prior_s": item.latency_prior_s}),
    }


def _rates(price: Price | Tier) -> dict[str, int]:
    # An hour's writes only where they have a price of their own, so that no other fleet's hash changes.
    words = ("input", "output", "cached_input", "cache_write")
    own = {"cache_write_1h": price.cache_write_1h} if price.cache_write_1h != price.cache_write else {}
    return {**{word: getattr(price, word) for word in words}, **own}


def _tiers(price: Price) -> dict[str, Any]:
    return {"tiers": [{"above": tier.above, **_rates(tier)} for tier in price.tiers]} if price.tiers else {}


class _Opener:
    """Reads references, each once however many deployments use it, and makes endpoints."""

    def __init__(
        self, config: Config, environ: Mapping[str, str], problems: Problems, *, really: bool, today: str
    ) -> None:
        self.today = today
        self.config = config
        self.environ = environ
        self.problems = problems
        self.really = really
        self.opened: dict[Reference, Secret | None] = {}
        self.identities: dict[str, Secret | Signer | None] = {}

    def endpoint(self, item: Deployment) -> Endpoint:
        site = self.config.providers[item.provider]
        headers = {
            name: self._text(value, ("providers", site.name, "headers", name)) for name, value in site.headers.items()
        }
        key, signer = self._identity(item, site)
        return Endpoint(
            deployment=item.name,
            provider=item.provider,
            adapter=dialect_of(site.adapter, item.provider_model),
            model=item.provider_model,
            base_url=self._address(site),
            key=key,
            signer=signer,
            headers=Headers(headers),
            dialects=tuple(dialect_of(word, item.provider_model) for word in site.dialects),
            api_version=site.api_version,
            max_output_tokens=item.max_output_tokens,
            bytes_per_token=item.bytes_per_token,
            first_content_timeout_s=item.first_content_timeout_s,
            idle_timeout_s=item.idle_timeout_s,
            model_status=item.facts.status(self.today),
        )

    def coordinator(self) -> Secret | None:
        """The address of who grants leases: secret as a whole, because it may hold a password."""
        url = self.config.state.url
        if url is None or not self.really:
            return None
        return self._open(url, ("state", "redis")) if isinstance(url, Reference) else Secret(url, url)

    def _identity(self, item: Deployment, site: Provider) -> tuple[Secret | None, Signer | None]:
        """Key or signer: whoever has no key of its own asks as its provider's identity, made once for all of them."""
        if item.key is not None or site.identity is None or not self.really:
            return self._key(item), None
        if site.name not in self.identities:
            path = ("providers", site.name)
            self.identities[site.name] = sign_by(site.identity, path, self.environ, self._open, self.problems)
        found = self.identities[site.name]
        return (found, None) if isinstance(found, Secret) else (None, found)

    def _key(self, item: Deployment) -> Secret | None:
        if not isinstance(item.key, Reference):
            return item.key
        number = item.name.removeprefix(f"{item.declared}.")
        listed: Path = ("key",) if item.name == item.declared else ("keys", int(number) - 1)
        return self._open(item.key, ("deployments", item.declared, *listed))

    def _address(self, site: Provider) -> str:
        """The provider's address; one that comes from a reference was not looked at when the file was read."""
        path = ("providers", site.name, "base_url")
        address = self._text(site.base_url, path)
        opened = isinstance(site.base_url, Reference) and self.opened.get(site.base_url) is not None
        if opened and wrong_address(address) is not None:
            self.problems.error(path, f"{site.base_url} holds no http or https address; give it one")
        return address.rstrip("/")

    def _text(self, value: str | Reference, path: Path) -> str:
        if not isinstance(value, Reference):
            return value
        secret = self._open(value, path)
        return str(value) if secret is None else secret.reveal()

    def _open(self, reference: Reference, path: Path) -> Secret | None:
        if not self.really:
            return None
        if reference not in self.opened:
            self.opened[reference] = None
            try:
                self.opened[reference] = reference.read(self.environ, pathlib.Path(self.config.folder))
            except Unreadable as error:
                self.problems.error(path, str(error))
        return self.opened[reference]
