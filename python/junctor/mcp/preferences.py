"""Which model is preferred: hints first, then priorities between 0 and 1, as MCP's ModelPreferences has them.

The protocol gave up its own sampling, but the shape is what clients already have for "rather cheap than clever". Hints
are parts of names; the first that any model has decides whom the priorities rank. Among those, each side becomes a
figure between 0 and 1 by its place between the best and the worst, money and time by their logarithms, so that no unit
wins by its size; their weighted mean is the score.

A fleet says how good and how quick a deployment is expected to be. Of the catalog alone only prices are public: there
the dearer model is taken to be the abler one, and the cheaper to be the quicker. That is a rule of thumb, and the
answer says by what it was ranked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

EQUAL: Final = 0.5
"""The figure of all where nobody differs, or nothing is known."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One model with what is known of it: dollars per million tokens, seconds to first content, quality in [0, 1]."""

    name: str
    usd: float | None = None
    latency_s: float | None = None
    quality: float | None = None


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """What counts: parts of names in order of preference, and priorities from 0 (does not) to 1 (most)."""

    hints: Sequence[str] = ()
    cost: float = 0.0
    speed: float = 0.0
    intelligence: float = 0.0


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One model's place: its score in [0, 1], and the hint that spoke for it."""

    name: str
    score: float
    hint: str | None = None


def rank(candidates: Sequence[Candidate], preferences: Preferences) -> list[Ranked]:
    """The candidates by preference, best first; equal ones by name.

    Those that the first fitting hint names come before all others, those of the second next, and so on.
    """
    usd = [None if each.usd is None else -math.log(each.usd + 1e-3) for each in candidates]
    cheap = _between(usd)
    quick = _between([None if each.latency_s is None else -math.log(each.latency_s + 1e-3) for each in candidates])
    able = _between([each.quality for each in candidates])
    if all(each.latency_s is None for each in candidates):
        quick = cheap
    if all(each.quality is None for each in candidates):
        able = _between([None if value is None else -value for value in usd])
    weights = (preferences.cost, preferences.speed, preferences.intelligence)
    total = sum(weights) or 1.0
    found = []
    for each, figures in zip(candidates, zip(cheap, quick, able, strict=True), strict=True):
        score = sum(weight * figure for weight, figure in zip(weights, figures, strict=True)) / total
        found.append(Ranked(name=each.name, score=round(score, 4), hint=_hint(each.name, preferences.hints)))
    places = {hint: place for place, hint in enumerate(preferences.hints)}
    return sorted(found, key=lambda one: (places.get(one.hint or "", len(places)), -one.score, one.name))


def _hint(name: str, hints: Sequence[str]) -> str | None:
    return next((hint for hint in hints if hint.lower() in name.lower()), None)


def _between(values: Sequence[float | None]) -> list[float]:
    """Each value's place between the least (0) and the greatest (1); what is not known stands with the least."""
    known = [value for value in values if value is not None]
    if not known or max(known) == min(known):
        return [EQUAL] * len(values)
    low, span = min(known), max(known) - min(known)
    return [0.0 if value is None else (value - low) / span for value in values]
