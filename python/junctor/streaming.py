"""The stream contract: fail over unseen before the first content, never end cleanly after a cut.

Proxies that forward chunks as they come cannot undo the first one: a provider that dies after its role chunk has
already started an answer that nobody else can finish. So everything before the first content (headers, role chunks,
pings) is held back, and until then a failure moves to another deployment like any other. At the first text, reasoning
or tool call the stream is committed; from then on a break raises `StreamInterrupted` with what was delivered.

Keep-alives satisfy no timer: only content does; see `watchdog`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from junctor.dispatch import DEADLINE_SLACK_S, Call
from junctor.exceptions import StreamInterrupted
from junctor.failures import Failure
from junctor.hedge import Race
from junctor.relay import Raw, RawReader
from junctor.reply import Done, Event, Finish, ReasoningDelta, Reply, StreamError, TextDelta, ToolCallDelta, Usage
from junctor.transport.base import StreamedResponse, TransportError
from junctor.watchdog import Watchdog

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.adapters import StreamReader

MAX_ERROR_BYTES: Final = 262_144
"""How much of an error's body is read. Real ones have some hundred bytes."""


MAX_STREAM_BYTES: Final = 256 * 1024 * 1024
"""One streamed answer; a longer one is taken for broken. The longest real ones have some 40 MiB: 128,000 tokens in
events of 300 bytes."""

TOO_LONG: Final = Failure(kind="malformed", message=f"the stream is longer than {MAX_STREAM_BYTES} bytes")


class ReplyStream:
    """The events of one streamed call, ending with `Done`.

    Iterate it, best inside `async with`, which releases everything at once when the loop is left early; without it
    an abandoned stream is released when the event loop finalizes its generator. Nothing is sent before the first event
    is asked for.
    """

    __slots__ = ("_events",)

    def __init__(self, call: Call) -> None:
        self._events = _events(call)

    def __aiter__(self) -> AsyncGenerator[Event, None]:
        # The generator itself, not self: each event then costs no coroutine of ours.
        return self._events

    async def __anext__(self) -> Event:
        return await self._events.__anext__()

    async def aclose(self) -> None:
        """Stop: the connection is closed and what was used is settled. Harmless after the end."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()


async def last(stream: ReplyStream) -> Reply:
    """Read a stream to its end: the reply of `Done`, which every stream ends with that raises nothing."""
    async with stream:
        async for event in stream:
            if isinstance(event, Done):
                return event.reply
    raise AssertionError("a stream ends with Done, or raises")


async def _events(call: Call) -> AsyncGenerator[Event, None]:
    try:
        reservation = await call.reserve()
        ladder = call.ladder_at(reservation)
        if ladder is not None:
            from junctor.cascade import ascent  # for those who use it

            async with aclosing(ascent.stream(call, ladder, reservation)) as events:
                async for event in events:
                    yield event
            return
        attempt = await opened(call, reservation)
        try:
            if call.until is not None:
                from junctor.cascade import early  # for those who use it

                async with aclosing(early.events(attempt, call.until)) as events:
                    async for event in events:
                        yield event
            else:  # as `early.events`, without its price for every event
                for event in attempt.held:
                    yield event
                while (batch := await attempt.more()) is not None:
                    for event in batch:
                        if isinstance(event, StreamError):
                            raise attempt.interrupted(event.failure)
                        # `Finish` waits for the terminal marker: only a whole answer has an end.
                        if not isinstance(event, Finish):
                            yield event
            reply = attempt.reply
            yield Finish(reply.finish_reason)
            call.conclude()
            yield Done(reply=reply)
        finally:
            await attempt.release()
    except BaseException as error:
        call.conclude(error)
        raise


async def opened(call: Call, reservation: Reservation) -> StreamAttempt:
    """The first of the call's attempts, this reservation's before others, that has content. To be released."""
    while True:
        after_s = reservation.hedge_after_s
        if after_s is None:
            attempt = await _opened(call, reservation)
        else:
            call.race = call.race or Race(call)
            attempt, reservation = await call.race.run(reservation, after_s, _opened, StreamAttempt.release)
        if not isinstance(attempt, Failure):
            return attempt
        reservation = await call.recover(attempt, reservation)


async def _opened(call: Call, reservation: Reservation) -> StreamAttempt | Failure:
    """An attempt with its first content at hand, or a settled failure that nobody saw."""
    attempt = StreamAttempt(call, reservation)
    try:
        held = await attempt.until_content()
    except BaseException:
        await attempt.release()
        raise
    if isinstance(held, Failure):
        await attempt.release()
        return held
    attempt.held = held
    return attempt


class StreamAttempt:
    """One streamed try at one deployment."""

    def __init__(self, call: Call, reservation: Reservation) -> None:
        self._call = call
        self._reservation = reservation
        self._adapter, self._endpoint, self._message = call.prepare(reservation, stream=True)
        reader = self._adapter.reader()
        self._reader: StreamReader = RawReader(reader) if call.relays(self._adapter) else reader
        self._sent_at = call.clock()
        self._first_content_s: float | None = None
        self._settled = False
        self._watchdog = Watchdog(min(self._sent_at + self._endpoint.first_content_timeout_s, call.deadline))
        self._exchange: AbstractAsyncContextManager[StreamedResponse] | None = None
        self._opened = False
        self._room = MAX_STREAM_BYTES
        self.held: list[Event]
        self.reply: Reply

    async def until_content(self) -> list[Event] | Failure:
        """Hold back until the first content. Returns what to hand over, or a settled failure that nobody saw."""
        try:
            held = await self._prelude()
        except TransportError as error:
            if self._past_deadline(error):
                self._settled = True
                raise self._call.cut_by_deadline(self._reservation, self._endpoint, self._sent_at) from None
            held = Failure(kind=error.kind, message=str(error))
        if isinstance(held, Failure):
            self._fail(held)
        return held

    async def _prelude(self) -> list[Event] | Failure:
        timeout_s = self._call.deadline - self._sent_at
        if self._endpoint.signer is not None:
            signing = self._call.signed(self._message, self._endpoint, timeout_s)
            self._message = await self._watchdog.guard(signing)
        exchange = self._exchange = self._call.client.transport.stream(self._message, timeout_s=timeout_s)
        response = self._response = await self._watchdog.guard(exchange.__aenter__())
        self._opened = True
        self._call.trail.answered(self._reservation, response.status)
        if response.status // 100 != 2:
            return self._adapter.classify(response.status, response.headers, await self._error_body(response))
        held: list[Event] = []
        while (chunk := await self._watchdog.guard(response.read_chunk())) is not None:
            self._room -= len(chunk)
            if self._room < 0:
                return TOO_LONG
            for event in self._reader.feed(chunk):
                if isinstance(event, StreamError):
                    return event.failure
                if not isinstance(event, Finish):
                    held.append(event)
            if any(map(_is_content, held)):
                self._commit()
                return held
            self._watchdog.check(self._call.clock())
        return self._ended() or held

    async def _error_body(self, response: StreamedResponse) -> bytes:
        body = bytearray()
        while len(body) < MAX_ERROR_BYTES and (chunk := await self._watchdog.guard(response.read_chunk())) is not None:
            body += chunk
        return bytes(body[:MAX_ERROR_BYTES])

    def _commit(self) -> None:
        """The first content goes to the caller: no failing over from here."""
        call = self._call
        if call.race is not None:
            call.race.win(self._reservation)
        self._reservation.first_content()
        now = call.clock()
        self._first_content_s = now - self._sent_at
        call.upstream_s += self._first_content_s
        self._watchdog.move(min(now + self._endpoint.idle_timeout_s, call.deadline))

    async def more(self) -> list[Event] | None:
        """The next events, or None after a proper end. Raises `StreamInterrupted` for every other end."""
        if self._settled:
            return None
        feed, call, watchdog = self._reader.feed, self._call, self._watchdog
        try:
            while (chunk := await watchdog.guard(self._response.read_chunk())) is not None:
                self._room -= len(chunk)
                if self._room < 0:
                    raise self.interrupted(TOO_LONG)
                now = call.clock()
                batch = feed(chunk)
                if batch:
                    watchdog.due = min(now + self._endpoint.idle_timeout_s, call.deadline)
                    return batch
                watchdog.check(now)
        except TransportError as error:
            self._broken(error)
            return None
        failure = self._ended()
        if failure is not None:
            raise self.interrupted(failure)
        return None

    def _broken(self, error: TransportError) -> None:
        """The bytes stopped. That is still a proper end if the terminal marker had come."""
        if self._ended() is None:
            return
        if self._past_deadline(error):
            raise self._interrupted_by_deadline()
        raise self.interrupted(Failure(kind=error.kind, message=str(error)))

    def _ended(self) -> Failure | None:
        """Settle a stream that ended properly, or say why it did not."""
        closing = self._reader.close()
        if isinstance(closing, Failure):
            return closing
        self.reply = closing
        if not closing.rate_limits:
            closing.rate_limits = self._adapter.rate_limits(self._response.headers)
        self._settled = True
        first_s = self._first_content_s
        self._call.settle_ok(
            self._reservation, closing, self._call.clock() - self._sent_at if first_s is None else first_s
        )
        return None

    def enough(self, text: str) -> None:
        """Settle a stream that is left because it has said what was asked for, and make its reply."""
        self._settled = True
        call, message = self._call, {"role": "assistant", "content": text}
        self.reply = Reply(
            text=text,
            message=message,
            finish_reason="stop",
            usage=self._usage(),
            logprobs=_up_to(len(text), self._reader.logprobs),
        )
        call.settle_ok(self._reservation, self.reply, self._first_content_s)
        call.client.counters["early_exit"] += 1
        call.trail.note((f"until: the answer was sure after {len(text)} characters, the rest was cut off",))

    def interrupted(self, failure: Failure) -> StreamInterrupted:
        """Settle a stream that broke after its first content, and make its exception."""
        failure = failure.without(self._endpoint.key)
        self._settled = True
        usage = self._usage()
        self._call.settle_failed(self._reservation, failure, usage=usage, first_token_s=self._first_content_s)
        return self._interruption(failure.kind, f"{failure.kind}: {failure.message}", usage)

    def _interrupted_by_deadline(self) -> StreamInterrupted:
        """The caller's deadline cut a stream that was alive: nobody's failure, but no clean end either."""
        self._settled = True
        usage = self._usage()
        self._call.settle_left(self._reservation, usage)
        error = self._interruption("timeout", f"the deadline of {self._call.deadline_s:g} s passed", usage)
        error.__cause__ = self._call.late()
        return error

    def _interruption(self, kind: str, why: str, usage: Usage) -> StreamInterrupted:
        self._call.client.counters["stream_interrupted"] += 1
        text, deployment = self._reader.text, self._reservation.deployment
        return StreamInterrupted(
            f"the stream of deployment {deployment!r} broke after {len(text)} characters of text, {why}",
            partial=text,
            usage=usage,
            kind=kind,
        )

    def _usage(self) -> Usage:
        """What a cut stream is known to cost. Pieces stand for the answer's tokens: what a provider tells of those
        before the end is how many there were at the beginning."""
        usage, pieces = self._reader.usage, self._reader.output_chunks
        if not usage.known:
            return Usage(output_tokens=pieces, known=False)
        return usage if usage.output_tokens >= pieces else msgspec.structs.replace(usage, output_tokens=pieces)

    def _fail(self, failure: Failure) -> None:
        self._settled = True
        limits = self._adapter.rate_limits(self._response.headers) if self._opened else ()
        self._call.settle_failed(self._reservation, failure, limits=limits)

    def _past_deadline(self, error: TransportError) -> bool:
        return error.kind == "timeout" and self._call.clock() >= self._call.deadline - DEADLINE_SLACK_S

    async def release(self) -> None:
        """Let everything go. The reservation first: closing a connection may be cancelled, settling may not."""
        self._watchdog.stop()
        if not self._settled:
            self._settled = True
            self._call.settle_left(self._reservation, self._usage())
        exchange, self._exchange = self._exchange, None
        if exchange is not None and self._opened:
            await exchange.__aexit__(None, None, None)


def _is_content(event: Event) -> bool:
    """Text, reasoning or a tool call: what a caller can show. An empty delta is not."""
    if isinstance(event, TextDelta | ReasoningDelta):
        return bool(event.text)
    return isinstance(event, ToolCallDelta) or (isinstance(event, Raw) and event.content)


def _up_to(chars: int, logprobs: Any) -> Any:
    """The log-probabilities of the tokens that so many characters are made of; all of them if tokens are not named."""
    listed = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(listed, list):
        return logprobs
    kept, length = 0, 0
    for entry in listed:
        token = entry.get("token") if isinstance(entry, dict) else None
        if not isinstance(token, str):
            return logprobs
        if length >= chars:
            break
        kept, length = kept + 1, length + len(token)
    return {**logprobs, "content": listed[:kept]}
