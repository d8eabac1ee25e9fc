"""From a `FleetSpec` to a `Config`: names are resolved, keys counted out, defaults filled in.

Every section reports its own problems and goes on, so one run tells all of them. What is left after that is valid by
construction. Sections are built in the order in which they refer to each other.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any, Final

from junctor.config.cascades import ladders, stand_ins
from junctor.config.catalog import Catalog, catalog
from junctor.config.classifiers import Classifier, classifiers, rule_name, rule_of
from junctor.config.conditions import condition
from junctor.config.errors import Path, Problems, did_you_mean, show
from junctor.config.gateway_spec import gateway
from junctor.config.plant import Plant
from junctor.config.references import parse
from junctor.config.scorer import scorer_of
from junctor.config.sessions import sessions_of
from junctor.config.shaping import check_summarisers, prompts_of, prune_of
from junctor.config.sites import providers
from junctor.config.spec import ComplianceSpec, FleetSpec, GroupSpec, RedisSpec, RequireSpec, RuleSpec
from junctor.config.valid import Clause, Config, Deployment, Group, Pool, Rule, State
from junctor.exceptions import ConfigError

MAX_DEPLOYMENTS: Final = 20_000  # after keys are counted out; the core's tests go to ten thousand
MAX_RULES: Final = 20_000
MAX_CLAUSES: Final = 64  # the core keeps one bit of a word for each
MAX_NAMES: Final = 64  # different regions, providers and agreements: one bit each as well
MAX_CHAIN: Final = 8  # groups that one request may visit
AUTO: Final = "auto"
_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")


def build(spec: FleetSpec, *, folder: pathlib.Path, problems: Problems) -> Config | None:
    """The config, or None if there is any error (all of them are in `problems`)."""
    sites = providers(spec, problems)
    plant = Plant(spec, sites, _catalog(spec, folder, problems), problems)
    deployments = plant.deployments()
    pools = plant.pools
    warm = frozenset(item.name for item in deployments if sites[item.provider].cache)
    groups = _groups(spec, plant.expanded, warm, problems)
    cascades = ladders(spec, groups, deployments, folder, problems)
    groups |= stand_ins(cascades, groups, deployments)
    names = {
        *groups,
        *spec.cascades,
        *plant.expanded,
        *(item.model for item in deployments),
        *(item.name for item in deployments),
    }
    askable = classifiers(spec, names, problems)
    config = Config(
        source=problems.source,
        name=spec.name,
        folder=str(folder),
        state=_state(spec, problems),
        providers=sites,
        pools=pools,
        deployments=tuple(deployments),
        groups=groups,
        compliance=tuple(_clause(index, item, problems) for index, item in enumerate(spec.compliance)),
        rules=tuple(_rule(index, item, names, spec, askable, problems) for index, item in enumerate(spec.rules)),
        balance=spec.balance,
        retry=spec.retry,
        dispatch=spec.dispatch,
        prompts=prompts_of(spec, folder, problems),
        gateway=gateway(spec.gateway, names, problems),
        cascades=cascades,
        classifiers=askable,
        scorer=scorer_of(spec.scorer, (item.model for item in deployments), folder, problems),
        sessions=sessions_of(spec, groups, deployments, cascades, problems),
    )
    check_summarisers(config, names, problems)
    _check_names(spec, names, pools, problems)
    _check_fallbacks(config, names, problems)
    _check_weights(config, problems)
    _check_sizes(config, problems)
    return None if any(problem.severity == "error" for problem in problems.found) else config


def _catalog(spec: FleetSpec, folder: pathlib.Path, problems: Problems) -> Catalog:
    if spec.catalog is None:
        return catalog()
    try:
        return Catalog.load(folder / spec.catalog)
    except ConfigError as error:
        problems.error(("catalog",), str(error))
        return catalog()


def _state(spec: FleetSpec, problems: Problems) -> State:
    if spec.state is None:
        return State(kind="host", asked=False)
    if not isinstance(spec.state, RedisSpec):
        return State(kind=spec.state)
    text, path = spec.state.redis, ("state", "redis")
    if (found := parse(text)) is not None:
        return State(kind="redis", url=found, hosts=spec.state.hosts)
    if "@" in text:
        problems.error(path, "holds a password in clear; write env:NAME or file:path for the whole address")
    elif not text.startswith(_REDIS_SCHEMES):
        problems.error(path, "is no address; write redis://host:6379, env:NAME or file:path")
    return State(kind="redis", url=text, hosts=spec.state.hosts)


def _groups(
    spec: FleetSpec, expanded: dict[str, tuple[str, ...]], warm: frozenset[str], problems: Problems
) -> dict[str, Group]:
    """The named groups, and one implied group for each deployment that stands for several keys.

    `warm` are the deployments whose provider says `cache: auto`.
    """
    groups = {name: _group(name, item, expanded, warm, problems) for name, item in spec.groups.items()}
    for declared, members in expanded.items():
        if members != (declared,) and declared not in groups:
            cached = bool(warm.intersection(members))
            groups[declared] = Group(
                name=declared, members=members, implied=True, cache=cached, affinity="prefix" if cached else "off"
            )
    return groups


def _group(
    name: str, spec: GroupSpec, expanded: dict[str, tuple[str, ...]], warm: frozenset[str], problems: Problems
) -> Group:
    single = {member: (member,) for members in expanded.values() for member in members}
    known = {**single, **expanded}
    members: list[str] = []
    for index, member in enumerate(spec.members):
        path: Path = ("groups", name, "members", index)
        if member not in known:
            problems.error(
                path, f"there is no deployment {show(member)}; {did_you_mean(member, known, what='deployments')}"
            )
        for one in known.get(member, ()):
            if one in members:
                problems.error(
                    path, f"{show(one)} is a member already; name it once and give it a higher weight instead"
                )
            members.append(one)
    cached = spec.cache == "auto" if spec.cache is not None else bool(warm.intersection(members))
    return Group(
        name=name,
        members=tuple(dict.fromkeys(members)),
        fallback=tuple(spec.fallback),
        objective=spec.objective,
        explore=spec.explore,
        affinity=spec.affinity or ("prefix" if cached else "off"),
        hedge=spec.hedge,
        prune=prune_of(spec.prune, ("groups", name, "prune"), problems),
        cache=cached,
        escalation=spec.escalation,
    )


def _clause(index: int, spec: ComplianceSpec, problems: Problems) -> Clause:
    path: Path = ("compliance", index)
    require = _require(spec.require)
    if not require:
        problems.error(
            (*path, "require"), "requires nothing; name region, provider, not_provider, agreements, baa or data"
        )
    name = spec.name or "requires " + ", ".join(f"{word} {'/'.join(values)}" for word, values in require.items())
    return Clause(name=name, when=condition(spec.when, (*path, "when"), problems), require=require)


def _require(spec: RequireSpec) -> dict[str, tuple[str, ...]]:
    agreements = (*_words(spec.agreements), *(("baa",) if spec.baa else ()))
    wanted = {
        "region": _words(spec.region),
        "provider": _words(spec.provider),
        "not_provider": _words(spec.not_provider),
        "agreements": tuple(dict.fromkeys(agreements)),
        "data": _words(spec.data),
    }
    return {word: values for word, values in wanted.items() if values}


def _words(words: str | list[str] | None) -> tuple[str, ...]:
    return () if words is None else (words,) if isinstance(words, str) else tuple(words)


def _rule(
    index: int,
    spec: RuleSpec,
    names: Iterable[str],
    fleet: FleetSpec,
    askable: dict[str, Classifier],
    problems: Problems,
) -> Rule:
    path: Path = ("rules", index)
    if spec.classify is not None:
        when = condition(spec.when, (*path, "when"), problems)
        when, action = rule_of(spec, path, askable, when, problems)
        return Rule(name=rule_name(spec), when=when, action=action, classify=spec.classify)
    _check_cascade(path, spec, fleet, problems)
    if spec.use is not None and spec.use not in names:
        hint = did_you_mean(spec.use, names, what="groups, models and deployments")
        problems.error((*path, "use"), f"there is no group, model or deployment {show(spec.use)}; {hint}")
    action = _action(spec)
    if not action and spec.prune is None:
        problems.error(
            path, "does nothing; give it use, cascade, classify, refuse, max_tokens, effort, max_cost_usd or prune"
        )
    if spec.prune is not None and not spec.name:
        problems.error((*path, "name"), "is missing; a rule that prunes needs a name of its own")
    if spec.refuse is not None and len(action) > 1:
        problems.error((*path, "refuse"), "a rule that refuses does nothing else; remove the other actions")
    return Rule(
        name=spec.name or "",
        when=condition(spec.when, (*path, "when"), problems),
        action=action,
        prune=prune_of(spec.prune, (*path, "prune"), problems),
    )


def _action(spec: RuleSpec) -> dict[str, Any]:
    micros = None if spec.max_cost_usd is None else max(1, round(spec.max_cost_usd * 1_000_000))
    action = {
        "use": spec.cascade or spec.use,
        "max_tokens": spec.max_tokens,
        "effort": spec.effort,
        "max_cost_usd_micros": micros,
        "refuse": spec.refuse,
    }
    return {word: value for word, value in action.items() if value is not None}


def _check_cascade(path: Path, spec: RuleSpec, fleet: FleetSpec, problems: Problems) -> None:
    """`cascade` names one; beside it `use` may only repeat where it begins."""
    if spec.cascade is None:
        return
    found = fleet.cascades.get(spec.cascade)
    if found is None:
        hint = did_you_mean(spec.cascade, fleet.cascades, what="cascades")
        problems.error((*path, "cascade"), f"there is no cascade {show(spec.cascade)}; {hint}")
    elif spec.use is not None and spec.use != found.steps[0]:
        first = show(found.steps[0])
        problems.error((*path, "use"), f"the cascade begins with {first}, not {show(spec.use)}; remove use")


def _check_names(spec: FleetSpec, names: Iterable[str], pools: dict[str, Pool], problems: Problems) -> None:
    """One name, one thing: otherwise a request for it, or a reload, could mean either."""
    for name in spec.groups:
        if name == AUTO:
            problems.error(("groups", name), "auto is the word for requests that the rules place; choose another name")
        if name in spec.deployments:
            problems.error(("groups", name), "is the name of a deployment too; rename one of them")
    for name in spec.cascades:
        if name == AUTO:
            problems.error(
                ("cascades", name), "auto is the word for requests that the rules place; choose another name"
            )
        if name in spec.groups or name in spec.deployments:
            problems.error(("cascades", name), "is the name of a deployment or group too; rename one of them")
    for name in spec.deployments:
        if name == AUTO:
            problems.error(
                ("deployments", name), "auto is the word for requests that the rules place; choose another name"
            )
    for name, item in spec.deployments.items():
        for number in range(1, len(item.keys or ()) + 1):
            if f"{name}.{number}" in spec.deployments or f"{name}.{number}" in spec.groups:
                problems.error(
                    ("deployments", name, "keys"), f"makes {name}.{number}, a name that is taken; rename that one"
                )
    for name in spec.pools:
        if name in names:
            problems.error(("pools", name), "is the name of a deployment or group too; rename one of them")
    used = {pool for item in spec.deployments.values() for pool in item.pools}
    for name in pools:
        if name in spec.pools and name not in used:
            near = did_you_mean(name, used - set(spec.pools), what="unknown pools") if used - set(spec.pools) else ""
            where = f"; {near}" if near.startswith("did") else "; name it under pools of a deployment or remove it"
            problems.error(("pools", name), f"binds nothing: no deployment draws from it{where}")


def _check_fallbacks(config: Config, names: Iterable[str], problems: Problems) -> None:
    for name, group in config.groups.items():
        for index, other in enumerate(group.fallback):
            path: Path = ("groups", name, "fallback", index)
            if other not in names:
                hint = did_you_mean(other, names, what="groups, models and deployments")
                problems.error(path, f"there is no group, model or deployment {show(other)}; {hint}")
            elif other == name:
                problems.error(path, "a group cannot fall back to itself; name another group")
        if len(chain(config, name)) > MAX_CHAIN:
            problems.error(
                ("groups", name, "fallback"), f"leads to more than {MAX_CHAIN} groups; make the chain shorter"
            )


def chain(config: Config, name: str) -> list[str]:
    """Every group that a request for `name` may fall back to, each once, nearest first."""
    seen: list[str] = []
    waiting = list(config.groups[name].fallback)
    while waiting and len(seen) <= MAX_CHAIN:
        other = waiting.pop(0)
        if other != name and other not in seen:
            seen.append(other)
            waiting = [*(config.groups[other].fallback if other in config.groups else ()), *waiting]
    return seen


def _check_weights(config: Config, problems: Problems) -> None:
    """Weight 0 drains a deployment; a choice among drained deployments only is a slip."""
    weights = {item.name: item.weight for item in config.deployments}
    hint = "all are drained (weight 0); give at least one a weight above 0"
    if weights and not any(weights.values()):
        problems.error(("deployments",), hint)
        return
    for name, group in config.groups.items():
        if len(group.members) > 1 and not any(weights.get(member, 1.0) for member in group.members):
            path = ("deployments", name, "weight") if group.implied else ("groups", name, "members")
            problems.error(path, hint)
    for model, members in _by_model(config.deployments).items():
        if len(members) > 1 and not any(item.weight for item in members):
            problems.error(("deployments", members[0].declared, "weight"), f"of the deployments of {model}, {hint}")


def _by_model(deployments: Iterable[Deployment]) -> dict[str, list[Deployment]]:
    models: dict[str, list[Deployment]] = {}
    for item in deployments:
        models.setdefault(item.model, []).append(item)
    return models


def _check_sizes(config: Config, problems: Problems) -> None:
    regions = {item.region for item in config.deployments}
    agreements = {word for item in config.deployments for word in item.agreements}
    used = {item.provider for item in config.deployments}
    for what, path, count, room in (
        ("deployments", ("deployments",), len(config.deployments), MAX_DEPLOYMENTS),
        ("rules", ("rules",), len(config.rules), MAX_RULES),
        ("clauses", ("compliance",), len(config.compliance), MAX_CLAUSES),
        ("different regions", ("deployments",), len(regions), MAX_NAMES),
        ("different agreements", ("deployments",), len(agreements), MAX_NAMES),
        ("different providers", ("providers",), len(used), MAX_NAMES),
    ):
        if count > room:
            problems.error(
                path, f"{count:,} {what} are more than the {room:,} that one fleet may have; split the fleet"
            )
    if not config.deployments and not problems.found:
        problems.error(("deployments",), "is empty; a fleet needs at least one deployment")
