"""The command as a whole: statuses, one-line errors, what is imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import junctor
from junctor.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Any]


def _python(*argv: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
    )


def test_version_is_the_package_s(run: Run) -> None:
    assert run("--version") == (0, f"junctor {junctor.__version__}\n", "")


def test_help_lists_every_command(run: Run) -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if re.match(r"    [a-z]", line)] == [*COMMANDS]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(run: Run, command: str) -> None:
    status, out, err = run(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: junctor {command} ")
    assert "--json" in out


def test_no_command_is_a_usage_error_that_shows_the_help(run: Run) -> None:
    status, out, _ = run()
    assert status == 2
    assert out.startswith("usage: junctor")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("chek",), "junctor: argument COMMAND: invalid choice: 'chek' (choose from"),
        (("check",), "junctor: the following arguments are required: FILE; see junctor check --help"),
        (("check", "a.yaml", "b"), "junctor: unrecognized arguments: b; see junctor --help"),
        (("explain", "a.yaml"), "junctor: the following arguments are required: REQUEST; see junctor explain --help"),
        (("explain", "a", "{}", "--seed=-1"), "junctor: argument --seed: '-1' is no whole number from 0 to 2^63 - 1;"),
        (("demo", "--seed", "many"), "junctor: argument --seed: 'many' is no whole number from 0 to 2^63 - 1; see"),
        (("demo", "--seconds", "0.5"), "junctor: --seconds is 0.5; allowed is 1 to 600"),
        (("demo", "--seconds", "nan"), "junctor: --seconds is nan; allowed is 1 to 600"),
        (("top", "a.yaml", "--interval", "0"), "junctor: --interval is 0; allowed is 0.1 to 60 seconds"),
        (("top", "a.yaml", "--interval", "nan"), "junctor: --interval is nan; allowed is 0.1 to 60 seconds"),
        (("top", "a.yaml", "--sort", "size"), "junctor: argument --sort: invalid choice: 'size' (choose from"),
        (("bench", "--sizes", "10,x"), "junctor: --sizes is '10,x'; give whole numbers from 1 to 100,000 with commas"),
        (("bench", "--batches", "1"), "junctor: --batches is 1; allowed is 2 to 10,000"),
    ],
)
def test_wrong_usage_is_status_2_and_one_line_on_stderr(run: Run, argv: tuple[str, ...], said: str) -> None:
    status, out, err = run(*argv)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(said)


def test_the_module_runs_the_same_command() -> None:
    ran = _python("-m", "junctor", "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"junctor {junctor.__version__}\n", "")


def test_the_help_is_told_without_importing_what_commands_need() -> None:
    """Starting the command costs what Python costs."""
    code = "import sys; from junctor.cli import main; main(['--help']); print(*sorted(sys.modules))"
    loaded = set(_python("-c", code).stdout.split())
    assert loaded.isdisjoint({"msgspec", "yaml", "asyncio", "junctor._core", "junctor.config", "junctor.testing"})


def test_checking_a_file_imports_neither_a_transport_nor_the_testing_kit(fleet: Path) -> None:
    code = f"import sys; from junctor.cli import main; main(['check', {str(fleet)!r}]); print(*sorted(sys.modules))"
    loaded = set(_python("-c", code).stdout.split())
    assert "junctor.config" in loaded
    assert loaded.isdisjoint({"pyreqwest", "asyncio", "junctor.testing", "junctor.client", "junctor.demo"})


def test_a_reader_that_has_enough_is_no_error(fleet: Path) -> None:
    """`junctor … | head -1` ends quietly."""
    command = f"{sys.executable} -m junctor explain {fleet} '{{}}' --json | true; exit ${{PIPESTATUS[0]}}"
    env = os.environ | {"PYTHONPATH": str(ROOT / "python")}
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=env)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_output_that_knows_few_letters_shows_question_marks(fleet: Path) -> None:
    command = [sys.executable, "-m", "junctor", "explain", str(fleet), "{}"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "python"), "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "rules       otherwise ? group strong" in ran.stdout


@pytest.mark.parametrize(
    ("output", "status", "said"),
    [
        ("| true; exit ${PIPESTATUS[0]}", 1, ""),
        (">&-", 1, ""),
        ("> /dev/full", 1, "junctor: the output cannot be written (No space left on device)\n"),
    ],
    ids=["a reader that left", "closed", "a full disk"],
)
def test_the_status_is_that_of_the_file_wherever_the_output_goes(
    fleet: Path, output: str, status: int, said: str
) -> None:
    fleet.write_text(fleet.read_text().replace("rpm: 60", "rmp: 60"))
    command = f"{sys.executable} -m junctor check {fleet} {output}"
    env = os.environ | {"PYTHONPATH": str(ROOT / "python")}
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=env)
    assert (ran.returncode, ran.stdout, ran.stderr) == (status, "", said)
