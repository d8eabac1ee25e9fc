"""One call that ended, as its observers are told of it: what they count of it, and its receipt for who reads on.

A receipt explains a decision and can be replayed, with everybody that the decision looked at; it knows neither
addresses nor wall time nor the parameters of the request. To put one together costs as much as a third of a call, and
an observer that counts needs a dozen fields of it. So those are read from the attempts themselves, once for all
observers on the thread that tells them, and the receipt is made when somebody asks: `receipt` of a call and `told` of
an attempt are properties, and all who ask get the same one.

Everything here is immutable and without content, but for the field of that name; nothing refers back, so the garbage
collector need not look (`gc=False`, as in receipts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from junctor.receipts import Attempt, Climb, Decision, Labelled, Receipt, Trail, downgraded
from junctor.reply import ToolCall, Usage


class ObservedAttempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt of the call, and where it went. Times are nanoseconds since 1970, on the call's one clock.

    The first fields are those of the same names in a receipt's `Attempt` and its decision.
    """

    deployment: str
    outcome: str
    group: str
    rule: str | None
    downgrade: bool
    weaker: bool
    status: int | None
    hedge: bool
    refusals: Mapping[str, str]
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int
    duration_s: float
    first_content_s: float | None = None
    provider: str
    model: str
    adapter: str = ""
    provider_model: str = ""
    address: str = ""
    port: int | None = None
    began_ns: int
    ended_ns: int
    place: int
    trail: Trail

    @property
    def told(self) -> Attempt:
        """All that the call's receipt tells of this attempt."""
        return self.trail.receipt().attempts[self.place]


class Answered(msgspec.Struct, frozen=True):
    """What the provider said of its answer. Vectors have neither an id nor a reason to end."""

    id: str
    model: str
    finish_reason: str
    usage: Usage


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and answered, for observers that keep content. The messages are those of the call's beginning."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    text: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()


class Observed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call that ended.

    `operation` is `chat` or `embeddings`. `outcome` is `ok`, the failure kind of the last attempt, `interrupted` (a
    stream broke), `refused`, `too_large`, `no_capacity`, `deadline`, `invalid_request`, `cancelled` or `error`.
    `duration_s` is the whole call, `first_content_s` from its beginning to the first content of a stream, `waited_s`
    the time that it waited for capacity and between attempts. `overhead_us` is what is left when that and the
    providers' time are taken away: junctor's own microseconds (of a stream, until its request was sent).
    `parameters` are those of the request that say nothing of its content. `cost_usd_micros`, `failed_decision`,
    `cascade`, `labels` and `dropped` are those of the receipt.
    """

    operation: str
    asked: str
    streamed: bool
    outcome: str
    attempts: tuple[ObservedAttempt, ...]
    began_ns: int
    duration_s: float
    first_content_s: float | None = None
    waited_s: float = 0.0
    overhead_us: int = 0
    parameters: Mapping[str, Any] = {}
    tags: Mapping[str, str] = {}
    session: str | None = None
    answered: Answered | None = None
    content: Content | None = None
    cost_usd_micros: int = 0
    failed_decision: Decision | None = None
    cascade: Climb | None = None
    labels: tuple[Labelled, ...] = ()
    dropped: tuple[str, ...] = ()
    trail: Trail

    @property
    def receipt(self) -> Receipt:
        """The whole receipt, put together for who asks first."""
        return self.trail.receipt()

    @property
    def ended_ns(self) -> int:
        """When the call ended, in nanoseconds since 1970."""
        return self.began_ns + round(self.duration_s * 1e9)

    @property
    def tenant(self) -> str | None:
        """Whose call it was, if it said so."""
        return self.tags.get("tenant")

    @property
    def last(self) -> ObservedAttempt | None:
        """The attempt that counts: the one that answered, else the last that was made."""
        return self.attempts[-1] if self.attempts else None

    @property
    def rule(self) -> str | None:
        """The rule of the decision that counts, as in the receipt."""
        told = self.last or self.failed_decision
        return None if told is None else told.rule

    @property
    def downgrade(self) -> bool:
        """Whether another group served than the one that was asked for, as the receipt says it."""
        told = self.last or self.failed_decision
        return told is not None and downgraded(told.group, self.cascade, fallback=told.downgrade, weaker=told.weaker)
