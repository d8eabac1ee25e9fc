"""Everything shown is run: each example, each `python` block, each `$ junctor …` line of the pages."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.markdown import ROOT, blocks, pages, program

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FLEET = ROOT / "examples" / "fleet.yaml"
OFFLINE = [sys.executable, "-W", "error", str(Path(__file__).with_name("offline.py"))]
# What the console script does, also where the package is not installed.
COMMAND = "import sys; from junctor.cli import main; sys.exit(main())"
# Long enough for a loaded two-core machine; an example that needs more is no example.
TIMEOUT_S = 120


def test_a_program_that_leaves_the_machine_is_caught(tmp_path: Path) -> None:
    """The guard around the examples works: a connection to elsewhere ends the program."""
    script = tmp_path / "leaves.py"
    script.write_text("import socket; socket.create_connection(('192.0.2.1', 80))", encoding="utf-8")
    run = subprocess.run([*OFFLINE, str(script)], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert "stay on this machine" in run.stderr


def _pages_with(language: str) -> list[Path]:
    return [page for page in pages() if any(block.language == language for block in blocks(page))]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_example_runs_offline(example: Path, tmp_path: Path) -> None:
    """Exit status 0, no warning, no key in the environment, no way out of the machine."""
    _run([*OFFLINE, str(example)], cwd=tmp_path)


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_example_is_short(example: Path) -> None:
    """An example is read at a glance: at most 60 lines."""
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("page", _pages_with("python"), ids=_name)
def test_python_blocks_run(page: Path, tmp_path: Path) -> None:
    """The blocks of a page are one program, run in order with warnings as errors."""
    script = _beside_a_fleet(tmp_path) / f"{page.stem}.py"
    script.write_text(program(page), encoding="utf-8")
    _run([*OFFLINE, str(script)], cwd=tmp_path)


@pytest.mark.parametrize("page", _pages_with("console"), ids=_name)
def test_console_blocks_show_what_is_printed(page: Path, tmp_path: Path) -> None:
    """Each `$ junctor …` line prints what the page says; `...` stands for any text."""
    cwd = _beside_a_fleet(tmp_path)
    for line, command, expected in _commands(page):
        printed = _run([sys.executable, "-c", COMMAND, *shlex.split(command)[1:]], cwd=cwd, any_status=True)
        same = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        assert same, f"{_name(page)}:{line}: `{command}` printed\n{printed}\nand the page says\n{expected}"


def _beside_a_fleet(directory: Path) -> Path:
    """The directory, with the examples in it and their fleet file beside them, under the name that pages use."""
    shutil.copytree(FLEET.parent, directory / "examples")
    shutil.copy(FLEET, directory)
    return directory


def _commands(page: Path) -> list[tuple[int, str, str]]:
    """Line number, command without its prompt, and the text below it, for each `$ junctor …` of a page."""
    found: list[tuple[int, str, str]] = []
    for block in blocks(page):
        for number, line in enumerate(block.text.splitlines() if block.language == "console" else [], block.line):
            if line.startswith("$ "):
                found.append((number, line[2:], ""))
            elif found:
                found[-1] = (*found[-1][:2], found[-1][2] + line + "\n")
    return [entry for entry in found if entry[1].startswith("junctor ")]


def _run(command: list[str], *, cwd: Path, any_status: bool = False) -> str:
    """What a command prints; fails with its errors if its status is not 0."""
    run = subprocess.run(
        command, cwd=cwd, env=_offline(), capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert any_status or run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def _offline() -> dict[str, str]:
    """This environment with made-up keys only, and without a proxy."""
    unwanted = re.compile("KEY|TOKEN|PROXY", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not unwanted.search(name)}
    kept |= dict.fromkeys(re.findall(r"env:(\w+)", FLEET.read_text(encoding="utf-8")), "sk-made-up")
    path = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return kept | {"NO_COLOR": "1", "COLUMNS": "100", "PYTHONPATH": path}
