"""Dates in headers as seconds, without a clock: only differences between two of them are ever used."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_MONTHS: Final = {
    name: number + 1
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    )
}


@lru_cache(maxsize=64)  # answers within one second share their Date
def http_date_s(value: str) -> float | None:
    """Seconds of an HTTP date (`Sun, 06 Nov 1994 08:49:37 GMT`, old forms too); None if it is none."""
    try:
        if len(value) == 29 and value.endswith(" GMT"):
            date = datetime(
                int(value[12:16]),
                _MONTHS[value[8:11]],
                int(value[5:7]),
                int(value[17:19]),
                int(value[20:22]),
                int(value[23:25]),
                tzinfo=UTC,
            )
        else:
            from email.utils import parsedate_to_datetime  # slow to import, and hardly ever needed

            date = parsedate_to_datetime(value)
        return _seconds(date)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        return None


@lru_cache(maxsize=64)
def rfc3339_s(value: str) -> float | None:
    """Seconds of an RFC 3339 time (`2026-08-19T14:34:43Z`); None if it is none."""
    if len(value) < 19 or value[4] != "-" or value[10] not in "Tt ":
        return None
    try:
        return _seconds(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return None


def _seconds(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
