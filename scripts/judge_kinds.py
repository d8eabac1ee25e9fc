"""Words, nearest prompts and factors beside each other on shared tables: the figures of docs/decisions/039, made again.

    python -m scripts.judge_kinds ../shared/data [VECTORS]

`VECTORS` is a folder with `llmrouter_multitask.npy` and `routellm_mmlu.npy`: an embedding for each row of the table, in
its order. Without it the vectors are random projections of the linear scorer's own features: a check that the kinds
work, and no embedding model. Comparisons are drawn from the tables: one pair of models for each prompt, won by the
better.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from junctor import _core
from junctor.evaluation import Table, read_table
from junctor.evaluation.curves import apgr, pair_curve
from junctor.evaluation.resampling import Interval
from junctor.training import Comparisons, Recipe, judge, judge_preference, train, train_embedded, train_preference
from junctor.training.design import Features, design
from junctor.training.embedded import Kind

SEED: Final = 11
DIMENSION: Final = 384
KINDS: Final[tuple[Kind, ...]] = ("knn", "mf")


def shown(value: Interval) -> str:
    """A figure and its 95 % interval."""
    return f"{value.value:.4f} [{value.low:.4f}, {value.high:.4f}]"


def tables(folder: Path, vectors: Path | None) -> Iterator[tuple[str, Table]]:
    """The nine models and the pair, with an embedding for each prompt."""
    for name in ("llmrouter_multitask", "routellm_mmlu"):
        table = read_table(folder / name / "train.csv.gz")
        made = projected(table) if vectors is None else np.load(vectors / f"{name}.npy").astype(np.float32)
        table = replace(table, embeddings=made)
        yield name, table if name == "llmrouter_multitask" else table.pair("mixtral_8x7b", "gpt4_1106")


def projected(table: Table) -> NDArray[np.float32]:
    """Random directions of hashed n-grams, summed by rarity."""
    made = design(table.prompts, Features())
    way = np.random.default_rng(0).normal(size=(made.x.shape[1], DIMENSION)).astype(np.float32)
    found: NDArray[np.float32] = made.x.multiply(made.rarity(np.arange(len(table)))).tocsr() @ way
    return found


def kinds(name: str, table: Table) -> Iterator[str]:
    """Each kind out of fold: best predicted over best single, and the order of the widest pair."""
    recipe = Recipe(seed=SEED)
    ways = {"linear": train(table, recipe)} | {kind: train_embedded(table, kind, "vectors", recipe) for kind in KINDS}
    for kind, trained in ways.items():
        found = judge(table, trained, seed=SEED)
        error = np.mean([mine for mine, _ in found.brier.values()])
        yield (
            f"{name}, {kind}: over best single {shown(found.gain)}, APGR {shown(found.pair['scorer'])}, squared error "
            f"{error:.4f}, {len(trained.artifact):,} bytes, rounding {trained.rounding:.4f}, {'; '.join(trained.notes)}"
        )


def drawn(table: Table) -> Comparisons:
    """One pair of models for each prompt; the better answer wins, equal ones tie."""
    rng = np.random.default_rng(SEED)
    pairs = np.array([rng.choice(len(table.models), 2, replace=False) for _ in range(len(table))])
    rows = np.arange(len(table))
    apart = np.sign(table.quality[rows, pairs[:, 0]] - table.quality[rows, pairs[:, 1]])
    return Comparisons(
        prompts=table.prompts, models=table.models, first=pairs[:, 0], second=pairs[:, 1], won=(1 + apart) / 2,
        groups=np.unique(table.groups, return_inverse=True)[1],
    )  # fmt: skip


def comparisons(name: str, table: Table) -> Iterator[str]:
    """Trained on drawn comparisons of seven tenths, and on all their scores; judged by the scores of the rest."""
    learn, rest = table.split(0.3, seed=SEED)
    made = drawn(learn)
    trained = train_preference(made, Recipe(seed=SEED))
    found = judge_preference(made, trained, seed=SEED)
    yield (
        f"{name}, {len(made):,} comparisons: squared error {shown(found.error['scorer'])}, better than ratings by "
        f"{shown(found.gain)}, calibration {found.calibration:.3f}, kept {trained.kept:.2f}"
    )
    rows, means = np.arange(len(rest)), rest.quality.mean(axis=0)
    weak, strong = int(means.argmin()), int(means.argmax())
    single = rest.quality[:, learn.quality.mean(axis=0).argmax()]
    for how, artifact in (("comparisons", trained.artifact), ("all scores", train(learn, Recipe(seed=SEED)).artifact)):
        scorer = _core.Scorer(artifact)
        told = np.array([scorer.scores(prompt) for prompt in rest.prompts])
        over = (rest.quality[rows, told.argmax(axis=1)] - single).mean()
        gain = rest.quality[:, strong] - rest.quality[:, weak]
        area = float(apgr(pair_curve(told[:, strong] - told[:, weak], gain)))
        yield f"{name}, trained on {how}, judged on {len(rest):,} others: over best single {over:.4f}, APGR {area:.4f}"


def main(folder: Path, vectors: Path | None) -> int:
    """Prints all figures, as they are found."""
    for name, table in tables(folder, vectors):
        for part in (kinds, comparisons):
            for line in part(name, table):
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
