"""`junctor simulate`: figures that belong together, runs that repeat, comparisons on equal traffic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from junctor.cli.text import COLUMNS, width
from junctor.demo import recorded

Run = Callable[..., Any]
TRAFFIC = "poisson:2/s,120s"
HANGS = "deployments: {big-us: {faults: [{kind: hangs, from_s: 20, to_s: 100}]}}"


def _told(run: Run, *argv: str) -> list[dict[str, Any]]:
    status, out, err = run("simulate", *argv, "--json")
    assert (status, err) == (0, "")
    runs: list[dict[str, Any]] = json.loads(out)["runs"]
    return runs


def test_the_figures_of_a_run_belong_together(run: Run, fleet: Path) -> None:
    (told,) = _told(run, str(fleet), TRAFFIC)
    assert 200 < told["calls"] < 280
    assert sum(told["ends"].values()) == told["calls"]
    assert sum(told["endings"].values()) == told["attempts"] == sum(there["attempts"] for there in told["deployments"])
    assert told["retries"] + told["hedges"] + told["calls"] >= told["attempts"]
    assert sum(span["calls"] for span in told["timeline"]) == told["calls"]
    assert sum(there["used"]["cost_usd_micros"] for there in told["deployments"]) == told["used"]["cost_usd_micros"] > 0
    assert told["first_content_s"]["p50"] < told["first_content_s"]["p99"] < told["whole_s"]["max"]
    assert told["counters"]["reserved"] == told["attempts"]
    assert told["broken"] == []


def test_the_seed_makes_the_run(run: Run, fleet: Path) -> None:
    first, again, other = (_told(run, str(fleet), TRAFFIC, "--seed", seed)[0] for seed in ("1", "1", "2"))
    assert first == again
    assert first["decision_hash"] != other["decision_hash"]


def test_a_limit_that_binds_shows_in_the_ends(run: Run, fleet: Path) -> None:
    """60 a minute for four deployments, asked for ten a second."""
    (told,) = _told(run, str(fleet), "poisson:10/s,60s")
    assert told["ends"]["no_capacity"] > 200
    assert told["throttled"] == 0, "what the limits allow, providers that have the same ones admit"


def test_two_files_meet_the_same_calls(run: Run, fleet: Path) -> None:
    tight = fleet.with_name("tight.yaml")
    tight.write_text(fleet.read_text(encoding="utf-8").replace("rpm: 60", "rpm: 10"), encoding="utf-8")
    wide, narrow, same = _told(run, str(fleet), TRAFFIC, "--against", str(tight)) + _told(run, str(fleet), TRAFFIC)
    assert wide["calls"] == narrow["calls"]
    assert wide["ends"]["answered"] > narrow["ends"]["answered"]
    assert wide["decision_hash"] == same["decision_hash"], "who stands beside it changes nothing"


def test_every_policy_can_stand_beside_it(run: Run, fleet: Path, tmp_path: Path) -> None:
    """Under a provider that hangs, the slowest answers are what tells them apart."""
    world = tmp_path / "world.yaml"
    world.write_text(HANGS, encoding="utf-8")
    runs = _told(run, str(fleet), TRAFFIC, "--world", str(world), "--policy", "all")
    names = ["junctor", "random", "round-robin", "least-in-flight", "latency-only"]
    assert [told["label"] for told in runs] == [told["policy"] for told in runs] == names
    assert {told["calls"] for told in runs} == {runs[0]["calls"]}
    hung = {told["label"]: told["endings"].get("timeout", 0) for told in runs}
    assert hung["junctor"] < hung["random"]
    assert all(told["broken"] == [] for told in runs)


def test_round_robin_gives_all_the_same_and_random_goes_by_weight(run: Run, fleet: Path) -> None:
    _, even, weighed = _told(run, str(fleet), "poisson:1/s,10min", "--policy", "round-robin,random")
    shares = [{there["name"]: there["share"] for there in told["deployments"]} for told in (even, weighed)]
    assert abs(shares[0]["big-us"] - shares[0]["big-eu"]) < 0.05
    assert shares[1]["big-eu"] > 1.4 * shares[1]["big-us"]


def test_the_law_is_kept_by_whoever_decides(run: Run, fleet: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    rows = "".join(f"{at},100,50,eu-personal\n" for at in range(100))
    trace.write_text(f"t_s,in_tok,out_tok,data\n{rows}", encoding="utf-8")
    for told in _told(run, str(fleet), str(trace), "--policy", "all"):
        busy = {there["name"] for there in told["deployments"] if there["attempts"]}
        assert busy <= {"big-eu", "small-eu"}, told["label"]


def test_a_trace_s_models_and_a_model_for_all(run: Run, fleet: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("t_s,in_tok,out_tok,model\n0,1,1,small\n1,1,1,big-us\n", encoding="utf-8")
    (told,) = _told(run, str(fleet), str(trace))
    asked = {there["name"]: there["attempts"] for there in told["deployments"]}
    assert asked["big-us"] == 1
    assert asked["small-us"] + asked["small-eu"] == 1
    (told,) = _told(run, str(fleet), str(trace), "--model", "big-eu")
    assert {there["name"]: there["attempts"] for there in told["deployments"]}["big-eu"] == 2


def test_whole_answers_and_bounded_ones(run: Run, fleet: Path) -> None:
    streamed, bounded, whole = (
        _told(run, str(fleet), TRAFFIC, *more)[0] for more in ([], ["--max-tokens", "10"], ["--whole"])
    )
    assert bounded["used"]["output_tokens"] < streamed["used"]["output_tokens"] / 5
    assert whole["first_content_s"]["p50"] == whole["whole_s"]["p50"] > streamed["first_content_s"]["p50"]


def test_a_warm_session_is_cached_and_cheaper(run: Run, fleet: Path, tmp_path: Path) -> None:
    """Sessions stay where their prompt is warm; drawn at random they would be warm half of the time."""
    world = tmp_path / "world.yaml"
    world.write_text("defaults: {cache: true}", encoding="utf-8")
    argv = (str(fleet), "poisson:1/s,300s,sessions=5,input=3000", "--model", "strong", "--world", str(world))
    ours, random = _told(run, *argv, "--policy", "random")
    assert ours["cache_hits"] > random["cache_hits"] > 0
    assert ours["used"]["cached_tokens"] > 0.8 * ours["used"]["input_tokens"]


def test_the_text_fits_a_terminal_and_shows_the_same(run: Run, fleet: Path, tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text(HANGS, encoding="utf-8")
    argv = ("simulate", str(fleet), TRAFFIC, "--world", str(world), "--against", str(fleet), "--policy", "all")
    status, out, err = run(*argv)
    assert (status, err) == (0, "")
    assert max(width(line) for line in out.splitlines()) <= COLUMNS
    for word in ("answered 429", "first content p50", "cost", "cached input", "big-us", "over 1", "█"):
        assert word in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("absent.yaml", TRAFFIC), "absent.yaml cannot be read"),
        (("fleet.yaml", "absent.csv"), "absent.csv cannot be read"),
        (("fleet.yaml", TRAFFIC, "--world", "absent.yaml"), "absent.yaml cannot be read"),
        (("fleet.yaml", TRAFFIC, "--against", "absent.yaml"), "absent.yaml cannot be read"),
        (("fleet.yaml", TRAFFIC, "--policy", "best"), "--policy is 'best'; allowed are random, round-robin,"),
        (("fleet.yaml", TRAFFIC, "--max-tokens", "0"), "--max-tokens is 0; allowed is 1 to 10,000,000"),
        (
            ("fleet.yaml", TRAFFIC, "--model", "strogn"),
            "asks for 'strogn', which fleet.yaml does not know; did you mean",
        ),
        (("fleet.yaml", TRAFFIC, "--seed", "x"), "argument --seed: 'x' is no whole number"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_status_2(run: Run, fleet: Path, argv: tuple[str, ...], said: str) -> None:
    del fleet
    status, out, err = run("simulate", *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_broken_promise_is_told_and_is_status_1(run: Run, fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from junctor import _core

    real = _core.simulate

    def lying(*argv: Any, **options: Any) -> bytes:
        return real(*argv, **options).replace(b'"broken":[]', b'"broken":["at 1.000 s: the sky fell"]')

    monkeypatch.setattr(_core, "simulate", lying)
    status, out, err = run("simulate", str(fleet), TRAFFIC)
    assert status == 1
    assert "answered" in out
    assert err == f"junctor: a promise was broken, please report it: {fleet}: at 1.000 s: the sky fell\n"


@pytest.mark.parametrize(
    "file", ["azure_llm_2023/conv.csv.gz", "azure_llm_2023/code.csv.gz", "mooncake/conversation.csv.gz"]
)
def test_an_hour_of_recorded_traffic_breaks_no_promise(run: Run, fleet: Path, file: str) -> None:
    data = recorded.folder(None)
    if data is None or not (data / file).is_file():
        pytest.skip(f"{file} is neither in $JUNCTOR_DATA nor in ../shared/data")
    (told,) = _told(run, str(fleet), str(data / file), "--model", "small")
    assert told["seconds"] > 1_000
    assert told["calls"] > 6_000
    if "mooncake" in file:
        assert told["used"]["cached_tokens"] == 0, "no price for cached input, no cache"
