"""Cascades on recorded drafts: signals are read as they are meant, and every prompt pays for its draft."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from junctor.evaluation import Table, TableError
from junctor.evaluation.drafts import read_cascade
from junctor.evaluation.evaluating import Plan, evaluate

HEAD = "id,model,f1,token_logprobs,token_entropies\n"


def strong_table(count: int = 40) -> Table:
    """Two models on so many prompts: `strong` is always right and costs a dollar, `other` never."""
    names = [str(number) for number in range(count)]
    return Table(
        ids=names,
        prompts=[f"prompt {name}" for name in names],
        models=("other", "strong"),
        quality=np.tile([0.0, 1.0], (count, 1)),
        cost_usd=np.tile([0.5, 1.0], (count, 1)),
    )


def drafts(tmp_path: Path, text: str) -> Path:
    """A draft file."""
    path = tmp_path / "drafts.csv"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_signals_by_hand(tmp_path: Path) -> None:
    """Mean, minimum, first and sum of log-probabilities, mean and maximum of entropies; more unsure is more wanted."""
    path = drafts(tmp_path, "0,m,1,-1 -3 -0.5,2 1 0\n3,m,0.5,-2,0.5\n")
    cascade = read_cascade(path, strong_table(), "strong")
    assert (cascade.table.models, cascade.table.ids) == (("m", "strong"), ["0", "3"])
    assert cascade.table.quality.tolist() == [[1, 1], [0.5, 1]]
    found = {name: unsure.tolist() for name, unsure in cascade.unsure.items()}
    assert found == {
        "mean log-prob": [1.5, 2],
        "minimum log-prob": [3, 2],
        "first log-prob": [1, 2],
        "summed log-prob": [4.5, 2],
        "mean entropy": [1, 0.5],
        "maximum entropy": [2, 0.5],
    }


def test_a_silent_draft_goes_on_before_all_others(tmp_path: Path) -> None:
    """And is counted."""
    path = drafts(tmp_path, "0,m,1,,\n1,m,0,-9,1\n2,m,1,-1,1\n")
    cascade = read_cascade(path, strong_table(), "strong")
    assert cascade.unsure["mean log-prob"].tolist() == [np.inf, 9, 1]
    assert any(
        "drafts.csv: 1 drafts without log-probabilities are escalated first" in note for note in cascade.table.notes
    )


def test_a_signal_that_knows_is_worth_something(tmp_path: Path) -> None:
    """Right drafts are sure, wrong ones are not: half of the calls recover the gap; each prompt pays its draft."""
    rows = "".join(f"{n},m,{n % 2},{-0.1 if n % 2 else -2},{n / 40}\n" for n in range(40))
    table = strong_table()
    found = evaluate(table, Plan(cascades=[read_cascade(drafts(tmp_path, rows), table, "strong")], draws=40))
    (pair,) = found.pairs
    lines = {line.name: line for line in pair.lines}
    assert pair.cascade
    assert (pair.weak_quality.value, pair.strong_quality.value) == (0.5, 1)
    # a line to (½, 1), then level: an area of ¼ + ½
    assert lines["mean log-prob"].apgr.value == pytest.approx(0.75)
    assert lines["mean log-prob"].cpt50.value == pytest.approx(0.25)
    assert lines["random"].apgr.value == pytest.approx(0.5)
    assert lines["mean entropy"].apgr.value < 0.6
    assert lines["mean log-prob"].cost_usd_per_1k[0] == 0
    assert lines["mean log-prob"].cost_usd_per_1k[-1] == pytest.approx(1_000)
    assert "the draft is counted as free of charge" in found.notes


def test_a_probe_finds_what_no_single_signal_tells(tmp_path: Path) -> None:
    """Right drafts are long and waver evenly, wrong ones are short: trained on other folds it orders all prompts."""
    right, wrong = "-1 -1 -1 -1 -1", "-1"
    rows = "".join(f"{n},m,{n % 2},{right if n % 2 else wrong},1\n" for n in range(40)) + "40,m,1,,1\n"
    table = strong_table(41)
    (pair,) = evaluate(table, Plan(cascades=[read_cascade(drafts(tmp_path, rows), table, "strong")], draws=40)).pairs
    lines = {line.name: line for line in pair.lines}
    # One silent draft goes on first and wins nothing; then half of the others, every one of them a gain.
    assert lines["trained probe"].role == "judged"
    assert lines["trained probe"].apgr.value == pytest.approx(0.726, abs=0.01)
    assert lines["minimum log-prob"].apgr.value == pytest.approx(0.488, abs=0.01)


def test_drafts_that_are_all_alike_train_no_probe(tmp_path: Path) -> None:
    """And the other signals are told all the same."""
    rows = "".join(f"{n},m,0.5,{-n},1\n" for n in range(40))
    table = strong_table()
    (pair,) = evaluate(table, Plan(cascades=[read_cascade(drafts(tmp_path, rows), table, "strong")], draws=20)).pairs
    assert "trained probe" not in {line.name for line in pair.lines}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,m,1,-1 0.5,1\n", "column 'token_logprobs' has '0.5'; allowed are numbers up to 0, in natural logarithms"),
        ("0,m,1,-1 nan,1\n", "column 'token_logprobs' has 'nan'"),
        ("0,m,1,-1 x,1\n", "column 'token_logprobs' has 'x'; allowed are numbers up to 0"),
        ("0,m,1,-1,-2\n", "column 'token_entropies' has '-2'; allowed are numbers from 0"),
        ("0,m,2,-1,1\n", "column 'f1' is '2'; allowed is 0 to 1"),
        ("0,m,,-1,1\n", "column 'f1' is ''; allowed is 0 to 1"),
        ("900,m,1,-1,1\n", "has no draft for any prompt of table: their ids must be the same"),
        ("0,m,1,-1,1\n1,n,1,-1,1\n", "has drafts of 2 models; name one of m, n"),
        ("0,m,1,-1,1\n", "'m' and 'strong' have the same score on every prompt; there is nothing to choose"),
    ],
)
def test_drafts_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """Positive or broken log-probabilities, scores out of range, drafts of others."""
    with pytest.raises(TableError) as error:
        read_cascade(drafts(tmp_path, text), strong_table(), "strong")
    assert said in str(error.value)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """A model, a column, the nearest one."""
    path = drafts(tmp_path, "0,m,0,-1,1\n")
    with pytest.raises(TableError, match="has no drafts of 'mm'; did you mean 'm'"):
        read_cascade(path, strong_table(), "strong", model="mm")
    with pytest.raises(TableError, match="has no column 'f2'; known columns: id, model, f1"):
        read_cascade(path, strong_table(), "strong", quality="f2")
    with pytest.raises(TableError, match="there is no model 'strongest'; did you mean 'strong'"):
        read_cascade(path, strong_table(), "strongest")
