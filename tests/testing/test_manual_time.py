"""On manual time nothing waits for real: the clock jumps to the next timer, in order."""

from __future__ import annotations

import asyncio
import time as real
from typing import Any

import pytest

from junctor.testing import ManualTime
from junctor.testing.clock import NothingCanHappen, PlainClock


class TickClock:
    """Counts whole nanoseconds, rounding down, as the core's clock does."""

    def __init__(self) -> None:
        self.ns = 0

    def advance(self, s: float, /) -> None:
        self.ns += int(s * 1e9)

    def now_s(self) -> float:
        return self.ns / 1e9


def test_an_hour_passes_in_no_time() -> None:
    time = ManualTime()
    began_s = real.monotonic()
    time.run(asyncio.sleep(3600))
    assert time.now_s() == 3600.0
    assert real.monotonic() - began_s < 5


def test_timers_of_all_kinds_fire_in_order_at_their_times() -> None:
    time = ManualTime()
    seen: list[tuple[str, float]] = []

    async def sleeps(name: str, s: float) -> None:
        await asyncio.sleep(s)
        seen.append((name, time.now_s()))

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(2.5, lambda: seen.append(("call_later", loop.time())))
        loop.call_at(0.5, lambda: seen.append(("call_at", loop.time())))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await asyncio.gather(sleeps("a", 1), sleeps("never", 9))
        seen.append(("timeout", time.now_s()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 2)
        seen.append(("wait_for", time.now_s()))

    time.run(scenario())
    assert seen == [("call_at", 0.5), ("a", 1.0), ("timeout", 1.5), ("call_later", 2.5), ("wait_for", 3.5)]


@pytest.mark.parametrize("clock", [PlainClock(100.0), TickClock()], ids=["plain", "ticks"])
def test_the_loop_has_no_clock_but_the_one_it_is_given(clock: Any) -> None:
    time = ManualTime(clock)
    start_s = clock.now_s()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        for step in range(1, 200):
            await asyncio.sleep(1 / 3)
            assert loop.time() == clock.now_s()
            assert clock.now_s() == pytest.approx(start_s + step / 3, abs=1e-6)

    time.run(scenario())


def test_a_scenario_may_move_the_time_itself_and_due_timers_fire() -> None:
    time = ManualTime()

    async def scenario() -> float:
        sleeper = asyncio.ensure_future(asyncio.sleep(10))
        await asyncio.sleep(0)
        time.advance(30)
        await sleeper
        return time.now_s()

    assert time.run(scenario()) == 30.0
    with pytest.raises(ValueError, match="allowed is 0 or more"):
        time.advance(-1)


def test_time_goes_on_in_the_next_run() -> None:
    time = ManualTime()
    time.run(asyncio.sleep(5))
    time.run(asyncio.sleep(5))
    assert time.now_s() == 10.0


def test_work_in_threads_is_waited_for_before_time_jumps() -> None:
    time = ManualTime()

    async def scenario() -> tuple[int, float]:
        asyncio.get_running_loop().call_later(1, lambda: None)
        return await asyncio.to_thread(lambda: sum(range(200_000))), time.now_s()

    assert time.run(scenario()) == (sum(range(200_000)), 0.0)


def test_a_scenario_that_waits_for_nothing_is_told_so() -> None:
    async def scenario() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingCanHappen, match="no timer is set and no input came"):
        ManualTime().run(scenario())


def test_the_cores_clock_drives_the_loop() -> None:
    pytest.importorskip("junctor._core", reason="the compiled core is not built")
    from junctor.testing import ManualClock

    clock = ManualClock()
    ManualTime(clock).run(asyncio.sleep(2.5))
    assert clock.now_s() == pytest.approx(2.5)
