"""On tables of public benchmarks, where they are at hand: they are read whole, and known figures come out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from junctor.evaluation import Columns, Table, TableError, read_table
from junctor.evaluation.drafts import read_cascade
from junctor.evaluation.evaluating import Plan, evaluate

DATA = Path(os.environ.get("JUNCTOR_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def shared(name: str, columns: Columns | None = None, *, clip: bool = False) -> Table:
    """A table, or a skipped test that says which is missing."""
    path = DATA / name / "train.csv.gz"
    if not path.is_file():
        pytest.skip(f"the table {name} is neither in $JUNCTOR_DATA nor in ../shared/data")
    return read_table(path, columns=columns, clip=clip)


@pytest.mark.parametrize(
    ("name", "models", "rows", "best"),
    [
        ("routellm_mmlu", 2, 9_764, "gpt4_1106"),
        ("mmlu_pro_fleet", 23, 6_968, "Meta-Llama-3_1-70B"),
        ("llmrouter_multitask", 9, 2_824, "llama-3.1-nemotron-51b-instruct"),
        ("routerarena_sub10", 2, 573, "gemini-2.0-flash-001"),
    ],
)
def test_every_table_is_read_as_it_is(name: str, models: int, rows: int, best: str) -> None:
    """Models are told from other columns without help, and the best of them is the known one."""
    table = shared(name, Columns(prompt=["question", "options"]) if "pro" in name else None, clip="arena" in name)
    assert (len(table), len(table.models)) == (rows, models)
    assert table.models[int(table.quality.mean(axis=0).argmax())] == best
    assert table.tasks is not None


def test_a_metric_that_leaves_its_scale_is_an_error_unless_it_is_clipped() -> None:
    """RouterArena's table has one score below 0."""
    with pytest.raises(TableError, match=r"row 345 \(line [\d,]+\), column 'claude-3-haiku-20240307' is '-0\.033"):
        shared("routerarena_sub10")


def test_on_mmlu_the_label_alone_is_worth_what_routers_publish() -> None:
    """Weak .681 and strong .805 (RouteLLM has 68.1 and 80.6 on all rows); APGR of the label mean about .68."""
    pair = evaluate(shared("routellm_mmlu"), Plan(pairs=[("mixtral_8x7b", "gpt4_1106")], draws=20)).pairs[0]
    lines = {line.name: line.apgr.value for line in pair.lines}
    assert (pair.weak_quality.value, pair.strong_quality.value) == pytest.approx((0.681, 0.805), abs=0.001)
    assert lines["label mean"] == pytest.approx(0.68, abs=0.01)
    assert lines["prompt length"] == pytest.approx(0.60, abs=0.01)


def test_dominance_is_noticed() -> None:
    """RouterArena's part: one model is better and cheaper, so it alone is worth its price."""
    found = evaluate(shared("routerarena_sub10", clip=True), Plan(draws=20)).fleet
    assert found is not None
    assert found.front == ["gemini-2.0-flash-001"]


def test_recorded_drafts_are_joined() -> None:
    """741 prompts of two tiny models; their log-probabilities order prompts a little, the label does more."""
    table = shared("llmrouter_multitask")
    drafts = DATA / "tinylm_logprobs" / "train.csv.gz"
    if not drafts.is_file():
        pytest.skip("the table tinylm_logprobs is neither in $JUNCTOR_DATA nor in ../shared/data")
    with pytest.raises(TableError, match="has drafts of 2 models; name one of"):
        read_cascade(drafts, table, "llama-3.1-nemotron-51b-instruct")
    cascade = read_cascade(drafts, table, "llama-3.1-nemotron-51b-instruct", model="gemma3-270m-pt-q4_k_m")
    assert (len(cascade.table), len(cascade.unsure)) == (741, 6)
