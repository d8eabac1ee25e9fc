"""A log of calls through the standard library: one JSON line each, without content.

```python
logging.basicConfig(level=logging.INFO, format="%(message)s")
client = Client.open("fleet.yaml", observers=[Log()])
```

A call is a line at INFO (WARNING if it failed), each of its attempts one at DEBUG; the message is the JSON text, and
the same fields are in the record's `junctor`, for handlers that have a form of their own. A line that nobody listens
to is not made. `call` ties a call's lines together.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.observe.observer import Observer

if TYPE_CHECKING:
    from junctor.observe.observed import Observed, ObservedAttempt

QUIET: Final = frozenset({"ok", "cancelled"})

CALL_FIELDS: Final[dict[str, str]] = {
    "event": "`call`",
    "call": "number of the call in this process",
    "time": "when it began, UTC",
    "operation": "`chat` or `embeddings`",
    "outcome": "how it ended",
    "asked": "what was asked for, if it exists",
    "deployment": "where the last attempt went",
    "provider": "of the last attempt",
    "model": "of the last attempt",
    "group": "that served",
    "rule": "that chose",
    "streamed": "if it was",
    "downgrade": "if a fallback group served",
    "attempts": "how many",
    "tenant": "if the call named one",
    "duration_s": "the whole call",
    "first_content_s": "of streams",
    "waited_s": "for capacity and between attempts",
    "overhead_us": "junctor's own time",
    "input_tokens": "of all attempts",
    "output_tokens": "of all attempts",
    "cost_usd": "of all attempts",
    "finish_reason": "why the answer ended",
    "response_id": "the provider's name for its answer",
    "dropped": "parameters that a provider cannot express",
    "refused": "deployments that were ruled out, with the reason, if nobody took the call",
}
"""Fields of a call's line; one that is not known is left out."""

ATTEMPT_FIELDS: Final[dict[str, str]] = {
    "event": "`attempt`",
    "call": "number of its call in this process",
    "time": "when it began, UTC",
    "deployment": "where it went",
    "provider": "of the deployment",
    "model": "of the deployment",
    "address": "its host",
    "outcome": "how it ended",
    "status": "HTTP status of the answer",
    "hedge": "if it was started beside a slow one",
    "duration_s": "the whole attempt",
    "first_content_s": "of streams",
    "input_tokens": "used by it",
    "output_tokens": "used by it",
    "cost_usd": "of it",
}
"""Fields of an attempt's line."""


class Log(Observer):
    """Writes a line for each call, and for each attempt, to `logger` (by default the one called `junctor.calls`)."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("junctor.calls")
        self._numbers = count(1)

    def ended(self, call: Observed, mark: object) -> None:  # noqa: ARG002  nothing is noted at the beginning
        """Write the lines."""
        number = next(self._numbers)
        if self._logger.isEnabledFor(logging.DEBUG):
            for attempt in call.attempts:
                self._write(logging.DEBUG, _attempt(number, attempt))
        level = logging.INFO if call.outcome in QUIET else logging.WARNING
        if self._logger.isEnabledFor(level):
            self._write(level, _call(number, call))

    def _write(self, level: int, fields: dict[str, Any]) -> None:
        shown = {name: value for name, value in fields.items() if _says_something(value)}
        self._logger.log(level, "%s", msgspec.json.encode(shown).decode(), extra={"junctor": shown})


def _call(number: int, call: Observed) -> dict[str, Any]:
    last, failed, answered = call.last, call.failed_decision, call.answered
    return {
        "event": "call",
        "call": number,
        "time": _utc(call.began_ns),
        "operation": call.operation,
        "outcome": call.outcome,
        "asked": call.asked if last or failed else None,
        "deployment": last and last.deployment,
        "provider": last and last.provider,
        "model": last and last.model,
        "group": last and last.group,
        "rule": call.rule,
        "streamed": call.streamed,
        "downgrade": call.downgrade,
        "attempts": len(call.attempts),
        "tenant": call.tenant,
        "duration_s": round(call.duration_s, 6),
        "first_content_s": _rounded(call.first_content_s),
        "waited_s": round(call.waited_s, 6),
        "overhead_us": call.overhead_us,
        "input_tokens": sum(attempt.input_tokens for attempt in call.attempts),
        "output_tokens": sum(attempt.output_tokens for attempt in call.attempts),
        "cost_usd": call.cost_usd_micros / 1_000_000,
        "finish_reason": answered and answered.finish_reason,
        "response_id": answered and answered.id,
        "dropped": call.dropped,
        "refused": dict(failed.refusals) if failed is not None and failed.refusals else None,
    }


def _attempt(number: int, attempt: ObservedAttempt) -> dict[str, Any]:
    return {
        "event": "attempt",
        "call": number,
        "time": _utc(attempt.began_ns),
        "deployment": attempt.deployment,
        "provider": attempt.provider,
        "model": attempt.model,
        "address": attempt.address,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "hedge": attempt.hedge,
        "duration_s": round(attempt.duration_s, 6),
        "first_content_s": _rounded(attempt.first_content_s),
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "cost_usd": attempt.cost_usd_micros / 1_000_000,
    }


def _says_something(value: Any) -> bool:
    """What is not known is left out, and so is a flag that is not set; a zero is told."""
    return value is not None and value is not False and value != "" and value != ()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _utc(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
