"""`junctor label judge`: a group of a fleet file compares kept answers; nothing is asked twice, nothing guessed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from junctor.labelling import Record
from junctor.labelling.verdicts import Verdicts
from junctor.testing.server import Answer, Request, Server

Run = Callable[..., Any]
Say = Callable[[str, str], str | int]

FLEET = """\
version: 1
state: process
providers: {{near: {{adapter: openai, base_url: "{url}/v1"}}}}
deployments:
  judge: {{model: near/judge, price: {{input: 1, output: 1}}, capabilities: [streaming]}}
dispatch: {{attempts: 1}}
"""
JUDGE = ("label", "judge", "kept.jsonl", "--fleet", "fleet.yaml", "--ask", "judge", "-o", "judged.csv")


def longer(first: str, second: str) -> str:
    """A fair judge, who likes long answers."""
    return "VERDICT: " + ("TIE" if len(first) == len(second) else "A" if len(first) > len(second) else "B")


def always_a(_first: str, _second: str) -> str:
    """A judge of places."""
    return "VERDICT: A"


def nonsense(_first: str, _second: str) -> str:
    """A judge that is none."""
    return "As a model I like both"


@contextmanager
def judging(say: Say) -> Iterator[list[tuple[str, str]]]:
    """A fleet file whose judge says what `say` makes of the two answers, or fails with that status. What was asked."""
    asked: list[tuple[str, str]] = []

    def app(request: Request, answer: Answer) -> None:
        text = json.loads(request.body)["messages"][-1]["content"]
        first, second = (re.search(rf"<answer_{place}>\n(.*)\n", text) for place in "ab")
        assert first
        assert second
        asked.append((first[1], second[1]))
        said = say(first[1], second[1])
        kind = [("content-type", "application/json")]
        if isinstance(said, int):
            answer.send(said, kind, b'{"error": {"message": "no"}}')
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        answer.send(200, kind, msgspec.json.encode({"model": "judge-1", "choices": [choice], "usage": usage}))

    with Server(app).in_thread() as server:
        Path("fleet.yaml").write_text(FLEET.format(url=server.url), encoding="utf-8")
        yield asked


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Answers of two models to three prompts, in the working directory: the big one's is longer, but for the last."""
    monkeypatch.chdir(tmp_path)
    answers = [("no", "surely"), ("it", "indeed"), ("same", "size")]
    records = [
        Record(id=str(number), prompt=f"prompt {number}", model=model, answer=answer)
        for number, both in enumerate(answers)
        for model, answer in zip(("small", "big"), both, strict=True)
    ]
    Path("kept.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, records)))
    return records


def qualities() -> dict[str, float]:
    """The table that was written, by id and model."""
    with open("judged.csv", newline="") as file:
        return {f"{row['id']} {row['model']}": float(row["quality"]) for row in csv.DictReader(file)}


def test_a_judge_of_the_fleet_makes_a_table_and_tells_what_it_cost(run: Run) -> None:
    with judging(longer) as asked:
        status, out, err = run(*JUDGE)
    assert (status, err) == (0, "")
    assert qualities() == {
        "0 small": 0, "0 big": 1, "1 small": 0, "1 big": 1, "2 small": 0.5, "2 big": 0.5,
    }  # fmt: skip
    assert sorted(asked) == sorted([*asked[::2], *(pair[::-1] for pair in asked[::2])])
    assert out == (
        "judged.csv: 6 of 6 answers with a label\n"
        "  judge-1 was asked 6 questions for $0.000660, $0.000660 with earlier runs\n"
        "  3 of 3 pairs compared: 0 swayed by the place, which count as ties; "
        "0 without a verdict, which count as nothing\n"
        "  the first place got 50% of the verdicts that name one; 50% is fair\n"
    )


def test_nothing_is_asked_twice_and_a_torn_line_is_asked_again(run: Run) -> None:
    """As after a kill: whole lines are believed, the rest of one is cut off."""
    with judging(longer) as asked:
        assert run(*JUDGE).status == 0
        before = Path("judged.csv").read_bytes()
        kept = Path("judged.verdicts.jsonl").read_bytes()
        lines = kept.splitlines(keepends=True)
        Path("judged.verdicts.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:30])
        asked.clear()
        status, out, _ = run(*JUDGE, "--force", "--json")
    told = json.loads(out)
    assert (status, len(asked), told["asked"], told["known"]) == (0, 2, 2, 4)
    assert Path("judged.csv").read_bytes() == before
    assert Path("judged.verdicts.jsonl").read_bytes().count(b"\n") == 6
    assert told["cost_usd"] == pytest.approx(0.00022)


def test_a_changed_answer_or_another_judge_is_another_question(run: Run, kept: list[Record]) -> None:
    with judging(longer) as asked:
        run(*JUDGE)
        asked.clear()
        changed = [msgspec.structs.replace(kept[0], answer="not at all"), *kept[1:]]
        Path("kept.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, changed)))
        assert run(*JUDGE, "--force").status == 0
        assert sorted(asked) == [("not at all", "surely"), ("surely", "not at all")]
        assert qualities()["0 small"] == 1
        asked.clear()
        run(*JUDGE, "--force", "--ask", "near/judge")
        assert len(asked) == 6


def test_failures_are_told_and_asked_again_alone(run: Run) -> None:
    """A pair with a question that nobody answered is not compared; the status says that something is missing."""
    broken = [True]
    with judging(lambda a, b: 500 if broken[0] and "it" in (a, b) else longer(a, b)) as asked:
        status, out, _ = run(*JUDGE)
        assert status == 1
        assert "2 of 3 pairs compared" in out
        assert "2 questions failed (ServerError 2); run again with --force to ask only them" in out
        assert set(qualities()) == {"0 small", "0 big", "2 small", "2 big"}
        broken[0] = False
        asked.clear()
        assert run(*JUDGE, "--force").status == 0
    assert sorted(asked) == [("indeed", "it"), ("it", "indeed")]
    assert len(qualities()) == 6


def test_a_judge_that_is_down_ends_the_run_early(run: Run, kept: list[Record]) -> None:
    """After ten failures in a row, not after all questions; what was said before is kept."""
    many = [msgspec.structs.replace(record, id=f"{number} {record.id}") for number in range(9) for record in kept]
    Path("kept.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, many)))
    with judging(lambda _a, _b: 500) as asked:
        status, out, err = run(*JUDGE, "--parallel", "1", "--deadline", "0.2")
    assert (status, out) == (1, "")
    assert 1 <= len(asked) <= 10  # the breaker keeps the last ones from being sent
    assert re.fullmatch(
        r"junctor: 'judge' failed 10 times in a row, at last with \w+; judged.verdicts.jsonl keeps 0 answers: "
        r"mend it and run this again\n",
        err,
    )
    assert not Path("judged.csv").exists()


def test_nonsense_and_places_are_counted_and_never_guessed(run: Run) -> None:
    """Nonsense is no label, is kept as such and not paid for again; a judge of places makes ties."""
    with judging(nonsense) as asked:
        status, out, _ = run(*JUDGE)
        assert (status, len(asked)) == (0, 6)
        assert "0 of 6 answers with a label" in out
        assert "3 of 3 pairs compared: 0 swayed by the place, which count as ties; 3 without a verdict" in out
        assert qualities() == {}
        run(*JUDGE, "--force")
        assert len(asked) == 6
    with judging(always_a):
        _, out, _ = run(*JUDGE, "--force", "--verdicts", "others.jsonl")
    assert "3 swayed by the place" in out
    assert "the first place got 100% of the verdicts that name one" in out
    assert set(qualities().values()) == {0.5}


def test_the_judge_is_compared_with_people(run: Run, kept: list[Record]) -> None:
    """By what both prefer: people's scale is their own."""
    run("label", "sheet", "kept.jsonl", "-o", "ann.csv")
    labels = {record.key: label for record, label in zip(kept, ("3", "4", "5", "1", "2", "2"), strict=True)}
    with open("ann.csv", encoding="utf-8-sig", newline="") as file:
        rows = [row | {"quality": labels[row["key"]]} for row in csv.DictReader(file)]
    with open("ann.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    sheet = (*JUDGE[:3], "ann.csv", *JUDGE[3:], "--top", "5", "--force")
    with judging(longer):
        _, out, _ = run(*sheet)
        assert out.endswith("  with people: 3 pairs, 67% alike, alpha 0.08, too low to conclude from\n")
        told = json.loads(run(*sheet, "--json").out)
    assert told["agreement"] == {"answers": 3, "alike": pytest.approx(2 / 3), "alpha": pytest.approx(1 / 12)}


def test_two_runs_do_not_share_a_file(run: Run) -> None:
    with judging(longer) as asked, Verdicts("judged.verdicts.jsonl"):
        status, _, err = run(*JUDGE)
    assert (status, asked) == (2, [])
    assert "judged.verdicts.jsonl is being written by another process; wait for it, or stop it" in err


def test_a_file_of_something_else_is_left_alone(run: Run) -> None:
    """Also one without a newline, which looks like a torn line."""
    for content in (b"notes", b'{"id": 1}\n'):
        Path("notes").write_bytes(content)
        with judging(longer):
            status, _, err = run(*JUDGE, "--verdicts", "notes")
        assert status == 2
        assert "notes: line 1 is no verdict" in err
        assert Path("notes").read_bytes() == content


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--fleet", ""), "--fleet FILE and --ask GROUP: say who judges"),
        (("--fleet", "none.yaml"), "none.yaml cannot be read"),
        (("--ask", "nobody"), "nobody can be asked: "),
        (("--parallel", "0"), "--parallel is 0; allowed is 1 to 256"),
        (("--deadline", "0"), "--deadline is 0; allowed is a number above 0"),
        (("--max-tokens", "0"), "--max-tokens is 0; allowed is 1 or more"),
        (("--verdicts", "."), ". cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, more: tuple[str, ...], said: str) -> None:
    with judging(longer) as asked:
        status, out, err = run(*JUDGE, *more)
    assert (status, out, asked) == (2, "", [])
    assert said in err
    assert err.count("\n") == 1


def test_answers_of_one_model_have_nothing_to_compare(run: Run, kept: list[Record]) -> None:
    Path("kept.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, kept[::2])))
    with judging(longer):
        status, _, err = run(*JUDGE)
    assert status == 2
    assert "kept.jsonl: no prompt has answers of two models; keep some of another model too" in err
