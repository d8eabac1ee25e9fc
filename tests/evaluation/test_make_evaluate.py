"""`make evaluate`: every table that is at hand, or the made-up one, into text, data and pictures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from scripts import evaluate
from scripts.markdown import ROOT


def test_without_tables_the_made_up_one_stands_in_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all four files, and the text that is printed."""
    assert evaluate.main(["--data", str(tmp_path / "none"), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "this is examples/answers.csv, which is made up and says nothing about models" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"answers.{kind}" for kind in ("txt", "json", "svg", "png")
    }
    assert (tmp_path / "out" / "answers.txt").read_text(encoding="utf-8") in said
    assert json.loads((tmp_path / "out" / "answers.json").read_bytes())["prompts"] == 240


def test_a_table_that_cannot_be_evaluated_fails_the_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are evaluated all the same."""
    answers = (ROOT / "examples/answers.csv").read_bytes()
    for name, raw in (("routerarena_sub10", answers), ("mmlu_pro_fleet", b"question,options,m\nq,[],2\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.csv.gz").write_bytes(gzip.compress(raw))
    assert evaluate.main(["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--", "--draws", "20"]) == 1
    said = capsys.readouterr()
    assert "column 'm' is '2'; allowed is 0 to 1" in said.err
    assert "=== routerarena_sub10\nrouterarena_sub10/train.csv.gz: 240 prompts" in said.out
