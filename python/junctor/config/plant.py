"""Deployments and pools: limits gathered, keys counted out, facts taken from the catalog.

A deployment's own limits become a private pool with its name, so the core knows only one kind of limit. Keys that are
listed become deployments of their own, each with its own private pool: keys of one organisation usually share the
provider's quota, and naming a shared pool is how a file says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict, cast

from junctor.config.accounting import PROFILES, Accounting
from junctor.config.catalog import Catalog, Facts
from junctor.config.clouds import dialect_of
from junctor.config.errors import Path, Problems, did_you_mean, show
from junctor.config.prices import Price, PriceRow, TierRow, from_usd
from junctor.config.providers import FAMILY, KNOWN
from junctor.config.references import Reference
from junctor.config.sites import reference
from junctor.config.spec import DIMENSIONS, DeploymentSpec, FleetSpec, LimitsSpec, PoolSpec, PriceSpec, TierSpec
from junctor.config.valid import Deployment, Limit, Pool, Provider
from junctor.config.zones import UnknownZone, transitions

DAY_S: Final = 86_400.0
MINUTE_S: Final = 60.0
BURST_S: Final = 10.0  # paced, not all at once at the top of a minute
MAX_LIMITS: Final = 8  # a reservation holds all of them or none, so their number is bounded
_DAILY: Final = ("rpd", "tpd", "usd_per_day")


class Plant:
    """Builds the deployments and pools of one spec. `expanded` maps a declared name to the names it stands for."""

    def __init__(
        self, spec: FleetSpec, providers: Mapping[str, Provider], catalog: Catalog, problems: Problems
    ) -> None:
        self.spec = spec
        self.catalog = catalog
        self.providers = providers
        self.problems = problems
        self.expanded: dict[str, tuple[str, ...]] = {}
        self.pools = {name: self._pool(name, pool) for name, pool in spec.pools.items()}

    @property
    def _provider_names(self) -> list[str]:
        """Those of the file, and those that are known without it."""
        return list(dict.fromkeys((*self.providers, *KNOWN)))

    def deployments(self) -> list[Deployment]:
        """Every deployment in the order of the file, keys in the order of their list."""
        return [item for name, spec in self.spec.deployments.items() for item in self._expand(name, spec)]

    def _pool(self, name: str, spec: PoolSpec) -> Pool:
        path: Path = ("pools", name)
        if spec.provider is not None and spec.provider not in self.providers:
            hint = did_you_mean(spec.provider, self._provider_names, what="providers")
            unused = f"no deployment is of {spec.provider}; name the provider of those that draw from the pool"
            unknown = f"there is no provider {show(spec.provider)}; {hint}"
            self.problems.error((*path, "provider"), unused if spec.provider in KNOWN else unknown)
        limits = self._limits(spec, self._pool_accounting(name, spec), path)
        if not limits:
            self.problems.error(path, f"binds nothing: it has no limit; give it one of {', '.join(DIMENSIONS)}")
        return Pool(name=name, limits=limits)

    def _pool_accounting(self, name: str, spec: PoolSpec) -> Accounting:
        """How the pool's provider counts; without one, that of the deployments if they have the same."""
        if spec.provider is not None:
            site = self.providers.get(spec.provider)
            return site.accounting if site is not None else PROFILES["default"]
        users = {_provider_name(item) for item in self.spec.deployments.values() if name in item.pools}
        sites = [self.providers[user].accounting for user in users if user in self.providers]
        return sites[0] if sites and all(site == sites[0] for site in sites) else PROFILES["default"]

    def _limits(self, spec: LimitsSpec, accounting: Accounting, path: Path) -> tuple[Limit, ...]:
        given = [(dimension, getattr(spec, dimension)) for dimension in DIMENSIONS]
        zone = self._zone(spec, accounting, path)
        return tuple(_limit(name, value, spec, accounting, zone) for name, value in given if value is not None)

    def _zone(self, spec: LimitsSpec, accounting: Accounting, path: Path) -> str:
        daily = [name for name in _DAILY if getattr(spec, name) is not None]
        zone = spec.reset.zone if spec.reset is not None else accounting.reset_zone
        if spec.reset is not None and not daily:
            self.problems.error(
                (*path, "reset"), "binds nothing: there is no daily limit; give rpd, tpd or usd_per_day"
            )
        elif daily:
            try:
                transitions(zone)
            except UnknownZone as error:
                self.problems.error((*path, "reset", "zone"), str(error))
        return zone

    def _expand(self, name: str, spec: DeploymentSpec) -> list[Deployment]:
        path: Path = ("deployments", name)
        site = self._site(spec, path)
        keys = self._keys(spec, site, path)
        names = tuple(f"{name}.{number}" for number in range(1, len(keys) + 1)) if spec.keys is not None else (name,)
        self.expanded[name] = names
        if site is None:
            return []
        own = self._limits(spec, site.accounting, path)
        if spec.burst_s is not None and not any(limit.window_s == MINUTE_S for limit in own):
            self.problems.error((*path, "burst_s"), "binds nothing: the deployment has no limit per minute of its own")
        self._check_pools(spec, own, path)
        for one in names if own else ():
            self.pools[one] = Pool(name=one, limits=own, private=True)
        dialect = dialect_of(site.adapter, spec.model)
        facts, listed = self.catalog.find(spec.model, FAMILY.get(dialect, dialect))
        plain = _Plain(name, spec, site, facts, listed)
        return [plain.deployment(one, key, private=bool(own)) for one, key in zip(names, keys, strict=True)]

    def _site(self, spec: DeploymentSpec, path: Path) -> Provider | None:
        wanted = _provider_name(spec)
        if (site := self.providers.get(wanted)) is not None:
            return site
        if wanted not in (*self.spec.providers, *KNOWN):  # one that is declared wrongly was reported there
            key = "provider" if spec.provider is not None else "model"
            hint = did_you_mean(wanted, self._provider_names, what="providers")
            self.problems.error((*path, key), f"there is no provider {show(wanted)}; {hint}")
        return None

    def _keys(self, spec: DeploymentSpec, site: Provider | None, path: Path) -> list[Reference | None]:
        if spec.key is not None and spec.keys is not None:
            self.problems.error(path, "has both key and keys; use one of them")
        if spec.keys is not None:
            found = [reference(text, (*path, "keys", index), self.problems) for index, text in enumerate(spec.keys)]
            for index, key in enumerate(found):
                if key is not None and key in found[:index]:
                    self.problems.error((*path, "keys", index), f"{key} is listed already; name each key once")
            return list(found)
        if spec.key is not None:
            return [reference(spec.key, (*path, "key"), self.problems)]
        return [site.key if site is not None else None]

    def _check_pools(self, spec: DeploymentSpec, own: tuple[Limit, ...], path: Path) -> None:
        for index, name in enumerate(spec.pools):
            here: Path = (*path, "pools", index)
            declared = self.spec.pools.get(name)
            if declared is None:
                hint = did_you_mean(name, self.spec.pools, what="pools")
                self.problems.error(here, f"there is no pool {show(name)}; {hint}")
            elif name in spec.pools[:index]:
                self.problems.error(here, f"the pool {show(name)} is named already; name it once")
            elif declared.provider in self.providers and declared.provider != _provider_name(spec):
                text = f"the pool {show(name)} belongs to {declared.provider}, the deployment to {_provider_name(spec)}"
                self.problems.error(here, f"{text}; quotas are a provider's own")
        held = len(own) + sum(len(self.pools[name].limits) for name in spec.pools if name in self.spec.pools)
        if held > MAX_LIMITS:
            text = f"{held} limits are more than the {MAX_LIMITS} that one reservation may hold"
            self.problems.error(path, f"{text}, those of its pools included; drop the ones that never bind")


def _provider_name(spec: DeploymentSpec) -> str:
    return spec.provider or spec.model.partition("/")[0]


def _limit(name: str, value: float, spec: LimitsSpec, accounting: Accounting, zone: str) -> Limit:
    daily = name in _DAILY
    return Limit(
        dimension=name,
        limit=round(value * 1_000_000) if name == "usd_per_day" else int(value),
        window_s=DAY_S if daily else MINUTE_S,
        burst_s=BURST_S if spec.burst_s is None else spec.burst_s,
        zone=zone if daily else None,
        fixed_window=accounting.fixed_window and not daily and name != "concurrency",
    )


class _Plain:
    """What the deployments of one entry have in common."""

    def __init__(self, name: str, spec: DeploymentSpec, site: Provider, facts: Facts, listed: bool) -> None:
        self.name = name
        self.spec = spec
        self.site = site
        self.facts = facts
        self.listed = listed

    def deployment(self, name: str, key: Reference | None, *, private: bool) -> Deployment:
        spec, site, facts = self.spec, self.site, self.facts
        first, idle = spec.first_content_timeout_s, spec.idle_timeout_s
        return Deployment(
            name=name,
            declared=self.name,
            provider=site.name,
            model=spec.model,
            provider_model=spec.provider_model or spec.model.partition("/")[2],
            key=key,
            pools=(*spec.pools, name) if private else tuple(spec.pools),
            weight=spec.weight,
            region=spec.region or "",
            agreements=tuple(dict.fromkeys((*spec.agreements, *(("baa",) if spec.baa else ())))),
            data=tuple(spec.data),
            tenants=tuple(spec.tenants),
            capabilities=tuple(facts.capabilities if spec.capabilities is None else dict.fromkeys(spec.capabilities)),
            context_tokens=spec.context_tokens or facts.context_tokens,
            max_output_tokens=spec.max_output_tokens or facts.max_output_tokens,
            price=self._price(),
            quality=spec.quality,
            bytes_per_token=spec.bytes_per_token or facts.bytes_per_token,
            first_content_timeout_s=site.first_content_timeout_s if first is None else first,
            idle_timeout_s=site.idle_timeout_s if idle is None else idle,
            latency_prior_s=spec.latency_prior_s,
            in_catalog=self.listed,
            facts=facts,
            priced=spec.price is not None or facts.price is not None,
        )

    def _price(self) -> Price:
        own, listed = self.spec.price, self.facts.price
        row = listed if own is None else _row(own)
        return Price() if row is None else row.whole


def _row(own: PriceSpec) -> PriceRow:
    """The file's dollars as micro-dollars, its tiers by their bounds."""
    tiers = sorted(own.tiers, key=lambda tier: tier.above)
    return PriceRow(
        input=from_usd(own.input),
        output=from_usd(own.output),
        **_special(own),
        tiers=tuple(
            TierRow(above=tier.above, input=from_usd(tier.input), output=from_usd(tier.output), **_special(tier))
            for tier in tiers
        ),
    )


def _special(own: PriceSpec | TierSpec) -> _Special:
    given = {word: getattr(own, word) for word in _Special.__annotations__}
    return cast(_Special, {word: None if usd is None else from_usd(usd) for word, usd in given.items()})


class _Special(TypedDict):
    """What costs what plain input costs unless it is given."""

    cached_input: int | None
    cache_write: int | None
    cache_write_1h: int | None
