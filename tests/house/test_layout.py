"""The tree keeps the promises that no compiler checks."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.markdown import ROOT

ENVIRONMENTS = {".venv", ".venv-peers", ".venv-catalog", ".venv-older", ".venv-local"}
NOT_OURS = ENVIRONMENTS | {".git", "target", "dist", "__pycache__", ".hypothesis"}
TEXT = {".py", ".pyi", ".rs", ".toml", ".md", ".yaml", ".yml", ".json", ".sh", ""}
# A directory of somebody's machine: such a path works nowhere else.
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:home|root|Users|work|tmp)/\w")
# What a calculator does not touch. Clippy bans the calls (rust/core/clippy.toml); this bans the modules.
WORLD = re.compile(r"\bstd::(?:env|fs|net|process)\b|\b(?:Instant|SystemTime)\b|\b(?:Mutex|RwLock|rand)::")
# Beyond this a file is two files (comments and blank lines not counted).
CODE_LINES_MAX = 400


def _files(*suffixes: str, under: str = ".") -> Iterator[Path]:
    for path in sorted((ROOT / under).rglob("*")):
        parts = path.relative_to(ROOT).parts
        ours = not NOT_OURS.intersection(parts) and not any(part.endswith("_cache") for part in parts)
        if ours and path.is_file() and path.suffix in suffixes:
            yield path


def _lines(*suffixes: str, under: str = ".") -> Iterator[tuple[str, str]]:
    for path in _files(*suffixes, under=under):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def test_no_file_names_a_directory_of_one_machine() -> None:
    """A clone works wherever it lies."""
    assert [f"{place}: {line.strip()}" for place, line in _lines(*TEXT) if MACHINE_PATH.search(line)] == []


def test_core_touches_no_clock_file_environment_or_lock() -> None:
    """Invariants 1, 3 and 11: time and chance are arguments, nothing is read, nothing blocks."""
    code = ((place, line.partition("//")[0]) for place, line in _lines(".rs", under="rust/core/src"))
    assert [f"{place}: {line.strip()}" for place, line in code if WORLD.search(line)] == []


def test_core_depends_on_nothing_that_could() -> None:
    """The pure crate has a handful of dependencies, all of them calculators too."""
    manifest = tomllib.loads((ROOT / "rust/core/Cargo.toml").read_text(encoding="utf-8"))
    assert set(manifest["dependencies"]) <= {"arc-swap", "arrayvec", "serde", "serde_json", "strsim", "thiserror"}


def test_adapters_do_no_io() -> None:
    """Invariant 7: an adapter imports no event loop, no socket and no clock."""
    banned = {"asyncio", "socket", "time", "pyreqwest", "httpx", "random", "os"}
    used = {(path.name, name) for path in _files(".py", under="python/junctor/adapters") for name in _imports(path)}
    assert sorted((file, name) for file, name in used if name in banned) == []


def test_every_imported_package_is_declared() -> None:
    """What the code imports stands in pyproject.toml: the package's needs at run time, everything else's in a group."""
    declared = _declared()
    trees = {"python": "run", "tests": "dev", "examples": "shown", "scripts": "dev", "benches": "bench"}
    missing = [
        f"{path.relative_to(ROOT)}: {' or '.join(sorted(distributions))}"
        for tree, need in trees.items()
        for path in _files(".py", under=tree)
        for distributions in _distributions(path)
        if not distributions & declared[need]
    ]
    assert missing == []


def test_suppressions_say_why() -> None:
    """A silenced checker has a reason beside it, or on the line above."""
    silent, above = [], ""
    for place, line in _lines(".py", ".pyi", ".rs"):
        mark = re.search(r"# (?:type: ignore|noqa)\S*|#!?\[allow\(.*", line)
        reasoned = mark and (
            re.search(r"\w{3}", line[mark.end() :]) or "reason =" in line or above.startswith(("#", "//"))
        )
        if mark and not reasoned and "re.search" not in line:
            silent.append(f"{place}: {line.strip()}")
        above = line.strip()
    assert silent == []


@pytest.mark.parametrize("tree", ["python", "rust"])
def test_no_file_is_two_files(tree: str) -> None:
    """Shipped source files stay readable in one sitting."""
    long = {path: _code_lines(path) for path in _files(".py", ".rs", under=tree) if "tests" not in path.parts}
    assert {str(path): count for path, count in long.items() if count > CODE_LINES_MAX} == {}


def _code_lines(path: Path) -> int:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sum(1 for line in lines if line and not line.startswith(("#", "//")))


def _imports(path: Path) -> set[str]:
    """First words of the modules that a file imports, those for type checkers included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _distributions(path: Path) -> list[set[str]]:
    """The packages of the index that a file imports from; one that is not installed is called as its module is.

    A namespace, such as `opentelemetry`, is shared by several packages: each of them may be meant.
    """
    ours = {"junctor", "scripts", "tests", "benches"}
    foreign = _imports(path) - ours - set(sys.stdlib_module_names)
    return [set(map(_normal, _installed().get(name, [name]))) for name in sorted(foreign)]


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def _declared() -> dict[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    run = _names([*project["project"]["dependencies"], *(line for extra in extras for line in extra)])
    groups = {name: _names(lines) for name, lines in project["dependency-groups"].items()}
    theirs = {"anthropic", "openai"}  # an example of the drop-in shows the SDK that its reader has
    dev = run | groups["dev"]
    return {"run": run, "shown": run | (theirs & dev), "dev": dev, "bench": dev | groups["bench"]}


def _names(requirements: list[str]) -> set[str]:
    return {_normal(re.split(r"[^\w.-]", line)[0]) for line in requirements}


def _normal(name: str) -> str:
    """A package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
