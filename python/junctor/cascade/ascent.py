"""One call going up its cascade: asked, judged, accepted or escalated, until an answer is delivered.

Each step is a call of its own (`part_of`): reserved through the gate, with its own attempts, hedges and settlements,
and all under the deadline of the call that it belongs to. What the steps did is joined to that call's trail in the end,
however it ends, so its receipt has every attempt and the cost is the sum.

A step that cannot answer is passed over: the core does so by itself where nobody of it is free, because later steps are
the fallbacks of the first, and here the same follows an error. If at last nobody else can answer, the best that there
is, an answer that was not good enough, is delivered *with a mark*: `receipt.cascade.degraded`, the verdict `kept`,
`receipt.downgrade`. Raising instead would make every outage of the strong model one of the cheap model too; who wants
that writes `on_failure: fail`.

A streamed answer is held back until it was judged, then handed over as a stream: what a caller has seen cannot be taken
back. The last step is not judged, so it streams as it comes. What breaks while it is held back nobody has seen, so that
is escalated like any failure. With `until` every step is left once its answer is sure, and judged by what came until
then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

import msgspec

from junctor.cascade import early
from junctor.cascade.parts import part_of
from junctor.cascade.reading import read
from junctor.cascade.signals import Reading
from junctor.dispatch import Call
from junctor.exceptions import ContentFiltered, DeadlineExceeded, InvalidRequest, JunctorError, Refused
from junctor.receipts import Climb, Step
from junctor.reply import Done, Event, Finish, Reply
from junctor.streaming import StreamAttempt, opened
from junctor.whole import answered

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.cascade.ladder import Ladder

FINAL: Final = (DeadlineExceeded, InvalidRequest, ContentFiltered)
"""After these no other model is asked: there is no time, the call is wrong, or a provider refuses the prompt."""

Word = Literal["accepted", "escalated", "rejected", "answered", "failed", "beaten", "kept"]


class Taken(NamedTuple):
    """What a step has to show: a whole answer with its events, or a stream of the last step under way."""

    part: Call
    reply: Reply | None = None
    events: Sequence[Event] = ()
    attempt: StreamAttempt | None = None


Take = Callable[[Call, "Reservation", "Ladder"], Coroutine[Any, Any, Taken]]


class Rung(msgspec.Struct):
    """What became of one step. Tokens and money are read off its part when the receipt is made."""

    at: int
    part: Call
    word: Word
    reading: Reading | None = None
    threshold: float | None = None
    why: str = ""


class Ascent:
    """The state of one call in its cascade."""

    def __init__(self, call: Call, ladder: Ladder, reservation: Reservation) -> None:
        self.call = call
        self.ladder = ladder
        self.rungs: list[Rung] = []
        self.parts: list[Call] = []
        self.kept: Taken | None = None
        self.began = 0
        self.fell = False
        self._joined = False
        ladders = call.client.router.ladders
        rule = None if ladders is None else ladders.rule(reservation)
        self._action: dict[str, Any] = {} if rule is None else dict(rule.action)

    def part(self, at: int) -> Call:
        """The call for a step. The first one asks what the caller asked, so that a retry walks the same way."""
        call, ladder = self.call, self.ladder
        part = part_of(call, call.model if at == 0 else ladder.steps[at])
        if at < ladder.last:
            part.ladder = ladder
            if ladder.needs_logprobs and not call.request.logprobs:
                part.raw = None  # its own bytes would hold log-probabilities that nobody asked for
        self._carry_over(part, at)
        self.parts.append(part)
        return part

    def _carry_over(self, part: Call, at: int) -> None:
        """What the rule that placed this call asks for holds for later steps and further samples too."""
        cap, effort, request = self._action.get("max_tokens"), self._action.get("effort"), part.request
        if cap is not None and (request.max_tokens is None or request.max_tokens > cap):
            request = msgspec.structs.replace(request, max_tokens=cap)
            if at > 0:  # the first step is found by the rule again, which may look at what was asked for
                part.ask["output_tokens"] = cap
        if effort is not None and request.effort is None:
            request = msgspec.structs.replace(request, effort=effort)
        part.request = request

    async def reserve(self, part: Call) -> Reservation:
        """A later step's reservation, within what the rule lets one attempt cost."""
        reservation = await part.reserve()
        most, decision = self._action.get("max_cost_usd_micros"), reservation.receipt.decision
        if most is not None and decision is not None and decision.estimated_cost_usd_micros > most:
            reservation.cancel(sent=False)
            cost = decision.estimated_cost_usd_micros
            raise Refused(
                f"{reservation.deployment!r} would cost about {cost} micro-dollars, and the rule allows {most}",
                refusals={reservation.deployment: "cost"},
            )
        return reservation

    async def climb(self, reservation: Reservation, take: Take) -> Taken:
        """Step by step, beginning with this reservation, or where the session was escalated to. What is returned is to
        be delivered.
        """
        self.began = self._reached()
        if self.began > self.ladder.step_of(reservation.group):
            reservation.cancel(sent=False)
            return await self.go_on(self.began, self.part(self.began), None, take)
        if self.ladder.speculative and self.ladder.step_of(reservation.group) == 0:
            from junctor.cascade import speculation

            return await speculation.climb(self, reservation, take)
        return await self.go_on(0, self.part(0), reservation, take)

    async def go_on(self, at: int, part: Call, reservation: Reservation | None, take: Take) -> Taken:
        """From this step on."""
        while True:
            try:
                taken = await take(part, reservation or await self.reserve(part), self.ladder)
            except JunctorError as error:
                following = self.after_error(at, part, error)
                if isinstance(following, Taken):
                    return following
            else:
                found = await self.judged(at, taken)
                if found is None:
                    return taken
                following = found
            at, part, reservation = following, self.part(following), None

    async def judged(self, at: int, taken: Taken) -> int | None:
        """The step to ask after this answer, which was asked of step `at`; None if it is delivered."""
        ladder, part = self.ladder, taken.part
        served = ladder.step_of(cast("Reservation", part.trail.last).group)
        if at < served:
            self.note(Rung(at, part, "failed", why=f"nobody of it could answer, {ladder.steps[served]} did"))
        if served == ladder.last:
            self.note(Rung(served, part, "answered"))
            return None
        reading = await read(ladder, cast(Reply, taken.reply), part)
        verdict = ladder.judge(served, reading)
        self.note(Rung(served, part, verdict.word, reading, verdict.threshold, verdict.why))
        counters = self.call.client.counters
        counters["cascade_unknown"] += reading.value is None
        counters["cascade_accepted" if verdict.to is None else "cascade_escalated"] += 1
        if verdict.to is not None:
            self.kept = taken
        return verdict.to

    def after_error(self, at: int, part: Call, error: JunctorError) -> int | Taken:
        """The step to ask after a failed one, or the answer that is delivered instead. Raises if there is neither."""
        ladder = self.ladder
        part.trail.refused(error)
        self.note(Rung(at, part, "failed", why=type(error).__name__))
        final = isinstance(error, FINAL)
        if at < ladder.last and not final:
            return at + 1
        kept = self.kept
        if kept is None and self.began > 0 and not (self.fell or final or ladder.on_failure == "fail"):
            self.fell = True  # those before may answer as they would for a session that was never escalated
            return 0
        if kept is None or ladder.on_failure == "fail":
            raise error
        self.call.client.counters["cascade_degraded"] += 1
        place = next(place for place, rung in enumerate(self.rungs) if rung.part is kept.part and rung.word != "failed")
        rung = self.rungs[place]
        why = f"{ladder.steps[at]} could not answer: {type(error).__name__}"
        self.rungs[place] = msgspec.structs.replace(rung, word="kept", why=f"{rung.why}; {why}" if rung.why else why)
        return kept

    def note(self, rung: Rung) -> None:
        """What became of a step."""
        self.rungs.append(rung)

    @property
    def _account(self) -> str | None:
        """The name of this session in this cascade, where it does not go back."""
        session = self.call.ask.get("session") if self.ladder.one_way else None
        return None if session is None else f"{session}\0{self.ladder.name}"

    def _reached(self) -> int:
        """The step that the session was escalated to."""
        account = self._account
        reached = None if account is None else self.call.client.router.session_reached(account)
        return 0 if reached is None else min(int(reached), self.ladder.last)

    def _remember(self) -> None:
        """The session was escalated, or still is. Whoever was merely passed over as busy escalates nothing."""
        account, reached = self._account, self.began
        if any(rung.word in ("escalated", "rejected") for rung in self.rungs):
            reached = max([reached, *(rung.at for rung in self.rungs if rung.word in ("accepted", "answered"))])
        if account is not None and reached > 0:
            self.call.client.router.raise_session(account, float(reached))

    def deliver(self, taken: Taken, reply: Reply) -> Reply:
        """The reply of the whole call."""
        call = self.call
        self._remember()
        self.join(taken.part)
        call.trail.note(taken.part.trail.notes)  # of a last step it may have been joined before its answer ended
        if not call.request.logprobs:
            reply.logprobs = None
        reply.remember(call.trail)
        reply.cost_usd = call.cost_usd_micros / 1_000_000
        if call.trail.watch is not None:
            call.trail.watch.replied(reply)
        return reply

    def join(self, delivering: Call | None = None) -> None:
        """Put together what the steps did; the attempts of the one that answers come last. Again if they went on."""
        call = self.call
        if not self._joined:
            self._joined = True
            parts = [part for part in self.parts if part is not delivering]
            if delivering is not None:
                parts.append(delivering)
            for part in parts:
                call.trail.adopt(part.trail)
                call.made += part.made
                call.upstream_s += part.upstream_s
        call.trail.cascade = self._climb()
        call.cost_usd_micros = call.trail.receipt().cost_usd_micros

    def _below(self) -> bool:
        """Whether the answer is of a step below the one that the session had reached."""
        answered = [rung.at for rung in self.rungs if rung.word in ("accepted", "answered")]
        return self.fell and bool(answered) and answered[-1] < self.began

    def _climb(self) -> Climb:
        told, seen = [], set[int]()
        waste_tokens = waste_micros = 0
        for rung in self.rungs:
            attempts = () if id(rung.part) in seen else rung.part.trail.receipt().attempts
            seen.add(id(rung.part))
            written = sum(attempt.output_tokens for attempt in attempts)
            cost = sum(attempt.cost_usd_micros for attempt in attempts)
            if rung.word == "beaten":
                waste_tokens += written + sum(attempt.input_tokens for attempt in attempts)
                waste_micros += cost
            told.append(
                Step(
                    model=self.ladder.steps[rung.at],
                    verdict=rung.word,
                    signal="" if rung.reading is None else self.ladder.signal,
                    value=None if rung.reading is None else rung.reading.value,
                    threshold=rung.threshold,
                    why=rung.why,
                    attempts=len(attempts),
                    output_tokens=written,
                    cost_usd_micros=cost,
                )
            )
        return Climb(
            self.ladder.name,
            tuple(told),
            began=self.began,
            degraded=any(rung.word == "kept" for rung in self.rungs) or self._below(),
            waste_tokens=waste_tokens,
            waste_usd_micros=waste_micros,
        )


async def chat(call: Call, ladder: Ladder, reservation: Reservation) -> Reply:
    """The answer of a call that asked for a cascade."""
    ascent = Ascent(call, ladder, reservation)
    try:
        taken = await ascent.climb(reservation, _reply)
        return ascent.deliver(taken, cast(Reply, taken.reply))
    finally:
        ascent.join()


async def _reply(part: Call, reservation: Reservation, ladder: Ladder) -> Taken:  # noqa: ARG001 - as `_held`
    return Taken(part, cast(Reply, await answered(part, reservation)))


async def stream(call: Call, ladder: Ladder, reservation: Reservation) -> AsyncGenerator[Event, None]:
    """The events of a call that asked for a cascade; it concludes the call before `Done`."""
    ascent = Ascent(call, ladder, reservation)
    taken: Taken | None = None
    try:
        taken = await ascent.climb(reservation, _held)
        attempt = taken.attempt
        if attempt is None:
            reply = ascent.deliver(taken, cast(Reply, taken.reply))
            for event in taken.events:
                yield event
        else:
            ascent.join(taken.part)  # headers are made of it before the first event goes out
            async with aclosing(early.events(attempt, call.until)) as events:
                async for event in events:
                    yield event
            reply = ascent.deliver(taken, attempt.reply)
        yield Finish(reply.finish_reason)
        call.conclude()
        yield Done(reply=reply)
    finally:
        if taken is not None and taken.attempt is not None:
            await taken.attempt.release()
        ascent.join()


async def _held(part: Call, reservation: Reservation, ladder: Ladder) -> Taken:
    attempt = await opened(part, reservation)
    try:
        if ladder.step_of(cast("Reservation", part.trail.last).group) == ladder.last:
            return Taken(part, attempt=attempt)
        events = [event async for event in early.events(attempt, part.until)]
    except BaseException:
        await attempt.release()
        raise
    await attempt.release()
    return Taken(part, attempt.reply, events)
