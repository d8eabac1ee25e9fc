"""The page of faults says the truth about the tests: each one named there exists, and no promised row is missing."""

from __future__ import annotations

import re

from scripts.markdown import ROOT

PAGE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
PROMISED = {
    *(f"B{row}" for row in (*range(1, 70), 75)),
    *(f"C{row}" for row in (*range(1, 23), 29, 30, 32)),
}


def named(text: str) -> list[tuple[str, str]]:
    """File and name of each test in a text; `::name` belongs to the file before it."""
    found, file = list[tuple[str, str]](), ""
    for path, name in re.findall(r"`([\w./]*)::(\w+)`", text):
        file = path or file
        found.append((file, name))
    return found


def lost(text: str) -> list[str]:
    """The tests named in a text that are not there: `fn name` in Rust, `def name` in Python."""
    gone = []
    for file, name in named(text):
        word = "fn" if file.endswith(".rs") else "def"
        path = ROOT / file
        if not path.is_file() or not re.search(rf"^\s*{word} {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            gone.append(f"{file}::{name}")
    return gone


def test_every_test_that_is_named_exists() -> None:
    """A renamed test is renamed here too."""
    assert lost(PAGE) == []


def test_every_promised_row_has_its_proof() -> None:
    """One line of a table per row, with a test in it."""
    rows = re.findall(r"^\| ([BC]\d+) \|(.*)\|$", PAGE, re.MULTILINE)
    assert sorted(row for row, _ in rows) == sorted(PROMISED)
    assert [row for row, line in rows if not named(line)] == []
