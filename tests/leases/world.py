"""Several hosts in one process, on manual time, against a real server that is told the same time.

A host is a router with a state of its own and a courier that is stepped by hand; only the script's clock is replaced.
So minutes pass in a second, the same way each time, and what is admitted can be compared with the limit to the unit.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final, Literal

from junctor import NoCapacity, Router
from junctor._core import ManualClock, Reservation
from junctor.leases import Courier, RedisCoordinator, Unreachable
from tests.leases.server import Server

Line = Literal["up", "cut", "deaf", "late"]
"""A host's line to the server: nothing arrives; answers get lost; or questions arrive long after they were given up."""

EPOCH_MS: Final = 1_700_006_400_000
"""2023-11-15 00:00 UTC: where the world's time begins."""
LATE_S: Final = 3.0


def fleet(*limits: dict[str, Any], hosts: int = 10) -> bytes:
    """A compiled fleet of one deployment with these limits, shared between hosts."""
    deployment = {"name": "a", "provider": "x", "model": "x/y", "pools": ["p"]}
    return json.dumps(
        {
            "config_hash": "c0ffee",
            "wall_epoch_s": EPOCH_MS // 1000 - 1_000,
            "leases": {"hosts": hosts},
            "pools": [{"name": "p", "limits": limits}],
            "deployments": [deployment],
        }
    ).encode()


def limit(dimension: str, units: int, **more: Any) -> dict[str, Any]:
    """A limit per minute with a burst of ten seconds."""
    return {"dimension": dimension, "limit": units, **more}


class Wire:
    """A coordinator's line that can be cut."""

    def __init__(self, world: World) -> None:
        self.line: Line = "up"
        self._world = world
        self._inner: RedisCoordinator = world.server.coordinator(world.now_ms)
        self._underway: deque[tuple[float, Any]] = deque()

    def hello(self) -> int:
        self._inner.now_ms = self._world.now_ms
        if self.line == "cut":
            raise Unreachable("cut", sent=False)
        return self._inner.hello()

    def ask(self, keys: Sequence[str], head: Sequence[str | int], body: Sequence[int]) -> list[int]:
        if self.line == "cut":
            raise Unreachable("cut", sent=False)
        if self.line == "late":
            self._underway.append((self._world.t + LATE_S, (keys, head, body)))
            raise Unreachable("late", sent=True)
        self._inner.now_ms = self._world.now_ms
        answer = self._inner.ask(keys, head, body)
        if self.line == "deaf":
            raise Unreachable("deaf", sent=True)
        return answer

    def deliver(self) -> None:
        """Hand over what was under way for long enough."""
        while self._underway and self._underway[0][0] <= self._world.t:
            _, (keys, head, body) = self._underway.popleft()
            self._inner.now_ms = self._world.now_ms
            try:
                self._inner.hello()
            except Unreachable:
                continue
            assert self._inner.ask(keys, head, body)[0] == -1, "it was read although its host had given it up"

    def close(self) -> None:
        self._inner.close()


class Host:
    """A router with a state of its own, and what it has admitted."""

    def __init__(self, world: World, compiled: bytes) -> None:
        self.clock = ManualClock(1_000.0 + world.t)
        self.router = Router(compiled, ["e"], seed=1, clock=self.clock)
        self.wire = Wire(world)
        self.courier = Courier(self.router, self.wire, time=lambda: world.t)
        self.alive = True
        self.used = 0
        self.seen = 0

    def ask(self, tokens: int = 1) -> Reservation | None:
        """Reserve so many input tokens, or nothing."""
        try:
            return self.router.reserve("a", input_tokens=tokens, output_tokens=0)
        except NoCapacity:
            return None

    def use(self, tokens: int = 1, *, estimate: int | None = None) -> bool:
        """A request that is answered at once."""
        held = self.ask(tokens if estimate is None else estimate)
        if held is None:
            return False
        held.settle("ok", input_tokens=tokens, output_tokens=0)
        self.used += tokens
        self.seen += 1
        return True

    @property
    def leases(self) -> dict[str, Any]:
        told: dict[str, Any] = self.router.snapshot()["leases"]
        return told


class World:
    """Time, a server and hosts. `rate` units per second and `burst` are what all of them together may admit."""

    def __init__(self, server: Server, *limits: dict[str, Any], hosts: int, assumed: int = 10) -> None:
        self.server = server
        self.t = 0.0
        self.steps = 0
        self.compiled = fleet(*limits, hosts=assumed)
        self.hosts = [Host(self, self.compiled) for _ in range(hosts)]
        self.admitted: list[int] = []

    @property
    def now_ms(self) -> int:
        return EPOCH_MS + self.steps * 100

    @property
    def total(self) -> int:
        return sum(host.used for host in self.hosts)

    def join(self) -> Host:
        """One more host."""
        self.hosts.append(Host(self, self.compiled))
        return self.hosts[-1]

    def tick(self) -> None:
        """A tenth of a second passes, and every living host's courier looks once."""
        self.steps += 1
        self.t = self.steps / 10
        for host in self.hosts:
            host.clock.advance(0.1)
            host.wire.deliver()
            if host.alive:
                host.courier.step()

    def note(self) -> None:
        """Remember what has been admitted by now."""
        self.admitted.append(self.total)

    def warm_up(self) -> None:
        """The three seconds in which a fresh coordinator learns."""
        for _ in range(30):
            self.tick()

    def worst(self, per_minute: int) -> Fraction:
        """The most that was admitted in any span beyond what the rate emits in it."""
        rate = Fraction(per_minute, 600)
        lowest, worst = Fraction(0), Fraction(0)
        for step, admitted in enumerate([0, *self.admitted]):
            ahead = admitted - rate * step
            worst = max(worst, ahead - lowest)
            lowest = min(lowest, ahead)
        return worst

    def most(self, per_minute: int) -> Fraction:
        """The most that was admitted since the beginning beyond what the rate emits."""
        rate = Fraction(per_minute, 600)
        return max((admitted - rate * (step + 1) for step, admitted in enumerate(self.admitted)), default=Fraction(0))
