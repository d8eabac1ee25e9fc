"""Tables: what is read is what was written, what cannot be meant is refused with its place."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from junctor.config.prices import Price, Tier
from junctor.evaluation import Columns, Table, TableError, read_table

WIDE = "id,task,prompt,small,big\n1,a,one,0,1\n2,b,two,0.5,\n3,a,one,1,1\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a text, or bytes, as a file of this name."""

    def written(text: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        raw = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return written


def small_table(scores: list[list[float]], prompts: list[str] | None = None) -> Table:
    """A table of these scores, with models a, b, …"""
    quality = np.array(scores, np.float64)
    names = prompts or [f"prompt {number}" for number in range(len(scores))]
    return Table(ids=names, prompts=names, models=tuple("abcdef"[: quality.shape[1]]), quality=quality)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.tsv.gz", "t.jsonl", "t.jsonl.gz", "t.ndjson"])
def test_every_format_reads_the_same(write: Write, name: str) -> None:
    """CSV, TSV and JSON lines, plain and gzip, give one table."""
    text = WIDE
    if "tsv" in name:
        text = WIDE.replace(",", "\t")
    if "js" in name:
        rows = csv.DictReader(WIDE.splitlines())
        text = "\n".join(json.dumps({k: None if v == "" else v for k, v in row.items()}) for row in rows)
    table = read_table(write(text, name))
    assert (table.ids, table.prompts, table.tasks) == (["1", "2", "3"], ["one", "two", "one"], ["a", "b", "a"])
    assert table.models == ("small", "big")
    np.testing.assert_array_equal(table.quality, [[0, 1], [0.5, np.nan], [1, 1]])
    assert table.groups.tolist() == [0, 1, 0]
    assert table.cost_usd is None


def test_what_was_found_is_told(write: Write) -> None:
    """Missing cells, duplicates, inferred models and the absence of costs are notes, not silence."""
    assert read_table(write(WIDE)).notes == (
        "taken as models, having only scores from 0 to 1: small, big",
        "no costs: the table has no dollars, and no price was given",
        "1 of 3 prompts stand there before; equal ones are never split",
        "big: 1 of 3 prompts were not measured",
    )


def test_a_long_table_is_the_wide_one_in_other_words(write: Write) -> None:
    """Rows of prompt and model, in any order, a missing row not measured."""
    long = "id,prompt,model,quality,cost\n2,two,small,.5,3\n1,one,big,1,2\n1,one,small,0,1\n"
    table = read_table(write(long))
    assert (table.ids, table.models) == (["2", "1"], ("small", "big"))
    np.testing.assert_array_equal(table.quality, [[0.5, np.nan], [0, 1]])
    np.testing.assert_array_equal(table.cost_usd, [[3, np.nan], [1, 2]])
    assert read_table(write(long), columns=Columns(models=["b*"])).models == ("big",)


def test_dollars_come_from_the_table_tokens_or_characters(write: Write) -> None:
    """The table's own dollars; tokens at a price with its tier; characters by the rule of thumb; a price per call."""
    text = "prompt,a,a|usd,b,b|in_tok,b|out_tok,c,c|chars,d\nseven b,1,0.5,0,100,10,1,40,0\n"
    tiered = Price(input=1_000_000, output=2_000_000, tiers=(Tier(above=99, input=3_000_000, output=0),))
    table = read_table(
        write(text),
        columns=Columns(models=["a", "b", "c", "d"]),
        prices={"b": tiered, "c": Price(input=1_000_000, output=2_000_000), "d": 0.25},
    )
    assert table.cost_usd is not None
    np.testing.assert_allclose(table.cost_usd[0], [0.5, 300e-6, (2 * 1 + 10 * 2) * 1e-6, 0.25])
    assert table.notes == ("costs are estimated: prompts by 3.5 bytes per token and answers by 4 characters per token",)


def test_prompts_of_several_columns_are_joined(write: Write) -> None:
    """A question with its options, as letters; what is not a list stays as it is."""
    text = 'question,options,note,m,n\nWhy?,"[""x"", ""y""]",[so,0,1\n'
    table = read_table(write(text), columns=Columns(prompt=["question", "options", "note"], models=["n", "m"]))
    assert table.prompts == ["Why?\nA. x\nB. y\n[so"]
    assert table.models == ("n", "m")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows; give at least one prompt"),
        ("prompt,m\n", "holds no rows"),
        ("prompt,m\np,nan\n", "row 1 (line 2), column 'm' is 'nan'; allowed is a number from 0 to 1"),
        ("prompt,m\np,inf\n", "column 'm' is 'inf'; allowed is a number from 0 to 1"),
        ("prompt,m\np,1\nq,-1e999\n", "row 2 (line 3), column 'm' is '-1e999'"),
        ("prompt,m\np,1.01\n", "column 'm' is '1.01'; allowed is 0 to 1"),
        ("prompt,m\np,-0.1\n", "column 'm' is '-0.1'; allowed is 0 to 1"),
        ("prompt,m\np,yes\n", "column 'm' is 'yes'; allowed is a number from 0 to 1, or nothing if"),
        ("prompt,m\n\"a\nb\",1\n,0\n", "row 2 (line 4), column 'prompt' is ''; allowed is a prompt of at least"),
        ("prompt,m,n\np,1,1\nq,1,1\n", "all 4 scores are 1, so there is nothing to tell apart"),
        ("prompt,m,n\np,,\n", "no answer has a score; fill in at least one cell per model"),
        ("prompt,m\np,1,1\n", "row 1 (line 2) has 3 cells; the header has 2"),
        ("prompt,m,m\np,1,1\n", "the header has 'm' twice"),
        ("prompt,,m\np,1,1\n", "a column called ''"),
        ('prompt,m\n"p"x,1\n', "row 1 (line 2) is no CSV"),
        ("promt,m\np,1\n", "has no column 'prompt' or 'question'"),
        ("prompt,id\np,1\n", "has no column of scores; add one per model"),
        ("prompt,m,m|cents\np,1,1\n", "has a column 'm|cents'; allowed after a model's name are |usd, |in_tok"),
        ("prompt,m,m|usd\np,1,-2\n", "column 'm|usd' is '-2'; allowed is 0 to 1,000,000"),
        ("id,prompt,m\n1,p,1\n1,q,0\n", "column 'id' is '1'; allowed is one prompt per id, and row 1 (line 2) has"),
        ("id,prompt,m\n,p,1\n", "column 'id' is ''; allowed is a name for the prompt"),
        ("prompt,model,quality\np,a,1\np,a,0\n", "row 2 (line 3) is 'a' with 'p' again, after row 1 (line 2)"),
        ("prompt,model,quality\np,,1\n", "column 'model' is ''; allowed is the name of a model"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(write: Write, text: str, message: str) -> None:
    """With file, row, column, value, what is allowed and a hint."""
    with pytest.raises(TableError) as error:
        read_table(write(text))
    assert message in str(error.value)
    assert "t.csv" in str(error.value)


@pytest.mark.parametrize(
    ("raw", "name", "message"),
    [
        (b"prompt,m\nab\xff,1\n", "t.csv", "row 1 (line 2), column 'prompt' is not valid Unicode at character 2"),
        (b'{"prompt": "p\xff", "m": 1}', "t.jsonl", "row 1 (line 1) is no JSON"),
        (b'\n{"prompt": "p", "m": 1}\n[1]', "t.jsonl", "row 2 (line 3) is a list; allowed is a JSON object"),
        (b'{"prompt": 7, "m": 1}', "t.jsonl", "row 1 (line 1), column 'prompt' is 7; allowed is text"),
        (b'{"prompt": "p", "m": {}}', "t.jsonl", "column 'm' is an empty mapping; allowed is a number"),
        (b'{"prompt": "p", "m": 1}', "t.txt", "the name ends in none of .csv, .tsv, .jsonl, .ndjson"),
    ],
)
def test_bytes_that_are_no_text_are_refused(write: Write, raw: bytes, name: str, message: str) -> None:
    """Invalid Unicode and JSON that is no row, with their place."""
    with pytest.raises(TableError, match=r".") as error:
        read_table(write(raw, name))
    assert message in str(error.value)


def test_a_damaged_gzip_file_is_told_as_one(tmp_path: Path) -> None:
    """Cut off, or no file at all."""
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(WIDE.encode() * 100)[:-20])
    with pytest.raises(TableError, match=r"was cut off or damaged .*; copy it again"):
        read_table(path)
    with pytest.raises(TableError, match=r"none.csv cannot be read \(No such file"):
        read_table(tmp_path / "none.csv")


def test_a_prompt_of_5_mb_is_read_and_one_beyond_the_bound_is_not(write: Write) -> None:
    """Prompts up to 16 MiB are prompts; the limit of the csv module is left as it was."""
    before = csv.field_size_limit()
    assert len(read_table(write(f"prompt,m\n{'x' * 5_000_000},1\n")).prompts[0]) == 5_000_000
    with pytest.raises(TableError, match=r"row 1 \(line 2\) is no CSV .* up to 16,777,216 characters"):
        read_table(write(f"prompt,m\n{'x' * (16 * 1024 * 1024 + 1)},1\n"))
    with pytest.raises(TableError, match=r"column 'prompt' has 16,777,220 bytes; allowed is up to 16,777,216"):
        read_table(write(f"prompt,m\n{'é' * (8 * 1024 * 1024 + 2)},1\n"))
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(prompt="promt"), "has no column 'promt'; did you mean 'prompt'?"),
        (Columns(task="tsk"), "has no column 'tsk'; did you mean 'task'?"),
        (Columns(ignore=["smal"]), "has no column 'smal'; did you mean 'small'?"),
        (Columns(models=["bigg"]), "has no model 'bigg'; did you mean 'big'?"),
        (Columns(models=["x*"]), "has no model 'x*'; known models: small, big"),
    ],
)
def test_columns_that_are_not_there_are_refused(write: Write, columns: Columns, message: str) -> None:
    """With the nearest that is."""
    with pytest.raises(TableError) as error:
        read_table(write(WIDE), columns=columns)
    assert message in str(error.value)


def test_prices_must_fit(write: Write) -> None:
    """A price for nobody; a price per token where nothing tells how long answers were."""
    with pytest.raises(TableError, match=r"no model 'bigg' to price; did you mean 'big'\?"):
        read_table(write(WIDE), prices={"bigg": 1.0})
    with pytest.raises(TableError, match=r"no column big\|out_tok or big\|chars says how long its answers were"):
        read_table(write(WIDE), prices={"big": Price(input=1, output=1)})
    table = read_table(write(WIDE), prices={"big": Price(input=0, output=2_000_000)}, answer_tokens=50)
    assert table.cost_usd is not None
    np.testing.assert_allclose(table.cost_usd[:, 1], 1e-4)
    assert "no costs are known of small" in table.notes


def test_scores_of_another_scale_are_divided_or_clipped(write: Write) -> None:
    """`top` says what perfect is; `clip` moves what lies beyond, and says how many."""
    text = "prompt,m,n\np,8,-1\nq,10,4\n"
    with pytest.raises(TableError, match="allowed is 0 to 10: clip it, or say the top score"):
        read_table(write(text), columns=Columns(models=["m", "n"]), top=10)
    table = read_table(write(text), columns=Columns(models=["m", "n"]), top=10, clip=True)
    np.testing.assert_array_equal(table.quality, [[0.8, 0], [1, 0.4]])
    assert "scores moved to the nearest end of 0 to 10: 1" in table.notes


def test_a_split_never_separates_equal_prompts() -> None:
    """Whatever the seed, and with the share that was asked for, in groups."""
    prompts = [f"Prompt  {number % 40}" if number % 2 else f"prompt {number % 40}" for number in range(100)]
    table = small_table([[0, 1]] * 100, prompts)
    for seed in range(20):
        rest, held = table.split(0.25, seed=seed)
        assert {p.casefold().split()[1] for p in rest.prompts}.isdisjoint(p.casefold().split()[1] for p in held.prompts)
        assert len(np.unique(held.groups)) == 10
        assert len(rest) + len(held) == 100
    assert table.split(0.25, seed=1)[1].ids == table.split(0.25, seed=1)[1].ids


def test_a_pair_is_what_both_were_measured_on() -> None:
    """Weak first; refused if there is nothing to choose."""
    table = small_table([[0, 1, 0], [np.nan, 1, 1], [1, 0, 1], [1, 1, 1]])
    pair = table.pair("b", "a")
    assert (pair.models, len(pair)) == (("b", "a"), 3)
    np.testing.assert_array_equal(pair.quality, [[1, 0], [0, 1], [1, 1]])
    with pytest.raises(TableError, match="'a' and 'c' have the same score on every prompt"):
        table.pair("a", "c")
    with pytest.raises(TableError, match="weak and strong are both 'a'"):
        table.pair("a", "a")
    with pytest.raises(TableError, match="there is no model 'x'; known models: a, b, c"):
        table.pair("x", "a")


def test_a_table_is_checked_however_it_was_made() -> None:
    """Scores out of range, wrong shapes, a model twice; and its arrays cannot be written to."""
    with pytest.raises(TableError, match=r"quality of 'b' in row 1 is 1.5; allowed: 0 to 1"):
        small_table([[0, 1.5]])
    with pytest.raises(TableError, match="0 prompts"):
        Table(ids=[], prompts=[], models=("a",), quality=np.zeros((0, 1)))
    with pytest.raises(TableError, match="a model stands twice"):
        Table(ids=["1"], prompts=["p"], models=("a", "a"), quality=np.zeros((1, 2)))
    with pytest.raises(TableError, match=r"cost_usd is float64 of \(1, 2\); allowed is float64 of \(1, 1\)"):
        Table(ids=["1"], prompts=["p"], models=("a",), quality=np.zeros((1, 1)), cost_usd=np.zeros((1, 2)))
    with pytest.raises(ValueError, match="read-only"):
        small_table([[0, 1]]).quality[0, 0] = 1
    with pytest.raises(TableError, match="no row is left"):
        small_table([[0, 1]]).select([])
