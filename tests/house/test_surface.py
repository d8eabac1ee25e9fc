"""What `import junctor` gives and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
import types

import junctor
from scripts.markdown import ROOT

# Importing a library that is not used yet is the caller's time and memory. asyncio alone is a third of the budget.
NOT_AT_IMPORT = ("asyncio", "pyreqwest", "yaml", "httpx", "ssl", "rich", "uvloop")


def test_all_is_sorted_and_short() -> None:
    """At most fifteen names, in order, each once."""
    assert list(junctor.__all__) == sorted(set(junctor.__all__))
    assert len(junctor.__all__) <= 15


def test_every_exported_name_exists_and_is_documented() -> None:
    """`__all__` promises nothing that is not there, and every public method of it says what it does."""
    exported = {name: getattr(junctor, name) for name in junctor.__all__}
    methods = {f"{name}.{key}": item for name, each in exported.items() for key, item in _methods(each)}
    assert [name for name, item in (exported | methods).items() if not item.__doc__] == []


def test_nothing_public_is_left_out_of_all() -> None:
    """What the package defines or loads on demand is in `__all__`, so that promise and reality are one list."""
    for name in junctor.__all__:
        getattr(junctor, name)
    own = {name for name, item in vars(junctor).items() if getattr(item, "__module__", "").startswith("junctor")}
    assert {name for name in own if not name.startswith("_")} <= set(junctor.__all__)
    assert dir(junctor) == sorted(junctor.__all__)


def test_import_loads_neither_event_loop_nor_transport_nor_yaml() -> None:
    """Whoever imports the package and uses one name pays for that name."""
    loaded = _in_fresh_interpreter("import sys, junctor; print([m for m in sys.modules])")
    assert [name for name in (*NOT_AT_IMPORT, "msgspec") if name in loaded] == []


def test_deciding_loads_neither_event_loop_nor_transport() -> None:
    """The router is a calculator: touching it brings no I/O in."""
    loaded = _in_fresh_interpreter("import sys, junctor; junctor.Router; print([m for m in sys.modules])")
    assert [name for name in NOT_AT_IMPORT if name in loaded] == []


def test_import_starts_nothing() -> None:
    """No thread, no event loop, no environment change: nothing happens at import."""
    script = (
        "import os, threading; before = dict(os.environ); import junctor; "
        "print([threading.active_count() - 1, dict(os.environ) != before])"
    )
    assert _in_fresh_interpreter(script) == [0, False]


def _methods(item: object) -> list[tuple[str, object]]:
    """The public functions and properties that a class itself defines."""
    own = vars(item).items() if isinstance(item, type) else ()
    shapes = (types.FunctionType, types.MethodDescriptorType, classmethod, property)
    return [(name, member) for name, member in own if isinstance(member, shapes) and not name.startswith("_")]


def _in_fresh_interpreter(script: str) -> list[object]:
    """The list that a one-line program prints, run with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    printed: list[object] = ast.literal_eval(run.stdout)
    return printed
