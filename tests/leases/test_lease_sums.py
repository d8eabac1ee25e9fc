"""What hosts admit together, to the unit: a real server, manual time, every way in which it can go wrong.

`World.worst` is the most that was admitted in any span, wherever it begins, beyond what the rate emits in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from junctor._core import Reservation
from tests.leases.server import Server
from tests.leases.world import Host, Line, World, limit

RPM = 600
BURST = 100


def drive(world: World, seconds: float, demand: Callable[[Host], float], rnd: random.Random) -> None:
    """Let every living host ask for `demand` requests per second, evenly spread."""
    for _ in range(round(seconds * 10)):
        world.tick()
        for host in world.hosts:
            if host.alive:
                wish = demand(host) / 10
                for _ in range(int(wish) + (rnd.random() < wish % 1)):
                    host.use()
        world.note()


def greedy(_: Host) -> float:
    return 40.0


def test_hosts_with_uneven_demand_use_all_of_a_limit_and_no_unit_more(server: Server) -> None:
    """C4: 0 over in any span; of the limit at most what two seconds hold is left in the wrong hands."""
    world = World(server, limit("rpm", RPM), hosts=4)
    wishes = dict(zip(world.hosts, (30.0, 6.0, 0.3, 0.0), strict=True))
    drive(world, 60, wishes.__getitem__, random.Random(1))
    assert world.worst(RPM) <= BURST
    warm = world.admitted[100]
    assert world.total - warm >= RPM * 50 // 60 - 20, "stranded: at most two seconds of the limit"
    busy, some, rare, idle = (host.used for host in world.hosts)
    assert busy > 2 * some > 4 * rare > idle == 0
    assert rare >= 10, "who asks now and then is served"


def test_a_host_that_wakes_up_is_served_within_half_a_second(server: Server) -> None:
    """The others' appetite leaves something for everybody, and a refusal asks for more soon."""
    world = World(server, limit("rpm", RPM), hosts=3)
    sleeper = world.hosts[2]
    drive(world, 20, lambda host: 0.0 if host is sleeper else 40.0, random.Random(2))
    waited = 0
    while not sleeper.use():
        drive(world, 0.1, lambda host: 0.0 if host is sleeper else 40.0, random.Random(waited))
        waited += 1
    assert waited <= 5
    assert world.worst(RPM) <= BURST


def test_requests_larger_than_a_share_are_granted_whole(server: Server) -> None:
    """80 tokens do not fit into a third of 100 per second; they pass all the same, and nothing is over."""
    world = World(server, limit("tpm", 6_000), hosts=3)
    for _ in range(600):
        world.tick()
        for host in world.hosts:
            host.use(80)
        world.note()
    assert world.worst(6_000) <= 1_000
    assert world.total - world.admitted[100] >= 50 * 100 - 2 * 100 - 3 * 80
    assert min(host.used for host in world.hosts) >= world.total // 12, "nobody starves"


def test_a_request_above_the_burst_passes_from_a_full_bucket(server: Server) -> None:
    """Decision 004 between hosts: 3,000 of 6,000 tokens a minute, with a burst of 1,000."""
    world = World(server, limit("tpm", 6_000), hosts=2)
    world.warm_up()
    waited = 0
    while not world.hosts[0].use(3_000):
        world.tick()
        waited += 1
    assert waited <= 30
    world.note()
    drive(world, 15, greedy, random.Random(3))
    assert world.total <= 3_000 + 200, "the next 20 seconds are used up, but for what the other host holds"
    drive(world, 15, greedy, random.Random(3))
    assert world.total > 3_200, "and then it goes on"


def test_what_was_not_used_comes_back_and_what_was_used_beyond_is_owed(server: Server) -> None:
    """Refunds return to the limit even after their term; debt is paid by all hosts together."""
    world = World(server, limit("tpm", 6_000), hosts=2)
    first, second = world.hosts
    world.warm_up()
    while (held := first.ask(900)) is None:
        world.tick()
    for _ in range(50):
        world.tick()
    held.cancel(sent=False)
    for _ in range(30):
        world.tick()
    drained = 0
    while not second.use(900):
        world.tick()
        drained += 1
    assert drained <= 20, "the refund is there for the other host"
    while (held := first.ask(10)) is None:
        world.tick()
    held.settle("ok", input_tokens=2_000, output_tokens=0)
    for _ in range(25):
        world.tick()
    refused = 0
    while not second.use(50):
        world.tick()
        refused += 1
    assert refused >= 50, "the other host waits for a debt of this one"


@pytest.mark.parametrize("line", ["cut", "deaf", "late"])
def test_a_host_that_is_cut_off_lives_on_its_safe_share_and_nothing_is_over(server: Server, line: Line) -> None:
    """C4: whether nothing arrives, answers get lost, or questions arrive when their host has given them up."""
    world = World(server, limit("rpm", RPM), hosts=3)
    rnd = random.Random(4)
    drive(world, 20, greedy, rnd)
    lost = world.hosts[0]
    lost.wire.line = line
    before, others = lost.used, world.total - lost.used
    drive(world, 60, greedy, rnd)
    if line == "cut":
        assert 0.9 * RPM / 3 - 40 <= lost.used - before <= 0.9 * RPM / 3 + 20
    assert world.total - lost.used - others >= 0.68 * RPM - 20, "what it cannot use is used by the others"
    lost.wire.line = "up"
    drive(world, 20, greedy, rnd)
    assert lost.leases["coordinator"] == "reachable"
    assert world.worst(RPM) <= BURST
    assert world.total >= 100 * RPM / 60 * 0.85


def test_a_coordinator_that_comes_back_without_memory_lends_nothing_twice(server: Server) -> None:
    """It learns for one lease, begins with an empty bucket, and counts those whom it has not met yet."""
    world = World(server, limit("rpm", RPM), hosts=4)
    rnd = random.Random(5)
    drive(world, 20, greedy, rnd)
    cut = world.hosts[3]
    for round_ in range(3):
        server.kill()
        cut.wire.line = "cut"
        drive(world, 4 * round_ + 1, greedy, rnd)
        server.start()
        drive(world, 15, greedy, rnd)
        assert world.hosts[0].leases["hosts"] == 4, "the one that is cut off is still counted"
        cut.wire.line = "up"
        drive(world, 10, greedy, rnd)
        assert world.hosts[0].leases["coordinator"] == "reachable"
    assert world.worst(RPM) <= BURST
    assert world.total >= 110 * RPM / 60 * 0.8


def test_without_a_coordinator_the_hosts_stay_below_the_limit_together(server: Server) -> None:
    """Nine tenths of the limit between them, for as long as it takes."""
    world = World(server, limit("rpm", RPM), hosts=3)
    rnd = random.Random(6)
    drive(world, 10, greedy, rnd)
    server.kill()
    drive(world, 5, greedy, rnd)
    before = world.total
    drive(world, 120, greedy, rnd)
    assert 0.9 * 2 * RPM - 10 <= world.total - before <= 0.9 * 2 * RPM + 10
    assert world.worst(RPM) <= BURST
    assert {host.leases["coordinator"] for host in world.hosts} == {"away"}


def test_a_host_that_was_killed_costs_its_safe_share_until_it_is_forgotten(server: Server) -> None:
    """Nobody can know that it is dead; a goodbye says so at once."""
    world = World(server, limit("rpm", RPM), hosts=3)
    rnd = random.Random(7)
    drive(world, 10, greedy, rnd)
    world.hosts[2].alive = False
    drive(world, 5, greedy, rnd)
    before = world.total
    drive(world, 60, greedy, rnd)
    assert 0.68 * RPM <= world.total - before <= 0.72 * RPM
    drive(world, 550, lambda _: 0.3, rnd)
    before = world.total
    drive(world, 60, greedy, rnd)
    assert world.total - before >= 0.97 * RPM, "ten minutes later it is forgotten"
    world.hosts[1].alive = False
    world.hosts[1].courier.close()
    drive(world, 2, greedy, rnd)
    before = world.total
    drive(world, 60, greedy, rnd)
    assert world.total - before >= 0.99 * RPM
    assert world.hosts[0].leases["hosts"] == 1
    assert world.worst(RPM) <= BURST


def test_a_daily_limit_is_counted_once_for_all_hosts_and_starts_anew_at_midnight(server: Server) -> None:
    """300 a day, whoever asks; a coordinator without memory is told the day's count by the hosts."""
    world = World(server, limit("rpd", 300, calendar=[]), hosts=3)
    rnd = random.Random(8)
    world.steps = (86_400 - 120) * 10
    for host in world.hosts:
        host.clock.advance(86_400.0 - 120.0)
    drive(world, 40, greedy, rnd)
    assert world.total == 300
    server.kill()
    drive(world, 1, greedy, rnd)
    server.start()
    drive(world, 70, greedy, rnd)
    assert 300 <= world.total <= 300 + 2, "what hosts on their own may use in a few seconds"
    before = world.total
    drive(world, 40, greedy, rnd)
    assert world.total - before == 300, "midnight came once"


def test_a_fixed_window_admits_the_limit_in_no_minute_more(server: Server) -> None:
    """Any sixty seconds, wherever they begin."""
    world = World(server, limit("rpm", RPM, fixed_window=True), hosts=3)
    drive(world, 200, greedy, random.Random(9))
    spans = [later - earlier for earlier, later in zip([0, *world.admitted], world.admitted[600:], strict=False)]
    assert max(spans) <= RPM
    assert min(spans[300:]) >= RPM * 0.93


def test_ten_hosts_through_a_storm_of_lost_lines_are_never_over(server: Server) -> None:
    """Lines fail and heal at random, hosts die and join; in no span is anything over."""
    rnd = random.Random(10)
    world = World(server, limit("rpm", RPM), hosts=10)
    world.warm_up()
    world.admitted = [0] * 30
    for _ in range(150):
        for host in world.hosts:
            if rnd.random() < 0.3:
                host.wire.line = rnd.choice(["up", "up", "up", "cut", "deaf", "late"])
        drive(world, 1, lambda host: 10.0 if hash(host) % 3 else 1.0, rnd)
    assert world.worst(RPM) <= BURST
    assert world.total >= 150 * RPM / 60 * 0.6


def test_requests_at_once_are_permitted_once_for_all_hosts(server: Server) -> None:
    """The sum of permits is at most the limit, whoever asks, comes, goes, is cut off or starts anew without memory."""
    rnd = random.Random(11)
    world = World(server, limit("concurrency", 20), hosts=4)
    world.warm_up()
    running: list[tuple[Host, Reservation]] = []
    most = 0
    for second in range(120):
        if second == 60:
            server.kill()
        if second == 63:
            server.start()
        eager = world.hosts[second // 20 % 4]
        for host in world.hosts:
            if second > 20 and rnd.random() < 0.2:
                host.wire.line = rnd.choice(["up", "up", "cut", "deaf", "late"])
        for _ in range(10):
            world.tick()
            for host in world.hosts:
                for _ in range(5 if host is eager else rnd.random() < 0.2):
                    if (held := host.ask()) is not None:
                        running.append((host, held))
            assert len(running) <= 20
            most = max(most, len(running))
            rnd.shuffle(running)
            for host, held in running[rnd.randrange(15, 21) :]:
                held.settle("ok", input_tokens=1, output_tokens=0)
                host.used += 1
            del running[15:]
    assert most >= 15
    assert min(host.used for host in world.hosts) > 0
