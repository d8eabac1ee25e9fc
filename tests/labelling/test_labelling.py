"""From traffic to a table and back: kept, scrubbed, labelled by people or a judge, and read by the evaluation."""

from __future__ import annotations

import asyncio
import csv
import math
import re
import stat
from itertools import combinations
from pathlib import Path

import pytest

from junctor.evaluation import read_table
from junctor.labelling import (
    Judge,
    Record,
    Sample,
    agreement,
    presidio,
    read_records,
    read_sheets,
    write_sheet,
    write_table,
)
from junctor.labelling.judge import verdict
from junctor.labelling.records import LabelError
from junctor.labelling.scrub import replaced
from junctor.reply import Reply, Usage


def record(number: int, model: str, answer: str = "an answer") -> Record:
    """A kept answer."""
    return Record(id=str(number), prompt=f"prompt {number}", model=model, answer=answer, task="t", cost_usd=0.001)


def reply(text: str) -> Reply:
    """A finished answer, of no client."""
    return Reply(
        text=text, message={"role": "assistant", "content": text}, model="m", finish_reason="stop", usage=Usage()
    )


FOUR = [record(number, model) for number in (1, 2) for model in ("small", "big")]


def test_a_sample_keeps_whole_prompts_scrubbed_and_private(tmp_path: Path) -> None:
    """The same prompts for every model, about the share that was asked for, in a file for its owner alone."""
    path = tmp_path / "kept.jsonl"
    sample = Sample(path, share=0.25, scrub=lambda text: text.replace("secret", "<X>"), salt="s")
    prompts = [f"a secret prompt {number}" for number in range(400)]
    kept = [prompt for prompt in prompts if sample.keep(prompt, reply("a secret answer"), model="small", task="t")]
    again = [prompt for prompt in prompts if sample.keep(prompt, reply("no"), model="big")]
    assert kept == again
    assert 70 <= len(kept) <= 130
    found = read_records(path)
    assert len(found) == 2 * len(kept)
    assert b"secret" not in path.read_bytes()
    assert found[0].answer == "a <X> answer"
    assert len({one.id for one in found}) == len(kept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p for p in prompts if Sample(path, share=0.25, scrub=None, salt="z").wants(p)] != kept
    for share in (0.0, 1.5, math.nan):
        with pytest.raises(LabelError, match=r"the share is .*; allowed is above 0 to 1"):
            Sample(path, share=share, scrub=None)


def test_a_second_answer_of_a_model_changes_nothing(tmp_path: Path) -> None:
    """The first one counts, since a table has one cell for both."""
    path = tmp_path / "kept.jsonl"
    sample = Sample(path, share=1, scrub=None)
    for answer in ("first", "second"):
        sample.keep("p", reply(answer), model="m")
    assert [one.answer for one in read_records(path)] == ["first"]


def test_the_way_from_records_to_a_table(tmp_path: Path) -> None:
    """Two people label a blind, shuffled sheet; their means are the quality that the evaluation reads."""
    first, second, table = (tmp_path / name for name in ("ann.csv", "bob.csv", "table.csv"))
    assert write_sheet(first, FOUR, seed=1) == 4
    text = first.read_text(encoding="utf-8-sig")
    assert "small" not in text
    assert "big" not in text
    labels = {one.key: one.model == "big" for one in FOUR}
    for path, best in ((first, "5"), (second, "3,0")):
        write_sheet(path, FOUR, seed=1)
        fill(path, {key: best if good else "1" for key, good in labels.items()})
    quality, agreed = read_sheets([first, second], FOUR, top=5)
    assert quality == {one.key: (0.8 if one.model == "big" else 0.2) for one in FOUR}
    assert (agreed.answers, agreed.alike) == (4, 0.5)
    assert write_table(table, FOUR, quality) == 4
    read = read_table(table)
    assert (read.models, read.quality.tolist()) == (("small", "big"), [[0.2, 0.8], [0.2, 0.8]])
    assert read.cost_usd is not None
    assert read.cost_usd.tolist() == [[0.001, 0.001], [0.001, 0.001]]


def fill(path: Path, labels: dict[str, str]) -> None:
    """Fills in the labels of a sheet, in another order, as a spreadsheet would save it."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["quality", "key"], extrasaction="ignore")
        writer.writeheader()
        for row in reversed(rows):
            writer.writerow(row | {"quality": labels.get(row["key"], "")})


@pytest.mark.parametrize("text", ["=SUM(A1)", "+1", "-1", "@x", "\tx"])
def test_no_spreadsheet_runs_an_answer(tmp_path: Path, text: str) -> None:
    """What begins like a formula is made text."""
    path = tmp_path / "sheet.csv"
    write_sheet(path, [record(1, "m", text)])
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.DictReader(file))["answer"] == f"'{text}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quality,key\n2,{key}\n", "row 1, column 'quality' is '2'; allowed is 0 to 1, or nothing"),
        ("quality,key\nnan,{key}\n", "column 'quality' is 'nan'; allowed is 0 to 1"),
        ("quality,key\ngood,{key}\n", "column 'quality' is 'good'"),
        ("quality,key\n1,xyz\n", "row 1 has the key 'xyz', which no record has; leave keys as they are"),
        ("quality,key\n1,{key}\n0,{key}\n", "row 2 has the key '{key}' again; one labeller labels an answer once"),
        ("key\n{key}\n", "has no column 'quality'; a sheet has key, task, prompt, answer, quality, note"),
        ("quality,key\n,{key}\n", "no answer is labelled in"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text(text.replace("{key}", FOUR[0].key), encoding="utf-8")
    with pytest.raises(LabelError) as error:
        read_sheets([path], FOUR)
    assert said.replace("{key}", FOUR[0].key) in str(error.value)


def test_records_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    for raw, said in ((b"{}", "line 1 is no record"), (b"\n\n", "holds no records"), (b'{"id": 1}', "is no record")):
        path.write_bytes(raw)
        with pytest.raises(LabelError, match=said):
            read_records(path)
    with pytest.raises(LabelError, match="cannot be read"):
        read_records(tmp_path / "none.jsonl")


def test_agreement_is_krippendorffs_alpha() -> None:
    """Against his definition over all pairs, with labels missing; 1 for the same, below 0 for the opposite."""
    labels = {
        "ann": {"1": 0.0, "2": 1.0, "3": 0.5, "4": 1.0},
        "bob": {"1": 0.0, "2": 0.75, "3": 0.5, "5": 1.0},
        "eve": {"1": 0.25, "2": 1.0, "4": 0.0},
    }
    units = [[g[key] for g in labels.values() if key in g] for key in "1234"]
    values = [value for unit in units for value in unit]
    observed = sum(sum((a - b) ** 2 for a in u for b in u) / (len(u) - 1) for u in units) / len(values)
    expected = sum((a - b) ** 2 for a in values for b in values) / len(values) / (len(values) - 1)
    found = agreement(labels)
    assert found.alpha == pytest.approx(1 - observed / expected)
    assert found.answers == 4
    pairs = [abs(a - b) < 1e-9 for unit in units for a, b in combinations(unit, 2)]
    assert found.alike == sum(pairs) / len(pairs)
    assert agreement({"a": {"1": 0, "2": 1}, "b": {"1": 0, "2": 1}}).alpha == 1
    assert agreement({"a": {"1": 0, "2": 1}, "b": {"1": 1, "2": 0}}).alpha < 0
    assert math.isnan(agreement({"a": {"1": 1}, "b": {"2": 1}}).alpha)
    assert math.isnan(agreement({"a": {"1": 1}, "b": {"1": 1}}).alpha)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("VERDICT: A", "first"),
        ("At first VERDICT: A, but then\n**Verdict:** b", "second"),
        ("VERDICT: TIE.", "tie"),
        ("Both are fine", None),
        ("VERDICT: C", None),
        ("VERDICT: Answer", None),
        ("", None),
    ],
)
def test_a_verdict_is_the_last_one(said: str, meant: str | None) -> None:
    assert verdict(said) == meant


def judged(answer: str) -> tuple[Judge, list[str]]:
    """A judge that is asked nothing but what `answer` makes of the two places, and what it was asked."""
    asked: list[str] = []

    async def ask(text: str) -> str:
        asked.append(text)
        first, second = (re.search(rf"<answer_{place}>\n(.*)\n", text) for place in "ab")
        assert first
        assert second
        better = "A" if len(first[1]) > len(second[1]) else "B" if len(second[1]) > len(first[1]) else "TIE"
        return {"longer": f"VERDICT: {better}", "always a": "VERDICT: A", "nonsense": "As a model I cannot"}[answer]

    return Judge(ask), asked


ANSWERS = [
    record(1, "small", "no"),
    record(1, "big", "long {prompt} {first}"),
    record(2, "small", "it"),
    record(2, "big", "at"),
]


def test_a_fair_judge_is_the_same_both_ways() -> None:
    """Each pair in both orders; wins and ties are quality; text in braces stays text."""
    judge, asked = judged("longer")
    found = asyncio.run(judge.judge(ANSWERS))
    assert [found.quality[one.key] for one in ANSWERS] == [0, 1, 0.5, 0.5]
    assert (found.compared, found.swayed, found.unclear, found.first, len(asked)) == (2, 0, 0, 0.5, 4)
    assert "long {prompt} {first}" in asked[0]
    assert found.agrees({one.key: value for one, value in zip(ANSWERS, (0, 1, 0.5, 0.5), strict=True)}).alpha == 1


def test_a_judge_of_places_makes_ties() -> None:
    """And is seen: every pair is swayed, every verdict for the first place."""
    judge, _ = judged("always a")
    found = asyncio.run(judge.judge(ANSWERS))
    assert set(found.quality.values()) == {0.5}
    assert (found.swayed, found.first) == (2, 1.0)


def test_nonsense_is_no_label() -> None:
    """It is counted, and nothing is guessed."""
    judge, _ = judged("nonsense")
    found = asyncio.run(judge.judge(ANSWERS))
    assert (found.quality, found.compared, found.unclear) == ({}, 2, 2)
    assert math.isnan(found.first)


def test_finds_are_replaced_the_surest_first() -> None:
    """Overlaps go to the surest, then the longest; places are those of the original."""
    text = "mail a@b.org, card 4111"
    finds = [(5, 12, 1.0, "EMAIL"), (7, 12, 0.5, "URL"), (19, 23, 0.9, "CARD"), (18, 23, 0.9, "NUMBER")]
    assert replaced(text, finds) == "mail <EMAIL>, card<NUMBER>"
    assert replaced("", []) == ""


def test_without_presidio_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "presidio_analyzer", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'junctor\[pii\]'"):
        presidio()
