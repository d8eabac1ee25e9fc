"""Estimates from logs: right where the truth is known, told where the log cannot know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from junctor.evaluation import Table, TableError
from junctor.evaluation.evaluating import Plan, evaluate
from junctor.evaluation.offpolicy import Log, estimate, read_log
from junctor.evaluation.resampling import Bootstrap
from junctor.evaluation.table import Floats, Ints


def logged(quality: Floats, chosen: Ints, propensity: Floats) -> Log:
    """A log of these choices among as many models as quality has columns."""
    seen = np.full(quality.shape, np.nan)
    rows = np.arange(len(chosen))
    seen[rows, chosen] = quality[rows, chosen]
    names = [f"p{row}" for row in rows]
    return Log(
        Table(ids=names, prompts=names, models=tuple("abc"[: quality.shape[1]]), quality=seen), chosen, propensity
    )


def test_the_estimates_by_hand() -> None:
    """Two models, four prompts, and a chooser that always takes `b`: weights 2, 0, 4, 0."""
    quality = np.array([[0, 1], [1, 0], [0, 0.5], [1, 1]])
    log = logged(quality, np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.25, 0.8]))
    predicted = np.array([[0.5, 0.75]] * 4)
    found = estimate("b", log, np.array([[0.0, 1.0]] * 4), predicted, Bootstrap(np.arange(4), draws=50))
    assert found.ips.value == pytest.approx((2 * 1 + 4 * 0.5) / 4)
    assert found.snips.value == pytest.approx(4 / 6)
    assert found.doubly_robust is not None
    assert found.doubly_robust.value == pytest.approx(0.75 + (2 * 0.25 + 4 * -0.25) / 4)
    assert found.effective_prompts == pytest.approx(36 / 20)
    assert found.mean_weight.value == pytest.approx(1.5)
    assert found.never_logged == 0
    assert estimate("b", log, np.array([[0.0, 1.0]] * 4), None, Bootstrap(np.arange(4), draws=50)).doubly_robust is None


def test_the_estimates_are_right_on_average_and_their_intervals_hold_the_truth() -> None:
    """Over 60 logs of a world whose answer is known, for propensities that depend on the prompt."""
    rng = np.random.default_rng(7)
    easy = rng.random(600) < 0.5
    quality = np.column_stack([np.where(easy, 0.8, 0.2), np.full(600, 0.7), np.full(600, 0.4)])
    target = np.column_stack([easy, ~easy, np.zeros(600)]).astype(float)
    truth = float((quality * target).sum(axis=1).mean())
    chance = np.where(easy[:, None], [0.2, 0.5, 0.3], [0.6, 0.2, 0.2])
    found, held, doubted = [], 0, 0
    for _ in range(60):
        chosen = np.array([rng.choice(3, p=row) for row in chance])
        measured = (rng.random((600, 3)) < quality).astype(float)
        log = logged(measured, chosen, chance[np.arange(600), chosen])
        wrong = np.full((600, 3), 0.1)  # predictions that are no good: the propensities make up for them
        line = estimate("mine", log, target, wrong, Bootstrap(np.arange(600), draws=100))
        assert line.doubly_robust is not None
        found.append([line.ips.value, line.snips.value, line.doubly_robust.value])
        held += line.snips.low <= truth <= line.snips.high
        doubted += bool(line.doubts)
    np.testing.assert_allclose(np.mean(found, axis=0), truth, atol=0.02)
    assert held >= 52
    assert doubted <= 2


def test_good_predictions_make_up_for_wrong_propensities() -> None:
    """The other half of doubly robust: the truth from predictions, where IPS is far off."""
    rng = np.random.default_rng(3)
    quality = np.tile([0.2, 0.9], (2_000, 1))
    chosen = (rng.random(2_000) < 0.7).astype(np.int64)
    log = logged(quality, chosen, np.full(2_000, 0.2))
    found = estimate("b", log, np.tile([0.0, 1.0], (2_000, 1)), quality, Bootstrap(np.arange(2_000), draws=20))
    assert found.doubly_robust is not None
    assert found.doubly_robust.value == pytest.approx(0.9)
    assert found.ips.value > 2
    assert any("mean weight is above 1" in doubt for doubt in found.doubts)


def test_what_the_log_cannot_know_is_told() -> None:
    """A model that it never chose, too few prompts, prompts on which it never chose so."""
    quality = np.tile([0.5, 0.5, 0.5], (400, 1))
    everywhere = logged(quality, np.arange(400) % 2, np.full(400, 0.5))
    third = estimate("c", everywhere, np.tile([0.5, 0.0, 0.5], (400, 1)), None, Bootstrap(np.arange(400), draws=20))
    assert third.never_logged == 0.5
    assert "50% of its choices are models that the log never chose: of those nothing is known" in third.doubts
    nothing = estimate("c", everywhere, np.tile([0.0, 0.0, 1.0], (400, 1)), None, Bootstrap(np.arange(400), draws=20))
    assert np.isnan(nothing.snips.value)
    assert any("rests on 0 prompts' worth" in doubt for doubt in nothing.doubts)
    halves = (np.arange(400) >= 200).astype(np.int64)  # by the prompt, and the log says so
    partial = estimate(
        "a",
        logged(quality, halves, np.ones(400)),
        np.tile([1.0, 0, 0], (400, 1)),
        None,
        Bootstrap(np.arange(400), draws=50),
    )
    assert any("there are prompts on which the log never chose as it does" in doubt for doubt in partial.doubts)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p,a,0,1", "row 1 (line 2), column 'propensity' is '0'; allowed is 1e-06 to 1"),
        ("p,a,1.5,1", "column 'propensity' is '1.5'; allowed is 1e-06 to 1"),
        ("p,a,nan,1", "column 'propensity' is 'nan'"),
        ("p,a,0.5,", "column 'quality' is ''; allowed is 0 to 1"),
        ("p,d,0.5,1", "chose 'd', which is no model of the table; known models: a, b"),
        (",a,0.5,1", "column 'prompt' is empty; allowed is a prompt: drop the row"),
    ],
)
def test_logs_that_cannot_be_meant_are_refused(tmp_path: Path, row: str, said: str) -> None:
    """Propensities of 0 or beyond 1, scores and models that are none."""
    path = tmp_path / "log.csv"
    path.write_text(f"prompt,model,propensity,quality\n{row}\n", encoding="utf-8")
    table = Table(ids=["1"], prompts=["x"], models=("a", "b"), quality=np.array([[0.0, 1.0]]))
    with pytest.raises(TableError) as error:
        read_log(path, table)
    assert said in str(error.value)
    path.write_text("prompt,model,quality\np,a,1\n", encoding="utf-8")
    with pytest.raises(
        TableError, match=r"has no column 'propensity'; .* a log needs prompt, model, propensity and qual"
    ):
        read_log(path, table)


def test_learners_are_fitted_on_the_table_without_the_prompts_of_the_log(tmp_path: Path) -> None:
    """A label that the log answers well by one model, and the table knows: the label mean finds it."""
    rng = np.random.default_rng(2)
    tasks = ["x" if n % 2 else "y" for n in range(200)]
    quality = np.array([[1.0, 0.0] if task == "x" else [0.0, 1.0] for task in tasks])
    names = [f"prompt {n}" for n in range(200)]
    table = Table(ids=names, prompts=names, models=("a", "b"), quality=quality, tasks=tasks)
    rows = ["prompt,task,model,propensity,quality"]
    for n in range(400):
        task, chosen = ("x", "y")[n % 2], ("a", "b")[int(rng.integers(2))]
        rows.append(f"logged {n},{task},{chosen},0.5,{int((task == 'x') == (chosen == 'a'))}")
    path = tmp_path / "log.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    found = evaluate(table, Plan(log=read_log(path, table), draws=50)).logged
    assert found is not None
    lines = {line.name: line for line in found.lines}
    assert set(lines) == {"prompt length", "label mean", "best single", "random", "a", "b"}
    assert lines["label mean"].snips.value == pytest.approx(1)
    assert lines["random"].snips.value == pytest.approx(found.quality.value)
    rows[1:] = [f"prompt {n},x,a,0.5,1" for n in range(200)]
    path.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(TableError, match=r"all its prompts are in .*log\.csv, so nobody can be fitted unseen"):
        evaluate(table, Plan(log=read_log(path, table), draws=50))
