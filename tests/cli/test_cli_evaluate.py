"""`junctor evaluate`: what it prints, draws and refuses, and that nothing else needs its extra."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from junctor.evaluation.choosers import LabelMean

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = str(ROOT / "examples/answers.csv")
Run = Callable[..., Any]
FEW = ("--draws", "40", "--folds", "3")

FLEET = """\
version: 1
deployments:
  cheap: {model: openai/small, key: env:KEY, rpm: 10}
  dear: {model: openai/big, key: env:KEY, rpm: 10}
groups:
  low: {members: [cheap]}
  high: {members: [dear]}
rules:
  - {when: {task: [arithmetic, advice]}, use: low}
  - {when: {task: spelling}, refuse: no spelling here}
  - {use: high}
"""


class Mine(LabelMean):
    """A learner that a user might write, and that happens to be the label mean."""

    __slots__ = ()


def test_the_report_has_every_baseline_and_says_whether_it_matters(run: Run) -> None:
    status, out, err = run("evaluate", ANSWERS, "--weak", "small", "--strong", "big", *FEW)
    assert (status, err) == (0, "")
    assert out.startswith(
        "examples/answers.csv: 240 prompts, 4 tasks, 2 models\n"
        "3 folds, seed 0; in brackets 95 % of 40 draws, learners as fitted\n"
    )
    for name in ("prompt length", "label mean", "best single", "random", "oracle", "oracle, cheapest", "big", "small"):
        assert f"\n  {name} " in out
    assert "random         .500  [.500 .500]" in out
    assert out.endswith(
        "label mean is not told from the best single in hindsight (big): quality +.000\n[+.000 +.000]\n"
    )
    assert max(map(len, out.splitlines())) <= 79


def test_json_is_the_report(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    status, out, err = run(
        "evaluate", ANSWERS, "--json", "--weak", "small", "--strong", "big", *FEW, "--report", str(report)
    )
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told == json.loads(report.read_text(encoding="utf-8"))
    assert (told["prompts"], told["models"], told["split"]) == (240, ["small", "big"], "3 folds")
    assert told["pairs"][0]["lines"][0]["apgr"].keys() == {"value", "low", "high"}
    assert told["fleet"]["best_single"] == "big"


def test_scores_and_learners_are_judged_beside_the_baselines(run: Run, tmp_path: Path) -> None:
    """Scores that know the answers are the oracle; a learner that is the label mean is not told from it."""
    rows = [line.split(",") for line in Path(ANSWERS).read_text(encoding="utf-8").splitlines()[1:]]
    scores = tmp_path / "known.csv"
    known = [f"{row[0]},{row[-4]},{row[-2]}" for row in rows]
    scores.write_text("\n".join(["id,small,big", *known]), encoding="utf-8")
    status, out, err = run(
        "evaluate", ANSWERS, "--weak", "small", "--strong", "big", *FEW, "--scores", str(scores), "--json",
        "--learner", "tests.cli.test_cli_evaluate:mine",
    )  # fmt: skip
    assert (status, err) == (0, "")
    told = json.loads(out)
    lines = {line["name"]: line for line in told["fleet"]["lines"]}
    assert lines["known.csv"]["regret"]["value"] == pytest.approx(0)
    assert lines["mine"]["quality"] == lines["label mean"]["quality"]
    against = {versus["against"]: versus for versus in lines["mine"]["versus"]}
    assert against["label mean"]["difference"] == {"value": 0, "low": 0, "high": 0}
    assert any("taken at their word" in note for note in told["notes"])


mine = Mine(name="mine")

LEARNER = """\
import numpy as np


class Nothing:
    name = "nothing"

    def fit(self, table):
        return lambda asked: np.zeros((len(asked), len(table.models)))
"""


def test_a_learner_may_lie_in_the_working_directory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found there, made an instance, and one that says nothing is random choice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("learner_that_says_nothing.py").write_text(LEARNER, encoding="utf-8")
    asked = ("--weak", "small", "--strong", "big", "--learner", "learner_that_says_nothing:Nothing", "--json")
    told = json.loads(run("evaluate", ANSWERS, *FEW, *asked).out)
    lines = {line["name"]: line for line in told["pairs"][0]["lines"]}
    assert lines["nothing"]["apgr"]["value"] == pytest.approx(0.5)


def test_a_table_that_teaches_too_little_is_told_as_one(run: Run, tmp_path: Path) -> None:
    """Of its hundred prompts each fold leaves the scorer two thirds to learn from."""
    table = tmp_path / "few.csv"
    table.write_text("\n".join(Path(ANSWERS).read_text(encoding="utf-8").splitlines()[:101]), encoding="utf-8")
    status, out, err = run("evaluate", str(table), "--learner", "junctor.training.learner:Learned", *FEW)
    assert (status, out) == (2, "")
    assert "different prompts; training needs at least 100: collect more answers" in err


def test_a_fleet_file_is_a_chooser(run: Run, tmp_path: Path) -> None:
    """Its rules decide by the task; whom it refuses has no quality, and that is told."""
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET, encoding="utf-8")
    status, out, err = run("evaluate", ANSWERS, *FEW, "--fleet", str(fleet), "--json")
    assert (status, err) == (0, "")
    told = json.loads(out)
    line = next(line for line in told["fleet"]["lines"] if line["name"] == "fleet.yaml")
    tasks = told["fleet"]["task_prompts"]
    assert line["shares"]["small"] == pytest.approx((tasks["arithmetic"] + tasks["advice"]) / 240)
    assert line["shares"]["big"] == pytest.approx(tasks["history"] / 240)
    assert line["tasks"]["spelling"] == 0
    assert (
        f"fleet.yaml refused {tasks['spelling']} of 240 prompts, which count as no quality and no cost" in told["notes"]
    )


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (["--map", "dear=small", "--map", "cheap=small"], None),
        (["--map", "deer=small"], "the fleet has no deployment 'deer'; did you mean 'dear'?"),
        (["--map", "dear=tiny"], "there is no model 'tiny'; known models: small, big"),
        (["--map", "dear"], "--map is 'dear'; allowed is DEPLOYMENT=MODEL"),
        ([], "the fleet chose 'dear', which is no model of the table; map it, as in dear=small"),
    ],
)
def test_deployments_are_mapped_to_models(run: Run, tmp_path: Path, mapping: list[str], said: str | None) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.replace("openai/big", "openai/huge"), encoding="utf-8")
    status, out, err = run("evaluate", ANSWERS, *FEW, "--fleet", str(fleet), *mapping)
    if said is None:
        assert (status, err) == (0, "")
        assert "fleet.yaml" in out
    else:
        assert (status, out) == (2, "")
        assert said in err


def test_a_picture_is_drawn_and_the_same_again(run: Run, tmp_path: Path) -> None:
    """SVG and PNG, with names at the curves; byte for byte the same for the same report."""
    first, second, bitmap = (tmp_path / name for name in ("a.svg", "b.svg", "c.png"))
    asked = ("evaluate", ANSWERS, "--weak", "small", "--strong", "big", *FEW)
    assert run(*asked, "--plot", str(first), "--plot", str(bitmap)).status == 0
    assert run(*asked, "--plot", str(second)).status == 0
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"<?xml")
    assert bitmap.read_bytes().startswith(b"\x89PNG")
    costless = tmp_path / "t.csv"
    costless.write_text("prompt,m,n\n" + "".join(f"p{n},{n % 2},{n % 3 // 2}\n" for n in range(30)), encoding="utf-8")
    assert run("evaluate", str(costless), *FEW, "--plot", str(tmp_path / "d.svg")).status == 0
    assert (tmp_path / "d.svg").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("none.csv",), "none.csv cannot be read (No such file or directory); give the path of a table"),
        ((ANSWERS, "--weak", "small"), "--weak is given without --strong; a pair has both"),
        ((ANSWERS, "--strong", "big"), "--strong is given without --weak; a pair has both"),
        ((ANSWERS, "--weak", "smal", "--strong", "big"), "has no model 'smal'; did you mean 'small'?"),
        ((ANSWERS, "--weak", "big", "--strong", "big"), "--weak and --strong are both 'big'; name two models"),
        ((ANSWERS, "--models", "x*"), "has no model 'x*'; known models: small, big"),
        ((ANSWERS, "--folds", "1"), "1 folds were asked for; allowed are 2 to 100"),
        ((ANSWERS, "--draws", "0"), "--draws is 0; allowed is 1 to 100,000"),
        ((ANSWERS, "--refit", "3"), "--refit is 3; allowed is 10 to 1,000 cross-validations, or 0"),
        ((ANSWERS, "--seed", "-1"), "argument --seed: '-1' is no whole number"),
        ((ANSWERS, "--task", "tsk"), "has no column 'tsk'; did you mean 'task'?"),
        ((ANSWERS, "--price", "big"), "--price is 'big'; allowed is MODEL=PRICE, such as small=0.25/1.25"),
        ((ANSWERS, "--price", "big=dear"), "allowed are dollars per million tokens"),
        ((ANSWERS, "--price", "big=-1"), "a price is '-1'; allowed is 0 to 1,000,000 dollars"),
        ((ANSWERS, "--price", "bigg=1/call"), "has no model 'bigg' to price; did you mean 'big'?"),
        ((ANSWERS, "--learner", "nobody.home:x"), "--learner is 'nobody.home:x' (No module named 'nobody'); give"),
        ((ANSWERS, "--learner", "json:dumps"), "--learner is 'json:dumps', which has no name and fit"),
        ((ANSWERS, "--scores", ANSWERS, "--models", "big,small", "--learner", "x"), "--learner is 'x'"),
        ((ANSWERS, "--map", "a=b"), "--map is given without --fleet"),
        ((ANSWERS, "--drafts", "d.csv"), "--drafts is given without --strong, the model that comes after them"),
        ((ANSWERS, "--drafts", "d.csv", "--strong", "big"), "d.csv cannot be read (No such file or directory)"),
        ((ANSWERS, *FEW, "--plot", "a.gif"), "a.gif: a plot is one of .svg, .png, .pdf; name the file so"),
        ((ANSWERS, "--objective", "best"), "argument --objective: invalid choice: 'best'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line(run: Run, argv: tuple[str, ...], said: str) -> None:
    status, out, err = run("evaluate", *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_log_with_propensities_is_estimated(run: Run, tmp_path: Path) -> None:
    """Every chooser on it, and how many prompts that rests on."""
    log = tmp_path / "log.csv"
    rows = "".join(f"log {n},spelling,{('small', 'big')[n % 2]},0.5,{n % 2}\n" for n in range(60))
    log.write_text("prompt,task,model,propensity,quality\n" + rows, encoding="utf-8")
    status, out, err = run("evaluate", ANSWERS, *FEW, "--log", str(log))
    assert (status, err) == (0, "")
    assert "/log.csv: 60 prompts, quality .500 [" in out
    assert "\n  big: it rests on 30 prompts' worth of log: log longer, or explore more\n" in out


def test_recorded_drafts_are_a_cascade(run: Run, tmp_path: Path) -> None:
    """With a strong model of the table; --weak is not asked for."""
    drafts = tmp_path / "drafts.csv"
    rows = "".join(f"{n},{n % 2},-{1 + n % 2} -0.5\n" for n in range(1, 100))
    drafts.write_text("id,quality,token_logprobs\n" + rows, encoding="utf-8")
    status, out, err = run("evaluate", ANSWERS, *FEW, "--strong", "big", "--drafts", str(drafts))
    assert (status, err) == (0, "")
    assert "\ndraft then big\n" in out
    assert "\n  mean log-prob " in out
    assert "/drafts.csv: 99 drafts of draft are joined with big" in " ".join(out.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,small\n1,0\n", "has no column 'big'"),
        ("id,small,big\n1,0,x\n", "row 1 (line 2), column 'big' is 'x'; allowed is a finite number"),
        ("id,small,big\n1,0,nan\n", "column 'big' is 'nan'; allowed is a finite number"),
        ("id,small,big\n1,0,1\n", "has no scores for the prompt with id '2'; score every prompt"),
    ],
)
def test_scores_that_do_not_fit_are_refused(run: Run, tmp_path: Path, text: str, said: str) -> None:
    scores = tmp_path / "s.csv"
    scores.write_text(text, encoding="utf-8")
    status, _, err = run("evaluate", ANSWERS, "--scores", str(scores))
    assert status == 2
    assert said in err


def test_catalog_and_calls_have_prices(run: Run) -> None:
    """A price per call, per token, and by the catalog's name replace the table's dollars."""
    status, out, err = run(
        "evaluate", ANSWERS, *FEW, "--json", "--price", "small=0.002/call", "--price", "big=anthropic/claude-haiku-4-5",
        "--answer-tokens", "100",
    )  # fmt: skip
    assert (status, err) == (0, "")
    told = json.loads(out)
    lines = {line["name"]: line for line in told["fleet"]["lines"]}
    assert lines["small"]["cost_usd_per_1k"]["value"] == pytest.approx(2)
    assert 0.5 < lines["big"]["cost_usd_per_1k"]["value"] < 0.6
    assert any("answers as 100 tokens each" in note for note in told["notes"])


def test_without_the_extra_the_command_says_what_to_install() -> None:
    """And everything else goes on without numpy."""
    block = "import sys; sys.modules['numpy'] = None\nfrom junctor.cli import main\n"
    for said, status in (("['evaluate', 'x.csv']", 1), ("['evaluate', '--help']", 0), ("['models', 'opus']", 0)):
        ended = subprocess.run(
            [sys.executable, "-c", f"{block}sys.exit(main({said}))"], capture_output=True, text=True, check=False
        )
        assert ended.returncode == status
        if status:
            said_then = "needs the package numpy, which is not installed; pip install 'junctor[train]'\n"
            assert ended.stderr == f"junctor: junctor evaluate {said_then}"
