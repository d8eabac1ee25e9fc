"""`junctor train TABLE --out scorer.jqs`: a scorer out of a table of past answers, and what it is worth.

The figures are of prompts that the scorer had not seen. They hold for prompts like these and no others: whoever sends
something else trains on something else.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from junctor.cli.ending import OK, USAGE, CommandError, reader_may_leave
from junctor.cli.text import progress

if TYPE_CHECKING:
    from junctor.evaluation.resampling import Interval
    from junctor.training import Figures, Trained


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor train`."""
    command.add_argument("table", metavar="TABLE", help="CSV, TSV or JSON lines (also .gz): a row per prompt")
    command.add_argument(
        "--kind", choices=("linear", "knn", "mf"), default="linear",
        help="what predicts: words (default), nearest prompts or factors by the column `embedding`",
    )  # fmt: skip
    command.add_argument("--embedded-by", metavar="MODEL", help="the model that made the embeddings, for knn and mf")
    command.add_argument("--vectors", type=int, metavar="N", help="prompts that knn keeps (default 10,000)")
    command.add_argument(
        "--comparisons", action="store_true", help="the table has model_a, model_b and winner instead of scores"
    )
    command.add_argument("--reference", metavar="MODEL", help="of comparisons: whom to beat (default: the best rated)")
    command.add_argument("--out", metavar="FILE", required=True, help="where the scorer goes, such as scorer.jqs")
    command.add_argument("--models", metavar="NAMES", help="columns or patterns, by commas (default: all scores)")
    command.add_argument("--prompt", metavar="NAMES", help="the prompt's column, or several by commas")
    command.add_argument("--rows", type=int, metavar="N", help="train on so many prompts, drawn by --seed")
    command.add_argument("--folds", type=int, default=5, metavar="N", help="folds that figures come from (default 5)")
    command.add_argument("--strength", type=float, default=16.0, help="of the ridge (default 16)")
    command.add_argument("--seed", type=int, default=0, help="of the folds (default 0)")


def run(arguments: argparse.Namespace) -> int:
    """Train, write and print."""
    told = train(arguments, tell=progress())
    with reader_may_leave():
        print(msgspec.json.encode(told).decode() if arguments.json else "\n".join(_text(told)))
    return OK


def train(arguments: argparse.Namespace, *, tell: Callable[[str], None]) -> dict[str, Any]:
    """What the command prints with `--json`. Raises `CommandError` with status 2 for what cannot be trained on."""
    try:
        import numpy as np

        from junctor import training
        from junctor.evaluation import Columns, TableError, read_table
    except ModuleNotFoundError as error:
        raise CommandError(str(error), status=USAGE) from None
    columns = Columns(prompt=_names(arguments.prompt), models=_names(arguments.models))
    recipe = training.Recipe(strength=arguments.strength, folds=arguments.folds, seed=arguments.seed)
    _refuse_mixtures(arguments)
    try:
        if arguments.comparisons:
            from junctor.cli import train_comparisons

            artifact, told = train_comparisons.train(arguments, recipe, _names(arguments.models), tell=tell)
            _write(Path(arguments.out), artifact)
            return told
        tell("reading the table")
        table = read_table(arguments.table, columns=columns)
        if arguments.rows is not None:
            if not 1 <= arguments.rows <= len(table):
                raise CommandError(f"--rows is {arguments.rows}; allowed is 1 to {len(table)}", status=USAGE)
            drawn = np.random.default_rng(arguments.seed).permutation(len(table))[: arguments.rows]
            table = table.select(np.sort(drawn))
        if arguments.kind == "linear":
            trained = training.train(table, recipe, tell=tell)
        else:
            most = training.MOST_VECTORS if arguments.vectors is None else arguments.vectors
            trained = training.train_embedded(
                table, arguments.kind, arguments.embedded_by or "", recipe, most=most, tell=tell
            )
        tell("judging")
        figures = training.judge(table, trained)
    except (TableError, OSError) as error:
        raise CommandError(str(error), status=USAGE) from None
    finally:
        tell("")
    _write(Path(arguments.out), trained.artifact)
    return _told(arguments, (*table.notes, *trained.notes), trained, figures, prompts=len(table))


def _refuse_mixtures(arguments: argparse.Namespace) -> None:
    """Options that mean nothing together are a mistake, and not to be passed over."""
    given = {
        "--vectors": (arguments.vectors is not None, arguments.kind == "knn", "--kind knn"),
        "--embedded-by": (arguments.embedded_by is not None, arguments.kind != "linear", "--kind knn or mf"),
        "--reference": (arguments.reference is not None, arguments.comparisons, "--comparisons"),
    }
    for name, (is_given, belongs, whose) in given.items():
        if is_given and not belongs:
            raise CommandError(f"{name} belongs to {whose}; leave it out, or add that", status=USAGE)


def _told(
    arguments: argparse.Namespace, notes: tuple[str, ...], trained: Trained, figures: Figures, *, prompts: int
) -> dict[str, Any]:
    from junctor import _core

    about = msgspec.json.decode(_core.Scorer(trained.artifact).describe_json())
    return {
        "out": arguments.out,
        "id": about["id"],
        "kind": about["kind"],
        "bytes": len(trained.artifact),
        "prompts": prompts,
        "models": list(trained.models),
        "notes": list(notes),
        "out_of_fold": figures.as_json(),
        "band": trained.band,
        "abstained": float(trained.abstained.mean()),
        "rounding": trained.rounding,
        "took_s": trained.took_s,
    }


def _text(told: dict[str, Any]) -> list[str]:
    if "comparisons" in told:
        from junctor.cli.train_comparisons import lines

        return lines(told, _shown)
    return _lines(told)


def _lines(told: dict[str, Any]) -> list[str]:
    found, pair = told["out_of_fold"], dict(told["out_of_fold"]["pair"])
    weak, strong = pair.pop("weak"), pair.pop("strong")
    lines = [f"note: {note}" for note in told["notes"]]
    lines += [f"{told['out']}: {told['bytes']:,} bytes, {told['prompts']:,} prompts, id {told['id']}", ""]
    lines += ["mean quality, set it as `quality` of the deployments (error out of fold; of the mean alone)"]
    for name, mean in found["means"].items():
        error, alone = found["brier"][name]
        lines.append(f"  {name:<36} {mean:.3f}  ({error:.4f}; {alone:.4f})")
    lines += ["", "best predicted of the fleet, on prompts that were not seen (95 %)"]
    lines += [f"  {name:<14} {_shown(value)}" for name, value in found["fleet"].items()]
    lines += [f"  over the best single model {_shown(found['gain'])}"]
    lines += ["", f"APGR of {weak} and {strong}: area over the share of strong calls, 0.5 is chance"]
    lines += [f"  {name:<14} {_shown(value)}" for name, value in pair.items()]
    lines += ["", f"abstains within {told['band']:.4f} of the means: {told['abstained']:.0%} of these prompts"]
    lines += [f"rounding changes a quality by {told['rounding']:.4f} at most; took {told['took_s']:.1f} s"]
    lines += ["These figures hold for prompts like these; other prompts, other models: train again."]
    return lines


def _shown(interval: Interval | list[float]) -> str:
    value, low, high = interval
    return f"{value:.4f}  [{low:.4f}, {high:.4f}]"


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _write(path: Path, artifact: bytes) -> None:
    """Whole or not at all: a router may be reading the file at this moment."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(artifact)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror})", status=USAGE) from None
