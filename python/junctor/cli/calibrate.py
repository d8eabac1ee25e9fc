"""`junctor calibrate TABLE`: the thresholds of a cascade for a target, with a bound, and how they do on unseen prompts.

A table has one row per prompt that the small model answered: its token log-probabilities (or another signal's column)
and how good the answer was; for anything but shares the strong model's quality as well, in the same table or in a
second one. What is printed can be written into the fleet file; `--out` makes a file that the fleet file names, which
remembers whose thresholds they are, so that `junctor check` warns when a model is replaced.

The exit status is 1 if the target cannot be promised, 2 for a table that cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError, reader_may_leave
from junctor.cli.options import seed
from junctor.cli.text import paint_for, table, wrapped

if TYPE_CHECKING:
    from junctor.calibration.plans import Plan
    from junctor.cascade.calibration import Promise
    from junctor.config import Config

SIGNALS: Final = (
    "mean_logprob", "min_logprob", "entropy", "margin", "self_consistency", "probe", "verbal", "check",
)  # fmt: skip
WORDS: Final = {
    "escalation": "escalated",
    "rejection": "rejected",
    "quality": "quality",
    "kept": "kept of the strong model's quality",
    "cost": "dollars a call",
}


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor calibrate`."""
    command.add_argument("table", metavar="TABLE", help="CSV, TSV or JSON lines (also .gz), a row per prompt")
    command.add_argument("--signal", choices=SIGNALS, default="min_logprob", help="default min_logprob")
    command.add_argument("--small", metavar="COLUMN", required=True, help="quality of the small model's answer, 0 to 1")
    command.add_argument("--strong", metavar="COLUMN", help="quality of the strong model's answer, 0 to 1")
    command.add_argument("--join", metavar="TABLE2", type=Path, help="a second table with further columns")
    command.add_argument("--on", metavar="COLUMN", default="id", help="what names a prompt in both (default id)")
    command.add_argument("--where", metavar="COLUMN=VALUE", action="append", default=[], help="only such rows")
    target = command.add_mutually_exclusive_group(required=True)
    target.add_argument("--escalate", metavar="SHARE", type=_share, help="escalate this share of prompts, 0.3 or 30%%")
    target.add_argument("--at-most", metavar="SHARE", type=_share, help="escalate at most this share")
    target.add_argument("--keep", metavar="SHARE", type=_share, help="keep this part of the strong model's quality")
    target.add_argument("--quality", metavar="Q", type=_share, help="deliver at least this mean quality, 0 to 1")
    target.add_argument(
        "--usd", metavar="USD", type=_usd, help="spend at most this per call, with the two prices below"
    )
    command.add_argument("--small-usd", metavar="USD", type=_usd, default=0.0, help="what a small call costs")
    command.add_argument("--strong-usd", metavar="USD", type=_usd, default=0.0, help="what a strong call costs")
    command.add_argument(
        "--reject", metavar="SHARE", type=_share, help="T2: the share that goes to the last step at once"
    )
    command.add_argument("--confidence", metavar="P", type=_share, default=0.95, help="of the bounds (default 0.95)")
    command.add_argument("--fleet", metavar="FILE", help="the fleet file whose models the thresholds are for")
    command.add_argument("--cascade", metavar="NAME", help="which cascade of it, if it has several")
    command.add_argument("--out", metavar="FILE", type=Path, help="write the calibration here")
    command.add_argument("--probe", metavar="FILE", type=Path, help="with --signal probe: write the probe here")
    command.add_argument("--seed", type=seed, default=0, help="seed of splits and draws (default 0)")


def run(arguments: argparse.Namespace) -> int:
    """Calibrate and print; 1 if the target cannot be promised."""
    try:
        from junctor import calibration as _calibration  # noqa: F401 - it says what is missing
    except ModuleNotFoundError as error:
        raise CommandError(str(error), status=USAGE) from None
    told = calibrate(arguments)
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(told).decode())
        else:
            _print(told)
    return OK


def calibrate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that `--json` prints. Writes the files that were asked for."""
    from junctor.calibration.measured import Wanted, read
    from junctor.calibration.plans import calibrated
    from junctor.calibration.unseen import orders, unseen
    from junctor.cascade.calibration import Calibration
    from junctor.evaluation.rows import TableError

    if (arguments.probe is not None) != (arguments.signal == "probe"):
        raise CommandError("--signal probe and --probe FILE belong together; give both or neither", status=USAGE)
    plan, models = _plan(arguments), _models(arguments)
    if models:
        plan = msgspec.structs.replace(plan, model=", ".join(models[0]))
    wanted = Wanted(
        small=arguments.small, strong=arguments.strong, join=arguments.join, on=arguments.on,
        where=[_condition(text) for text in arguments.where],
    )  # fmt: skip
    try:
        data = read(Path(arguments.table), wanted)
    except TableError as error:
        raise CommandError(str(error), status=USAGE) from None
    try:
        result, seen = calibrated(data, plan), unseen(data, plan)
        order = orders(data, seed=plan.seed)
    except TableError as error:
        raise CommandError(str(error), status=PROBLEMS) from None
    found = Calibration(
        signal=plan.signal, accept=result.accept, reject=result.reject, models=models, promises=result.promises,
        note=f"made of {Path(arguments.table).name}, seed {plan.seed}",
    )  # fmt: skip
    if arguments.probe is not None and result.probe is not None:
        _write(arguments.probe, result.probe.to_json())
    if arguments.out is not None:
        _write(arguments.out, found.to_json())
    return {
        "table": arguments.table,
        "notes": list(data.notes),
        "calibration": msgspec.to_builtins(found),
        "unseen": msgspec.to_builtins(seen),
        "orders": msgspec.to_builtins(order),
        "out": None if arguments.out is None else str(arguments.out),
        "probe": None if arguments.probe is None else str(arguments.probe),
    }


def _plan(arguments: argparse.Namespace) -> Plan:
    from junctor.calibration.plans import Plan

    values = {
        "escalation": arguments.escalate,
        "at-most": arguments.at_most,
        "kept": arguments.keep,
        "quality": arguments.quality,
        "cost": arguments.usd,
    }
    target, value = next((word, value) for word, value in values.items() if value is not None)
    if target == "cost" and not arguments.strong_usd:
        raise CommandError("--usd needs --strong-usd, and --small-usd if that is not free", status=USAGE)
    return msgspec.convert(
        {
            "signal": arguments.signal, "target": target, "value": value, "confidence": arguments.confidence,
            "reject": arguments.reject, "small_usd": arguments.small_usd, "strong_usd": arguments.strong_usd,
            "seed": arguments.seed,
        },
        Plan,
    )  # fmt: skip


def _models(arguments: argparse.Namespace) -> tuple[tuple[str, ...], ...]:
    """The models of each step of the cascade that was named, so that a later change of them is seen."""
    if arguments.fleet is None:
        return ()
    from junctor.cli.files import fleet_in

    fleet: Config = fleet_in(arguments.fleet)[1]
    names = list(fleet.cascades)
    name: str | None = arguments.cascade or (names[0] if len(names) == 1 else None)
    if name is None or name not in fleet.cascades:
        known = ", ".join(names) or "no cascade"
        raise CommandError(f"--cascade is {arguments.cascade!r}; {arguments.fleet} has {known}", status=USAGE)
    return fleet.cascades[name].models


def _condition(text: str) -> tuple[str, str]:
    column, sign, value = text.partition("=")
    if not sign:
        raise CommandError(f"--where is {text!r}; write COLUMN=VALUE", status=USAGE)
    return column, value


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}); name another file") from None


def _share(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1 (or 0% and 100%)")
    return value


def _usd(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no price from 0 to 10,000 dollars")
    return value


def _print(told: dict[str, Any]) -> None:
    from junctor.cascade.calibration import Calibration

    paint = paint_for(sys.stdout)
    found = msgspec.convert(told["calibration"], Calibration)
    for promise in found.promises:
        print("\n".join(wrapped(_promised(promise))))
    for note in told["notes"]:
        print("\n".join(wrapped(f"note: {note}")))
    print(f"\n{paint('in the fleet file', 'bold')}")
    if told["out"]:
        print(f"  calibration: {Path(told['out']).name}")
    else:
        reject = "" if found.reject is None else f", reject: {found.reject!r}"
        print(f"  signal: {found.signal}, accept: {found.accept!r}{reject}")
    if told["probe"]:
        print(f"  probe: {Path(told['probe']).name}")
    seen = told["unseen"]
    print(f"\n{paint('on unseen prompts', 'bold')} ({seen['folds']} folds, {seen['prompts']:,} prompts)")
    rows = [["escalated", f"{seen['escalated']:.1%}", f"{seen['low']:.1%} to {seen['high']:.1%}"]]
    rows.append(["quality of the small model", f"{seen['small_quality']:.4f}", ""])
    if seen["quality"] is not None:
        rows.append(["quality of the strong model", f"{seen['strong_quality']:.4f}", ""])
        rows.append(["quality of the cascade", f"{seen['quality']:.4f}", _kept(seen["kept"])])
    if seen["usd"] is not None:
        rows.append(["dollars a call", f"{seen['usd']:.6f}", ""])
    print("\n".join(table(rows, "<><")))
    if told["orders"]:
        print(f"\n{paint('who needs the strong model', 'bold')} (APGR, 0.5 is chance)")
        rows = [
            [one["signal"], f"{one['apgr']:.3f}", f"{one['low']:.3f} to {one['high']:.3f}"] for one in told["orders"]
        ]
        print("\n".join(table(rows, "<><")))


def _kept(kept: float | None) -> str:
    return "" if kept is None else f"{kept:.1%} of it"


def _promised(promise: Promise) -> str:
    def show(value: float) -> str:
        return (
            f"{value:.6f}" if promise.target == "cost" else f"{value:{'.4g' if promise.target == 'quality' else '.1%'}}"
        )

    bounds = [
        f"at least {show(promise.low)}" if promise.low is not None else "",
        f"at most {show(promise.high)}" if promise.high is not None else "",
    ]
    return (
        f"{WORDS[promise.target]}: asked {show(promise.asked)}, in the table {show(promise.found)}; "
        f"on prompts like these {' and '.join(filter(None, bounds))} with {promise.confidence:.0%} confidence "
        f"({promise.prompts:,} prompts, {promise.method})"
    )
