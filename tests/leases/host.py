"""Hosts as they are: processes that share a state, one runtime directory each, and what they admitted together."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import IO

from scripts.markdown import ROOT
from tests.leases.worker import PAIR

FLEET = """\
version: 1
state: {{redis: "redis://127.0.0.1:{port}", hosts: {hosts}}}
providers: {{openai: {{adapter: openai}}}}
deployments:
  one: {{model: openai/gpt-5.6, key: "env:LEASE_TEST_KEY", rpm: {rpm}, burst_s: {burst_s}}}
"""


class RealHost:
    """A folder of its own under `folder`, with a fleet file and workers that run."""

    def __init__(self, folder: Path, port: int, *, rpm: int, burst_s: int = 1, hosts: int = 10) -> None:
        folder.mkdir()
        self.folder = folder
        self.fleet = folder / "fleet.yaml"
        self.fleet.write_text(FLEET.format(port=port, rpm=rpm, burst_s=burst_s, hosts=hosts), encoding="utf-8")
        self.workers: list[subprocess.Popen[str]] = []

    def work(self, per_second: float) -> subprocess.Popen[str]:
        """One more worker; comes back when it has opened its router."""
        log = self.folder / f"{len(self.workers)}.log"
        environment = os.environ | {"JUNCTOR_RUNTIME_DIR": str(self.folder / "run"), "LEASE_TEST_KEY": "k"}
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.leases.worker", str(self.fleet), str(log), str(per_second)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=ROOT,
            text=True,
        )
        self.workers.append(worker)
        return worker

    def wait(self) -> None:
        """Until every worker has opened its router, over one state."""
        for worker in self.workers:
            assert _pipe(worker.stdout).readline() == "ready True\n"

    def end(self) -> None:
        """Tell the workers to stop, and wait until they have said goodbye."""
        for worker in self.workers:
            _pipe(worker.stdin).close()
        for worker in self.workers:
            worker.wait(20)
            _pipe(worker.stdout).close()

    def admitted(self) -> list[tuple[float, float]]:
        """Times before and after each admission."""
        logs = [log.read_bytes() for log in sorted(self.folder.glob("*.log"))]
        # A killed worker may have written half of its last line.
        return [(before, after) for log in logs for before, after in PAIR.iter_unpack(log[: len(log) // 16 * 16])]


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def excess(admitted: list[tuple[float, float]], per_second: float) -> float:
    """The most that was surely admitted within any span beyond what the rate emits in it.

    A request counts to a span if it began and ended there, so a late clock reading makes no excess.
    """
    admitted = sorted(admitted)
    worst = 0.0
    for first in range(0, len(admitted), 5):
        start = admitted[first][0]
        for count, after in enumerate(sorted(after for _, after in admitted[first:]), start=1):
            worst = max(worst, count - per_second * (after - start))
    return worst


def longest_silence(admitted: list[tuple[float, float]]) -> float:
    """The longest time in which nothing was admitted."""
    return max((later - earlier for earlier, later in pairwise(sorted(after for _, after in admitted))), default=0.0)
