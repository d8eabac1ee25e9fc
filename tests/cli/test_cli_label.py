"""`junctor label`: a sheet out, a table back, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from junctor.labelling import Record

Run = Callable[..., Any]


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Kept answers of two models to three prompts, in the working directory."""
    monkeypatch.chdir(tmp_path)
    kept = [Record(id=str(n), prompt=f"p{n}", model=model, answer="a") for n in range(3) for model in ("small", "big")]
    Path("kept.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, kept)))
    return "kept.jsonl"


def label(sheet: str, *labels: str) -> None:
    """Fills in labels from the top."""
    with open(sheet, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(sheet, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for row, found in zip(rows, [*labels, *[""] * len(rows)], strict=False):
            writer.writerow(row | {"quality": found})


def test_from_a_sheet_to_a_table_that_is_evaluated(run: Run, records: str) -> None:
    for name in ("ann.csv", "bob.csv"):
        assert run("label", "sheet", records, "-o", name) == (
            0, f"{name}: 6 answers to label, in the column quality\n", "",
        )  # fmt: skip
    label("ann.csv", "5", "1", "2", "5", "1", "4")
    label("bob.csv", "5", "1", "2", "5")
    status, out, err = run("label", "table", records, "ann.csv", "bob.csv", "--top", "5", "-o", "table.csv")
    assert (status, err) == (0, "")
    assert out == "table.csv: 6 of 6 answers with a label; 4 labelled by several, 100% alike, alpha 1.00\n"
    status, out, err = run("evaluate", "table.csv", "--folds", "2", "--draws", "10")
    assert (status, err) == (0, "")
    assert "table.csv: 3 prompts, 2 models" in out


def test_labellers_who_do_not_agree_are_told(run: Run, records: str) -> None:
    for name, labels in (("ann.csv", "010101"), ("bob.csv", "101011")):
        run("label", "sheet", records, "-o", name)
        label(name, *labels)
    status, out, _ = run("label", "table", records, "ann.csv", "bob.csv", "-o", "t.csv", "--json")
    assert status == 0
    told = json.loads(out)
    assert told["agreement"]["alpha"] < 0
    assert told["said"].endswith("too low to conclude from")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("sheet", "kept.jsonl", "s.csv", "-o", "t.csv"), "1 sheets are given; a sheet is made of records alone"),
        (("table", "kept.jsonl", "-o", "t.csv"), "0 sheets are given; name the labelled sheets after the records"),
        (("sheet", "none.jsonl", "-o", "t.csv"), "none.jsonl cannot be read"),
        (("sheet", "kept.jsonl", "-o", "kept.jsonl"), "kept.jsonl is there already; choose another -o, or add --force"),
        (("table", "kept.jsonl", "none.csv", "-o", "t.csv"), "none.csv cannot be read"),
        (("table", "kept.jsonl", "kept.jsonl", "-o", "t.csv"), "kept.jsonl has no column 'key'"),
        (("table", "kept.jsonl", "s.csv", "-o", "t.csv", "--top", "0"), "--top is 0; allowed is a number above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, records: str, argv: tuple[str, ...], said: str) -> None:
    assert records
    status, out, err = run("label", *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
