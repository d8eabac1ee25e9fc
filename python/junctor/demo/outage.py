"""The loss of a region as it really came about, and who could have answered the calls that it alone may take.

The timeline says when the region should go; the switch itself takes its time on a busy machine, and a call is judged by
what was true, not by what was planned.
"""

from __future__ import annotations

from math import inf

import msgspec

from junctor.demo.fleet import GROUPS
from junctor.demo.tally import INTERRUPTED, NO_CAPACITY, OK, Ended
from junctor.demo.timeline import Moment
from junctor.demo.traffic import Ask


class Outage:
    """When the region was lost and when it was back, in seconds of the run; `inf` while that has not happened."""

    def __init__(self) -> None:
        self.begins_s = inf
        self.ends_s = inf
        self._found_back: set[str] = set()

    def happened(self, moment: Moment, *, before_s: float, after_s: float) -> None:
        """A switch of the timeline was thrown between these two times."""
        if moment.trouble.region is None:
            return
        if moment.begins:
            self.begins_s = before_s
        else:
            self.ends_s = after_s

    def judge(self, ask: Ask, ended: Ended) -> Ended:
        """The same end, with who could have answered a call that only the lost region may take."""
        if not ask.eu_only:
            return ended
        back = ask.at_s >= self.ends_s
        if ended.kind in (OK, INTERRUPTED):
            if back:
                # The last group answers for all that fall back to it.
                self._found_back |= {*GROUPS} if ended.downgrade or ask.group == GROUPS[-1] else {ask.group}
            return ended
        hopeless = not back and ask.at_s + ended.total_s > self.begins_s
        unnoticed = back and ended.kind == NO_CAPACITY and ask.group not in self._found_back
        return msgspec.structs.replace(ended, hopeless=hopeless, unnoticed=unnoticed)
