"""Reads what the checks need from Markdown: fenced blocks, headings, links.

A whole Markdown parser would be one more dependency to find three line shapes in pages that we write ourselves, so
this reads lines. It knows fences (so that a `#` or a bracket inside one is no heading and no link) and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

_FENCE = re.compile(r"^\s*(```+|~~~+)\s*([\w-]*)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$")
_LINK = re.compile(r"(?<!\\)\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE_SPAN = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language word, the number of its first line, its text."""

    language: str
    line: int
    text: str


def pages(root: Path = ROOT) -> list[Path]:
    """Every Markdown page of the project: those at the top, and all below docs/."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    language, first, lines = "", 0, list[str]()
    for number, line, inside in _lines(page):
        if inside is None and first:
            found.append(Block(language, first, "\n".join(lines) + "\n"))
            first = 0
        elif inside is None:
            language, first, lines = _language(line), number + 1, []
        elif inside:
            lines.append(line)
    return found


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make, as code forges spell them."""
    headings = (_HEADING.match(line) for _, line, inside in _lines(page) if inside is False)
    return {_slug(match[1]) for match in headings if match}


def links(page: Path) -> list[tuple[int, str]]:
    """Line number and target of each inline link outside code."""
    prose = ((number, _CODE_SPAN.sub("", line)) for number, line, inside in _lines(page) if inside is False)
    return [(number, target) for number, line in prose for target in _LINK.findall(line)]


def program(page: Path, language: str = "python") -> str:
    """The blocks of one language as one program in which every line keeps its number, so that errors point home."""
    out: list[str] = []
    for block in blocks(page):
        if block.language == language:
            out += [""] * (block.line - 1 - len(out)) + block.text.splitlines()
    return "\n".join(out) + "\n" if out else ""


def _lines(page: Path) -> Iterator[tuple[int, str, bool | None]]:
    """Number, text and place of each line: True inside a fence, False outside, None for a fence itself."""
    fence = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip() == fence):
            fence = "" if fence else mark[1]
            yield number, line, None
        else:
            yield number, line, bool(fence)


def _language(line: str) -> str:
    mark = _FENCE.match(line)
    return mark[2] if mark else ""


def _slug(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return words.replace(" ", "-")
