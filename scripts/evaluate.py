"""Evaluates on every table at hand, and writes a report, its data and its picture for each. Run by `make evaluate`.

Tables of public benchmarks are taken from the directory that is given, else from `$JUNCTOR_DATA`, else from
`../shared/data`; without any of them `examples/answers.csv`, which is made up, stands in and says so.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from junctor.cli import main as junctor
from scripts.markdown import ROOT

HERE: Final = ("answers", "examples/answers.csv", ("--weak", "small", "--strong", "big"))
PRICES: Final = ("*=0.2", "gemma-2*=0.1", "*49b*=0.9", "*51b*=0.9", "*70b=0.9")
"""Of the origin of llmrouter_multitask: dollars per million tokens, in and out alike."""

TABLES: Final[dict[str, tuple[str, ...]]] = {
    "routellm_mmlu": ("--weak", "mixtral_8x7b", "--strong", "gpt4_1106"),
    "mmlu_pro_fleet": ("--prompt", "question,options"),
    "llmrouter_multitask": (*(word for price in PRICES for word in ("--price", price)), "--answer-tokens", "200"),
    "routerarena_sub10": ("--clip",),
}
"""What each table needs to be said: its README tells why."""

LEARNED: Final = ("--learner", "junctor.training.learner:Learned")
"""The scorer of `junctor train`, trained anew on each fold."""

CASCADE: Final = (
    *("--strong", "llama-3.1-nemotron-51b-instruct", "--models", "gemma-2-9b-it,llama-3.1-nemotron-51b-instruct"),
    *("--draft-model", "gemma3-270m-pt-q4_k_m", "--drafts"),
)
"""A tiny model's answers first, on the prompts of llmrouter_multitask that it was asked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluates, and answers 1 if one evaluation failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", help="the directory of tables")
    parser.add_argument("--output", default=str(ROOT / "evaluation"), help="where to write (default: evaluation)")
    parser.add_argument("more", nargs="*", help="further options of junctor evaluate, after --")
    options = parser.parse_args(argv)
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    failed = [
        name for name, path, said in _jobs(options.data) if not _evaluated(name, path, [*said, *options.more], output)
    ]
    return 1 if failed else 0


def _jobs(data: str | None) -> list[tuple[str, Path, tuple[str, ...]]]:
    """Every table that is there: its name, its file, its options."""
    folder = Path(data or os.environ.get("JUNCTOR_DATA") or ROOT.parent / "shared" / "data")
    found = [(name, folder / name / "train.csv.gz", said) for name, said in TABLES.items()]
    drafts = folder / "tinylm_logprobs" / "train.csv.gz"
    if drafts.is_file():
        found.append(("tinylm_logprobs", folder / "llmrouter_multitask" / "train.csv.gz", (*CASCADE, str(drafts))))
    there = [job for job in found if job[1].is_file()]
    if there:
        return there
    print(f"no table of a benchmark is in {folder}: this is {HERE[1]}, which is made up and says nothing about models")
    return [(HERE[0], ROOT / HERE[1], HERE[2])]


def _evaluated(name: str, path: Path, said: Sequence[str], output: Path) -> bool:
    """Prints and writes one evaluation; False if it failed."""
    print(f"\n=== {name}", flush=True)
    plots = [word for suffix in ("svg", "png") for word in ("--plot", str(output / f"{name}.{suffix}"))]
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        status = junctor(["evaluate", str(path), *said, *LEARNED, *plots, "--report", str(output / f"{name}.json")])
    (output / f"{name}.txt").write_text(written.getvalue(), encoding="utf-8")
    print(written.getvalue(), end="")
    if status == 0:
        print(f"\nwritten: {output / name}.txt, .json, .svg, .png")
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
