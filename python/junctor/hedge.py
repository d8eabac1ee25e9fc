"""Hedging: a second attempt beside a slow first one; whoever has something to show first is the answer.

A deployment that hangs costs its callers the whole first-content timeout before a retry begins. In a group with
`hedge: true` a second deployment is asked as soon as the first is later than nearly all others of its group, and the
slower of the two is cut off. When that is, and whether there is room and budget for it, is the core's to say.

The two run as tasks, and one rule keeps them apart: the first to have content (or, unstreamed, a good answer) calls
`Race.win` in the same step of the event loop in which it saw it. That settles the other's reservation and cancels its
task before it can run again, so never are both delivered, and both permits are back before the caller sees anything.
Rejected: comparing finished tasks afterwards, which lets both settle as answers when they end in the same turn; and
asking both from the beginning, which doubles the bill to save one call in twenty.

A hedge can only help: whatever goes wrong with it, the first attempt goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from junctor import attempts
from junctor.exceptions import NoCapacity, Refused
from junctor.failures import Failure

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.dispatch import Call

T = TypeVar("T")

Enter = Callable[["Call", "Reservation"], Coroutine[Any, Any, "T | Failure"]]
"""Makes one attempt: settles and returns its failure, or wins the race and returns what it has to show."""
Discard = Callable[[T], Awaitable[None]]
"""Releases what a winner has to show when its caller is gone."""


class Runner(NamedTuple, Generic[T]):
    """One attempt in a race."""

    reservation: Reservation
    task: asyncio.Task[T | Failure]


class Race(Generic[T]):
    """The attempts of one call that run side by side: one, and at most once in a call two.

    Nothing counts the hedges of a call: a second one would be its fourth attempt.
    """

    __slots__ = ("_call", "_runners", "winner")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._runners: list[Runner[T]] = []
        self.winner: Reservation | None = None

    def win(self, reservation: Reservation) -> None:
        """This attempt is the answer: whoever runs beside it is settled as beaten and stopped, here and now."""
        if self.winner is not None:
            return
        self.winner = reservation
        call = self._call
        call.trail.delivers(reservation)
        for other, task in self._runners:
            if other is reservation or task.done():
                continue
            if call.trail.holds(other):
                call.settle_beaten(other)
            task.cancel()

    async def run(
        self, reservation: Reservation, after_s: float, enter: Enter[T], discard: Discard[T] | None = None
    ) -> tuple[T | Failure, Reservation]:
        """Make this attempt and, if it is silent for `after_s`, another one beside it.

        Returns what the winner has to show, or the last failure if nobody won, and whose it is. Before it returns or
        raises, everything else is released.
        """
        self._runners = []
        self._start(reservation, enter)
        taken: Runner[T] | None = None
        try:
            if (spare := await self._silence(after_s)) is not None:
                self._start(spare, enter)
            taken = await self._decided()
            return taken.task.result(), taken.reservation
        finally:
            await self._clear(taken, discard)

    async def _silence(self, after_s: float) -> Reservation | None:
        """Wait for the first attempt. A reservation if it is silent for so long, or for twice, four times so long: who
        finds no room or budget for a hedge asks again, since whoever waits longest needs one most."""
        (first,) = self._runners
        wait_s, waited_s = after_s, 0.0
        while not (await asyncio.wait([first.task], timeout=wait_s))[0]:
            if (spare := self._spare(first.reservation)) is not None:
                return spare
            waited_s += wait_s
            wait_s = waited_s
        return None

    def _start(self, reservation: Reservation, enter: Enter[T]) -> None:
        task = asyncio.get_running_loop().create_task(enter(self._call, reservation))
        task.add_done_callback(partial(_release_unsent, reservation))
        self._runners.append(Runner(reservation, task))

    def _spare(self, first: Reservation) -> Reservation | None:
        """Room for a hedge at another deployment, or None: no attempt, time, room or budget is left for one."""
        call = self._call
        router, remaining_s = call.client.router, call.deadline - call.clock()
        if not attempts.may_start(made=call.made, remaining_s=remaining_s, limit=call.attempts):
            return None
        tried = [*(call.plan.tried if call.plan is not None else ()), first.deployment]
        try:
            spare = router.reserve(call.model, max_wait_s=0.0, tried=tried, spare=True, **call.ask)
        except (NoCapacity, Refused):
            return None
        # The budget is asked last: only a hedge that can start is worth a token.
        if call.too_slow(spare) or not router.try_hedge():
            spare.cancel(sent=False)
            return None
        call.client.counters["hedge"] += 1
        return spare

    async def _decided(self) -> Runner[T]:
        """The runner that won, or the last that failed."""
        waiting = list(self._runners)
        last = waiting[0]
        while waiting:
            await asyncio.wait([runner.task for runner in waiting], return_when=asyncio.FIRST_COMPLETED)
            for runner in [runner for runner in waiting if runner.task.done()]:
                waiting.remove(runner)
                if runner.reservation is self.winner:
                    return runner
                if self.winner is None and self._failed(runner):
                    last = runner
        return last

    def _failed(self, runner: Runner[T]) -> bool:
        """Note a failure. Raises what is none; a hedge that ended in an error of its own is counted and forgotten."""
        try:
            answer = runner.task.result()
        except Exception:  # also one that is not ours: the first attempt has nothing to do with it
            if runner is self._runners[0]:
                raise
            self._call.client.counters["hedge_error"] += 1
            return False
        self._call.note_failure(cast(Failure, answer), runner.reservation)
        return True

    async def _clear(self, taken: Runner[T] | None, discard: Discard[T] | None) -> None:
        """Stop everybody, and release what a winner holds if nobody took it."""
        rest = [runner for runner in self._runners if runner is not taken]
        for runner in rest:
            if not runner.task.cancelling():  # a second cancellation would cut short how the first is being answered
                runner.task.cancel()
        for runner in rest:
            if discard is not None and runner.reservation is self.winner and _ended_well(runner.task):
                await discard(cast(T, runner.task.result()))
        if pending := [runner.task for runner in rest if not runner.task.done()]:
            await asyncio.wait(pending)


def _ended_well(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _release_unsent(reservation: Reservation, task: asyncio.Task[Any]) -> None:
    """A task that was cancelled before its first step never got to settle its reservation, nor to send anything."""
    if task.cancelled():
        reservation.cancel(sent=False)
