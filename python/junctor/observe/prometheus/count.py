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
        self._calls, self._downgrades, self._retries = map(slots.of, (f.CALLS, f.DOWNGRADES, f.RETRIES))
        self._decisions, self._attempts, self._hedges = map(slots.of, (f.DECISIONS, f.ATTEMPTS, f.HEDGES))
        self._tokens, self._cost = slots.of(f.TOKENS), slots.of(f.COST)
        self._duration, self._attempt_duration = slots.of(f.DURATION), slots.of(f.ATTEMPT_DURATION)
        self._first_content, self._overhead, self._wait = map(slots.of, (f.FIRST_CONTENT, f.OVERHEAD, f.WAIT))
        self._tenant_calls, self._tenant_tokens = slots.of(f.TENANT_CALLS), slots.of(f.TENANT_TOKENS)
        self._tenant_cost = slots.of(f.TENANT_COST)

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
        last = call.last
        group = last.group if last is not None else ""
        self._calls.add((call.operation, group, call.rule or "", call.outcome))
        if last is not None and call.downgrade:
            self._downgrades.add((group,))
        if call.outcome == "ok":
            self._duration.observe((call.operation, group, "true" if call.streamed else "false"), call.duration_s)
        if call.waited_s > 0:
            self._wait.observe((group,), call.waited_s)
        self._overhead.observe((call.operation,), call.overhead_us)
        if call.failed_decision is not None:
            self._refuse(call.failed_decision)
        self._attempted(call)
        self._cascade(call)
        if last is not None:
            self._answer(call, last)
        self._tenant(call)

    def _cascade(self, call: Observed) -> None:
        for label in call.labels:
            self._slots.of(f.LABELS).add((label.classifier, label.source))
        climb = call.cascade
        if climb is None:
            return
        for step in climb.steps:
            self._slots.of(f.STEPS).add((climb.cascade, step.model, step.verdict))
        if climb.waste_usd_micros:
            self._slots.of(f.WASTE).add((climb.cascade,), climb.waste_usd_micros / 1_000_000)

    def _attempted(self, call: Observed) -> None:
        attempts = call.attempts if len(call.attempts) < 2 else sorted(call.attempts, key=_began)
        before: ObservedAttempt | None = None
        for attempt in attempts:
            place, group = _place(attempt), attempt.group
            self._decisions.add((group, attempt.rule or "", attempt.deployment))
            if attempt.refusals:
                self._refuse(attempt)
            self._attempts.add((*place, attempt.outcome))
            if attempt.hedge:
                self._hedges.add((group, _result(attempt, call)))
            elif before is not None and not (call.cascade and before.outcome in GOES_ON):
                self._retries.add((group,))
            before = attempt
            self._use(place, "input", attempt.input_tokens)
            self._use(place, "output", attempt.output_tokens)
            if attempt.cost_usd_micros:
                self._cost.add(place, attempt.cost_usd_micros / 1_000_000)
            if attempt.first_content_s is not None:
                self._first_content.observe(place, attempt.first_content_s)
            if attempt.outcome == "ok":
                self._attempt_duration.observe(place, attempt.duration_s)

    def _answer(self, call: Observed, last: ObservedAttempt) -> None:
        place = _place(last)
        if call.outcome == "interrupted":
            self._slots.of(f.INTERRUPTIONS).add(place)
        if call.answered is not None:
            usage = call.answered.usage
            self._use(place, "input_cached", usage.cached_tokens)
            self._use(place, "input_cache_write", usage.cache_write_tokens)
            self._use(place, "output_reasoning", usage.reasoning_tokens)

    def _use(self, place: Place, kind: str, tokens: int) -> None:
        if tokens:
            self._tokens.add((*place, kind), tokens)

    def _refuse(self, decided: Decision | ObservedAttempt) -> None:
        for deployment, why in decided.refusals.items():
            self._slots.of(f.REFUSALS).add((deployment, why.partition(":")[0]))

    def _tenant(self, call: Observed) -> None:
        tenant = call.tenant or ""
        if tenant and tenant not in self._tenants:
            tenant = OTHER
        self._tenant_calls.add((tenant, call.outcome))
        if spent := call.cost_usd_micros:
            self._tenant_cost.add((tenant,), spent / 1_000_000)
        read = written = 0
        for attempt in call.attempts:
            read += attempt.input_tokens
            written += attempt.output_tokens
        if read:
            self._tenant_tokens.add((tenant, "input"), read)
        if written:
            self._tenant_tokens.add((tenant, "output"), written)

    def _count_callbacks(self) -> None:
        for counters, seen in self._clients:
            for name, event in CALLBACK_EVENTS.items():
                more = counters.get(name, 0) - seen.get(name, 0)
                if more > 0:
                    seen[name] = seen.get(name, 0) + more
                    self._slots.of(f.CALLBACKS).add((event,), more)


Place = tuple[str, str, str]


def _place(attempt: ObservedAttempt) -> Place:
    """The labels of where an attempt went."""
    return attempt.deployment, attempt.provider, attempt.model


def _result(hedge: ObservedAttempt, call: Observed) -> str:
    """How a hedge did: it won if it had something to show first, whatever became of its stream afterwards."""
    if hedge.outcome == "ok" or (hedge is call.last and hedge.first_content_s is not None):
        return "won"
    return "lost" if hedge.outcome in ("cancelled", "abandoned") else "failed"


def _began(attempt: ObservedAttempt) -> int:
    return attempt.began_ns
