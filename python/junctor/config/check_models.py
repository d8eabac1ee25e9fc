"""What `check` says of models: not listed, deprecated, retired, or priced by an old catalog.

A model that is retired still loads. Whether it answers is its host's word, and some hosts name only the earliest day; a
fleet that refused to start over a date in a table would be worse than one attempt that fails and goes elsewhere. The
day is passed in: only the shell reads a clock, and without a day nothing is said of dates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from junctor.config.errors import Path, Problems
from junctor.config.valid import Deployment

OLD_PRICES_MONTHS: Final = 6
"""Prices change a few times a year: older ones than this are worth a look."""

_MONTH: Final = dt.timedelta(days=30.5)
MAX_NAMED: Final = 4


def models(deployments: Iterable[Deployment], today: str | None, problems: Problems) -> None:
    """Warn of the models of these deployments, as of `today` (YYYY-MM-DD); None says nothing of dates."""
    old: dict[str, str] = {}
    for item in deployments:
        path: Path = ("deployments", item.declared, "model")
        if not item.in_catalog and not item.priced:
            text = (
                f"{item.model} is not in the catalog, so it counts as free and able to {', '.join(item.capabilities)}"
            )
            problems.warning(path, f"{text}; give price, capabilities and context_tokens")
        if today is not None:
            if status := item.facts.status(today):
                problems.warning(path, f"{item.model} is {status}")
            if _is_old(item, today):
                old[item.model] = item.facts.as_of
    if old:
        named = ", ".join(f"{model} ({day})" for model, day in list(old.items())[:MAX_NAMED])
        more = f" and {len(old) - MAX_NAMED} more" if len(old) > MAX_NAMED else ""
        text = f"the catalog's prices are older than {OLD_PRICES_MONTHS} months for {named}{more}"
        problems.warning(("deployments",), f"{text}; use a newer junctor, a catalog of your own, or give price")


def _is_old(item: Deployment, today: str) -> bool:
    """Whether the deployment is charged by a price that the catalog has had for long."""
    listed = item.facts.price
    if listed is None or not item.facts.as_of or item.price != listed.whole:
        return False
    age = dt.date.fromisoformat(today) - dt.date.fromisoformat(item.facts.as_of)
    return age > OLD_PRICES_MONTHS * _MONTH
