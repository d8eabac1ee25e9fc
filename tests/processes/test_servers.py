"""Real servers with four workers each: one limit for all of them, to the request, though one of them is killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from junctor.testing import Server
from tests.processes.fleets import fleet_file
from tests.processes.test_exact import Places
from tests.processes.workers import WAIT_S, until

RPM, BURST_S = 120, 30
"""Sixty requests at once, and two a second."""
AT_ONCE = RPM * BURST_S // 60
PER_S = RPM / 60
WORKERS = 4

FOUR = ("--workers", "4")
GUNICORN = ("gunicorn", "tests.processes.app:wsgi", *FOUR, "--bind", "127.0.0.1:{port}")
ASGI = ("tests.processes.app:asgi", *FOUR, "--port", "{port}")
COMMANDS = {
    "uvicorn": ("uvicorn", *ASGI),
    # It ends with its first dead worker unless it is told to start another.
    "granian": ("granian", *ASGI, "--interface", "asgi", "--respawn-failed-workers"),
    "gunicorn": GUNICORN,
    "gunicorn, preloaded": (*GUNICORN, "--preload"),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(command: tuple[str, ...], port: int, fleet: Path, folder: Path) -> Iterator[None]:
    """A server in a session of its own, so that all its processes can be ended together."""
    line = [sys.executable, "-m", *(part.format(port=port) for part in command)]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            line,
            env={**os.environ, "FLEET": str(fleet), "PYTHONPATH": os.getcwd()},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until(lambda: process.poll() is not None or listens(port), "it listens")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int) -> tuple[int, int]:
    """Status and worker of one answer; zeros if the worker was killed under it."""
    # A connection of its own, so that all workers get some.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", "/")
        told = connection.getresponse()
        return told.status, int(told.read() or 0)
    except (OSError, http.client.HTTPException):
        return 0, 0
    finally:
        connection.close()


@pytest.mark.parametrize("server", COMMANDS)
def test_four_workers_keep_one_limit_though_one_is_killed(folder: Path, server: str) -> None:
    """B55, C1, C19: by the provider's own count."""
    provider, port = Places(), free_port()
    with Server(provider).in_thread() as behind:
        fleet = fleet_file(folder, behind.url, rpm=RPM, burst_s=BURST_S)
        with served(COMMANDS[server], port, fleet, folder), ThreadPoolExecutor(8) as callers:
            began = time.monotonic()
            first: list[tuple[int, int]] = []

            def workers() -> set[int]:
                """Those who have answered so far: a busy machine starts them one by one, and the first takes all."""
                first.extend(callers.map(ask, [port] * 30))
                return {worker for status, worker in first if status == 200}

            until(lambda: len(workers()) > 1, "the requests reach several workers")
            os.kill(max(workers()), signal.SIGKILL)
            later = list(callers.map(ask, [port] * 90))
            took = time.monotonic() - began
    statuses = Counter(status for status, _ in first + later)
    killed = statuses.pop(0, 0)
    assert set(statuses) <= {200, 429}
    # What was under way in the killed worker may have reached the provider, and nobody was told.
    assert statuses[200] <= provider.served <= statuses[200] + killed
    assert AT_ONCE - killed <= provider.served <= AT_ONCE + PER_S * took
    assert statuses[429] > 0, "there was more demand than the limit"
