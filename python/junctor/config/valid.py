"""`Config`: what a valid fleet file means, with every name resolved and every default filled in.

A `Config` is valid by construction: it is only made by `build`, which reports instead of guessing, so nothing
downstream checks again. Secrets are still references here; they are read when endpoints are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from junctor.config.accounting import Accounting
from junctor.config.catalog import Facts
from junctor.config.classifiers import Classifier
from junctor.config.clouds import Identity
from junctor.config.gateway_spec import GatewaySpec
from junctor.config.prices import Price
from junctor.config.references import Reference
from junctor.config.scorer import Scorer
from junctor.config.shaping import PruneSpec
from junctor.config.spec import (
    DEFAULT_HOSTS,
    BalanceSpec,
    DispatchSpec,
    Objective,
    ObjectiveWeights,
    RetrySpec,
    SessionsSpec,
)
from junctor.request import Secret

if TYPE_CHECKING:
    from junctor.cascade.ladder import Ladder


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Scope of limits and breakers. `url` and `hosts` are for `redis`; `asked`: the file names a scope."""

    kind: Literal["process", "host", "redis"] = "host"
    url: str | Reference | None = None
    hosts: int = DEFAULT_HOSTS
    asked: bool = True


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """How one account or host is spoken to and reached. `headers` may hold references; `identity` says who asks where
    no key does.
    """

    name: str
    adapter: str
    base_url: str | Reference
    key: Reference | None
    headers: Mapping[str, str | Reference]
    accounting: Accounting
    first_content_timeout_s: float
    idle_timeout_s: float
    identity: Identity | None = None
    cache: bool = False
    dialects: tuple[str, ...] = ()
    api_version: str | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: `limit` units (micro-dollars for money) per `window_s`; `zone` is set for daily ones."""

    dimension: str
    limit: int
    window_s: float
    burst_s: float
    zone: str | None = None
    fixed_window: bool = False


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Limits held together. `private` pools hold the own limits of the deployment of the same name."""

    name: str
    limits: tuple[Limit, ...]
    private: bool = False


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one key and region.

    `declared` is its name in the file, before `keys` were counted out; `pools` has shared pools first, then the private
    one; `in_catalog` is False where price and capabilities are a guess from the dialect. `facts` are the catalog's,
    before the file had its word; `priced` is False where nobody has named a price, which then counts as nothing.
    """

    name: str
    declared: str
    provider: str
    model: str
    provider_model: str
    key: Reference | Secret | None
    pools: tuple[str, ...]
    weight: float
    region: str
    agreements: tuple[str, ...]
    data: tuple[str, ...]
    tenants: tuple[str, ...]
    capabilities: tuple[str, ...]
    context_tokens: int | None
    max_output_tokens: int | None
    price: Price
    quality: float
    bytes_per_token: float
    first_content_timeout_s: float
    idle_timeout_s: float
    latency_prior_s: float | None
    in_catalog: bool
    facts: Facts
    priced: bool


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Interchangeable deployments. `implied` groups stand for the keys of one deployment, or for a cascade."""

    name: str
    members: tuple[str, ...]
    fallback: tuple[str, ...] = ()
    objective: Objective | ObjectiveWeights = "balanced"
    explore: float | None = None
    affinity: Literal["off", "prefix", "session"] = "off"
    hedge: bool = False
    implied: bool = False
    prune: PruneSpec | None = None
    cache: bool = False
    escalation: Literal["free", "one-way"] = "free"


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One compliance clause in the core's form."""

    name: str
    when: Mapping[str, Any]
    require: Mapping[str, tuple[str, ...]]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in the core's form. `classify` names the classifier that requests meet here that have no label yet."""

    name: str
    when: Mapping[str, Any]
    action: Mapping[str, Any]
    prune: PruneSpec | None = None
    classify: str | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A valid fleet.

    `folder` is where relative `file:` references begin; `file` is the fleet file's full path, if it came from one;
    `name` is what processes share its state under, if the file says so.
    """

    source: str
    file: str | None = None
    name: str | None = None
    folder: str
    state: State
    providers: Mapping[str, Provider]
    pools: Mapping[str, Pool]
    deployments: tuple[Deployment, ...]
    groups: Mapping[str, Group]
    compliance: tuple[Clause, ...]
    rules: tuple[Rule, ...]
    balance: BalanceSpec
    retry: RetrySpec
    dispatch: DispatchSpec
    prompts: Mapping[str, Mapping[str, str]] = {}
    cascades: Mapping[str, Ladder] = {}
    classifiers: Mapping[str, Classifier] = {}
    gateway: GatewaySpec | None = None
    scorer: Scorer | None = None
    sessions: SessionsSpec | None = None

    @property
    def names(self) -> frozenset[str]:
        """Everything that a request may ask for besides `auto`: groups, models and deployments."""
        models = (deployment.model for deployment in self.deployments)
        return frozenset((*self.groups, *models, *(deployment.name for deployment in self.deployments)))
