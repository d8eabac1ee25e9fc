"""`junctor calibrate` from table to fleet file, and the issue's figures on the shared measurements."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from junctor import config
from junctor.calibration.measured import Measured, Wanted, read
from junctor.calibration.plans import Plan, calibrated
from junctor.calibration.training import scores, train
from junctor.calibration.unseen import orders, unseen
from junctor.cascade.calibration import Calibration, load
from junctor.cascade.probe import load as load_probe
from junctor.cascade.signals import Tokens
from junctor.cli import main
from junctor.evaluation.rows import TableError

DATA = Path(os.environ.get("JUNCTOR_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FLEET = """\
version: 1
providers: {near: {adapter: openai, base_url: "http://127.0.0.1:9/v1"}}
deployments:
  s: {model: near/small, capabilities: [logprobs, streaming]}
  l: {model: near/large, capabilities: [streaming]}
cascades:
  careful: {steps: [s, l], signal: %s, %s}
"""


def drawn(count: int = 400, seed: int = 5) -> list[dict[str, Any]]:
    """Answers whose least sure token tells how often they are right."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        logprobs = (-rng.exponential(0.8, rng.integers(1, 6))).round(4).tolist()
        right = rng.random() < math.exp(min(logprobs))
        rows.append(
            {
                "id": number,
                "kind": "even" if number % 2 else "odd",
                "token_logprobs": " ".join(map(str, logprobs)) if number % 2 else logprobs,
                "small": float(right),
                "strong": float(rng.random() < 0.9),
            }
        )
    return rows


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("answers.jsonl")
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in drawn()))
    return path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(["calibrate", *argv])
    said = capsys.readouterr()
    return status, said.out, said.err


# ---- the command ----


def test_a_share_becomes_a_line_for_the_fleet_file(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, str(table), "--small", "small", "--strong", "strong", "--escalate", "30%")
    assert status == 0
    assert out.startswith("escalated: asked 30.0%, in the table 30.0%; on prompts like these at least")
    line = next(line for line in out.splitlines() if line.startswith("  signal: min_logprob, accept: -"))
    accept = float(line.rpartition(" ")[2])
    readings = read(table, Wanted(small="small")).reading("min_logprob")
    assert np.mean(readings < accept) == pytest.approx(0.3)
    assert "who needs the strong model (APGR, 0.5 is chance)" in out
    assert [word for word in ("min_logprob", "mean_logprob", "probe") if f"\n  {word}" not in out] == []


def test_a_calibration_is_written_used_and_doubted_after_a_new_model(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = Path("fleet.yaml")
    fleet.write_text(FLEET % ("min_logprob", "accept: -1"))
    asked = (str(table), "--small", "small", "--at-most", "0.5", "--reject", "0.1")
    status, out, _ = run(capsys, *asked, "--fleet", "fleet.yaml", "--out", "careful.json", "--json")
    assert status == 0
    told = json.loads(out)
    found = load(Path("careful.json"))
    assert found == msgspec.convert(told["calibration"], Calibration)
    assert found.models == (("near/small",), ("near/large",))
    assert found.reject is not None
    assert found.reject < found.accept
    assert [promise.target for promise in found.promises] == ["escalation", "rejection"]
    fleet.write_text(FLEET % ("min_logprob", "calibration: careful.json"))
    assert config.load(fleet).cascades["careful"].accept == found.accept
    fleet.write_text((FLEET % ("min_logprob", "calibration: careful.json")).replace("near/small", "near/small-2"))
    assert "was made for near/small, and step 1 is now near/small-2; calibrate again" in "\n".join(
        map(str, config.check(fleet))
    )


def test_a_probe_is_written_and_read_alike_on_both_sides(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (str(table), "--small", "small", "--signal", "probe", "--probe", "probe.json", "--escalate", "0.4")
    status, out, _ = run(capsys, *asked)
    assert status == 0
    assert "  probe: probe.json" in out
    probe = load_probe(Path("probe.json"))
    data = read(table, Wanted(small="small"))
    rows = drawn()
    served = [probe.score(Tokens(tuple(_numbers(row)), ())) for row in rows]
    assert scores(probe, data) == pytest.approx(served)
    Path("fleet.yaml").write_text(FLEET % ("probe", "accept: 0.5, probe: probe.json"))
    assert config.load("fleet.yaml").cascades["careful"].probe == probe


def _numbers(row: dict[str, Any]) -> list[float]:
    told = row["token_logprobs"]
    return [float(word) for word in told.split()] if isinstance(told, str) else told


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["absent.csv", "--small", "q", "--escalate", "0.3"], 2, "cannot be read"),
        (["T", "--small", "smal", "--escalate", "0.3"], 2, "there is no column 'smal'; did you mean 'small'?"),
        (["T", "--small", "kind", "--escalate", "0.3"], 2, "column 'kind' is 'odd'; allowed is a number from 0 to 1"),
        (["T", "--small", "small", "--escalate", "1.5"], 2, "'1.5' is no share between 0 and 1"),
        (["T", "--small", "small"], 2, "one of the arguments --escalate --at-most --keep --quality --usd is required"),
        (["T", "--small", "small", "--keep", "0.9"], 1, "needs the strong model's too; name its column by --strong"),
        (["T", "--small", "small", "--quality", "0.99", "--strong", "strong"], 1, "a quality of 0.99 cannot be"),
        (["T", "--small", "small", "--usd", "1"], 2, "--usd needs --strong-usd"),
        (["T", "--small", "small", "--signal", "margin", "--escalate", "0.3"], 1, "has no readings of 'margin'"),
        (["T", "--small", "small", "--signal", "probe", "--escalate", "0.3"], 2, "--signal probe and --probe FILE"),
        (["T", "--small", "small", "--escalate", "0.3", "--where", "kind"], 2, "--where is 'kind'; write COLUMN=VALUE"),
        (["T", "--small", "small", "--escalate", "0.3", "--where", "kind=x"], 2, "no row is left"),
        (["T", "--small", "small", "--escalate", "0.2", "--reject", "0.3"], 1, "a rejected share of 30.0% is more"),
        (["T", "--small", "small", "--escalate", "0.3", "--join", "T"], 0, ""),
        (["T", "--small", "small", "--escalate", "0.3", "--join", "T", "--on", "kind"], 2, "has one value twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_in_one_line(
    argv: list[str], status: int, message: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, _, err = run(capsys, *[str(table) if word == "T" else word for word in argv])
    assert ended == status
    assert message in err
    assert err.count("\n") == (1 if message else 0)


# ---- tables ----


def test_answers_without_a_reading_count_as_escalated(tmp_path: Path) -> None:
    rows = drawn(40)
    rows[0]["token_logprobs"] = ""
    rows[1]["token_logprobs"] = "-0.1 0.5"
    rows[2]["token_logprobs"] = [-0.1, "nan"]
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    data = read(path, Wanted(small="small"))
    assert np.flatnonzero(np.isnan(data.reading("mean_logprob"))).tolist() == [0, 1, 2]
    assert data.notes[0] == "3 of 40 answers have no reading of mean_logprob; they count as escalated"
    least = calibrated(data, Plan(signal="mean_logprob", target="escalation", value=0.01))
    assert least.promises[0].found == 3 / 40


def test_one_kind_of_answer_trains_no_probe(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode({**row, "small": 1.0}) for row in drawn(40)))
    with pytest.raises(TableError, match="all answers are equally good; a probe needs right and wrong ones"):
        train(read(path, Wanted(small="small")))


def test_too_few_prompts_and_nothing_to_read_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in drawn(10)))
    with pytest.raises(TableError, match="10 prompts are left; a calibration needs at least 20"):
        read(path, Wanted(small="small"))
    path.write_bytes(b"\n".join(msgspec.json.encode({"id": row["id"], "small": 1}) for row in drawn(30)))
    with pytest.raises(TableError, match="there is nothing to read confidence from"):
        read(path, Wanted(small="small"))


# ---- the shared measurements ----


@pytest.fixture(scope="module")
def tiny() -> Callable[[str, str], Measured]:
    file, other = DATA / "tinylm_logprobs" / "train.csv.gz", DATA / "llmrouter_multitask" / "train.csv.gz"
    if not file.is_file() or not other.is_file():
        pytest.skip(f"{file.parent.name} is neither in $JUNCTOR_DATA nor in ../shared/data")
    return lambda model, strong: read(file, Wanted(small="f1", strong=strong, where=[("model", model)], join=other))


MODELS = ("gemma3-270m-pt-q4_k_m", "smollm2-135m-instruct-q4_1")
STRONG = ("llama-3.1-8b-instruct", "llama3-chatqa-1.5-70b")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("signal", ["mean_logprob", "min_logprob", "entropy", "probe"])
def test_a_chosen_escalation_share_is_met_within_three_points_on_unseen_prompts(
    model: str, signal: str, tiny: Callable[[str, str], Measured]
) -> None:
    data = tiny(model, STRONG[0])
    for share in (0.1, 0.3, 0.5, 0.8):
        for seed in range(3):
            plan = Plan(signal=signal, target="escalation", value=share, seed=seed)
            assert unseen(data, plan).escalated == pytest.approx(share, abs=0.03)


def test_every_signal_and_the_probe_have_an_apgr_beside_the_mean(tiny: Callable[[str, str], Measured]) -> None:
    told = {order.signal: order for order in orders(tiny(MODELS[0], STRONG[0]))}
    assert sorted(told) == ["entropy", "mean_logprob", "min_logprob", "probe"]
    for order in told.values():
        assert 0.5 < order.low < order.apgr < order.high < 0.65, order
