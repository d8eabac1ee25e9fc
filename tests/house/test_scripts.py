"""The checking scripts find what they look for: a check that cannot fail proves nothing."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from scripts import check_docs, check_wheel
from scripts.markdown import anchors, blocks, links, program

PAGE = """# A `page` of ours

See [there](other.md#two-words), [nowhere](missing.md), [out](../../else.md), [here](#a-page-of-ours), `[no](link)`.

```python
x = 1  # [no](link) here either
# Not a heading
```

~~~text
```
~~~

```python
assert x == 1
```
"""


def _page(directory: Path) -> Path:
    (directory / "other.md").write_text("## One word\n", encoding="utf-8")
    page = directory / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    return page


def test_dead_links_and_anchors_are_reported_with_their_line(tmp_path: Path) -> None:
    """A missing file, a missing anchor and a way out of the checkout; good links and code are left alone."""
    assert check_docs.problems(_page(tmp_path), tmp_path) == [
        "page.md:3: other.md#two-words: no heading makes the anchor #two-words",
        "page.md:3: missing.md does not exist",
        "page.md:3: ../../else.md leaves the checkout",
    ]


def test_a_fence_without_a_language_is_reported(tmp_path: Path) -> None:
    """Otherwise a block would silently not be run."""
    page = tmp_path / "bare.md"
    page.write_text("text\n\n```\nx = 1\n```\n", encoding="utf-8")
    assert check_docs.problems(page, tmp_path) == ["bare.md:3: a fence needs a language word (text if it is none)"]


def test_blocks_links_and_anchors_are_read_outside_fences_only(tmp_path: Path) -> None:
    """Three blocks, four links, one heading."""
    page = _page(tmp_path)
    assert [(block.language, block.line) for block in blocks(page)] == [("python", 6), ("text", 11), ("python", 15)]
    assert len(links(page)) == 4
    assert anchors(page) == {"a-page-of-ours"}


def test_a_pages_program_keeps_its_line_numbers(tmp_path: Path) -> None:
    """An error in a block names the line of the page."""
    lines = program(_page(tmp_path)).splitlines()
    assert lines[5].startswith("x = 1")
    assert lines[14] == "assert x == 1"


def test_a_wheel_with_strays_gaps_and_a_wrong_tag_is_reported(tmp_path: Path) -> None:
    """Tests inside, the stub missing, built for one Python only."""
    wheel = tmp_path / "junctor-0.1.0-cp312-cp312-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("junctor/__init__.py", "")
        archive.writestr("tests/test_x.py", "")
    found = check_wheel.problems(wheel)
    assert f"{wheel.name}: the tag is not cp311-abi3" in found
    assert "missing: junctor/_core.abi3.so" in found
    assert "missing: junctor/py.typed" in found
    assert "missing: junctor-0.1.0.dist-info/licenses/LICENSE" in found
    assert "does not belong into the wheel: tests/test_x.py" in found
    assert "missing: junctor/__init__.py" not in found


def _signatures(source: str) -> dict[str, str]:
    """The signature of each method that has one, without its line breaks."""
    found = re.findall(r"signature = \((.*?)\)\)\].*?fn (\w+)", source, flags=re.DOTALL)
    return {name: " ".join(signature.split()) for signature, name in found}


def test_the_floor_takes_the_arguments_of_a_decision() -> None:
    """The benchmark's floor would flatter or slander the router if its calls took others."""
    root = Path(__file__).parents[2]
    floor = _signatures((root / "benches/floor/src/lib.rs").read_text(encoding="utf-8"))
    router = _signatures((root / "rust/py/src/router.rs").read_text(encoding="utf-8"))
    reservation = _signatures((root / "rust/py/src/reservation.rs").read_text(encoding="utf-8"))
    assert floor == {"reserve": router["reserve"], "settle": reservation["settle"]}
