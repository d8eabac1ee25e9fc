"""Rows of a file, each with its place: CSV, TSV or JSON lines, plain or gzip, and bounds on all of it.

A wrong row is of use only if it can be found again, so every row carries its number and the line where it begins:
prompts contain newlines, so the two differ. Bytes that are no UTF-8 are let through as surrogates, since a decoder that
stops at them names neither row nor column; whoever takes a text out of a row looks for them (`text_of`).
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from junctor.config.errors import show

MAX_CELL: Final = 16 * 1024 * 1024
"""Bytes of one cell. The longest context that a model is sold with, two million tokens, is half of it."""

MAX_ROWS: Final = 2_000_000
"""Rows of a file: more is a matter for a sample."""

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson")


class TableError(ValueError):
    """A table cannot be used: one sentence with file, row, column, value, what is allowed and a hint."""


class Row(NamedTuple):
    """One row: `place` for messages, and its cells by column."""

    place: str
    cells: dict[str, Any]


def read_rows(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The columns of a file in their order, and its rows. Raises `TableError`."""
    kind = next((suffix for suffix in SUFFIXES if path.name.removesuffix(".gz").endswith(suffix)), None)
    if kind is None:
        raise TableError(f"{path}: the name ends in none of {', '.join(SUFFIXES)} (also with .gz); rename the file")
    try:
        with _opened(path) as file:
            rows = list(_json_rows(path, file) if "json" in kind or "nd" in kind else _csv_rows(path, file, kind))
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror or error}); give the path of a table") from None
    except (EOFError, zlib.error) as error:
        raise TableError(f"{path} is a gzip file that was cut off or damaged ({error}); copy it again") from None
    if not rows:
        raise TableError(f"{path} holds no rows; give at least one prompt")
    columns = dict.fromkeys(name for row in rows for name in row.cells)
    return tuple(columns), rows


def text_of(path: Path, row: Row, column: str, value: object) -> str:
    """A cell that must be text. Raises `TableError` for another kind of value, and for text that is no Unicode."""
    if not isinstance(value, str):
        raise TableError(f"{path}: {row.place}, column {column!r} is {show(value)}; allowed is text")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as error:
        raise TableError(
            f"{path}: {row.place}, column {column!r} is not valid Unicode at character {error.start:,}; "
            "allowed is UTF-8: convert the file, or drop the row"
        ) from None
    if size > MAX_CELL:
        raise TableError(
            f"{path}: {row.place}, column {column!r} has {size:,} bytes; allowed is up to {MAX_CELL:,}: cut or drop it"
        )
    return value


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if file.peek(2)[:2] == b"\x1f\x8b":
            with gzip.open(file) as plain:
                yield plain  # type: ignore[misc]  # a GzipFile reads like any binary file
        else:
            yield file


def _csv_rows(path: Path, file: IO[bytes], kind: str) -> Iterator[Row]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    before = csv.field_size_limit(MAX_CELL)  # the module's own bound, 128 kB, is less than a long prompt
    try:
        yield from _csv_records(path, csv.reader(text, strict=True, delimiter="\t" if kind == ".tsv" else ","))
    finally:
        csv.field_size_limit(before)
        text.detach()  # the file is its opener's to close


def _csv_records(path: Path, reader: Any) -> Iterator[Row]:
    header: list[str] | None = None
    number, begins = 0, 1
    try:
        for record in reader:
            place, begins = f"row {number + 1:,} (line {begins:,})", reader.line_num + 1
            if not record:
                continue
            if header is None:
                header = _header(path, record)
                continue
            if len(record) != len(header):
                raise TableError(
                    f"{path}: {place} has {len(record)} cells; the header has {len(header)}: quote cells with commas"
                )
            number += 1
            _bound(path, number)
            yield Row(place, dict(zip(header, record, strict=True)))
    except csv.Error as error:
        raise TableError(
            f"{path}: row {number + 1:,} (line {begins:,}) is no CSV ({error}); quote as RFC 4180 does, "
            f"cells of up to {MAX_CELL:,} characters"
        ) from None


def _header(path: Path, record: list[str]) -> list[str]:
    for name in record:
        if record.count(name) > 1:
            raise TableError(f"{path}: the header has {show(name)} twice; give each column a name of its own")
        if not name.strip() or not name.isprintable():
            raise TableError(f"{path}: the header has a column called {show(name)}; allowed is printable text")
    return record


def _json_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    decode = msgspec.json.Decoder().decode
    number = 0
    for line in range(1, MAX_ROWS * 2):
        raw = file.readline(4 * MAX_CELL)
        if not raw:
            return
        if not raw.strip():
            continue
        number += 1
        place = f"row {number:,} (line {line:,})"
        _bound(path, number)
        try:
            cells = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TableError(f"{path}: {place} is no JSON ({error}); give one object per line, in UTF-8") from None
        if not isinstance(cells, dict):
            raise TableError(f"{path}: {place} is {show(cells)}; allowed is a JSON object per line")
        yield Row(place, cells)


def _bound(path: Path, number: int) -> None:
    if number > MAX_ROWS:
        raise TableError(f"{path} has more than {MAX_ROWS:,} rows; take a sample")
