"""Worker processes that do what a test says, and can be killed at any moment.

**Problem.** A test of processes needs many of them, each within milliseconds, which do one thing when told and are
found dead the moment they are.

**Choice.** A nursery: one process that has imported junctor and opened nothing forks a worker for each request. A
worker connects to the test's socket and runs the commands of `tests.processes.worker` that come as JSON lines. Whether
it lives is asked of the kernel by a pidfd, which no reused process id can confuse.

**Rejected.** `multiprocessing`: its children share pipes and locks, and one that is killed can leave a lock taken.
A fresh interpreter per worker: a tenth of a second each, where a storm starts hundreds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

WAIT_S: Final = 20.0
"""Longest wait for anything at all: far above what a busy machine needs, far below a hung run."""
TURN_S: Final = 0.01
"""Between two looks at what can only be looked at."""


def until(true: Callable[[], object], what: str, *, within_s: float = WAIT_S) -> float:
    """Look until `true()`; answers the seconds it took. Raises AssertionError after `within_s`."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > within_s:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(TURN_S)
    return time.monotonic() - began


class Worker:
    """One worker process, seen from the test."""

    def __init__(self, pid: int, connection: socket.socket, pidfd: int) -> None:
        self.pid = pid
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._pidfd = pidfd

    def tell(self, command: str, **arguments: Any) -> None:
        """Give a command without waiting for its answer."""
        self._connection.sendall(json.dumps({"do": command, **arguments}).encode() + b"\n")

    def answer(self, *, within_s: float = WAIT_S) -> Any:
        """The answer to the oldest command whose answer was not read yet."""
        self._connection.settimeout(within_s)
        line = self._lines.readline()
        if not line:
            raise AssertionError(f"worker {self.pid} ended before it answered")
        said = json.loads(line)
        if "error" in said:
            raise AssertionError(f"worker {self.pid}: {said['error']}")
        return said["value"]

    def ask(self, command: str, **arguments: Any) -> Any:
        """Give a command and wait for its answer."""
        self.tell(command, **arguments)
        return self.answer()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, to this very process."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """SIGKILL, and wait until the kernel has taken it away."""
        self.send(signal.SIGKILL)
        self.ended()

    def ended(self) -> None:
        """Wait for its end."""
        if not select.select([self._pidfd], [], [], WAIT_S)[0]:
            raise AssertionError(f"worker {self.pid} does not end")

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return not select.select([self._pidfd], [], [], 0)[0]

    def close(self) -> None:
        """Kill it if it lives, and forget it."""
        self.kill()
        self._lines.close()
        self._connection.close()
        os.close(self._pidfd)


class Nursery:
    """Makes workers. `with Nursery(folder) as nursery: nursery.worker()`; leaving kills them all."""

    def __init__(self, folder: Path, *, prefix: tuple[str, ...] = ()) -> None:
        self._address = str(folder / "nursery")
        self._prefix = prefix
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        Path(self._address).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen(512)
        self._listener.settimeout(WAIT_S)
        command = [*self._prefix, sys.executable, "-m", "tests.processes.worker", self._address]
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE)
        return self

    def __exit__(self, *exc: object) -> None:
        for worker in self._workers:
            worker.close()
        assert self._parent.stdin is not None
        self._parent.stdin.close()  # it ends with its input
        try:
            self._parent.wait(WAIT_S)
        finally:
            self._parent.kill()
            self._parent.wait()
            self._listener.close()
            Path(self._address).unlink(missing_ok=True)

    @property
    def address(self) -> str:
        """Where a process becomes a worker by connecting, and telling its process id as a line."""
        return self._address

    def worker(self) -> Worker:
        """A new worker."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(b"\n")
        self._parent.stdin.flush()
        return self.arrival()

    def workers(self, count: int) -> list[Worker]:
        """Several of them."""
        return [self.worker() for _ in range(count)]

    def arrival(self) -> Worker:
        """The next process that connects."""
        connection, _ = self._listener.accept()
        connection.settimeout(WAIT_S)
        # From the kernel: as seen from here, whatever the worker's own namespace calls it.
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid = int.from_bytes(peer[:4], sys.byteorder)
        worker = Worker(pid, connection, os.pidfd_open(pid))
        self._workers.append(worker)
        return worker

    def forget(self, worker: Worker) -> None:
        """Kill a worker and free what the test keeps of it."""
        self._workers.remove(worker)
        worker.close()


def several(nursery: Nursery, count: int, **opened: Any) -> list[Worker]:
    """Workers that have opened the same router."""
    workers = nursery.workers(count)
    for worker in workers:
        worker.tell("open_router", **opened)
    for worker in workers:
        worker.answer()
    return workers


def seats_of(worker: Worker) -> Iterator[int]:
    """Process ids of all that sit, as this worker sees them."""
    return (each["pid"] for each in worker.ask("snapshot")["processes"])
