"""`junctor evaluate TABLE`: what a way of choosing models is worth, beside what needs no learning at all.

Learners are fitted on training folds and judged on the rest. Status 0 says that the evaluation was made, whatever it
found; 2 that the table or an option cannot be meant; 1 that the package of the extra is missing or a file cannot be
written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.cli.ending import OK, USAGE, CommandError, reader_may_leave
from junctor.cli.options import seed
from junctor.cli.text import is_terminal, paint_for

if TYPE_CHECKING:
    from junctor.config.prices import Price
    from junctor.evaluation import Table
    from junctor.evaluation.choosers import Learner
    from junctor.evaluation.drafts import Cascade

DRAWS_MAX: Final = 100_000
REFIT_MIN: Final = 10
REFIT_MAX: Final = 1_000
OBJECTIVES: Final = ("trade", "floor", "gap")


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor evaluate`."""
    command.add_argument("table", metavar="TABLE", help="CSV, TSV or JSON lines (also .gz): prompts × models")
    command.add_argument("--weak", metavar="MODEL", help="the cheap model of a pair; with --strong")
    command.add_argument("--strong", metavar="MODEL", help="the dear model of a pair: APGR, CPT(50 %%), CPT(80 %%)")
    command.add_argument(
        "--models", metavar="NAMES", help="models to choose among, with commas; patterns such as 'Qwen*'"
    )
    command.add_argument(
        "--scores", metavar="FILE", action="append", default=[], help="predicted quality by id, judged"
    )
    command.add_argument(
        "--learner", metavar="MODULE:NAME", action="append", default=[], help="Python to fit on each fold, judged"
    )
    command.add_argument("--fleet", metavar="FILE", help="a fleet file whose rules choose, judged")
    command.add_argument(
        "--map",
        metavar="DEPLOYMENT=MODEL",
        action="append",
        default=[],
        help="what a deployment is called in the table",
    )
    command.add_argument("--log", metavar="FILE", help="real choices with propensities: what choosers were worth there")
    command.add_argument("--drafts", metavar="FILE", help="a small model's answers with log-probabilities: a cascade")
    command.add_argument("--draft-model", metavar="NAME", help="whose drafts, if the file has several models")
    command.add_argument("--draft-quality", metavar="NAME", help="the column of the drafts' quality")
    command.add_argument(
        "--objective", choices=OBJECTIVES, default="trade", help="what money is set against quality by"
    )
    command.add_argument("--folds", type=int, default=5, metavar="N", help="folds of prompts (default 5)")
    command.add_argument("--leave-tasks-out", action="store_true", help="each task is a fold: traffic of a new kind")
    command.add_argument("--draws", type=int, default=1_000, metavar="N", help="of the intervals (default 1,000)")
    command.add_argument(
        "--refit",
        type=int,
        default=0,
        metavar="N",
        help="fit learners N times anew, for bounds that hold that luck too",
    )
    command.add_argument("--seed", type=seed, default=0, help="of folds and draws (default 0)")
    command.add_argument(
        "--plot", metavar="FILE", action="append", default=[], help="draw the curves: .svg, .png or .pdf"
    )
    command.add_argument("--report", metavar="FILE", help="write what --json prints to a file too")
    columns = command.add_argument_group("columns of the table, as far as their names do not tell")
    columns.add_argument("--prompt", metavar="NAMES", help="the prompt; several columns are joined")
    columns.add_argument("--id", metavar="NAME", help="what tells prompts apart")
    columns.add_argument("--task", metavar="NAME", help="the label of the task")
    columns.add_argument("--ignore", metavar="NAMES", help="columns that are no model")
    columns.add_argument("--top", type=float, default=1.0, metavar="SCORE", help="the score of a perfect answer")
    columns.add_argument("--clip", action="store_true", help="move scores beyond the scale to its ends, and count them")
    columns.add_argument(
        "--price", metavar="MODEL=PRICE", action="append", default=[],
        help="dollars per million tokens, 0.25/1.25 for input/output, 0.002/call, or a name of the catalog",
    )  # fmt: skip
    columns.add_argument("--answer-tokens", type=int, metavar="N", help="of each answer, where the table does not tell")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print and draw."""
    try:
        report = _evaluated(arguments, tell=_progress())
    except ModuleNotFoundError as error:
        raise CommandError(_missing(error)) from None
    if arguments.report is not None:
        _write(Path(arguments.report), msgspec.json.encode(report) + b"\n")
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(report).decode())
        else:
            from junctor.evaluation.show import lines

            print("\n".join(lines(report, paint_for(sys.stdout))))
    return OK


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}); choose another --report") from None


def _evaluated(arguments: argparse.Namespace, *, tell: Callable[[str], None]) -> Any:
    """The report, and its plots drawn."""
    from junctor.evaluation import TableError
    from junctor.evaluation.evaluating import Plan, evaluate
    from junctor.evaluation.offpolicy import read_log

    pair = _pair(arguments)
    if not 1 <= arguments.draws <= DRAWS_MAX:
        raise CommandError(f"--draws is {arguments.draws}; allowed is 1 to {DRAWS_MAX:,}", status=USAGE)
    if not (arguments.refit == 0 or REFIT_MIN <= arguments.refit <= REFIT_MAX):
        raise CommandError(
            f"--refit is {arguments.refit}; allowed is {REFIT_MIN} to {REFIT_MAX:,} cross-validations, or 0",
            status=USAGE,
        )
    try:
        tell("reading the table")
        table = _table(arguments, pair)
        choices, told = _choices(arguments, table, tell)
        plan = Plan(
            learners=[_learner(name) for name in arguments.learner],
            scores=_scores(arguments.scores, table),
            choices=choices,
            pairs=[pair] if pair else [],
            cascades=_cascades(arguments, table),
            log=None if arguments.log is None else read_log(Path(arguments.log), table),
            folds=arguments.folds,
            leave_tasks_out=arguments.leave_tasks_out,
            objective=arguments.objective,
            seed=arguments.seed,
            draws=arguments.draws,
            refit=arguments.refit,
        )
        report = evaluate(replace(table, notes=(*table.notes, *told)), plan, tell=tell)
        if arguments.plot:
            from junctor.evaluation.plot import draw

            tell("drawing")
            for name in arguments.plot:
                draw(report, Path(name))
        return report
    except TableError as error:
        raise CommandError(str(error), status=USAGE) from None
    finally:
        tell("")


def _pair(arguments: argparse.Namespace) -> tuple[str, str] | None:
    if arguments.drafts is not None and arguments.weak is None:
        if arguments.strong is None:
            raise CommandError("--drafts is given without --strong, the model that comes after them", status=USAGE)
        return None
    if (arguments.weak is None) != (arguments.strong is None):
        given, other = ("--weak", "--strong") if arguments.strong is None else ("--strong", "--weak")
        raise CommandError(f"{given} is given without {other}; a pair has both", status=USAGE)
    if arguments.weak is not None and arguments.weak == arguments.strong:
        raise CommandError(f"--weak and --strong are both {arguments.weak!r}; name two models", status=USAGE)
    return None if arguments.weak is None else (arguments.weak, arguments.strong)


def _table(arguments: argparse.Namespace, pair: tuple[str, str] | None) -> Table:
    from junctor.evaluation import Columns, read_table

    columns = Columns(
        id=arguments.id,
        prompt=_names(arguments.prompt),
        task=arguments.task,
        models=_names(arguments.models) or pair,
        ignore=_names(arguments.ignore) or (),
    )
    return read_table(
        arguments.table,
        columns=columns,
        prices=dict(_price(text) for text in arguments.price),
        answer_tokens=arguments.answer_tokens,
        top=arguments.top,
        clip=arguments.clip,
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _price(text: str) -> tuple[str, Price | float]:
    """`MODEL=0.25/1.25`, `MODEL=0.9`, `MODEL=0.002/call` or `MODEL=provider/name`."""
    from junctor.config.prices import Price, from_usd

    model, equals, said = text.rpartition("=")
    if not equals or not model:
        raise CommandError(f"--price is {text!r}; allowed is MODEL=PRICE, such as small=0.25/1.25", status=USAGE)
    first, _, second = said.partition("/")
    try:
        if second == "call":
            return model, _usd(first)
        return model, Price(input=from_usd(_usd(first)), output=from_usd(_usd(second or first)))
    except ValueError:
        return model, _listed(text, said)


def _usd(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1e6:
        raise CommandError(f"a price is {text!r}; allowed is 0 to 1,000,000 dollars", status=USAGE)
    return value


def _listed(text: str, name: str) -> Price:
    """The price that the catalog knows."""
    from junctor.config.catalog import catalog

    facts = catalog().models.get(name)
    if facts is None or facts.price is None:
        raise CommandError(
            f"--price is {text!r}; allowed are dollars per million tokens (0.9 or 0.25/1.25), dollars per call "
            "(0.002/call), or a model of the catalog that has a price (see junctor models)",
            status=USAGE,
        )
    return facts.price.whole


def _learner(name: str) -> Learner:
    """The learner that `module:attribute` names, also in the working directory; a class is made an instance."""
    from importlib import import_module

    if (here := str(Path.cwd())) not in sys.path:  # the console script, unlike `python -m`, does not look there
        sys.path.append(here)
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise CommandError(f"--learner is {name!r} ({error}); give MODULE:NAME", status=USAGE) from None
    learner: Learner = found() if isinstance(found, type) else found
    if not callable(getattr(learner, "fit", None)) or not isinstance(getattr(learner, "name", None), str):
        raise CommandError(
            f"--learner is {name!r}, which has no name and fit; see docs/guides/evaluation.md", status=USAGE
        )
    return learner


def _scores(files: list[str], table: Table) -> dict[str, Any]:
    from junctor.evaluation.scores import read_scores

    return {Path(name).name: read_scores(Path(name), table) for name in files}


def _choices(
    arguments: argparse.Namespace, table: Table, tell: Callable[[str], None]
) -> tuple[dict[str, Any], list[str]]:
    """What the fleet file chooses, and what is to be told of it."""
    if arguments.fleet is None:
        if arguments.map:
            raise CommandError("--map is given without --fleet, whose deployments it names", status=USAGE)
        return {}, []
    from junctor.cli.files import decider
    from junctor.evaluation.replay import replayed

    names = {}
    for text in arguments.map:
        deployment, equals, model = text.partition("=")
        if not equals or not model:
            raise CommandError(f"--map is {text!r}; allowed is DEPLOYMENT=MODEL", status=USAGE)
        names[deployment] = model
    router, fleet = decider(arguments.fleet, seed=arguments.seed)
    shares, refused = replayed(router, fleet, table, names=names, seed=arguments.seed, tell=tell)
    name = Path(arguments.fleet).name
    told = f"{name} refused {refused:,} of {len(table):,} prompts, which count as no quality and no cost"
    return {name: shares}, [told] if refused else []


def _cascades(arguments: argparse.Namespace, table: Table) -> list[Cascade]:
    if arguments.drafts is None:
        return []
    from junctor.evaluation.drafts import read_cascade

    model, quality = arguments.draft_model, arguments.draft_quality
    return [read_cascade(Path(arguments.drafts), table, arguments.strong, model=model, quality=quality)]


def _progress() -> Callable[[str], None]:
    """Tells how far it is, to a person only."""
    if not is_terminal(sys.stderr):
        return lambda _text: None
    return lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _missing(error: ModuleNotFoundError) -> str:
    return f"junctor evaluate needs the package {error.name}, which is not installed; pip install 'junctor[train]'"
