"""The demo's pieces on their own: timeline, tally, wire, truth, tables."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest

from junctor.cli.text import Paint, width
from junctor.demo import report, truth
from junctor.demo.caller import Standing
from junctor.demo.fleet import GROUPS, KEYS
from junctor.demo.outage import Outage
from junctor.demo.report import Told
from junctor.demo.run import Progress
from junctor.demo.table import Reactions, Shares, lines
from junctor.demo.tally import Ended, Figures, Spread, figures
from junctor.demo.timeline import DAY, moments
from junctor.demo.traffic import EU_MARK, Ask
from junctor.demo.watch import LiveWatcher, LogWatcher
from junctor.demo.wire import WireWatch
from junctor.request import HttpRequest
from junctor.testing import Counts, SimulatedProvider
from junctor.transport.base import Response, StreamedResponse

COLUMNS = 80


def _ended(kind: str, **more: object) -> Ended:
    return Ended(**{"kind": kind, "streamed": False, "total_s": 0.1, **more})  # type: ignore[arg-type]  # any field


def _standing(name: str, **more: object) -> Standing:
    plain = {"attempts": 10, "in_flight": 0, "throttled": 0, "failed": 0, "latency_s": 0.05}
    client = {"breaker": "closed", "held_s": 0.0, "free": 1.0}
    return Standing(name=name, **{**plain, **client, **more})  # type: ignore[arg-type]  # any field


def test_every_fault_falls_into_the_run_and_all_but_the_dead_key_end() -> None:
    assert [trouble.key for trouble in DAY if trouble.ends is None] == ["gpt-us-a"]
    found = moments(10.0)
    assert [moment.at_s for moment in found] == sorted(moment.at_s for moment in found)
    assert all(0.0 < moment.at_s < 10.0 and moment.says for moment in found)
    assert sum(moment.begins for moment in found) == len(DAY)


def test_the_timeline_leaves_a_provider_with_nothing_but_the_dead_key() -> None:
    provider = SimulatedProvider([plan.key for plan in KEYS])
    hit: dict[str, bool] = {}

    async def day() -> None:
        async with provider:
            for moment in moments(10.0):
                moment.happen(provider, seconds=10.0)
            hit.update({plan.name: bool(provider.account(plan.name).faults) for plan in KEYS})

    asyncio.run(day())
    assert [name for name, is_hit in hit.items() if is_hit] == ["gpt-us-a"]


def test_figures_account_for_every_call() -> None:
    found = figures(
        7,
        [
            _ended("ok", attempts=2, downgrade=True, cost_usd_micros=5, first_content_s=0.02),
            _ended("ok", total_s=0.3),
            _ended("interrupted", cost_usd_micros=2),
            _ended("no_capacity", attempts=0, hopeless=True),
            _ended("connection", attempts=3),
            _ended("ok", hopeless=False),
            _ended("no_capacity", attempts=0, unnoticed=True),
        ],
    )
    assert (found.calls, found.answered, found.interrupted, found.failures) == (7, 3, 1, 3)
    assert (found.hopeless, found.unnoticed, found.avoidable) == (1, 1, 1)
    assert found.failed == {"connection": 1, "no_capacity": 2}
    assert (found.retried_and_answered, found.downgrades, found.attempts, found.cost_usd_micros) == (1, 1, 8, 7)
    assert (found.first_content.p50_ms, found.whole.p99_ms) == (20.0, 300.0)


LOST, BACK = (next(m for m in moments(10.0) if m.trouble.region and m.begins is begins) for begins in (True, False))


def _bound(at_s: float, group: str = "strong") -> Ask:
    return Ask(
        number=1, at_s=at_s, model="auto", group=group, messages=[], options={}, streamed=False, eu_only=True
    )  # fmt: skip


def _outage() -> Outage:
    outage = Outage()
    outage.happened(LOST, before_s=10.0, after_s=10.1)
    outage.happened(BACK, before_s=11.9, after_s=12.0)
    return outage


@pytest.mark.parametrize(
    ("at_s", "kind", "hopeless", "unnoticed"),
    [
        (9.8, "no_capacity", False, False),
        (9.9, "no_capacity", True, False),  # it ended while the region was lost
        (11.95, "connection", True, False),  # the switch was not through yet
        (12.0, "no_capacity", False, True),
        (12.0, "connection", False, False),  # somebody was asked
        (11.0, "ok", False, False),
    ],
)
def test_who_could_have_answered_a_call_bound_to_the_lost_region(
    at_s: float, kind: str, hopeless: bool, unnoticed: bool
) -> None:
    ended = _outage().judge(_bound(at_s), _ended(kind, total_s=0.15))
    assert (ended.hopeless, ended.unnoticed) == (hopeless, unnoticed)


@pytest.mark.parametrize(
    ("answered", "unnoticed"),
    [
        ([(11.9, "strong", False)], {"strong", "small"}),  # begun while the region was lost
        ([(12.1, "strong", False)], {"small"}),
        ([(12.1, "small", False)], set()),
        ([(12.1, "strong", True)], set()),  # by the small group
    ],
)
def test_an_answer_after_the_return_shows_which_groups_are_back(
    answered: list[tuple[float, str, bool]], unnoticed: set[str]
) -> None:
    outage = _outage()
    for at_s, group, downgrade in answered:
        outage.judge(_bound(at_s, group), _ended("ok", downgrade=downgrade))
    groups = {group for group in GROUPS if outage.judge(_bound(12.2, group), _ended("no_capacity")).unnoticed}
    assert groups == unnoticed


def test_a_call_that_any_region_may_take_is_never_excused() -> None:
    ask = msgspec.structs.replace(_bound(11.0), eu_only=False)
    assert not _outage().judge(ask, _ended("no_capacity")).hopeless


def test_spread_of_nothing_is_zero_and_of_a_hundred_is_the_ninety_ninth() -> None:
    assert Spread.of([]) == Spread(0.0, 0.0)
    assert Spread.of([number / 1000 for number in range(100)]) == Spread(50.0, 99.0)


class Nowhere:
    """A transport that answers nothing to anybody."""

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        del request, timeout_s
        return Response(204, {}, b"")

    def stream(self, request: HttpRequest, *, timeout_s: float) -> AbstractAsyncContextManager[StreamedResponse]:
        raise NotImplementedError

    async def close(self) -> None:
        return None


@pytest.mark.parametrize(("host", "body", "outside"), [("us:1", EU_MARK, 1), ("eu:2", EU_MARK, 0), ("us:1", b"{}", 0)])
def test_a_prompt_outside_its_region_is_seen_on_the_wire(host: str, body: bytes, outside: int) -> None:
    regions: Mapping[str, str] = {"us:1": "us", "eu:2": "eu"}
    wire = WireWatch(Nowhere(), regions)
    asyncio.run(wire.send(HttpRequest("POST", f"http://{host}/v1/chat?x", {}, b'{"a": "' + body + b'"}'), timeout_s=1))
    assert (wire.outside, wire.sent[regions[host]]) == (outside, 1)


def _figures(**more: object) -> Figures:
    spread = Spread(1.0, 2.0)
    plain = {
        "calls": 10, "answered": 8, "interrupted": 1, "failed": {"server": 1}, "hopeless": 0, "unnoticed": 0,
        "retried_and_answered": 2, "downgrades": 0, "attempts": 12, "cost_usd_micros": 99,
        "first_content": spread, "whole": spread,
    }  # fmt: skip
    return Figures(**{**plain, **more})  # type: ignore[arg-type]  # any field


def _wire(*, sent: int = 12, outside: int = 0) -> WireWatch:
    wire = WireWatch(Nowhere(), {})
    wire.sent["us"] = sent
    wire.outside = outside
    return wire


def _snapshot(**more: int) -> dict[str, object]:
    return {"deployments": {"a": {"in_flight": 0, "attempts": 12, "cost_usd_micros": 99, **more}}}


def test_a_clean_run_holds_all_its_promises() -> None:
    checks = truth.of_any_run(_figures(), _wire(), Counts(requests=12, ok=8))
    checks += truth.of_the_client(_figures(), _snapshot())
    assert len(checks) == 7
    assert all(check.held for check in checks)


@pytest.mark.parametrize(
    ("figures_", "wire", "counts", "snapshot", "broken"),
    [
        (_figures(), _wire(outside=1), Counts(requests=12, ok=8), _snapshot(), "no prompt went where"),
        (_figures(answered=7), _wire(), Counts(requests=12, ok=8), _snapshot(), "every call ended, once"),
        (_figures(), _wire(), Counts(requests=13, ok=8), _snapshot(), "nothing was sent untold"),
        (_figures(), _wire(sent=13), Counts(requests=12, ok=8), _snapshot(), "nothing was sent untold"),
        (_figures(), _wire(), Counts(requests=12, ok=7), _snapshot(), "no answer was made up"),
        (_figures(), _wire(), Counts(requests=12, ok=8), _snapshot(in_flight=1), "nothing is held any more"),
        (_figures(), _wire(), Counts(requests=12, ok=8), _snapshot(attempts=13), "every attempt is in a receipt"),
        (_figures(), _wire(), Counts(requests=12, ok=8), _snapshot(cost_usd_micros=98), "the money adds up"),
    ],
)
def test_each_broken_promise_is_found(
    figures_: Figures, wire: WireWatch, counts: Counts, snapshot: dict[str, object], broken: str
) -> None:
    checks = truth.of_any_run(figures_, wire, counts) + truth.of_the_client(figures_, snapshot)
    (found,) = [check.promise for check in checks if not check.held]
    assert found.startswith(broken)


def test_the_table_fits_eighty_columns_at_its_widest() -> None:
    wide = [
        _standing(
            plan.name, attempts=99_999, in_flight=999, throttled=9999, failed=9999, latency_s=9.99, breaker="open",
            breaker_s=300.0, held_s=3600.0,
        )
        for plan in KEYS
    ]  # fmt: skip
    shares = Shares().whole(wide)
    for paint in (Paint(False), Paint(True)):
        assert max(width(line) for line in lines(wide, shares, {"gpt-eu"}, paint)) < COLUMNS


def test_shares_are_those_of_the_group_and_of_late() -> None:
    shares = Shares()
    first = [_standing(plan.name, attempts=100) for plan in KEYS]
    assert set(shares.look(first).values()) == {0.0}
    later = [_standing(each.name, attempts=103 if each.name == "haiku-us" else 100) for each in first]
    assert shares.look(later)["haiku-us"] == 1.0
    assert Shares.whole(first)["haiku-us"] == 0.25


def test_reactions_tell_each_change_once() -> None:
    reactions = Reactions()
    opened = _standing("gpt-eu", breaker="open", breaker_reason="failures", breaker_s=30.0)
    assert reactions.look([_standing("gpt-eu")]) == []
    assert reactions.look([opened]) == ["gpt-eu: breaker opens, it keeps failing; next probe in 30 s"]
    assert reactions.look([opened]) == []
    assert reactions.look([_standing("gpt-eu")]) == ["gpt-eu: breaker closes, traffic comes back step by step"]
    held = _standing("gpt-eu", held_s=1.5)
    assert reactions.look([held]) == ["gpt-eu: left alone for 1.50 s, as its provider asks"]
    assert reactions.look([held]) == []


def test_a_hold_shows_while_the_breaker_is_closed_and_not_over_it() -> None:
    held = [_standing("gpt-eu", held_s=1.93), _standing("gpt-eu", held_s=1.93, breaker="open", breaker_s=30.0)]
    _, first, second = lines(held, {"gpt-eu": 0.5}, {}, Paint(False))
    assert " held 1.9 s " in first
    assert " open 30 s " in second


class Idle:
    """A caller about whom there is nothing to tell."""

    title = "idle"

    async def ask(self, ask: object, *, due_s: float) -> Ended:
        del ask, due_s
        raise NotImplementedError

    def standings(self) -> list[Standing]:
        return [_standing(plan.name) for plan in KEYS]


def test_the_log_has_a_line_per_fault_and_one_table_at_the_end() -> None:
    out = io.StringIO()
    watcher = LogWatcher(Idle(), out, Paint(False), seconds=10.0)
    progress = Progress(1)
    watcher.tick(progress)
    for moment in moments(10.0):
        watcher.happened(moment.at_s, moment)
    assert out.getvalue().splitlines() == [f"{moment.at_s:5.1f} s  {moment.says}" for moment in moments(10.0)]
    progress.begun = 1
    progress.ended.append(_ended("ok"))
    watcher.tick(progress)
    assert out.getvalue().count("deployment") == 1


def test_the_live_screen_fits_its_terminal_and_gives_the_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "18")
    out = io.StringIO()
    watcher = LiveWatcher(Idle(), out, Paint(False), seconds=10.0)
    for moment in moments(10.0):
        watcher.happened(moment.at_s, moment)
    watcher.tick(Progress(1))
    screen = out.getvalue().removeprefix("\x1b[?25l").split("\n")
    assert len(screen) <= 18
    assert max(len(line.replace("\x1b[K", "")) for line in screen) < 60
    assert outages(screen) == "region eu is back"
    watcher.close()
    assert out.getvalue().endswith("\x1b[?25h")


def outages(screen: list[str]) -> str:
    """The newest event of a screen."""
    return [line for line in screen if " s  " in line][-1].replace("\x1b[K", "").rpartition(" s  ")[2]


def test_the_report_fits_eighty_columns_and_names_what_broke() -> None:
    checks = truth.of_any_run(_figures(calls=99_999), _wire(outside=1), Counts(requests=12, ok=8))
    run = Told(
        title="random choice", figures=_figures(calls=99_999), provider=Counts(), by_key={}, sent_by_region={},
        outside_region=1, checks=checks,
    )  # fmt: skip
    told = report.lines([run, run], Paint(False))
    assert max(map(width, told)) < COLUMNS
    assert not run.held
    assert sum("BROKEN" in line for line in told) == 4
