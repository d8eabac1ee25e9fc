"""The project's pages: links lead somewhere, words are found, decisions are dated, versions agree."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

import junctor
from junctor import _core, config
from scripts.check_docs import problems
from scripts.markdown import ROOT, blocks, pages

DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
# One screen.
DECISION_LINES_MAX = 60


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and anchor exists in this checkout."""
    assert problems(page) == []


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_fleets_that_are_shown_are_valid(page: Path, tmp_path: Path) -> None:
    """A `yaml` block that begins with a version is a fleet file, and loads."""
    for block in blocks(page):
        if block.language == "yaml" and block.text.startswith("version:"):
            file = tmp_path / "fleet.yaml"
            file.write_text(block.text, encoding="utf-8")
            assert config.load(file).deployments


def test_each_word_of_the_glossary_is_found_where_it_says() -> None:
    """A newcomer finds the file from the word in one guess: the linked file uses the word."""
    glossary = ROOT / "docs/glossary.md"
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|.*\]\((.+?)\)[^|]*\|$", glossary.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 30
    lost = [(words, file) for words, file in rows if not _uses(glossary.parent / file, words)]
    assert lost == []


def _uses(file: Path, words: str) -> bool:
    text = file.read_text(encoding="utf-8").lower()
    return all(word.strip(" `").lower() in text for word in re.split(r"[/,·]", words))


@pytest.mark.parametrize("page", DECISIONS, ids=_name)
def test_decision_is_dated_and_fits_one_screen(page: Path) -> None:
    """A decision says when it was taken, and is read in a minute."""
    text = page.read_text(encoding="utf-8")
    stamp = re.search(r"^Date: (\d{4}-\d{2}-\d{2})$", text, re.MULTILINE)
    assert stamp, "no line `Date: YYYY-MM-DD`"
    assert date.fromisoformat(stamp[1])
    assert len(text.splitlines()) <= DECISION_LINES_MAX


def test_decisions_are_numbered_without_a_gap() -> None:
    """Numbers are never reused; a withdrawn decision keeps its page and says so."""
    assert [int(page.name[:3]) for page in DECISIONS] == list(range(len(DECISIONS)))


def test_decisions_that_are_referred_to_exist() -> None:
    """`docs/decisions/NNN` in a header or a comment leads to a page."""
    numbers = {page.name[:3] for page in DECISIONS}
    sources = [path for tree in ("rust", "python", "tests", "benches") for path in (ROOT / tree).rglob("*.[pr][ys]")]
    cited = {
        (_name(path), number)
        for path in sources
        for number in re.findall(r"docs/decisions/(\d{3})", path.read_text(encoding="utf-8"))
    }
    assert {(file, number) for file, number in cited if number not in numbers} == set()


def test_versions_agree() -> None:
    """Cargo's version is the package's and the extension's, and the changelog has its section."""
    version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert version == junctor.__version__ == _core.__version__


def test_make_explains_each_of_its_words() -> None:
    """Every word of the Makefile has its line in the list that `make` prints."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony
    assert set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)) == set(phony[1].split())


def test_ci_says_the_words_of_the_makefile() -> None:
    """`.ci/run` adds no command of its own to what a developer can say."""
    said = set(re.findall(r"^step \w+ make ([a-z-]+)", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"lint", "types", "test", "docs", "wheel", "demo"} <= said
