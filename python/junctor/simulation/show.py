"""A simulated run for people: figures side by side, shares, and the run over time in 79 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Final

from junctor.cli.text import COLUMNS, Paint, dollars, seconds, table, width

BARS: Final = " ▁▂▃▄▅▆▇█"
PLOTTED: Final = 12
"""Deployments in the plot: those with most attempts. A screen has some fifty lines."""
NAME_COLUMNS: Final = 20
Run = dict[str, Any]
"""A report with its `label`."""


def lines(runs: Sequence[Run], paint: Paint) -> list[str]:
    """Everything: the figures of all runs, then shares and plot of each of the first two."""
    told = [*figures(runs, paint), ""]
    for run in runs[:2]:
        told += [*shares(run, paint), "", *plot(run, paint), ""]
    return told[:-1]


def figures(runs: Sequence[Run], paint: Paint) -> list[str]:
    """One column per run."""
    told: list[tuple[str, Callable[[Run], str]]] = [
        ("calls", lambda run: f"{run['calls']:,}"),
        ("  answered", lambda run: _part(run["ends"]["answered"], run["calls"])),
        ("  failed", lambda run: _part(run["ends"]["failed"], run["calls"])),
        ("  broken streams", lambda run: _part(run["ends"]["interrupted"], run["calls"])),
        ("  no capacity", lambda run: _part(run["ends"]["no_capacity"], run["calls"])),
        ("  refused", lambda run: _part(run["ends"]["refused"], run["calls"])),
        ("  late", lambda run: _part(run["ends"]["late"], run["calls"])),
        ("attempts", lambda run: f"{run['attempts']:,}"),
        ("  answered 429", lambda run: _part(run["throttled"], run["attempts"])),
        ("  retries", lambda run: f"{run['retries']:,}"),
        ("  hedges", lambda run: f"{run['hedges']:,}"),
        ("  fallbacks", lambda run: f"{run['downgrades']:,}"),
        ("first content p50", lambda run: _seconds(run["first_content_s"]["p50"])),
        ("  p95", lambda run: _seconds(run["first_content_s"]["p95"])),
        ("  p99", lambda run: _seconds(run["first_content_s"]["p99"])),
        ("whole answer p50", lambda run: _seconds(run["whole_s"]["p50"])),
        ("  p99", lambda run: _seconds(run["whole_s"]["p99"])),
        ("cost", lambda run: dollars(run["used"]["cost_usd_micros"])),
        ("cached input", lambda run: _part(run["used"]["cached_tokens"], run["used"]["input_tokens"])),
    ]
    room = (COLUMNS - max(len(name) for name, _ in told)) // len(runs) - 2
    heads = [textwrap.wrap(str(run["label"]), room) for run in runs]
    deep = max(map(len, heads))
    heading = [
        ("", *(paint(word, "bold") for word in line))
        for line in zip(*(_sunk(head, deep) for head in heads), strict=True)
    ]
    # With many columns there is room for a share or for a count, and shares are what is compared.
    shown = [(name, *(_brief(figure(run), room) for run in runs)) for name, figure in told]
    return table([*heading, *shown], "<" + ">" * len(runs), indent=0)


def shares(run: Run, paint: Paint) -> list[str]:
    """One line per deployment that was asked at all, busiest first."""
    rows = [
        tuple(
            paint(word, "dim") for word in (str(run["label"]), "tries", "share", "429", "failed", "first p50", "cost")
        )
    ]
    asked = sorted((there for there in run["deployments"] if there["attempts"]), key=lambda there: -there["attempts"])
    rows += [
        (
            _clipped(there["name"]),
            f"{there['attempts']:,}",
            f"{there['share']:.1%}",
            f"{there['throttled']:,}" if there["throttled"] else "·",
            f"{there['failed']:,}" if there["failed"] else "·",
            _seconds(there["first_content_s_p50"]),
            dollars(there["used"]["cost_usd_micros"]),
        )
        for there in asked[:PLOTTED]
    ]
    told = table(rows, "<>>>>>>", indent=0)
    return told if len(asked) <= PLOTTED else [*told, f"… and {len(asked) - PLOTTED} more"]


def plot(run: Run, paint: Paint) -> list[str]:
    """The run over time: one letter per span, as high as it is much; the largest on the right."""
    spans = run["timeline"]
    span_s = spans[1]["from_s"] if len(spans) > 1 else 0.0
    per_s = 1.0 / span_s if span_s else 0.0
    told = [
        paint(f"over {seconds(span_s * len(spans))}, {seconds(span_s)} a column, highest on the right", "dim"),
        _bars("calls", [span["calls"] * per_s for span in spans], lambda most: f"{most:.3g}/s"),
        _bars("unanswered", [span["unanswered"] for span in spans], lambda most: f"{most:,.0f}"),
        _bars("answered 429", [span["throttled"] for span in spans], lambda most: f"{most:,.0f}"),
        _bars("first content p95", [span["first_content_s_p95"] or 0.0 for span in spans], seconds),
    ]
    busiest = sorted(run["deployments"], key=lambda there: -there["attempts"])[:PLOTTED]
    whole = [max(1, sum(column)) for column in zip(*(there["timeline"] for there in run["deployments"]), strict=True)]
    for there in (there for there in run["deployments"] if there in busiest and there["attempts"]):
        parts = [tries / all_tries for tries, all_tries in zip(there["timeline"], whole, strict=True)]
        told.append(_bars(there["name"], parts, lambda most: f"{most:.0%}"))
    return told


def _bars(name: str, values: Sequence[float], tell: Callable[[float], str]) -> str:
    most = max(values, default=0.0)
    steps = len(BARS) - 1
    # What is more than nothing is seen, however little it is.
    letters = "".join(BARS[0 if value <= 0 else max(1, round(value / most * steps))] for value in values)
    return f"{_clipped(name):<{NAME_COLUMNS}} {letters} {tell(most) if most else '0'}".rstrip()


def _clipped(name: str) -> str:
    return name if width(name) <= NAME_COLUMNS else f"{name[: NAME_COLUMNS - 1]}…"


def _sunk(lines_: Sequence[str], deep: int) -> list[str]:
    return [*[""] * (deep - len(lines_)), *lines_]


def _brief(figure: str, room: int) -> str:
    return figure if len(figure) <= room else figure.partition("(")[2].rstrip(")") or figure[:room]


def _part(count: float, whole: float) -> str:
    return f"{count:,} ({count / whole:.2%})" if count and whole else "0"


def _seconds(value_s: float | None) -> str:
    return "–" if value_s is None else seconds(value_s)
