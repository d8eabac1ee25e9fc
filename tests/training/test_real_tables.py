"""Real tables: what the guide claims is what is measured. Skipped where the data is not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from junctor import _core
from junctor.evaluation import Table, read_table
from junctor.evaluation.curves import apgr, pair_curve
from junctor.training import Recipe, judge, train

DATA = Path(os.environ.get("JUNCTOR_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def real(name: str) -> Table:
    """The shared table of this name, without what is kept back for its judges."""
    file = DATA / name / "train.csv.gz"
    if not file.exists():
        pytest.skip(f"{file} is neither in $JUNCTOR_DATA nor in ../shared/data")
    return read_table(file)


def test_nine_models_beat_the_best_single_one_on_prompts_not_seen() -> None:
    table = real("llmrouter_multitask")
    figures = judge(table, train(table), draws=300)
    assert figures.gain.value >= 0.035
    assert figures.gain.low > 0.02


def test_fifteen_hundred_labels_order_the_rest_of_mmlu() -> None:
    table = real("routellm_mmlu").pair("mixtral_8x7b", "gpt4_1106")
    drawn = np.random.default_rng(1).permutation(len(table))
    seen = {table.groups[row] for row in drawn[:1_500]}
    rest = np.array([row for row in drawn[1_500:] if table.groups[row] not in seen])
    scorer = _core.Scorer(train(table.select(np.sort(drawn[:1_500])), Recipe(folds=3)).artifact)
    told = np.array([scorer.scores(table.prompts[row]) for row in rest])
    gain = table.quality[rest, 1] - table.quality[rest, 0]
    assert float(apgr(pair_curve(told[:, 1] - told[:, 0], gain))) >= 0.63
