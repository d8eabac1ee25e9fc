"""What a mix of traffic will cost at a fleet, and which limits its busiest minute needs.

Each kind of request is walked by the real core, `DRAWS` times with seeds of their own, so the shares in which members
of a group are chosen are those that rules, gate, weights and objectives give when everybody is well and equally fast.
Rejected: reckoning the shares from weights, which is a second router that is wrong where the first one is subtle.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.config.prices import cost_usd_micros

if TYPE_CHECKING:
    from junctor.config import Config
    from junctor.config.valid import Limit
    from junctor.planning.mix import Line, Mix
    from junctor.router import Router

DRAWS: Final = 200
"""Walks for each kind of request: a share is then known to about three points."""

MINUTES_A_DAY: Final = 1_440
_PER_CALL: Final = frozenset({"rpm", "rpd"})
_INPUT: Final = frozenset({"tpm", "tpd", "input_tpm"})
_OUTPUT: Final = frozenset({"tpm", "tpd", "output_tpm"})


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request: who serves it, and what all its calls cost, in micro-dollars, without margins.

    `shares` and `costs` are by deployment. `least` and `most` are what all calls would cost if the cheapest or the
    dearest of those that serve did it alone. `unpriced` names deployments whose price nobody has named: they count as
    nothing.
    """

    name: str
    calls: float
    rule: str | None
    group: str | None
    shares: Mapping[str, float]
    costs: Mapping[str, int]
    input_tokens: int
    output_tokens: int
    least: int = 0
    most: int = 0
    refused: Mapping[str, str] = {}
    unpriced: tuple[str, ...] = ()

    @property
    def cost(self) -> int:
        """Of all calls."""
        return sum(self.costs.values())


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan needs of one limit: in the busiest minute, or in a day for daily ones."""

    pool: str
    dimension: str
    needed: float
    limit: int

    @property
    def share(self) -> float:
        """Of the limit; above 1 it does not suffice."""
        return self.needed / self.limit


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A planned month; money in micro-dollars."""

    days: float
    margin: float
    budget: int | None
    lines: tuple[Planned, ...]
    needs: tuple[Need, ...]

    @property
    def plain(self) -> int:
        """The sum of the calls."""
        return sum(line.cost for line in self.lines)

    @property
    def total(self) -> int:
        """With the margins."""
        return round(self.plain * self.margin)

    @property
    def unserved(self) -> tuple[Planned, ...]:
        """What nobody may serve."""
        return tuple(line for line in self.lines if not line.shares)

    @property
    def short(self) -> tuple[Need, ...]:
        """The limits that do not suffice."""
        return tuple(need for need in self.needs if need.share > 1)

    @property
    def over(self) -> bool:
        """Whether it is dearer than the budget."""
        return self.budget is not None and self.total > self.budget

    def by_group(self) -> dict[str, int]:
        """What each group costs, with the margins."""
        costs: defaultdict[str, int] = defaultdict(int)
        for line in self.lines:
            costs[line.group or "?"] += round(line.cost * self.margin)
        return dict(costs)


def plan(router: Router, fleet: Config, mix: Mix, asked: Iterable[tuple[str, dict[str, Any]]]) -> Plan:
    """The plan. `asked` are the lines' requests in their order, as `Router.explain` takes them: model and options."""
    lines = tuple(
        _planned(router, fleet, line, model, options, mix.days)
        for line, (model, options) in zip(mix.traffic, asked, strict=True)
    )
    return Plan(
        days=mix.days,
        margin=mix.margins.together,
        budget=None if mix.budget_usd is None else round(mix.budget_usd * 1_000_000),
        lines=lines,
        needs=tuple(_needs(fleet, mix, lines)),
    )


def _planned(router: Router, fleet: Config, line: Line, model: str, options: Mapping[str, Any], days: float) -> Planned:
    walks = [router.explain(model, seed=seed, **options) for seed in range(DRAWS)]
    first = walks[0]
    chosen = Counter(walk.deployment for walk in walks if walk.deployment is not None)
    shares = {name: count / chosen.total() for name, count in sorted(chosen.items())}
    input_tokens = options.get("input_tokens") or 0
    output_tokens = min(filter(None, (options.get("output_tokens"), first.max_output_tokens)), default=0)
    calls = line.per_day * days
    known = {item.name: item for item in fleet.deployments}
    cached = int(input_tokens * line.cached_share)

    def of_all_calls(name: str) -> int:
        price = known[name].price
        one = cost_usd_micros(price, input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=cached)
        return round(one * calls)

    alone = {name: of_all_calls(name) for name in shares}
    return Planned(
        name=line.name,
        calls=calls,
        rule=first.rule,
        group=first.group,
        shares=shares,
        costs={name: round(cost * shares[name]) for name, cost in alone.items()},
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        least=min(alone.values(), default=0),
        most=max(alone.values(), default=0),
        refused={} if shares else dict(first.refusals),
        unpriced=tuple(name for name in shares if not known[name].priced),
    )


def _needs(fleet: Config, mix: Mix, lines: Iterable[Planned]) -> Iterable[Need]:
    """Each limit that the plan uses, the fullest first. How long calls take is not known here, so `concurrency` is not
    among them."""
    pools = {item.name: item.pools for item in fleet.deployments}
    used: defaultdict[tuple[str, str], float] = defaultdict(float)
    for line in lines:
        for name, share in line.shares.items():
            for pool in pools[name]:
                for limit in fleet.pools[pool].limits:
                    a_day = _units(limit, line, name) * (1 if limit.dimension == "usd_per_day" else share) / mix.days
                    daily = limit.zone is not None
                    used[pool, limit.dimension] += a_day if daily else a_day * mix.peak / MINUTES_A_DAY
    needs = [
        Need(pool=pool, dimension=limit.dimension, needed=used[pool, limit.dimension], limit=limit.limit)
        for pool, found in fleet.pools.items()
        for limit in found.limits
        if used[pool, limit.dimension]
    ]
    return sorted(needs, key=lambda need: -need.share)


def _units(limit: Limit, line: Planned, deployment: str) -> float:
    """What all calls of a line use of a limit; money is what they cost at this deployment."""
    if limit.dimension == "usd_per_day":
        return line.costs[deployment]
    each = int(limit.dimension in _PER_CALL)
    each += line.input_tokens if limit.dimension in _INPUT else 0
    each += line.output_tokens if limit.dimension in _OUTPUT else 0
    return each * line.calls
