"""The courier: when it speaks, what it survives, and what nobody gets to see."""

from __future__ import annotations

import asyncio
import builtins
import gc
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from junctor import Client, ConfigError, Router
from junctor.leases import Courier, RedisCoordinator, Unreachable
from junctor.request import Secret
from tests.leases.host import FLEET
from tests.leases.server import Server, free_port
from tests.leases.world import Host, World, fleet, limit


class Recorder:
    """A coordinator that grants ten units to everybody, or fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[str | int], Sequence[int]]] = []
        self.renewed_on: set[int] = set()
        self.broken: Exception | None = None

    def hello(self) -> int:
        if self.broken is not None:
            raise self.broken
        return 1_000

    def ask(self, keys: Sequence[str], head: Sequence[str | int], body: Sequence[int]) -> list[int]:
        if self.broken is not None:
            raise self.broken
        self.asked.append((head, body))
        if head[4] == "renew":
            self.renewed_on.add(threading.get_ident())
        return [1, 1_000, 3, 2_000, *(10, 2_000, -1, 0) * len(keys)]

    def close(self) -> None:
        return


def router() -> Router:
    return Router(fleet(limit("rpm", 600)), ["e"], seed=1)


def test_the_first_grant_is_there_when_the_router_is_open_and_no_request_asks_for_it() -> None:
    """`start` waits for the first answer; the thread that asks is not the caller's."""
    it, recorder = router(), Recorder()
    courier = Courier(it, recorder)
    courier.start()
    for _ in range(10):
        it.reserve("a").settle("ok")
    courier.close()
    assert recorder.renewed_on - {threading.get_ident()} == recorder.renewed_on != set()
    assert recorder.asked[-1][0][4] == "bye"
    assert it.snapshot()["leases"]["hosts"] == 3


def test_a_router_that_is_dropped_ends_its_thread() -> None:
    """The thread keeps neither alive."""
    it = router()
    courier = Courier(it, Recorder())
    courier.start()
    thread = courier._thread
    assert thread is not None
    assert thread.is_alive()
    del it
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
    courier.close()


def test_an_outage_is_told_once_and_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """One warning per outage, whatever the password is; the snapshot counts the calls that brought nothing."""
    world_time = [0.0]
    address = Secret(f"redis://user:hunter2@127.0.0.1:{free_port()}/0", "env:REDIS_URL")
    it = router()
    courier = Courier(
        it, RedisCoordinator(address), name="the coordinator at env:REDIS_URL", time=lambda: world_time[0]
    )
    with caplog.at_level(logging.INFO, "junctor.leases"):
        for _ in range(5):
            courier.step()
            world_time[0] += 10
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "env:REDIS_URL" in caplog.text
    assert "hunter2" not in caplog.text + repr(courier.__dict__) + repr(it.snapshot())
    told = it.snapshot()["leases"]
    assert (told["coordinator"], told["answers"], told["hosts"]) == ("unknown", 0, 10)
    assert told["failures"] == 5
    courier.close()


def test_the_snapshot_says_how_the_coordinator_stands(server: Server) -> None:
    """Learning, reachable, away; how many hosts there are."""
    world = World(server, limit("rpm", 600), hosts=2)
    seen: list[str] = []

    def look(host: Host) -> None:
        if not seen or seen[-1] != host.leases["coordinator"]:
            seen.append(host.leases["coordinator"])

    for step in range(100):
        world.tick()
        look(world.hosts[0])
        if step == 60:
            server.kill()
    assert seen == ["learning", "reachable", "away"]
    assert world.hosts[0].leases["hosts"] == 2


def test_after_a_fork_parent_and_child_are_different_hosts_unless_they_share_a_state() -> None:
    """The child's grants would be the parent's a second time."""
    it, recorder = router(), Recorder()
    courier = Courier(it, recorder)
    courier.step()
    parent = recorder.asked[0][0][0]
    it.reserve("a").settle("ok")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            refused = False
            try:
                it.reserve("a")
            except Exception:
                refused = True
            courier.step()
            it.reserve("a").settle("ok")
            other = recorder.asked[-1][0][0]
            os.write(write, b"1" if refused and other != parent else b"0")
            code = 0
        finally:
            os._exit(code)
    os.waitpid(child, 0)
    os.close(write)
    assert os.read(read, 1) == b"1"
    os.close(read)
    it.reserve("a").settle("ok")
    courier.close()


def test_a_client_that_opened_its_router_says_goodbye_when_it_closes(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And gives back what is left; twice is harmless."""
    monkeypatch.setenv("LEASE_TEST_KEY", "k")
    monkeypatch.setenv("JUNCTOR_RUNTIME_DIR", str(tmp_path / "run"))
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET.format(port=server.port, rpm=60, burst_s=1, hosts=1), encoding="utf-8")
    client = Client.open(file)
    with server.client() as redis:
        assert redis.zcard("{junctor}:hosts") == 1
        asyncio.run(client.aclose())
        assert redis.zcard("{junctor}:hosts") == 0
    assert not client.router.shares_limits
    asyncio.run(client.aclose())


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fleet file that asks for leases names the extra."""
    original = builtins.__import__

    def without_redis(name: str, *arguments: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "redis":
            raise ImportError(name)
        return original(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_redis)
    monkeypatch.setenv("LEASE_TEST_KEY", "k")
    monkeypatch.setenv("JUNCTOR_RUNTIME_DIR", str(tmp_path / "run"))
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET.format(port=1, rpm=60, burst_s=1, hosts=1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"pip install 'junctor\[redis\]'"):
        Router.open(file)


def test_an_answer_that_is_none_and_an_error_of_the_script_are_outages() -> None:
    """A server that is no Redis, or one that is out of memory, stops nobody."""
    it, recorder = router(), Recorder()
    courier = Courier(it, recorder, time=lambda: 0.0)
    recorder.broken = Unreachable("ResponseError", sent=True)
    courier.step()
    assert it.snapshot()["leases"]["coordinator"] == "unknown"
    courier._retry_at, recorder.broken = 0.0, None
    courier.step()
    assert it.snapshot()["leases"]["coordinator"] == "reachable"
    it.reserve("a").settle("ok")
    courier.close()


def test_a_server_that_lost_the_script_gets_its_text(server: Server) -> None:
    """SCRIPT FLUSH between two reports."""
    world = World(server, limit("rpm", 600), hosts=1)
    world.warm_up()
    with server.client() as client:
        client.script_flush()
    before = world.hosts[0].leases
    world.warm_up()
    after = world.hosts[0].leases
    assert after["answers"] > before["answers"]
    assert after["failures"] == before["failures"] == 0


def test_every_key_ends_by_itself_and_lives_in_one_slot(server: Server) -> None:
    """Nothing stays on the server for good."""
    world = World(server, limit("rpm", 600), limit("rpd", 100, calendar=[]), limit("concurrency", 5), hosts=2)
    world.warm_up()
    with server.client() as client:
        keys = sorted(client.keys())
        assert keys == [
            b"{junctor}:hosts",
            b"{junctor}:meta",
            b"{junctor}:p:concurrency:at_once",
            b"{junctor}:p:rpd:day",
            b"{junctor}:p:rpm:paced",
        ]
        assert all(client.pttl(key) > 0 for key in keys)
