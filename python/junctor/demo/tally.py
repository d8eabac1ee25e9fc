"""What became of each call, and the figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

OK: Final = "ok"
INTERRUPTED: Final = "interrupted"
NO_CAPACITY: Final = "no_capacity"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How one call ended, as its caller saw it.

    `kind` is `ok`, `interrupted` (a stream that broke after its first content), `no_capacity`, `refused`, `deadline` or
    the failure kind of the last attempt. Times are seconds from the moment the call was due. `hopeless` says that no
    deployment that the call may go to was up, `unnoticed` that one was up again and no probe had found that out yet.
    """

    kind: str
    streamed: bool
    total_s: float
    first_content_s: float | None = None
    attempts: int = 1
    downgrade: bool = False
    cost_usd_micros: int = 0
    hopeless: bool = False
    unnoticed: bool = False


class Spread(msgspec.Struct, frozen=True):
    """Half of all were faster than `p50_ms`, all but one in a hundred faster than `p99_ms`."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, times_s: Iterable[float]) -> Spread:
        """The figures of these times; zero for none."""
        ordered = sorted(times_s)
        return cls(_quantile_ms(ordered, 0.50), _quantile_ms(ordered, 0.99))


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A run in figures. `calls` = `answered` + `interrupted` + the sum of `failed`.

    `hopeless` and `unnoticed` are among the failed; see `Ended`.
    """

    calls: int
    answered: int
    interrupted: int
    failed: dict[str, int]
    hopeless: int
    unnoticed: int
    retried_and_answered: int
    downgrades: int
    attempts: int
    cost_usd_micros: int
    first_content: Spread
    whole: Spread

    @property
    def failures(self) -> int:
        """Calls that got no answer, interrupted streams not counted."""
        return sum(self.failed.values())

    @property
    def avoidable(self) -> int:
        """Failures of calls that somebody could have answered."""
        return self.failures - self.hopeless - self.unnoticed


def figures(calls: int, ended: Sequence[Ended]) -> Figures:
    """The figures of a run in which `calls` calls were made."""
    answered = [each for each in ended if each.kind == OK]
    failed = Counter(each.kind for each in ended if each.kind not in (OK, INTERRUPTED))
    return Figures(
        calls=calls,
        answered=len(answered),
        interrupted=sum(each.kind == INTERRUPTED for each in ended),
        failed=dict(sorted(failed.items())),
        hopeless=sum(each.hopeless for each in ended if each.kind in failed),
        unnoticed=sum(each.unnoticed for each in ended if each.kind in failed),
        retried_and_answered=sum(each.attempts > 1 for each in answered),
        downgrades=sum(each.downgrade for each in answered),
        attempts=sum(each.attempts for each in ended),
        cost_usd_micros=sum(each.cost_usd_micros for each in ended),
        first_content=Spread.of(each.first_content_s for each in answered if each.first_content_s is not None),
        whole=Spread.of(each.total_s for each in answered),
    )


def _quantile_ms(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)
