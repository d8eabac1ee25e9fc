"""Which of LiteLLM's deployments is which of the fleet's: by the Router's own list, or by names in a fleet file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from junctor.config import Config
from junctor.config.build import AUTO
from junctor.config.load import from_mapping
from junctor.exceptions import ConfigError
from junctor.litellm.bases import LiteLLMRegistry
from junctor.migration import Note, from_litellm
from junctor.migration.values import as_name

SOURCE: Final = "model_list"


class Places(msgspec.Struct, frozen=True, dict=True):
    """`groups` is what a name that LiteLLM is asked for is called in the fleet, `names` what its deployments' ids are.

    `fleet` and the `version` of the Router's list are those that it holds for.
    """

    groups: Mapping[str, str]
    names: Mapping[str, str]
    fleet: Config
    version: int

    def asked(self, name: str) -> str | None:
        """What to ask the walk for; None if the name is none of junctor's."""
        return self.groups.get(name) or self.names.get(name)

    def id_of(self, deployment: str) -> str | None:
        """LiteLLM's id of this deployment; None if it has none any more."""
        return self._ids.get(deployment)

    @cached_property
    def _ids(self) -> Mapping[str, str]:
        return {name: id for id, name in self.names.items()}


def read(registry: LiteLLMRegistry) -> tuple[Places, tuple[Note, ...]]:
    """The fleet that the Router's own list means, by the rules of `junctor import-litellm`, and what it leaves out.

    LiteLLM's fallbacks stay LiteLLM's. Raises `ConfigError` if nothing of the list can be routed.
    """
    version, entries = registry.version, registry.all()
    given: dict[str, Any] = {"model_list": entries}
    if aliases := registry.aliases():
        given["router_settings"] = {"model_group_alias": dict(aliases)}
    imported = from_litellm(given)
    if not imported.origin:
        raise ConfigError(
            f"{SOURCE}: none of its {len(entries)} entries can be routed; `junctor import-litellm` says why for each",
            problems=tuple(str(note) for note in imported.notes),
        )
    if imported.problems:
        text = "; ".join(imported.problems)
        raise ConfigError(f"{SOURCE}: as a fleet it is not valid: {text}", problems=imported.problems)
    names = {_id(entries[index]): name for name, index in imported.origin.items()}
    # Worker processes with the same list share its limits. LiteLLM's ids tell lists with other keys apart.
    whose = hashlib.blake2b(msgspec.json.encode([imported.fleet, names]), digest_size=8).hexdigest()
    fleet = from_mapping({**imported.fleet, "name": f"litellm-{whose}"}, source=SOURCE)
    return Places(imported.names, names, fleet, version), imported.notes


def match(fleet: Config | None, registry: LiteLLMRegistry) -> Places:
    """The deployments of a given fleet, which have the ids of the Router's list as names.

    Raises `ConfigError` naming those that have none: they could be picked and not be sent to.
    """
    if fleet is None:
        raise ConfigError("junctor_router: has no configuration to match names with; open it from a fleet file")
    version, entries = registry.version, registry.all()
    own = {as_name(id): id for id in map(_id, entries)}
    names = [item.name for item in fleet.deployments]
    if missing := [name for name in names if name not in own]:
        raise ConfigError(
            f"{fleet.source}: deployments.{missing[0]}: is no deployment of the LiteLLM Router, which has "
            f"{_some(sorted(own.values()))}; give its entry model_info: {{id: {missing[0]}}}",
            problems=tuple(f"deployments.{name}" for name in missing),
        )
    known = {*fleet.groups, *names}
    asked = {str(entry["model_name"]) for entry in entries} | {str(alias) for alias in registry.aliases()}
    groups = {name: as_name(name) for name in asked if as_name(name) in known}
    # LiteLLM sends any name here: who has rules may ask for `auto`, unless the list means something else by it.
    return Places({AUTO: AUTO, **groups}, {own[name]: name for name in names}, fleet, version)


def _id(entry: Mapping[str, Any]) -> str:
    return str(entry["model_info"]["id"])


def _some(names: Sequence[str]) -> str:
    most = 8
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
