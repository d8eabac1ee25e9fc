"""Limits as providers tell them in headers, in one form.

Read here: OpenAI, Azure and Groq (`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, durations such as `6m0s`),
Anthropic (`anthropic-ratelimit-*`, RFC 3339 times read against the response's `Date`), Mistral (`…-req-minute`,
`…-tokens-minute`). Others send none.

Headers lie. A value that is malformed, negative, not a number or beyond 2^53 is left out and counted, and so is a
`remaining` above its `limit`: cut to the limit it would say that nothing is used. Nothing here ever raises a limit: the
core takes the lower of what it knows and what it is told.

OpenAI's lower tiers and Groq report requests *per day* under the same name as others report them per minute. The refill
tells them apart: `reset` is the time until full, so `reset × limit / used` is the window.

Anthropic rounds remaining tokens to the nearest thousand: a round number is read as its lower bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from junctor.adapters.http_date import http_date_s, rfc3339_s
from junctor.reply import RateLimit

Dimension = Literal["rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd"]

MAX_VALUE: Final = 2**53  # beyond it a JSON number is no longer exact, so nobody means it
MAX_RESET_S: Final = 31 * 86400.0
DAILY_WINDOW_S: Final = 3600.0  # a window estimated longer than this is a day: there is none between minute and day

_COUNT: Final = re.compile(r"\d{1,16}")
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_PLAIN: Final = re.compile(r"\d+(?:\.\d+)?")

_ROUNDING: Final = 1000


def read_limits(headers: Mapping[str, str]) -> tuple[tuple[RateLimit, ...], int]:
    """(what the headers say about limits, how many of these headers were nonsense)."""
    found: list[RateLimit] = []
    bad = 0
    for names in _OPENAI:
        if names.limit in headers or names.remaining in headers:
            bad += _openai(headers, names, found)
    if "anthropic-ratelimit-requests-limit" in headers or "anthropic-ratelimit-input-tokens-limit" in headers:
        bad += _anthropic(headers, found)
    if "x-ratelimit-limit-req-minute" in headers:
        bad += _mistral(headers, "req-minute", "rpm", found)
    if "x-ratelimit-limit-tokens-minute" in headers:
        bad += _mistral(headers, "tokens-minute", "tpm", found)
    return tuple(found), bad


def told_limits(headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
    """What the headers say about limits, and for each header that was nonsense one entry that says nothing.

    The core counts those: a provider that lies about its limits is worth knowing.
    """
    limits, bad = read_limits(headers)
    return limits if not bad else limits + (RateLimit("rpm"),) * bad


@lru_cache(maxsize=1024)  # the same few durations come again and again
def duration_s(value: str) -> float | None:
    """Seconds of `6m0s`, `12ms`, `1h2m3.5s` or a plain number of seconds; None if it is none of them."""
    value = value.strip()
    if _PLAIN.fullmatch(value):
        seconds = float(value)
    else:
        found = _DURATION.fullmatch(value)
        if found is None or not value:
            return None
        days, hours, minutes, secs, millis = (float(part) if part else 0.0 for part in found.groups())
        seconds = days * 86400 + hours * 3600 + minutes * 60 + secs + millis / 1000
    return seconds if seconds <= MAX_RESET_S else None


def _count(value: str | None) -> tuple[int | None, int]:
    """(the number or None, 1 if there was a value but no sensible one)."""
    if value is None:
        return None, 0
    value = value.strip()
    if _COUNT.fullmatch(value) and value.isascii() and (number := int(value)) <= MAX_VALUE:
        return number, 0
    return None, 1


def _add(
    found: list[RateLimit], dimension: Dimension, limit: int | None, remaining: int | None, reset_s: float | None
) -> int:
    bad = 0
    if limit is not None and remaining is not None and remaining > limit:
        remaining, bad = None, 1
    if limit is not None or remaining is not None:
        found.append(RateLimit(dimension, limit, remaining, reset_s))
    return bad


class _Names(NamedTuple):
    """The headers that tell of one limit, and what they tell of."""

    dimension: Dimension
    limit: str
    remaining: str
    reset: str


def _openai_names(what: str, dimension: Dimension) -> _Names:
    return _Names(dimension, *(f"x-ratelimit-{word}-{what}" for word in ("limit", "remaining", "reset")))


_OPENAI: Final = (_openai_names("requests", "rpm"), _openai_names("tokens", "tpm"))
_PER_DAY: Final[dict[Dimension, Dimension]] = {"rpm": "rpd", "tpm": "tpd"}


def _openai(headers: Mapping[str, str], names: _Names, found: list[RateLimit]) -> int:
    limit, bad_limit = _count(headers.get(names.limit))
    remaining, bad_remaining = _count(headers.get(names.remaining))
    bad = bad_limit + bad_remaining
    reset_s = None
    if (text := headers.get(names.reset)) is not None:
        reset_s = duration_s(text)
        bad += reset_s is None
    dimension = names.dimension
    used = limit - remaining if limit and remaining is not None else 0
    if limit and reset_s and used > 0 and reset_s * limit / used > DAILY_WINDOW_S:
        dimension = _PER_DAY[dimension]
    return bad + _add(found, dimension, limit, remaining, reset_s)


def _anthropic_names(what: str, dimension: Dimension) -> _Names:
    return _Names(dimension, *(f"anthropic-ratelimit-{what}-{word}" for word in ("limit", "remaining", "reset")))


_ANTHROPIC: Final = (
    _anthropic_names("requests", "rpm"),
    _anthropic_names("tokens", "tpm"),
    _anthropic_names("input-tokens", "input_tpm"),
    _anthropic_names("output-tokens", "output_tpm"),
)


def _anthropic(headers: Mapping[str, str], found: list[RateLimit]) -> int:
    bad = 0
    now_s = http_date_s(headers.get("date", ""))
    for names in _ANTHROPIC:
        limit, bad_limit = _count(headers.get(names.limit))
        remaining, bad_remaining = _count(headers.get(names.remaining))
        bad += bad_limit + bad_remaining
        reset_s = None
        if (text := headers.get(names.reset)) is not None:
            then_s = rfc3339_s(text)
            bad += then_s is None
            if then_s is not None and now_s is not None and then_s - now_s <= MAX_RESET_S:
                reset_s = max(0.0, then_s - now_s)
        bad += _add(found, names.dimension, limit, _lower_bound(remaining, names.dimension), reset_s)
    return bad


def _lower_bound(remaining: int | None, dimension: Dimension) -> int | None:
    if remaining and dimension != "rpm" and remaining % _ROUNDING == 0:
        return remaining - _ROUNDING // 2
    return remaining


def _mistral(headers: Mapping[str, str], what: str, dimension: Dimension, found: list[RateLimit]) -> int:
    limit, bad_limit = _count(headers.get(f"x-ratelimit-limit-{what}"))
    remaining, bad_remaining = _count(headers.get(f"x-ratelimit-remaining-{what}"))
    return bad_limit + bad_remaining + _add(found, dimension, limit, remaining, None)
