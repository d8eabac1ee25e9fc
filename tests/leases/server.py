"""A real Redis or Valkey of the test's own: a free port, nothing on disk, gone afterwards."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from contextlib import closing
from time import monotonic, sleep
from typing import Final

import redis

from junctor.leases import RedisCoordinator
from junctor.request import Secret

BINARY: Final = shutil.which("redis-server") or shutil.which("valkey-server")
UP_S: Final = 10.0


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as it:
        it.bind(("127.0.0.1", 0))
        port: int = it.getsockname()[1]
        return port


class Server:
    """A server that can be killed, stopped and started again on the same port, without its memory."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def coordinator(self, now_ms: int | None = None) -> RedisCoordinator:
        return RedisCoordinator(Secret(self.url, self.url), now_ms=now_ms)

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert BINARY is not None
        command = [BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = monotonic() + UP_S
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.ConnectionError:
                if monotonic() > until:
                    raise
                sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: it forgets everything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: it accepts connections and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
