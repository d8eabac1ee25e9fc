"""Traffic: a recorded trace in CSV or JSON lines, or a line that says how to draw one.

Traces come with headers in as many words as there are services, so columns are known by several names (`COLUMNS`), in
any case, with `_`, `-`, a dot or a space between words. Arrival may be seconds, milliseconds where the name says `_ms`,
or ISO times; the first call becomes second 0. Only arrival, input and output tokens are asked for.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "arrival": (
        "arrival_s", "arrival", "arrival_ms", "t_s", "t", "t_ms", "time_s", "time", "time_ms",
        "timestamp_s", "timestamp", "timestamp_ms",
    ),
    "input tokens": (
        "input_tokens", "in_tok", "prompt_tokens", "context_tokens", "contexttokens", "input_length", "input",
    ),
    "output tokens": (
        "output_tokens", "out_tok", "completion_tokens", "generated_tokens", "generatedtokens", "output_length",
        "output",
    ),
    "model": ("model",),
    "max_tokens": ("max_tokens", "max_output_tokens"),
    "session": ("session", "session_id", "conversation", "conversation_id"),
    "blocks": ("block_ids", "hash_ids"),
}  # fmt: skip
"""What a column is called, most telling name first."""

KNOWN_TAGS: Final = ("task", "user_tier", "priority", "tenant", "data")
TAG_PREFIX: Final = "tag_"
MAX_CALLS: Final = 2_000_000
"""A run keeps some hundred bytes per call; more is a matter for several runs."""
MAX_TOKENS: Final = 10_000_000
MAX_SECONDS: Final = 366 * 86_400
MAX_PER_S: Final = 100_000.0
_DRAWN: Final = re.compile(r"(poisson|constant|bursts):(.*)", re.DOTALL)
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)/(s|sec|min|m|h)")
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(s|min|m|h)")
_UNIT_S: Final = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3_600}
_NUMBERS: Final = {
    "input": ("input_tokens", 1_000.0), "input_spread": ("input_spread", 0.0), "output": ("output_tokens", 250.0),
    "output_spread": ("output_spread", 1.1), "output_max": ("output_max", 1_024.0), "sessions": ("sessions", 0.0),
}  # fmt: skip


class TraceError(ValueError):
    """The trace cannot be read: one sentence with the place, the value, what is allowed and a hint."""


class Kind(msgspec.Struct, frozen=True):
    """What calls have in common: all that routes them but their sizes."""

    model: str | None
    max_tokens: int | None
    tags: tuple[tuple[str, str], ...]


class Rows(msgspec.Struct):
    """Recorded calls by column. `kind`, `session` and `blocks` are empty where the trace has none."""

    arrival_s: list[float]
    input_tokens: list[int]
    output_tokens: list[int]
    kind: list[int]
    session: list[int]
    blocks: list[list[int]]
    block_tokens: int = 512


class Trace(msgspec.Struct, kw_only=True):
    """Traffic: recorded rows, or how to draw them."""

    source: str
    kinds: list[Kind]
    rows: Rows | None = None
    drawn: dict[str, Any] | None = None


def read(text: str) -> Trace:
    """The traffic that `text` names: a file, or a line such as `poisson:50/s,600s`. Raises `TraceError`."""
    if (found := _DRAWN.fullmatch(text)) is not None:
        return _drawn(text, found[1], found[2])
    path = Path(text)
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        lines = raw.decode("utf-8-sig")
    except OSError as error:
        raise TraceError(
            f"{text} cannot be read ({error.strerror or error}); give a CSV or JSONL file, or poisson:50/s,600s"
        ) from None
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        raise TraceError(f"{text} is neither text nor gzip ({error}); give CSV or JSONL in UTF-8") from None
    records = _json_lines(text, lines) if lines.lstrip().startswith("{") else _csv(text, lines)
    return _recorded(text, records)


def _drawn(text: str, pattern: str, rest: str) -> Trace:
    rate, *parts = [part.strip() for part in rest.split(",")]
    span = parts.pop(0) if parts else ""
    found_rate, found_span = _RATE.fullmatch(rate), _SPAN.fullmatch(span)
    per_s = float(found_rate[1]) / _UNIT_S[found_rate[2]] if found_rate else 0.0
    seconds = float(found_span[1]) * _UNIT_S[found_span[2]] if found_span else 0.0
    if not 0.0 < per_s <= MAX_PER_S:
        raise TraceError(
            f"{text!r}: the rate is {rate!r}; allowed is above 0 to {MAX_PER_S:,.0f}/s, such as 50/s or 300/min"
        )
    if not 0.0 < seconds <= MAX_SECONDS:
        raise TraceError(f"{text!r}: the length is {span!r}; allowed is above 0 s to a year, such as 600s, 10min or 2h")
    if per_s * seconds > MAX_CALLS:
        raise TraceError(f"{text!r} makes {per_s * seconds:,.0f} calls; allowed is up to {MAX_CALLS:,}: shorten it")
    numbers = dict(_NUMBERS.values())
    for part in parts:
        name, _, value = part.partition("=")
        if name not in _NUMBERS:
            raise TraceError(f"{text!r}: {part!r} is not known; allowed are {', '.join(_NUMBERS)} with = and a number")
        most = 10.0 if name.endswith("spread") else float(MAX_TOKENS)
        least = 0.0 if name.endswith("spread") or name == "sessions" else 1.0
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise TraceError(f"{text!r}: {name} is {value!r}; allowed is a number from {least:g} to {most:,g}")
        numbers[_NUMBERS[name][0]] = number
    sessions = int(numbers.pop("sessions"))
    drawn = {"pattern": pattern, "per_s": per_s, "seconds": seconds, **numbers, "sessions": sessions}
    return Trace(source=text, kinds=[Kind(model=None, max_tokens=None, tags=())], drawn=drawn)


def _csv(name: str, lines: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(lines, newline=""), strict=True)
    try:
        header = [_plain(cell) for cell in next(reader, [])]
        for row in reader:
            if row:
                yield reader.line_num, {**dict.fromkeys(header), **dict(zip(header, row, strict=False))}
    except csv.Error as error:
        raise TraceError(f"{name}:{reader.line_num}: {error}; quote cells as RFC 4180 says") from None


def _json_lines(name: str, lines: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise TraceError(f"{name}:{number}: {error}; give one JSON object per line") from None
        yield number, {_plain(key): value for key, value in found.items()}


def _plain(name: str) -> str:
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


def _recorded(name: str, records: Iterator[tuple[int, dict[str, Any]]]) -> Trace:
    rows = Rows([], [], [], [], [], [])
    kinds: dict[Kind, int] = {}
    sessions: dict[str, int] = {}
    columns: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line, record in records:
        if not columns:
            columns, tags = _columns(name, record)
        place = f"{name}:{line}"
        rows.arrival_s.append(_arrival_s(place, columns, record))
        rows.input_tokens.append(_tokens(place, columns["input tokens"], record))
        rows.output_tokens.append(_tokens(place, columns["output tokens"], record))
        bound = record.get(columns.get("max_tokens", ""))
        kind = Kind(
            model=_word(record, columns.get("model")),
            max_tokens=None if bound in (None, "") else _tokens(place, columns["max_tokens"], record),
            tags=tuple((tag, word) for column, tag in tags.items() if (word := _word(record, column)) is not None),
        )
        rows.kind.append(kinds.setdefault(kind, len(kinds)))
        if "session" in columns:
            session = _word(record, columns["session"])
            rows.session.append(0 if session is None else sessions.setdefault(session, len(sessions) + 1))
        if "blocks" in columns:
            rows.blocks.append(_blocks(place, columns["blocks"], record))
        if len(rows.kind) > MAX_CALLS:
            raise TraceError(f"{name} has more than {MAX_CALLS:,} calls; cut it into several")
    if not rows.kind:
        raise TraceError(f"{name} holds no calls; give a header and a row per call")
    first_s = min(rows.arrival_s)
    rows.arrival_s = [at_s - first_s for at_s in rows.arrival_s]
    if (last_s := max(rows.arrival_s)) > MAX_SECONDS:
        raise TraceError(
            f"{name} spans {last_s:,.0f} s; allowed is up to a year: are its times milliseconds? Call them t_ms"
        )
    return Trace(source=name, kinds=list(kinds), rows=rows)


def _columns(name: str, record: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The columns by what they mean, and those that are tags."""
    found = {
        meaning: column
        for meaning, names in COLUMNS.items()
        if (column := next((c for c in names if c in record), None))
    }
    for meaning in ("arrival", "input tokens", "output tokens"):
        if meaning not in found:
            there = ", ".join(sorted(record)) or "nothing"
            raise TraceError(
                f"{name} has no column for {meaning}; call it one of {', '.join(COLUMNS[meaning])} (there: {there})"
            )
    tags = {column: column.removeprefix(TAG_PREFIX) for column in record if column.startswith(TAG_PREFIX)}
    return found, tags | {column: column for column in record if column in KNOWN_TAGS}


def _arrival_s(place: str, columns: Mapping[str, str], record: Mapping[str, Any]) -> float:
    column = columns["arrival"]
    value = record.get(column)
    # Mooncake's own files say `timestamp` and mean milliseconds.
    millis = column.endswith("_ms") or (column == "timestamp" and columns.get("blocks") == "hash_ids")
    try:
        at_s = float(value) / (1_000.0 if millis else 1.0)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        at_s = _iso_s(value)
    if not math.isfinite(at_s):
        raise TraceError(
            f"{place}: {column} is {value!r}; allowed are seconds, milliseconds under a name in _ms, or ISO times"
        )
    return at_s


def _iso_s(value: object) -> float:
    try:
        at = datetime.datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return math.nan
    return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()


def _tokens(place: str, column: str, record: Mapping[str, Any]) -> int:
    value = record.get(column)
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= MAX_TOKENS or number != int(number):
        raise TraceError(f"{place}: {column} is {value!r}; allowed are whole numbers from 0 to {MAX_TOKENS:,}")
    return int(number)


def _word(record: Mapping[str, Any], column: str | None) -> str | None:
    value = None if column is None else record.get(column)
    return None if value in (None, "") else str(value)


def _blocks(place: str, column: str, record: Mapping[str, Any]) -> list[int]:
    value = record.get(column)
    words = value if isinstance(value, list) else str(value or "").split()
    try:
        blocks = [int(word) for word in words]
    except (TypeError, ValueError):
        blocks = [-1]
    if not all(0 <= block < 2**63 for block in blocks):
        raise TraceError(
            f"{place}: {column} is {str(value)[:40]!r}; allowed are ids of blocks, whole numbers with spaces between"
        )
    return blocks
