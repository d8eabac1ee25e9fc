"""What one call adds to which numbers.

Everything is taken from what observers are told; the simulated run in the tests adds the same receipts up naively and
compares. Money and tokens are counted per attempt, failed ones included, because that is how they are spent; only what
the provider tells of a finished answer alone (cached and reasoning tokens) is counted for the attempt that answered.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from junctor.observe.observed import Observed, ObservedAttempt
from junctor.observe.observer import Observer
from junctor.observe.prometheus import families as f
from junctor.observe.prometheus.slots import OTHER, Slots
from junctor.receipts import Decision

CALLBACK_EVENTS = {"callback_error": "error", "callback_slow": "slow", "callback_dropped": "dropped"}


GOES_ON = frozenset({"ok", "cancelled"})
"""After these a cascade's next attempt is its next step or a further sample, and no retry."""


class Counting(Observer):
    """Counts calls into slots. It may be given to several clients: their threads take turns."""

    def __init__(self, slots: Slots, tenants: Collection[str] = ()) -> None:
        self._slots = slots
        self._tenants = frozenset(tenants)
        self._turn = threading.Lock()
        self._clients: list[tuple[Mapping[str, int], dict[str, int]]] = []

    def attached(self, counters: Mapping[str, int]) -> None:
        """Another client; how its observers fare is counted too."""
        with self._turn:
            self._clients.append((counters, {}))

    def ended(self, call: Observed, mark: object) -> None:  # noqa: ARG002  nothing is noted at the beginning
        """Count the call."""
        with self._turn:
            self._slots.after_fork()
            self._count(call)
            self._count_callbacks()

    def catch_up(self) -> None:
        """Count what the clients' own counters say that no call told: dropped receipts above all."""
        with self._turn:
            self._slots.after_fork()
            self._count_callbacks()

    def _count(self, call: Observed) -> None:
        decision, last = call.receipt.decision, call.last
        group = (decision.group or "") if decision is not None and last is not None else ""
        rule = (decision.rule or "") if decision is not None else ""
        self._add(f.CALLS, (call.operation, group, rule, call.outcome))
        if call.receipt.downgrade and last is not None:
            self._add(f.DOWNGRADES, (group,))
        if call.outcome == "ok":
            self._observe(f.DURATION, (call.operation, group, "true" if call.streamed else "false"), call.duration_s)
        if call.waited_s > 0:
            self._observe(f.WAIT, (group,), call.waited_s)
        self._observe(f.OVERHEAD, (call.operation,), call.overhead_us)
        if call.receipt.failed_decision is not None:
            self._refusals(call.receipt.failed_decision)
        self._attempts(call)
        self._cascade(call)
        self._tenant(call)

    def _cascade(self, call: Observed) -> None:
        for label in call.receipt.labels:
            self._add(f.LABELS, (label.classifier, label.source))
        climb = call.receipt.cascade
        if climb is None:
            return
        for step in climb.steps:
            self._add(f.STEPS, (climb.cascade, step.model, step.verdict))
        if climb.waste_usd_micros:
            self._add(f.WASTE, (climb.cascade,), climb.waste_usd_micros / 1_000_000)

    def _attempts(self, call: Observed) -> None:
        before: ObservedAttempt | None = None
        for attempt in sorted(call.attempts, key=_began):
            told, place = attempt.told, (attempt.told.deployment, attempt.provider, attempt.model)
            decision = told.decision
            group = decision.group or ""
            self._add(f.DECISIONS, (group, decision.rule or "", told.deployment))
            self._refusals(decision)
            self._add(f.ATTEMPTS, (*place, told.outcome))
            if told.hedge:
                self._add(f.HEDGES, (group, _result(attempt, call)))
            elif before is not None and not (call.receipt.cascade and before.told.outcome in GOES_ON):
                self._add(f.RETRIES, (group,))
            before = attempt
            self._tokens(place, told.input_tokens, "input")
            self._tokens(place, told.output_tokens, "output")
            if told.cost_usd_micros:
                self._add(f.COST, place, told.cost_usd_micros / 1_000_000)
            if attempt.first_content_s is not None:
                self._observe(f.FIRST_CONTENT, place, attempt.first_content_s)
            if told.outcome == "ok":
                self._observe(f.ATTEMPT_DURATION, place, told.duration_s)
        if (last := call.last) is not None:
            place = (last.told.deployment, last.provider, last.model)
            self._answer(call, place)

    def _answer(self, call: Observed, place: tuple[str, str, str]) -> None:
        if call.outcome == "interrupted":
            self._add(f.INTERRUPTIONS, place)
        if call.answered is not None:
            usage = call.answered.usage
            self._tokens(place, usage.cached_tokens, "input_cached")
            self._tokens(place, usage.cache_write_tokens, "input_cache_write")
            self._tokens(place, usage.reasoning_tokens, "output_reasoning")

    def _tokens(self, place: tuple[str, str, str], tokens: int, kind: str) -> None:
        if tokens:
            self._add(f.TOKENS, (*place, kind), tokens)

    def _refusals(self, decision: Decision) -> None:
        for deployment, why in decision.refusals.items():
            self._add(f.REFUSALS, (deployment, why.partition(":")[0]))

    def _tenant(self, call: Observed) -> None:
        tenant = call.tenant or ""
        if tenant and tenant not in self._tenants:
            tenant = OTHER
        self._add(f.TENANT_CALLS, (tenant, call.outcome))
        receipt = call.receipt
        if spent := receipt.cost_usd_micros:
            self._add(f.TENANT_COST, (tenant,), spent / 1_000_000)
        for kind in ("input", "output"):
            tokens = sum(getattr(attempt, f"{kind}_tokens") for attempt in receipt.attempts)
            if tokens:
                self._add(f.TENANT_TOKENS, (tenant, kind), tokens)

    def _count_callbacks(self) -> None:
        for counters, seen in self._clients:
            for name, event in CALLBACK_EVENTS.items():
                more = counters.get(name, 0) - seen.get(name, 0)
                if more > 0:
                    seen[name] = seen.get(name, 0) + more
                    self._add(f.CALLBACKS, (event,), more)

    def _add(self, family: f.Family, labels: tuple[str, ...], amount: float = 1.0) -> None:
        if not self._slots.add(family, labels, amount):
            self._slots.add(f.OVERFLOW, (family.name,))

    def _observe(self, family: f.Family, labels: tuple[str, ...], value: float) -> None:
        if not self._slots.observe(family, labels, value):
            self._slots.add(f.OVERFLOW, (family.name,))


def _result(hedge: ObservedAttempt, call: Observed) -> str:
    """How a hedge did: it won if it had something to show first, whatever became of its stream afterwards."""
    if hedge.told.outcome == "ok" or (hedge is call.last and hedge.first_content_s is not None):
        return "won"
    return "lost" if hedge.told.outcome in ("cancelled", "abandoned") else "failed"


def _began(attempt: ObservedAttempt) -> int:
    return attempt.began_ns
