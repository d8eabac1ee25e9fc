"""Text for terminals: columns line up whatever the colours, and colour stays where it is wanted."""

from __future__ import annotations

import io

import pytest

from junctor.cli.text import Paint, cell, clip, dollars, paint_for, plural, seconds, table, width


class Terminal(io.StringIO):
    """A stream that says that a person is looking."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paint_for(Terminal())("x", "red") == "\x1b[31mx\x1b[0m"
    assert paint_for(io.StringIO())("x", "red") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint_for(Terminal())("x", "red") == "x"


def test_a_dumb_terminal_gets_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not paint_for(Terminal()).enabled


def test_columns_line_up_whatever_the_colours() -> None:
    paint = Paint(True)
    lines = table([("a", paint("1", "bold")), (paint("long", "red"), "22")], "<>")
    assert [width(line) for line in lines] == [10, 10]
    assert lines[0] == f"  a      {paint('1', 'bold')}"


def test_an_empty_table_has_no_lines() -> None:
    assert table([], "<") == []


def test_cells_lean_to_their_side() -> None:
    assert (cell("x", 3), cell("x", 3, ">")) == ("x  ", "  x")


@pytest.mark.parametrize("columns", range(12))
def test_clipped_text_is_never_wider_and_ends_its_colour(columns: int) -> None:
    painted = Paint(True)("red text", "red") + " and"
    clipped = clip(painted, columns)
    assert width(clipped) == min(columns, 12)
    assert clipped.count("\x1b[31m") == clipped.count("\x1b[0m")


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(0.0, "0 µs"), (0.00085, "850 µs"), (0.012, "12 ms"), (1.254, "1.25 s"), (300.4, "300 s")],
)
def test_seconds_read_easily(value_s: float, text: str) -> None:
    assert seconds(value_s) == text


@pytest.mark.parametrize(("micros", "text"), [(125, "$0.000125"), (12_500, "$0.0125"), (1_270_000, "$1.27")])
def test_dollars_have_as_many_digits_as_tell_something(micros: int, text: str) -> None:
    assert dollars(micros) == text


def test_plurals() -> None:
    assert (plural(1, "error"), plural(0, "error"), plural(1_000, "call")) == ("1 error", "0 errors", "1,000 calls")
