"""What the fleet file says about cascades: `cascades:`, and `cascade` in a rule.

The file says which steps there are and when an answer is good enough. What is built from it is a `Ladder` for the
client, and a group of the same name for the core: the first step's members, with the later steps as fallbacks.
Everything that can be wrong with either is said here, when the file is read.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from junctor.config.errors import Path, Problems, did_you_mean, show
from junctor.exceptions import ConfigError

if TYPE_CHECKING:
    from junctor.cascade.calibration import Calibration
    from junctor.cascade.ladder import Ladder
    from junctor.cascade.probe import Probe
    from junctor.config.spec import FleetSpec
    from junctor.config.valid import Config, Deployment, Group

MAX_STEPS: Final = 4
"""Steps of one cascade. Each failed one is paid for and waited for; published cascades have two or three."""

Signal = Literal[
    "mean_logprob", "min_logprob", "entropy", "margin", "self_consistency", "probe", "verbal", "schema", "check"
]
Threshold = Annotated[float, Meta(ge=-1000, le=1000)]
StepName = Annotated[str, Meta(min_length=1, max_length=256, description="a group, model or deployment")]
File = Annotated[str, Meta(min_length=1, max_length=1000, description="the path of a JSON file")]
CheckName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
        description="a name of up to 100 letters, digits, dots, dashes and underscores",
    ),
]

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "mean_logprob": (-1000, 0),
    "min_logprob": (-1000, 0),
    "entropy": (-1000, 0),
    "margin": (0, 1),
    "self_consistency": (0, 1),
    "probe": (0, 1),
    "verbal": (0, 1),
    "schema": (0, 1),
    "check": (-1000, 1000),
}
"""Where the values of each signal lie, and so its thresholds."""

_OWN_KEYS: Final = {"samples": "self_consistency", "temperature": "self_consistency", "probe": "probe", "by": "verbal"}


class CascadeSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cascade. `accept` and `reject` are its thresholds T1 and T2, or `calibration` names a file that has them."""

    steps: Annotated[list[StepName], Meta(min_length=1)]
    signal: Signal
    accept: Threshold | None = None
    reject: Threshold | None = None
    calibration: File | None = None
    unknown: Literal["escalate", "accept"] = "escalate"
    on_failure: Literal["answer", "fail"] = "answer"
    samples: Annotated[int, Meta(ge=2, le=16)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    probe: File | None = None
    by: StepName | None = None
    check: CheckName | None = None
    speculative: bool = False
    escalation: Literal["free", "one-way"] = "free"


Cascades = dict[CheckName, CascadeSpec]


def ladders(
    spec: FleetSpec,
    groups: Mapping[str, Group],
    deployments: Iterable[Deployment],
    folder: pathlib.Path,
    problems: Problems,
) -> dict[str, Ladder]:
    """Every cascade of the file. Those with an error are left out; it is in `problems`."""
    if not spec.cascades:
        return {}
    builder = _Builder(spec, groups, list(deployments), folder, problems)
    return {name: found for name, item in spec.cascades.items() if (found := builder.ladder(name, item)) is not None}


class _Builder:
    def __init__(
        self,
        spec: FleetSpec,
        groups: Mapping[str, Group],
        deployments: list[Deployment],
        folder: pathlib.Path,
        problems: Problems,
    ) -> None:
        self.cascades = spec.cascades
        self.groups = groups
        self.deployments = deployments
        self.folder = folder
        self.problems = problems
        self.known = {*groups, *(item.model for item in deployments), *(item.name for item in deployments)}

    def ladder(self, name: str, spec: CascadeSpec) -> Ladder | None:
        from junctor.cascade.ladder import Ladder

        path: Path = ("cascades", name)
        before = len(self.problems.found)
        self._steps(path, spec)
        self._by(path, spec)
        self._keys(path, spec)
        probe = self._probe(path, spec)
        calibration = self._calibration(path, spec)
        accept, reject = self._thresholds(path, spec, calibration)
        if len(self.problems.found) > before:
            return None
        members = [members_of(step, self.groups, self.deployments) for step in spec.steps]
        return Ladder(
            name=name,
            steps=tuple(spec.steps),
            signal=spec.signal,
            accept=accept,
            reject=reject,
            unknown=spec.unknown,
            on_failure=spec.on_failure,
            samples=3 if spec.samples is None else spec.samples,
            temperature=0.7 if spec.temperature is None else spec.temperature,
            probe=probe,
            by=spec.by,
            check=spec.check,
            speculative=spec.speculative,
            one_way=spec.escalation == "one-way",
            able=frozenset(item.name for item in self.deployments if "logprobs" in item.capabilities),
            models=tuple(tuple(sorted({_version(item) for item in step})) for step in members),
            calibrated_for=() if calibration is None else calibration.models,
        )

    def _steps(self, path: Path, spec: CascadeSpec) -> None:
        if not 2 <= len(spec.steps) <= MAX_STEPS:
            count = len(spec.steps)
            self.problems.error(
                (*path, "steps"), f"has {count}; a cascade has 2 to {MAX_STEPS} steps, the cheapest first"
            )
        earlier: set[str] = set()
        for index, step in enumerate(spec.steps):
            place = (*path, "steps", index)
            if step in self.cascades and step not in self.known:
                self.problems.error(place, f"{show(step)} is a cascade; name the groups of its steps instead")
                continue
            if step not in self.known:
                hint = did_you_mean(step, self.known, what="groups, models and deployments")
                self.problems.error(place, f"there is no group, model or deployment {show(step)}; {hint}")
                continue
            members = {item.name for item in members_of(step, self.groups, self.deployments)}
            if members <= earlier:
                self.problems.error(place, f"{show(step)} brings nobody new; a step must have other deployments")
            earlier |= members

    def _by(self, path: Path, spec: CascadeSpec) -> None:
        if spec.by is not None and spec.by not in self.known:
            hint = did_you_mean(spec.by, self.known, what="groups, models and deployments")
            self.problems.error((*path, "by"), f"there is no group, model or deployment {show(spec.by)}; {hint}")

    def _keys(self, path: Path, spec: CascadeSpec) -> None:
        """Keys that belong to one signal are errors beside another: they would do nothing."""
        for key, signal in _OWN_KEYS.items():
            if getattr(spec, key) is not None and spec.signal != signal:
                self.problems.error(
                    (*path, key), f"does nothing beside signal: {spec.signal}; remove it or write signal: {signal}"
                )
        if spec.speculative and len(spec.steps) > 2:
            self.problems.error(
                (*path, "speculative"), f"starts two steps together, and there are {len(spec.steps)}; leave two of them"
            )
        if spec.signal == "probe" and spec.probe is None:
            self.problems.error((*path, "probe"), "is missing; name the file that junctor calibrate --probe wrote")
        if spec.signal == "check" and spec.check is None:
            self.problems.error((*path, "check"), "is missing; name one of the checks given to Client(checks={…})")
        if spec.signal != "check" and spec.check is not None:
            self.problems.error(
                (*path, "check"), f"does nothing beside signal: {spec.signal}; remove it or write signal: check"
            )

    def _probe(self, path: Path, spec: CascadeSpec) -> Probe | None:
        if spec.probe is None:
            return None
        from junctor.cascade.probe import load

        try:
            return load(self.folder / spec.probe)
        except ConfigError as error:
            self.problems.error((*path, "probe"), str(error))
            return None

    def _calibration(self, path: Path, spec: CascadeSpec) -> Calibration | None:
        if spec.calibration is None:
            return None
        from junctor.cascade.calibration import load

        place = (*path, "calibration")
        if spec.accept is not None or spec.reject is not None:
            self.problems.error(place, "holds the thresholds; remove accept and reject, or remove it")
        try:
            found = load(self.folder / spec.calibration)
        except ConfigError as error:
            self.problems.error(place, str(error))
            return None
        if found.signal != spec.signal:
            self.problems.error(place, f"is for signal: {found.signal}, not {spec.signal}; calibrate this signal")
        return found

    def _thresholds(self, path: Path, spec: CascadeSpec, calibration: Calibration | None) -> tuple[float, float | None]:
        accept, reject = spec.accept, spec.reject
        if calibration is not None:
            accept, reject = calibration.accept, calibration.reject
        elif accept is None and spec.signal in ("schema", "check"):
            accept = 1.0
        low, high = RANGES[spec.signal]
        if accept is None:
            if spec.calibration is None:
                self.problems.error(
                    (*path, "accept"),
                    f"is missing; give the value of {spec.signal} from {low:g} to {high:g} at which an answer is "
                    "delivered, or calibration",
                )
            return 0.0, None
        for key, value in (("accept", accept), ("reject", reject)):
            if value is not None and not low <= value <= high:
                place = (*path, key if calibration is None else "calibration")
                self.problems.error(place, f"{value:g} is no value of {spec.signal}; it lies from {low:g} to {high:g}")
        if reject is not None and reject > accept:
            self.problems.error(
                (*path, "reject"), f"{reject:g} is above accept, {accept:g}; it must be the same or below"
            )
        return accept, reject


def _version(item: Deployment) -> str:
    """Which model answers: as the fleet calls it, and as its provider does where that is another name."""
    own = item.model.partition("/")[2]
    return item.model if item.provider_model == own else f"{item.model} ({item.provider_model})"


def members_of(step: str, groups: Mapping[str, Group], deployments: Iterable[Deployment]) -> list[Deployment]:
    """The deployments that a group, model or deployment stands for."""
    names = groups[step].members if step in groups else ()
    return [item for item in deployments if item.name in names or step in (item.name, item.model)]


def stand_ins(
    found: Mapping[str, Ladder], groups: Mapping[str, Group], deployments: Iterable[Deployment]
) -> dict[str, Group]:
    """The group that stands for each cascade in the core: its first step, with the later ones as fallbacks."""
    from junctor.config.valid import Group

    deployments = list(deployments)
    stand: dict[str, Group] = {}
    for name, ladder in found.items():
        first = ladder.steps[0]
        members = tuple(item.name for item in members_of(first, groups, deployments))
        like = groups[first] if first in groups else Group(name=name, members=members)
        stand[name] = msgspec.structs.replace(like, name=name, members=members, fallback=ladder.steps[1:], implied=True)
    return stand


def check_cascades(config: Config, checks: Problems) -> None:
    """What works otherwise than its author thinks: signals that nobody gives, thresholds of another model."""
    by_name = {item.name: item for item in config.deployments}
    for name, ladder in config.cascades.items():
        path: Path = ("cascades", name)
        if ladder.needs_logprobs:
            for index, step in enumerate(ladder.steps[:-1]):
                unable = [
                    item.declared
                    for item in members_of(step, config.groups, by_name.values())
                    if item.name not in ladder.able
                ]
                if unable:
                    then = "always escalated" if ladder.unknown == "escalate" else "always accepted"
                    text = f"{unable[0]} gives no log-probabilities, so its answers are {then}"
                    checks.warning((*path, "steps", index), f"{text}; choose another signal, or members that give them")
        for index, (then_models, now) in enumerate(zip(ladder.calibrated_for, ladder.models, strict=False)):
            if set(then_models) != set(now):
                text = f"was made for {', '.join(then_models)}, and step {index + 1} is now {', '.join(now)}"
                checks.warning((*path, "calibration"), f"{text}; calibrate again")
        probe = ladder.probe
        if probe is not None and probe.model and any(probe.model not in models for models in ladder.models[:-1]):
            now = ladder.models[0]
            checks.warning((*path, "probe"), f"was trained on {probe.model}, not on {', '.join(now)}; train it again")


def digest(config: Config) -> str | None:
    """A hash of all cascades, so that processes notice a change; None if there are none."""
    if not config.cascades:
        return None
    plain: Any = [msgspec.structs.replace(item, able=frozenset()) for item in config.cascades.values()]
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()[:16]
