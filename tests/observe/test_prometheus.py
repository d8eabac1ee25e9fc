"""The exposition: what it says of calls and state, in both formats, from one process or many, and how it is bounded."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter

from junctor.client import Client
from junctor.exceptions import ConfigError, NoCapacity
from junctor.observe.prometheus import Metrics
from junctor.observe.prometheus.families import ATTEMPTS, COUNTED, DURATION, FAMILIES, OVERFLOW, TENANT_CALLS, Family
from junctor.observe.prometheus.slots import Slots, width
from junctor.testing.scripted import fail, hang, ok, stream
from scripts.markdown import ROOT
from tests.client.stage import MESSAGES, Stage
from tests.client.test_hedge import hedging
from tests.observe.exposed import OPENMETRICS, measured, scraped, sets, total

PLACE = {"provider": "openai", "model": "openai/m"}


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_both_formats_tell_what_happened(accept: str) -> None:
    """A failed attempt, its retry and a stream, as prometheus_client's parsers read them."""
    stage = Stage({"a": [fail(500)], "b": [ok(after_s=1.2), stream("x", "y")]})
    metrics = measured(stage, tenants=["acme"])
    stage.chat(tenant="acme")
    stage.stream(tenant="unlisted")
    stage.tell()
    told = scraped(metrics, accept)
    assert total(told, "junctor_calls_total", outcome="ok", group="g", operation="chat") == 2
    assert total(told, "junctor_attempts_total", deployment="a", outcome="server", **PLACE) == 1
    assert total(told, "junctor_attempts_total", deployment="b", outcome="ok", **PLACE) == 2
    assert total(told, "junctor_decisions_total", deployment="b", group="g") == 2
    assert total(told, "junctor_retries_total", group="g") == 1
    assert total(told, "junctor_refusals_total", deployment="a", reason="tried") == 1
    assert total(told, "junctor_tenant_calls_total", tenant="acme") == 1
    assert total(told, "junctor_tenant_calls_total", tenant="other") == 1
    assert total(told, "junctor_call_duration_seconds_bucket", streamed="false", le="1.0") == 0
    assert total(told, "junctor_call_duration_seconds_bucket", streamed="false", le="2.0") == 1
    assert total(told, "junctor_call_duration_seconds_sum", streamed="false") == pytest.approx(1.2, abs=0.1)
    assert total(told, "junctor_first_content_seconds_count", deployment="b") == 1
    assert total(told, "junctor_overhead_microseconds_count") == 2
    assert total(told, "junctor_wait_seconds_count", group="g") == 1


def test_a_downgrade_a_hedge_and_an_interruption_are_counted() -> None:
    """Each with the group or deployment that it concerns."""
    spare = [{"name": "spare", "members": ["c"], "fallback": []}]
    stage = hedging({"a": [hang(), fail(401)], "b": [ok(after_s=0.1), fail(401)], "c": []}, members=["a", "b"],
                    groups=spare, fallback=["spare"])  # fmt: skip
    metrics = measured(stage)
    stage.chat(max_tokens=10)
    stage.provider.add("c", stream("x", "y", cut_after=1))
    assert stage.stream(max_tokens=10).error is not None
    stage.tell()
    told = scraped(metrics)
    assert total(told, "junctor_hedges_total", group="g", result="won") == 1
    assert total(told, "junctor_retries_total") == 2
    assert total(told, "junctor_downgrades_total", group="spare") == 1
    assert total(told, "junctor_stream_interruptions_total", deployment="c") == 1
    assert total(told, "junctor_calls_total", group="spare", outcome="interrupted") == 1


def test_state_is_what_the_router_says_at_the_scrape() -> None:
    """Breakers, headroom and attempts under way are read, not counted; want of capacity shows in both."""
    limits: dict[str, list[Mapping[str, Any]]] = {
        "a": [{"dimension": "rpm", "limit": 2, "window_s": 60, "burst_s": 60}]
    }
    stage = Stage({"a": [ok(), hang()], "b": []}, members=["a"], limits=limits)
    metrics = measured(stage)
    stage.chat()
    before = scraped(metrics)
    place = {"pool": "a", "dimension": "rpm"}
    assert total(before, "junctor_limit", **place) == 2
    assert total(before, "junctor_limit_level", **place) == 1
    assert total(before, "junctor_limit_free_ratio", **place) == 0.5

    async def meanwhile() -> float:
        task = asyncio.create_task(stage.client.chat("g", MESSAGES))
        await asyncio.sleep(0.1)
        under_way = total(scraped(metrics), "junctor_in_flight", deployment="a")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return under_way

    assert stage.run(meanwhile()) == 1
    with pytest.raises(NoCapacity):
        stage.chat(max_wait_s=0.0)
    stage.tell()
    stage.router.set_breaker("a", "open")
    told = scraped(metrics)
    assert total(told, "junctor_breaker_state", deployment="a", state="forced_open") == 1
    assert total(told, "junctor_breaker_state", deployment="a") == 1
    assert total(told, "junctor_in_flight") == 0
    assert total(told, "junctor_calls_total", outcome="no_capacity", group="") == 1
    assert total(told, "junctor_core_events_total", event="no_capacity") == 1
    assert total(told, "junctor_state_info", scope="process", config="test") == 1


def test_another_configuration_is_another_checksum() -> None:
    """`changes()` over it counts reloads, whichever worker is scraped."""
    stage, other = Stage({"a": []}), Stage({"a": []}, fleet={"config_hash": "another"})
    first, again, changed = (
        total(scraped(Metrics(stage.router)), "junctor_config_checksum") for stage in (stage, stage, other)
    )
    assert first == again != changed


def test_every_family_is_exposed_once_with_the_labels_it_promises() -> None:
    """Also those that nothing was counted in yet: a dashboard's panel is empty, not wrong."""
    body = Metrics(Stage({"a": []}).router).exposition()[1].decode()
    for family in FAMILIES:
        assert body.count(f"# TYPE {family.name} {family.kind}\n") == 1
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))


def test_metrics_live_beside_those_of_the_program() -> None:
    """In a registry of its own choice; two of the same name in one are refused by the registry."""
    registry = CollectorRegistry()
    Counter("own", "The program's own.", registry=registry).inc()
    router = Stage({"a": []}).router
    told = scraped(Metrics(router, registry))
    assert told["own_total", ()] == 1
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Metrics(router, registry)


def test_callbacks_that_fail_are_counted() -> None:
    """Those that raised, and calls that no observer heard of."""
    stage = Stage({"a": []}, otherwise=ok())
    metrics = Metrics(stage.router)
    stage.client = Client(stage.router, stage.provider, observers=[metrics.observer], on_receipt=_raises)
    stage.chat()
    stage.tell()
    stage.client.counters["callback_dropped"] += 3
    told = scraped(metrics)
    assert total(told, "junctor_callback_events_total", event="error") == 1
    assert total(told, "junctor_callback_events_total", event="dropped") == 3
    assert scraped(metrics) == told


def _raises(_: object) -> None:
    raise ZeroDivisionError


# ---- bounds ----


def test_ten_thousand_tenants_are_one_label_value() -> None:
    """Whatever callers write: the label sets stay those of the fleet and the listed tenants, and no call is lost."""
    stage = Stage({"a": []}, otherwise=ok())
    metrics = measured(stage, tenants=["acme"])

    async def scenario() -> None:
        for number in range(10_000):
            await stage.client.chat("g", MESSAGES, tenant=f"tenant-{number}", session=f"s{number}")

    stage.run(scenario())
    stage.tell()
    told = scraped(metrics)
    dropped = stage.client.counters["callback_dropped"]
    assert sets(told, "junctor_tenant_calls_total") == 1
    assert total(told, "junctor_tenant_calls_total", tenant="other", outcome="ok") + dropped == 10_000
    assert len(told) < 200


def test_a_family_never_has_more_label_sets_than_it_may() -> None:
    """Ten thousand names that no closed list holds: the bound, `other`, and a count of what went there."""
    slots = Slots(COUNTED, max_label_sets=50)
    for number in range(10_000):
        slots.of(TENANT_CALLS).add((f"t{number}", "ok"))
        slots.of(DURATION).observe((f"o{number}", "g", "true"), 1.0)
    numbers = slots.numbers()
    for family in (TENANT_CALLS, DURATION):
        assert numbers.pop((OVERFLOW.name, (family.name,))) == [9_950]
    assert len(numbers) == 2 * (50 + 1)
    assert numbers[TENANT_CALLS.name, ("other", "other")] == [9_950]
    assert sum(value[0] for (name, _), value in numbers.items() if name == TENANT_CALLS.name) == 10_000
    assert sum(sum(value[1:]) for (name, _), value in numbers.items() if name == DURATION.name) == 10_000


def test_what_went_to_other_is_told() -> None:
    """By family, so that whoever sees it knows which bound to raise."""
    stage = Stage({name: [] for name in "abc"}, otherwise=ok())
    metrics = measured(stage, max_label_sets=1)
    for name in "abc":
        stage.chat(name)
    stage.tell()
    told = scraped(metrics)
    assert total(told, "junctor_label_overflow_total", family="junctor_attempts_total") == 2
    assert total(told, "junctor_attempts_total", deployment="other", outcome="other") == 2
    assert total(told, "junctor_attempts_total") == 3


@pytest.mark.parametrize("bound", [0, 100_001])
def test_a_bound_out_of_range_is_refused(bound: int) -> None:
    """With the value and the range."""
    with pytest.raises(ConfigError, match=f"max_label_sets is {bound}; it must be between 1 and 100000"):
        Metrics(Stage({"a": []}).router, max_label_sets=bound)


# ---- several workers ----


def test_the_sum_over_workers_is_exact_and_outlives_them(tmp_path: Path) -> None:
    """Two that live and one that was killed: counts are added, the scraped one's state is told once."""
    workers = [_worker(tmp_path, calls) for calls in (4, 6, 8)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "counted\n"
    workers[0].kill()
    stage = Stage({"a": [], "b": []}, otherwise=ok())
    metrics = measured(stage, directory=tmp_path)
    stage.chat(tenant="acme")
    stage.tell()
    told = scraped(metrics)
    for worker in workers:
        worker.kill()
        worker.communicate()
    assert total(told, "junctor_calls_total", outcome="ok") == 4 + 6 + 8 + 1
    assert total(told, "junctor_attempts_total", outcome="server") == total(told, "junctor_retries_total") >= 3
    assert total(told, "junctor_call_duration_seconds_count") == 19
    assert sets(told, "junctor_in_flight") == 2
    assert total(told, "junctor_breaker_state", state="closed") == 2
    assert total(scraped(metrics), "junctor_calls_total") == 19


def _worker(directory: Path, calls: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.observe.worker", str(directory), str(calls)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_damaged_files_of_other_workers_are_left_out(tmp_path: Path) -> None:
    """Numbers without sets, sets without numbers, lines cut short, places out of range: the rest is told."""
    own = Slots(COUNTED, directory=tmp_path)
    own.of(ATTEMPTS).add(("d", "p", "m", "ok"), 3)
    (tmp_path / "1-a.numbers").write_bytes(b"\0" * 64)
    (tmp_path / "2-b.sets").write_bytes(b"[]\n")
    (tmp_path / "3-c.numbers").write_bytes(b"odd")
    (tmp_path / "3-c.sets").write_bytes(b"")
    (tmp_path / "4-d.numbers").write_bytes(msgspec.Raw(bytes(8 * 4)))
    lines: list[Any] = [
        ["junctor_attempts_total", ["d", "p", "m", "ok"], 9],
        ["junctor_attempts_total", ["d", "p", "m", "ok"], -1],
        ["junctor_attempts_total", ["d"], 0],
        ["unknown", ["d"], 0],
        "nonsense",
    ]
    (tmp_path / "4-d.sets").write_bytes(b"\n".join(map(msgspec.json.encode, lines)) + b'\n["junctor_att')
    assert own.numbers() == {(ATTEMPTS.name, ("d", "p", "m", "ok")): [3.0]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("shared", [True, False])
def test_a_forked_child_counts_for_itself(tmp_path: Path, *, shared: bool) -> None:
    """What its parent counted is told once; in a directory the two are added."""
    slots = Slots(COUNTED, directory=tmp_path if shared else None)
    labels = ("d", "p", "m", "ok")
    slots.of(ATTEMPTS).add(labels)
    child = os.fork()
    if child == 0:
        slots.after_fork()
        slots.of(ATTEMPTS).add(labels)
        os._exit(int(slots.numbers()[ATTEMPTS.name, labels][0]))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (2 if shared else 1)
    assert slots.numbers() == {(ATTEMPTS.name, labels): [2.0 if shared else 1.0]}


def test_no_two_label_sets_share_a_word() -> None:
    """Every family full, `other` included: each number is the one that was counted there."""
    slots = Slots(COUNTED, max_label_sets=3)
    for index, (family, labels) in enumerate(_full()):
        piece = slots.of(family)
        (piece.observe if family.kind == "histogram" else piece.add)(labels, float(index))
    numbers = slots.numbers()
    assert all(numbers.pop((OVERFLOW.name, (family.name,))) == [1.0] for family in FULL)
    assert len(numbers) == 4 * len(FULL)
    for index, (family, labels) in enumerate(_full()):
        key = (family.name, labels if labels[0] != "3" else ("other",) * len(labels))
        assert numbers[key][0] == index
        assert len(numbers[key]) == width(family)


FULL = [family for family in COUNTED if family is not OVERFLOW]


def _full() -> Iterator[tuple[Family, tuple[str, ...]]]:
    for family in FULL:
        for number in range(4):
            yield family, (str(number),) * len(family.labels)
