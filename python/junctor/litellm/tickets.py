"""Reservations of attempts that LiteLLM makes: how a callback finds its own, and what ends those that none finds.

LiteLLM numbers calls, not attempts, and its callbacks come later, on other threads, when metadata already tells of the
next attempt. What stays an attempt's own is the `model_info` of the deployment that was picked. So a ticket travels
there: a text to everybody who copies, logs or encodes it, and the owner of the reservation.

LiteLLM has no callback for an attempt whose task is cancelled or whose stream is closed early. But then it lets go of
the call's parts, the ticket among them, and the reservation ends with it as abandoned: for a cancelled task at once,
for a stream that was left when Python's collector comes by. Whatever holds a ticket longer than `abandon_after_s`
loses its reservation anyway. Rejected: a weak key on the asyncio task, which outlives timeouts that it catches itself,
and numbers in metadata, which retries of one call share.
"""

from __future__ import annotations

import itertools
import uuid
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from junctor._core import Reservation

KEY: Final = "junctor_attempt"
"""Where in `model_info` the ticket stands."""

_SWEEPS: Final = 16  # per abandon_after_s: what is kept too long is kept a sixteenth longer at most


class Ticket(str):
    """An attempt's name; whoever holds it keeps the attempt's reservation. Copies and encodings are plain text."""

    reservation: Reservation
    issued_s: float
    given_up: Callable[[Ticket], None]

    def __copy__(self) -> Ticket:
        return self

    def __deepcopy__(self, memo: object) -> Ticket:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)

    def __del__(self) -> None:
        self.given_up(self)


class _Open(NamedTuple):
    ticket: weakref.ref[Ticket]
    until_s: float


class Tickets:
    """The tickets whose attempts have not ended yet."""

    def __init__(self, counters: Counter[str], *, abandon_after_s: float) -> None:
        self._counters = counters
        self._abandon_after_s = abandon_after_s
        self._open: dict[str, _Open] = {}
        self._next_sweep_s = 0.0
        self.prefix = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._open)

    def issue(self, reservation: Reservation, *, now_s: float) -> Ticket:
        """The ticket of a new attempt. Those that were kept too long are ended on the way."""
        ticket = Ticket(f"{self.prefix}-{next(self._numbers)}")
        ticket.reservation, ticket.issued_s, ticket.given_up = reservation, now_s, self._given_up
        self._open[str(ticket)] = _Open(weakref.ref(ticket), now_s + self._abandon_after_s)
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + self._abandon_after_s / _SWEEPS
            self._sweep(now_s)
        return ticket

    def take(self, told: Mapping[str, Any]) -> Ticket | None:
        """The ticket of the attempt that a callback tells of; None if it is not ours, or has ended already."""
        text = _text(told)
        entry = None if text is None else self._open.pop(text, None)  # one operation, so one of two callers gets it
        return None if entry is None else entry.ticket()

    def _sweep(self, now_s: float) -> None:
        for text in list(self._open):
            entry = self._open.get(text)
            if entry is not None and entry.until_s <= now_s and (ticket := entry.ticket()) is not None:
                self._given_up(ticket)

    def _given_up(self, ticket: Ticket) -> None:
        """Nobody will tell how this attempt ended. Called while Python collects, so it waits for nothing."""
        if self._open.pop(str(ticket), None) is not None:
            self._counters["abandoned"] += 1
            with ticket.reservation:
                pass  # left without a settlement


def _text(told: Mapping[str, Any]) -> str | None:
    """Hooks tell of the call's own arguments, log events of what became of them."""
    params = told.get("litellm_params")
    for place in (told, params, params.get("metadata") if isinstance(params, Mapping) else None):
        info = place.get("model_info") if isinstance(place, Mapping) else None
        text = info.get(KEY) if isinstance(info, Mapping) else None
        if isinstance(text, str):
            return str(text)
    return None
