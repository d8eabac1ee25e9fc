"""Hosts of several processes against a real server, in real time: killed, stopped, cut off, and counted afterwards.

Nothing here depends on how fast the machine is: bounds on what was admitted hold at any speed, and what has to happen
is waited for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.leases.host import RealHost, excess
from tests.leases.proxy import Proxy
from tests.leases.server import Server

RPM = 6_000
PER_SECOND = RPM / 60
CAP = 3 * PER_SECOND
"""What the bucket and all grants hold together, where the burst is one second's worth."""

SECONDS = float(os.environ.get("JUNCTOR_LEASE_SECONDS", "6"))
"""How long the storm lasts; `make prove` takes longer."""

Hosts = Callable[..., RealHost]


@pytest.fixture
def host_of(tmp_path: Path, server: Server) -> Iterator[Hosts]:
    """Hosts on folders of their own; ended with the test."""
    made: list[RealHost] = []

    def make(port: int | None = None, *, hosts: int = 10) -> RealHost:
        made.append(RealHost(tmp_path / f"host{len(made)}", port or server.port, rpm=RPM, hosts=hosts))
        return made[-1]

    yield make
    for host in made:
        for worker in host.workers:
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()


def until(true: Callable[[], bool], most_s: float = 20.0) -> None:
    """Wait for something that has to happen."""
    end = monotonic() + most_s
    while not true():
        assert monotonic() < end, "it did not happen"
        sleep(0.02)


def together(hosts: list[RealHost]) -> list[tuple[float, float]]:
    return [admitted for host in hosts for admitted in host.admitted()]


def test_processes_of_three_hosts_admit_one_limit_whatever_happens_to_them_and_to_the_server(
    server: Server, host_of: Hosts
) -> None:
    """C4: 0 over in any span, while workers and server are killed, the server stands still, and a host is cut off."""
    proxy = Proxy(server.port)
    hosts = [host_of(), host_of(), host_of(proxy.port)]
    for host, per_second in zip(hosts, (300, 60, 60), strict=True):
        host.work(per_second)
        host.work(per_second)
    for host in hosts:
        host.wait()
    start = monotonic()
    until(lambda: all(host.admitted() for host in hosts))
    events: list[Callable[[], None]] = [
        hosts[0].workers[0].kill,
        server.pause,
        server.resume,
        proxy.cut,
        server.kill,
        server.start,
        proxy.mend,
    ]
    for event in events:
        sleep(SECONDS / len(events))
        event()
    mended = monotonic()
    until(lambda: all(max(after for _, after in host.admitted()) > mended + 1 for host in hosts))
    for host in hosts:
        host.end()
    proxy.close()
    admitted = together(hosts)
    assert excess(admitted, PER_SECOND) <= CAP
    assert len(admitted) <= PER_SECOND * (max(after for _, after in admitted) - start) + CAP
    with server.client() as client:
        assert client.zcard("{junctor}:hosts") == 0, "all said goodbye"


def test_hosts_that_are_cut_off_from_the_first_moment_share_by_the_configured_number(
    server: Server, host_of: Hosts
) -> None:
    """Two hosts that were told to expect four use at most nine tenths of two quarters."""
    server.kill()
    hosts = [host_of(hosts=4), host_of(hosts=4)]
    for host in hosts:
        host.work(200)
    for host in hosts:
        host.wait()
    until(lambda: all(len(host.admitted()) > 20 for host in hosts))
    for host in hosts:
        host.end()
    admitted = together(hosts)
    assert excess(admitted, 0.9 * PER_SECOND / 2) <= 0.9 * PER_SECOND / 2 + 2, "and at once its share of the burst"


def test_another_process_speaks_for_its_host_when_the_one_that_did_was_killed(server: Server, host_of: Hosts) -> None:
    """The host keeps its name and its grants; nobody else joins."""
    host = host_of()
    first = host.work(200)
    host.wait()
    until(lambda: len(host.admitted()) > 50)
    host.work(200)
    assert host.workers[1].stdout is not None
    assert host.workers[1].stdout.readline() == "ready True\n"
    first.kill()
    first.wait()
    with server.client() as client:
        ended = dict(client.zrange("{junctor}:hosts", 0, -1, withscores=True))
        (name,) = ended
        until(lambda: (client.zscore("{junctor}:hosts", name) or 0) > ended[name] + 3_000)
        assert client.zcard("{junctor}:hosts") == 1
    host.end()
    assert excess(host.admitted(), PER_SECOND) <= CAP
