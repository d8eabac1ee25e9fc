"""`junctor label`: a sheet of kept answers for people to label, and the table that their labels make.

Models as judges are for programs (`junctor.labelling.Judge`), which know whom to ask and what it may cost.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import msgspec

from junctor.cli.ending import OK, USAGE, CommandError, reader_may_leave
from junctor.cli.options import seed
from junctor.cli.text import plural

LOW_ALPHA = 0.67
"""Below it Krippendorff draws no conclusions."""


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor label`."""
    command.add_argument("action", choices=("sheet", "table"), help="write a sheet, or the table of labelled sheets")
    command.add_argument("records", metavar="RECORDS", help="kept answers, as junctor.labelling.Sample writes them")
    command.add_argument("sheets", metavar="SHEET", nargs="*", help="labelled sheets, one for each labeller")
    command.add_argument("-o", "--output", metavar="FILE", required=True, help="the CSV to write")
    command.add_argument("--force", action="store_true", help="write over a file that is there")
    command.add_argument("--top", type=float, default=1.0, metavar="SCORE", help="the best label (default 1)")
    command.add_argument("--seed", type=seed, default=0, help="of the sheet's order (default 0)")


def run(arguments: argparse.Namespace) -> int:
    """Write, and tell what was written."""
    from junctor.labelling.records import LabelError

    if (arguments.action == "sheet") == bool(arguments.sheets):
        hint = "a sheet is made of records alone" if arguments.sheets else "name the labelled sheets after the records"
        raise CommandError(f"{len(arguments.sheets)} sheets are given; {hint}", status=USAGE)
    if not 0.0 < arguments.top < math.inf:
        raise CommandError(f"--top is {arguments.top:g}; allowed is a number above 0", status=USAGE)
    if Path(arguments.output).exists() and not arguments.force:
        raise CommandError(f"{arguments.output} is there already; choose another -o, or add --force", status=USAGE)
    try:
        told = _sheet(arguments) if arguments.action == "sheet" else _table(arguments)
    except LabelError as error:
        raise CommandError(str(error), status=USAGE) from None
    except OSError as error:
        raise CommandError(f"{arguments.output} cannot be written ({error.strerror}); choose another -o") from None
    with reader_may_leave():
        print(msgspec.json.encode(told).decode() if arguments.json else told["said"])
    return OK


def _sheet(arguments: argparse.Namespace) -> dict[str, object]:
    from junctor.labelling import read_records, write_sheet

    rows = write_sheet(arguments.output, read_records(arguments.records), seed=arguments.seed)
    said = f"{arguments.output}: {plural(rows, 'answer')} to label, in the column quality"
    return {"output": arguments.output, "answers": rows, "said": said}


def _table(arguments: argparse.Namespace) -> dict[str, object]:
    from junctor.labelling import read_records, read_sheets, write_table

    records = read_records(arguments.records)
    quality, agreed = read_sheets(arguments.sheets, records, top=arguments.top)
    rows = write_table(arguments.output, records, quality)
    said = f"{arguments.output}: {rows:,} of {plural(len(records), 'answer')} with a label"
    if agreed.answers:
        alpha = "no variety" if math.isnan(agreed.alpha) else f"alpha {agreed.alpha:.2f}"
        low = ", too low to conclude from" if agreed.alpha < LOW_ALPHA else ""
        said += f"; {agreed.answers:,} labelled by several, {agreed.alike:.0%} alike, {alpha}{low}"
    return {"output": arguments.output, "answers": rows, "agreement": msgspec.structs.asdict(agreed), "said": said}
