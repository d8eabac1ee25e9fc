"""Who watches a run: a person at a terminal, a log, or nobody."""

from __future__ import annotations

from collections import Counter, deque
from shutil import get_terminal_size
from typing import IO, Final

from junctor.cli.text import Paint, clip, plural
from junctor.demo.caller import Caller
from junctor.demo.fleet import KEYS
from junctor.demo.run import Progress, Watcher
from junctor.demo.table import Reactions, Shares, lines
from junctor.demo.tally import INTERRUPTED, OK
from junctor.demo.timeline import Moment, Trouble

LOG_LINES: Final = 8
"""Of the newest events below the live table, which then fits a terminal of 24 lines."""

GAUGE: Final = 10
"""Columns of the bar that shows how far the run is."""

OTHER_LINES: Final = 16
"""Of the live screen: two headlines, table, blanks, and the line where the cursor rests."""

_UP: Final = "\x1b[{}F"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class LogWatcher(Watcher):
    """A line per event, for pipes and files; the table once at the end."""

    def __init__(self, caller: Caller, out: IO[str], paint: Paint, *, seconds: float) -> None:
        self._caller = caller
        self._out = out
        self._paint = paint
        self._seconds = seconds
        self._shares = Shares()
        self._reactions = Reactions()
        self._troubles: list[Trouble] = []

    def happened(self, at_s: float, moment: Moment) -> None:
        """See `Watcher.happened`."""
        if moment.begins:
            self._troubles.append(moment.trouble)
        else:
            self._troubles.remove(moment.trouble)
        self._tell(at_s, self._paint(moment.says, "bold", "red" if moment.begins else "green"))

    def tick(self, progress: Progress) -> None:
        """See `Watcher.tick`."""
        standings = self._caller.standings()
        over = progress.begun == progress.calls and not progress.under_way
        shares = self._shares.whole(standings) if over else self._shares.look(standings)
        for text in self._reactions.look(standings):
            self._tell(progress.now_s, f"  {text}")
        hit = {plan.name for plan in KEYS for trouble in self._troubles if trouble.hits(plan)}
        self._look(progress, lines(standings, shares, hit, self._paint), over=over)

    def close(self) -> None:
        """The run is over."""

    def _tell(self, at_s: float, text: str) -> None:
        self._out.write(f"{_stamp(at_s)}  {text}\n")

    def _look(self, progress: Progress, table: list[str], *, over: bool) -> None:
        del progress
        if over:
            self._out.write("\n".join(["", *table, ""]) + "\n")
        self._out.flush()


class LiveWatcher(LogWatcher):
    """Redraws the table and the newest events in place."""

    def __init__(self, caller: Caller, out: IO[str], paint: Paint, *, seconds: float) -> None:
        super().__init__(caller, out, paint, seconds=seconds)
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._drawn = 0
        out.write(_HIDE_CURSOR)

    def close(self) -> None:
        """Give the cursor back."""
        self._out.write(_SHOW_CURSOR)
        self._out.flush()

    def _tell(self, at_s: float, text: str) -> None:
        self._log.append(f" {_stamp(at_s)}  {text}")

    def _look(self, progress: Progress, table: list[str], *, over: bool) -> None:
        size = get_terminal_size()
        log = list(self._log)[-max(1, min(LOG_LINES, size.lines - OTHER_LINES)) :] if not over else []
        screen = [clip(line, size.columns - 1) for line in (*self._headlines(progress), "", *table, "", *log)]
        up = _UP.format(self._drawn) if self._drawn else ""
        self._out.write(up + "".join(f"{line}{_CLEAR_LINE}\n" for line in screen) + _CLEAR_BELOW)
        self._out.flush()
        self._drawn = len(screen)

    def _headlines(self, progress: Progress) -> tuple[str, str]:
        """How far the run is, and what became of its calls."""
        paint = self._paint
        kinds = Counter("hopeless" if each.hopeless else each.kind for each in progress.ended)
        well, broken, hopeless = kinds[OK], kinds[INTERRUPTED], kinds["hopeless"]
        failed = kinds.total() - well - broken - hopeless
        share = min(1.0, progress.now_s / self._seconds)
        bar = paint("━" * round(share * GAUGE), "cyan") + paint("━" * (GAUGE - round(share * GAUGE)), "dim")
        words = [f"{well:,} answered", paint(f"{failed:,} failed", "red") if failed else "0 failed"]
        words += [f"{plural(broken, 'stream')} cut"] if broken else []
        words += [f"{hopeless:,} without a region"] if hopeless else []
        title = paint(self._caller.title, "bold")
        return (
            f" {bar} {progress.now_s:4.1f} s  {title}, {plural(progress.under_way, 'call')} under way",
            f"   {', '.join(words)}",
        )


def _stamp(at_s: float) -> str:
    return f"{at_s:5.1f} s"
