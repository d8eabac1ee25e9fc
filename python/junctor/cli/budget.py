"""`junctor budget FILE MIX`: what a month of traffic will cost at a fleet, and beside what a log says was spent.

The exit status is 1 if the plan exceeds its budget, a limit is too small for its busiest minute, or nobody may serve a
kind of request: each a reason not to go live so.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError, reader_may_leave
from junctor.cli.explain import as_asked
from junctor.cli.files import decider, readable
from junctor.cli.text import Paint, dollars, paint_for, plural, table, wrapped
from junctor.exceptions import InvalidRequest
from junctor.planning import Mix, MixError, Plan, Spent, plan, read, spent
from junctor.planning.spent import DAY_S


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor budget`."""
    command.add_argument("file", metavar="FILE", help="a fleet file")
    command.add_argument("mix", metavar="MIX", help="YAML that says which requests come how often")
    command.add_argument("--log", metavar="FILE", action="append", default=[],
                         help="what `observers=[Log()]` wrote, also .gz: told beside the plan; repeatable")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Plan and print; 1 if the plan cannot be kept."""
    router, fleet = decider(arguments.file, seed=0)
    try:
        mix = read(readable(arguments.mix))
        found = plan(router, fleet, mix, [_asked(arguments.mix, line.name, line.request) for line in mix.traffic])
    except MixError as error:
        raise CommandError(str(error), status=USAGE) from None
    seen = spent(_lines(arguments.log)) if arguments.log else None
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(_told(found, seen)).decode())
        else:
            print("\n".join(_shown(found, mix, seen, paint_for(sys.stdout))))
    return PROBLEMS if found.over or found.short or found.unserved else OK


def _asked(file: str, name: str, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    try:
        return as_asked(request)
    except (InvalidRequest, ValueError, TypeError, OverflowError) as error:
        raise MixError(f"{file}: the request of {name!r}: {error}") from None


def _lines(files: list[str]) -> Iterator[bytes]:
    for name in files:
        path = readable(name)
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as log:
                yield from log
        except (OSError, EOFError) as error:
            raise CommandError(f"{name} cannot be read to its end ({error}); give a whole log", status=USAGE) from None


def _told(found: Plan, seen: Spent | None) -> dict[str, Any]:
    """As `--json` prints it; money in micro-dollars."""
    told: dict[str, Any] = msgspec.to_builtins(found)
    for line, planned in zip(told["lines"], found.lines, strict=True):
        line["cost"] = planned.cost
    told |= {"plain": found.plain, "total": found.total, "over": found.over, "short": len(found.short)}
    if seen is not None:
        told["spent"] = msgspec.to_builtins(seen) | {"projected": seen.over(found.days)}
    return told


def _shown(found: Plan, mix: Mix, seen: Spent | None, paint: Paint) -> list[str]:
    calls = sum(line.calls for line in found.lines)
    lines = [paint(f"{found.days:g} days, {calls:,.0f} calls", "bold"), "", *_traffic(found, paint), ""]
    parts = " × ".join(f"{value:g} {name}" for name, value in msgspec.structs.asdict(mix.margins).items())
    lines += wrapped(f"with margin: × {found.margin:.2f} = {parts}")
    lines += _problems(found, paint)
    if needs := [need for need in found.needs if need.share > 0.5]:
        lines += ["", paint(f"limits that are more than half full (busiest minute: {mix.peak:g} × the mean)", "dim")]
        rows = [
            (need.pool, need.dimension, *_amounts(need.dimension, need.needed, need.limit), f"{need.share:.0%}")
            for need in needs
        ]
        lines += table([("limits of", "limit", "needed", "allowed", ""), *rows], "<<>>>")
    return lines + ([] if seen is None else ["", *_spent(found, seen, paint)])


def _traffic(found: Plan, paint: Paint) -> list[str]:
    rows = [tuple(paint(word, "dim") for word in ("traffic", "group", "calls", "sum", "with margin", "least", "most"))]
    for line in found.lines:
        money = (line.cost, line.cost * found.margin, line.least, line.most)
        rows.append((line.name, line.group or "-", f"{line.calls:,.0f}", *(dollars(round(each)) for each in money)))
    total = (dollars(found.plain), paint(dollars(found.total), "bold"))
    return table([*rows, ("total", "", f"{sum(line.calls for line in found.lines):,.0f}", *total, "", "")], "<<>>>>>")


def _problems(found: Plan, paint: Paint) -> list[str]:
    said = []
    if found.budget is not None:
        part = found.total / found.budget
        word = f"{part:.0%} of the budget of {dollars(found.budget)}"
        said.append(paint(word, "red") if found.over else paint(word, "green"))
    for line in found.unserved:
        reasons = ", ".join(f"{name}: {reason}" for name, reason in line.refused.items())
        said += wrapped(f"nobody may serve {line.name!r}: {reasons or 'no candidate'}; see junctor explain")
    for line in found.lines:
        if line.unpriced:
            said += wrapped(f"no price is known of {', '.join(line.unpriced)}: counted as nothing; set price:")
    for need in found.short:
        said.append(paint(f"{need.dimension} of {need.pool} is too small: {need.share:.0%} is needed", "red"))
    return ["", *said] if said else []


def _amounts(dimension: str, needed: float, limit: int) -> tuple[str, str]:
    if dimension == "usd_per_day":
        return dollars(round(needed)), dollars(limit)
    return f"{needed:,.0f}", f"{limit:,}"


def _spent(found: Plan, seen: Spent, paint: Paint) -> list[str]:
    span = seen.span_s / DAY_S
    lines = [paint(f"spent: {dollars(seen.cost)} by {plural(seen.calls, 'call')} in {span:.1f} days", "bold")]
    projected = seen.over(found.days)
    if projected is None:
        lines.append("the log is shorter than an hour: nothing is said of a month")
    elif found.total:
        part = projected / found.total
        lines += wrapped(f"{dollars(projected)} in {found.days:g} days at that rate, {part:.0%} of the plan")
        planned, scale = found.by_group(), found.days / span
        rows = [tuple(paint(word, "dim") for word in ("group", "planned", "at that rate"))]
        for group in sorted({*planned, *seen.by_group}):
            at_rate = round(seen.by_group.get(group, 0) * scale)
            rows.append((group, dollars(planned.get(group, 0)), dollars(at_rate)))
        lines += table(rows, "<>>")
    if seen.attempts is not None:
        lines += wrapped(f"attempts cost {seen.attempts:.3f} × what answered: that is your margins.attempts")
    if seen.foreign:
        lines.append(f"{plural(seen.foreign, 'line')} of the log told of no call")
    return lines
