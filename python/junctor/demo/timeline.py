"""The bad day: which fault hits whom, when it begins and when it ends.

Times are shares of the run, so that a short run has the same day as a long one. Faults are switched at the providers;
nobody tells the client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from junctor.demo.fleet import KeyPlan
from junctor.testing import faults
from junctor.testing.faults import Fault


class Faulty(Protocol):
    """Whatever faults can be switched on at: a simulated provider, here or in another process."""

    def inject(
        self, fault: Fault, *, key: str | None = None, region: str | None = None, dialect: str | None = None
    ) -> object:
        """Switch a fault on."""

    def clear(self, *, key: str | None = None, region: str | None = None) -> None:
        """Switch the faults of this key or region off."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """One fault from `begins` to `ends` (shares of the run) at a key or a whole region."""

    begins: float
    ends: float | None
    says: str
    over: str = ""
    key: str | None = None
    region: str | None = None
    fault: Callable[[float], Fault]

    def hits(self, plan: KeyPlan) -> bool:
        """Whether this key is hit."""
        return plan.name == self.key or plan.region == self.region


DAY: Final = (
    Trouble(
        begins=0.10, ends=None, key="gpt-us-a", fault=lambda _s: faults.dead(),
        says="key gpt-us-a is revoked: every answer is 401",
    ),
    Trouble(
        begins=0.20, ends=0.40, key="opus-us", fault=lambda _s: faults.slow(8),
        says="key opus-us turns slow: eight times the latency", over="opus-us is as fast as before",
    ),
    Trouble(
        begins=0.34, ends=0.46, key="haiku-us", fault=lambda s: faults.throttle(retry_after_s=round(0.05 * s, 2)),
        says="a storm of 429s at key haiku-us", over="the storm at haiku-us is over",
    ),
    Trouble(
        begins=0.47, ends=0.54, key="pro-us", fault=lambda _s: faults.cut(0, 0.5),
        says="half of the answers of pro-us break before their first content", over="pro-us is whole again",
    ),
    Trouble(
        begins=0.55, ends=0.63, key="flash-us", fault=lambda _s: faults.cut(5, 0.5),
        says="half of the answers of flash-us break in the middle", over="flash-us is whole again",
    ),
    Trouble(
        begins=0.66, ends=0.82, region="eu", fault=lambda _s: faults.lost(),
        says="region eu is lost: connections are refused", over="region eu is back",
    ),
)  # fmt: skip


class Moment(msgspec.Struct, frozen=True):
    """One switch of the timeline."""

    at_s: float
    says: str
    trouble: Trouble
    begins: bool

    def happen(self, provider: Faulty, *, seconds: float) -> None:
        """Switch the fault on or off."""
        trouble = self.trouble
        if self.begins:
            provider.inject(trouble.fault(seconds), key=trouble.key, region=trouble.region)
        else:
            provider.clear(key=trouble.key, region=trouble.region)


def moments(seconds: float) -> list[Moment]:
    """All switches of a run that lasts `seconds`, in order."""
    found = [Moment(trouble.begins * seconds, trouble.says, trouble, True) for trouble in DAY]
    found += [Moment(trouble.ends * seconds, trouble.over, trouble, False) for trouble in DAY if trouble.ends]
    return sorted(found, key=lambda moment: moment.at_s)
