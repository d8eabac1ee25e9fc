"""A report as text for people: what was judged, beside what it must beat, and in words whether it does.

Every figure has its interval, since a difference within it is no difference; the words at the end say for each judged
chooser whether it is told from the label mean and from the best single model at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from junctor.cli.text import Paint, plural, table, wrapped
from junctor.evaluation.report import Figure, Fleet, FleetLine, Logged, Pair, PairLine, Refit, Report, Versus

TASKS_SHOWN: Final = 12
NAME_COLUMNS: Final = 18
NOTHING: Final = "–"


def lines(report: Report, paint: Paint) -> list[str]:
    """The whole report."""
    tasks = f", {plural(report.tasks, 'task')}" if report.tasks else ""
    left = report.prompts - report.judged_prompts
    told = [
        paint(report.table, "bold")
        + f": {plural(report.prompts, 'prompt')}{tasks}, {plural(len(report.models), 'model')}",
        f"{report.split}, seed {report.seed}; in brackets 95 % of {report.draws:,} draws, learners as fitted"
        + (f"; {left:,} prompts are not judged" if left else ""),
    ]
    for note in report.notes:
        told += [paint(line, "dim") for line in wrapped(f"note: {note}")]
    for pair in report.pairs:
        told += ["", *_pair(pair, paint)]
    if report.fleet is not None:
        told += ["", *_fleet(report.fleet, len(report.models), paint)]
    if report.logged is not None:
        told += ["", *_logged(report.logged, paint)]
    if report.refit is not None:
        told += ["", *_refit(report.refit, paint)]
    said = [line for verdict in verdicts(report) for line in wrapped(verdict)]
    return told + (["", *said] if said else [])


def _refit(refit: Refit, paint: Paint) -> list[str]:
    rows = [["chooser", "where", "APGR or quality", "over label mean"]]
    for line in refit.lines:
        rows.append([_name(line.name), _name(line.where), _both(line.figure), _signed(line.over_label_mean)])
    return [
        paint(f"training drawn anew too: 95 % of {refit.count:,} refits", "bold"),
        *_table(rows, "<<<<", [""] * len(refit.lines), paint),
    ]


def verdicts(report: Report) -> list[str]:
    """What the figures say in words, a sentence each."""
    said = []
    for pair in report.pairs:
        where = f"{pair.weak} {_word(pair)} {pair.strong}: " if report.pairs[1:] else ""
        for chooser in pair.lines:
            for versus in chooser.versus:
                if versus.against == "label mean":
                    said.append(_verdict(f"{where}{chooser.name}", versus, "APGR"))
    if report.fleet is not None:
        single = report.fleet.best_single
        judged = [line for line in report.fleet.lines if line.role == "judged"]
        for line in judged or [line for line in report.fleet.lines if line.name == "label mean"]:
            for versus in line.versus:
                if versus.against in ("label mean", "best single", single):
                    what = f"best single in hindsight ({single})" if versus.against == single else None
                    said.append(_verdict(line.name, versus, "quality", what))
    return said


def _verdict(name: str, versus: Versus, figure: str, against: str | None = None) -> str:
    low, high = versus.difference.low, versus.difference.high
    how = "beats" if low > 0 else "is worse than" if high < 0 else "is not told from"
    return f"{name} {how} the {against or versus.against}: {figure} {_signed(versus.difference)}"


def _pair(pair: Pair, paint: Paint) -> list[str]:
    ends = (
        f"{_both(pair.weak_quality)} and {_both(pair.strong_quality)}; the better of both {_both(pair.oracle_quality)}"
    )
    rows = [["chooser", "APGR", "", "CPT 50 %", "CPT 80 %", "over label mean"]]
    rows += [_pair_row(line) for line in pair.lines]
    return [
        paint(f"{pair.weak} {_word(pair)} {pair.strong}", "bold"),
        *wrapped(ends, indent=2),
        *_table(rows, "<><>><", [line.role for line in pair.lines], paint),
    ]


def _word(pair: Pair) -> str:
    return "then" if pair.cascade else "or"


def _pair_row(line: PairLine) -> list[str]:
    over = next((v for v in line.versus if v.against == "label mean"), None)
    return [
        _name(line.name),
        _number(line.apgr.value),
        _bounds(line.apgr),
        _percent(line.cpt50.value),
        _percent(line.cpt80.value),
        "" if over is None else _signed(over.difference),
    ]


def _fleet(fleet: Fleet, models: int, paint: Paint) -> list[str]:
    shown = [line for line in fleet.lines if line.role != "model"]
    priced = any(line.cost_usd_per_1k is not None for line in fleet.lines)
    rows = [["chooser", "quality", "", "over best single", "p", "$/1,000" if priced else ""]]
    singles = sorted((line for line in fleet.lines if line.role == "model"), key=lambda line: -line.quality.value)
    rows += [_fleet_row(line, fleet) for line in (*shown, *singles)]
    told = [
        paint(f"among {plural(models, 'model')}, by quality alone", "bold"),
        *_table(rows, "<><<>>", [line.role for line in (*shown, *singles)], paint),
    ]
    told += _priced(fleet, shown, paint)
    return told + _tasks(fleet, shown, paint) + _calibration(shown, paint)


def _fleet_row(line: FleetLine, fleet: Fleet) -> list[str]:
    over = next((v for v in line.versus if v.against == fleet.best_single), None)
    return [
        _name(line.name),
        _number(line.quality.value),
        _bounds(line.quality),
        "" if over is None else _signed(over.difference),
        "" if over is None else _p(over.p_swapped),
        "" if line.cost_usd_per_1k is None else _usd(line.cost_usd_per_1k.value),
    ]


def _priced(fleet: Fleet, shown: Sequence[FleetLine], paint: Paint) -> list[str]:
    """What choosers make of money, over all settings of the objective."""
    known = [line for line in shown if line.aiq is not None]
    if not known:
        return []
    rows = [["chooser", "AIQ", "", "PerfGain", "CostSave", "to front", "arena"]]
    for line in known:
        gains = [
            _share(line.perf_gain),
            _share(line.cost_save),
            _number(line.pareto_distance),
            _number(_value(line.arena)),
        ]
        rows.append([_name(line.name), _number(_value(line.aiq)), _bounds(line.aiq), *gains])
    front = f"worth their price on average: {', '.join(fleet.front)}"
    return [
        "",
        paint(f"for money, objective {fleet.objective}", "bold"),
        *_table(rows, "<><>>>>", [line.role for line in known], paint),
        *wrapped(front, indent=2),
    ]


def _tasks(fleet: Fleet, shown: Sequence[FleetLine], paint: Paint) -> list[str]:
    if len(fleet.task_prompts) < 2:
        return []
    single = next(line for line in fleet.lines if line.name == fleet.best_single)
    columns = [single, *(line for line in shown if line.role == "judged" or line.name in ("label mean", "oracle"))]
    ordered = sorted(fleet.task_prompts, key=lambda task: -fleet.task_prompts[task])
    rows = [["task", "prompts", *(_name(line.name, 14) for line in columns)]]
    for task in ordered[:TASKS_SHOWN]:
        figures = [_number(line.tasks.get(task, math.nan)) for line in columns]
        rows.append([_name(task or "(none)"), f"{fleet.task_prompts[task]:,}", *figures])
    more = len(ordered) - TASKS_SHOWN
    told = ["", paint("quality by task", "bold"), *_table(rows, "<" + ">" * (len(columns) + 1), None, paint)]
    return told + ([paint(f"  and {plural(more, 'smaller task')}: --json has them", "dim")] if more > 0 else [])


def _logged(logged: Logged, paint: Paint) -> list[str]:
    rows = [["chooser", "doubly robust", "SNIPS", "IPS", "prompts' worth"]]
    for line in logged.lines:
        estimates = ["" if found is None else _both(found) for found in (line.doubly_robust, line.snips, line.ips)]
        rows.append([_name(line.name, 16), *estimates, f"{line.effective_prompts:,.0f}"])
    told = [
        paint(f"on the log {logged.log}: {plural(logged.prompts, 'prompt')}", "bold")
        + f", quality {_both(logged.quality)}",
        *_table(rows, "<<<<>", None, paint),
    ]
    return told + [
        line for found in logged.lines for doubt in found.doubts for line in _doubt(found.name, doubt, paint)
    ]


def _doubt(name: str, doubt: str, paint: Paint) -> list[str]:
    return [paint(line, "yellow") for line in wrapped(f"{name}: {doubt}", indent=2)]


def _calibration(shown: Sequence[FleetLine], paint: Paint) -> list[str]:
    rows = [["chooser", "ECE", "Brier"]]
    known = [(line, line.calibrated) for line in shown if line.calibrated is not None]
    if not known:
        return []
    rows += [[_name(line.name), _number(found.ece), _number(found.brier)] for line, found in known]
    return [
        "",
        paint("calibration of the scores", "bold"),
        *_table(rows, "<>>", [line.role for line, _ in known], paint),
    ]


def _table(rows: Sequence[Sequence[str]], sides: str, roles: Sequence[str] | None, paint: Paint) -> list[str]:
    """Aligned lines: the head dim, what is judged bright, what nobody can reach dim."""
    head, *rest = table(rows, sides)
    styles = {"judged": ("bold", "cyan"), "bound": ("dim",)}
    told = [paint(line, *styles.get(role, ())) for line, role in zip(rest, roles or [""] * len(rest), strict=True)]
    return [paint(head, "dim"), *told]


def _name(text: str, columns: int = NAME_COLUMNS) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def _number(value: float) -> str:
    return NOTHING if math.isnan(value) else _short(f"{value:.3f}")


def _short(text: str) -> str:
    """Figures between 0 and 1 without their zero: half the width of a column is worth it."""
    return re.sub(r"(?<![\d.])0\.", ".", text)


def _percent(value: float) -> str:
    return "never" if math.isnan(value) else f"{value:.1%}"


def _share(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:+.1%}"


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value >= 1 else f"{value:.3g}"


def _p(value: float) -> str:
    return NOTHING if math.isnan(value) else "<.001" if value < 0.001 else _short(f"{value:.3f}")


def _value(figure: Figure | None) -> float:
    return math.nan if figure is None else figure.value


def _bounds(figure: Figure | None) -> str:
    return "" if figure is None or math.isnan(figure.low) else _short(f"[{figure.low:.3f} {figure.high:.3f}]")


def _both(figure: Figure) -> str:
    return f"{_number(figure.value)} {_bounds(figure)}"


def _signed(figure: Figure) -> str:
    return _short(f"{figure.value:+.3f} [{figure.low:+.3f} {figure.high:+.3f}]")
