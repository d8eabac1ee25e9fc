"""Prompts that are nearly the same are one group, those under one template are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from junctor.evaluation import read_table
from junctor.evaluation.alike import near
from junctor.evaluation.folds import by_prompts

QUESTION = (
    "A train leaves the station at {at} o'clock and drives {speed} kilometres in every hour; "
    "how far away is it at noon on the same day?"
)
TEMPLATE = "Answer with one letter. Think step by step before you answer, and do not explain yourself at any length. "


def groups(prompts: list[str]) -> list[int]:
    """The groups of these prompts, all different to begin with."""
    found: list[int] = near(prompts, np.arange(len(prompts), dtype=np.int64)).tolist()
    return found


def test_changed_numbers_and_punctuation_make_no_other_prompt() -> None:
    """And whoever is like a member belongs to the group."""
    first, second = QUESTION.format(at="eight", speed=80), QUESTION.format(at="eight", speed=90)
    other = "Which of the following rivers flows through more than three of the countries of southern Europe today?"
    assert groups([first, other, second, first.replace(";", " -").upper()]) == [0, 1, 0, 0]


def test_short_prompts_are_equal_or_not() -> None:
    """Too little to tell them apart by, and none at all."""
    assert groups(["Add 1 and 2.", "Add 1 and 3.", "", "?", "word"]) == [0, 1, 2, 3, 4]


def test_what_all_prompts_share_says_nothing() -> None:
    """Under one long template every question is a prompt of its own."""
    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in range(4_000)]
    questions = [" ".join(rng.choice(words, 12)) for _ in range(200)]
    assert groups([TEMPLATE + question for question in questions]) == list(range(200))
    twins = [TEMPLATE + questions[0], *(TEMPLATE + question for question in questions), TEMPLATE + questions[0] + "!"]
    assert groups(twins) == [0, *range(200), 0]


@pytest.mark.parametrize("seed", range(3))
def test_bands_find_nearly_all_pairs_that_are_alike(seed: int) -> None:
    """Of pairs that are 75 % alike or more at most one in fifty is missed."""
    rng = np.random.default_rng(seed)
    words = [f"w{number}" for number in range(5_000)]
    prompts = []
    for _ in range(150):
        text = list(rng.choice(words, 40))
        prompts += [" ".join(text), " ".join([*text[:20], "changed", *text[21:]])]
    found = groups(prompts)
    assert sum(found[at] == found[at + 1] for at in range(0, 300, 2)) >= 147
    assert len(set(found)) >= 150


def test_a_table_that_is_read_keeps_them_in_one_fold_and_says_so(tmp_path: Path) -> None:
    """Exact copies are told apart from them."""
    path = tmp_path / "t.csv"
    prompts = [QUESTION.format(at=at, speed=speed) for at in ("eight",) for speed in (80, 90)]
    prompts += [prompts[0], *(f"number {number} of some other short questions" for number in range(8))]
    rows = [f'{number},"{prompt}",{number % 2},1' for number, prompt in enumerate(prompts)]
    path.write_text("id,prompt,a,b\n" + "\n".join(rows), encoding="utf-8")
    table = read_table(path)
    assert table.notes[-2:] == (
        "1 of 11 prompts stand there before; equal ones are never split",
        "1 prompts are nearly another one (seven in ten runs of three words); those are never split either",
    )
    for fold in by_prompts(table, 4):
        assert len({row in fold.test for row in (0, 1, 2)}) == 1
