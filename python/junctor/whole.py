"""Answers in one piece: reserve, send, settle, and again elsewhere if it failed. Streams are in `streaming`.

An attempt runs with one timer, the transport's own, whose length is the smaller of the attempt's time and the deadline;
a timeout context around it would cost as much as the rest of the bookkeeping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from junctor import attempts
from junctor.dispatch import DEADLINE_SLACK_S, Call
from junctor.failures import Failure
from junctor.hedge import Race
from junctor.transport.base import TransportError

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.reply import Embeddings, Reply


async def complete(call: Call) -> Reply | Embeddings:
    """Make attempts until one answers; of a cascade, until an answer is good enough. Raises as `Client.chat` does."""
    try:
        reservation = await call.reserve()
        ladder = call.ladder_at(reservation)
        if ladder is None:
            answer = await answered(call, reservation)
        else:
            from junctor.cascade import ascent  # for those who use it

            answer = await ascent.chat(call, ladder, reservation)
        call.conclude()
        return answer
    except BaseException as error:
        call.conclude(error)
        raise


async def answered(call: Call, reservation: Reservation) -> Reply | Embeddings:
    """Make attempts, this reservation's first, until one answers."""
    while True:
        after_s = reservation.hedge_after_s
        if after_s is None:
            answer = await _attempt(call, reservation)
        else:
            call.race = call.race or Race(call)
            answer, reservation = await call.race.run(reservation, after_s, _attempt)
        if type(answer) is not Failure:
            return cast("Reply | Embeddings", answer)
        reservation = await call.recover(answer, reservation)


async def _attempt(call: Call, reservation: Reservation) -> Reply | Embeddings | Failure:
    """Send once and settle. Returns the answer, or the failure that another attempt may follow."""
    adapter, endpoint, message = call.prepare(reservation, stream=False)
    clock = call.clock
    sent_at = clock()
    timeout_s = attempts.whole_answer_timeout_s(
        endpoint,
        call.answer_tokens,
        remaining_s=call.deadline - sent_at,
        last=call.made >= call.attempts,
    )
    try:
        if endpoint.signer is not None:
            message = await call.signed(message, endpoint, timeout_s)
        response = await call.client.transport.send(message, timeout_s=timeout_s)
        call.upstream_s += clock() - sent_at
        call.trail.answered(reservation, response.status)
        answer = call.read(adapter, response)  # our own time, and no longer the provider's
    except TransportError as error:
        if error.kind == "timeout" and clock() >= call.deadline - DEADLINE_SLACK_S:
            raise call.cut_by_deadline(reservation, endpoint, sent_at) from None
        answer = Failure(kind=error.kind, message=str(error))
        call.settle_failed(reservation, answer)
        return answer
    except BaseException:
        reservation.cancel(sent=True)
        raise
    if type(answer) is Failure:
        call.settle_failed(reservation, answer, limits=adapter.rate_limits(response.headers))
    else:
        # When the first content of an unstreamed answer came is not known: the core goes by the whole time and length.
        call.settle_ok(reservation, cast("Reply | Embeddings", answer), None)
    return answer
