"""`junctor train`: a table in, a scorer and its figures out; what cannot be trained on is a sentence and status 2."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from junctor import _core
from tests.cli.conftest import Run
from tests.training.tables import learnable
from tests.training.test_comparisons import preferred
from tests.training.vectors import projected


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


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """The same with an embedding for each prompt, as JSON lines."""
    made = learnable(400)
    rows = [
        {"prompt": prompt, "embedding": vector, "small": small, "large": large}
        for prompt, vector, (small, large) in zip(
            made.prompts, projected(made.prompts).tolist(), made.quality.tolist(), strict=True
        )
    ]
    file = tmp_path / "vectors.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """Which of two was preferred, as CSV."""
    made = preferred(300)
    words = {1.0: "model_a", 0.0: "model_b", 0.5: "tie"}
    file = tmp_path / "votes.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["prompt", "model_a", "model_b", "winner"])
        for prompt, one, other, won in zip(made.prompts, made.first, made.second, made.won, strict=True):
            rows.writerow([prompt, made.models[one], made.models[other], words[float(won)]])
    return file


def test_embeddings_become_a_scorer_of_the_kind_that_was_asked_for(run: Run, vectors: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jqs"
    told = json.loads(
        run(
            "train",
            str(vectors),
            "--out",
            str(out),
            "--kind",
            "knn",
            "--embedded-by",
            "m",
            "--vectors",
            "200",
            "--json",
        ).out
    )
    assert told["kind"] == "knn"
    assert any("200 of 400 prompts are kept" in note for note in told["notes"])
    assert _core.Scorer(out.read_bytes()).embeddings == ("m", 48)
    ran = run("train", str(vectors), "--out", str(out), "--kind", "mf", "--embedded-by", "m")
    assert (ran.status, _core.Scorer(out.read_bytes()).kind) == (0, "mf")
    assert "factors, ridge" in ran.out


def test_comparisons_become_a_scorer_with_figures(run: Run, votes: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jqs"
    ran = run("train", str(votes), "--comparisons", "--out", str(out), "--reference", "large")
    assert (ran.status, ran.err) == (0, "")
    for word in ("chance against large", "Elo points", "ratings alone", "coin", "winner predicted", "train again"):
        assert word in ran.out
    assert _core.Scorer(out.read_bytes()).models == ["large", "poor", "small"]
    told = json.loads(run("train", str(votes), "--comparisons", "--out", str(out), "--rows", "250", "--json").out)
    assert (told["comparisons"], told["kind"]) == (250, "linear")
    assert told["qualities"][told["reference"]] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "knn"], "the name of the embedding model is ''"),
        (["--embedded-by", "m"], "--embedded-by belongs to --kind knn or mf"),
        (["--kind", "mf", "--embedded-by", "m", "--vectors", "5"], "--vectors belongs to --kind knn"),
        (["--reference", "small"], "--reference belongs to --comparisons"),
        (["--comparisons"], "has no column 'model_a'"),
        (["--comparisons", "--kind", "knn"], "with --comparisons allowed is linear"),
    ],
)
def test_kinds_and_comparisons_that_make_no_sense_are_one_sentence(
    run: Run, vectors: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ran = run("train", str(vectors), "--out", str(tmp_path / "s.jqs"), *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "s.jqs").exists()


def test_a_table_without_embeddings_is_told_so(run: Run, table: Path, tmp_path: Path) -> None:
    ran = run("train", str(table), "--out", str(tmp_path / "s"), "--kind", "knn", "--embedded-by", "m")
    assert ran.status == 2
    assert "has no column 'embedding'; a scorer of kind knn needs a vector for each prompt" in ran.err
