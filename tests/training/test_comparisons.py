"""Training on comparisons: ratings are those of maximum likelihood, prompts add to them, and bad rows are refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from junctor import _core
from junctor.evaluation import TableError
from junctor.training import (
    Comparisons,
    Preferred,
    Recipe,
    TrainingError,
    judge_preference,
    read_comparisons,
    train_preference,
)
from junctor.training.design import Features
from junctor.training.ratings import doubts, ratings
from tests.training.tables import learnable

SMALL = Recipe(features=Features(bits=10), day=20_000)


def votes(rows: Sequence[tuple[int, int, float]], models: Sequence[str] = "abc") -> Comparisons:
    """Comparisons of these models by place, each with a prompt of its own."""
    first, second, won = (np.array(column) for column in zip(*rows, strict=True))
    prompts = [f"prompt number {number}" for number in range(len(rows))]
    return Comparisons(
        prompts=prompts, models=tuple(models), first=first, second=second, won=won.astype(float),
        groups=np.arange(len(rows)),
    )  # fmt: skip


def preferred(prompts: int = 800, seed: int = 0) -> Comparisons:
    """`small` and `large` are as good on easy prompts, `large` wins hard ones; `poor` loses against both."""
    rng = np.random.default_rng(seed)
    table = learnable(prompts, seed=seed)
    skill = np.array([[0.0, 3.0, -2.0] if task == "hard" else [3.0, 3.0, -2.0] for task in table.tasks or ()])
    pairs = np.array([rng.choice(3, 2, replace=False) for _ in range(prompts)])
    rows = np.arange(prompts)
    chance = 1.0 / (1.0 + np.exp(skill[rows, pairs[:, 1]] - skill[rows, pairs[:, 0]]))
    won = (rng.random(prompts) < chance).astype(float)
    won[rng.random(prompts) < 0.1] = 0.5
    return Comparisons(
        prompts=table.prompts, models=("small", "large", "poor"), first=pairs[:, 0], second=pairs[:, 1], won=won,
        groups=rows,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Comparisons:
    """Eight hundred comparisons of three models."""
    return preferred()


@pytest.fixture(scope="module")
def trained(made: Comparisons) -> Preferred:
    """A scorer of them."""
    return train_preference(made, SMALL)


def test_two_models_are_apart_by_the_logarithm_of_their_wins() -> None:
    found, errors = ratings(votes([(0, 1, 1.0)] * 60 + [(1, 0, 1.0)] * 18 + [(0, 1, 0.5)] * 4, "ab"), prior=1e-9)
    assert found[0] - found[1] == pytest.approx(np.log(62 / 20), abs=1e-6)
    assert errors[0] > 0
    held, _ = ratings(votes([(0, 1, 1.0)] * 60 + [(1, 0, 1.0)] * 20, "ab"))
    assert 0.9 < (held[0] - held[1]) / np.log(3.0) < 1.0, "the prior holds back a little"


def test_ratings_are_those_of_a_slow_twin() -> None:
    """Gradient ascent on the likelihood with its prior, step by small step."""
    rng = np.random.default_rng(4)
    rows = [
        (*rng.choice(4, 2, replace=False).tolist(), rng.choice([0.0, 0.5, 1.0], p=[0.2, 0.2, 0.6])) for _ in range(300)
    ]
    made = votes(rows, "abcd")
    slow = np.zeros(4)
    for _ in range(4_000):
        chance = 1.0 / (1.0 + np.exp(slow[made.second] - slow[made.first]))
        slope = 0.5 * (0.5 - 1.0 / (1.0 + np.exp(-slow)))
        np.add.at(slope, made.first, made.won - chance)
        np.add.at(slope, made.second, chance - made.won)
        slow += 0.01 * slope
    np.testing.assert_allclose(ratings(made)[0], slow, atol=1e-6)


def test_a_cycle_makes_equals() -> None:
    found, _ = ratings(votes([(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0)] * 20))
    np.testing.assert_allclose(found, 0.0, atol=1e-9)


def test_who_has_only_won_stays_finite_and_the_order_of_rows_changes_nothing() -> None:
    rows = [(0, 1, 1.0)] * 40 + [(1, 2, 1.0)] * 30 + [(2, 1, 1.0)] * 5
    found, _ = ratings(votes(rows))
    assert np.isfinite(found).all()
    assert found[0] > found[1] > found[2]
    np.testing.assert_allclose(ratings(votes(rows[::-1]))[0], found, atol=1e-9)


def test_a_model_that_was_never_compared_is_average_and_said_so() -> None:
    made = votes([(0, 1, 1.0)] * 10 + [(3, 4, 1.0)] * 10, "abcde")
    found, errors = ratings(made)
    assert found[2] == pytest.approx(0.0, abs=1e-9)
    assert errors[2] == pytest.approx(np.sqrt(8.0)), "half a game of even odds: an eighth of information"
    alone, apart = doubts(made)
    assert alone.startswith("c: never compared, so it is rated as an average model")
    assert "a, b; d, e" in apart
    assert doubts(votes([(0, 1, 1.0), (1, 2, 0.0)])) == ()


def test_prompts_say_more_than_ratings(made: Comparisons, trained: Preferred) -> None:
    assert trained.reference == "large"
    scorer = _core.Scorer(trained.artifact)
    easy, hard = (
        scorer.scores("please write a poem about the weather"),
        scorer.scores("say why the proof of the theorem"),
    )
    assert easy[0] > hard[0] + 0.1
    assert easy[1] == hard[1] == pytest.approx(0.5, abs=1e-6), "the reference against itself"
    assert max(easy[2], hard[2]) < 0.2
    figures = judge_preference(made, trained, draws=200)
    assert figures.gain.low > 0.0
    assert figures.error["scorer"].value < figures.error["ratings alone"].value < figures.error["coin"].value
    assert figures.winner["scorer"].value > 0.8
    assert figures.winner["coin"].value == 0.5
    assert figures.calibration < 0.1
    assert figures.points["large"][0] > figures.points["small"][0] > figures.points["poor"][0]


def test_the_same_comparisons_give_the_same_bytes_and_any_reference(made: Comparisons, trained: Preferred) -> None:
    assert train_preference(made, SMALL).artifact == trained.artifact
    other = train_preference(made, SMALL, reference="poor")
    scores = _core.Scorer(other.artifact).scores("a poem")
    assert scores[2] == pytest.approx(0.5, abs=1e-6)
    assert min(scores[:2]) > 0.8


def test_noise_is_not_taken_for_preference(made: Comparisons) -> None:
    rng = np.random.default_rng(8)
    noise = Comparisons(
        prompts=made.prompts, models=made.models, first=made.first, second=made.second, groups=made.groups,
        won=rng.permutation(made.won),
    )  # fmt: skip
    found = train_preference(noise, SMALL)
    figures = judge_preference(noise, found, draws=200)
    assert figures.gain.value < 0.01
    scorer = _core.Scorer(found.artifact)
    assert abs(scorer.scores("a poem")[2] - scorer.scores("the integral")[2]) < 0.2


def _same(row: tuple[int, int, float], times: int = 120) -> Comparisons:
    return votes([row] * times)


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (votes([(0, 1, 1.0), (1, 0, 1.0)] * 20), "comparisons of 40 different prompts; training needs at least 100"),
        (_same((0, 1, 0.5)), "every comparison is a tie; training needs some that were won"),
        (_same((0, 1, 1.0)), "'a' has won every comparison"),
        (votes([(0, 1, 1.0)] * 120, [f"m{n}" for n in range(33)]), "it has 33 models; a scorer of pairs holds 2 to 32"),
    ],
)
def test_what_teaches_nothing_is_refused(spoiled: Comparisons, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        train_preference(spoiled, SMALL)


def test_a_reference_that_is_not_there_is_refused(made: Comparisons) -> None:
    with pytest.raises(TrainingError, match="the reference is 'huge'; allowed are small, large, poor"):
        train_preference(made, SMALL, reference="huge")


def _file(tmp_path: Path, rows: Sequence[Sequence[str]], header: str = "prompt,model_a,model_b,winner") -> Path:
    file = tmp_path / "votes.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([header.split(","), *rows])
    return file


def test_every_word_for_a_winner_is_read(tmp_path: Path) -> None:
    words = ["model_a", "a", "A", "Model_A", "x", "model_b", "b", "y", "tie", "Tie (bothbad)", "both_bad"]
    made = read_comparisons(_file(tmp_path, [["p", "x", "y", word] for word in words]))
    assert made.won.tolist() == [1.0] * 5 + [0.0] * 3 + [0.5] * 3
    assert made.models == ("x", "y")
    assert np.unique(made.groups).tolist() == [0]
    assert made.notes == ("10 of 11 prompts stand there before; equal ones share a fold",)
    # A model that is called `b` is itself, wherever it stands.
    named = read_comparisons(_file(tmp_path, [["p", "b", "a", "b"], ["q", "b", "a", "a"]]))
    assert named.won.tolist() == [1.0, 0.0]


def test_models_choose_among_rows_and_may_be_new(tmp_path: Path) -> None:
    file = _file(tmp_path, [["p", "x", "y", "a"], ["q", "x", "z", "b"]])
    made = read_comparisons(file, models=["y", "x", "new"])
    assert (len(made), made.models, made.first.tolist()) == (1, ("y", "x", "new"), [1])
    assert made.notes == ("1 of 2 comparisons are of other models and left out",)
    with pytest.raises(TableError, match="no row compares two of y, z"):
        read_comparisons(file, models=["y", "z"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ["p", "x", "y", "maybe"],
            r"row 2 \(line 3\), column 'winner' is 'maybe'; allowed is model_a, model_b, tie, 'x' or 'y'",
        ),
        (["p", "x", "y", ""], r"row 2 \(line 3\), column 'winner' is ''"),
        (["p", "x", "y", "z"], "column 'winner' is 'z'"),
        ([" ", "x", "y", "a"], "column 'prompt' is ' '; allowed is a prompt of at least one byte"),
        (["p", "", "y", "a"], "column 'model_a' is ''; allowed is the name of a model"),
        (["p", "x", "x", "a"], "column 'model_b' is 'x'; allowed is another model than model_a"),
    ],
)
def test_a_row_without_meaning_is_told_with_its_place(tmp_path: Path, row: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_comparisons(_file(tmp_path, [["p", "x", "y", "a"], row]))


def test_a_file_of_something_else_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="has no column 'winner'"):
        read_comparisons(_file(tmp_path, [["p", "x", "y"]], "prompt,model_a,model_b"))
    with pytest.raises(TableError, match="has no column 'prompt'"):
        read_comparisons(_file(tmp_path, [["x", "y", "a"]], "model_a,model_b,winner"))
    (tmp_path / "v.jsonl").write_text(json.dumps({"prompt": "p", "model_a": "x", "model_b": "y", "winner": 1}))
    with pytest.raises(TableError, match="column 'winner' is 1; allowed is text"):
        read_comparisons(tmp_path / "v.jsonl")
