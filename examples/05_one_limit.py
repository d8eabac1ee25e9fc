"""One limit, however many workers: four processes share it, one is killed, and the total is what one would get.

While it runs, `junctor top examples/one_limit.yaml` in a second terminal shows it from outside. Each worker asks as
fast as it is let; the provider, simulated on loopback, counts what really came. The argument is how long to run.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import junctor
from junctor.testing import Key, Latency, SimulatedProvider

FLEET = Path(__file__).with_name("one_limit.yaml")
WORKERS = 4


async def work(begin: float, end: float) -> None:
    """A worker: four callers that ask from the beginning to the end, whatever they are told."""

    async def ask() -> None:
        while time.time() < end:
            try:
                await llm.chat("gpt", [{"role": "user", "content": "Hello"}], max_tokens=16, max_wait_s=0)
            except junctor.NoCapacity as nobody:
                await asyncio.sleep(nobody.retry_after_s)

    async with junctor.Client.open(FLEET) as llm:
        await asyncio.sleep(begin - time.time())
        await asyncio.gather(*(ask() for _ in range(4)))


def main(run_s: float) -> None:
    """Starts the workers, kills one half-way, and compares what they held and what came with what the limit allows."""
    with SimulatedProvider.in_process([Key("sk-one")], latency=Latency(first_token_s=0.1)) as provider:
        os.environ |= {"ONE_LIMIT_URL": provider.base_url("openai"), "ONE_LIMIT_KEY": "sk-one"}
        router, begin = junctor.Router.open(FLEET), time.time() + 2
        before, times = router.snapshot()["counters"], (str(begin), str(begin + run_s + 0.09))
        workers = [subprocess.Popen([sys.executable, __file__, *times]) for _ in range(WORKERS)]
        time.sleep(begin - time.time() + run_s / 2)
        workers[0].kill()
        while any(worker.poll() is None for worker in workers) or router.snapshot()["deployments"]["gpt"]["in_flight"]:
            time.sleep(0.1)
        after, came, allowed = router.snapshot()["counters"], provider.counts().requests, int(10 + 10 * run_s)
        held, reaped = (after[name] - before[name] for name in ("reserved", "reaped"))
        print(f"{WORKERS} workers, {reaped} killed, 0 attempts left in flight")
        print(f"one limit allows {allowed} in {run_s:g} s; {held} were held and {came} came")
        print(f"{WORKERS} limits would have allowed {WORKERS * allowed}")
        assert came <= held <= allowed


if len(sys.argv) == 3:
    asyncio.run(work(float(sys.argv[1]), float(sys.argv[2])))
else:
    main(float(sys.argv[1]) if sys.argv[1:] else 4)
