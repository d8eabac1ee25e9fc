"""What a cascade of the fleet file means: its steps, its signal and thresholds, and the verdict over one reading. Pure.

A cascade is a name that can be asked for like a group. The core knows it as the group of its first step, whose
fallbacks are the later ones: so a rule can use it, the gate judges every step, and a cheap step that is full or failing
is passed over like any group, with nothing said twice. What the core cannot know is whether an answer that came is good
enough; that is decided here, from a number.

With T1 (`accept`) and T2 (`reject`): at T1 and above the answer is delivered; below T2 the last step is asked at once,
since the steps between would hardly do better; in between the next step is asked. A reading without a value follows
`unknown`, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from junctor.cascade.probe import Probe
from junctor.cascade.signals import LOGPROB_SIGNALS, NEED_TOP, TOP, Reading
from junctor.request import ChatRequest

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.config.valid import Config, Rule

NEEDS_LOGPROBS: Final = frozenset({*LOGPROB_SIGNALS, "probe"})
"""The signals for which a step must be asked for log-probabilities."""


class Verdict(NamedTuple):
    """What follows an answer: `to` is the step that is asked next, None if the answer is delivered."""

    word: Literal["accepted", "escalated", "rejected"]
    to: int | None
    threshold: float | None
    why: str = ""


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """One cascade. `able` are the deployments that give log-probabilities; other fields as in the fleet file."""

    name: str
    steps: tuple[str, ...]
    signal: str
    accept: float
    reject: float | None = None
    unknown: Literal["escalate", "accept"] = "escalate"
    on_failure: Literal["answer", "fail"] = "answer"
    samples: int = 3
    temperature: float = 0.7
    probe: Probe | None = None
    by: str | None = None
    check: str | None = None
    speculative: bool = False
    one_way: bool = False
    """Whether a session that was escalated begins where it was escalated to."""
    able: frozenset[str] = frozenset()
    models: tuple[tuple[str, ...], ...] = ()
    """The models of each step."""
    calibrated_for: tuple[tuple[str, ...], ...] = ()
    """The models of each step when the thresholds were calibrated; empty if they were written by hand."""

    @property
    def last(self) -> int:
        """The step that is not judged."""
        return len(self.steps) - 1

    @property
    def needs_logprobs(self) -> bool:
        """Whether the signal is read from token log-probabilities."""
        return self.signal in NEEDS_LOGPROBS

    def step_of(self, group: str) -> int:
        """Which step a group that served belongs to. Fallbacks of later steps count as the last."""
        if group == self.name:
            return 0
        return self.steps.index(group) if group in self.steps else self.last

    def judge(self, at: int, reading: Reading) -> Verdict:
        """What follows an answer of step `at`, which is not the last."""
        value = reading.value
        if value is None:
            if self.unknown == "accept":
                return Verdict("accepted", None, None, reading.why)
            return Verdict("escalated", at + 1, None, reading.why)
        if value >= self.accept:
            return Verdict("accepted", None, self.accept, reading.why)
        if self.reject is not None and value < self.reject:
            return Verdict("rejected", self.last, self.reject, reading.why)
        return Verdict("escalated", at + 1, self.accept, reading.why)

    def asking(self, request: ChatRequest, deployment: str) -> ChatRequest:
        """The request of a judged step: with log-probabilities where they are needed and can be had."""
        if not self.needs_logprobs or deployment not in self.able:
            return request
        # At least one alternative: llama.cpp's server tells no log-probabilities at all where none is asked for.
        top = max(TOP if self.signal in NEED_TOP else 1, request.top_logprobs or 0)
        if request.logprobs and top == request.top_logprobs:
            return request
        # The caller's own body says nothing of log-probabilities, so the canonical request is sent instead.
        return msgspec.structs.replace(request, logprobs=True, top_logprobs=top, native=None)


class Ladders:
    """The cascades of one fleet, found by what a walk decided."""

    __slots__ = ("_rules", "by_name")

    def __init__(self, fleet: Config) -> None:
        self.by_name: Mapping[str, Ladder] = fleet.cascades
        self._rules: dict[str, Rule] = {rule.name or f"#{at}": rule for at, rule in enumerate(fleet.rules, 1)}

    def of(self, model: str, reservation: Reservation) -> Ladder | None:
        """The cascade whose step this reservation is for, if it is one's."""
        found = self.by_name.get(reservation.group)
        if found is not None or not reservation.downgrade:
            return found
        # A later step serves already, because nobody of the first could.
        if model in self.by_name:
            return self.by_name[model]
        rule = self.rule(reservation)
        return None if rule is None else self.by_name.get(str(rule.action.get("use")))

    def rule(self, reservation: Reservation) -> Rule | None:
        """The rule that placed this reservation."""
        decision = reservation.receipt.decision
        return None if decision is None or decision.rule is None else self._rules.get(decision.rule)
