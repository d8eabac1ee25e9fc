"""The provider's hint when to come back, from the first source that says something.

Order: `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` in seconds or as an HTTP date, `RetryInfo.retryDelay` in
the body. A date is read against the response's own `Date` header, never against our clock, so a skewed provider cannot
mislead us. Hints are clamped to one hour: a provider that says "tomorrow" is asked again hourly, by a probe. A hint of
zero yields to a later source that says more: Azure really sends `retry-after-ms: 0` beside `retry-after: 1`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from junctor.adapters.http_date import http_date_s

MAX_HINT_S: Final = 3600.0

_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?")
_DELAY: Final = re.compile(r"(\d+(?:\.\d+)?)s")


def hint_s(headers: Mapping[str, str], body: Any = None) -> float | None:
    """Seconds until a retry makes sense, in [0, 3600]; None if nobody said anything sensible.

    `headers` have lower-case names; `body` is the decoded error body, if there is one.
    """
    zero: float | None = None
    for seconds in (
        _scaled(headers.get("retry-after-ms"), 1000.0),
        _scaled(headers.get("x-ms-retry-after-ms"), 1000.0),
        _retry_after(headers),
        _retry_info(body),
    ):
        if seconds is None:
            continue
        if seconds > 0:
            return min(seconds, MAX_HINT_S)
        zero = 0.0
    return zero


def _scaled(value: str | None, divisor: float) -> float | None:
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value) / divisor
    return number if math.isfinite(number) else MAX_HINT_S


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _scaled(value, 1.0)
    if seconds is not None:
        return seconds
    then, now = http_date_s(value.strip()), http_date_s(headers.get("date", ""))
    return None if then is None or now is None else max(0.0, then - now)


def _retry_info(body: Any) -> float | None:
    """`RetryInfo.retryDelay` of a Google error, such as "34.4s"."""
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    if not isinstance(details, list):
        return None
    for detail in details:
        if isinstance(detail, dict) and isinstance(delay := detail.get("retryDelay"), str):
            found = _DELAY.fullmatch(delay.strip())
            return float(found[1]) if found else None
    return None
