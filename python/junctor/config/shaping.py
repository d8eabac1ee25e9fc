"""What the fleet file says about prompts: named variants, pruning, cache points.

`prompts:` holds system prompts by name, each with variants for models, families or groups; `prune` and `cache` are keys
of groups, rules and providers. Texts may stand in files beside the fleet file. They are read when it is loaded, so that
a missing one is found out then and a reload adopts a changed one.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from junctor.config.errors import Path, Problems, did_you_mean, show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from junctor.config.spec import FleetSpec
    from junctor.config.valid import Config

MAX_PROMPT_BYTES: Final = 262_144
"""Of one variant. A longer system prompt would fill most models' context."""

DEFAULT: Final = "default"

PromptText = Annotated[
    str, Meta(min_length=1, max_length=MAX_PROMPT_BYTES, description="a text of 1 to 262,144 characters")
]
Pattern = Annotated[str, Meta(min_length=1, max_length=256, description="default, a name or a pattern with *")]


class FileSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{file: prompts/support.md}`: the text of a file, relative to the fleet file."""

    file: Annotated[str, Meta(min_length=1, max_length=1000, description="the path of a text file")]


class PruneSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a conversation is cut to a token budget. Without `to_tokens` the budget is the deployment's context."""

    to_tokens: Annotated[int, Meta(ge=64, le=10**8)] | None = None
    keep_turns: Annotated[int, Meta(ge=1, le=10_000)] = 2
    how: Literal["drop", "summarise"] = "drop"
    by: Annotated[str, Meta(min_length=1, max_length=256, description="a group, model or deployment")] | None = None
    deadline_s: Annotated[float, Meta(ge=0.05, le=3600)] = 20.0
    marker: bool = False


Prune = Literal["auto"] | PruneSpec
Cache = Literal["off", "auto"]
Prompts = dict[str, dict[Pattern, PromptText | FileSpec]]

PRUNE_TO_CONTEXT: Final = PruneSpec()
"""What `prune: auto` means."""


def prune_of(spec: Prune | None, path: Path, problems: Problems) -> PruneSpec | None:
    """The pruning that a group or rule asks for."""
    if spec is None or spec == "auto":
        return PRUNE_TO_CONTEXT if spec == "auto" else None
    if spec.how == "summarise" and spec.by is None:
        problems.error((*path, "by"), "is missing; name the group that summarises, or write how: drop")
    return spec


def check_summarisers(config: Config, names: Iterable[str], problems: Problems) -> None:
    """Who is to summarise must exist."""
    places = [(("groups", name, "prune", "by"), group.prune) for name, group in config.groups.items()]
    places += [(("rules", str(index), "prune", "by"), rule.prune) for index, rule in enumerate(config.rules)]
    for path, prune in places:
        if prune is not None and prune.by is not None and prune.by not in names:
            hint = did_you_mean(prune.by, names, what="groups, models and deployments")
            problems.error(path, f"there is no group, model or deployment {show(prune.by)}; {hint}")


def prompts_of(spec: FleetSpec, folder: pathlib.Path, problems: Problems) -> dict[str, dict[str, str]]:
    """Every prompt with the text of each of its variants, files read."""
    found: dict[str, dict[str, str]] = {}
    for name, variants in spec.prompts.items():
        if not variants:
            problems.error(("prompts", name), "has no variant; give it a default: text")
        found[name] = {
            pattern: text if isinstance(text, str) else _read(folder, text.file, ("prompts", name, pattern), problems)
            for pattern, text in variants.items()
        }
    return found


def _read(folder: pathlib.Path, name: str, path: Path, problems: Problems) -> str:
    try:
        with (folder / name).open("rb") as file:
            raw = file.read(MAX_PROMPT_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such file"
        problems.error((*path, "file"), f"{show(name)} cannot be read ({why}); paths begin at the fleet file")
        return ""
    if len(raw) > MAX_PROMPT_BYTES:
        problems.error((*path, "file"), f"{show(name)} is larger than {MAX_PROMPT_BYTES:,} bytes; shorten it")
        return ""
    try:
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        problems.error((*path, "file"), f"{show(name)} is not UTF-8 text; save it as UTF-8")
        return ""
    if not text:
        problems.error((*path, "file"), f"{show(name)} is empty; write the prompt into it")
    return text


def warn_of_unmatched(config: Config, problems: Problems) -> None:
    """Variants that no deployment can ever get."""
    from junctor.shaping.variants import matches  # the rule of matching lives where it is used

    for name, variants in config.prompts.items():
        for pattern in variants:
            known = any(
                matches(pattern, model=item.model, groups=_groups_of(config, item.name)) for item in config.deployments
            )
            if pattern != DEFAULT and not known:
                names = sorted({*config.groups, *(item.model for item in config.deployments)})
                text = f"matches no deployment: {did_you_mean(pattern, names, what='groups and models')}"
                problems.warning(("prompts", name, pattern), text)
        if DEFAULT not in variants:
            left = [
                item.model
                for item in config.deployments
                if not any(matches(p, model=item.model, groups=_groups_of(config, item.name)) for p in variants)
            ]
            if left:
                problems.warning(("prompts", name), f"has no variant for {left[0]}; add a default")


def _groups_of(config: Config, deployment: str) -> tuple[str, ...]:
    return tuple(name for name, group in config.groups.items() if deployment in group.members)


def digest(config: Config) -> str | None:
    """A hash of everything here, so that processes notice a change; None if nothing is said."""
    said: list[Any] = [
        config.prompts,
        {
            name: [_plain(group.prune), group.cache]
            for name, group in config.groups.items()
            if group.prune or group.cache
        },
        {rule.name: _plain(rule.prune) for rule in config.rules if rule.prune},
    ]
    if not any(said):
        return None
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:16]


def _plain(prune: PruneSpec | None) -> Mapping[str, Any] | None:
    return None if prune is None else msgspec.structs.asdict(prune)
