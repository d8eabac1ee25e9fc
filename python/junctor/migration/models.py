"""`model_list`: each entry becomes a deployment at a host; entries of one `model_name` are one group later.

Address, version, region and headers stand at the entry in LiteLLM and at the provider in a fleet file, so entries that
agree in them share a provider. Keys stay with the deployment. An entry that cannot be a deployment at all is told of
once, not key by key.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.config.errors import looks_secret
from junctor.config.providers import KNOWN
from junctor.config.sites import wrong_address
from junctor.config.spec import ProviderSpec
from junctor.migration.facts import MODES, read_facts
from junctor.migration.hints import ENTRY, INFO, PARAMS
from junctor.migration.hosts import HOSTS, Host, split
from junctor.migration.notes import Notes, Section
from junctor.migration.values import as_name, env_name, fresh, is_a_day, is_placeholder, number, plain, reference

LIMITS: Final = {
    "rpm": "rpm",
    "tpm": "tpm",
    "itpm": "input_tpm",
    "otpm": "output_tpm",
    "rpd": "rpd",
    "tpd": "tpd",
    "max_parallel_requests": "concurrency",
}
MAX_TIMEOUT_S: Final = 3600
_SITE_TEXTS: Final = {
    "api_version": "api_version",
    "aws_region_name": "region",
    "vertex_location": "region",
    "vertex_project": "project",
}
"""What a text of LiteLLM is at the provider of a fleet file."""
_SECRET_HEADER: Final = re.compile(r"(?i)auth|key|token|secret|password|cookie")
_MODEL_NAME: Final = re.compile(r"[\x21-\x7e]{1,200}")


class Site(msgspec.Struct, frozen=True):
    """One provider to be: LiteLLM's host and what an entry said of address, version, region and headers."""

    host: Host
    fields: dict[str, Any]


class Member(msgspec.Struct):
    """One deployment to be: where it stands in `model_list`, whose name it serves, its place in LiteLLM's `order`."""

    index: int
    group: str
    order: float
    name: str
    site: Site
    fields: dict[str, Any]


class Models:
    """Reads `model_list`."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.members: list[Member] = []
        self._inline: dict[str, str] = {}

    def read(self, given: object) -> None:
        """Every entry, in order."""
        if not isinstance(given, list | tuple):
            if given is not None:
                self.notes.left(("model_list",), given, "a list was expected here", "write one entry per deployment")
            return
        for index, entry in enumerate(given):
            self._entry(index, entry)

    def sites(self) -> dict[str, dict[str, Any]]:
        """The section `providers`; every member is told the name of its own.

        Of the sites at one known provider the plainest has its name, with all that the name says.
        """
        kinds: list[Site] = []
        for member in self.members:
            if member.site not in kinds:
                kinds.append(member.site)
        named: dict[str, Site] = {}
        for site in sorted(kinds, key=lambda site: len(site.fields)):
            plain_name = as_name(site.host.provider)
            taken = plain_name in named
            name = fresh(f"{plain_name}-{_place(site.fields)}" if taken else plain_name, named)
            named[as_name(name)] = site
        names = [(site, name) for name, site in named.items()]
        for member in self.members:
            name = next(name for site, name in names if site == member.site)
            member.fields.pop("provider", None)
            if name != member.site.host.provider:
                member.fields["provider"] = name
        order = [name for kind in kinds for site, name in names if site == kind]
        return {name: _written(name, named[name]) for name in order}

    def _entry(self, index: int, given: object) -> None:
        path, before = ("model_list", index), self.notes.carried
        entry = Section(given, path, self.notes)
        group, model = entry.take("model_name"), None
        params = Section(entry.inside("litellm_params"), (*path, "litellm_params"), self.notes)
        about = Section(entry.inside("model_info"), (*path, "model_info"), self.notes)
        model, maker = params.take("model"), params.take("custom_llm_provider")
        mode = about.take("mode")
        wrong = _unusable(group, model, mode)
        provider, name = split(str(model), maker if isinstance(maker, str) else None)
        host = HOSTS.get(provider or "")
        if wrong is None and (host is None or not (host.known or host.adapter)):
            wrong = ("junctor speaks no dialect of this provider, or cannot tell which it is", _HINT_PROVIDER)
        if wrong is not None or host is None:
            self.notes.left(path, given, *(wrong or ("", "")))
            for section in (entry, params, about):
                section.abandon()
            self.notes.carried = before
            return
        self._deployment(index, str(group), host, name, entry, params, about, mode)
        entry.close(ENTRY)
        params.close(PARAMS)
        about.close(INFO)

    def _deployment(
        self,
        index: int,
        group: str,
        host: Host,
        name: str,
        entry: Section,
        params: Section,
        about: Section,
        mode: object,
    ) -> None:
        site = self._site(host, params, env_name(group, str(index + 1)))
        fields: dict[str, Any] = _model(host, name, about, params)
        self._key(fields, host, params, env_name(host.provider, "api_key", group))
        for old, new in LIMITS.items():
            for section in (params, entry):
                _number(section, old, new, fields, least=1, whole=True)
        _number(params, "weight", "weight", fields, least=0)
        _budget(params, fields)
        _timeouts(params, fields)
        if isinstance(region := params.take("region_name"), str) and reference(region) is None:
            fields["region"] = region
        elif region is not None:
            params.leave("region_name", region, "it is no plain word", "write the region as a word")
        if params.take("drop_params") is False:
            params.change("drop_params", False, "what a provider cannot express is always dropped", _HINT_DROPPED)
        read_facts(params, about, fields, host, mode)
        order = number(params.take("order")) or 0.0
        label = about.take("id")
        self.members.append(Member(index, group, order, as_name(label) if isinstance(label, str) else "", site, fields))

    def _site(self, host: Host, params: Section, label: str) -> Site:
        site: dict[str, Any] = {}
        address = self._address(host, params, env_name(label, "base_url"))
        if address is not None:
            site["base_url"] = address
        for old, new in _SITE_TEXTS.items():
            _site_text(params, old, new, site)
        headers = self._headers(params, label)
        if headers:
            site["headers"] = headers
        return Site(host, site)

    def _address(self, host: Host, params: Section, proposed: str) -> str | None:
        given, key = params.take("api_base"), "api_base"
        if given is None:
            given, key = params.take("base_url"), "base_url"
        if given is None:
            return None if host.known else host.base_url
        if (found := reference(given)) is not None:
            return found
        text = str(given).rstrip("/")
        for tail in ("/chat/completions", "/v1/messages"):
            text = text.removesuffix(tail)
        if host.suffix and not text.endswith(host.suffix):
            text += host.suffix
        if wrong_address(text) is None:
            return text
        # Never the provider's own address instead: prompts would go to somebody whom nobody named.
        params.change(key, given, "it is no plain http or https address", f"set the variable {proposed} to a plain one")
        return f"env:{proposed}"

    def _headers(self, params: Section, label: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        if isinstance(organization := params.take("organization"), str):
            headers["openai-organization"] = reference(organization) or organization
        for key in ("headers", "extra_headers"):
            given = params.take(key)
            for name, value in given.items() if isinstance(given, Mapping) else ():
                if not isinstance(value, str):
                    self.notes.left((*params.path, key, str(name)), value, "it is no text", "write it as a text")
                elif (found := reference(value)) is not None:
                    headers[str(name)] = found
                elif _SECRET_HEADER.search(str(name)) or looks_secret(value):
                    headers[str(name)] = self._instead(
                        (*params.path, key, str(name)), value, env_name(label, str(name))
                    )
                else:
                    headers[str(name)] = value
        return headers

    def _key(self, fields: dict[str, Any], host: Host, params: Section, proposed: str) -> None:
        given, name = params.take("api_key"), "api_key"
        if given is None and host.provider == "azure":
            given, name = params.take("azure_ad_token"), "azure_ad_token"
        if (found := reference(given)) is not None:
            fields["key"] = found
        elif is_placeholder(given):
            params.leave(name, given, "it stands for no key", "nothing, if the host asks for none")
        elif isinstance(given, str):
            fields["key"] = self._instead((*params.path, name), given, proposed)
        elif given is None and host.key_env is not None:
            fields["key"] = f"env:{host.key_env}"  # what LiteLLM reads then

    def _instead(self, path: tuple[str | int, ...], secret: str, proposed: str) -> str:
        """The reference that takes the place of a secret in clear: the same for the same secret."""
        name = self._inline.get(secret)
        if name is None:
            name = self._inline[secret] = fresh(proposed, self._inline.values()).replace("-", "_")
        self.notes.changed(path, secret, "a secret stands here in clear", f"set the variable {name} to it")
        return f"env:{name}"


_HINT_PROVIDER: Final = "write the deployment by hand if the host speaks a dialect that junctor has"
_HINT_DROPPED: Final = "look at `dropped` in receipts"


def _unusable(group: object, model: object, mode: object) -> tuple[str, str] | None:
    """Why an entry cannot be a deployment, and what to do; None if it can."""
    if not (isinstance(group, str) and group and isinstance(model, str) and model):
        return "model_name or litellm_params.model is missing or no text", "write both as texts"
    if "*" in group or "*" in model:
        return "it is a wildcard, and junctor's models are named", "write one entry for each model that is used"
    if model.startswith(("auto_router/", "complexity_router/", "adaptive_router/", "quality_router/")):
        return "it is a router of LiteLLM's, not a model", "write rules instead"
    if mode is not None and mode not in MODES:
        return "junctor serves chat and embedding models only", "keep it where it is"
    return None


def _model(host: Host, name: str, about: Section, params: Section) -> dict[str, Any]:
    """`model` as the catalog knows it, and `provider_model` if the provider calls it otherwise."""
    base = about.take("base_model") or params.take("base_model")
    known = split(str(base), None)[1] if isinstance(base, str) and base else name
    if not _MODEL_NAME.fullmatch(known):
        known = as_name(known)
    fields: dict[str, Any] = {"model": f"{host.provider}/{known}"}
    if known != name:
        fields["provider_model"] = name
    return fields


def _site_text(params: Section, old: str, new: str, site: dict[str, Any]) -> None:
    value = params.take(old)
    if value is None:
        return
    if not isinstance(value, str) or reference(value) is not None or looks_secret(value):
        params.leave(old, value, "this must be a plain text in a fleet file", f"write {new} at the provider")
    elif new not in ProviderSpec.__struct_fields__:
        params.leave(old, value, "junctor's providers have no such setting", "see docs/guides/config.md")
    else:
        site[new] = value


def _written(name: str, site: Site) -> dict[str, Any]:
    """A provider's entry. One that has not the name of what it is says all that the name would have said."""
    known = KNOWN.get(site.host.provider)
    if known is None:
        return {"adapter": site.host.adapter, **site.fields}
    if name == site.host.provider:
        return dict(site.fields)
    said: dict[str, Any] = {"adapter": known.adapter, "accounting": known.accounting}
    if known.base_url is not None:
        said["base_url"] = known.base_url
    if dialects := getattr(known, "dialects", ()):
        said["dialects"] = list(dialects)
    return {**said, **site.fields}


def _place(site: Mapping[str, Any]) -> str:
    """A word for where a provider is: the first word of its host, its region or its project."""
    host = urllib.parse.urlsplit(str(site.get("base_url", ""))).hostname or ""
    words = [site.get("region"), host.partition(".")[0], site.get("project"), site.get("api_version")]
    return next((str(word) for word in words if word), "own")


def _number(
    section: Section,
    old: str,
    new: str,
    fields: dict[str, Any],
    *,
    least: float,
    most: float = 1e9,
    whole: bool = False,
) -> None:
    given = section.take(old)
    if given is None:
        return
    value = number(given)
    if value is None:
        section.leave(old, given, "it is no number", f"write {new} as a number at the deployment")
    elif new in fields:
        section.leave(old, given, f"{new} is said already", "remove one of the two")
    elif not least <= value <= most or (whole and value != int(value)):
        section.leave(old, given, f"{new} takes {least:g} to {most:g}", "choose another value by hand")
    else:
        fields[new] = plain(value)


def _budget(params: Section, fields: dict[str, Any]) -> None:
    duration, most = params.take("budget_duration"), 1e6
    if is_a_day(duration):
        _number(params, "max_budget", "usd_per_day", fields, least=0.01, most=most)
        return
    hint = "write usd_per_day at the deployment"
    if duration is not None:
        params.leave("budget_duration", duration, "junctor counts money by the day", hint)
    if (given := params.take("max_budget")) is not None:
        params.leave("max_budget", given, "junctor counts money by the day", hint)


def _timeouts(params: Section, fields: dict[str, Any]) -> None:
    """LiteLLM's timeout is a silence, before the first byte or between two; for streams it has a second one."""
    given: dict[str, Any] = {}
    _number(params, "stream_timeout", "idle_timeout_s", given, least=0.05, most=MAX_TIMEOUT_S)
    _number(params, "timeout", "first_content_timeout_s", given, least=0.05, most=MAX_TIMEOUT_S)
    if given:
        values = list(given.values())
        fields["first_content_timeout_s"] = given.get("idle_timeout_s", values[0])
        fields["idle_timeout_s"] = given.get("idle_timeout_s", values[0])
