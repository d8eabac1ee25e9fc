"""Draft and strong side by side: the strong model is asked at once, and cut off if the draft turns out good enough.

A cascade saves money and costs time: who is escalated waits for two answers. Started together, the wait is that of the
slower one, and what is paid for the strong model's beginning is waste whenever the draft passes. Whoever is ready first
decides: a draft that was judged good enough before the strong model has something to show (its whole answer, of a
stream its first content) is delivered, else the strong answer is, since it is there and is the better one.

The loser is settled as beaten and stopped in the same step of the event loop in which the winner is known, as with
hedges (`hedge.Race`), so that no permit is held behind the caller's back; what it had used is told on the receipt and
counted. The two are not one `Race` because they are two calls, to different groups with attempts of their own, and the
first answer does not win by itself: a draft has to pass.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from junctor.cascade.ascent import Ascent, Rung, Take, Taken
from junctor.exceptions import JunctorError

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.dispatch import Call


async def climb(ascent: Ascent, reservation: Reservation, take: Take) -> Taken:
    """The first step by this reservation, the last beside it. What is returned is to be delivered."""
    last = ascent.ladder.last
    draft, strong = ascent.part(0), ascent.part(last)
    loop = asyncio.get_running_loop()
    first = loop.create_task(_judged(ascent, draft, reservation, take))
    first.add_done_callback(lambda task: reservation.cancel(sent=False) if task.cancelled() else None)
    ahead = loop.create_task(_strong(ascent, strong, take))
    try:
        taken = await _decided(ascent, first, ahead, draft, strong)
    except BaseException:
        await _clear([first, ahead], None)
        raise
    try:
        await _clear([first, ahead], taken)
    except BaseException:  # the caller is gone before it could take what was won
        await _release(taken)
        raise
    return taken


async def _decided(
    ascent: Ascent, first: asyncio.Task[Taken | None], ahead: asyncio.Task[Taken], draft: Call, strong: Call
) -> Taken:
    """Whichever will do and is there first."""
    last = ascent.ladder.last
    await asyncio.wait([first, ahead], return_when=asyncio.FIRST_COMPLETED)
    if first.done() and (found := first.result()) is not None:
        _not_needed(ascent, strong, ahead)
        return found
    if ahead.done() and ahead.exception() is None:
        if not first.done():
            _beaten(ascent, draft, first, 0)
        ascent.note(Rung(last, strong, "answered"))
        return ahead.result()
    return await _after(ascent, first, ahead, strong, last)


async def _after(
    ascent: Ascent, first: asyncio.Task[Taken | None], ahead: asyncio.Task[Taken], strong: Call, last: int
) -> Taken:
    """One of the two has ended without an answer to deliver: it is the other's turn."""
    drafted = await first
    if drafted is not None:
        _not_needed(ascent, strong, ahead)
        return drafted
    try:
        taken = await ahead
    except JunctorError as error:
        return cast(Taken, ascent.after_error(last, strong, error))
    ascent.note(Rung(last, strong, "answered"))
    return taken


async def _judged(ascent: Ascent, part: Call, reservation: Reservation, take: Take) -> Taken | None:
    """The draft if it is good enough, else None. Raises nothing of ours that the strong model may make good."""
    try:
        taken = await take(part, reservation, ascent.ladder)
    except JunctorError as error:
        ascent.after_error(0, part, error)
        return None
    try:
        following = await ascent.judged(0, taken)
    except BaseException:
        await _release(taken)
        raise
    return taken if following is None else None


async def _strong(ascent: Ascent, part: Call, take: Take) -> Taken:
    return await take(part, await ascent.reserve(part), ascent.ladder)


def _not_needed(ascent: Ascent, strong: Call, ahead: asyncio.Task[Taken]) -> None:
    """The draft is delivered: the strong model is stopped, unless it has failed by itself."""
    if ahead.done() and (error := ahead.exception()) is not None:
        if not isinstance(error, JunctorError):
            raise error
        ascent.note(Rung(ascent.ladder.last, strong, "failed", why=type(error).__name__))
    else:
        _beaten(ascent, strong, ahead, ascent.ladder.last)


def _beaten(ascent: Ascent, part: Call, task: asyncio.Task[Any], at: int) -> None:
    """Settle what a part holds as beaten, stop it, and count what it had used."""
    counters = ascent.call.client.counters
    held = cast("Reservation | None", part.trail.last)
    if held is not None and held.held:
        part.settle_beaten(held)
    task.cancel()
    attempts = part.trail.receipt().attempts
    counters["speculation_waste_tokens"] += sum(item.input_tokens + item.output_tokens for item in attempts)
    counters["speculation_waste_usd_micros"] += sum(item.cost_usd_micros for item in attempts)
    ascent.note(Rung(at, part, "beaten"))


async def _clear(tasks: list[asyncio.Task[Any]], taken: Taken | None) -> None:
    """Stop everybody, wait for them, and release what they had to show if it was not taken."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            shown = task.result()
            if isinstance(shown, Taken) and shown is not taken:
                await _release(shown)


async def _release(taken: Taken) -> None:
    if taken.attempt is not None:
        await taken.attempt.release()
