"""The plan of a call's attempts: how many, where next, after what delay, within which time. Pure.

Retries make outages worse when each caller decides alone, and deadlines are broken by the one sleep nobody counted.
So every such decision is made here, from arguments: no clock, no draw, no I/O. Each number has its reason beside it.
The shared retry budget and the jitter of delays live in the core and reach this module as arguments and return values.

A `Plan` is the mutable memory of one call: which deployments it tried and what failed last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from junctor.failures import Failure

if TYPE_CHECKING:
    from junctor.request import Endpoint

MAX_ATTEMPTS: Final = 3
"""Attempts per call, the first included. Under a 20 % retry budget a third one is rare, and a fourth helps nobody."""

MIN_ATTEMPT_S: Final = 0.1
"""Less time than this is not worth another attempt: no provider answers faster, and the tokens would be spent."""

PLENTY_S: Final = 10.0
"""With this much time left nobody needs to ask how long a deployment usually takes."""

DEFAULT_DEADLINE_S: Final = 300.0
"""The whole call's deadline unless somebody says otherwise: long answers of slow models fit, a hung caller does not."""

DEFAULT_MAX_WAIT_S: Final = 2.0
"""How long a call may wait for capacity unless it says otherwise."""

MIN_WAIT_S: Final = 0.005
"""The shortest wait for capacity. It bounds the number of tries: at most `max_wait_s / MIN_WAIT_S`."""

WAIT_JITTER: Final = 0.25
"""Waiting callers spread over ±25 % of the time that the core names, so that they do not return together."""

SLOWEST_TOKENS_PER_S: Final = 20.0
"""A whole answer that comes slower than this is taken for lost. Slow large models write 25 to 40 tokens a second."""

UNBOUNDED_ANSWER_TOKENS: Final = 8_192
"""The length assumed for the timeout of a whole answer when nothing bounds it."""

Step = Literal["elsewhere", "stop"]


class Plan(msgspec.Struct):
    """What one call has tried so far."""

    tried: list[str] = msgspec.field(default_factory=list)
    last: Failure | None = None
    last_deployment: str | None = None
    last_provider: str | None = None

    def failed(self, failure: Failure, *, deployment: str, provider: str) -> None:
        """Remember the failure of an attempt."""
        self.last = failure
        self.last_deployment = deployment
        self.last_provider = provider
        if deployment not in self.tried:
            self.tried.append(deployment)


def next_step(failure: Failure, *, made: int, remaining_s: float, limit: int = MAX_ATTEMPTS) -> Step:
    """May another attempt follow this failure? The retry budget is asked afterwards, since asking withdraws from it."""
    if failure.meaning.next == "stop" or not may_start(made=made, remaining_s=remaining_s, limit=limit):
        return "stop"
    return "elsewhere"


def may_start(*, made: int, remaining_s: float, limit: int = MAX_ATTEMPTS) -> bool:
    """Whether a call that has made so many attempts has the number and the time for another one."""
    return made < limit and remaining_s >= MIN_ATTEMPT_S


def affordable(delay_s: float, *, remaining_s: float) -> bool:
    """Whether an attempt is still worth starting after this delay."""
    return delay_s + MIN_ATTEMPT_S <= remaining_s


def too_slow(expected_s: float, *, remaining_s: float) -> bool:
    """Whether a deployment that usually needs `expected_s` for its first content is not worth starting any more."""
    return remaining_s < max(MIN_ATTEMPT_S, 0.5 * expected_s)


def capacity_wait_s(retry_after_s: float, *, draw: float, left_s: float) -> float | None:
    """How long to wait for capacity, or None if it comes too late.

    `draw` is uniform in [0, 1); `left_s` is what remains of both the permitted wait and the deadline.
    """
    if not retry_after_s <= left_s:
        return None
    jittered = retry_after_s * (1.0 - WAIT_JITTER + 2.0 * WAIT_JITTER * draw)
    wait_s = max(MIN_WAIT_S, min(jittered, left_s))
    return wait_s if wait_s <= left_s else None


def whole_answer_timeout_s(
    endpoint: Endpoint, max_tokens: int | None, *, remaining_s: float, last: bool = False
) -> float:
    """How long an answer that arrives in one piece may take: the first content's time plus the time to write it out.

    Silence cannot be told from a long answer, so an attempt that others may follow leaves them half of the time, as
    long as that grants it the deployment's own time to first content.
    """
    tokens = min(max_tokens or endpoint.max_output_tokens or UNBOUNDED_ANSWER_TOKENS, UNBOUNDED_ANSWER_TOKENS)
    allowed_s = min(endpoint.first_content_timeout_s + tokens / SLOWEST_TOKENS_PER_S, remaining_s)
    return allowed_s if last else min(allowed_s, max(remaining_s / 2, endpoint.first_content_timeout_s))


def deadline_outcome(elapsed_s: float, endpoint: Endpoint) -> Literal["timeout", "cancelled"]:
    """What an attempt that the caller's deadline cut off says about the deployment.

    It failed only if it had the time that the deployment itself is granted: an impatient caller is nobody's ill health.
    """
    return "timeout" if elapsed_s >= endpoint.first_content_timeout_s else "cancelled"
