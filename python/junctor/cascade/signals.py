"""How sure a model was of its answer, read from the log-probabilities of its tokens. Pure arithmetic.

A reading is a number, more is surer, or the reason why there is none. Providers send log-probabilities that are
missing, empty, positive, NaN, or only for some tokens; whoever averages what is left gets a number that looks like
confidence. So one bad token spoils the whole reading: the cascade then does what its author said for that case.

Which signal: the mean forgives one bad token in a long answer, the minimum does not, and on short factual answers the
minimum tells more (`docs/guides/cascades.md` has the figures). Entropy and margin look at what else the model might
have said; they need `top_logprobs`, and what a provider leaves out counts as one token more. Rejected: the product of
all probabilities, which measures length before it measures doubt.

All logarithms are natural. Entropy is counted below zero, so that more is surer for every signal.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

ROUNDING: Final = 0.001
"""Log-probabilities up to here above zero are a provider's rounding and count as zero."""

MAX_TOKENS: Final = 200_000
"""Of one answer that is read. Longer ones than any model writes are no answer."""

TOP: Final = 5
"""Alternatives asked for where a signal needs them: what all providers give, and beyond it hardly any mass is left."""


class Reading(NamedTuple):
    """How sure an answer looks: a finite `value`, or None and `why` there is none."""

    value: float | None
    why: str = ""


class Tokens(NamedTuple):
    """The numbers of one answer: of each token its log-probability, and those of its likeliest alternatives."""

    logprobs: tuple[float, ...]
    tops: tuple[tuple[float, ...], ...]
    """Empty where no alternatives came, else one descending row per token."""


def tokens_of(logprobs: object) -> Tokens | str:
    """The numbers in a reply's `logprobs` (OpenAI's form), or what is wrong with them in words."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if content is None:
        return "the answer came without log-probabilities"
    if not isinstance(content, Sequence) or isinstance(content, str | bytes) or len(content) > MAX_TOKENS:
        return "the log-probabilities are no list of tokens"
    if not content:
        return "the list of log-probabilities is empty"
    found: list[float] = []
    tops: list[tuple[float, ...]] = []
    for number, entry in enumerate(content, 1):
        value = _number(entry)
        if isinstance(value, str):
            return f"token {number} {value}"
        found.append(value)
        top = _top(entry)
        if isinstance(top, str):
            return f"token {number}: an alternative {top}"
        tops.append(top)
    return Tokens(tuple(found), tuple(tops) if all(len(row) > 1 for row in tops) else ())


def _number(entry: object) -> float | str:
    value = entry.get("logprob") if isinstance(entry, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "has no log-probability"
    if not math.isfinite(value):
        return f"has the log-probability {value}"
    if value > ROUNDING:
        return f"has the log-probability {value:g}, which is above 0"
    return min(float(value), 0.0)


def _top(entry: Any) -> tuple[float, ...] | str:
    listed = entry.get("top_logprobs")
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        return ()
    found = [_number(other) for other in listed]
    wrong = next((value for value in found if isinstance(value, str)), None)
    if wrong is not None:
        return wrong
    return tuple(sorted((value for value in found if not isinstance(value, str)), reverse=True))


def mean_logprob(tokens: Tokens) -> float:
    """The mean over all tokens: the logarithm of their geometric mean probability."""
    return math.fsum(tokens.logprobs) / len(tokens.logprobs)


def min_logprob(tokens: Tokens) -> float:
    """The least sure token's."""
    return min(tokens.logprobs)


def entropy(tokens: Tokens) -> float:
    """Minus the mean entropy per token, in nats: 0 is sure. What the alternatives leave open is one token more."""
    return -math.fsum(map(_entropy, tokens.tops)) / len(tokens.tops)


def _entropy(top: Sequence[float]) -> float:
    rest = max(0.0, 1.0 - math.fsum(map(math.exp, top)))
    seen = math.fsum(-value * math.exp(value) for value in top)
    return seen - (rest * math.log(rest) if rest > 0.0 else 0.0)


def margin(tokens: Tokens) -> float:
    """The mean distance between the probabilities of the two likeliest tokens, 0 to 1."""
    return math.fsum(math.exp(top[0]) - math.exp(top[1]) for top in tokens.tops) / len(tokens.tops)


LOGPROB_SIGNALS: Final[Mapping[str, Callable[[Tokens], float]]] = {
    "mean_logprob": mean_logprob,
    "min_logprob": min_logprob,
    "entropy": entropy,
    "margin": margin,
}
"""The signals that are read from token log-probabilities alone."""

NEED_TOP: Final = frozenset({"entropy", "margin"})


def read(signal: str, logprobs: object) -> Reading:
    """The reading of one of `LOGPROB_SIGNALS` from a reply's `logprobs`."""
    tokens = tokens_of(logprobs)
    if isinstance(tokens, str):
        return Reading(None, tokens)
    if signal in NEED_TOP and not tokens.tops:
        return Reading(None, "the answer came without the alternatives of each token")
    return Reading(LOGPROB_SIGNALS[signal](tokens))


_APART: Final = re.compile(r"[\W_]+", re.UNICODE)


def normalised(answer: str) -> str:
    """An answer as samples are compared: letters and digits in their common form, small, single blanks between."""
    return _APART.sub(" ", unicodedata.normalize("NFKC", answer).casefold()).strip()


def agreement(answer: str, others: Sequence[str]) -> float:
    """The share of the other samples that say the same as this answer. There must be at least one other."""
    same = normalised(answer)
    return sum(normalised(other) == same for other in others) / len(others)


_SCORE: Final = re.compile(r"\s*(\d{1,3})(?:\s*(?:%|/\s*100))?\s*\.?\s*")


def verbal_score(text: str) -> Reading:
    """The number from 0 to 100 that a model was asked for, as 0 to 1; anything around it is nonsense."""
    match = _SCORE.fullmatch(text)
    if match is None or int(match[1]) > 100:
        return Reading(None, "the score is no whole number from 0 to 100")
    return Reading(int(match[1]) / 100)


def user_score(told: object) -> Reading:
    """What the program's own check said: a truth value, or a number that is finite."""
    if isinstance(told, bool):
        return Reading(1.0 if told else 0.0)
    if isinstance(told, int | float) and math.isfinite(told):
        return Reading(float(told))
    return Reading(None, f"the check said {told if told is None else type(told).__name__}, which is no finite number")
