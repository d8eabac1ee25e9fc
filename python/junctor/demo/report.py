"""The end of the demo: both runs side by side, and what held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from junctor.cli.text import Paint, dollars, table, wrapped
from junctor.demo.by_gateway import WORKERS, Act
from junctor.demo.tally import Figures, Spread
from junctor.demo.traffic import Traffic
from junctor.demo.truth import Check
from junctor.testing import Counts

COMPARED: Final = (
    "Random choice is up to three tries, each at once, at distinct keys drawn evenly from the asked group, the law "
    "kept; the same calls, times, faults, adapters, transport and timeouts. It has no weights, limits, breakers, "
    "holds or fallback groups."
)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One run: its figures, what the providers counted in all and for each key, what held."""

    title: str
    figures: Figures
    provider: Counts
    by_key: dict[str, Counts]
    sent_by_region: dict[str, int]
    outside_region: int
    checks: list[Check]

    @property
    def held(self) -> bool:
        """Whether every invariant held."""
        return all(check.held for check in self.checks)


def lines(runs: Sequence[Told], paint: Paint) -> list[str]:
    """The comparison and the checks, for people."""
    header = ("", *(paint(run.title, "bold") for run in runs))
    rows: list[tuple[str, ...]] = [header]
    for name, cells in _rows(runs):
        rows.append((name, *cells))
    found = [*table(rows, "<" + ">" * len(runs), gap=3), "", *wrapped(COMPARED, indent=2), ""]
    for run in runs:
        found += _checks(run.title, run.checks, paint)
    return found


def _rows(runs: Sequence[Told]) -> Iterable[tuple[str, list[str]]]:
    def each(show: Callable[[Figures], str]) -> list[str]:
        return [show(run.figures) for run in runs]

    yield "calls", each(lambda f: f"{f.calls:,}")
    yield "answered", each(lambda f: _share(f.answered, f.calls))
    yield "  of them after a retry", each(lambda f: f"{f.retried_and_answered:,}")
    yield "  of them by a fallback group", each(lambda f: f"{f.downgrades:,}")
    yield "streams broken after first content", each(lambda f: f"{f.interrupted:,}")
    yield "failed", each(lambda f: f"{f.failures:,}")
    yield "  while their only region was lost", each(lambda f: f"{f.hopeless:,}")
    yield "  before a probe found it back", each(lambda f: f"{f.unnoticed:,}")
    yield "  at any other time", each(lambda f: _share(f.avoidable, f.calls))
    for kind in sorted({kind for run in runs for kind in run.figures.failed}):
        yield f"  as {kind.replace('_', ' ')}", [f"{run.figures.failed.get(kind, 0):,}" for run in runs]
    yield "first content of streams, p50 / p99", each(lambda f: _spread(f.first_content))
    yield "whole answer, p50 / p99", each(lambda f: _spread(f.whole))
    yield "cost", each(lambda f: dollars(f.cost_usd_micros))
    yield "attempts", each(lambda f: f"{f.attempts:,}")
    yield "providers answered 429", [f"{run.provider.throttled:,}" for run in runs]
    yield "providers failed, or broke off", [f"{_faulty(run.provider):,}" for run in runs]
    yield "prompts sent outside their region", [f"{run.outside_region:,}" for run in runs]


def _faulty(counts: Counts) -> int:
    return counts.failed + counts.broken


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / max(1, whole):.1%})"


def _spread(spread: Spread) -> str:
    return f"{spread.p50_ms:,.0f} / {spread.p99_ms:,.0f} ms"


def _checks(title: str, checks: Iterable[Check], paint: Paint) -> list[str]:
    marks = {True: paint("held", "green"), False: paint("BROKEN", "bold", "red")}
    rows = [(marks[check.held], check.promise, paint(check.shown, "dim")) for check in checks]
    return [f"  {title}:", *table(rows, "<<<", indent=4)]


def gateway_lines(act: Act | None, paint: Paint) -> list[str]:
    """What callers of three dialects were answered, for people."""
    if act is None:
        return ["", *wrapped('The gateway was left out: pip install "junctor[gateway]".', indent=2)]
    title = f" The same fleet behind a gateway: three dialects, any model, {WORKERS} workers"
    header = tuple(paint(word, "bold") for word in ("asked as", "for", "answered by", "cost"))
    rows: list[tuple[str, ...]] = [header]
    for each in act.seen:
        cost = f"${float(each.cost):.6f}" if each.cost else "in its last event"
        rows.append((each.dialect + (" (stream)" if each.streamed else ""), each.asked, each.deployment, cost))
    return ["", paint(title, "bold"), "", *table(rows, "<<<>", gap=3), "", *_checks("the gateway", act.checks, paint)]


def as_json(
    runs: Sequence[Told], gateway: Act | None, traffic: Traffic, *, seconds: float, seed: int, took_s: float
) -> bytes:
    """Everything for machines, as one JSON object."""
    told: dict[str, Any] = {
        "seconds": seconds,
        "seed": seed,
        "took_s": round(took_s, 2),
        "traffic": traffic.origin,
        "compared": COMPARED,
        "ok": all(run.held for run in runs) and (gateway is None or gateway.held),
        "runs": {run.title.replace(" ", "_"): _run(run) for run in runs},
        "gateway": gateway,
    }
    return msgspec.json.encode(told)


def _run(run: Told) -> dict[str, Any]:
    figures = run.figures
    return {
        **msgspec.structs.asdict(figures),
        "failures": figures.failures,
        "avoidable_failures": figures.avoidable,
        "cost_usd": figures.cost_usd_micros / 1_000_000,
        "outside_region": run.outside_region,
        "sent_by_region": run.sent_by_region,
        "provider": run.provider,
        "provider_by_key": run.by_key,
        "checks": run.checks,
    }
