"""The script against a naive twin: fractions and dictionaries, any order of reports, losses and pauses.

The twin keeps the books; how much to give is the script's to decide, within what the books allow.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from junctor.leases import RedisCoordinator
from tests.leases.server import Server

LEASE, FORGET = 2_000, 600_000
START = 1_700_000_000_000


@dataclass
class Known:
    """What the twin knows of a host."""

    ends: int
    n: int
    out: int = 0
    pre: int = 0


@dataclass
class Twin:
    """One paced limit, in fractions of a unit."""

    limit: int
    window: int
    burst: int
    cap: int
    born: int
    level: Fraction = Fraction(0)
    at: int = 0
    hosts: dict[str, Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.level, self.at = Fraction(self.burst), self.born

    @property
    def out(self) -> int:
        return sum(host.out for host in self.hosts.values())

    def presumed(self, span: int, n: int) -> int:
        """Nine tenths of the n-th part of what is emitted in a span, rounded up at each step."""
        return -(-(self.limit * (span + 1) // self.window + 1) * 9 // (10 * n))

    def report(self, now: int, name: str, said: Said) -> None:
        """Everything that happens to the books before anything is given."""
        for other in [other for other, host in self.hosts.items() if host.ends < now - FORGET]:
            del self.hosts[other]
        self.level += Fraction(self.limit * min(now - self.at, 32 * self.window), self.window)
        self.at = now
        for host in self.hosts.values():
            if host.ends < now:
                charged = self.presumed(now - host.ends, host.n)
                self.level -= max(0, charged - host.pre)
                host.out, host.pre = 0, max(host.pre, charged)
        host = self.hosts.setdefault(name, Known(now, said.goes_by))
        if said.alone >= 0:
            self.level += max(0, host.pre - said.alone)
        host.pre, host.out = 0, said.held
        if now >= self.born + LEASE:
            self.level += said.returned - said.debt
            self.level += max(0, -16 * self.limit - self.level // 1)
        if self.level // 1 + self.out > self.cap:
            self.level = Fraction(self.cap - self.out)

    def give(self, now: int, name: str, said: Said, units: int) -> None:
        """The script gave so many."""
        host, learning = self.hosts[name], now < self.born + LEASE
        full = self.level // 1 >= self.cap - self.out
        assert units >= 0
        assert units <= max(0, self.level // 1) or (
            full and said.wanted > self.cap and units == said.wanted - said.held
        )
        assert units == 0 or not (learning or said.bye)
        self.level -= units
        host.out += units
        host.ends = now if learning else now + LEASE
        if said.bye:
            del self.hosts[name]
        else:
            host.n = min(said.goes_by, max(1, len(self.hosts)))


@dataclass
class Said:
    """What a host reports."""

    held: int
    returned: int
    debt: int
    demand: int
    wanted: int
    alone: int
    goes_by: int
    bye: bool

    def ask(self, coordinator: RedisCoordinator, twin: Twin, host: str, fence: int) -> list[int]:
        head = (host, fence, self.goes_by, 0, "bye" if self.bye else "renew", LEASE, FORGET)
        body = [0, twin.limit, twin.limit, twin.window, 1, twin.burst, twin.cap, self.held, self.returned, self.debt]
        body += [self.demand, self.wanted, self.wanted // 2, self.alone, -1, 0, 0, -1, 0]
        return coordinator.ask(["p:rpm:paced"], head, body)


def said_by(twin: Twin, name: str, rnd: random.Random) -> Said:
    """Something that a host might say, of what it was given."""
    out = twin.hosts[name].out if name in twin.hosts else 0
    held = rnd.randint(0, out)
    indebted = held == 0 and rnd.random() < 0.1
    return Said(
        held=held,
        returned=rnd.randint(0, out - held),
        debt=rnd.randint(1, twin.limit) if indebted else 0,
        demand=rnd.choice([0, 1, twin.limit // 60, twin.limit]),
        wanted=rnd.choice([0, 0, 1, twin.burst // 3, twin.cap, twin.limit]),
        alone=rnd.choice([0, 0, 1, twin.limit // 30, -1]),
        goes_by=rnd.randint(1, 6),
        bye=rnd.random() < 0.03,
    )


def pauses(rnd: random.Random) -> Iterator[int]:
    while True:
        yield rnd.choice([0, 1, 7, 250, 250, 1_000, 1_000, 2_001, 5_000, 61_000, 700_000 if rnd.random() < 0.05 else 1])


@pytest.mark.parametrize(
    ("limit", "window", "burst"),
    [
        (600, 60_000, 100),
        (7, 60_000, 1),
        (1_000_003, 60_000, 166_667),
        (1, 86_400_000, 1),
        (2_000_000_000, 60_000, 333),
    ],
)
def test_the_script_keeps_its_books_as_the_twin_does(server: Server, limit: int, window: int, burst: int) -> None:
    """After every report level and grants are those of the twin, to the unit."""
    rnd = random.Random(limit)
    cap = max(burst, min(limit, max(1, limit * 3_000 // window)))
    coordinator, now = server.coordinator(START), START
    coordinator.hello()
    twin = Twin(limit, window, burst, cap, born=START)
    names = [f"host{number}" for number in range(5)]
    with server.client() as client:
        for step, pause in zip(range(1_500), pauses(rnd), strict=False):
            now += pause if step else 0
            name = rnd.choice(names)
            said = said_by(twin, name, rnd)
            coordinator.now_ms = now
            if step and rnd.random() < 0.02:
                assert said.ask(coordinator, twin, name, now - 1)[0] == -1, "behind its fence it changes nothing"
                continue
            twin.report(now, name, said)
            answer = said.ask(coordinator, twin, name, 0)
            assert answer[0] == int(now >= START + LEASE)
            twin.give(now, name, said, answer[4])
            level, out = client.hmget("{junctor}:p:rpm:paced", "level", "out")
            assert (int(level), int(out)) == (twin.level // 1, twin.out)
            assert answer[2] == len(twin.hosts)
