"""One run: every call at its time, every fault at its time, and somebody who watches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from junctor.demo.caller import Caller
from junctor.demo.outage import Outage
from junctor.demo.tally import Ended
from junctor.demo.timeline import Faulty, Moment, moments
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
    started_s, progress, lost = clock(), Progress(len(asks)), Outage()
    try:
        async with asyncio.TaskGroup() as tasks:
            ticks = tasks.create_task(_ticks(progress, started_s, watcher))
            to_end = [tasks.create_task(_faults(provider, seconds, started_s, lost, watcher))]
            for ask in asks:
                due_s = started_s + ask.at_s
                if (wait_s := due_s - clock()) > 0:
                    await asyncio.sleep(wait_s)
                progress.begun += 1
                to_end.append(tasks.create_task(_call(caller, ask, due_s, lost, progress)))
            await asyncio.wait(to_end)
            ticks.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from None  # calls never raise: it is the watcher's error, or the provider's
    progress.now_s = clock() - started_s
    watcher.tick(progress)
    return progress.ended


async def _call(caller: Caller, ask: Ask, due_s: float, lost: Outage, progress: Progress) -> None:
    progress.ended.append(lost.judge(ask, await caller.ask(ask, due_s=due_s)))


async def _faults(provider: Faulty, seconds: float, started_s: float, lost: Outage, watcher: Watcher) -> None:
    clock = asyncio.get_running_loop().time
    for moment in moments(seconds):
        await asyncio.sleep(max(0.0, started_s + moment.at_s - clock()))
        before_s = clock() - started_s
        moment.happen(provider, seconds=seconds)
        lost.happened(moment, before_s=before_s, after_s=clock() - started_s)
        watcher.happened(clock() - started_s, moment)


async def _ticks(progress: Progress, started_s: float, watcher: Watcher) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        progress.now_s = clock() - started_s
        watcher.tick(progress)
        await asyncio.sleep(TICK_S)
