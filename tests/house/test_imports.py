"""What a program loads is what it uses: each statement runs in a fresh interpreter, which lists its modules."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded(statement: str) -> set[str]:
    """The modules that are there after this statement."""
    listing = f"{statement}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


OVER_KEYS = "import junctor\nclient = junctor.Client.over_keys('openai/gpt-5.6', keys=['k'], rpm=5)\nclient.transport"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import junctor", {"asyncio", "msgspec", "yaml", "junctor._core"}),
        ("import junctor.adapters\njunctor.adapters.names()", {"junctor.adapters.openai", "junctor.adapters.gemini"}),
        ("import junctor.langchain", {"junctor._core", "pydantic", "langchain_core", "langchain", "langgraph"}),
        ("from junctor.langchain import ChatJunctor", {"langchain", "langgraph", "junctor.testing"}),
        (
            f"{OVER_KEYS}\nclient.adapter('openai')",
            {"junctor.adapters.anthropic", "junctor.adapters.gemini", "pyreqwest", "httpx", "yaml", "tomllib"}
            | {"zoneinfo", "difflib", "junctor.sink", "junctor.testing"},
        ),
    ],
)
def test_nothing_is_loaded_that_is_not_used(statement: str, absent: set[str]) -> None:
    """Neither the other dialects nor the other transports, nor a parser of files that are not there."""
    found = loaded(statement)
    assert "junctor" in found
    assert found & absent == set()
