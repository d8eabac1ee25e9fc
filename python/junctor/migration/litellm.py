"""LiteLLM's `config.yaml` as a fleet: what maps, how, and a note for every key that does not.

The mapping is by meaning, not by name: LiteLLM's cooldowns, retries by exception and pre-call checks have counterparts
that need no setting, and are noted as such. The rejected alternative, running LiteLLM's own loader, would need the
package (118 MB) and reads `os.environ` where only the names of variables are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.config.check import look_over
from junctor.config.errors import Problems
from junctor.config.load import from_mapping
from junctor.exceptions import ConfigError
from junctor.migration import settings
from junctor.migration.groups import Groups
from junctor.migration.hints import GENERAL, ROUTER, SETTINGS, TOP
from junctor.migration.models import Models
from junctor.migration.notes import Note, Notes, Section

_MAX_ROUNDS: Final = 8  # each strengthens the fallbacks that the one before brought up
_FALLBACK: Final = re.compile(r"groups\.(.+)\.fallback\[(\d+)\]")


class Imported(msgspec.Struct, frozen=True):
    """What came of an import.

    `fleet` is a fleet file as a mapping, `notes` what did not come over as it was, `carried` how many keys did,
    `problems` why the fleet is not valid (empty if it is). `origin` says which entry of `model_list`, by index, each
    deployment was, `names` what a name of LiteLLM's is called.
    """

    fleet: dict[str, Any]
    notes: tuple[Note, ...]
    carried: int
    origin: dict[str, int]
    names: dict[str, str]
    problems: tuple[str, ...]


def from_litellm(given: Mapping[str, Any]) -> Imported:
    """The fleet that a LiteLLM configuration means, as far as junctor can do what it says.

    `given` is the file's content. Never raises for what it says: what cannot be used is in `notes`.
    """
    notes = Notes()
    top = Section(given, (), notes)
    models = Models(notes)
    models.read(top.inside("model_list"))
    router = Section(top.inside("router_settings"), ("router_settings",), notes)
    common = Section(top.inside("litellm_settings"), ("litellm_settings",), notes)
    general = Section(top.inside("general_settings"), ("general_settings",), notes)
    groups = Groups(models.members, notes)
    settings.aliases(groups, router)
    settings.fallbacks(groups, router, common)
    aim, times, state = settings.objective(router), settings.dispatch(router, common), settings.state(router)
    router.take("enable_pre_call_checks")  # the gate always looks before a call
    if common.take("drop_params") is False:
        common.change("drop_params", False, "what a provider cannot express is always dropped", "see receipts")
    for section, hints in ((router, ROUTER), (common, SETTINGS), (general, GENERAL), (top, TOP)):
        section.close(hints)
    fleet, origin, problems = _settled(groups, models, aim, times, state)
    return Imported(fleet, notes.found, notes.carried, origin, groups.names, problems)


def _settled(
    groups: Groups, models: Models, aim: str | None, times: dict[str, Any], state: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, int], tuple[str, ...]]:
    """The fleet, with those fallbacks strengthened that `junctor check` calls errors."""
    sites = {name: site for name, site in models.sites().items() if site}
    for _ in range(_MAX_ROUNDS):
        deployments, sections, origin = groups.write(aim)
        fleet: dict[str, Any] = {"version": 1}
        if state is not None:
            fleet["state"] = state
        for key, section in (
            ("providers", sites),
            ("deployments", deployments),
            ("groups", sections),
            ("dispatch", times),
        ):
            if section or key == "deployments":
                fleet[key] = section
        problems = _errors(fleet)
        found = [(_FALLBACK.fullmatch(path), text) for path, text in problems]
        weak = sorted(((m[1], int(m[2]), text) for m, text in found if m), key=lambda item: -item[1])
        if not weak:
            break
        for name, index, text in weak:
            groups.strengthen(name, index, text)
    return fleet, origin, tuple(f"{path}: {text}" if path else text for path, text in problems)


def _errors(fleet: dict[str, Any]) -> list[tuple[str, str]]:
    """What `junctor check` would call errors, as paths and texts."""
    source = "imported"
    try:
        config = from_mapping(fleet, source=source)
    except ConfigError as error:
        return [("", text) for text in error.problems]
    problems = Problems(source)
    look_over(config, problems)
    return [(problem.path, problem.message) for problem in problems.found if problem.severity == "error"]
