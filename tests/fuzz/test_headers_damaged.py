"""Rate-limit headers and hints: whatever a provider writes there, what comes out is usable or nothing."""

from __future__ import annotations

import math

from junctor import adapters
from junctor.adapters.http_date import http_date_s, rfc3339_s
from junctor.adapters.rate_limits import MAX_RESET_S, MAX_VALUE, duration_s, told_limits
from junctor.adapters.retry_after import MAX_HINT_S, hint_s
from junctor.failures import Failure
from junctor.reply import RateLimit
from tests.fuzz.mutants import CASES, corpus, mutants, survived

WORDS = [
    b"retry-after: ",
    b"GMT",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"1h2m3s",
    b"99999999d",
    b"-5s",
    b", ",
    b": ",
    b"Z",
    b"+",
]
SEEDS = corpus("*.headers")


def headers_of(raw: bytes) -> dict[str, str]:
    """As a transport hands them on: names in lower case, one value each."""
    pairs = (line.partition(":") for line in raw.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip(" ") for name, _, value in pairs}


def read(headers: dict[str, str]) -> tuple[tuple[RateLimit, ...], float | None, list[Failure]]:
    failures = [adapters.get(name).classify(429, headers, b"") for name in adapters.names()]
    return told_limits(headers), hint_s(headers), failures


def is_seconds(value: float | None, most: float) -> bool:
    return value is None or (math.isfinite(value) and 0 <= value <= most)


def test_what_is_well_formed_says_something() -> None:
    """Else the mutants would be copies of nothing."""
    for name, seed in SEEDS:
        limits, hint, _ = read(headers_of(seed))
        assert len(limits) >= 2, name
        assert all(limit.limit and limit.remaining for limit in limits), name
        assert hint, name


def test_no_header_raises_hangs_or_says_what_cannot_be() -> None:
    for number, (name, mutant) in enumerate(mutants(SEEDS, WORDS, CASES)):
        headers = headers_of(mutant)
        limits, hint, failures = survived(number, read, headers)
        for limit in limits:
            for count in (limit.limit, limit.remaining):
                assert count is None or 0 <= count <= MAX_VALUE, (name, limit)
            assert is_seconds(limit.reset_s, MAX_RESET_S), (name, limit)
        assert is_seconds(hint, MAX_HINT_S), name
        for failure in failures:
            assert failure.kind in ("rate_limit", "quota"), name
            assert is_seconds(failure.retry_after_s, MAX_HINT_S), name


def test_no_duration_or_date_raises_or_is_no_time() -> None:
    seeds = [
        ("durations", b"1h2m3.5s"),
        ("dates", b"Wed, 25 Nov 2026 14:34:22 GMT"),
        ("stamps", b"2026-11-25T14:34:23.5Z"),
    ]
    for number, (name, mutant) in enumerate(mutants(seeds, WORDS, CASES)):
        text = mutant.decode("latin-1")
        for parse in (duration_s, http_date_s, rfc3339_s):
            value = survived(number, parse, text)
            assert value is None or math.isfinite(value), (name, parse.__name__, text)
