"""What an observer must offer: small methods, and one of them is enough.

A class that inherits from `Observer` gets the others as they are here. Only `begun` runs where the caller runs; what
needs time belongs into `ended`. A method that raises is counted in the client's `callback_error` and forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from junctor.observe.observed import Observed


class Observer(Protocol):
    """Is told of the calls of each client that it is given to: `Client(..., observers=[...])`."""

    keeps_content: bool = False
    """Whether `Observed.content` is wanted. It keeps prompts and answers in memory until they were told."""

    def attached(self, counters: Mapping[str, int]) -> None:  # noqa: ARG002  a default that does nothing
        """A client was made with this observer; `counters` are that client's own, and go on counting."""
        return

    def begun(self) -> object:
        """A call begins, in the caller's task: whatever `ended` has to know of it, found within a microsecond."""
        return None

    def ended(self, call: Observed, mark: object) -> None:  # noqa: ARG002  a default that does nothing
        """A call ended, well or not; `mark` is what `begun` answered. On a thread, in the order of endings."""
        return
