"""A gateway under clients that leave: nothing may stay behind, and its memory may not grow.

    python -m benches.python.gateway_soak [--requests 100000] [--streams 10000] [--json FILE]

Whole answers and streams over real sockets to a served gateway, 64 at once, every third left by its client somewhere
on the way. Told is the worker's memory along the way with its slope; the run fails if an answer is not 200, if anything
is in flight at the end by the fleet's shared state, or if the key, which may have twice as many requests at once as
there ever are, is ever refused one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from benches.python.constant import BODY, STREAM_BODY, provider
from benches.python.gateway_server import Served, children, gateway
from benches.python.harness import Row, Spread, Suite, Verdict, report, write
from benches.python.load import CONCURRENT

LEAVES: Final = 3
"""Every third client leaves."""

LOOKS: Final = 40
"""Readings of the memory for each kind of request."""

SETTLE_S: Final = 10.0
WARM: Final = 0.25
"""The first part of the readings does not count for the slope: pools, caches and the allocator fill then."""

MAX_SLOPE_BYTES: Final = 64.0
"""Of memory per request: what is kept of each would be a task, a body, a receipt, so kilobytes."""


class Client:
    """A client by hand, so that it can leave at any byte."""

    def __init__(self, served: Served, body: dict[str, object], seed: int) -> None:
        raw = msgspec.json.encode({**body, "model": "g0"})
        self._port = int(served.url.rpartition(":")[2])
        self._request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: soak\r\nauthorization: Bearer {served.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        ).encode() + raw
        self._draw = random.Random(seed)
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.answered = 0
        self.left = 0

    async def ask(self, number: int) -> None:
        """One request. A client that stays reads to the end; one that leaves does so after some bytes or none."""
        reader, writer = self._open or await asyncio.open_connection("127.0.0.1", self._port)
        self._open = None
        writer.write(self._request)
        if number % LEAVES == 0:
            if (bytes_first := self._draw.choice((0, 1, 400, 2000))) and not self._draw.randrange(3):
                await reader.read(bytes_first)
            writer.transport.abort()
            self.left += 1
            return
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(f"{head[:100]!r} {await reader.read(500)!r}")
        if b"chunked" in head:
            await reader.readuntil(b"\r\n0\r\n\r\n")
        else:
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
        self._open = reader, writer
        self.answered += 1

    async def close(self) -> None:
        """The connection that is kept, if there is one."""
        if self._open is not None:
            self._open[1].close()
            await self._open[1].wait_closed()


async def soak(served: Served, body: dict[str, object], count: int) -> list[tuple[int, int]]:
    """That many requests; how many were made when the worker had how many bytes."""
    [worker] = children(served.pid)
    clients = [Client(served, body, seed) for seed in range(CONCURRENT)]
    seen: list[tuple[int, int]] = []
    for look in range(LOOKS):
        each = count * (look + 1) // LOOKS // CONCURRENT - count * look // LOOKS // CONCURRENT
        await asyncio.gather(*(_several(client, each) for client in clients))
        seen.append((sum(client.answered + client.left for client in clients), resident(worker)))
    for client in clients:
        await client.close()
    return seen


async def _several(client: Client, count: int) -> None:
    for _ in range(count):
        await client.ask(client.answered + client.left)


def resident(pid: int) -> int:
    """Bytes of memory that a process has now."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def slope(seen: list[tuple[int, int]]) -> float:
    """Bytes per request, by least squares over what comes after the warm-up."""
    rest = seen[int(len(seen) * WARM) :]
    mean_x = sum(x for x, _ in rest) / len(rest)
    mean_y = sum(y for _, y in rest) / len(rest)
    spread = sum((x - mean_x) ** 2 for x, _ in rest)
    return sum((x - mean_x) * (y - mean_y) for x, y in rest) / spread


def in_flight(served: Served) -> int:
    """Attempts that the fleet's state counts as running."""
    from junctor.top import Watch

    seen = Watch(served.file).look().seen["deployments"]
    return sum(item["in_flight"] for item in seen.values())


class Soaked(msgspec.Struct, frozen=True):
    """One kind of request, all made."""

    what: str
    seen: list[tuple[int, int]]
    seconds: float
    in_flight: int

    @property
    def clean(self) -> bool:
        """Whether nothing stayed behind."""
        return not self.in_flight and slope(self.seen) <= MAX_SLOPE_BYTES

    def told(self) -> dict[str, object]:
        """For people, while the next kind runs."""
        return {
            "what": self.what, "made": self.seen[-1][0], "seconds": round(self.seconds, 1),
            "in_flight_after": self.in_flight,
            "rss_mib": [round(rss / 2**20, 1) for _, rss in self.seen[:: LOOKS // 8]],
            "rss_slope_bytes_per_request": round(slope(self.seen), 2),
        }  # fmt: skip

    def row(self) -> Row:
        """The worker's memory along the way."""
        memory = Spread.of([rss / 2**20 for _, rss in self.seen])
        return Row(name=f"worker's memory over {self.seen[-1][0]:,} {self.what}", unit="MiB", figure=memory)

    def verdicts(self) -> list[Verdict]:
        """The slope and what was left in flight."""
        bytes_each = slope(self.seen)
        return [
            Verdict(what=f"memory kept of each of the {self.what}", budget=f"≤ {MAX_SLOPE_BYTES:g} bytes",
                    measured=f"{bytes_each:.1f} bytes", met=bytes_each <= MAX_SLOPE_BYTES),
            Verdict(what=f"attempts in flight after the {self.what}", budget="0", measured=str(self.in_flight),
                    met=not self.in_flight),
        ]  # fmt: skip


def suite(soaked: list[Soaked]) -> Suite:
    """Both kinds for docs/benchmarks.md."""
    return Suite(
        name="gateway-soak",
        what="Clients that leave a gateway, by the ten thousand",
        method=(
            f"Over real sockets to one worker, {CONCURRENT} at once, every third left by its client before, at or "
            "after the first bytes. The memory is the worker's resident set, read "
            f"{LOOKS} times; its slope is that of least squares without the first {WARM:.0%}. "
            f"A key that may have {2 * CONCURRENT} requests at once is never refused."
        ),
        command="python -m benches.python.gateway_soak",
        rows=[each.row() for each in soaked],
        verdicts=[verdict for each in soaked for verdict in each.verdicts()],
    )


def main() -> int:
    """Run, tell, and answer 1 if something stayed behind."""
    parser = argparse.ArgumentParser(description="Clients that leave, by the ten thousand.")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="where a report goes")
    chosen = parser.parse_args()
    soaked: list[Soaked] = []
    with provider() as url, gateway(url, at_once=2 * CONCURRENT) as served:
        os.environ["JUNCTOR_RUNTIME_DIR"] = str(served.file.parent)
        for name, body, count in (("requests", BODY, chosen.requests), ("streams", STREAM_BODY, chosen.streams)):
            began = time.monotonic()
            seen = uvloop.run(soak(served, body, count))
            until = time.monotonic() + SETTLE_S
            while (left := in_flight(served)) and time.monotonic() < until:
                time.sleep(0.1)
            soaked.append(Soaked(name, seen, time.monotonic() - began, left))
            print(json.dumps(soaked[-1].told()), flush=True)
    if chosen.json is not None:
        write(report([suite(soaked)]), chosen.json)
    return 0 if all(each.clean for each in soaked) else 1


if __name__ == "__main__":
    sys.exit(main())
