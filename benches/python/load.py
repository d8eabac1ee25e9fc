"""Load on anything that answers a call, and what it cost. Standard library only: the peers' environments import it.

Two kinds: as many calls as possible, for CPU time per call, and calls at a steady pace with random gaps, for latencies.
The second is an open loop: a slow answer does not keep the next call from coming, as it would not in life.
"""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Awaitable, Callable

CONCURRENT = 64
FIRST = 200  # how many calls are "the first": what is noticed before anything can have been learned

Call = Callable[[], Awaitable[str]]


def cpu_s() -> float:
    """User and system time of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def cost_us(
    call: Call, expected: str, count: int, *, finish: Callable[[], Awaitable[None]] | None = None
) -> float:
    """Microseconds of CPU per call, `CONCURRENT` at once, over about `count` calls.

    `finish` waits for work that the calls left to others; it belongs to their cost.
    """
    each = max(1, count // CONCURRENT)

    async def caller() -> None:
        for _ in range(each):
            if (answer := await call()) != expected:
                raise AssertionError(f"a contender answered {answer[:80]!r} instead of {expected[:80]!r}")

    before = cpu_s()
    await asyncio.gather(*(caller() for _ in range(CONCURRENT)))
    if finish is not None:
        await finish()
    return (cpu_s() - before) / (each * CONCURRENT) * 1e6


async def paced(call: Call, *, count: int, per_s: float, seed: int) -> dict[str, float]:
    """Latencies in milliseconds of `count` calls that arrive at random, `per_s` on average, and how many failed."""
    draw = random.Random(seed)
    loop = asyncio.get_running_loop()
    due = loop.time()
    tasks = []
    for _ in range(count):
        due += draw.expovariate(per_s)
        await asyncio.sleep(due - loop.time())
        tasks.append(asyncio.create_task(_timed(call)))
    outcomes = await asyncio.gather(*tasks)
    taken = [ms for ms, _ in outcomes]
    first = sorted(taken[:FIRST])
    taken.sort()
    return {
        "p50_ms": taken[count // 2],
        "p99_ms": taken[count * 99 // 100],
        "first_p99_ms": first[len(first) * 99 // 100],
        "first_over_1_s": float(sum(ms > 1_000 for ms in first)),
        "over_1_s": float(sum(ms > 1_000 for ms in taken)),
        "failed": float(sum(not good for _, good in outcomes)),
    }


async def _timed(call: Call) -> tuple[float, bool]:
    started = time.perf_counter()
    try:
        await call()
    except Exception:  # whatever the contender raises, the caller has no answer
        return (time.perf_counter() - started) * 1e3, False
    return (time.perf_counter() - started) * 1e3, True
