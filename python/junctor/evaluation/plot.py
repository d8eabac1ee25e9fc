"""A report as a picture: a panel per pair, one for all models; names at what they name, bands around what is judged.

Colour is for what is judged; what it must beat is grey and black, what nobody can reach is dotted, and models are dots.
The same report gives the same file, byte for byte, so a picture can be kept beside the numbers it shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from junctor.evaluation.labels import Labels, Wish
from junctor.evaluation.metrics import hull
from junctor.evaluation.report import Fleet, FleetLine, Pair, PairLine, Report
from junctor.evaluation.rows import TableError

SUFFIXES: Final = (".svg", ".png", ".pdf")
JUDGED: Final = ("#1769aa", "#c2410c", "#15803d", "#7e22ce", "#be185d", "#0e7490")
"""Dark enough on white to be read as text, and told apart without red against green."""
BASELINES: Final = {"label mean": "#1f2937", "prompt length": "#6b7280", "best single": "#6b7280", "random": "#9ca3af"}
LEAST_SPAN: Final = 0.01
"""Of an axis of quality: where nobody differs there must be an axis too."""
BANDS: Final = 2
"""Judged curves that have a band, the best ones: more of them hide each other."""
MIXED: Final = "mixing models at random"
BOUND: Final = "#a16207"
INK: Final = "#374151"
FAINT: Final = "#e5e7eb"
STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": "#9ca3af", "axes.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 22, "axes.titlecolor": "#111827", "xtick.color": INK,
    "ytick.color": INK, "axes.linewidth": 0.8, "svg.hashsalt": "junctor", "svg.fonttype": "path", "figure.dpi": 170,
    "savefig.dpi": "figure",
}  # fmt: skip


def draw(report: Report, path: Path) -> None:
    """Draws the report to an SVG, PNG or PDF file. Raises `TableError` for a name that cannot be one."""
    if path.suffix.lower() not in SUFFIXES:
        raise TableError(f"{path}: a plot is one of {', '.join(SUFFIXES)}; name the file so")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = len(report.pairs) + (report.fleet is not None)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # its keys are literals of matplotlib's own
        figure = Figure(figsize=(7.2 * panels, 5.6))
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, squeeze=False)[0]
        figure.subplots_adjust(left=0.62 / (7.2 * panels) + 0.02, right=0.975, top=0.86, bottom=0.15, wspace=0.2)
        for number, pair in enumerate(report.pairs):
            _pair(axes[number], pair)
        if report.fleet is not None:
            _fleet(axes[-1], report.fleet)
        figure.text(0.012, 0.02, _footing(report), color="#6b7280", fontsize=7.5)
        dated = {"CreationDate": None} if path.suffix.lower() == ".pdf" else {"Date": None}
        try:
            figure.savefig(path, metadata={} if path.suffix.lower() == ".png" else dated)
        except OSError as error:
            raise TableError(f"{path} cannot be written ({error.strerror or error}); name another file") from None


def _footing(report: Report) -> str:
    return (
        f"{report.table}: {report.judged_prompts:,} prompts, {report.split}, seed {report.seed}; "
        f"bands and bars hold 95 % of {report.draws:,} draws of the prompts"
    )


def _pair(axes: Any, pair: Pair) -> None:
    """Quality over the share of strong calls, marked where half and four fifths of the gap are recovered."""
    weak, strong = pair.weak_quality.value, pair.strong_quality.value
    what = "of prompts that go on to the strong model" if pair.cascade else "of calls to the strong model"
    axes.set_title(f"{pair.weak} {'→' if pair.cascade else 'or'} {pair.strong}")
    axes.set_xlabel(f"share {what}")
    axes.set_ylabel("mean quality")
    top = max([strong, *(max(line.quality) for line in pair.lines if line.role != "bound")])
    span = max(top - min(weak, strong), LEAST_SPAN)
    axes.set_xlim(0, 1)
    axes.set_ylim(
        min(weak, strong) - 0.06 * span, min(max(pair.oracle_quality.value, top) + 0.06 * span, top + 0.4 * span)
    )
    axes.xaxis.set_major_formatter(lambda value, _at: f"{value:.0%}")
    for part in (0.5, 0.8):
        axes.axhline(weak + part * (strong - weak), color=FAINT, linewidth=0.9, zorder=0)
        axes.annotate(
            f"{part:.0%} of the gap", (1, weak + part * (strong - weak)), xytext=(-3, 2), textcoords="offset points",
            ha="right", va="bottom", fontsize=7, color="#9ca3af",
        )  # fmt: skip
    colours = _colours(pair.lines)
    judged = sorted((line for line in pair.lines if line.role == "judged"), key=lambda line: -line.apgr.value)
    banded = {line.name for line in judged[:BANDS]} | {"label mean"}
    for line in sorted(pair.lines, key=lambda line: line.role == "judged"):
        _curve(axes, line, colours[line.name], weak, strong)
        if line.name in banded:
            _band(axes, line, colours[line.name], weak, strong)
    labels = Labels(axes, {line.name: list(zip(line.share, line.quality, strict=True)) for line in pair.lines})
    for line in sorted(pair.lines, key=lambda line: line.role != "judged"):
        shown = axes.get_ylim()[1]
        steep = (line.share[1] * 0.5, (line.quality[0] + line.quality[1]) / 2)  # of a curve that leaves at once
        anchors = [
            (line.share[k], line.quality[k])
            for k in (30, 36, 24, 42, 18, 27, 33, 39, 45, 48, 50, 54, 58, 62, 66, 12, 70, 74, 8, 78, 82, 5, 3)
            if line.quality[k] < shown
        ] or [steep]
        figure = "" if line.name == "random" else f" {line.apgr.value:.3f}".replace("0.", ".")
        labels.put(Wish(f"{line.name}{figure}", line.name, anchors, colours[line.name], bold=line.role == "judged"))
    axes.text(0, 1.025, _subtitle(pair), transform=axes.transAxes, fontsize=8.5, color="#6b7280")


def _subtitle(pair: Pair) -> str:
    judged = [line for line in pair.lines if line.role == "judged"]
    lead = max(judged or [line for line in pair.lines if line.name == "label mean"], key=lambda line: line.apgr.value)
    found = f"APGR of {lead.name} {lead.apgr.value:.3f} [{lead.apgr.low:.3f}, {lead.apgr.high:.3f}]"
    return f"{found}; half the gap at {lead.cpt50.value:.1%} of the calls, 80 % at {lead.cpt80.value:.1%}"


def _curve(axes: Any, line: PairLine, colour: str, weak: float, strong: float) -> None:
    judged, bound = line.role == "judged", line.role == "bound"
    style = ":" if bound else (0, (4, 3)) if line.name == "random" else "-"
    axes.plot(line.share, line.quality, color=colour, linewidth=2.2 if judged else 1.3, linestyle=style, zorder=4)
    if judged:
        for part, at in ((0.5, line.cpt50.value), (0.8, line.cpt80.value)):
            axes.plot([at], [weak + part * (strong - weak)], "o", color=colour, markersize=4.5, zorder=5)


def _band(axes: Any, line: PairLine, colour: str, weak: float, strong: float) -> None:
    low, high = (weak + np.array(bound) * (strong - weak) for bound in (line.low, line.high))
    alpha = 0.16 if line.role == "judged" else 0.08
    axes.fill_between(line.share, low, high, color=colour, alpha=alpha, linewidth=0, zorder=1)


def _fleet(axes: Any, fleet: Fleet) -> None:
    costs = {cost for line in fleet.lines if line.role == "model" for cost in line.point_cost_usd_per_1k}
    if len(costs) > 1:
        _plane(axes, fleet)
    else:
        _bars(axes, fleet)


def _plane(axes: Any, fleet: Fleet) -> None:
    """Quality over cost: models as dots, what mixing them reaches, learners as curves."""
    axes.set_title(f"quality and cost, objective {fleet.objective}")
    axes.set_xlabel("dollars per 1,000 prompts")
    axes.set_ylabel("mean quality")
    axes.xaxis.set_major_formatter(lambda value, _at: f"${value:g}")
    axes.grid(axis="y", color=FAINT, linewidth=0.7, zorder=0)
    lines = [line for line in fleet.lines if line.point_cost_usd_per_1k]
    if min(cost for line in lines for cost in line.point_cost_usd_per_1k) > 0:
        _logarithmic(axes)
    colours = _colours(lines)
    models = [line for line in lines if line.role == "model"]
    at, height = hull(np.array([_at(line)[0] for line in models]), np.array([_at(line)[1] for line in models]))
    mixed = np.linspace(at[0], at[-1], 200)
    axes.plot(mixed, np.interp(mixed, at, height), color="#9ca3af", linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    drawn = {MIXED: list(zip(mixed.tolist(), np.interp(mixed, at, height).tolist(), strict=True))}
    drawn |= {line.name: _points(axes, line, colours[line.name]) for line in lines}
    axes.margins(x=0.12, y=0.08)
    axes.autoscale_view()
    labels = Labels(axes, drawn)
    for line in sorted(lines, key=lambda line: ("judged", "baseline", "bound", "model").index(line.role)):
        if line.name == "best single":  # it lies on the line of mixtures, and is the model that it names
            continue
        anchors = drawn[line.name][110:10:-9] if len(line.point_quality) > 1 else drawn[line.name][1:2]
        size = 7.5 if line.role == "model" else 8.5
        labels.put(Wish(line.name, line.name, anchors, colours[line.name], bold=line.role == "judged", size=size))
    labels.put(Wish(MIXED, MIXED, drawn[MIXED][20:180:10], "#9ca3af", size=7.5))
    axes.text(
        0, 1.025, f"worth their price: {_few(fleet.front)}", transform=axes.transAxes, fontsize=8.5, color="#6b7280"
    )  # fmt: skip


def _logarithmic(axes: Any) -> None:
    """Dollars by their factor, where nothing is free of charge."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _at: f"${value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _at: f"${value:g}" if f"{value:.0e}"[0] in "25" else "")
    axes.tick_params(axis="x", which="minor", labelsize=7.5)


def _points(axes: Any, line: FleetLine, colour: str) -> list[tuple[float, float]]:
    """Draws one chooser on the plane, and answers where it is."""
    cost, quality = line.point_cost_usd_per_1k, line.point_quality
    judged = line.role == "judged"
    if len(cost) == 1:
        low, high = line.quality.low, line.quality.high
        mark = {"model": "o", "bound": "*", "baseline": "x", "judged": "D"}[line.role]
        axes.plot([cost[0]] * 2, [low, high], color=colour, linewidth=0.9, alpha=0.7, zorder=3)
        axes.plot(cost, quality, mark, color=colour, markersize=8 if mark in "*D" else 5.5, zorder=4)
        return [(cost[0], low), (cost[0], quality[0]), (cost[0], high)]
    if line.name == "best single":
        return []
    order = np.argsort(cost, kind="stable")
    x, y, low_band, high_band = (np.array(v)[order] for v in (cost, quality, line.point_low, line.point_high))
    axes.plot(x, y, color=colour, linewidth=2.2 if judged else 1.4, zorder=5 if judged else 4)
    if judged or line.name == "label mean":
        axes.fill_between(x, low_band, high_band, color=colour, alpha=0.16 if judged else 0.08, linewidth=0, zorder=1)
    at = (np.geomspace if x[0] > 0 else np.linspace)(
        x[0], x[-1], 120
    )  # close enough together that a name sees the line between two settings
    return list(zip(at.tolist(), np.interp(at, x, y).tolist(), strict=True))


def _bars(axes: Any, fleet: Fleet) -> None:
    """Quality with its interval, one row per chooser: for tables without costs."""
    lines = sorted(fleet.lines, key=lambda line: line.quality.value)
    colours = _colours(lines)
    axes.set_title("quality alone")
    axes.set_xlabel("mean quality (no costs are known, or all are the same)")
    single = next(line for line in lines if line.name == fleet.best_single)
    axes.axvline(single.quality.value, color="#9ca3af", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    for row, line in enumerate(lines):
        colour = colours[line.name]
        axes.plot([line.quality.low, line.quality.high], [row, row], color=colour, linewidth=2, alpha=0.6, zorder=2)
        axes.plot(
            [line.quality.value], [row], "D" if line.role == "judged" else "o", color=colour, markersize=6, zorder=3
        )
        axes.annotate(
            f"{line.quality.value:.3f}", (line.quality.high, row), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=8, color=colour,
        )  # fmt: skip
        axes.annotate(
            line.name, (line.quality.low, row), xytext=(-6, 0), textcoords="offset points", ha="right", va="center",
            fontsize=8.5, color=colour, fontweight="bold" if line.role == "judged" else "normal",
        )  # fmt: skip
    low, high = min(line.quality.low for line in lines), max(line.quality.high for line in lines)
    span = max(high - low, LEAST_SPAN)
    axes.set_xlim(low - 0.42 * span, high + 0.12 * span)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.text(
        0, 1.025, f"best single model: {fleet.best_single}", transform=axes.transAxes, fontsize=8.5, color="#6b7280"
    )  # fmt: skip


def _colours(lines: list[Any]) -> dict[str, str]:
    judged = [line.name for line in lines if line.role == "judged"]
    told = {name: JUDGED[turn % len(JUDGED)] for turn, name in enumerate(judged)}
    plain = {"bound": BOUND, "model": "#4b5563", "baseline": "#6b7280"}
    return {line.name: told.get(line.name) or BASELINES.get(line.name) or plain[line.role] for line in lines}


def _at(line: FleetLine) -> tuple[float, float]:
    return line.point_cost_usd_per_1k[0], line.point_quality[0]


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
