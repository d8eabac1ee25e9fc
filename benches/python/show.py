"""A report as text for a terminal, or as Markdown for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benches.python.harness import Report, Row, Suite


def text(suite: Suite) -> str:
    """One suite as an aligned table."""
    head, *body = _cells(suite.rows)
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    lines = ["", suite.what, f"  {suite.method}", ""]
    lines += ["  " + _aligned(line, widths) for line in (head, *body)]
    lines += [f"  {row.name}: {row.note}" for row in suite.rows if row.note]
    lines += [f"  {_mark(v.met)} {v.what}: {v.measured} (budget {v.budget})" for v in suite.verdicts]
    lines += [f"  not measured: {why}" for why in suite.missing]
    return "\n".join(lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(line, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()


def _mark(met: bool) -> str:
    return "within" if met else "MISSED"


def _cells(found: Sequence[Row]) -> list[list[str]]:
    floors = list(dict.fromkeys(floor for row in found for floor in row.ratios))
    head = ["", "median (least … greatest)", *(f"× {floor}" for floor in floors)]
    return [head, *([row.name, f"{row.figure.told()} {row.unit}", *_ratios(row, floors)] for row in found)]


def _ratios(row: Row, floors: Sequence[str]) -> Iterator[str]:
    for floor in floors:
        yield row.ratios[floor].told() if floor in row.ratios else ""


def markdown(report: Report) -> str:
    """The whole report: budgets first, then every table with its command."""
    place = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    lines = [f"Measured {report.started} at commit `{report.commit}`: {place}.", ""]
    verdicts = [verdict for suite in report.suites for verdict in suite.verdicts]
    if verdicts:
        lines += ["### Budgets", "", "| what | budget | measured | |", "|---|---|---|---|"]
        lines += [f"| {v.what} | {v.budget} | {v.measured} | {'✓' if v.met else '**missed**'} |" for v in verdicts]
    for suite in report.suites:
        lines += ["", *_section(suite)]
    return "\n".join(lines) + "\n"


def _section(suite: Suite) -> list[str]:
    head, *body = _cells(suite.rows)
    lines = [f"### {suite.what}", "", f"{suite.method}", "", "```sh", suite.command, "```", ""]
    lines += [_line(["case", *head[1:]]), _line(["---"] + ["---:"] * (len(head) - 1)), *map(_line, body)]
    notes = [f"- {row.name}: {row.note}" for row in suite.rows if row.note]
    notes += [f"- Not measured: {why}" for why in suite.missing]
    return [*lines, *([""] if notes else []), *notes]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
