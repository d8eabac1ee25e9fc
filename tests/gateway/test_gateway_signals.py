"""Workers and signals: one limit over two workers, a reload under load without a failed request, a graceful end."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from junctor.cli import main
from junctor.testing import Key, Latency, SimulatedProvider, faults
from tests.gateway import serving
from tests.gateway.conftest import provider

ASK = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"
AT_ONCE, PER_S = 60, 2


@pytest.fixture
def behind() -> Iterator[SimulatedProvider]:
    """The provider of one test."""
    with provider() as made:
        yield made


def write(file: Path, behind: SimulatedProvider, keys: Any, **section: Any) -> None:
    """The fleet file, in one step: a reader sees the old one or the new one."""
    fleet = serving.fleet(behind.base_url("openai"), behind.base_url("anthropic"), keys, **section)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(fleet))
    fresh.rename(file)


def test_two_workers_keep_a_keys_limit_to_the_request(folder: Path, behind: SimulatedProvider) -> None:
    """By the provider's own count: what the limit lets through, wherever requests come in."""
    file = folder / "fleet.yaml"
    secrets, keys = serving.keys(team={"rpm": 60 * PER_S, "burst_s": AT_ONCE / PER_S})
    write(file, behind, keys)
    with serving.running(folder, file, "--workers", "2") as gateway, ThreadPoolExecutor(8) as callers:
        began = time.monotonic()
        asked = list(callers.map(lambda _: gateway.ask(CHAT, ASK, key=secrets["team"])[0], range(160)))
        took = time.monotonic() - began
    statuses = Counter(asked)
    assert set(statuses) == {200, 429}
    assert statuses[200] == behind.counts().requests
    assert AT_ONCE <= statuses[200] <= AT_ONCE + PER_S * took + 1
    assert len(workers(gateway.said)) <= 2


def test_a_reload_under_load_fails_no_request_and_a_wrong_file_changes_nothing(
    folder: Path, behind: SimulatedProvider
) -> None:
    """Keys come by SIGHUP in both workers, one that is just starting included; the old file stays in force else."""
    file = folder / "fleet.yaml"
    secrets, keys = serving.keys(stays={}, comes={})
    stays = {"stays": keys["stays"]}
    write(file, behind, stays)
    with serving.running(folder, file, "--workers", "2") as gateway, loaded(gateway, secrets["stays"]) as statuses:
        assert gateway.ask(CHAT, ASK, key=secrets["comes"])[0] == 401
        write(file, behind, keys)
        gateway.signal(signal.SIGHUP)
        serving.until(
            lambda: {gateway.ask(CHAT, ASK, key=secrets["comes"])[0] for _ in range(16)} == {200},
            "both workers know the new key",
        )
        file.write_text("version: 1\ngateway: {keys: {stays: {hash: wrong}}}\ndeployments: {}\n")
        gateway.signal(signal.SIGHUP)
        serving.until(lambda: "reload refused" in gateway.said, "the wrong file is refused")
        assert "gateway.keys.stays.hash" in gateway.said
        assert gateway.ask(CHAT, ASK, key=secrets["comes"])[0] == 200
        file.unlink()
        gateway.signal(signal.SIGHUP)
        serving.until(lambda: gateway.said.count("reload refused") == 2, "a missing file is refused")
        serving.until(lambda: sum(statuses.values()) > 200, "there was load")
    assert set(statuses) == {200}


def test_the_end_is_announced_and_streams_are_finished_or_told(folder: Path) -> None:
    """SIGTERM: not ready while still serving; one stream has its end, a longer one its dialect's error; status 0."""
    latency = Latency(per_output_token_s=0.05)
    secret = serving.SECRETS["UP_OPENAI"]
    with SimulatedProvider([Key(secret)], latency=latency, output_tokens=400).in_thread() as behind:
        file = folder / "fleet.yaml"
        write(file, behind, "none", drain_notice_s=1, drain_s=3)
        with serving.running(folder, file) as gateway, ThreadPoolExecutor(2) as readers:
            begun: list[int] = []
            long, short = (readers.submit(streamed, gateway.port, tokens, begun) for tokens in (400, 30))
            serving.until(lambda: len(begun) == 2, "both streams have begun")
            gateway.signal(signal.SIGTERM)
            serving.until(lambda: gateway.ask("/readyz")[0] == 503, "it is not ready any more")
            assert gateway.ask("/healthz")[0] == 200, "and still serves"
            assert short.result().endswith(b"data: [DONE]\n\n")
            cut = long.result()
            assert b'data: {"error":' in cut.rsplit(b"\n\n", 2)[-2]
            assert b"[DONE]" not in cut
            assert gateway.process.wait(serving.WAIT_S) == 0
        assert {line["ended"] for line in gateway.access} == {"ok", "drained"}


def test_a_worker_that_dies_is_started_again_and_its_permits_come_back(folder: Path, behind: SimulatedProvider) -> None:
    """Killed with a key's only permit in its hands: the next worker sweeps it up."""
    file = folder / "fleet.yaml"
    secrets, keys = serving.keys(team={"concurrency": 1})
    write(file, behind, keys)
    with serving.running(folder, file) as gateway, ThreadPoolExecutor(1) as callers:
        behind.inject(faults.hang())
        stuck = callers.submit(gateway.ask, CHAT, ASK, key=secrets["team"])
        serving.until(lambda: behind.counts().in_flight == 1, "the permit is taken")
        assert gateway.ask(CHAT, ASK, key=secrets["team"])[0] == 429
        [worker] = children(gateway.process.pid)
        os.kill(worker, signal.SIGKILL)
        assert stuck.result()[0] == 0
        behind.clear()
        serving.until(lambda: gateway.ask(CHAT, ASK, key=secrets["team"])[0] == 200, "the permit is back")


def test_a_slow_client_and_a_broken_one_are_let_go(folder: Path, behind: SimulatedProvider) -> None:
    """Over real sockets: a body that stops coming is a 408, nonsense is no answer, a client who left is noticed."""
    file = folder / "fleet.yaml"
    write(file, behind, "none", body_timeout_s=0.2)
    with serving.running(folder, file) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port), serving.WAIT_S) as slow:
            slow.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{")
            assert b" 408 " in slow.recv(4096)
        with socket.create_connection(("127.0.0.1", gateway.port), serving.WAIT_S) as broken:
            broken.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            assert b" 200 " not in broken.recv(4096)
        with socket.create_connection(("127.0.0.1", gateway.port), serving.WAIT_S) as large:
            large.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n")
            assert b" 413 " in large.recv(4096)
        behind.inject(faults.hang())
        with socket.create_connection(("127.0.0.1", gateway.port), serving.WAIT_S) as gone:
            body = json.dumps(ASK).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            gone.sendall(head.encode() + body)
            serving.until(lambda: behind.counts().requests == 1, "the upstream has the request")
        serving.until(lambda: gateway.access and gateway.access[-1]["ended"] == "gone", "it was noticed")


def test_a_new_key_is_shown_once_with_the_line_that_lets_it_in(capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as JSON; a name that no fleet file takes is refused."""
    assert main(["key", "team", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["hash"] == f"sha256:{hashlib.sha256(made['key'].encode()).hexdigest()}"
    assert main(["key", "team"]) == 0
    assert "team: {hash: sha256:" in capsys.readouterr().out
    assert main(["key", "a/b"]) == 2


def test_what_cannot_be_served_is_one_line_and_status_two(folder: Path, behind: SimulatedProvider) -> None:
    """A public address without keys, no section, a port that is taken: said before anything starts."""
    file = folder / "fleet.yaml"
    write(file, behind, "none")
    os.environ.update(serving.SECRETS)
    try:
        assert main(["serve", str(file), "--host", "0.0.0.0"]) == 2
        assert main(["serve", str(file), "--port", "0"]) == 2
        assert main(["serve", str(file), "--workers", "999"]) == 2
        assert main(["serve", "examples/fleet.yaml"]) == 2
        assert main(["serve", str(folder / "nothing.yaml")]) == 2
    finally:
        for name in serving.SECRETS:
            os.environ.pop(name)


def streamed(port: int, tokens: int, begun: list[int]) -> bytes:
    """A stream read to its end; `begun` learns of its first byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=serving.WAIT_S)
    try:
        connection.request("POST", CHAT, json.dumps({**ASK, "stream": True, "max_tokens": tokens}))
        answer = connection.getresponse()
        first = answer.read(1)
        begun.append(tokens)
        return first + answer.read()
    finally:
        connection.close()


@contextmanager
def loaded(gateway: serving.Running, key: str) -> Iterator[Counter[int]]:
    """Requests without a pause, from two threads, until the block ends; their statuses."""
    statuses: Counter[int] = Counter()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses[gateway.ask(CHAT, ASK, key=key)[0]] += 1

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def workers(said: str) -> set[str]:
    """Processes that said something."""
    return set(re.findall(r"worker (\d+)", said))


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
