"""A simulated provider in a process of its own, so that its work is not measured as the client's.

The child is `python -m junctor.testing --control`. It gets its keys as one JSON line, answers with its ports, and then
takes one command a line. A pipe needs no port of its own, nobody else can reach it, and the child ends when it closes.
Rejected: `multiprocessing` (its fork start inherits the caller's sockets and threads, its spawn start imports the
caller's main module).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, Literal

import msgspec

from junctor.testing.counts import Counts
from junctor.testing.dialects import DIALECTS
from junctor.testing.faults import Fault
from junctor.testing.keys import Key
from junctor.testing.provider import Injected, SimulatedProvider
from junctor.testing.service import Temper

STOP_S: Final = 10.0  # the child ends in milliseconds; a longer wait means that it is stuck


class Plan(msgspec.Struct, frozen=True):
    """What a child serves."""

    keys: tuple[Key, ...]
    temper: Temper = Temper()

    def provider(self) -> SimulatedProvider:
        """The provider that it describes."""
        return SimulatedProvider(self.keys, **msgspec.structs.asdict(self.temper))


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One line to the child."""

    do: Literal["inject", "remove", "clear", "counts"]
    fault: Fault | None = None
    injected: Injected | None = None
    key: str | None = None
    region: str | None = None
    dialect: str | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One line from the child."""

    urls: dict[str, str] = {}
    injected: Injected | None = None
    counts: Counts | None = None
    error: str | None = None


class RemoteProvider:
    """The handle of a provider in another process; its methods are those of `SimulatedProvider` and block briefly."""

    def __init__(self, to_child: IO[bytes], from_child: IO[bytes], plan: Plan) -> None:
        self._to_child = to_child
        self._from_child = from_child
        self.keys = plan.keys
        self.urls = self._ask(plan).urls

    def url(self, region: str | None = None) -> str:
        """See `SimulatedProvider.url`."""
        name = region if region is not None else next(iter(self.urls))
        if name not in self.urls:
            raise ValueError(f"region is {region!r}, allowed are {', '.join(self.urls)}")
        return self.urls[name]

    def base_url(self, dialect: str, region: str | None = None) -> str:
        """See `SimulatedProvider.base_url`."""
        if dialect not in DIALECTS:
            raise ValueError(f"dialect is {dialect!r}, allowed are {', '.join(DIALECTS)}")
        return self.url(region) + DIALECTS[dialect].base_path

    def inject(
        self, fault: Fault, *, key: str | None = None, region: str | None = None, dialect: str | None = None
    ) -> Injected:
        """See `SimulatedProvider.inject`."""
        said = self._ask(Command(do="inject", fault=fault, key=key, region=region, dialect=dialect))
        assert said.injected is not None
        return said.injected

    def remove(self, injected: Injected) -> None:
        """See `SimulatedProvider.remove`."""
        self._ask(Command(do="remove", injected=injected))

    def clear(self, *, key: str | None = None, region: str | None = None) -> None:
        """See `SimulatedProvider.clear`."""
        self._ask(Command(do="clear", key=key, region=region))

    def counts(self, *, key: str | None = None, region: str | None = None, dialect: str | None = None) -> Counts:
        """See `SimulatedProvider.counts`."""
        counts = self._ask(Command(do="counts", key=key, region=region, dialect=dialect)).counts
        assert counts is not None
        return counts

    def _ask(self, line: Plan | Command) -> Said:
        self._to_child.write(msgspec.json.encode(line) + b"\n")
        self._to_child.flush()
        heard = self._from_child.readline()
        if not heard:
            raise ConnectionError("the provider's process has ended; its error output says why")
        said = msgspec.json.decode(heard, type=Said)
        if said.error is not None:
            raise ValueError(said.error)
        return said


@contextmanager
def in_process(plan: Plan) -> Iterator[RemoteProvider]:
    """Start a provider in a process of its own, and end it when the block ends."""
    child = subprocess.Popen(
        [sys.executable, "-m", "junctor.testing", "--control"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield RemoteProvider(child.stdin, child.stdout, plan)
    finally:
        child.stdin.close()
        child.stdout.close()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def obey(lines: IO[bytes], out: IO[bytes]) -> None:
    """The child's side: serve what the first line says, then follow commands until the pipe closes."""
    loop = asyncio.get_running_loop()
    plan = msgspec.json.decode(await loop.run_in_executor(None, lines.readline), type=Plan)
    async with plan.provider() as provider:
        _tell(out, Said(urls={region: server.url for region, server in provider.servers.items()}))
        while line := await loop.run_in_executor(None, lines.readline):
            _tell(out, _follow(provider, msgspec.json.decode(line, type=Command)))


def _follow(provider: SimulatedProvider, command: Command) -> Said:
    scope: dict[str, Any] = {"key": command.key, "region": command.region}
    try:
        if command.do == "inject" and command.fault is not None:
            return Said(injected=provider.inject(command.fault, dialect=command.dialect, **scope))
        if command.do == "counts":
            return Said(counts=provider.counts(dialect=command.dialect, **scope))
        if command.do == "remove" and command.injected is not None:
            provider.remove(command.injected)
        elif command.do == "clear":
            provider.clear(**scope)
        return Said()
    except ValueError as error:
        return Said(error=str(error))


def _tell(out: IO[bytes], said: Said) -> None:
    out.write(msgspec.json.encode(said) + b"\n")
    out.flush()
