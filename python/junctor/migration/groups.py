"""Groups: the entries of one `model_name`, LiteLLM's `order` as a fallback, its fallbacks, and its aliases as groups.

A name with a single deployment and nothing else to say needs no group: the deployment has the name.

LiteLLM lets any model stand in for any other; `junctor check` calls a fallback that can do less than its group an
error, since the requests that need more have no way out. Such a fallback is written as a group of its members and the
group's own: most requests go where LiteLLM would have sent them, the others may at least knock once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from junctor.config.build import MAX_CHAIN
from junctor.config.errors import Path, looks_secret
from junctor.migration.models import Member
from junctor.migration.notes import Notes
from junctor.migration.values import as_name, fresh

_LONGEST_LABEL: Final = 40
OBJECTIVES: Final = {"cost-based-routing": "cheapest", "latency-based-routing": "fastest"}


class Groups:
    """Puts members into groups and gives both their names."""

    def __init__(self, members: list[Member], notes: Notes) -> None:
        self.notes = notes
        self.names: dict[str, str] = {}
        self.fallbacks: dict[str, dict[str, Path]] = {}
        self.orders: dict[str, list[str]] = {}
        self._members: dict[str, list[Member]] = {}
        self._taken: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._labels: dict[int, str] = {}
        self._mixed: dict[str, tuple[str, str]] = {}
        self._helped: dict[str, str] = {}
        for member in members:
            self._members.setdefault(member.group, []).append(member)
        for old, own in self._members.items():
            self.names[old] = self._name(old, ("model_list", own[0].index, "model_name"))
        for old in self._members:
            self._ranks(old)

    def alias(self, alias: str, target: str, path: Path) -> None:
        """Another name for a group."""
        if target not in self.names:
            self.notes.left(path, target, "there is no model of this name here", "name one of model_list")
        elif alias in self.names:
            self.notes.left(path, target, "the name is a model's own", "choose another")
        else:
            self._aliases[alias] = target
            self.names[alias] = self._name(alias, path)

    def fall_back(self, old: str, targets: object, path: Path) -> None:
        """`old` falls back to these names, in order."""
        if old not in self.names:
            self.notes.left(path, targets, "there is no model of this name here", "name one of model_list")
            return
        for index, target in enumerate(targets if isinstance(targets, list | tuple) else [targets]):
            here: Path = (*path, index)
            if not isinstance(target, str) or target not in self.names:
                self.notes.left(here, target, "this is no name of a model here", "name one of model_list")
            elif target != old:
                self._add(self.names[old], self.names[target], here)

    def fall_back_all(self, targets: object, path: Path) -> None:
        """Whatever name is asked for falls back to these in the end."""
        for index, target in enumerate(targets if isinstance(targets, list | tuple) else [targets]):
            if not isinstance(target, str) or target not in self.names:
                self.notes.left((*path, index), target, "this is no name of a model here", "name one of model_list")
                continue
            for old, own in self._members.items():
                if old != target and not all(member.fields.get("capabilities") == ["embeddings"] for member in own):
                    self._add(self.names[old], self.names[target], (*path, index))

    def write(self, objective: str | None) -> tuple[dict[str, Any], dict[str, Any], dict[str, int]]:
        """The sections `deployments` and `groups`, and which entry of `model_list` each deployment is."""
        deployments: dict[str, Any] = {}
        groups: dict[str, Any] = {}
        origin: dict[str, int] = {}
        for old, own in self._members.items():
            name, ranks = self.names[old], self._ranks(old)
            alone = len(own) == 1 and not self.fallbacks.get(name)
            for rank, members in ranks.items():
                labels = [name] if alone else [self._label(rank, member) for member in members]
                for label, member in zip(labels, members, strict=True):
                    deployments[label], origin[label] = member.fields, member.index
                if not alone:
                    groups[rank] = _group(labels, self._targets(name) if rank == name else [], objective)
        for rank, name in self._helped.items():
            groups[rank]["members"] += groups[name]["members"]
        for mixed, (target, name) in self._mixed.items():
            both = [*_members(groups, target), *_members(groups, name)]
            groups[mixed] = _group([*dict.fromkeys(both)], [], objective)
        for alias, target in self._aliases.items():
            name, own_name = self.names[target], self.names[alias]
            fallback = [*self._targets(own_name), *(groups.get(name, {}).get("fallback", ()))]
            groups[own_name] = _group(_members(groups, name), [*dict.fromkeys(fallback)], objective)
        return deployments, groups, origin

    def strengthen(self, name: str, index: int, why: str) -> None:
        """A fallback that cannot do all that its group can gets the group's own members beside it.

        Dropping it would lose the way out of most requests for the sake of a few. What the fallback falls back to
        becomes the group's own next fallback.
        """
        targets = self._targets(name)
        if index >= len(targets):
            return  # an alias shows its target's: that one is looked at under its own name
        target = targets[index]
        if target in self.orders.get(name, ()):
            self._helped[target] = name
            return
        path = self.fallbacks[name][target]
        mixed = self._claim(f"{name}-or-{target}")
        following = {other: path for other in self.fallbacks.get(target, ()) if name not in self._parts(other)}
        self.fallbacks[name] = {
            (mixed if other == target else other): here for other, here in self.fallbacks[name].items()
        }
        for other, here in following.items():
            self.fallbacks[name].setdefault(other, here)
        self._mixed[mixed] = (target, name)
        self.notes.changed(path, target, why.partition(";")[0], f"{mixed} has the members of both; nothing to set")

    def _parts(self, name: str) -> tuple[str, ...]:
        return self._mixed.get(name, (name,))

    def _targets(self, name: str) -> list[str]:
        return [*dict.fromkeys([*self.orders.get(name, [])[1:], *self.fallbacks.get(name, ())])]

    def _add(self, name: str, target: str, path: Path) -> None:
        targets = self.fallbacks.setdefault(name, {})
        if target in targets:
            return
        targets[target] = path
        if any(len([*self._chain(start)]) > MAX_CHAIN for start in self.fallbacks):
            del targets[target]
            hint = "make the chain shorter"
            self.notes.left(path, target, f"it would lead through more than {MAX_CHAIN} groups", hint)

    def _chain(self, start: str) -> Iterator[str]:
        seen, waiting = {start}, self._targets(start)
        while waiting:
            name = waiting.pop(0)
            if name not in seen:
                seen.add(name)
                yield name
                waiting = [*self._targets(name), *waiting]

    def _ranks(self, old: str) -> dict[str, list[Member]]:
        """The members by LiteLLM's `order`: the first under the name itself, the others under names of their own."""
        own, name = self._members[old], self.names[old]
        orders = sorted({member.order for member in own})
        if name not in self.orders:
            later = [self._claim(f"{name}-order-{order:g}") for order in orders[1:]]
            self.orders[name] = [name, *later]
        return {
            rank: [member for member in own if member.order == order]
            for rank, order in zip(self.orders[name], orders, strict=True)
        }

    def _name(self, old: str, path: Path) -> str:
        name = self._claim(as_name(old))
        if name != old:
            self.notes.changed(path, old, "names have letters, digits, dots, dashes and underscores", f"ask for {name}")
        return name

    def _label(self, rank: str, member: Member) -> str:
        if (label := self._labels.get(member.index)) is not None:
            return label
        label = member.name
        if not label or len(label) > _LONGEST_LABEL or label in self._taken or looks_secret(label):
            number = 1
            while f"{rank}-{number}" in self._taken:
                number += 1
            label = f"{rank}-{number}"
        self._labels[member.index] = self._claim(label)
        return label

    def _claim(self, name: str) -> str:
        name = fresh(name, self._taken)
        self._taken.add(name)
        return name


def _group(members: list[str], fallback: list[str], objective: str | None) -> dict[str, Any]:
    group: dict[str, Any] = {"members": members}
    if fallback:
        group["fallback"] = fallback
    if objective is not None and len(members) > 1:
        group["objective"] = objective
    return group


def _members(groups: Mapping[str, Any], name: str) -> list[str]:
    """The members of a group; a name that is none is a deployment's."""
    return list(groups[name]["members"]) if name in groups else [name]
