"""The demo as people start it: a short day in a process of its own, without recordings, and its invariants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from junctor import demo
from junctor.cli import main
from junctor.demo.traffic import PER_SECOND

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 2
TIMEOUT_S = 120
"""Of a loaded machine; the run itself takes five."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One short demo for all tests here, where no recording lies and a proxy that nobody answers is named."""
    empty = tmp_path_factory.mktemp("empty")
    path = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = os.environ | {"PYTHONPATH": path, "JUNCTOR_DATA": str(empty), "HTTP_PROXY": "http://127.0.0.1:9"}
    command = [sys.executable, "-W", "error", "-m", "junctor", "demo", "--json", "--seconds", str(SECONDS)]
    return subprocess.run(command, cwd=empty, env=env, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)


@pytest.fixture(scope="module")
def told(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_it_ends_well_and_says_nothing_but_json(ran: subprocess.CompletedProcess[str], told: dict[str, Any]) -> None:
    assert (ran.returncode, ran.stderr) == (0, "")
    assert told["ok"] is True
    assert "the project's own" in told["traffic"]


@pytest.mark.parametrize("run", ["junctor", "random_choice"])
def test_every_invariant_holds(told: dict[str, Any], run: str) -> None:
    checks = told["runs"][run]["checks"]
    assert len(checks) == (7 if run == "junctor" else 4)
    assert [check for check in checks if not check["held"]] == []


def test_the_gateway_keeps_its_promises(told: dict[str, Any]) -> None:
    """Every dialect reaches every model; law, limits and keys hold in two worker processes."""
    assert [(check["promise"], check["held"]) for check in told["gateway"]["checks"] if not check["held"]] == []
    assert {(seen["dialect"], seen["status"]) for seen in told["gateway"]["seen"]} == {
        ("openai", 200), ("openai-responses", 200), ("anthropic", 200),
    }  # fmt: skip


@pytest.mark.parametrize("run", ["junctor", "random_choice"])
def test_every_call_is_told_and_no_prompt_left_its_region(told: dict[str, Any], run: str) -> None:
    figures = told["runs"][run]
    assert figures["calls"] == PER_SECOND * SECONDS
    assert figures["answered"] + figures["interrupted"] + sum(figures["failed"].values()) == figures["calls"]
    assert figures["outside_region"] == 0
    assert set(figures["sent_by_region"]) == {"us", "eu"}


def test_the_providers_counts_are_the_sum_of_their_keys(told: dict[str, Any]) -> None:
    for run in told["runs"].values():
        assert len(run["provider_by_key"]) == 10
        assert sum(key["requests"] for key in run["provider_by_key"].values()) == run["provider"]["requests"]


def test_the_dead_key_was_met_and_left_alone(told: dict[str, Any]) -> None:
    """One 401 (or a few under way at once) opens its breaker; random choice goes on to ask it."""
    dead = {name: run["provider_by_key"]["gpt-us-a"]["faults"].get("dead", 0) for name, run in told["runs"].items()}
    assert 1 <= dead["junctor"] < dead["random_choice"]


@pytest.mark.parametrize(("held", "status"), [(True, 0), (False, 1)])
def test_the_exit_status_says_whether_the_invariants_held(
    monkeypatch: pytest.MonkeyPatch, held: bool, status: int
) -> None:
    monkeypatch.setattr(demo, "drive", lambda *_given, **_options: held)
    assert main(["demo"]) == status


def test_a_data_folder_without_recordings_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"junctor: --data {tmp_path} holds no routellm_mmlu/train.csv.gz and ")


def test_providers_that_cannot_be_served_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_given: object, **_options: object) -> bool:
        raise OSError("no port is free")

    monkeypatch.setattr(demo, "drive", fails)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "junctor: the demo cannot go on (no port is free)\n"


def test_a_reader_that_leaves_ends_the_demo_quietly() -> None:
    """`junctor demo | head` neither complains nor goes on."""
    env = os.environ | {"PYTHONPATH": str(ROOT / "python")}
    command = f"{sys.executable} -m junctor demo --seconds 2 | head -8; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", command], env=env, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 8
