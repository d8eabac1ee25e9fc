"""What is noted of a call while it runs, if somebody observes the client.

The calls' own path stays as it is when nobody does: a client without observers has no `Watchers`, its trails no
`Watch`, and every note is behind one comparison with None. With observers a call takes a dozen readings, about two
microseconds together; whatever can be said later is put together on the thread that tells it (`Watch.observed`).

Times are the router's, which all attempts are told in; the one reading of the wall clock, at the beginning, turns them
into dates. So no adjustment of the wall clock can make a span end before it began.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from junctor import exceptions as exc
from junctor.observe.observed import Answered, Content, Observed, ObservedAttempt
from junctor.reply import Embeddings, Reply

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.observe.observer import Observer
    from junctor.receipts import Trail

PARAMETERS: Final = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "n",
    "effort",
    "dimensions",
)
"""What is told of a request. Neither its messages and tools nor the names of its user are among them."""

SHAPE: Final = "response_format"

_WORDS: Final = (
    (exc.TooLarge, "too_large"),
    (exc.Refused, "refused"),
    (exc.NoCapacity, "no_capacity"),
    (exc.DeadlineExceeded, "deadline"),
    (exc.StreamInterrupted, "interrupted"),
    (exc.InvalidRequest, "invalid_request"),
    (asyncio.CancelledError, "cancelled"),
    (GeneratorExit, "cancelled"),
)


class Watchers:
    """The observers of one client."""

    __slots__ = ("_counters", "_now_s", "_observers", "keeps_content")

    def __init__(self, observers: Sequence[Observer], counters: Counter[str], now_s: Callable[[], float]) -> None:
        self._observers = tuple(observers)
        self._counters = counters
        self._now_s = now_s
        self.keeps_content = any(observer.keeps_content for observer in self._observers)
        for observer in self._observers:
            observer.attached(counters)

    def begin(self) -> Watch:
        """A call begins, here and now."""
        marks: list[object] = []
        for observer in self._observers:
            try:
                marks.append(observer.begun())
            except Exception:  # a broken observer hurts no call
                self._counters["callback_error"] += 1
                marks.append(None)
        return Watch(marks, self._now_s, keeps_content=self.keeps_content)

    def tell(self, trail: Trail) -> None:
        """Every observer hears of the call, whatever becomes of the others."""
        watch = trail.watch
        if watch is None:
            return
        call = watch.observed(trail)
        public = call if call.content is None else msgspec.structs.replace(call, content=None)
        for observer, mark in zip(self._observers, watch.marks, strict=True):
            try:
                observer.ended(call if observer.keeps_content else public, mark)
            except BaseException:  # SystemExit too: the other observers wait
                self._counters["callback_error"] += 1


class Watch:
    """One call under observation: a few readings, taken in the caller's task."""

    __slots__ = (
        "_answered",
        "_answers",
        "_began_ns",
        "_began_s",
        "_content",
        "_ended_s",
        "_keeps_content",
        "_model",
        "_now_s",
        "_operation",
        "_outcome",
        "_parameters",
        "_reservations",
        "_sent",
        "_session",
        "_streamed",
        "_tags",
        "_waited_s",
        "marks",
    )

    def __init__(self, marks: Sequence[object], now_s: Callable[[], float], *, keeps_content: bool) -> None:
        self.marks = marks
        self._now_s = now_s
        self._keeps_content = keeps_content
        self._began_ns = time.time_ns()
        self._began_s = self._ended_s = now_s()
        self._waited_s = 0.0
        self._operation = "chat"
        self._outcome = "error"
        self._sent: list[tuple[Reservation, float]] = []
        self._answers: list[tuple[Reservation, float]] = []
        self._reservations: Sequence[Reservation] = ()
        self._answered: Answered | None = None
        self._content: Content | None = None
        self._parameters: tuple[Sequence[str], Sequence[Any]] = (), ()

    def asked(
        self,
        model: str,
        request: Any,
        *,
        operation: str = "chat",
        streamed: bool = False,
        tags: Mapping[str, str] | None = None,
        session: str | None = None,
    ) -> None:
        """What the call asks for. `request` is whatever holds its parameters: a `ChatRequest`, or the like."""
        self._model, self._operation, self._streamed = model, operation, streamed
        self._tags, self._session = tags or {}, session
        names, values = _parameters_of(request.__class__)
        self._parameters = names, values(request)
        if self._keeps_content and operation == "chat":
            self._content = Content(messages=tuple(request.messages), tools=tuple(request.tools))

    def sent(self, reservation: Reservation) -> None:
        """The request of this attempt is ready and leaves."""
        self._sent.append((reservation, self._now_s()))

    def heard(self, reservation: Reservation) -> None:
        """The answer to this attempt is there: whole, or its first line if it is a stream."""
        self._answers.append((reservation, self._now_s()))

    def waited(self, seconds: float) -> None:
        """The call waited for capacity, or before another attempt."""
        self._waited_s += seconds

    def replied(self, reply: Reply | Embeddings) -> None:
        """The answer is whole."""
        if isinstance(reply, Embeddings):
            self._answered = Answered("", reply.model, "", reply.usage)
            return
        self._answered = Answered(reply.id, reply.model, reply.finish_reason, reply.usage)
        if self._content is not None:
            self._content = msgspec.structs.replace(
                self._content, text=reply.text, reasoning=reply.reasoning, tool_calls=reply.tool_calls
            )

    def over(self, trail: Trail, error: BaseException | None) -> None:
        """The call is over, before anybody could ask for its receipt: that would forget the reservations."""
        self._ended_s = self._now_s()
        whole = self._answered is not None and isinstance(error, GeneratorExit)  # left after its last content
        self._outcome = "ok" if error is None or whole else outcome_of(error)
        self._reservations = cast("Sequence[Reservation]", trail.reservations)
        if self._content is not None and isinstance(error, exc.StreamInterrupted):
            self._content = msgspec.structs.replace(self._content, text=error.partial)

    def observed(self, trail: Trail) -> Observed:
        """The call as observers are told of it. On their thread; the receipt is left to who asks for it."""
        reservations = self._reservations
        attempts = tuple([self._attempt(held, trail, place) for place, held in enumerate(reservations)])
        firsts = [held.started_s + first_s for held in reservations if (first_s := held.first_content_s) is not None]
        return Observed(
            operation=self._operation,
            asked=self._model,
            streamed=self._streamed,
            outcome=self._outcome,
            attempts=attempts,
            began_ns=self._began_ns,
            duration_s=self._ended_s - self._began_s,
            first_content_s=min(firsts) - self._began_s if firsts else None,
            waited_s=self._waited_s,
            overhead_us=self._overhead_us(),
            parameters=_told(*self._parameters),
            tags=self._tags,
            session=self._session,
            answered=self._answered,
            content=self._content,
            cost_usd_micros=trail.summary_cost_usd_micros
            + sum([label.cost_usd_micros for label in trail.labels])
            + sum([attempt.cost_usd_micros for attempt in attempts]),
            failed_decision=trail.failed_decision,
            cascade=trail.cascade,
            labels=trail.labels,
            dropped=trail.dropped,
            trail=trail,
        )

    def _attempt(self, held: Reservation, trail: Trail, place: int) -> ObservedAttempt:
        endpoint = held.endpoint
        address, port = server_of(endpoint.base_url)
        started_s, duration_s = held.started_s, held.duration_s
        return ObservedAttempt(
            deployment=held.deployment,
            outcome=held.outcome,
            group=held.group,
            rule=held.rule,
            downgrade=held.downgrade,
            weaker=held.weaker,
            status=trail.statuses[place],
            hedge=held.hedge,
            refusals=held.refusals,
            input_tokens=held.input_tokens,
            output_tokens=held.output_tokens,
            cost_usd_micros=held.cost_usd_micros,
            duration_s=duration_s,
            first_content_s=held.first_content_s,
            provider=held.provider,
            model=held.model,
            adapter=endpoint.adapter,
            provider_model=endpoint.model,
            address=address,
            port=port,
            began_ns=self._date(started_s),
            ended_ns=self._date(started_s + duration_s),
            place=place,
            trail=trail,
        )

    def _date(self, at_s: float) -> int:
        """A time of the router as nanoseconds since 1970; nothing of a call is outside the call."""
        return self._began_ns + round((min(max(at_s, self._began_s), self._ended_s) - self._began_s) * 1e9)

    def _overhead_us(self) -> int:
        """The call's time without waiting, and without any moment at which a provider was asked."""
        end_s = self._ended_s
        if self._streamed and self._reservations:
            end_s = max([held.started_s + held.duration_s for held in self._reservations])
        asked_s, until_s = 0.0, self._began_s
        for which, from_s in self._sent:  # in the order of sending, so that overlaps count once
            to_s = self._answered_s(which)
            asked_s += max(0.0, to_s - max(from_s, until_s))
            until_s = max(until_s, to_s)
        return max(0, round((end_s - self._began_s - asked_s - self._waited_s) * 1e6))

    def _answered_s(self, which: Reservation) -> float:
        """When the provider's part of this attempt was over: a whole answer was there, or the attempt was settled."""
        for held, at_s in () if self._streamed else self._answers:
            if held is which:
                return at_s
        return which.started_s + which.duration_s


@cache
def _parameters_of(kind: type) -> tuple[tuple[str, ...], Callable[[Any], Sequence[Any]]]:
    """Which parameters requests of this kind have, and how to read them all at once."""
    names = tuple(name for name in (*PARAMETERS, SHAPE) if hasattr(kind, name))
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda request: [getattr(request, name) for name in names]  # attrgetter's single value is no tuple


def _told(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Those that were given. Of the answer's shape nothing is told but whether it is JSON."""
    given = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    if shape := given.pop(SHAPE, None):
        given["output_type"] = "text" if shape.get("type") == "text" else "json"
    return given


def outcome_of(error: BaseException) -> str:
    """The word for a call that ended in this error."""
    if isinstance(error, exc.ProviderError):
        return error.kind
    return next((word for kind, word in _WORDS if isinstance(error, kind)), "error")


@lru_cache(maxsize=1024)
def server_of(base_url: str) -> tuple[str, int | None]:
    """Host and port of an address, the scheme's own port if it names none. Neither path nor user is told."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        return "", None
    return parts.hostname or "", port or {"https": 443, "http": 80}.get(parts.scheme)
