"""Providers: from the short form in the file to address, dialect, key reference and accounting.

What can leak is looked at here: passwords in addresses and secrets in headers are refused in clear.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

from junctor.config.accounting import PROFILES, Accounting
from junctor.config.clouds import CLOUDS, check_cloud_keys, cloud_address, identity
from junctor.config.errors import Path, Problems, did_you_mean, looks_secret, show
from junctor.config.providers import ADAPTER_ACCOUNTING, KNOWN, Known
from junctor.config.references import HINT, Reference, parse
from junctor.config.spec import AccountingSpec, FleetSpec, ProviderSpec
from junctor.config.valid import Provider

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_SECRET_HEADER: Final = re.compile(r"(?i)auth|key|token|secret|password|cookie")


def providers(spec: FleetSpec, problems: Problems) -> dict[str, Provider]:
    """Every provider that is declared, and every known one that a deployment uses without declaring it."""
    declared = {name: provider(name, item, spec, problems) for name, item in spec.providers.items()}
    found = {name: item for name, item in declared.items() if item is not None}
    for deployment in spec.deployments.values():
        name = deployment.provider or deployment.model.partition("/")[0]
        if name in KNOWN and name not in declared:
            implied = provider(name, ProviderSpec(), spec, problems)
            declared[name] = implied
            if implied is not None:
                found[name] = implied
    return found


def provider(name: str, spec: ProviderSpec, fleet: FleetSpec, problems: Problems) -> Provider | None:
    """One provider, or None after reporting what is missing."""
    path: Path = ("providers", name)
    known = KNOWN.get(name)
    adapter = spec.adapter or (known.adapter if known else None)
    if adapter is None:
        problems.error(
            path, f"is no known provider, so its adapter is needed; {did_you_mean(name, KNOWN, what='providers')}"
        )
        return None
    check_cloud_keys(adapter, spec, path, problems)
    address = _address(spec, known, adapter, path, problems)
    if address is None:
        return None
    first, idle = spec.first_content_timeout_s, spec.idle_timeout_s
    return Provider(
        name=name,
        adapter=adapter,
        base_url=address,
        key=_key(spec, known, adapter, path, problems),
        identity=identity(adapter, spec, path, problems, token_env=KNOWN["bedrock"].key_env),
        headers=_headers(spec, path, problems),
        accounting=_accounting(spec, known, adapter),
        first_content_timeout_s=fleet.dispatch.first_content_timeout_s if first is None else first,
        idle_timeout_s=fleet.dispatch.idle_timeout_s if idle is None else idle,
        cache=spec.cache == "auto",
        dialects=_dialects(spec, known, adapter),
        api_version=spec.api_version,
    )


def _dialects(spec: ProviderSpec, known: Known | None, adapter: str) -> tuple[str, ...]:
    """All that it speaks. What is known holds at the provider's own address: others copy one of its interfaces."""
    if spec.dialects is not None:
        return tuple(dict.fromkeys((adapter, *spec.dialects)))
    at_home = known is not None and (known.base_url is None or _at_home(spec, known))
    return known.dialects if known is not None and at_home and adapter in known.dialects else (adapter,)


def _at_home(spec: ProviderSpec, known: Known) -> bool:
    return spec.base_url is None or spec.base_url.rstrip("/") == known.base_url


def reference(text: str, path: Path, problems: Problems) -> Reference | None:
    """The reference, or None after reporting a secret in clear (which is not shown)."""
    found = parse(text)
    if found is None:
        problems.error(path, f"is written in clear; secrets are references: {HINT}")
    return found


def _key(spec: ProviderSpec, known: Known | None, adapter: str, path: Path, problems: Problems) -> Reference | None:
    """The provider's key. The customary variable is assumed at the provider's own address only, never elsewhere."""
    if spec.key is not None:
        return reference(spec.key, (*path, "key"), problems)
    if adapter in CLOUDS:  # there a key is one way among several, and none is assumed
        return None
    return Reference("env", known.key_env) if known is not None and _at_home(spec, known) else None


def _address(
    spec: ProviderSpec, known: Known | None, adapter: str, path: Path, problems: Problems
) -> str | Reference | None:
    if spec.base_url is None:
        if adapter in CLOUDS:
            return cloud_address(adapter, spec, path, problems)
        if known is not None and known.base_url is not None:
            return known.base_url
        problems.error(path, "base_url is missing; write the host's address, such as http://10.0.0.7:8000/v1")
        return None
    if (found := parse(spec.base_url)) is not None:
        return found
    if (wrong := wrong_address(spec.base_url)) is not None:
        problems.error((*path, "base_url"), wrong)
        return None
    return spec.base_url.rstrip("/")


def wrong_address(text: str) -> str | None:
    """What is wrong with an address, or None."""
    example = "write it like https://api.example.com/v1"
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError:
        return f"is no valid address; {example}"
    if "@" in parts.netloc:
        return "holds a user name or password in clear; write the address without it and give a key"
    if looks_secret(parts.query):
        return "holds a secret in clear; write the address without it and give a key"
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or not text.isprintable()
        or " " in text
    ):
        return f"{show(text)} is no http or https address; {example}"
    return None


def _headers(spec: ProviderSpec, path: Path, problems: Problems) -> dict[str, str | Reference]:
    headers: dict[str, str | Reference] = {}
    for name, value in spec.headers.items():
        here = (*path, "headers", name)
        if not _HEADER_NAME.fullmatch(name):
            problems.error(here, "this is no name of an HTTP header")
        elif (found := parse(value)) is not None:
            headers[name.lower()] = found
        elif _SECRET_HEADER.search(name) or looks_secret(value):
            problems.error(here, f"is written in clear; secrets are references: {HINT}")
        elif not (value.isascii() and value.isprintable()):
            problems.error(here, "holds characters that no HTTP header may carry; use one line of ASCII")
        else:
            headers[name.lower()] = value
    return headers


def _accounting(spec: ProviderSpec, known: Known | None, adapter: str) -> Accounting:
    if isinstance(spec.accounting, AccountingSpec):
        own = spec.accounting
        return Accounting(
            output=own.output,
            count_cached_input=own.count_cached_input,
            reconcile=own.reconcile,
            fixed_window=own.fixed_window,
            output_weight=own.output_weight,
            source="the fleet file",
        )
    same_dialect = known is not None and known.adapter == adapter
    implied = known.accounting if known is not None and same_dialect else ADAPTER_ACCOUNTING[adapter]
    return PROFILES[spec.accounting or implied]
