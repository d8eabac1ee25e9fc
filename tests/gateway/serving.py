"""`junctor serve` as a process of its own, over simulated providers, and the fleet file that it serves."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from junctor.gateway.keys import make

WAIT_S = 30.0
SECRETS = {"UP_OPENAI": "sk-up-openai-CANARY", "UP_ANTHROPIC": "sk-up-anthropic-CANARY"}
CAPABILITIES = ["tools", "parallel_tools", "images", "files", "structured_output", "reasoning", "streaming"]


def fleet(openai: str, anthropic: str, keys: Mapping[str, Any] | str, **section: Any) -> dict[str, Any]:
    """One deployment of each dialect, alone and together, and one for embeddings."""
    price = {"input": 1, "output": 10}
    return {
        "version": 1,
        "providers": {
            "o": {"adapter": "openai", "base_url": openai, "key": "env:UP_OPENAI"},
            "c": {"adapter": "anthropic", "base_url": anthropic, "key": "env:UP_ANTHROPIC"},
        },
        "deployments": {
            "gpt-1": {"model": "o/gpt", "capabilities": CAPABILITIES, "price": price},
            "claude-1": {"model": "c/claude", "capabilities": CAPABILITIES, "price": price},
            "embed-1": {"model": "o/embed", "capabilities": ["embeddings"], "price": price},
        },
        "groups": {
            "gpt": {"members": ["gpt-1"]}, "claude": {"members": ["claude-1"]}, "embed": {"members": ["embed-1"]},
            "either": {"members": ["gpt-1", "claude-1"]},
        },
        "gateway": {"keys": keys, "drain_notice_s": 0, **section},
    }  # fmt: skip


def keys(**named: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Keys by name, and their section of the file."""
    made = {name: make() for name in named}
    return {name: key for name, (key, _) in made.items()}, {
        name: {"hash": made[name][1], **named[name]} for name in named
    }


class Running:
    """A server under test."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder

    @property
    def said(self) -> str:
        """What it wrote, access lines and all."""
        return (self._folder / "out").read_text() + (self._folder / "err").read_text()

    @property
    def access(self) -> list[dict[str, Any]]:
        """The access lines so far."""
        return [json.loads(line) for line in (self._folder / "out").read_text().splitlines()]

    def signal(self, number: int) -> None:
        """Tell the main process."""
        self.process.send_signal(number)

    def ask(self, path: str, body: Any = None, *, key: str | None = None, method: str | None = None) -> tuple[int, Any]:
        """One request over a connection of its own: its status and its JSON. 0 if there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        try:
            raw = None if body is None else json.dumps(body)
            connection.request(method or ("GET" if body is None else "POST"), path, raw, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()


@contextmanager
def running(folder: Path, file: Path, *options: str) -> Iterator[Running]:
    """The server for this file, ready. What it is told to write goes to files beside it."""
    port = free_port()
    command = [sys.executable, "-m", "junctor", "serve", str(file), "--port", str(port), "--json", *options]
    environment = {**os.environ, **SECRETS, "JUNCTOR_RUNTIME_DIR": str(folder / "run")}
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=err, start_new_session=True)
    server = Running(process, port, folder)
    try:
        until(lambda: process.poll() is not None or server.ask("/readyz")[0] == 200, "it is ready")
        assert process.poll() is None, server.said
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def until(true: Any, what: str) -> None:
    """Wait for another process, for a bounded time."""
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)  # another process works meanwhile


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
