"""Tables at the edge: a report and a picture of each, or one sentence that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from junctor.cli.text import Paint
from junctor.evaluation import Table, TableError
from junctor.evaluation.evaluating import Plan, evaluate
from junctor.evaluation.plot import draw
from junctor.evaluation.show import lines
from junctor.evaluation.table import Floats

RNG = np.random.default_rng(0)
COINS = RNG.integers(0, 2, (30, 2)).astype(float)
HOLES = np.where(RNG.random((40, 3)) < 0.5, np.nan, RNG.integers(0, 2, (40, 3)))
PAIR: dict[str, Any] = {"pairs": [("a", "b")]}


def evaluated(quality: Floats, parts: dict[str, Any], plan: dict[str, Any], picture: Path) -> list[str]:
    """The text of a report on these scores, whose picture was drawn."""
    names = [f"p{row}" * (row % 5 + 1) for row in range(len(quality))]
    table = Table(
        **({"ids": names, "prompts": names, "models": tuple("abcd"[: quality.shape[1]])} | parts), quality=quality
    )
    report = evaluate(table, Plan(**({"draws": 20, "folds": 2} | plan)))
    draw(report, picture)
    return lines(report, Paint(False))


@pytest.mark.parametrize(
    ("quality", "parts", "plan"),
    [
        (np.array([[0.0, 1], [1, 0]]), {}, PAIR),
        (np.array([[0.0, 1], [1, 0]] * 15), {}, PAIR),
        (np.column_stack([np.ones(30), COINS[:, 0]]), {}, PAIR),
        (np.zeros((30, 2)), {}, {}),
        (HOLES, {"tasks": ["x", "y"] * 20}, PAIR),
        (COINS, {"cost_usd": np.zeros((30, 2))}, PAIR),
        (COINS, {"cost_usd": np.tile([0.0, 1.0], (30, 1))}, PAIR),
        (COINS, {"cost_usd": np.where(np.arange(60).reshape(30, 2) == 7, np.nan, 0.1)}, PAIR),
        (COINS, {"cost_usd": np.tile([0.1, np.nan], (30, 1))}, {}),
        (RNG.random((60, 4)), {"cost_usd": RNG.random((60, 4))}, {"objective": "floor", **PAIR}),
        (RNG.random((60, 4)), {"cost_usd": RNG.random((60, 4))}, {"objective": "gap"}),
    ],
    ids=[
        "two prompts", "equal means", "the weak one is better", "all are wrong", "half is not measured",
        "free of charge", "one model is free", "one cost is not known",
        "one model's costs are not known", "floor", "gap",
    ],
)  # fmt: skip
def test_odd_tables_have_a_report_and_a_picture(
    quality: Floats, parts: dict[str, Any], plan: dict[str, Any], tmp_path: Path
) -> None:
    """Without a warning, whatever divides by nothing on the way."""
    told = evaluated(quality, parts, plan, tmp_path / "edge.svg")
    assert (tmp_path / "edge.svg").stat().st_size > 5_000
    assert any(line.startswith("among ") for line in told)
    assert "nan" not in " ".join(told).lower()


@pytest.mark.parametrize(
    ("quality", "parts", "said"),
    [
        (COINS[:, :1], {}, "it has 'a' alone; choosing needs two models at least"),
        (COINS[:1], {}, "its prompts are all the same; give at least two different ones"),
        (COINS, {"prompts": ["p"] * 30}, "its prompts are all the same"),
        (np.column_stack([COINS[:, 0], np.full(30, np.nan)]), {}, "no prompt was measured on every model; name fewer"),
    ],
)
def test_tables_that_cannot_be_judged_say_why(
    quality: Floats, parts: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """In one sentence."""
    with pytest.raises(TableError) as error:
        evaluated(quality, parts, {}, tmp_path / "edge.svg")
    assert said in str(error.value)
