"""What was spent, out of the lines that `junctor.observe.log` wrote: money by group, and how long the log is.

A log may have other programs' lines between its own; those are counted and left out. A line is taken if it is a JSON
object that says `"event": "call"` or `"attempt"`. What attempts that did not serve their call cost is what the plan's
margin for attempts should be, so a log with attempts (level DEBUG) measures it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

DAY_S: Final = 86_400.0


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a log tells; money in micro-dollars.

    `span_s` is from its first call to its last; `attempts` is what all attempts cost beside those that answered, None
    where the log has no attempts; `foreign` are lines that are no calls.
    """

    calls: int
    cost: int
    by_group: Mapping[str, int]
    span_s: float
    attempts: float | None
    foreign: int

    def over(self, days: float) -> int | None:
        """As much for so many days; None if the log is shorter than an hour, which tells nothing of a day."""
        return None if self.span_s < 3_600 else round(self.cost * days * DAY_S / self.span_s)


class _Line(msgspec.Struct, frozen=True):
    event: str = ""
    time: str = ""
    group: str = "?"
    outcome: str = "ok"
    cost_usd: float = 0.0


def spent(lines: Iterable[bytes]) -> Spent:
    """The sum of these lines. What cannot be read is counted, never guessed."""
    decoder = msgspec.json.Decoder(_Line)
    calls = cost = foreign = tried = answered = 0
    groups: defaultdict[str, int] = defaultdict(int)
    times: list[float] = []
    for raw in lines:
        try:
            line = decoder.decode(raw)
            at_s = datetime.fromisoformat(line.time).timestamp()
        except (msgspec.DecodeError, ValueError):
            foreign += 1
            continue
        micros = round(line.cost_usd * 1_000_000)
        if line.event == "call":
            calls, cost = calls + 1, cost + micros
            groups[line.group] += micros
            times = [min([at_s, *times[:1]]), max([at_s, *times[1:]])]
        elif line.event == "attempt":
            tried += micros
            answered += micros if line.outcome == "ok" else 0
        else:
            foreign += 1
    return Spent(
        calls=calls,
        cost=cost,
        by_group=dict(sorted(groups.items())),
        span_s=times[1] - times[0] if times else 0.0,
        attempts=tried / answered if answered else None,
        foreign=foreign,
    )
