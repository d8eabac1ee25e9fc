"""The demo from end to end: traffic, two runs, report."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import msgspec

from junctor.cli.text import Paint, is_terminal, paint_for, wrapped
from junctor.demo import by_gateway, report, truth
from junctor.demo.by_client import ByClient
from junctor.demo.by_gateway import Act
from junctor.demo.fleet import KEYS, REGIONS, TIME_SCALE, fleet, provider_keys
from junctor.demo.random_choice import RandomChoice
from junctor.demo.report import Told
from junctor.demo.run import run
from junctor.demo.tally import Ended, figures
from junctor.demo.traffic import Traffic, traffic
from junctor.demo.watch import LiveWatcher, LogWatcher
from junctor.demo.wire import WireWatch
from junctor.testing import SimulatedProvider
from junctor.testing.remote import RemoteProvider
from junctor.transport.direct import DirectTransport

OUTPUT_TOKENS: Final = 90
OUTPUT_SIGMA: Final = 0.6
"""Answers as the models would write them; `max_tokens` of the call cuts them."""

QUIET_S, QUIET_LOOKS = 0.02, 50
"""The providers get a second to notice the last connection's end; they need a millisecond."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to drive: seconds of each run, the seed of everything, the folder of recorded traffic if one is given."""

    seconds: float
    seed: int
    folder: Path | None = None


class _Stage:
    """Where a run's events go: standard output, or standard error while JSON is asked for."""

    def __init__(self, out: IO[str], *, as_json: bool) -> None:
        stage: IO[str] = out
        if as_json:
            stage = sys.stderr if is_terminal(sys.stderr) else io.StringIO()
        self.out = stage
        self.paint = Paint(False) if as_json and stage is not sys.stderr else paint_for(stage)
        self.live = is_terminal(stage)

    def say(self, *texts: str) -> None:
        """Lines for people."""
        print(*texts, sep="\n", file=self.out, flush=True)


def drive(plan: Plan, *, out: IO[str], as_json: bool) -> bool:
    """Run both days and report on `out`; answers whether every invariant held."""
    started_s = time.monotonic()
    calls = traffic(seconds=plan.seconds, seed=plan.seed, folder=plan.folder)
    stage = _Stage(out, as_json=as_json)
    stage.say(*_opening(plan, calls, stage.paint))
    runs = [_one(plan, calls, make, stage) for make in (ByClient, RandomChoice)]
    gateway = _gateway(plan)
    took_s = time.monotonic() - started_s
    if as_json:
        told = report.as_json(runs, gateway, calls, seconds=plan.seconds, seed=plan.seed, took_s=took_s)
        print(told.decode(), file=out)
    else:
        stage.say(*report.lines(runs, stage.paint), *report.gateway_lines(gateway, stage.paint))
        stage.say("", f"  {took_s:.0f} s in all.")
    return all(each.held for each in runs) and (gateway is None or gateway.held)


def _gateway(plan: Plan) -> Act | None:
    """The last act, with fresh providers and no faults. None where no server is installed."""
    if not by_gateway.installed():
        return None
    with _providers(plan) as provider:
        return by_gateway.play(provider)


def _providers(plan: Plan) -> AbstractContextManager[RemoteProvider]:
    """Fresh providers, which draw the same latencies and lengths for the same seed."""
    return SimulatedProvider.in_process(
        provider_keys(),
        time_scale=TIME_SCALE,
        output_tokens=OUTPUT_TOKENS,
        output_sigma=OUTPUT_SIGMA,
        seed=plan.seed,
    )


def _opening(plan: Plan, calls: Traffic, paint: Paint) -> list[str]:
    eu_only = sum(ask.eu_only for ask in calls.asks)
    streamed = sum(ask.streamed for ask in calls.asks)
    tools = sum("tools" in ask.options for ask in calls.asks)
    size = f"{len(KEYS)} keys, 3 providers, {len(REGIONS)} regions"
    kinds = f"{streamed:,} streamed, {tools:,} with tools, {eu_only:,} that may not leave the EU"
    return [
        "",
        paint(" A bad day of a fleet, at ten times real speed", "bold"),
        *wrapped(f"{size}, all simulated on loopback.", indent=1),
        *wrapped(f"{len(calls.asks):,} calls in {plan.seconds:g} s: {kinds}.", indent=1),
        *wrapped(f"{calls.origin[0].upper()}{calls.origin[1:]}. Seed {plan.seed}.", indent=1),
        "",
    ]


def _one(plan: Plan, calls: Traffic, make: type[ByClient | RandomChoice], stage: _Stage) -> Told:
    with _providers(plan) as provider:
        return asyncio.run(_drive(plan, calls, make, provider, stage))


async def _drive(
    plan: Plan, calls: Traffic, make: type[ByClient | RandomChoice], provider: RemoteProvider, stage: _Stage
) -> Told:
    regions = {urlsplit(provider.url(region)).netloc: region for region in REGIONS}
    # Loopback only: proxies that the environment names are not for us.
    wire = WireWatch(DirectTransport(), regions)
    caller = make(fleet(provider.base_url), wire, seed=plan.seed)
    watcher = (LiveWatcher if stage.live else LogWatcher)(caller, stage.out, stage.paint, seconds=plan.seconds)
    if not stage.live:
        stage.say("", f" {caller.title}")
    try:
        ended = await run(caller, calls.asks, provider, seconds=plan.seconds, watcher=watcher)
    finally:
        watcher.close()
        await wire.close()
    if isinstance(caller, ByClient):
        stage.say(*_nobody(caller, stage.paint))
    await _quiet(provider)
    return _told(calls, caller, ended, wire, provider)


async def _quiet(provider: RemoteProvider) -> None:
    """Wait until the providers have noticed that everybody is gone, so that their counts are final."""
    for _ in range(QUIET_LOOKS):
        if provider.counts().in_flight == 0:
            return
        await asyncio.sleep(QUIET_S)


def _told(
    calls: Traffic, caller: ByClient | RandomChoice, ended: list[Ended], wire: WireWatch, provider: RemoteProvider
) -> Told:
    counts, found = provider.counts(), figures(len(calls.asks), ended)
    checks = truth.of_any_run(found, wire, counts)
    if isinstance(caller, ByClient):
        checks += truth.of_the_client(found, caller.router.snapshot())
    return Told(
        title=caller.title,
        figures=found,
        provider=counts,
        by_key={plan.name: provider.counts(key=plan.name) for plan in KEYS},
        sent_by_region=dict(wire.sent),
        outside_region=wire.outside,
        checks=checks,
    )


def _nobody(caller: ByClient, paint: Paint) -> list[str]:
    """The answer to the first call that only the lost region might have taken."""
    if caller.nobody is None:
        return []
    ask, error = caller.nobody
    elsewhere = sum(why.startswith("compliance") for why in error.refusals.values())
    said = wrapped(f"NoCapacity: {error}", indent=3)
    return [
        f" Call {ask.number:,} may not leave the EU. While the region was lost it was told:",
        *(paint(line, "yellow") for line in said),
        f"   {elsewhere} keys outside the EU were left out and none was asked.",
        "",
    ]
