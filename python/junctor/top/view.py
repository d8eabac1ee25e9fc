"""A picture as lines of text that fit: the busiest deployments, the emptiest limits, the processes, what is counted.

Pure: a picture, a paint and a size in, lines out. Nothing is cut off in silence: whatever has no room is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from junctor.cli.text import Paint, clip, plural, seconds, table, width
from junctor.top.picture import Limit, Picture, Process, Rate, Row

ALL: Final = 1_000_000
"""Lines of an output that has no end."""

BAR: Final = 8
WIDE: Final = 110
"""From this width on there is room for a bar and the emptiest limit in each row."""

NEARLY: Final = 0.1
"""A limit with less than this free is marked."""

COUNTERS_PART: Final = 8
"""One in so many lines may tell counters."""

_DOT, _MORE = " · ", " · 99 more"
_LEAST_NAME: Final = 8
_PARTS: Final = {"deployments": 6, "limits": 3, "processes": 2, "leases": 2}
"""Of the lines that are free, in parts: what each list gets at least if it wants as much."""

_Key = Callable[[Row], Any]

SORTS: Final[Mapping[str, _Key]] = {
    "attempts": lambda row: (-row.per_s.get("attempts", 0.0), -row.now("in_flight"), -row.now("attempts")),
    "in-flight": lambda row: -row.now("in_flight"),
    "free": lambda row: 2.0 if row.free is None else row.free,
    "latency": lambda row: -row.now("latency_s"),
    "success": lambda row: row.now("success", 2.0),
    "refusals": lambda row: (-row.per_s.get("refusals", 0.0), -row.now("refusals")),
    "state": lambda row: -_badness(row),
    "name": lambda _: 0,
}
"""What `--sort` takes; ties by name, and what nobody runs last."""


def ordered(rows: Sequence[Row], sort: str) -> list[Row]:
    """The rows in the order that `--sort` names."""
    key = SORTS[sort]
    return sorted(rows, key=lambda row: (not row.running, key(row), row.name))


def lines(picture: Picture, paint: Paint, *, columns: int, room: int = ALL) -> list[str]:
    """The picture in at most `room` lines of at most `columns`."""
    head = [*_head(picture, paint), ""]
    counted = _counters(picture.counters, paint, columns, most=room // COUNTERS_PART)
    tail = ["", *counted] if counted else []
    lists = [
        _List("deployments", picture.deployments, lambda rows: _deployments(rows, paint, columns)),
        _List("limits", _emptiest_first(picture.limits), lambda limits: _limits(limits, paint)),
        _List("leases", _leases(picture.leases), lambda leases: _plainly("leases", leases, paint)),
        _List("processes", _troubled_first(picture.processes), lambda processes: _processes(processes, paint)),
    ]
    lists = [each for each in lists if each.items]
    # Headings for each list, and a blank line before all but the first, which has the head's.
    free = room - len(head) - len(tail) - 2 * len(lists) + 1
    if free < 2 * len(lists):
        # Too small for everything: the deployments alone.
        lists, tail, free = lists[:1], [], room - len(head) - 1
    given = _share_out({each.name: len(each.items) for each in lists}, max(1, free))
    shown = list(head)
    for place, each in enumerate(lists):
        shown += [""] if place else []
        shown += each.lines(given[each.name], paint)
    return [clip(line, columns) for line in [*shown, *tail]][:room]


class _List:
    """Something of which there may be more than fits. Only what is shown is made into text."""

    def __init__(self, name: str, items: Sequence[Any], told: Callable[[Sequence[Any]], list[str]]) -> None:
        self.name = name
        self.items = items
        self._told = told

    def lines(self, room: int, paint: Paint) -> list[str]:
        """A heading and at most `room` lines; the last one counts what has none."""
        if len(self.items) <= room:
            return self._told(self.items)
        shown = max(0, room - 1)
        left = len(self.items) - shown
        return [*self._told(self.items[:shown]), paint(f" and {left:,} more {self.name}", "dim")]


def _share_out(wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """How many lines each list gets: its part at least, and what the others leave, the first list first."""
    parts = sum(_PARTS[name] for name in wanted)
    given = {name: min(lines, max(1, room * _PARTS[name] // parts)) for name, lines in wanted.items()}
    for name, lines in wanted.items():
        given[name] += max(0, min(lines - given[name], room - sum(given.values())))
    return given


def _head(picture: Picture, paint: Paint) -> list[str]:
    running = [row for row in picture.deployments if row.running]
    alive = [process for process in picture.processes if process.alive]
    out = sum(row.now("held_s") > 0 or _badness(row) > 1 for row in running)
    in_flight = sum(int(row.now("in_flight")) for row in running)
    attempts = sum(row.per_s.get("attempts", 0.0) for row in running)
    refusals = sum(row.per_s.get("refusals", 0.0) for row in running)
    many = "1 process" if len(alive) == 1 else f"{len(alive)} processes"
    processes = paint(many, "bold") if alive else paint("no process has it open now", "bold", "red")
    title = f" {paint('junctor top', 'bold')}  {picture.file}  {processes}"
    words = [
        f"{attempts:,.1f} attempts/s",
        f"{in_flight:,} in flight",
        f"{refusals:,.1f} refusals/s",
        paint(f"{out:,} of {plural(len(running), 'deployment')} out", "yellow")
        if out
        else plural(len(running), "deployment"),
    ]
    heads = [title, f" {' · '.join(words)}"]
    if alive and not picture.is_newest:
        heads.append(paint(" this file is not what the newest process runs: reload, or undo the change", "yellow"))
    return heads


def _deployments(rows: Sequence[Row], paint: Paint, columns: int) -> list[str]:
    wide = columns >= WIDE
    words = ["deployment", *(["", "share"] if wide else ["share"]), "/s", "in flight", "state", "free"]
    words += ["emptiest limit"] if wide else []
    words += ["latency", "ok", "refused/s"]
    sides = "<" + ("<>" if wide else ">") + ">><>" + ("<" if wide else "") + ">>>"
    cells = [_cells(row, paint, wide=wide) for row in rows]
    rest = [max(width(row[place]) for row in [words, *cells]) for place in range(1, len(words))]
    name = max(_LEAST_NAME, columns - 1 - sum(rest) - len(rest) - 1)
    for row in cells:
        row[0] = _clipped(row[0], name)
    return table([[paint(word, "dim") for word in words], *cells], sides, indent=1, gap=1)


def _cells(row: Row, paint: Paint, *, wide: bool) -> list[str]:
    if not row.running:
        blanks = [""] * (10 if wide else 8)
        blanks[4 if wide else 3] = paint("not running", "dim")
        return [row.name, *blanks]
    filled = round(row.share * BAR)
    bar = [paint("█" * filled, "green") + paint("·" * (BAR - filled), "dim")] if wide else []
    emptiest = min(row.limits, key=lambda limit: limit.free, default=None)
    limit = "" if emptiest is None else f"{emptiest.dimension} {_brief(emptiest.level)} / {_brief(emptiest.limit)}"
    refusals = row.per_s.get("refusals", 0.0)
    return [
        row.name,
        *bar,
        f"{row.share:.0%}",
        f"{row.per_s.get('attempts', 0.0):,.1f}",
        f"{int(row.now('in_flight')):,}",
        _state(row, paint),
        _free(row.free, paint),
        *([limit] if wide else []),
        seconds(row.now("latency_s")),
        f"{row.now('success'):.0%}",
        paint(f"{refusals:,.1f}", "yellow") if refusals else "",
    ]


def _badness(row: Row) -> int:
    """How far a deployment is from serving: 0 serves, 1 is tried again, 2 is left alone, 3 is ill."""
    breaker = (row.seen or {}).get("breaker", "closed")
    if breaker in ("open", "forced_open"):
        return 3
    return 2 if row.now("held_s") > 0 else int(breaker == "half_open")


def _state(row: Row, paint: Paint) -> str:
    """Why the breaker is open and for how long; while it is closed, the hold that a provider asked for."""
    seen = row.seen or {}
    breaker, reason = seen.get("breaker", "closed"), seen.get("breaker_reason", "failures")
    if breaker == "forced_open":
        return paint("open by hand", "bold", "red")
    if breaker == "open":
        return paint(f"{reason} {_span(row.now('breaker_s'))}", "bold", "red")
    if breaker == "half_open":
        return paint("probing", "bold", "yellow")
    if row.now("held_s") > 0:
        return paint(f"{'used up' if seen.get('exhausted') else 'held'} {_span(row.now('held_s'))}", "yellow")
    return paint("closed", "dim")


def _free(free: float | None, paint: Paint) -> str:
    if free is None:
        return paint("–", "dim")
    return paint(f"{free:.0%}", "yellow") if free < NEARLY else f"{free:.0%}"


def _emptiest_first(limits: Sequence[Limit]) -> list[Limit]:
    return sorted(limits, key=lambda limit: (limit.free, limit.pool, limit.dimension))


def _limits(limits: Sequence[Limit], paint: Paint) -> list[str]:
    cells = [
        [limit.pool, limit.dimension, f"{limit.level:,}", "of", f"{limit.limit:,}", _free(limit.free, paint)]
        for limit in limits
    ]
    words = [paint(word, "dim") for word in ("limits of", "", "level", "", "limit", "free")]
    return table([words, *cells], "<<>>>>", indent=1, gap=2)


def _troubled_first(processes: Sequence[Process]) -> list[Process]:
    return sorted(processes, key=lambda each: (each.alive, not each.behind, each.seat))


def _processes(processes: Sequence[Process], paint: Paint) -> list[str]:
    cells = []
    for process in processes:
        note = paint("behind", "yellow") if process.behind else ""
        if not process.alive:
            note = paint("gone, not yet swept", "red")
        cells.append([f"seat {process.seat}", str(process.pid), _span(process.up_s), process.config, note])
    words = [paint(word, "dim") for word in ("processes", "pid", "up", "config", "")]
    return table([words, *cells], "<>><<", indent=1, gap=2)


def _leases(leases: Any) -> list[str]:
    """What the coordinator of leases is to this host, as the snapshot tells it: its figures by name."""
    return [_plain(leases)] if leases else []


def _plainly(title: str, told: Sequence[str], paint: Paint) -> list[str]:
    return [paint(f" {title}", "dim"), *(f" {line}" for line in told)]


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _counters(counters: Mapping[str, Rate], paint: Paint, columns: int, *, most: int) -> list[str]:
    """What was ever counted, those that move first, in at most so many lines."""
    found = [(name, rate) for name, rate in counters.items() if rate.count]
    found.sort(key=lambda each: each[1].per_s == 0.0)
    said = [f"{name} {rate.count:,}" + (f" ({rate.per_s:,.1f}/s)" if rate.per_s else "") for name, rate in found]
    wrapped = list[str]()
    for place, word in enumerate(said):
        if wrapped and len(wrapped[-1]) + len(_DOT + word) <= columns - len(_MORE):
            wrapped[-1] += _DOT + word
        elif len(wrapped) < most:
            wrapped.append(f" {word}")
        else:
            wrapped[-1:] = [f"{line}{_DOT}{len(said) - place} more" for line in wrapped[-1:]]
            break
    return [paint(line, "dim") for line in wrapped]


def _clipped(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def _brief(count: int) -> str:
    """`950`, `12.3k`, `4M`."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if abs(count) >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def _span(value_s: float) -> str:
    """`12s`, `4m`, `3h`, `2d`."""
    for size, letter in ((86_400, "d"), (3_600, "h"), (120, "m")):
        if value_s >= size:
            return f"{value_s / (60 if letter == 'm' else size):.0f}{letter}"
    return f"{value_s:.0f}s"
