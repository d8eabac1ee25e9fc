"""The stub of the extension says what the binary does: same names, same parameters, same defaults, both ways."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from junctor import _core as core
from scripts.markdown import ROOT

STUB = ROOT / "python" / "junctor" / "_core.pyi"


def test_stub_and_binary_agree() -> None:
    """mypy's stubtest finds no difference, and nothing is exempted."""
    command = [sys.executable, "-m", "mypy.stubtest", "junctor._core", "--mypy-config-file", "pyproject.toml"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_callable_of_the_binary_tells_its_signature() -> None:
    """stubtest skips what it cannot look into, so nothing may be opaque."""
    opaque = []
    for name, function in _callables():
        try:
            inspect.signature(function)
        except ValueError:
            opaque.append(name)
    assert opaque == []


def test_stub_carries_the_docs() -> None:
    """Every public class, method and property of the stub has a docstring: editors show the stub, not the binary."""
    bare = [name for name, node in _definitions(ast.parse(STUB.read_text(encoding="utf-8"))) if not _documented(node)]
    assert bare == []


def test_extension_is_the_one_of_this_checkout() -> None:
    """What is tested was built here, not installed from elsewhere."""
    assert Path(core.__file__).parent == STUB.parent


def _callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, item in vars(core).items():
        if name.startswith("_"):
            continue
        if not inspect.isclass(item):
            yield from [(name, item)] if callable(item) else []
            continue
        for method, function in vars(item).items():
            if not method.startswith("_") and callable(function):
                yield f"{name}.{method}", function


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _definitions(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node, f"{node.name}.")


def _documented(node: Definition) -> bool:
    return ast.get_docstring(node) is not None
