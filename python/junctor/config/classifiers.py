"""What the fleet file says about classifiers: `classifiers:`, and `classify` in a rule.

A rule with `classify: name` is met by requests that have no such label yet. For the core it is a rule that refuses them
and says what is missing; `junctor.Client` hears that, asks the classifier's model for the label, puts it on the request
as a tag and walks again, past this rule and on to those below it, which may match the tag. So conditions are read in
one place, and a request that no such rule meets never waits for a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from junctor.config.errors import Path, Problems, did_you_mean, show

if TYPE_CHECKING:
    from junctor.config.spec import FleetSpec, RuleSpec
    from junctor.config.valid import Config

Label = Annotated[str, Meta(min_length=1, max_length=64, description="a word of 1 to 64 characters")]
Meaning = Annotated[str, Meta(max_length=400, description="a text of up to 400 characters")]
Asked = Annotated[str, Meta(min_length=1, max_length=256, description="a group, model or deployment")]
ClassifierName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
        description="a name of up to 100 letters, digits, dots, dashes and underscores",
    ),
]
MAX_LABELS: Final = 64
"""Of one classifier. A small model keeps no longer list apart."""

MAX_CLASSIFIERS: Final = 16
"""Of one fleet. A call asks each at most once."""


class ClassifierSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A small model that is asked for one of some labels. `labels` may say what each means."""

    ask: Asked
    labels: Annotated[list[Label], Meta(min_length=1)] | dict[Label, Meaning]
    fallback: Label
    tag: Label | None = None
    about: Annotated[str, Meta(max_length=4000, description="a text of up to 4,000 characters")] = ""
    deadline_s: Annotated[float, Meta(ge=0.05, le=3600)] = 2.0
    max_chars: Annotated[int, Meta(ge=16, le=100_000)] = 4000
    cache: Annotated[int, Meta(ge=0, le=1_000_000)] = 4096


class Classifier(msgspec.Struct, frozen=True, kw_only=True):
    """One classifier. `labels` are in the file's order, with what they mean; `digest` tells two versions apart."""

    name: str
    ask: str
    labels: Mapping[str, str]
    fallback: str
    tag: str
    about: str
    deadline_s: float
    max_chars: int
    cache: int
    digest: str


Classifiers = dict[ClassifierName, ClassifierSpec]


def classifiers(spec: FleetSpec, names: Iterable[str], problems: Problems) -> dict[str, Classifier]:
    """Every classifier of the file."""
    known = set(names)
    if len(spec.classifiers) > MAX_CLASSIFIERS:
        count = len(spec.classifiers)
        problems.error(("classifiers",), f"{count} are more than the {MAX_CLASSIFIERS} that one fleet may have")
    found: dict[str, Classifier] = {}
    for name, item in spec.classifiers.items():
        path: Path = ("classifiers", name)
        if item.ask not in known:
            hint = did_you_mean(item.ask, known, what="groups, models and deployments")
            problems.error((*path, "ask"), f"there is no group, model or deployment {show(item.ask)}; {hint}")
        labels = dict.fromkeys(item.labels, "") if isinstance(item.labels, list) else item.labels
        folded = [label.casefold().strip() for label in item.labels]
        twice = next((label for label in folded if folded.count(label) > 1), None)
        if twice is not None:
            problems.error((*path, "labels"), f"{show(twice)} is named twice, capitals apart; once is enough")
        if not 2 <= len(labels) <= MAX_LABELS:
            problems.error((*path, "labels"), f"has {len(labels)}; a classifier chooses among 2 to {MAX_LABELS} labels")
        raw = msgspec.json.encode(item)
        found[name] = Classifier(
            name=name,
            ask=item.ask,
            labels=labels,
            fallback=item.fallback,
            tag=item.tag or name,
            about=item.about,
            deadline_s=item.deadline_s,
            max_chars=item.max_chars,
            cache=item.cache,
            digest=hashlib.sha256(raw).hexdigest()[:16],
        )
    return found


def rule_of(
    spec: RuleSpec, path: Path, known: Mapping[str, Classifier], when: dict[str, Any], problems: Problems
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The condition and action, in the core's form, of a rule that classifies."""
    assert spec.classify is not None
    found = known.get(spec.classify)
    if found is None:
        hint = did_you_mean(spec.classify, known, what="classifiers")
        problems.error((*path, "classify"), f"there is no classifier {show(spec.classify)}; {hint}")
        return when, {}
    others = ("use", "cascade", "max_tokens", "effort", "max_cost_usd", "refuse", "prune")
    given = [word for word in others if getattr(spec, word) is not None]
    if given:
        problems.error(
            (*path, given[0]), "a rule that classifies does nothing else; put it into a rule below, which sees the tag"
        )
    unlabelled = {"not": {"attribute": found.tag, "present": True}}
    message = (
        f"the tag {found.tag!r} is missing; junctor.Client asks the classifier {found.name!r} for it, "
        "whoever uses the router alone gives it in tags"
    )
    return ({"all": [when, unlabelled]} if when else unlabelled), {"refuse": message}


def rule_name(spec: RuleSpec) -> str:
    """What a rule that classifies is called in decisions, if it has no name of its own."""
    return spec.name or f"classify {spec.classify}"


def check_classifiers(config: Config, problems: Problems) -> None:
    """Classifiers that no rule asks."""
    asked = {rule.classify for rule in config.rules}
    for name in config.classifiers:
        if name not in asked:
            problems.warning(("classifiers", name), f"is asked by no rule; write a rule with classify: {name}")


def digest(config: Config) -> list[Any] | None:
    """What processes must agree on; None if there are no classifiers."""
    if not config.classifiers:
        return None
    asked = [rule.classify for rule in config.rules]
    return [{name: item.digest for name, item in config.classifiers.items()}, asked]
