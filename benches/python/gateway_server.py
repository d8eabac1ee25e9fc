"""Servers for the gateway's benchmark: the gateway itself, and a floor that forwards bytes and decides nothing.

Both are granian with one worker and one transport to the provider. What they cost is read from the kernel's account of
the server's processes, so that neither the load nor the provider is in the figure.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import msgspec

from benches.python.harness import ROOT
from junctor.request import HttpRequest
from junctor.transport.direct import DirectTransport

START_S: Final = 30.0
STOP_S: Final = 10.0
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
GROUP: Final = "g0"
UPSTREAM: Final = "BENCH_UPSTREAM"


class Served(msgspec.Struct, frozen=True):
    """A server that runs: its root address, its process, the key that it asks for, and its fleet file."""

    url: str
    pid: int
    key: str
    file: Path = Path()

    def cpu_s(self) -> float:
        """User and system time of the server's processes so far, all threads."""
        return sum(_cpu_s(pid) for pid in (self.pid, *children(self.pid)))


@contextmanager
def gateway(upstream: str, deployments: int = 10, *, at_once: int = 10**5) -> Iterator[Served]:
    """`junctor serve` with one worker, a key with limits and a budget, and its access log on.

    The key may have `at_once` requests under way.
    """
    from junctor.gateway.keys import make

    key, hashed = make()
    fleet = {
        "version": 1,
        "name": f"bench-{secrets.token_hex(4)}",
        "providers": {"up": {"adapter": "openai", "base_url": f"{upstream}/v1"}},
        "deployments": {
            f"d{number}": {
                "model": "up/bench", "key": "env:BENCH_KEY", "rpm": 10**9, "tpm": 10**9, "concurrency": 10**5,
                "price": {"input": 1.0, "output": 2.0},
            }
            for number in range(deployments)
        },
        "groups": {GROUP: {"members": [f"d{number}" for number in range(deployments)]}},
        "gateway": {
            "drain_notice_s": 0,
            "keys": {
                "bench": {
                    "hash": hashed, "tenant": "t", "groups": [GROUP], "rpm": 10**9, "tpm": 10**9,
                    "concurrency": at_once, "usd_per_day": 10**6,
                }
            },
        },
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fleet.yaml"
        file.write_bytes(msgspec.json.encode(fleet))  # JSON is YAML
        port = free_port()
        command = [sys.executable, "-m", "junctor", "serve", str(file), "--port", str(port)]
        with running(command, port, {"BENCH_KEY": "sk-up", "JUNCTOR_RUNTIME_DIR": folder}) as pid:
            yield Served(f"http://127.0.0.1:{port}", pid, key, file)


@contextmanager
def floor(upstream: str) -> Iterator[Served]:
    """The application below, under granian with one worker."""
    port = free_port()
    name = "benches.python.gateway_server:forward"
    command = [sys.executable, "-m", "granian", name, "--interface", "asgi", "--port", str(port), "--no-ws"]
    with running([*command, "--log-level", "warning"], port, {UPSTREAM: upstream}) as pid:
        yield Served(f"http://127.0.0.1:{port}", pid, "sk-floor")


_transport: DirectTransport | None = None
_SECRET: Final = {"authorization": "Bearer sk-up", "content-type": "application/json"}


async def forward(scope: Any, receive: Any, send: Any) -> None:
    """The floor: the body goes up as it came, and comes down as it came."""
    global _transport
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    _transport = _transport or DirectTransport()
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    request = HttpRequest("POST", f"{os.environ[UPSTREAM]}{scope['path']}", _SECRET, body)
    if b'"stream":true' not in body:
        answer = await _transport.send(request, timeout_s=30)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        return
    async with _transport.stream(request, timeout_s=30) as coming:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": coming.status, "headers": headers})
        while (chunk := await coming.read_chunk()) is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str], port: int, environment: dict[str, str], *, within_s: float = START_S, log: Path | None = None
) -> Iterator[int]:
    """Runs a server that has to listen at `port` within that time. Its output goes to `log`, or else nowhere."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "python")])
    with nullcontext(subprocess.DEVNULL) if log is None else log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=output,
            stderr=None if log is None else subprocess.STDOUT,
        )
        try:
            _until_it_listens(child, port, within_s)
            yield child.pid
        finally:
            child.terminate()
            child.wait(STOP_S)


def _until_it_listens(child: subprocess.Popen[bytes], port: int, within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{child.args!r} does not listen at port {port}")


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
