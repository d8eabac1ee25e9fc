"""`junctor label`: kept answers become a table: by a sheet that people label, or by a model that compares them."""

from __future__ import annotations

import argparse
import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError, reader_may_leave
from junctor.cli.options import seed
from junctor.cli.text import dollars, plural, progress

if TYPE_CHECKING:
    from junctor.cli.judging import Hearing
    from junctor.labelling import Agreement, Judged, Record

LOW_ALPHA: Final = 0.67
"""Below it Krippendorff draws no conclusions."""

MAX_PARALLEL: Final = 256
"""Questions at once. The fleet file's limits hold beneath."""

Told = dict[str, Any]


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor label`."""
    command.add_argument("action", choices=("sheet", "table", "judge"),
                         help="write a sheet, the table of labelled sheets, or the table of a judge")  # fmt: skip
    command.add_argument("records", metavar="RECORDS", help="kept answers, as junctor.labelling.Sample writes them")
    command.add_argument("sheets", metavar="SHEET", nargs="*", help="labelled sheets, one for each labeller")
    command.add_argument("-o", "--output", metavar="FILE", required=True, help="the CSV to write")
    command.add_argument("--force", action="store_true", help="write over a file that is there")
    command.add_argument("--top", type=float, default=1.0, metavar="SCORE", help="the best label (default 1)")
    command.add_argument("--seed", type=seed, default=0, help="of the sheet's order (default 0)")
    command.add_argument("--drafts", metavar="FILE", help="write one model's answers with log-probabilities too")
    command.add_argument("--draft-model", metavar="NAME", help="whose, if several models told theirs")
    judge = command.add_argument_group("judge")
    judge.add_argument("--fleet", metavar="FILE", help="the fleet file that has the judge")
    judge.add_argument("--ask", metavar="GROUP", help="the group, model or deployment that judges")
    judge.add_argument(
        "--verdicts", metavar="FILE", help="keeps what was said, for the next run (default: by the output)"
    )
    judge.add_argument("--parallel", type=int, default=4, metavar="N", help="questions at once (default 4)")
    judge.add_argument("--deadline", type=float, default=60.0, metavar="S", help="seconds a question (default 60)")
    judge.add_argument("--max-tokens", type=int, default=1_024, metavar="N", help="of a verdict (default 1,024)")


def run(arguments: argparse.Namespace) -> int:
    """Write, and tell what was written; 1 if questions to a judge failed."""
    from junctor.labelling.records import LabelError

    _check(arguments)
    actions = {"sheet": _sheet, "table": _table, "judge": _judge}
    try:
        told = actions[arguments.action](arguments)
    except LabelError as error:
        raise CommandError(str(error), status=USAGE) from None
    except OSError as error:
        written = error.filename or arguments.output
        raise CommandError(f"{written} cannot be written ({error.strerror}); choose another file") from None
    said = told.pop("said")
    with reader_may_leave():
        print(msgspec.json.encode(told | {"said": said[0]}).decode() if arguments.json else "\n".join(said))
    return PROBLEMS if told.get("failed") else OK


def _check(arguments: argparse.Namespace) -> None:
    sheet, judge = arguments.action == "sheet", arguments.action == "judge"
    if not judge and sheet == bool(arguments.sheets):
        hint = "a sheet is made of records alone" if arguments.sheets else "name the labelled sheets after the records"
        raise CommandError(f"{len(arguments.sheets)} sheets are given; {hint}", status=USAGE)
    if judge != bool(arguments.fleet and arguments.ask):
        hint = "say who judges" if judge else "they belong to `junctor label judge`"
        raise CommandError(f"--fleet FILE and --ask GROUP: {hint}", status=USAGE)
    if sheet and arguments.drafts:
        raise CommandError("--drafts needs labels; give it to table or judge", status=USAGE)
    if not 0.0 < arguments.top < math.inf:
        raise CommandError(f"--top is {arguments.top:g}; allowed is a number above 0", status=USAGE)
    if not 1 <= arguments.parallel <= MAX_PARALLEL:
        raise CommandError(f"--parallel is {arguments.parallel}; allowed is 1 to {MAX_PARALLEL}", status=USAGE)
    if not 0.0 < arguments.deadline < math.inf:
        raise CommandError(f"--deadline is {arguments.deadline:g}; allowed is a number above 0", status=USAGE)
    if arguments.max_tokens < 1:
        raise CommandError(f"--max-tokens is {arguments.max_tokens}; allowed is 1 or more", status=USAGE)
    for option, name in (("-o", arguments.output), ("--drafts", arguments.drafts)):
        if name and Path(name).exists() and not arguments.force:
            raise CommandError(f"{name} is there already; choose another {option}, or add --force", status=USAGE)


def _sheet(arguments: argparse.Namespace) -> Told:
    from junctor.labelling import read_records, write_sheet

    rows = write_sheet(arguments.output, read_records(arguments.records), seed=arguments.seed)
    said = f"{arguments.output}: {plural(rows, 'answer')} to label, in the column quality"
    return {"output": arguments.output, "answers": rows, "said": [said]}


def _table(arguments: argparse.Namespace) -> Told:
    from junctor.labelling import read_records, read_sheets

    records = read_records(arguments.records)
    quality, agreed = read_sheets(arguments.sheets, records, top=arguments.top)
    told = _written(arguments, records, quality)
    if agreed.answers:
        told["said"][0] += f"; {agreed.answers:,} labelled by several, {_agreed(agreed)}"
    return told | {"agreement": msgspec.structs.asdict(agreed)}


def _judge(arguments: argparse.Namespace) -> Told:
    from junctor.cli.judging import Bounds, Hearing
    from junctor.labelling import judged, pairs_of, read_records, read_sheets
    from junctor.labelling.records import LabelError
    from junctor.labelling.verdicts import Verdicts

    records = read_records(arguments.records)
    people = read_sheets(arguments.sheets, records, top=arguments.top)[0] if arguments.sheets else {}
    pairs = pairs_of(records)
    if not pairs:
        raise LabelError(f"{arguments.records}: no prompt has answers of two models; keep some of another model too")
    bounds = Bounds(parallel=arguments.parallel, deadline_s=arguments.deadline, max_tokens=arguments.max_tokens)
    tell = progress()
    with Verdicts(arguments.verdicts or Path(arguments.output).with_suffix(".verdicts.jsonl")) as verdicts:
        hearing = Hearing(arguments.ask, bounds, verdicts, tell)
        try:
            asyncio.run(hearing.hear(arguments.fleet, pairs))
        finally:
            tell("")
    found = judged(pairs, hearing.said)
    told = _written(arguments, records, found.quality)
    told["said"] += _heard(hearing, found, len(pairs))
    if people:
        agreed = found.agrees(people)
        told["agreement"] = msgspec.structs.asdict(agreed)
        told["said"].append(f"  with people: {plural(agreed.answers, 'pair')}, {_agreed(agreed)}")
    return told | {
        "verdicts": str(verdicts.path),
        "asked": hearing.asked,
        "known": hearing.known,
        "failed": dict(hearing.failures),
        "models": dict(hearing.models),
        "cost_usd": hearing.spent_usd,
        "pairs": len(pairs),
        "compared": found.compared,
        "swayed": found.swayed,
        "unclear": found.unclear,
        "first": found.first,
    }


def _written(arguments: argparse.Namespace, records: list[Record], quality: dict[str, float]) -> Told:
    from junctor.labelling import write_drafts, write_table

    rows = write_table(arguments.output, records, quality)
    said = [f"{arguments.output}: {rows:,} of {plural(len(records), 'answer')} with a label"]
    told: Told = {"output": arguments.output, "answers": rows, "said": said}
    if arguments.drafts:
        model, drafts = write_drafts(arguments.drafts, records, quality, model=arguments.draft_model)
        said.append(f"{arguments.drafts}: {plural(drafts, 'draft')} of {model} with log-probabilities")
        told |= {"drafts": arguments.drafts, "draft_model": model, "draft_rows": drafts}
    return told


def _heard(hearing: Hearing, found: Judged, pairs: int) -> list[str]:
    """What the judge did, and how far to trust it."""
    by = ", ".join(model or hearing.judge for model in hearing.models) or hearing.judge
    spent, all_of_it = (dollars(round(usd * 1e6)) for usd in (hearing.spent_usd, hearing.verdicts.spent_usd))
    lines = [
        f"  {by} was asked {plural(hearing.asked, 'question')} for {spent}, {all_of_it} with earlier runs",
        f"  {found.compared:,} of {plural(pairs, 'pair')} compared: {found.swayed:,} swayed by the place, which count "
        f"as ties; {found.unclear:,} without a verdict, which count as nothing",
    ]
    if not math.isnan(found.first):
        lines.append(f"  the first place got {found.first:.0%} of the verdicts that name one; 50% is fair")
    if hearing.failures:
        why = ", ".join(f"{kind} {count}" for kind, count in hearing.failures.most_common())
        total = sum(hearing.failures.values())
        lines.append(f"  {plural(total, 'question')} failed ({why}); run again with --force to ask only them")
    return lines


def _agreed(agreed: Agreement) -> str:
    alpha = "no variety" if math.isnan(agreed.alpha) else f"alpha {agreed.alpha:.2f}"
    low = ", too low to conclude from" if agreed.alpha < LOW_ALPHA else ""
    return f"{agreed.alike:.0%} alike, {alpha}{low}" if agreed.answers else "none in common"
