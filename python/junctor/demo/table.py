"""The live table as lines of text: one row per deployment, at most 79 columns wide."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from junctor.cli.text import Paint, cell, seconds, table
from junctor.demo.caller import Standing
from junctor.demo.fleet import KEYS
from junctor.demo.run import TICK_S

BAR, STATE = 6, 11
"""Columns that stay as wide as their widest content, so that the table does not jump."""

WINDOW_S: Final = 2.0
"""Shares are those of the last two seconds: a longer window hides how fast traffic moves."""

_GROUPS: Final = {plan.name: plan.model.group for plan in KEYS}
_HEADER: Final = (
    "  deployment", "share", "", "tries", "in flight", " state", "free", "latency", "429", "failed",
)  # fmt: skip
_SIDES: Final = "<<>>><>>>>"


class Shares:
    """Which part of its group's attempts each deployment gets."""

    def __init__(self) -> None:
        self._seen: deque[dict[str, int]] = deque(maxlen=round(WINDOW_S / TICK_S) + 1)

    def look(self, standings: Sequence[Standing]) -> dict[str, float]:
        """Note the counts and answer the shares of late."""
        counts = {each.name: each.attempts for each in standings}
        self._seen.append(counts)
        return _shares({name: count - self._seen[0][name] for name, count in counts.items()})

    @staticmethod
    def whole(standings: Sequence[Standing]) -> dict[str, float]:
        """The shares of the whole run."""
        return _shares({each.name: each.attempts for each in standings})


def _shares(attempts: dict[str, int]) -> dict[str, float]:
    groups = Counter[str]()
    for name, count in attempts.items():
        groups[_GROUPS[name]] += count
    return {name: count / max(1, groups[_GROUPS[name]]) for name, count in attempts.items()}


def lines(standings: Sequence[Standing], shares: Mapping[str, float], hit: Collection[str], paint: Paint) -> list[str]:
    """The table: a line of headings and a line per deployment; those `hit` by a fault are marked."""
    rows = [tuple(paint(word, "dim") for word in _HEADER)]
    rows += [_row(each, shares[each.name], paint, hit=each.name in hit) for each in standings]
    return table(rows, _SIDES, indent=1, gap=1)


def _row(each: Standing, share: float, paint: Paint, *, hit: bool) -> tuple[str, ...]:
    filled = min(BAR, round(share * BAR))
    return (
        paint(f"! {each.name}", "bold", "red") if hit else f"  {each.name}",
        paint("█" * filled, "green") + paint("·" * (BAR - filled), "dim"),
        f"{share:4.0%}",
        f"{each.attempts:,}",
        str(each.in_flight),
        cell(" " + _state(each, paint), STATE),
        _free(each, paint),
        seconds(each.latency_s) if each.latency_s else "",
        paint(str(each.throttled), "yellow") if each.throttled else "",
        paint(str(each.failed), "red") if each.failed else "",
    )


def _state(each: Standing, paint: Paint) -> str:
    """The breaker, which is about ill health; and while that is closed, the hold that a provider asked for."""
    if each.breaker is None:
        return paint("–", "dim")
    if each.breaker == "open":
        return paint(f"open {each.breaker_s:.0f} s", "bold", "red")
    if each.breaker != "closed":
        return paint(each.breaker.replace("_", " "), "bold", "yellow")
    return paint(f"held {_brief(each.held_s)}", "yellow") if each.held_s else paint("closed", "dim")


def _brief(value_s: float) -> str:
    return f"{value_s:.1f} s" if value_s < 10 else f"{value_s:.0f} s"


def _free(each: Standing, paint: Paint) -> str:
    if each.free is None:
        return paint("–", "dim")
    text = f"{each.free:.0%}"
    return paint(text, "yellow") if each.free < 0.1 else text


class Reactions:
    """What changed at the deployments since the last look: the client's own answers to what hit it."""

    LEAST_HOLD_S: Final = 0.3

    def __init__(self) -> None:
        self._before: dict[str, Standing] = {}

    def look(self, standings: Sequence[Standing]) -> list[str]:
        """One line per change."""
        found = [text for each in standings if (text := self._change(self._before.get(each.name), each))]
        self._before = {each.name: each for each in standings}
        return found

    def _change(self, before: Standing | None, now: Standing) -> str | None:
        if now.breaker is None or now.held_s is None:
            return None
        was = before.breaker if before else "closed"
        if now.breaker == "open" != was:
            why = "its key is refused" if now.breaker_reason == "config" else "it keeps failing"
            return f"{now.name}: breaker opens, {why}; next probe in {now.breaker_s:.0f} s"
        if now.breaker == "closed" != was:
            return f"{now.name}: breaker closes, traffic comes back step by step"
        if now.held_s >= self.LEAST_HOLD_S and not (before and before.held_s):
            return f"{now.name}: left alone for {seconds(now.held_s)}, as its provider asks"
        return None
