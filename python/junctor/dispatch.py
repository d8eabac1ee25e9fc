"""The state of one call from its first reservation to its reply: what it asks, holds, builds, settles and tries again.

The walk is the core's, translation the adapters', bytes the transport's, and what follows a failure is decided in
`attempts`. What remains here is what whole answers (`whole`) and streams (`streaming`) have in common, and one promise:
whatever happens at any await, a reservation is settled or cancelled exactly once, and before anything else is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypedDict, cast

import msgspec

from junctor import attempts, relay, summary
from junctor.adapters.carry import REFUSES_ORPHANS, carried, left_behind
from junctor.adapters.draft import name_model
from junctor.attempts import Plan
from junctor.exceptions import DeadlineExceeded, JunctorError, NoCapacity, Refused
from junctor.failures import Failure
from junctor.hedge import Race
from junctor.receipts import Trail
from junctor.reply import Embeddings, RateLimit, Reply, Usage, as_tuples
from junctor.request import ChatRequest, Endpoint, HttpRequest
from junctor.transport.base import TransportError

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.adapters import Adapter
    from junctor.cascade.enough import Until
    from junctor.cascade.ladder import Ladder
    from junctor.client import Client
    from junctor.shaping import Shape
    from junctor.signing import Signer
    from junctor.transport.base import Response


class Call:
    """The state of one call: what was asked, until when, and what was tried."""

    __slots__ = (
        "ask",
        "attempts",
        "begun",
        "classifies",
        "client",
        "clock",
        "cost_usd_micros",
        "deadline",
        "deadline_s",
        "ladder",
        "made",
        "model",
        "plan",
        "race",
        "raw",
        "request",
        "shape",
        "trail",
        "until",
        "upstream_s",
        "wait_until",
    )

    def __init__(
        self,
        client: Client,
        model: str,
        request: ChatRequest,
        ask: dict[str, Any],
        *,
        clock: Callable[[], float],
        deadline_s: float,
        max_wait_s: float,
        attempts: int | None = None,
        shape: Shape | None = None,
    ) -> None:
        self.shape = shape
        self.client = client
        most = client.router.attempts
        self.attempts = most if attempts is None else min(attempts, most)
        self.model = model
        self.request = request
        self.ask = ask
        self.clock = clock
        now = self.begun = clock()
        self.deadline_s = deadline_s
        self.deadline = now + deadline_s
        self.wait_until = now + max_wait_s
        self.made = 0
        self.cost_usd_micros = 0
        self.plan: Plan | None = None
        self.race: Race[Any] | None = None
        self.raw: str | None = None
        """The dialect in which the caller takes a provider's own bytes; None if it takes none."""
        # Whether a rule may ask for a label of this call.
        self.classifies = client.router.classifies
        # What an answer must have said so that its stream may be left.
        self.until: Until | None = None
        # The cascade of which this is a step that will be judged.
        self.ladder: Ladder | None = None
        self.upstream_s = 0.0
        self.trail = Trail()
        if client.router.note_call():
            client.router.catch_up_soon()

    def reserve(self) -> Coroutine[Any, Any, Reservation]:
        """Hold capacity somewhere, as `placed` does; with the labels that rules ask for."""
        if self.classifies:
            from junctor.cascade import classify  # for those who use it

            return classify.reserve(self)
        return self.placed()

    def ladder_at(self, reservation: Reservation) -> Ladder | None:
        """The cascade whose step this reservation is for; None if it is no cascade's."""
        ladders = self.client.router.ladders
        return None if ladders is None else ladders.of(self.model, reservation)

    def placed(self) -> Coroutine[Any, Any, Reservation]:
        """Hold capacity somewhere, as `hold` does; with a summary made before it where the conversation needs one."""
        return self.hold() if self.shape is None else summary.reserve(self)

    async def hold(self) -> Reservation:
        """Hold capacity somewhere, waiting for it as long as this call may wait.

        Raises `NoCapacity` or `Refused` as the core says, `DeadlineExceeded` if too little time is left to start.
        """
        while True:
            now = self.clock()
            left_s = min(self.wait_until, self.deadline - attempts.MIN_ATTEMPT_S) - now
            if self.deadline - now < attempts.MIN_ATTEMPT_S:
                raise self.late()
            try:
                return self.client.router.reserve(self.model, max_wait_s=max(0.0, left_s), **self.ask)
            except NoCapacity as error:
                wait_s = attempts.capacity_wait_s(error.retry_after_s, draw=self.client.draw(), left_s=left_s)
                if wait_s is None:
                    raise
            self.client.counters["capacity_wait"] += 1
            await self._sleep(wait_s)

    async def recover(self, failure: Failure, reservation: Reservation) -> Reservation:
        """The reservation of the next attempt after a settled failure.

        Raises the failure as its exception when no attempt is left, allowed or affordable.
        """
        failure = failure.without(reservation.endpoint.key)
        plan = self.note_failure(failure, reservation)
        router, remaining_s = self.client.router, self.deadline - self.clock()
        step = attempts.next_step(failure, made=self.made, remaining_s=remaining_s, limit=self.attempts)
        if step == "stop" or not router.try_retry():
            raise self.failed(failure)
        self.client.counters["retry"] += 1
        following = await self._elsewhere(failure, plan) or await self._same_again(failure)
        if self.too_slow(following):
            following.cancel(sent=False)
            raise self.failed(failure)
        return following

    def note_failure(self, failure: Failure, reservation: Reservation) -> Plan:
        """Remember where an attempt failed: the next one goes elsewhere."""
        plan = self.plan = self.plan or Plan()
        plan.failed(failure, deployment=reservation.deployment, provider=reservation.provider)
        return plan

    def too_slow(self, reservation: Reservation) -> bool:
        """Whether this deployment usually needs more time than is left."""
        remaining_s = self.deadline - self.clock()
        if remaining_s >= attempts.PLENTY_S:
            return False
        expected_s = self.client.router.expected_first_content_s(reservation.deployment)
        return attempts.too_slow(expected_s, remaining_s=remaining_s)

    async def _elsewhere(self, failure: Failure, plan: Plan) -> Reservation | None:
        """A deployment that this call has not tried yet, or None if there is none to be had."""
        router = self.client.router
        delay_s = router.retry_delay_s(
            same_deployment=False, attempt=self.made - 1, hint_s=None, seed=self.client.draw_bits()
        )
        await self._pause(delay_s, failure)
        try:
            return router.reserve(self.model, max_wait_s=0.0, tried=plan.tried, **self.ask)
        except (NoCapacity, Refused):
            return None

    async def _same_again(self, failure: Failure) -> Reservation:
        """Any deployment, tried ones included, after the longer delay that a second knock at the same door deserves."""
        delay_s = self.client.router.retry_delay_s(
            same_deployment=True, attempt=self.made - 1, hint_s=failure.retry_after_s, seed=self.client.draw_bits()
        )
        await self._pause(delay_s, failure)
        try:
            return await self.reserve()
        except (NoCapacity, Refused) as error:
            self.trail.refused(error)
            raise self.failed(failure) from error

    async def _pause(self, delay_s: float, failure: Failure) -> None:
        if not attempts.affordable(delay_s, remaining_s=self.deadline - self.clock()):
            raise self.failed(failure)
        await self._sleep(delay_s)

    async def _sleep(self, wait_s: float) -> None:
        began = self.clock()
        try:
            await asyncio.sleep(wait_s)
        finally:
            if self.trail.watch is not None:
                self.trail.watch.waited(self.clock() - began)

    def prepare(self, reservation: Reservation, *, stream: bool) -> tuple[Adapter, Endpoint, HttpRequest]:
        """The HTTP request for a reservation's endpoint. Nothing was sent if this raises, so all is refunded."""
        self.made += 1
        self.trail.add(reservation)
        try:
            endpoint: Endpoint = reservation.endpoint
            adapter = self.client.adapter(self.dialect_at(endpoint))
            adapter, message = self.build(adapter, reservation, stream=stream)
        except BaseException:
            reservation.cancel(sent=False)
            raise
        if message.dropped:
            self.trail.drop(message.dropped)
        if message.notes:
            self.trail.note(message.notes)
        if self.trail.watch is not None:
            self.trail.watch.sent(reservation)
        return adapter, endpoint, message

    async def signed(self, message: HttpRequest, endpoint: Endpoint, timeout_s: float) -> HttpRequest:
        """The message with what proves who asks. Raises `TransportError` if that cannot be had in time, or at all."""
        signer = cast("Signer", endpoint.signer)
        if not signer.ready:
            try:
                await asyncio.wait_for(signer.renew(), timeout_s)
            except TimeoutError:
                raise TransportError("timeout", f"no credentials within {timeout_s:g} s") from None
        return signer.sign(message)

    def dialect_at(self, endpoint: Endpoint) -> str:
        """The dialect to speak there: the caller's own if the endpoint understands it, so that nothing is lost."""
        native = self.request.native
        if native is not None and native.dialect in endpoint.dialects:
            return native.dialect
        return endpoint.adapter

    def build(self, adapter: Adapter, reservation: Reservation, *, stream: bool) -> tuple[Adapter, HttpRequest]:
        """What is asked of this reservation's endpoint, in its dialect, and who reads the answer."""
        native, request, endpoint = self.request.native, self.shaped(reservation), reservation.endpoint
        if native is not None and (request.native is None or native.dialect != adapter.name):
            self.trail.drop(left_behind(native, adapter.name, reservation.deployment))
        if request.tools or request.response_format is not None or adapter.name in REFUSES_ORPHANS:
            request, adapter, notes = carried(request, adapter, endpoint.model)
            if notes:
                self.trail.note(notes)
        return adapter, adapter.build(request, endpoint, stream=stream)

    def read(self, adapter: Adapter, response: Response) -> Reply | Embeddings | Failure:
        """A whole answer to what `build` made."""
        answer = adapter.parse(response.status, response.headers, response.body)
        if type(answer) is Reply and self.relays(adapter):
            relay.keep(answer, response.body)
        return answer

    def relays(self, adapter: Adapter) -> bool:
        """Whether the caller gets this adapter's answers as they were written: its own dialect, and nothing to undo."""
        return self.raw == adapter.name and adapter is self.client.adapter(adapter.name)

    @property
    def answer_tokens(self) -> int | None:
        """The bound on the answer, if its caller gave one."""
        return self.request.max_tokens

    def shaped(self, reservation: Reservation) -> ChatRequest:
        """The request as this reservation's rule lets it through, in the shape that its deployment should get it."""
        request = self.request
        cap, effort = reservation.max_output_tokens, reservation.effort
        if cap is not None and (request.max_tokens is None or request.max_tokens > cap):
            request = msgspec.structs.replace(request, max_tokens=cap)
        if effort is not None and request.effort is None:
            request = msgspec.structs.replace(request, effort=effort)
        if self.ladder is not None:
            request = self.ladder.asking(request, reservation.deployment)
        if self.shape is not None:
            request, shaped = self.shape.shaped(request, reservation, self.ask.get("affinity"))
            if shaped is not None:
                self.trail.shape(reservation, shaped)
        return request

    def settle_ok(self, reservation: Reservation, reply: Reply | Embeddings, first_token_s: float | None) -> None:
        """Settle a finished answer and complete its reply."""
        if self.race is not None:
            self.race.win(reservation)
        if type(reply) is Reply and not reply.model:
            name_model(reply, reservation.endpoint.model)
        usage = reply.usage
        limits = as_tuples(reply.rate_limits) if reply.rate_limits else ()
        if usage.known:
            cost = reservation.settle("ok", **counted(usage), first_token_s=first_token_s, rate_limits=limits)
        else:
            self.client.counters["usage_unknown"] += 1
            written = usage.output_tokens or None  # what a stream is known to have written that was left early
            cost = reservation.settle("ok", output_tokens=written, first_token_s=first_token_s, rate_limits=limits)
        self.cost_usd_micros += cost
        if (key := self.ask.get("affinity")) is not None:
            self.client.warmth.note(key, reservation.deployment, usage.cached_tokens, self.clock())
        reply.cost_usd = self.cost_usd_micros / 1_000_000
        reply.remember(self.trail)
        if self.trail.watch is not None:
            self.trail.watch.replied(reply)

    def settle_failed(
        self,
        reservation: Reservation,
        failure: Failure,
        *,
        usage: Usage | None = None,
        limits: tuple[RateLimit, ...] = (),
        first_token_s: float | None = None,
    ) -> None:
        """Settle a failed attempt; `usage` is what a broken stream is known or estimated to have cost."""
        self.client.counters["attempt_failed"] += 1
        self.cost_usd_micros += reservation.settle(
            failure.kind,
            **counted(usage),
            first_token_s=first_token_s,
            retry_after_s=failure.retry_after_s,
            rate_limits=as_tuples(limits),
        )

    def settle_left(self, reservation: Reservation, usage: Usage) -> None:
        """Settle a stream that nobody reads any more, by what it is known or estimated to have cost.

        Only receipts tell that: no reply of this call will, or it has counted a beaten attempt already.
        """
        reservation.settle("cancelled", **counted(usage))

    def settle_beaten(self, reservation: Reservation) -> None:
        """Settle an attempt that another one of this call beat. A stream without content has written nothing yet."""
        written = 0 if "streaming" in self.ask.get("needs", ()) else None
        self.cost_usd_micros += reservation.settle("cancelled", output_tokens=written, beaten=True)

    def cut_by_deadline(self, reservation: Reservation, endpoint: Endpoint, sent_at: float) -> DeadlineExceeded:
        """Release an attempt that the caller's deadline cut off."""
        if attempts.deadline_outcome(self.clock() - sent_at, endpoint) == "timeout":
            self.settle_failed(reservation, Failure(kind="timeout", message="no answer before the deadline"))
        else:
            reservation.cancel(sent=True)
        return self.late()

    def failed(self, failure: Failure) -> JunctorError:
        """The failure as the exception that its caller sees."""
        plan = self.plan
        if plan is None:
            return failure.error()
        return failure.error(deployment=plan.last_deployment, provider=plan.last_provider)

    def late(self) -> DeadlineExceeded:
        """The deadline's own exception, naming what failed before it if anything did."""
        plan = self.plan
        last = f"; the last failure was {plan.last.kind} at {plan.last_deployment!r}" if plan and plan.last else ""
        tried = f"{self.made} attempt{'' if self.made == 1 else 's'}"
        return DeadlineExceeded(
            f"the deadline of {self.deadline_s:g} s passed after {tried}{last}; allow more by deadline_s"
        )

    def conclude(self, error: BaseException | None = None) -> None:
        """The call is over: give an error of ours its receipt and tell the client's sink, once."""
        trail, told = self.trail, self.trail.over
        trail.over = True
        if trail.watch is not None and not told:
            trail.watch.over(trail, error)
        if isinstance(error, JunctorError):
            trail.refused(error)
            error.receipt = trail.receipt()
        if not told:
            self.client.tell(trail)


class Counted(TypedDict, total=False):
    """Tokens as `Reservation.settle` takes them."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int


def counted(usage: Usage | None) -> Counted:
    """The tokens of an attempt as they are settled: all of them, or what came of the answer if that alone is known."""
    if usage is None:
        return {}
    if not usage.known:
        return {"output_tokens": usage.output_tokens}
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
    }


DEADLINE_SLACK_S = 0.005
"""Timers of different clocks may fire this much early; a timeout so near to the deadline is the deadline's."""
