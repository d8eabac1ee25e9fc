"""Builds and loads benches/floor: the two calls of a decision, deciding nothing."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

from benches.python.harness import ROOT, say


@cache
def load() -> Any:
    """The extension module, built as the router's is: release profile, same compiler, same interpreter."""
    say("building the floor")
    run = subprocess.run(
        ["cargo", "build", "--release", "--quiet", "-p", "junctor-floor", "--message-format=json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    built = [json.loads(line) for line in run.stdout.splitlines()]
    library = next(
        name for told in built for name in told.get("filenames", ()) if "junctor_floor" in name and name.endswith(".so")
    )
    loader = ExtensionFileLoader("junctor_floor", library)
    spec = spec_from_loader("junctor_floor", loader)
    if spec is None:
        raise ImportError(f"{library} is no extension module")
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
