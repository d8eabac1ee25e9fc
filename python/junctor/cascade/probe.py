"""A probe: a small logistic regression that reads how sure an answer is off several numbers at once.

`junctor calibrate --probe` trains it and writes it as JSON; here it is only evaluated, in plain Python, because a dozen
multiplications need no library. Training calls `features` of this module too, so both sides see the same numbers. All
of them come from the log-probabilities of the answer's own tokens: what alternatives a provider lists differs too much
between training and serving.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from junctor.cascade import artifacts
from junctor.cascade.signals import Reading, Tokens, mean_logprob, min_logprob, tokens_of
from junctor.exceptions import ConfigError

UNSURE: Final = -1.0
"""A token below this had less than 37 in 100."""


def _spread(tokens: Tokens) -> float:
    mean = mean_logprob(tokens)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in tokens.logprobs) / len(tokens.logprobs))


FEATURES: Final[Mapping[str, Callable[[Tokens], float]]] = {
    "mean_logprob": mean_logprob,
    "min_logprob": min_logprob,
    "first_logprob": lambda tokens: tokens.logprobs[0],
    "last_logprob": lambda tokens: tokens.logprobs[-1],
    "spread": _spread,
    "unsure_share": lambda tokens: sum(value < UNSURE for value in tokens.logprobs) / len(tokens.logprobs),
    "ln_tokens": lambda tokens: math.log(len(tokens.logprobs)),
}
"""What a probe may look at, by name."""


def features(tokens: Tokens) -> list[float]:
    """All of `FEATURES`, in their order."""
    return [of(tokens) for of in FEATURES.values()]


class Weight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature: it is taken from its `mean`, divided by its `scale`, and counts with `weight`."""

    feature: str
    weight: float
    mean: float = 0.0
    scale: float = 1.0


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trained probe. `model` names the model whose answers it was trained on; `trained_on` how many they were."""

    kind: Literal["junctor-probe"] = "junctor-probe"
    version: Literal[1] = 1
    bias: float
    weights: Annotated[tuple[Weight, ...], Meta(min_length=1, max_length=len(FEATURES))]
    model: str = ""
    trained_on: int = 0

    def read(self, logprobs: object) -> Reading:
        """The probability that the answer is right, as far as the probe can tell."""
        tokens = tokens_of(logprobs)
        return Reading(None, tokens) if isinstance(tokens, str) else Reading(self.score(tokens))

    def score(self, tokens: Tokens) -> float:
        """The same from numbers that were read already."""
        terms = (item.weight * (FEATURES[item.feature](tokens) - item.mean) / item.scale for item in self.weights)
        logit = max(-60.0, min(60.0, self.bias + math.fsum(terms)))
        return 1.0 / (1.0 + math.exp(-logit))

    def to_json(self) -> bytes:
        """The file's content."""
        return artifacts.encoded(self)


def load(path: pathlib.Path) -> Probe:
    """The probe in this file. Raises `ConfigError` for anything else than a whole probe of this version."""
    probe = artifacts.load(path, Probe, "probe")
    _refuse_nonsense(probe, path.name)
    return probe


def _refuse_nonsense(probe: Probe, name: str) -> None:
    for item in probe.weights:
        if item.feature not in FEATURES:
            known = ", ".join(FEATURES)
            raise ConfigError(f"{name!r} looks at {item.feature!r}, which nothing measures; known are {known}")
        if not all(map(math.isfinite, (item.weight, item.mean, item.scale))) or item.scale <= 0:
            raise ConfigError(f"{name!r} has no usable numbers for {item.feature!r}; train it again")
    if not math.isfinite(probe.bias):
        raise ConfigError(f"{name!r} has no usable bias; train it again")
