"""Receipts: what was decided for one call and why, what was held, what it cost.

A receipt is plain data: it can be logged, sent and stored as JSON, and holds neither secrets nor content. Every
attempt carries the decision that chose its deployment together with what that decision saw (time, seed, load of each
candidate it looked at), so `Router.replay` can make the same decision again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from junctor.exceptions import JunctorError

if TYPE_CHECKING:
    from junctor.observe.watch import Watch


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One deployment that a decision looked at.

    `verdict` is `chosen`, `passed_over` (the other of two was preferred) or the reason of its refusal. The other fields
    are the load that was seen: permits in flight, effective weight and the share of it in force, expected time to first
    content (and its logarithm, in which the core reckons), success rate, age of the oldest unanswered attempt; `score`
    is their product, less is better. `tier` is the rank by cost and quality, highest first; `quality` what
    was expected of its answer, if the objective asks: `predicted` by the learned scorer, for a model that this one is
    `like`, or configured, because the scorer `abstained` or (empty) was not asked; `until_ns` when a refusal ends.

    Defaults are zero, as in the core: what is left out of JSON must mean the same on both sides.
    """

    deployment: str
    verdict: str
    in_flight: int = 0
    weight: float = 0.0
    share: float = 0.0
    latency_s: float = 0.0
    latency_ln: float = 0.0
    success: float = 0.0
    age_s: float = 0.0
    score: float = 0.0
    tier: int = 0
    cost_usd_micros: int = 0
    quality: float = 0.0
    quality_from: str = ""
    until_ns: int | None = None


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One walk: gate, rules, score, balance, reserve.

    `replayable` is whether the record holds everything that the walk saw, so that `Router.replay` can make it again;
    `scorer` names the artifact that was asked for predictions, if one was.
    """

    deployment: str | None
    group: str | None
    asked: str
    config_hash: str
    at_ns: int
    seed: int
    rule: str | None = None
    downgrade: bool = False
    last_resort: bool = False
    warm: bool = False
    candidates: tuple[Candidate, ...] = ()
    refusals: Mapping[str, str] = {}
    held: Mapping[str, int] = {}
    estimated_cost_usd_micros: int = 0
    max_output_tokens: int | None = None
    effort: str | None = None
    request: Mapping[str, Any] = {}
    scorer: str | None = None
    replayable: bool = False


class Explanation(Decision, frozen=True, omit_defaults=True):
    """A decision told in full, nothing held.

    `survey` is how every member of the groups that the request may visit stood, `reasons` why those were out that were,
    `denial` the sentence that `reserve` would have raised, or None.
    """

    denial: str | None = None
    survey: tuple[Candidate, ...] = ()
    reasons: Mapping[str, str] = {}


class Pruned(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was left out of a conversation: turns that lost something, and their tokens in the common estimate.

    `fits` is False when the budget could not be reached without what must stay; `summarised` when a summary stands for
    what is gone.
    """

    turns: int
    tokens: int
    fits: bool = True
    summarised: bool = False


class Shaped(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a request was shaped for the deployment of one attempt.

    `variant` is `prompt/pattern`: the prompt that was asked for and which of its variants this deployment got.
    """

    variant: str | None = None
    pruned: Pruned | None = None


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One try at one deployment: its decision, its outcome, and the money and tokens it really used.

    `outcome` is `ok`, a failure kind, `cancelled` or `abandoned`. Times are seconds on the router's clock. `hedge`
    marks an attempt that was started beside a slow one; the slower of the two is `cancelled`. `model_status`
    begins with `deprecated` or `retired` if the model was so when the fleet was read, and says the dates and what to
    use instead.
    """

    deployment: str
    outcome: str
    decision: Decision
    status: int | None = None
    started_s: float = 0.0
    first_content_s: float | None = None
    duration_s: float = 0.0
    settled: Mapping[str, int] = {}
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_micros: int = 0
    usage_known: bool = True
    hedge: bool = False
    shaped: Shaped | None = None
    model_status: str = ""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that can be said about one call. The last attempt is the one that answered, if any did.

    `dropped` names parameters that a provider of an attempt cannot express, `notes` what was rewritten for it; no
    content is in either. `summary_cost_usd_micros` is what summarising older turns cost.
    """

    attempts: tuple[Attempt, ...] = ()
    dropped: tuple[str, ...] = ()
    failed_decision: Decision | None = None
    notes: tuple[str, ...] = ()
    summary_cost_usd_micros: int = 0

    @property
    def variant(self) -> str | None:
        """The prompt variant of the last attempt, as `prompt/pattern`; None if no prompt was asked for."""
        shaped = self.attempts[-1].shaped if self.attempts else None
        return None if shaped is None else shaped.variant

    @property
    def pruned(self) -> Pruned | None:
        """What was left out of the conversation for the last attempt; None if nothing had to be."""
        shaped = self.attempts[-1].shaped if self.attempts else None
        return None if shaped is None else shaped.pruned

    @property
    def decision(self) -> Decision | None:
        """The decision that counts: the one behind the last attempt, else the one that found nobody."""
        return self.attempts[-1].decision if self.attempts else self.failed_decision

    @property
    def deployment(self) -> str | None:
        """Where the last attempt went."""
        return self.attempts[-1].deployment if self.attempts else None

    @property
    def downgrade(self) -> bool:
        """Whether a fallback group served the call instead of the group that was asked for."""
        return self.decision is not None and self.decision.downgrade

    @property
    def cost_usd_micros(self) -> int:
        """Money of all attempts together, and of a summary that was made for them, in millionths of a dollar."""
        return self.summary_cost_usd_micros + sum(attempt.cost_usd_micros for attempt in self.attempts)

    @property
    def cost_usd(self) -> float:
        """Money of all attempts together, in dollars."""
        return self.cost_usd_micros / 1_000_000

    def to_json(self) -> bytes:
        """This receipt as one line of JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, line: bytes | str) -> Receipt:
        """The receipt that `to_json` wrote. Raises `ValueError` for anything else."""
        return decode_receipt(line)


decode_receipt = msgspec.json.Decoder(Receipt).decode
"""A receipt from its JSON form. The core calls it to make `Reservation.receipt`."""


class Recorded(Protocol):
    """Whatever holds the receipt of one attempt: a reservation."""

    @property
    def receipt(self) -> Receipt:
        """The receipt with that one attempt."""


MAX_NOTES: Final = 32
"""Of one receipt: some tools with some rewritings each, at up to three providers."""

MAX_NOTE_CHARS: Final = 160


class Trail:
    """The attempts of one call, joined into one receipt when somebody asks for it.

    It refers to reservations, which decode their part lazily; a call that nobody asks about never decodes anything.
    `watch` takes the notes that observers want, if the client has any.
    """

    __slots__ = (
        "_joined",
        "_shapes",
        "dropped",
        "failed_decision",
        "last",
        "notes",
        "over",
        "reservations",
        "statuses",
        "summary_cost_usd_micros",
        "watch",
    )

    def __init__(self) -> None:
        self.reservations: list[Recorded] = []
        self.statuses: list[int | None] = []
        self.last: Recorded | None = None
        """The attempt that answers, if any does; it stays when the others were joined and forgotten."""
        self.dropped: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.over = False
        self.failed_decision: Decision | None = None
        self.summary_cost_usd_micros = 0
        self._shapes: dict[int, Shaped] = {}
        self._joined: Receipt | None = None
        self.watch: Watch | None = None

    def add(self, reservation: Recorded) -> None:
        """One more attempt. Its status, if an answer comes, is set by `answered`."""
        self.reservations.append(reservation)
        self.statuses.append(None)
        self.last = reservation

    def shape(self, reservation: Recorded, shaped: Shaped) -> None:
        """The request of this reservation's attempt was shaped so."""
        self._shapes[id(reservation)] = shaped

    def answered(self, reservation: Recorded, status: int) -> None:
        """The attempt of this reservation got an answer with this HTTP status."""
        self.statuses[self.reservations.index(reservation)] = status
        if self.watch is not None:
            self.watch.heard(reservation)

    def holds(self, reservation: Recorded) -> bool:
        """Whether this reservation's attempt was made."""
        return reservation in self.reservations

    def delivers(self, reservation: Recorded) -> None:
        """Put this attempt last, where the one that answers belongs: another was started after it and lost."""
        place = self.reservations.index(reservation)
        self.reservations.append(self.reservations.pop(place))
        self.statuses.append(self.statuses.pop(place))
        self.last = reservation

    def drop(self, names: tuple[str, ...]) -> None:
        """The provider of an attempt cannot express these parameters."""
        self.dropped = tuple(dict.fromkeys(self.dropped + names))

    def note(self, notes: tuple[str, ...]) -> None:
        """This was rewritten for the provider of an attempt. The latest attempts' notes go first out of bounds."""
        told = dict.fromkeys(self.notes + tuple(note[:MAX_NOTE_CHARS] for note in notes))
        self.notes = tuple(told)[:MAX_NOTES]

    def refused(self, error: JunctorError) -> None:
        """The walk found nobody: keep the decision that says why."""
        receipt = error.receipt
        if receipt is not None and receipt.failed_decision is not None:
            self.failed_decision = receipt.failed_decision

    def receipt(self) -> Receipt:
        """The whole receipt. It is kept only once the call is `over`: an early look must not freeze half a story.

        Once it is over, several threads may ask: all of them get equal receipts.
        """
        reservations = self.reservations  # before the check: they are forgotten after the receipt was kept
        if self._joined is not None:
            return self._joined
        attempts: list[Attempt] = []
        for reservation, status in zip(reservations, self.statuses, strict=True):
            told = reservation.receipt.attempts
            if status is not None:
                told = tuple(msgspec.structs.replace(attempt, status=status) for attempt in told)
            if self._shapes and (shaped := self._shapes.get(id(reservation))) is not None:
                told = tuple(msgspec.structs.replace(attempt, shaped=shaped) for attempt in told)
            attempts += told
        receipt = Receipt(tuple(attempts), self.dropped, self.failed_decision, self.notes, self.summary_cost_usd_micros)
        if self.over:
            self._joined = receipt
            self.reservations = []
        return receipt
