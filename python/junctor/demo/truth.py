"""What must hold after a run, whatever went wrong during it, checked against three witnesses.

The client's receipts, the bytes on the wire, and the providers' own counters: each is wrong in its own way if at all.
"""

from __future__ import annotations

from typing import Any

import msgspec

from junctor.demo.tally import Figures
from junctor.demo.wire import WireWatch
from junctor.testing import Counts


class Check(msgspec.Struct, frozen=True):
    """One invariant: what it promises, whether it held, and the figures that show it."""

    promise: str
    held: bool
    shown: str


def of_any_run(figures: Figures, wire: WireWatch, counts: Counts) -> list[Check]:
    """What holds for every caller."""
    told = figures.answered + figures.interrupted + figures.failures
    sent = sum(wire.sent.values())
    return [
        Check("no prompt went where it may not", wire.outside == 0, f"{wire.outside} of {sent:,} attempts"),
        Check("every call ended, once", told == figures.calls, f"{told:,} of {figures.calls:,}"),
        Check(
            "nothing was sent untold",
            counts.requests <= sent == figures.attempts,
            f"{counts.requests:,} seen, {sent:,} sent, {figures.attempts:,} told",
        ),
        Check(
            "no answer was made up",
            figures.answered <= counts.ok,
            f"{figures.answered:,} handed over, {counts.ok:,} given",
        ),
    ]


def of_the_client(figures: Figures, snapshot: dict[str, Any]) -> list[Check]:
    """What holds for the client besides."""
    rows = snapshot["deployments"].values()
    in_flight = sum(row["in_flight"] for row in rows)
    attempts = sum(row["attempts"] for row in rows)
    spent = sum(row["cost_usd_micros"] for row in rows)
    return [
        Check("nothing is held any more", in_flight == 0, f"{in_flight} permits in flight"),
        Check(
            "every attempt is in a receipt",
            attempts == figures.attempts,
            f"{attempts:,} made, {figures.attempts:,} in receipts",
        ),
        Check(
            "the money adds up",
            spent == figures.cost_usd_micros,
            f"µ$ {spent:,} spent, {figures.cost_usd_micros:,} told",
        ),
    ]
