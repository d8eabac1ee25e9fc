"""Checks that every relative link and anchor in the project's pages leads somewhere. Run by `make docs`.

Only what lies in the checkout is checked: a check that asks the network fails for reasons that are not ours. A link
that leaves the checkout is reported too, because it would break in every other clone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.markdown import ROOT, anchors, blocks, links, pages


def problems(page: Path, root: Path = ROOT) -> list[str]:
    """One line for each link of a page that leads nowhere, and for each fence without a language word."""
    dead = (
        f"{page.relative_to(root)}:{line}: {reason}"
        for line, target in links(page)
        if (reason := _wrong(page, target, root))
    )
    bare = (
        f"{page.relative_to(root)}:{block.line - 1}: a fence needs a language word (text if it is none)"
        for block in blocks(page)
        if not block.language
    )
    return [*dead, *bare]


def _wrong(page: Path, target: str, root: Path) -> str | None:
    """Why a link target is wrong, or None."""
    if "://" in target or target.startswith("mailto:"):
        return None
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(root):
        return f"{target} leaves the checkout"
    if not file.exists():
        return f"{target} does not exist"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return f"{target}: no heading makes the anchor #{anchor}"
    return None


def main() -> int:
    """Prints every problem; the exit status says whether there was one."""
    found = [problem for page in pages() for problem in problems(page)]
    print("\n".join(found) or f"{len(pages())} pages: every link and anchor leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
