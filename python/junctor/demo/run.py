"""One run: every call at its time, every fault at its time, and somebody who watches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from junctor.demo.caller import Caller
from junctor.demo.tally import INTERRUPTED, NO_CAPACITY, OK, Ended
from junctor.demo.timeline import Faulty, Moment, moments, outage
from junctor.demo.traffic import Ask

TICK_S: Final = 0.2
"""Between two looks of the watcher: five a second read as motion."""


class Progress:
    """How far a run is, for whoever watches."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.begun = 0
        self.ended: list[Ended] = []
        self.now_s = 0.0
        self.found_back = False
        """Whether a call that only the lost region may take was answered after the region's return."""

    @property
    def under_way(self) -> int:
        """Calls begun and not ended."""
        return self.begun - len(self.ended)


class Watcher:
    """Sees a run go by. The base class looks away."""

    def happened(self, at_s: float, moment: Moment) -> None:
        """A fault began or ended."""

    def tick(self, progress: Progress) -> None:
        """Time has gone by."""


async def run(
    caller: Caller, asks: Sequence[Ask], provider: Faulty, *, seconds: float, watcher: Watcher
) -> list[Ended]:
    """Make all calls, each at its time whatever became of those before it, and answer how they ended."""
    clock = asyncio.get_running_loop().time
    started_s, progress = clock(), Progress(len(asks))
    try:
        async with asyncio.TaskGroup() as tasks:
            ticks = tasks.create_task(_ticks(progress, started_s, watcher))
            to_end = [tasks.create_task(_faults(provider, seconds, started_s, watcher))]
            for ask in asks:
                due_s = started_s + ask.at_s
                if (wait_s := due_s - clock()) > 0:
                    await asyncio.sleep(wait_s)
                progress.begun += 1
                to_end.append(tasks.create_task(_call(caller, ask, due_s, outage("eu", seconds), progress)))
            await asyncio.wait(to_end)
            ticks.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from None  # calls never raise: it is the watcher's error, or the provider's
    progress.now_s = clock() - started_s
    watcher.tick(progress)
    return progress.ended


async def _call(caller: Caller, ask: Ask, due_s: float, outage_s: tuple[float, float], progress: Progress) -> None:
    ended = await caller.ask(ask, due_s=due_s)
    if ask.eu_only:
        ended = judged(ended, ask.at_s, outage_s, progress)
    progress.ended.append(ended)


def judged(ended: Ended, at_s: float, outage_s: tuple[float, float], progress: Progress) -> Ended:
    """Whether somebody could have answered this call, which only the region that is lost for a while may take."""
    if ended.kind in (OK, INTERRUPTED):
        progress.found_back |= at_s > outage_s[1]
        return ended
    hopeless = at_s < outage_s[1] and at_s + ended.total_s > outage_s[0]
    unnoticed = at_s >= outage_s[1] and ended.kind == NO_CAPACITY and not progress.found_back
    return msgspec.structs.replace(ended, hopeless=hopeless, unnoticed=unnoticed)


async def _faults(provider: Faulty, seconds: float, started_s: float, watcher: Watcher) -> None:
    clock = asyncio.get_running_loop().time
    for moment in moments(seconds):
        await asyncio.sleep(max(0.0, started_s + moment.at_s - clock()))
        moment.happen(provider, seconds=seconds)
        watcher.happened(clock() - started_s, moment)


async def _ticks(progress: Progress, started_s: float, watcher: Watcher) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        progress.now_s = clock() - started_s
        watcher.tick(progress)
        await asyncio.sleep(TICK_S)
