"""A whole evaluation: what is judged stands beside its baselines, and a constant is no better than chance."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from junctor.evaluation import Table, TableError
from junctor.evaluation.choosers import Scorer
from junctor.evaluation.evaluating import Plan, evaluate
from junctor.evaluation.report import FleetLine, PairLine, Report
from junctor.evaluation.table import Floats

KINDS = ("sums", "rhymes", "dates")


def synthetic(count: int = 600, seed: int = 0) -> Table:
    """Three tasks and models: `big` is good at all, `small` at sums only, `odd` at rhymes only; big costs the most."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, count)
    hard = rng.random(count) < 0.5
    chance = np.array([[0.9, 0.1, 0.9], [0.2, 0.85, 0.8], [0.3, 0.2, 0.8]])[kinds]
    chance = chance * np.where(hard, 0.7, 1.0)[:, None]
    quality = (rng.random((count, 3)) < chance).astype(float)
    words = [
        f"{KINDS[kind]} {'hard ' if difficult else ''}{n}"
        for n, (kind, difficult) in enumerate(zip(kinds, hard, strict=True))
    ]
    return Table(
        ids=[str(n) for n in range(count)],
        prompts=words,
        models=("small", "odd", "big"),
        quality=quality,
        cost_usd=np.tile([0.001, 0.001, 0.01], (count, 1)),
        tasks=[KINDS[kind] for kind in kinds],
    )


class Words:
    """A learner that reads the first two words: what a real one could know here."""

    name = "words"

    def fit(self, table: Table) -> Scorer:
        """Means by the first two words."""
        keys = np.array([" ".join(prompt.split()[:2][: 1 + ("hard" in prompt)]) for prompt in table.prompts])
        known = {key: table.quality[keys == key].mean(axis=0) for key in np.unique(keys).tolist()}

        def scorer(asked: Table) -> Floats:
            return np.array([known[" ".join(p.split()[:2][: 1 + ("hard" in p)])] for p in asked.prompts])

        return scorer


@pytest.fixture(scope="module")
def report() -> Report:
    """One evaluation, for all that look at it."""
    return evaluate(synthetic(), Plan(learners=[Words()], pairs=[("small", "big")], draws=200))


def pair_line(report: Report, name: str) -> PairLine:
    """The line of a chooser in the only pair."""
    return next(line for line in report.pairs[0].lines if line.name == name)


def fleet_line(report: Report, name: str) -> FleetLine:
    """The line of a chooser among all models."""
    assert report.fleet is not None
    return next(line for line in report.fleet.lines if line.name == name)


def test_every_baseline_stands_beside_a_result(report: Report) -> None:
    """Prompt length, label mean, random, best single and oracle, and every single model."""
    assert [line.name for line in report.pairs[0].lines] == ["words", "prompt length", "label mean", "random", "oracle"]
    assert report.fleet is not None
    assert [(line.name, line.role) for line in report.fleet.lines] == [
        ("words", "judged"),
        ("prompt length", "baseline"),
        ("label mean", "baseline"),
        ("best single", "baseline"),
        ("random", "baseline"),
        ("oracle", "bound"),
        ("oracle, cheapest", "bound"),
        ("small", "model"),
        ("odd", "model"),
        ("big", "model"),
    ]
    assert report.fleet.best_single == "big"
    assert [v.against for v in fleet_line(report, "words").versus] == [
        "prompt length", "label mean", "best single", "random", "big",
    ]  # fmt: skip


def test_knowledge_pays_and_random_is_random(report: Report) -> None:
    """Random has APGR ½ exactly; the label helps; the oracle is above all; intervals hold their figures."""
    random, label, oracle = (pair_line(report, name).apgr for name in ("random", "label mean", "oracle"))
    assert (random.value, random.low, random.high) == pytest.approx((0.5, 0.5, 0.5))
    assert label.low > 0.5
    assert oracle.low > label.high
    for line in report.pairs[0].lines:
        assert line.apgr.low <= line.apgr.value <= line.apgr.high
        assert line.recovered[0] == 0
        assert line.recovered[-1] == pytest.approx(1)
        assert line.quality[-1] == pytest.approx(report.pairs[0].strong_quality.value)
        assert line.cost_usd_per_1k[0] == pytest.approx(1)
        assert line.cost_usd_per_1k[-1] == pytest.approx(10)


def test_a_line_of_the_fleet_by_hand(report: Report) -> None:
    """Of `big` and the oracle: quality, cost, shares, regret and tasks are the table's own."""
    table, big, oracle = synthetic(), fleet_line(report, "big"), fleet_line(report, "oracle")
    assert big.quality.value == pytest.approx(table.quality[:, 2].mean())
    assert big.cost_usd_per_1k is not None
    assert big.cost_usd_per_1k.value == pytest.approx(10)
    assert big.shares == {"small": 0, "odd": 0, "big": 1}
    assert oracle.quality.value == pytest.approx(table.quality.max(axis=1).mean())
    assert oracle.regret.value == pytest.approx(0)
    assert big.regret.value == pytest.approx((table.quality.max(axis=1) - table.quality[:, 2]).mean())
    sums = np.array([task == "sums" for task in table.tasks or []])
    assert big.tasks["sums"] == pytest.approx(table.quality[sums, 2].mean())
    assert big.versus == []


def test_the_plane_of_cost_and_quality(report: Report) -> None:
    """A learner's points go from quality to cost, its AIQ is above the best single model's, the front is named."""
    words, single = fleet_line(report, "words"), fleet_line(report, "best single")
    assert words.point_quality[0] == pytest.approx(words.quality.value)
    assert words.point_cost_usd_per_1k[-1] == pytest.approx(1)
    assert words.aiq is not None
    assert single.aiq is not None
    assert words.aiq.value > single.aiq.value
    assert words.cost_save > 0.2
    assert report.fleet is not None
    assert set(report.fleet.front) >= {"big"}
    assert words.calibrated is not None
    assert words.calibrated.ece < 0.1


def test_the_same_seed_gives_the_same_report() -> None:
    """To the last digit; another seed another one."""
    table, plan = synthetic(120), Plan(pairs=[("small", "big")], draws=50, folds=3)
    assert msgspec.json.encode(evaluate(table, plan)) == msgspec.json.encode(evaluate(table, plan))
    again = Plan(pairs=[("small", "big")], draws=50, folds=3, seed=1)
    assert evaluate(table, plan).pairs != evaluate(table, again).pairs


def test_prompts_without_a_score_are_learned_from_and_not_judged() -> None:
    """A row that one model was not measured on is left out of what all are judged on, and counted."""
    table = synthetic(120)
    quality = table.quality.copy()
    quality[:20, 1] = np.nan
    holed = Table(
        ids=table.ids, prompts=table.prompts, models=table.models, quality=quality, tasks=table.tasks,
        cost_usd=table.cost_usd,
    )  # fmt: skip
    found = evaluate(holed, Plan(pairs=[("small", "big")], draws=20))
    assert (found.prompts, found.judged_prompts) == (120, 100)
    assert found.pairs[0].strong_quality.value == pytest.approx(quality[:, 2].mean())
    assert "100 prompts are few: look at the intervals, not at the figures" in found.notes


def test_left_out_tasks_leave_the_label_mean_nothing() -> None:
    """It has never seen the label, so it is chance between two models, and says so by APGR ½."""
    found = evaluate(synthetic(), Plan(pairs=[("small", "big")], leave_tasks_out=True, draws=50))
    assert pair_line(found, "label mean").apgr.value == pytest.approx(0.5)
    assert found.split == "tasks left out"
    assert any("traffic of a new kind" in note for note in found.notes)


def test_a_baselines_name_is_taken() -> None:
    """What is judged must not hide what it is judged against."""
    table = synthetic(60)
    with pytest.raises(TableError, match="'label mean' is the name of a baseline"):
        evaluate(table, Plan(scores={"label mean": np.zeros(table.quality.shape)}))


def test_scores_from_elsewhere_are_judged_as_they_are() -> None:
    """Perfect ones are the oracle; the report says that nobody knows where they come from."""
    table = synthetic(300)
    found = evaluate(table, Plan(scores={"mine": table.quality.copy()}, pairs=[("small", "big")], draws=50))
    assert fleet_line(found, "mine").regret.value == pytest.approx(0)
    assert pair_line(found, "mine").apgr.value == pytest.approx(pair_line(found, "oracle").apgr.value, abs=0.05)
    assert any("taken at their word" in note for note in found.notes)


def test_a_constant_is_random_wherever_it_comes_from() -> None:
    """Scores from a file that say the same of all prompts, and a learner that does: APGR is ½ to the last digit."""
    table = synthetic(200)
    same = np.tile([0.3, 0.9, 0.6], (200, 1))
    plan = Plan(scores={"same": same}, learners=[Constant()], pairs=[("small", "big")], draws=20)
    found = {line.name: line.apgr for line in evaluate(table, plan).pairs[0].lines}
    for name in ("same", "constant"):
        assert (found[name].value, found[name].low, found[name].high) == pytest.approx((0.5, 0.5, 0.5))


class Constant:
    """A learner of the means alone."""

    name = "constant"

    def fit(self, table: Table) -> Scorer:
        """The same for every prompt, another in each fold."""
        mean = table.quality.mean(axis=0)
        return lambda asked: np.tile(mean, (len(asked), 1))


def test_bounds_with_refits_hold_the_luck_of_training_too() -> None:
    """A learner that copies one training prompt is far less sure than its figure on fixed folds says."""
    rng = np.random.default_rng(4)
    names = [f"prompt {row}" for row in range(120)]
    quality = np.column_stack([rng.random(120) < 0.4, rng.random(120) < 0.7]).astype(float)
    table = Table(ids=names, prompts=names, models=("a", "b"), quality=quality)

    class First:
        """Whichever model was better on the first training prompt, everywhere."""

        name = "first"

        def fit(self, known: Table) -> Scorer:
            better = known.quality[0]
            return lambda asked: np.tile(better, (len(asked), 1))

    plan = Plan(learners=[First()], pairs=[("a", "b")], folds=2, draws=50, refit=20)
    report = evaluate(table, plan)
    assert report.refit is not None
    assert report.intervals == "judged prompts drawn, learners as fitted"
    assert report.fleet is not None
    lines = {(line.name, line.where): line for line in report.refit.lines}
    assert {where for _, where in lines} == {"a or b", "all models"}
    assert ("best single", "a or b") not in lines
    once = next(line for line in report.fleet.lines if line.name == "first")
    again = lines["first", "all models"]
    assert again.figure.value == pytest.approx(once.quality.value)
    assert again.figure.low < again.figure.value < again.figure.high
    assert lines["label mean", "a or b"].over_label_mean.value == 0.0
    assert evaluate(table, plan).refit == report.refit, "the seed says which prompts are drawn"
    assert evaluate(table, Plan(folds=2, draws=20)).refit is None
