"""What the fleet file says about the learned scorer: its file, and whose predictions are whose.

The artifact is read and checked when the fleet file is loaded, so that a damaged one is found out then, and a reload
adopts a new one. It travels to the core inside the compiled fleet: one configuration is one scorer, and a decision's
`config_hash` names both.
"""

from __future__ import annotations

import base64
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor import _core
from junctor.config.errors import Problems, did_you_mean, show

if TYPE_CHECKING:
    from junctor.config.spec import Objective, ObjectiveWeights, ScorerSpec
    from junctor.config.valid import Config

MAX_BYTES: Final = 33_554_432
"""More than the largest artifact has: 32 models over 2^18 rows are a quarter of it, vectors twelve MiB."""


class Scorer(msgspec.Struct, frozen=True, kw_only=True):
    """A scorer that was read. `models` and `like` map models of the fleet to the artifact's, `known` are these.

    `fields` are the figures that it looks at beside the text.
    """

    artifact: bytes
    known: tuple[str, ...]
    fields: tuple[str, ...]
    models: dict[str, str]
    like: dict[str, str]

    def speaks_for(self, model: str) -> bool:
        """Whether it predicts the quality of this model of the fleet."""
        return not {model, model.partition("/")[2]}.isdisjoint(self.known) or model in self.models | self.like


def scorer_of(
    spec: ScorerSpec | None, models: Iterable[str], folder: pathlib.Path, problems: Problems
) -> Scorer | None:
    """The scorer of a fleet file; None if there is none, or if it is wrong."""
    if spec is None:
        return None
    try:
        with (folder / spec.file).open("rb") as file:
            artifact = file.read(MAX_BYTES + 1)
        scorer = _core.Scorer(artifact)
        known, fields = scorer.models, scorer.fields
    except OSError as error:
        problems.error(
            ("scorer", "file"), f"{show(spec.file)} cannot be read ({error.strerror}); `junctor train` makes it"
        )
        return None
    except ValueError as error:
        problems.error(("scorer", "file"), f"{show(spec.file)}: {error}")
        return None
    here = frozenset(models)
    for key, mapped in (("models", spec.models), ("like", spec.like)):
        for model, name in mapped.items():
            if model not in here:
                hint = did_you_mean(model, here, what="models of deployments")
                problems.error(("scorer", key, model), f"no deployment has this model; {hint}")
            if name not in known:
                hint = did_you_mean(name, known, what="models of the artifact")
                problems.error(("scorer", key, model), f"the artifact has no model {show(name)}; {hint}")
    return Scorer(artifact=artifact, known=tuple(known), fields=tuple(fields), models=spec.models, like=spec.like)


def compiled_scorer(scorer: Scorer) -> dict[str, Any]:
    """The scorer in the core's form."""
    return {
        "artifact": base64.b64encode(scorer.artifact).decode(),
        "models": scorer.models,
        "like": scorer.like,
    }


def warn_of_unscored(config: Config, problems: Problems) -> None:
    """Warns of a scorer that no objective asks, and of models that it does not know where one does."""
    if config.scorer is None:
        return
    asking = [name for name, group in config.groups.items() if asks_for_quality(group.objective)]
    if not asking:
        problems.warning(("scorer",), "no group asks for quality: give one an objective with quality, floor or gap")
    models = {item.name: item.model for item in config.deployments}
    for name in asking:
        members = {models[member] for member in config.groups[name].members}
        for model in sorted(model for model in members if not config.scorer.speaks_for(model)):
            problems.warning(
                ("groups", name),
                f"the scorer does not know {show(model)}: its configured `quality` counts for every prompt; "
                "say in `scorer.like` which of the artifact's models it resembles",
            )


def asks_for_quality(objective: Objective | ObjectiveWeights) -> bool:
    """Whether an objective looks at quality, so that a prediction of it can matter."""
    if isinstance(objective, str):
        return objective == "best"
    enough = (objective.floor, objective.gap, objective.tolerance)
    return objective.quality > 0 or any(value is not None for value in enough)
