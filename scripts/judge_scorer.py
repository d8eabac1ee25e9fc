"""What the learned scorer is worth on the shared tables: the figures of docs/decisions/036, made again.

    python -m scripts.judge_scorer ../shared/data

Each figure is of prompts that training had not seen. Folds differ by seed, and none of these seeds was looked at while
the recipe was chosen; the prompts are the same, so what was chosen may still suit them a little better than others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from junctor import _core
from junctor.evaluation import Columns, Table, read_table
from junctor.evaluation.curves import apgr, pair_curve
from junctor.evaluation.resampling import Bootstrap, Interval, interval
from junctor.training import Recipe, judge, train
from junctor.training.design import told as scores_of

SEEDS: Final = (11, 12, 13)
FEW: Final = 1_500


def shown(value: Interval) -> str:
    """A figure and its 95 % interval."""
    return f"{value.value:.4f} [{value.low:.4f}, {value.high:.4f}]"


def told(table: Table, learned: Table) -> NDArray[np.float64]:
    """What a scorer trained on `learned` says of the prompts of `table`."""
    return scores_of(_core.Scorer(train(learned).artifact), table)


def pair(folder: Path) -> Iterator[str]:
    """MMLU: the order of prompts for a weak and a strong model."""
    table = read_table(folder / "routellm_mmlu" / "train.csv.gz").pair("mixtral_8x7b", "gpt4_1106")
    for seed in SEEDS:
        began = time.perf_counter()
        figures = judge(table, train(table, Recipe(seed=seed)), seed=seed)
        for name, value in figures.pair.items():
            yield f"MMLU pair, 5 folds, seed {seed}: APGR of {name} {shown(value)}"
        yield f"MMLU pair, 5 folds, seed {seed}: {time.perf_counter() - began:.1f} s"
    for seed in SEEDS:
        drawn = np.random.default_rng(seed).permutation(len(table))
        few = table.select(np.sort(drawn[:FEW]))
        rest = table.select(np.flatnonzero(~np.isin(table.groups, np.unique(table.groups[drawn[:FEW]]))))
        scores, gain = told(rest, few), rest.quality[:, 1] - rest.quality[:, 0]
        yield f"MMLU pair, {FEW} labels, seed {seed}: APGR {shown(area(scores[:, 1] - scores[:, 0], gain, rest))}"


def area(score: NDArray[np.float64], gain: NDArray[np.float64], table: Table) -> Interval:
    """APGR with its interval."""
    draws = Bootstrap(table.groups).of(lambda weights: apgr(pair_curve(score, gain, weights)))
    return interval(float(apgr(pair_curve(score, gain))), draws)


def fleet(folder: Path) -> Iterator[str]:
    """Nine models, nine tasks: the best predicted one, on prompts and on tasks not seen."""
    table = read_table(folder / "llmrouter_multitask" / "train.csv.gz")
    for seed in SEEDS:
        figures = judge(table, train(table, Recipe(seed=seed)), seed=seed)
        for name, value in figures.fleet.items():
            yield f"nine models, 5 folds, seed {seed}: {name} {shown(value)}"
        yield f"nine models, 5 folds, seed {seed}: over the best single {shown(figures.gain)}"
    tasks = np.array(table.tasks)
    chosen, single = np.zeros(len(table)), np.zeros(len(table))
    for task in np.unique(tasks):
        held = tasks == task
        learned, rest = table.select(~held), table.select(held)
        scores, rows = told(rest, learned), np.arange(len(rest))
        chosen[held] = rest.quality[rows, scores.argmax(axis=1)]
        single[held] = rest.quality[:, learned.quality.mean(axis=0).argmax()]
        yield f"nine models, {task} left out: {chosen[held].mean():.4f}, best single {single[held].mean():.4f}"
    draws = Bootstrap(table.groups).mean(chosen - single)
    over = interval(float((chosen - single).mean()), draws)
    yield f"nine models, each task left out: {chosen.mean():.4f}, over the best single of the others {shown(over)}"


def swapped(folder: Path) -> Iterator[str]:
    """Pairs of models that training has not seen: the score of one pair orders the prompts of another."""
    file = folder / "mmlu_pro_fleet" / "train.csv.gz"
    table = read_table(file, columns=Columns(prompt=["question", "options"]))
    train_on, rest = table.split(0.3, seed=1)
    means = table.quality.mean(axis=0)
    order = np.argsort(means)
    pairs = [(int(order[k]), int(order[-1 - k])) for k in (0, 3, 6)]
    scorer = train(train_on.only([table.models[m] for both in pairs for m in both]))
    scores = scores_of(_core.Scorer(scorer.artifact), rest)
    for at, (weak, strong) in enumerate(pairs):
        gain = rest.quality[:, strong] - rest.quality[:, weak]
        name = f"{table.models[weak]} and {table.models[strong]}"
        for by in range(len(pairs)):
            found = area(scores[:, 2 * by + 1] - scores[:, 2 * by], gain, rest)
            which = "itself" if by == at else f"pair {by + 1}"
            yield f"MMLU-Pro pair {at + 1} ({name}) by {which}: APGR {shown(found)}"


def main(folder: Path, parts: Iterable[Callable[[Path], Iterator[str]]] = (pair, fleet, swapped)) -> int:
    """Prints all figures, as they are found."""
    for part in parts:
        for line in part(folder):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
