"""Receipts: what was decided for one call and why, what was held, what it cost.

A receipt is plain data: it can be logged, sent and stored as JSON, and holds neither secrets nor content. Every
attempt carries the decision that chose its deployment together with what that decision saw (time, seed, load of each
candidate it looked at), so `Router.replay` can make the same decision again.

The garbage collector need not look at any of it (`gc=False`): frozen data out of JSON holds no cycles, and a receipt is
a dozen containers, which would call the collector once in a few dozen calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

import msgspec

from junctor.exceptions import JunctorError

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.observe.watch import Watch


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One deployment that a decision looked at.

    `verdict` is `chosen`, `passed_over` (the other of two was preferred) or the reason of its refusal. The other fields
    are the load that was seen: permits in flight, effective weight and the share of it in force, expected time to first
    content (and its logarithm, in which the core reckons), success rate, age of the oldest unanswered attempt; `score`
    is their product, less is better. `tier` is the rank by cost and quality, highest first; `quality` what
    was expected of its answer, if the objective asks: `predicted` by the learned scorer, for a model that this one is
    `like`, or configured, because the scorer `abstained` or (empty) was not asked; `until_ns` when a refusal ends.

    Where the beginning of the prompt is known to be cached, `cost_usd_micros` is still the full price;
    `cache_usd_micros` what the cache changes in it, less where it is read and more where it is written anew. A
    candidate elsewhere charges the session `move_usd_micros` and `move_s` seconds to the first content for leaving:
    the price of a cold beginning less that of a warm one there. Objectives weigh both.

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
    cache_usd_micros: int = 0
    move_usd_micros: int = 0
    move_s: float = 0.0


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One walk: gate, rules, score, balance, reserve.

    `propensity` is the probability with which this model, by whichever deployment, was chosen, given what the walk saw;
    None where it did not see enough: it drew by load from a group that mixes models without objective or `explore`.
    `weaker` marks a deployment of less quality than its session has reached, in a group whose escalation is one-way.
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
    weaker: bool = False
    candidates: tuple[Candidate, ...] = ()
    refusals: Mapping[str, str] = {}
    held: Mapping[str, int] = {}
    estimated_cost_usd_micros: int = 0
    max_output_tokens: int | None = None
    effort: str | None = None
    request: Mapping[str, Any] = {}
    scorer: str | None = None
    propensity: float | None = None
    replayable: bool = False


class Explanation(Decision, frozen=True, omit_defaults=True, gc=False):
    """A decision told in full, nothing held.

    `survey` is how every member of the groups that the request may visit stood, `reasons` why those were out that were,
    `denial` the sentence that `reserve` would have raised, or None.
    """

    denial: str | None = None
    survey: tuple[Candidate, ...] = ()
    reasons: Mapping[str, str] = {}


class Pruned(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was left out of a conversation: turns that lost something, and their tokens in the common estimate.

    `fits` is False when the budget could not be reached without what must stay; `summarised` when a summary stands for
    what is gone.
    """

    turns: int
    tokens: int
    fits: bool = True
    summarised: bool = False


class Shaped(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a request was shaped for the deployment of one attempt.

    `variant` is `prompt/pattern`: the prompt that was asked for and which of its variants this deployment got.
    """

    variant: str | None = None
    pruned: Pruned | None = None


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a cascade.

    `verdict` is `accepted`, `escalated` (the next step was asked), `rejected` (the last one was asked at once),
    `answered` (the last step, whose answer is not judged), `failed` (an error, or nobody free), `beaten` (started
    beside another one and not needed) or `kept` (not good enough, and delivered because no later step could answer).
    `value` is the reading of `signal`, None if there was none; `threshold` what it was compared with; `why` says what
    the numbers do not. `attempts`, tokens and money are those of everything that was asked for this step, samples and
    scores included.
    """

    model: str
    verdict: Literal["accepted", "escalated", "rejected", "answered", "failed", "beaten", "kept"]
    signal: str = ""
    value: float | None = None
    threshold: float | None = None
    why: str = ""
    attempts: int = 0
    output_tokens: int = 0
    cost_usd_micros: int = 0


class Climb(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a call went up its cascade. `degraded`: what was delivered is an answer that should have been escalated.

    `began` is the step that its session had been escalated to, where that is one-way; 0 is the first.

    `waste_tokens` and `waste_usd_micros` are those of attempts that were started ahead and not needed.
    """

    cascade: str
    steps: tuple[Step, ...]
    began: int = 0
    degraded: bool = False
    waste_tokens: int = 0
    waste_usd_micros: int = 0


class Labelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a classifier said of this call. `source` is `model`, `cache`, or `fallback` with the reason in `why`."""

    classifier: str
    label: str
    source: Literal["model", "cache", "fallback"]
    why: str = ""
    cost_usd_micros: int = 0


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Everything that can be said about one call. The last attempt is the one that answered, if any did.

    `dropped` names parameters that a provider of an attempt cannot express, `notes` what was rewritten for it; no
    content is in either. `summary_cost_usd_micros` is what summarising older turns cost. `cascade` tells how the call
    went up a cascade, `labels` what classifiers said of it.
    """

    attempts: tuple[Attempt, ...] = ()
    dropped: tuple[str, ...] = ()
    failed_decision: Decision | None = None
    notes: tuple[str, ...] = ()
    summary_cost_usd_micros: int = 0
    cascade: Climb | None = None
    labels: tuple[Labelled, ...] = ()

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
    def propensity(self) -> float | None:
        """The probability with which the model that answered was chosen, for estimates from logs.

        None where it is not known, or where no single draw stands behind the answer: retries, hedges, cascades.
        """
        alone = len(self.attempts) == 1 and self.cascade is None
        return self.attempts[0].decision.propensity if alone else None

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
        """Whether a fallback group served the call instead of the group that was asked for.

        Or a weaker member than its session had reached. Of a cascade: whether an answer was delivered that should have
        been escalated.
        """
        decision = self.decision
        if decision is None:
            return False
        return downgraded(decision.group, self.cascade, fallback=decision.downgrade, weaker=decision.weaker)

    @property
    def cost_usd_micros(self) -> int:
        """Money of all attempts together, with a summary and labels made for them, in millionths of a dollar."""
        labels = sum(label.cost_usd_micros for label in self.labels)
        return self.summary_cost_usd_micros + labels + sum(attempt.cost_usd_micros for attempt in self.attempts)

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


def downgraded(group: str | None, climb: Climb | None, *, fallback: bool, weaker: bool) -> bool:
    """Whether a call got less than it asked for: `group` served at the end of this climb, as a `fallback` or not, by a
    deployment that is `weaker` than its session had reached or not.
    """
    if climb is None:
        return fallback or weaker
    own = group == climb.cascade or any(step.model == group for step in climb.steps)
    return climb.degraded or (fallback and not own)


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
        "cascade",
        "dropped",
        "failed_decision",
        "labels",
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
        self.cascade: Climb | None = None
        self.labels: tuple[Labelled, ...] = ()
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
            self.watch.heard(cast("Reservation", reservation))

    def holds(self, reservation: Recorded) -> bool:
        """Whether this reservation's attempt was made."""
        return reservation in self.reservations

    def delivers(self, reservation: Recorded) -> None:
        """Put this attempt last, where the one that answers belongs: another was started after it and lost."""
        place = self.reservations.index(reservation)
        self.reservations.append(self.reservations.pop(place))
        self.statuses.append(self.statuses.pop(place))
        self.last = reservation

    def adopt(self, part: Trail, *, before: bool = False) -> None:
        """Join what was done for this call under a trail of its own. Its last attempt is the last here too, unless it
        is put `before` those that are here.
        """
        if before:
            self.reservations = part.reservations + self.reservations
            self.statuses = part.statuses + self.statuses
        else:
            self.reservations = self.reservations + part.reservations
            self.statuses = self.statuses + part.statuses
            self.last = part.last or self.last
        self._shapes |= part._shapes
        self.summary_cost_usd_micros += part.summary_cost_usd_micros
        self.failed_decision = part.failed_decision or self.failed_decision
        self.drop(part.dropped)
        self.note(part.notes)

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
        receipt = Receipt(
            tuple(attempts),
            self.dropped,
            self.failed_decision,
            self.notes,
            self.summary_cost_usd_micros,
            self.cascade,
            self.labels,
        )
        if self.over:
            self._joined = receipt
            self.reservations = []
        return receipt
