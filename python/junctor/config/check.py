"""What is legal in a fleet file but surely or probably not meant: `junctor check`.

Loading refuses what cannot work. This looks at what works otherwise than its author thinks: rules that nothing
reaches, limits that never bind, fallbacks that cannot do what they stand in for. Errors here are those that DESIGN
calls errors; the rest are warnings, since a drained group or a group of one can be meant. No secret is opened for
longer than it takes to see that it can be, and no connection is made.
"""

from __future__ import annotations

import ipaddress
import os
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from junctor.config.build import chain
from junctor.config.cascades import check_cascades
from junctor.config.check_models import models
from junctor.config.classifiers import check_classifiers
from junctor.config.clouds import dialect_of
from junctor.config.compile import compile
from junctor.config.errors import Path, Problem, Problems, did_you_mean
from junctor.config.load import examine
from junctor.config.providers import KNOWN
from junctor.config.references import Reference, Unreadable, current_environment
from junctor.config.scorer import warn_of_unscored
from junctor.config.shaping import warn_of_unmatched
from junctor.config.valid import Clause, Config, Deployment, Group, Limit

MINUTES_PER_DAY: Final = 1440
MAX_NAMED: Final = 4  # rules named in one message
_DAY_OF: Final = {"rpd": "rpm", "tpd": "tpm"}
_PART_OF: Final = {"input_tpm": "tpm", "output_tpm": "tpm"}


def check(
    path: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None, today: str | None = None
) -> list[Problem]:
    """Every problem of a fleet file: errors that loading would raise, then errors and warnings about its meaning.

    `environ` replaces the process's environment when references are tried. `today` (YYYY-MM-DD) is what the ends of
    models and the age of prices are compared with; without it nothing is said of them.
    """
    config, problems = examine(path)
    if config is not None:
        look_over(config, problems, today=today)
        _references(config, current_environment() if environ is None else environ, problems)
    return problems.found


def look_over(config: Config, problems: Problems, *, today: str | None = None) -> None:
    """Report what is wrong or doubtful in a config's meaning; whether its references can be read is not looked at."""
    _rules(config, problems)
    _limits(config, problems)
    _groups(config, problems)
    _clauses(config, problems)
    _providers(config, problems)
    models(_first_of_each(config), today, problems)
    _embeddings(config, problems)
    _keys(config, problems)
    warn_of_unmatched(config, problems)
    check_cascades(config, problems)
    check_classifiers(config, problems)
    warn_of_unscored(config, problems)


def _rules(config: Config, problems: Problems) -> None:
    if not config.rules:
        return
    from junctor import _core  # here, so that loading a file needs no core

    for index, by in _core.shadowed_rules(compile(config, secrets=False).fleet):
        problems.error(("rules", index), _shadowed(config, by))


def _shadowed(config: Config, by: Sequence[int]) -> str:
    if not by:
        return "is never reached: no request can be all that it asks for; loosen its condition or remove it"
    named = [f"rules[{index}]" + (f" ({config.rules[index].name})" if config.rules[index].name else "") for index in by]
    verb = "and others take" if named[MAX_NAMED:] else "take" if named[1:] else "takes"
    return f"is never reached: {', '.join(named[:MAX_NAMED])} {verb} all of its requests; move it up or remove it"


def _limits(config: Config, problems: Problems) -> None:
    for item in _first_of_each(config):
        own = _by_dimension(config, item.name)
        for name in item.pools:
            for dimension, shared in _by_dimension(config, name).items() if name != item.name else ():
                if dimension in own and own[dimension].limit >= shared.limit:
                    text = f"binds nothing: the pool {name} allows {shared.limit:,} already"
                    problems.error(("deployments", item.declared, dimension), f"{text}; lower it or remove it")
        _nested_limits(("deployments", item.declared), own, problems)
    for name, pool in config.pools.items():
        if not pool.private:
            _nested_limits(("pools", name), _by_dimension(config, name), problems)


def _by_dimension(config: Config, pool: str) -> dict[str, Limit]:
    return {limit.dimension: limit for limit in config.pools[pool].limits} if pool in config.pools else {}


def _nested_limits(path: Path, limits: Mapping[str, Limit], problems: Problems) -> None:
    """A day's limit that the minutes cannot reach, a part's limit that the whole cannot reach."""
    for inner, outer, times in (
        *((day, minute, MINUTES_PER_DAY) for day, minute in _DAY_OF.items()),
        *((part, whole, 1) for part, whole in _PART_OF.items()),
    ):
        if inner in limits and outer in limits and limits[inner].limit >= limits[outer].limit * times:
            most = limits[outer].limit * times
            problems.warning((*path, inner), f"binds nothing: {outer} allows at most {most:,}; lower it or remove it")


def _groups(config: Config, problems: Problems) -> None:
    used = {other for group in config.groups.values() for other in group.fallback}
    used |= {str(rule.action["use"]) for rule in config.rules if "use" in rule.action}
    used |= {step for ladder in config.cascades.values() for step in (*ladder.steps, *filter(None, [ladder.by]))}
    used |= {item.ask for item in config.classifiers.values()}
    for name, group in config.groups.items():
        path: Path = ("groups", name)
        if group.implied:
            continue
        if len(group.members) == 1:
            problems.warning(path, "has one member, so there is nobody to fail over to; add one or a fallback")
        if config.rules and name not in used:
            problems.warning(path, "is used by no rule and no fallback: only calls that name it reach it")
        if any(name in chain(config, other) for other in chain(config, name) if other in config.groups):
            problems.warning((*path, "fallback"), "leads back to the group itself; each group is tried once")
        for index, other in enumerate(group.fallback):
            _fallback(config, group, other, (*path, "fallback", index), problems)


def _fallback(config: Config, group: Group, other: str, path: Path, problems: Problems) -> None:
    """What the group can do and the fallback cannot: those requests have no way out."""
    here, there = _members(config, group.name), _members(config, other)
    lost = sorted({word for item in here for word in item.capabilities} - {w for i in there for w in i.capabilities})
    if lost:
        text = f"{other} cannot do {', '.join(lost)}, which {group.name} can"
        problems.error(path, f"{text}; add a member that can, or another fallback for these requests")
    longest = [max(item.context_tokens or 0 for item in side) for side in (here, there)]
    if all(item.context_tokens for item in (*here, *there)) and longest[1] < longest[0]:
        text = f"{other} reads at most {longest[1]:,} tokens, {group.name} {longest[0]:,}"
        problems.warning(path, f"{text}: longer requests have no fallback")
    for index, clause in enumerate(config.compliance):
        if any(_meets(item, clause) for item in here) and not any(_meets(item, clause) for item in there):
            name = clause.name or f"compliance[{index}]"
            problems.warning(path, f"no member of {other} meets {name}: requests under it have no fallback")


def _members(config: Config, name: str) -> list[Deployment]:
    names = config.groups[name].members if name in config.groups else ()
    return [item for item in config.deployments if item.name in names or name in (item.name, item.model)]


def _meets(item: Deployment, clause: Clause) -> bool:
    """As the gate decides it: one of the regions and providers, all of the agreements and data classes."""
    want = clause.require
    return (
        (not want.get("region") or item.region in want["region"])
        and (not want.get("provider") or item.provider in want["provider"])
        and item.provider not in want.get("not_provider", ())
        and set(want.get("agreements", ())) <= set(item.agreements)
        and set(want.get("data", ())) <= set(item.data)
    )


def _clauses(config: Config, problems: Problems) -> None:
    known = {
        "region": {item.region for item in config.deployments if item.region},
        "provider": {item.provider for item in config.deployments},
        "agreements": {word for item in config.deployments for word in item.agreements},
        "data": {word for item in config.deployments for word in item.data},
    }
    for index, clause in enumerate(config.compliance):
        if any(_meets(item, clause) for item in config.deployments):
            continue
        path: Path = ("compliance", index, "require")
        hints = [
            f"{word} {value!r}: {did_you_mean(value, sorted(names), what=word + ' names')}"
            for word, names in known.items()
            for value in clause.require.get(word, ())
            if value not in names
        ]
        problems.warning(path, "; ".join(["no deployment meets it: all such requests are refused", *hints]))


def _providers(config: Config, problems: Problems) -> None:
    used = {item.provider for item in config.deployments}
    for name, site in config.providers.items():
        path: Path = ("providers", name)
        if name not in used:
            problems.warning(path, "is used by no deployment; remove it or name it as a deployment's provider")
        if isinstance(site.base_url, str) and _in_the_open(site.base_url):
            problems.warning((*path, "base_url"), "is http: keys and prompts cross the network unencrypted; use https")


def _in_the_open(address: str) -> bool:
    """Whether the address is plain http to something else than this machine or a private network."""
    parts = urllib.parse.urlsplit(address)
    host = parts.hostname or ""
    try:
        private = ipaddress.ip_address(host).is_private
    except ValueError:
        private = "." not in host or host.endswith((".local", ".internal", ".localhost"))
    return parts.scheme == "http" and not private


def _embeddings(config: Config, problems: Problems) -> None:
    """Deployments that are said to make vectors, in a dialect that has no word for them: each call there would fail."""
    from junctor import adapters  # loading a file speaks no dialect

    for item in _first_of_each(config):
        dialect = dialect_of(config.providers[item.provider].adapter, item.provider_model)
        if "embeddings" in item.capabilities and adapters.get(dialect).build_embeddings is None:
            able = ", ".join(name for name in adapters.names() if adapters.get(name).build_embeddings is not None)
            text = f"{item.model} is said to make embeddings, but {dialect} has no embeddings"
            problems.warning(
                ("deployments", item.declared, "capabilities"), f"{text}; take it out, or use an adapter of {able}"
            )


def _keys(config: Config, problems: Problems) -> None:
    for item in _first_of_each(config):
        path: Path = ("deployments", item.declared)
        if item.key is None and item.provider in KNOWN and config.providers[item.provider].identity is None:
            problems.warning(
                path, "has no key, and base_url is not the provider's own; give key: env:NAME if it needs one"
            )


def _references(config: Config, environ: Mapping[str, str], problems: Problems) -> None:
    tried: set[Reference] = set()
    for path, reference in _all_references(config):
        if reference in tried:
            continue
        tried.add(reference)
        try:
            reference.read(environ, pathlib.Path(config.folder))
        except Unreadable as error:
            problems.warning(path, f"{error} (on this machine)")


def _all_references(config: Config) -> Iterator[tuple[Path, Reference]]:
    for item in config.deployments:
        if isinstance(item.key, Reference):
            yield ("deployments", item.declared, "key" if item.name == item.declared else "keys"), item.key
    for name, site in config.providers.items():
        if isinstance(site.base_url, Reference):
            yield ("providers", name, "base_url"), site.base_url
        for header, text in site.headers.items():
            if isinstance(text, Reference):
                yield ("providers", name, "headers", header), text
        for key, found in [] if site.identity is None else site.identity.references():
            yield ("providers", name, "credentials", key), found
    if isinstance(config.state.url, Reference):
        yield ("state", "redis"), config.state.url


def _first_of_each(config: Config) -> list[Deployment]:
    """One deployment per entry of the file: keys differ in nothing that is checked."""
    return list({item.declared: item for item in reversed(config.deployments)}.values())[::-1]
