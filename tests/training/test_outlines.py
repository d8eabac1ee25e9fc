"""What comes with a prompt is learned where a table says it, and counted alike when a request is served."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from junctor._core import Outline, Scorer, features
from junctor.evaluation import TableError, read_table
from junctor.evaluation.folds import by_prompts, held_out
from junctor.outline import figures, outline
from junctor.request import ChatRequest
from junctor.training import Recipe, train
from junctor.training.design import Features
from junctor.training.learner import Learned
from tests.training.tables import learnable, with_tools

SMALL = Recipe(features=Features(bits=12), day=20_000)


def test_a_scorer_learns_what_comes_with_a_prompt() -> None:
    trained = train(with_tools(), SMALL)
    scorer = Scorer(trained.artifact)
    assert scorer.fields == ["tools"]
    prompt = "please tell me about the weather"
    bare, busy = scorer.scores(prompt), scorer.scores(prompt, Outline(tools=9))
    assert bare == scorer.scores(prompt, Outline()) == scorer.scores(prompt, Outline(turns=40, images=3))
    assert bare[0] > 0.7 > bare[0] - 0.3 > busy[0], "a dozen or nine are alike, none is another matter"
    assert busy[1] == pytest.approx(bare[1], abs=0.1)
    assert trained.predicted[:, 0].std() > 0.2, "out of fold as well"


def test_a_scorer_of_texts_alone_is_deaf_to_it() -> None:
    scorer = Scorer(train(learnable(), SMALL).artifact)
    assert scorer.fields == []
    assert scorer.scores("the proof", Outline(tools=9, max_tokens=64)) == scorer.scores("the proof")


def test_evaluation_shows_the_learner_what_came_with_each_prompt() -> None:
    table = with_tools()
    held = held_out(Learned(), table, by_prompts(table, 2))
    quality = table.quality[:, 0]
    assert np.corrcoef(held.scores[:, 0], quality)[0, 1] > 0.6


def test_columns_of_a_table_are_read_by_their_names(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "small": 1, "large": 0, "tools": 3, "structured": True, "turns": 2},
        {"prompt": "b", "small": 0, "large": 1, "tools": None},
        {"prompt": "c", "small": 0.5, "large": 1, "max_tokens": 256},
    ]
    path = tmp_path / "table.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    table = read_table(path)
    assert table.models == ("small", "large")
    assert table.outlines is not None
    assert table.outlines.fields == ("tools", "turns", "structured", "max_tokens")
    expected = (Outline(tools=3, structured=1, turns=2), Outline(), Outline(max_tokens=256))
    assert table.outlines.rows == expected
    assert "taken as what came with the prompts: tools, turns, structured, max_tokens" in table.notes
    assert table.select([2, 0]).outlines == type(table.outlines)(table.outlines.fields, (expected[2], expected[0]))


@pytest.mark.parametrize("cell", ["1.5", "-1", "2000000000", "many"])
def test_a_figure_that_is_no_whole_number_is_refused(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"prompt,small,large,tools\na,1,0,{cell}\nb,0,1,\n")
    with pytest.raises(TableError, match=r"row 1 .*column 'tools' is .*allowed is a whole number from 0"):
        read_table(path)


def test_a_long_table_says_it_once_per_prompt(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,prompt,model,quality,images\n1,a,small,1,2\n1,a,large,0,2\n2,b,small,0,\n2,b,large,1,\n")
    outlines = read_table(path).outlines
    assert outlines is not None
    assert outlines.rows == (Outline(images=2), Outline())


def test_a_request_is_counted_as_a_table_says_it() -> None:
    request = ChatRequest(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Bonjour"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What are these?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}},
                    {"type": "file", "file": {"file_id": "f"}},
                ],
            },
        ],
        tools=[{"type": "function", "function": {"name": "look"}}],
        response_format={"type": "json_object"},
        max_tokens=64,
    )
    counted = figures(request)
    assert counted == {
        "tools": 1, "images": 2, "files": 1, "turns": 2, "system_chars": 19, "structured": 1, "max_tokens": 64,
    }  # fmt: skip
    assert list(counted) == list(Outline.FIELDS)
    assert outline(request) == Outline(**counted)
    plain = ChatRequest(messages=[{"role": "user", "content": "Hello"}], response_format={"type": "text"})
    assert outline(plain) == Outline()
    assert "turns=1" in repr(Outline())


def test_fields_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ValueError, match='fields holds "temperature"; allowed are tools, images'):
        features(["a"], bits=10, pairs=False, grams=(0, 0), fields=["temperature"], outlines=[Outline()])
    with pytest.raises(ValueError, match="fewer outlines than prompts"):
        features(["a", "b"], bits=10, pairs=False, grams=(0, 0), fields=["tools"], outlines=[Outline()])
