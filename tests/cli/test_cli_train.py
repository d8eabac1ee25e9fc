"""`junctor train`: a table in, a scorer and its figures out; what cannot be trained on is a sentence and status 2."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from junctor import _core
from tests.cli.conftest import Run
from tests.training.tables import learnable


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table that can be learned from, as CSV."""
    made = learnable(400)
    file = tmp_path / "answers.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "task", "prompt", *made.models])
        for number, prompt in enumerate(made.prompts):
            assert made.tasks is not None
            rows.writerow([made.ids[number], made.tasks[number], prompt, *made.quality[number]])
    return file


def test_a_table_becomes_a_scorer_with_figures(run: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jqs"
    ran = run("train", str(table), "--out", str(out))
    assert (ran.status, ran.err) == (0, "")
    for word in ("best single", "random", "oracle", "task label", "length", "abstains", "mean quality", "train again"):
        assert word in ran.out
    assert _core.Scorer(out.read_bytes()).models == ["small", "large"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["answers.csv", "s.jqs"]


def test_machines_read_the_same(run: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jqs"
    told = json.loads(run("train", str(table), "--out", str(out), "--rows", "300", "--json").out)
    assert (told["prompts"], told["models"], told["bytes"]) == (300, ["small", "large"], out.stat().st_size)
    assert told["id"] == json.loads(_core.Scorer(out.read_bytes()).describe_json())["id"]
    value, low, high = told["out_of_fold"]["pair"]["scorer"]
    assert low < value < high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "50"], "it has 50 different prompts; training needs at least 100"),
        (["--rows", "0"], "--rows is 0; allowed is 1 to 400"),
        (["--folds", "1"], "folds is 1"),
        (["--models", "smal"], "smal"),
        (["--strength", "0"], "strength is 0"),
    ],
)
def test_what_cannot_be_trained_on_is_one_sentence(
    run: Run, table: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ran = run("train", str(table), "--out", str(tmp_path / "s.jqs"), *arguments)
    assert ran.status == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "s.jqs").exists()


def test_a_file_that_cannot_be_written_is_told(run: Run, table: Path, tmp_path: Path) -> None:
    ran = run("train", str(table), "--out", str(tmp_path / "nowhere" / "s.jqs"))
    assert ran.status == 2
    assert "cannot be written" in ran.err
