"""`router_settings`, and what `litellm_settings` says of the same: attempts, timeouts, fallbacks, aliases, Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from junctor.migration.groups import OBJECTIVES, Groups
from junctor.migration.notes import Section
from junctor.migration.values import number, plain, reference

MAX_ATTEMPTS: Final = 3
DEADLINE_S: Final = 300
_MAX_DEADLINE_S: Final = 86_400
_MAX_TIMEOUT_S: Final = 3600
_BALANCED: Final = ("simple-shuffle", "least-busy", "usage-based-routing", "usage-based-routing-v2")
"""Strategies whose aim junctor's balance has anyway: weights, requests under way, limits, latency."""


def objective(section: Section) -> str | None:
    """The groups' objective for `routing_strategy`."""
    given = section.take("routing_strategy")
    if given is None or given in _BALANCED:
        return None
    if (found := OBJECTIVES.get(str(given))) is None:
        section.leave("routing_strategy", given, "junctor has no such strategy", "choose an objective for the groups")
    return found


def dispatch(router: Section, settings: Section) -> dict[str, Any]:
    """Attempts and times."""
    told: dict[str, Any] = {}
    for section in (router, settings):
        if (given := section.take("num_retries")) is not None:
            _attempts(section, given, told)
    for section, key in (
        (router, "stream_timeout"),
        (router, "timeout"),
        (settings, "stream_timeout"),
        (settings, "request_timeout"),
    ):
        if (given := section.take(key)) is None:
            continue
        value = number(given)
        if value is None or not 0.05 <= value <= _MAX_TIMEOUT_S:
            section.leave(key, given, "timeouts are 0.05 to 3,600 seconds", "write first_content_timeout_s by hand")
            continue
        told.setdefault("first_content_timeout_s", plain(value))
        told.setdefault("idle_timeout_s", plain(value))
    longest = told.get("first_content_timeout_s", 0) * told.get("attempts", MAX_ATTEMPTS)
    if longest > DEADLINE_S:
        told["deadline_s"] = min(longest, _MAX_DEADLINE_S)
    return told


def _attempts(section: Section, given: object, told: dict[str, Any]) -> None:
    value = number(given)
    if value is None or value < 0:
        section.leave("num_retries", given, "it is no number of retries", "set dispatch.attempts to 1, 2 or 3")
        return
    told.setdefault("attempts", int(min(value + 1, MAX_ATTEMPTS)))
    if value + 1 > MAX_ATTEMPTS:
        section.change("num_retries", given, f"a call makes at most {MAX_ATTEMPTS} attempts", "nothing to set")


def fallbacks(groups: Groups, router: Section, settings: Section) -> None:
    """Ordinary ones first, then those for long prompts, then the ones for everybody."""
    last: list[tuple[object, tuple[str | int, ...]]] = []
    for key in ("fallbacks", "context_window_fallbacks"):
        for section in (router, settings):
            given = section.take(key)
            if given is not None and key == "context_window_fallbacks":
                why = "junctor sees beforehand that a prompt is too long, and a group has one chain for every reason"
                section.change(key, given, why, "give the members context_tokens if the catalog does not know them")
            for index, item in enumerate(given if isinstance(given, list | tuple) else ()):
                for old, targets in item.items() if isinstance(item, Mapping) else ():
                    path = (*section.path, key, index, str(old))
                    if old == "*":
                        last.append((targets, path))
                    else:
                        groups.fall_back(str(old), targets, path)
    for section in (router, settings):
        if (given := section.take("default_fallbacks")) is not None:
            last.append((given, (*section.path, "default_fallbacks")))
    for targets, path in last:
        groups.fall_back_all(targets, path)


def aliases(groups: Groups, router: Section) -> None:
    """`model_group_alias`."""
    given = router.take("model_group_alias")
    for alias, target in given.items() if isinstance(given, Mapping) else ():
        path = (*router.path, "model_group_alias", str(alias))
        if isinstance(target, Mapping):
            inner = Section(target, path, router.notes)
            target = inner.take("model")
            inner.close({"hidden": ("lists of models show every group", "nothing to set")})
        groups.alias(str(alias), str(target), path)


def state(router: Section) -> dict[str, Any] | None:
    """Where limits are shared: the Redis of `router_settings`."""
    url, host = router.take("redis_url"), router.take("redis_host")
    port, password, database = router.take("redis_port"), router.take("redis_password"), router.take("redis_db")
    for key, given in (("redis_port", port), ("redis_db", database)):
        if given is not None and (host is None or url is not None):
            router.leave(key, given, "redis_host is not said, or redis_url is", "write it into the address")
    if isinstance(url, str):
        if (found := reference(url)) is not None:
            return {"redis": found}
        if "@" not in url:
            return {"redis": url}
        router.change("redis_url", url, "the address holds a password in clear", "set the variable REDIS_URL to it")
        return {"redis": "env:REDIS_URL"}
    if not isinstance(host, str):
        if password is not None:
            router.leave("redis_password", password, "redis_host is not said", "write state: {redis: env:REDIS_URL}")
        return None
    if password is None and reference(host) is None and (port is None or number(port) is not None):
        shown = f"redis://{host}:{int(number(port) or 6379)}"
        return {"redis": shown if number(database) is None else f"{shown}/{int(number(database) or 0)}"}
    why = "one reference holds the whole address"
    router.change("redis_host", host, why, "set the variable REDIS_URL to the address with its password")
    return {"redis": "env:REDIS_URL"}
