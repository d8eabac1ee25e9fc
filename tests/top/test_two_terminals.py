"""What the README says about two terminals, done: the example in one, `junctor top` in the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from junctor.cli.text import Paint
from junctor.top import lines
from scripts.markdown import ROOT, blocks
from tests.top.pictures import pictured
from tests.top.worker import Worker

RUN_S = 8
ALLOWED = 10 + 10 * RUN_S
PATIENCE_S = 60.0
README = [block.text for block in blocks(ROOT / "README.md") if block.language == "text"]


def _shape(text: str) -> str:
    """The text without its figures."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d.,]*", "N", text)).strip()


def _shown(first: str) -> str:
    """The output that the README shows below this command."""
    (block,) = [text for text in README if text.startswith(f"$ {first}")]
    return block.split("\n", 1)[1]


def _top(fleet: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": Worker.python_path()}
    command = [sys.executable, "-m", "junctor", "top", str(fleet), "--interval", "0.3", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=PATIENCE_S)


def _looked(fleet: Path, *, pids: int) -> dict[str, Any]:
    """A picture with so many processes that have it open, and traffic."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        ran = _top(fleet, "--json")
        told: dict[str, Any] = json.loads(ran.stdout) if ran.returncode == 0 else {"processes": []}
        if sum(each["alive"] for each in told["processes"]) == pids and told["deployments"][0]["share"]:
            return told
    raise AssertionError(f"never saw {pids} processes at work")


def test_four_workers_share_one_limit_and_a_killed_one_leaves_nothing_behind(tmp_path: Path) -> None:
    """The total is what one limit allows, to the last call; the second terminal sees the workers and their limit."""
    for name in ("05_one_limit.py", "one_limit.yaml"):
        (tmp_path / name).write_text((ROOT / "examples" / name).read_text(encoding="utf-8"), encoding="utf-8")
    fleet = tmp_path / "one_limit.yaml"
    kept = {name: value for name, value in os.environ.items() if not re.search("KEY|PROXY", name, re.IGNORECASE)}
    example = subprocess.Popen(
        [sys.executable, str(tmp_path / "05_one_limit.py"), str(RUN_S)],
        stdout=subprocess.PIPE,
        text=True,
        env=kept | {"PYTHONPATH": Worker.python_path()},
    )
    try:
        told = _looked(fleet, pids=5)
        (row,) = told["deployments"]
        assert row["share"] == 1.0
        assert told["limits"] == row["limits"]
        assert (row["limits"][0]["dimension"], row["limits"][0]["limit"]) == ("rpm", 600)
        assert _top(fleet, "--once").stdout.startswith(" junctor top  ")
        said, _ = example.communicate(timeout=PATIENCE_S)
    finally:
        example.kill()
        example.wait()
        assert example.stdout is not None
        example.stdout.close()
    assert example.returncode == 0
    assert _shape(said) == _shape(_shown("python examples/05_one_limit.py"))
    found = re.search(rf"one limit allows {ALLOWED} in {RUN_S} s; (\d+) were held and (\d+) came", said)
    assert found, said
    held, came = map(int, found.groups())
    # A machine that is too busy to ask loses a call; one that asks too much would be a broken limit.
    assert 10 < came <= held <= ALLOWED
    assert "1 killed, 0 attempts left in flight" in said


def test_the_readme_shows_what_top_prints() -> None:
    """The same lists with the same headings."""
    shown = _shown("junctor top examples/one_limit.yaml").splitlines()
    assert shown[0].split()[:2] == ["junctor", "top"]
    told = lines(pictured({"gpt": {"attempts": 20, "refusals": 9}}, names=["gpt"]), Paint(False), columns=79)
    headings = [line.split() for line in told if re.match(r" (deployment|limits of|processes) ", line)]
    assert [line.split() for line in shown if re.match(r" (deployment|limits of|processes) ", line)] == headings
