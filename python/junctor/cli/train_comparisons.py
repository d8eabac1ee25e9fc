"""`junctor train VOTES --comparisons`: a scorer out of which answers were preferred, and what it is worth."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from junctor.cli.ending import USAGE, CommandError

if TYPE_CHECKING:
    from junctor.training import Recipe


def train(
    arguments: argparse.Namespace, recipe: Recipe, models: list[str] | None, *, tell: Callable[[str], None]
) -> tuple[bytes, dict[str, Any]]:
    """The artifact, and what the command prints with `--json`. Raises what reading and training raise."""
    import numpy as np

    from junctor import _core, training
    from junctor.training.comparisons import read_comparisons

    if arguments.kind != "linear":
        raise CommandError(
            f"--kind is {arguments.kind}; with --comparisons allowed is linear: knn and mf learn from qualities",
            status=USAGE,
        )
    tell("reading the comparisons")
    made = read_comparisons(arguments.table, models=models, prompt=arguments.prompt)
    if arguments.rows is not None:
        if not 1 <= arguments.rows <= len(made):
            raise CommandError(f"--rows is {arguments.rows}; allowed is 1 to {len(made)}", status=USAGE)
        drawn = np.random.default_rng(arguments.seed).permutation(len(made))[: arguments.rows]
        made = made.select(np.sort(drawn))
    trained = training.train_preference(made, recipe, reference=arguments.reference, tell=tell)
    tell("judging")
    figures = training.judge_preference(made, trained)
    about = msgspec.json.decode(_core.Scorer(trained.artifact).describe_json())
    return trained.artifact, {
        "out": arguments.out,
        "id": about["id"],
        "kind": "linear",
        "bytes": len(trained.artifact),
        "comparisons": len(made),
        "models": list(trained.models),
        "reference": trained.reference,
        "notes": [*made.notes, *trained.notes],
        "out_of_fold": figures.as_json(),
        "qualities": {model["name"]: model["label_mean"] for model in about["models"]},
        "kept": trained.kept,
        "band": trained.band,
        "took_s": trained.took_s,
    }


def lines(told: dict[str, Any], shown: Callable[[list[float]], str]) -> list[str]:
    """The same for people; `shown` writes an interval."""
    found = told["out_of_fold"]
    text = [f"note: {note}" for note in told["notes"]]
    text += [f"{told['out']}: {told['bytes']:,} bytes, {told['comparisons']:,} comparisons, id {told['id']}", ""]
    text += [f"quality is the chance against {told['reference']}; set it as `quality` of the deployments (Elo points)"]
    for name, (points, wide) in found["points"].items():
        text.append(f"  {name:<36} {told['qualities'][name]:.3f}  ({points:,.0f} ± {wide:,.0f})")
    text += ["", "squared error of the predicted chance, on prompts that were not seen (95 %)"]
    text += [f"  {name:<14} {shown(value)}" for name, value in found["error"].items()]
    text += [f"  better than ratings alone by {shown(found['gain'])}"]
    text += ["", "winner predicted, of comparisons without a tie"]
    text += [f"  {name:<14} {shown(value)}" for name, value in found["winner"].items()]
    text += ["", f"predicted chance and what happened differ by {found['calibration']:.3f} on average"]
    text += [f"abstains within {told['band']:.4f} of the ratings; took {told['took_s']:.1f} s"]
    return [*text, "These figures hold for prompts like these; other prompts, other models: train again."]
