"""The page of proofs says the truth: each test named there exists, each command is one, and no proof is left out."""

from __future__ import annotations

import re

from scripts.markdown import ROOT
from tests.house.test_faults import lost, named

PAGE = (ROOT / "docs/proofs.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / "scripts/prove.sh").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    """A renamed test is renamed here too."""
    assert lost(PAGE) == []


def test_the_page_and_the_script_name_the_same_proofs() -> None:
    """In the same order: what is promised is run, and what is run is explained."""
    assert re.findall(r"^\| `make prove ARGS=(\w+)` \|", PAGE, re.MULTILINE) == re.findall(
        r"^proof (\w+) ", SCRIPT, re.MULTILINE
    )


def test_every_model_proves_a_promise() -> None:
    """A loom model that no promise names would be one that nobody misses."""
    models = {
        (f"rust/core/tests/loom/{file.name}", name)
        for file in (ROOT / "rust/core/tests/loom").glob("*.rs")
        for name in re.findall(r"#\[test\]\nfn (\w+)\(", file.read_text(encoding="utf-8"))
    }
    assert len(models) >= 12
    assert models - set(named(PAGE)) == set()
