"""Training on small tables: what is learned is what was there, what cannot be learned is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor import _core
from junctor.evaluation import Table
from junctor.training import Recipe, Trained, TrainingError, judge, train
from junctor.training.calibrate import band, calibrated, knots
from junctor.training.design import Features, design, told
from junctor.training.fit import by_task
from junctor.training.learner import Learned
from junctor.training.ridge import ridge
from tests.training.tables import learnable

SMALL = Recipe(features=Features(bits=12), day=20_000)


@pytest.fixture(scope="module")
def table() -> Table:
    """Six hundred prompts, two models."""
    return learnable()


@pytest.fixture(scope="module")
def trained(table: Table) -> Trained:
    """A scorer of that table."""
    return train(table, SMALL)


def test_a_scorer_tells_hard_from_easy_on_prompts_it_has_not_seen(table: Table, trained: Trained) -> None:
    scorer = _core.Scorer(trained.artifact)
    assert scorer.models == ["small", "large"]
    small_easy, large_easy = scorer.scores("please write a poem about the weather")
    small_hard, large_hard = scorer.scores("please say why the integral is in the proof")
    assert small_easy > 0.7 > 0.4 > small_hard
    assert min(large_easy, large_hard) > 0.8
    figures = judge(table, trained, draws=200)
    assert figures.pair["scorer"].value > 0.7
    assert figures.pair["scorer"].value > figures.pair["length"].high
    assert figures.gain.low > -0.01
    error, alone = figures.brier["small"]
    assert error < alone


def test_the_same_table_and_recipe_give_the_same_bytes(table: Table, trained: Trained) -> None:
    assert train(table, SMALL).artifact == trained.artifact
    assert train(table, replace(SMALL, strength=4.0)).artifact != trained.artifact


def test_the_file_says_what_it_was_made_of(trained: Trained) -> None:
    about = msgspec.json.decode(_core.Scorer(trained.artifact).describe_json())
    assert (about["rows"], about["day"], about["bits"], about["grams"]) == (600, 20_000, 12, [4, 4])
    assert [model["name"] for model in about["models"]] == ["small", "large"]
    assert about["models"][1]["label_mean"] == pytest.approx(0.9, abs=0.03)
    assert trained.rounding < 0.03


def test_missing_cells_are_left_out_and_not_guessed() -> None:
    table = learnable(800, missing=0.3)
    found = train(table, SMALL)
    small_easy, _ = _core.Scorer(found.artifact).scores("a poem")
    small_hard, _ = _core.Scorer(found.artifact).scores("the integral")
    assert small_easy > small_hard + 0.3
    judge(table, found, draws=50)


def test_a_prompt_of_other_words_is_abstained(trained: Trained) -> None:
    scorer = _core.Scorer(trained.artifact)
    assert not scorer.abstains("the integral, the theorem, the proof")
    noise = learnable(400, seed=5)
    shuffled = replace(noise, quality=np.random.default_rng(1).permutation(noise.quality))
    blind = train(shuffled, SMALL)
    assert blind.band > 0.0
    assert blind.abstained.mean() > 0.2, "what cannot be learned is not pretended"


def _with(table: Table, **parts: Any) -> Table:
    return replace(table, **parts)


def _spoiled(table: Table, column: int, value: float) -> Table:
    quality = table.quality.copy()
    quality[:, column] = value
    return _with(table, quality=quality)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.select(np.arange(50)), "it has 50 different prompts; training needs at least 100"),
        (lambda t: _spoiled(t, 1, 1.0), "every answer of 'large' has quality 1; training needs better and worse"),
        (lambda t: _spoiled(t, 0, np.nan), "'small' was measured on 0 prompts; training needs at least 100"),
        (lambda t: _with(t, prompts=[*t.prompts[:-1], " \n"]), "the prompt of '599' is empty; a prompt needs text"),
        (
            lambda t: Table(
                ids=t.ids,
                prompts=t.prompts,
                models=tuple(f"m{n}" for n in range(33)),
                quality=np.tile(t.quality[:, :1], (1, 33)),
            ),
            "it has 33 models; a scorer holds up to 32",
        ),
    ],
)
def test_what_teaches_nothing_is_refused(table: Table, spoil: Callable[[Table], Table], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        train(spoil(table), SMALL)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (replace(SMALL, folds=1), "folds is 1; allowed is 2 to 600"),
        (replace(SMALL, strength=0.0), "strength is 0.0; allowed is a number above 0"),
        (replace(SMALL, strength=float("nan")), "strength is nan"),
        (replace(SMALL, task_strength=-1.0), "task_strength is -1.0; allowed is a number above 0, usually 2"),
    ],
)
def test_a_recipe_without_meaning_is_refused(table: Table, recipe: Recipe, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        train(table, recipe)


def test_means_of_tasks_are_drawn_towards_the_mean_of_all() -> None:
    quality = np.array([[1.0, 0.0]] * 20 + [[0.0, np.nan], [np.nan, 1.0]])
    found = by_task(["many"] * 20 + ["few", "few"], quality, np.array([0.5, 0.5]))
    np.testing.assert_allclose(found[:20], [[30 / 40, 10 / 40]] * 20)
    np.testing.assert_allclose(found[20:], [[10 / 21, 11 / 21]] * 2)


def test_tasks_teach_what_texts_alone_hardly_tell() -> None:
    """Two hundred noisy answers: with their tasks known, the order on other prompts is nearer to the truth."""
    few, rest = learnable(200, seed=7), learnable(2_000, seed=8)
    hard = np.array(rest.tasks) == "hard"

    def agreement(learned: Table) -> float:
        scores = told(_core.Scorer(train(learned, SMALL).artifact), rest)[:, 0]
        return float(np.corrcoef(scores, ~hard)[0, 1])

    assert agreement(few) > agreement(replace(few, tasks=None)) + 0.01


def test_features_of_another_size_are_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="8 to 18 bits"):
        train(table, Recipe(features=Features(bits=30)))


def test_a_scorer_is_its_matrix_times_its_weights(table: Table) -> None:
    """The naive twin in numpy: rows of the design matrix times weights, and the calibration's lines."""
    features = Features(bits=10)
    made = design(table.prompts, features)
    weights = np.random.default_rng(3).normal(size=(features.rows, 3)).astype(np.float32)
    points = [(-20.0, 0.1), (-1.0, 0.2), (1.0, 0.7), (20.0, 0.9)]
    models = [{"name": name, "label_mean": 0.5, "bias": 0.1, "knots": points} for name in "abc"]
    facts = {
        "bits": 10, "pairs": True, "grams": (4, 4), "fields": [], "scales": features.scales, "band": 0.0,
        "rows": 1, "day": 1, "models": models,
    }  # fmt: skip
    steps = np.abs(weights).max(axis=0) / 127
    rounded = np.round(weights / steps) * steps
    expected = calibrated(0.1 + made.x.astype(np.float64) @ rounded.astype(np.float64), points)
    scorer = _core.Scorer(_core.pack_scorer(msgspec.json.encode(facts), weights.tobytes()))
    found = np.array([scorer.scores(prompt) for prompt in table.prompts])
    np.testing.assert_allclose(found, expected, atol=2e-5)


@settings(max_examples=100)
@given(st.text(max_size=300) | st.text(alphabet=st.characters(categories=["Cs", "Ll", "Nd"]), max_size=50))
def test_any_text_is_scored_and_its_features_are_those_of_training(text: str) -> None:
    """Lone surrogates included: Python has them, UTF-8 does not."""
    made = design([text], Features(bits=10))
    assert made.x.shape == (1, 1_024)
    facts = {
        "bits": 10, "pairs": True, "grams": (4, 4), "fields": [], "scales": (1.0, 0.5, 0.3, 0.3),
        "band": 0.0, "rows": 1, "day": 1,
        "models": [{"name": "a", "label_mean": 0.5, "bias": 0.5, "knots": [(-50.0, 0.0), (50.0, 1.0)]}],
    }  # fmt: skip
    weights = np.linspace(-1, 1, 1_024, dtype=np.float32)
    (found,) = _core.Scorer(_core.pack_scorer(msgspec.json.encode(facts), weights.tobytes())).scores(text)
    rounded = np.round(weights * 127) / 127
    raw = 0.5 + float((made.x.astype(np.float64) @ rounded.astype(np.float64))[0])
    assert found == pytest.approx(np.interp(raw, [-50, 50], [0, 1]), abs=1e-4)


def test_conjugate_gradients_solve_the_ridge() -> None:
    from scipy import sparse

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 15)).astype(np.float32)
    y = rng.normal(size=(60, 2)).astype(np.float32)
    known = (rng.random((60, 2)) < 0.7).astype(np.float32)
    found = ridge(sparse.csr_matrix(x), y, known, 3.0)
    for target in range(2):
        rows = known[:, target] > 0
        exact = np.linalg.solve(x[rows].T @ x[rows] + 3.0 * np.eye(15), x[rows].T @ y[rows, target])
        np.testing.assert_allclose(found[:, target], exact, atol=1e-4)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=200))
def test_calibrations_rise_and_stay_in_range(pairs: list[tuple[float, float]]) -> None:
    raw, quality = np.array(pairs).T
    points = knots(raw, quality)
    assert 2 <= len(points) <= 16
    assert all(one[0] < other[0] and one[1] <= other[1] for one, other in pairwise(points))
    assert all(0.0 <= value <= 1.0 for _, value in points)


def test_the_band_covers_what_was_not_predicted_and_no_more() -> None:
    rng = np.random.default_rng(2)
    truth = np.concatenate([np.full(500, 0.5), np.full(500, 0.9)])
    quality = (rng.random(1_000) < truth).astype(float)[:, None]
    near = 0.7 + rng.normal(scale=0.01, size=500)
    predicted = np.concatenate([near, np.full(500, 0.9)])[:, None]
    assert 0.005 < band(predicted, quality, np.array([0.7])) < 0.1
    perfect = quality * 0.9 + 0.05
    assert band(perfect, quality, quality.mean(axis=0)) == 0.0


def test_under_junctor_evaluate_it_is_fitted_on_other_prompts_and_served_as_an_artifact(table: Table) -> None:
    """What is judged is what `junctor train` would write for those prompts: the same scores, to the last bit."""
    known, asked = table.select(np.arange(400)), table.select(np.arange(400, 440))
    scores = Learned().fit(known)(asked)
    scorer = _core.Scorer(train(known).artifact)
    assert scores.shape == (40, 2)
    assert scores.tolist() == [scorer.scores(prompt) for prompt in asked.prompts]
