"""Baselines know what they may know, decide as they say, and are fitted on training folds alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from junctor.evaluation import Table, TableError
from junctor.evaluation.choosers import (
    BestSingle,
    LabelMean,
    PromptLength,
    Scorer,
    always,
    evenly,
    means,
    oracle,
)
from junctor.evaluation.deciding import above_floor, best, settings, traded, within_gap
from junctor.evaluation.folds import by_prompts, by_tasks, held_out, known_costs
from junctor.evaluation.table import Floats


def made(quality: Sequence[Sequence[float]], tasks: str | None = None, cost: list[float] | None = None) -> Table:
    """A table of these scores; prompts grow by a letter each, and `tasks` is a letter per row."""
    scores = np.array(quality, np.float64)
    names = [f"p{number}" + "x" * number for number in range(len(scores))]
    return Table(
        ids=names,
        prompts=names,
        models=tuple("abcdef"[: scores.shape[1]]),
        quality=scores,
        cost_usd=None if cost is None else np.tile(np.array(cost, np.float64), (len(scores), 1)),
        tasks=None if tasks is None else list(tasks),
    )


def assert_choice(found: Floats, wanted: Sequence[Sequence[float]]) -> None:
    """These shares of the models."""
    np.testing.assert_allclose(found, np.array(wanted, np.float64))


def test_means_leave_out_what_was_not_measured() -> None:
    """NaN is no zero; a prior counts as so many prompts, and stands alone where there is nothing."""
    table = made([[0, 1, np.nan], [1, np.nan, np.nan]])
    np.testing.assert_allclose(means(table.quality), [0.5, 1, 0.5])
    np.testing.assert_allclose(means(table.quality, 2, np.array([0.5, 0.5, 0.2])), [0.5, 2 / 3, 0.2])


def test_the_label_mean_knows_labels_and_no_more() -> None:
    """By hand, with five prompts of the whole table beside a label's own; a new label gets their average."""
    table = made([[1, 0], [1, 0], [0, 1], [0, 0]], "xxyy")
    scorer = LabelMean().fit(table)
    asked = made([[0, 0]] * 3, "xyz")
    overall = np.array([0.5, 0.25])
    of_x, of_y = (2 * np.array([1, 0]) + 5 * overall) / 7, (np.array([0, 1]) + 5 * overall) / 7
    np.testing.assert_allclose(scorer(asked), np.stack([of_x, of_y, (of_x + of_y) / 2]))


def test_prompt_length_sees_length_alone() -> None:
    """Long prompts that one model fails are told from short ones; the scores of equal lengths are equal."""
    table = made([[1.0, 1.0]] * 100 + [[0.0, 1.0]] * 100)
    scores = PromptLength().fit(table)(table)
    assert scores[0, 0] > 0.8
    assert scores[-1, 0] < 0.5
    np.testing.assert_allclose(scores[0], scores[1])


def test_decisions_by_hand() -> None:
    """Ties are shared, a price moves the choice, a floor and a gap take the cheapest that will do
    (above no floor: the cheapest of the best)."""
    scores = np.array([[0.5, 0.5, 0.1], [0.2, 0.6, 0.9]])
    cost = np.array([[1.0, 2.0, 4.0]] * 2)
    assert_choice(best(scores), [[0.5, 0.5, 0], [0, 0, 1]])
    assert_choice(traded(scores, cost, 0.2), [[1, 0, 0], [0, 1, 0]])
    assert_choice(above_floor(scores, cost, 0.55), [[1, 0, 0], [0, 1, 0]])
    assert_choice(within_gap(scores, cost, 0.3), [[1, 0, 0], [0, 1, 0]])
    assert_choice(within_gap(scores, cost, 1.0), [[1, 0, 0], [1, 0, 0]])
    assert settings("trade", np.ones((2, 3))) == [0.0]
    assert settings("gap", cost)[::24] == pytest.approx([0, 0.5, 1])


def test_choices_without_scores_by_hand() -> None:
    """Always one, all as often, and the oracle with its ties shared or the cheapest of them."""
    table = made([[1, 1, 0], [0, 0.5, 1]], cost=[3, 2, 1])
    assert_choice(always(table, "b"), [[0, 1, 0]] * 2)
    assert_choice(evenly(table), [[1 / 3] * 3] * 2)
    assert_choice(oracle(table), [[0.5, 0.5, 0], [0, 0, 1]])
    assert_choice(oracle(table, cheapest=True), [[0, 1, 0], [0, 0, 1]])


def test_the_best_single_model_is_chosen_on_training_folds() -> None:
    """`a` is best on one half and `b` on the other: whoever is judged on one half was chosen on the other."""
    table = made([[1, 0]] * 5 + [[0, 1]] * 5, "x" * 5 + "y" * 5)
    held = held_out(BestSingle(), table, by_tasks(table))
    assert_choice(best(held.scores), [[0, 1]] * 5 + [[1, 0]] * 5)
    assert (table.quality * best(held.scores)).sum() == 0


class Spy:
    """A learner that notes what it was shown."""

    name = "spy"

    def __init__(self, answer: Callable[[Table], Floats] = lambda asked: np.zeros(asked.quality.shape)) -> None:
        self.seen: list[tuple[Table, Table]] = []
        self.answer = answer

    def fit(self, table: Table) -> Scorer:
        """Answers zeros, or as it was told."""

        def scorer(asked: Table) -> Floats:
            assert np.isnan(asked.quality).all()
            assert asked.cost_usd is None
            if asked.ids != table.ids:  # of its own training prompts it is asked too, for what it says on average
                self.seen.append((table, asked))
            return self.answer(asked)

        return scorer


def test_a_learner_never_sees_what_it_is_judged_on() -> None:
    """Neither the prompts of its test fold, nor copies of them, nor how any of them ended."""
    base = made([[0, 1], [1, 0]] * 15, cost=[1, 2])
    doubled = base.select([*range(30), *range(30)])
    spy = Spy()
    held_out(spy, doubled, by_prompts(doubled, 5, seed=4))
    assert sorted(name for _, asked in spy.seen for name in asked.ids) == sorted(doubled.ids)
    for fitted, asked in spy.seen:
        assert set(fitted.prompts).isdisjoint(asked.prompts)


def test_tasks_that_are_left_out_take_their_copies_with_them() -> None:
    """A prompt that stands under two tasks is in no training fold when either is judged."""
    table = made([[0, 1], [1, 0]] * 6, "abcabcabcabc")
    table = Table(
        ids=[*table.ids], prompts=["same", "same", *table.prompts[2:]], models=table.models, quality=table.quality,
        tasks=table.tasks,
    )  # fmt: skip
    spy = Spy()
    held_out(spy, table, by_tasks(table))
    assert len(spy.seen) == 3
    for fitted, asked in spy.seen:
        assert set(fitted.tasks or []).isdisjoint(asked.tasks or [])
        assert set(fitted.prompts).isdisjoint(asked.prompts)


def test_folds_are_even_seeded_and_possible() -> None:
    """As many as asked, of equal size by groups; more folds than prompts are refused, and so is one."""
    table = made([[0, 1], [1, 0]] * 10)
    folds = by_prompts(table, 4, seed=1)
    assert [len(fold.test) for fold in folds] == [5] * 4
    assert [fold.test.tolist() for fold in folds] == [fold.test.tolist() for fold in by_prompts(table, 4, seed=1)]
    assert [fold.test.tolist() for fold in folds] != [fold.test.tolist() for fold in by_prompts(table, 4, seed=2)]
    for count in (1, 21):
        with pytest.raises(TableError, match=f"{count} folds were asked for; allowed are 2 to 20, with 20 different"):
            by_prompts(table, count)
    with pytest.raises(TableError, match="leaving tasks out needs two at least; it has 0: name the column"):
        by_tasks(table)


def test_a_learner_that_says_no_numbers_is_refused() -> None:
    """NaN, or as many scores as it likes."""
    table = made([[0, 1], [1, 0]] * 4)
    folds = by_prompts(table, 2)
    with pytest.raises(TableError, match=r"spy said \(4, 2\) scores for fold 1, 8 of them no numbers"):
        held_out(Spy(lambda asked: np.full(asked.quality.shape, np.nan)), table, folds)
    with pytest.raises(
        TableError, match=r"spy said \(4, 1\) scores for fold 1, 0 of them no numbers; .* 4 prompts and 2"
    ):
        held_out(Spy(lambda asked: np.zeros((len(asked), 1))), table, folds)


def test_known_costs_are_means_of_what_is_known() -> None:
    """NaN where nothing is."""
    np.testing.assert_allclose(known_costs(np.array([[1, np.nan, 3], [2, np.nan, np.nan]])), [1.5, np.nan, 3])
