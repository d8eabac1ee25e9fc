"""When days begin in a time zone, as a list of offsets that the core can add up without knowing zones.

The core reads no files, so it gets `[from wall second, offset from UTC in seconds]` pairs instead of a zone name. The
list covers fixed years rather than "ten years from now", so that the same fleet file compiles to the same bytes, and
thus the same config hash, on every day.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from junctor.config.errors import did_you_mean, show

if TYPE_CHECKING:
    import zoneinfo

Transitions = tuple[tuple[int, int], ...]

FIRST_YEAR: Final = 2025
LAST_YEAR: Final = 2045  # the last offset simply goes on after it
_STEP: Final = dt.timedelta(days=7)  # no zone changes its clock forth and back within a week
_UTC: Final = dt.UTC


class UnknownZone(ValueError):
    """The zone is unknown here. The message names it and the nearest known one."""


def transitions(name: str) -> Transitions:
    """The zone's offset from the beginning of time, then every change until `LAST_YEAR`.

    Raises `UnknownZone`.
    """
    if name == "UTC":  # known even where no time zone database is installed
        return ((0, 0),)
    zone = _zone(name)
    moment = dt.datetime(FIRST_YEAR, 1, 1, tzinfo=_UTC)
    found = [(0, _offset_s(zone, moment))]
    while moment.year <= LAST_YEAR:
        later = moment + _STEP
        if (offset := _offset_s(zone, later)) != found[-1][1]:
            found.append((_change(zone, moment, later), offset))
        moment = later
    return tuple(found)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    import zoneinfo  # it looks for the system's time zones: only fleets with daily resets need them

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(zoneinfo.available_timezones())
    if not known:
        raise UnknownZone(f"{show(name)} is unknown: this machine has no time zone database; install tzdata") from None
    raise UnknownZone(f"{show(name)} is no time zone; {did_you_mean(name, known, what='zones')}") from None


def _offset_s(zone: zoneinfo.ZoneInfo, moment: dt.datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _change(zone: zoneinfo.ZoneInfo, before: dt.datetime, after: dt.datetime) -> int:
    """The first second of the later offset, by halving."""
    low, high = int(before.timestamp()), int(after.timestamp())
    new = _offset_s(zone, after)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(zone, dt.datetime.fromtimestamp(middle, _UTC)) == new:
            high = middle
        else:
            low = middle
    return high
