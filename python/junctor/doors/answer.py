"""One request through a door: read, admitted, routed, answered, charged.

What is promised: nothing is raised for what a caller sends or a provider does, cancellation goes through, and whatever
happens at any await the call's charge is settled exactly once, after everything that the call held was released.

A stream is answered when its first content is at hand, because until then its headers are not known and a failure is
still an ordinary error with a status. Its body is a generator that has run up to there: closing it, even unread, runs
its end and so cancels and settles. Rejected: a class with `__anext__`, a coroutine more for every event.
"""

from __future__ import annotations

import logging
import os
import random
import re
import time
import traceback
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final, cast

from junctor.doors.contract import Answer, Asked, Caller, Charge, Door, Incoming, Stamp
from junctor.doors.count import counted
from junctor.doors.headers import of_call, of_failure
from junctor.exceptions import JunctorError
from junctor.options import CallOptions, EmbedOptions
from junctor.relay import Raw
from junctor.reply import Done, Embeddings, Event, Reply, Usage
from junctor.streaming import ReplyStream
from junctor.whole import complete

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.client import Client
    from junctor.dispatch import Call

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

_draws: Final = random.Random()
"""Ids have to differ and are no secret. `os.urandom` lets go of the interpreter's lock, and to have it back from a
thread that waited for it costs an eighth of a request through the gateway."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draws.seed)

_log: Final = logging.getLogger("junctor.doors")


class _Nobody:
    """The charge of a call that nobody counts."""

    def settle(self, usage: Usage | None, cost_usd_micros: int) -> None:
        """Nothing is held."""


_NOBODY: Final = _Nobody()


async def answer(
    client: Client, door: Door, incoming: Incoming, *, caller: Caller | None = None, within_s: float | None = None
) -> Answer:
    """Serve one request. The answer's status, headers and body are the dialect's own, whatever happened.

    `caller` bounds who asks; None is the program itself, which may do everything. Its errors are answers, and the
    only thing that comes out as an exception is cancellation. `within_s` is how long the caller waits for an answer
    that is not streamed: its deadline, unless that is nearer. `x-junctor-*` headers tell the request's id and, once a
    deployment answers, which one, of which group, by which rule, after how many attempts, at what cost (of a whole
    answer; a stream has it in its usage), and how many microseconds were spent here before the first byte.
    """
    request_id = request_id_of(incoming)
    call: Call | None = None
    try:
        asked = door.read(incoming)
        options = asked.options
        if caller is not None:
            options.pop("tenant", None)
            if "tags" in options:
                options["tags"].pop("tenant", None)
            options.update(caller.options(asked))
        if within_s is not None and not asked.stream:
            own_s = options.get("deadline_s")
            options["deadline_s"] = min(within_s, client.router.deadline_s if own_s is None else own_s)
        call = called(client, asked)
        if asked.kind == "count":
            return _named(await counted(client, asked, call), request_id)
        call.raw = door.name
        charge: Charge = _NOBODY
        if caller is not None:
            charge = caller.admit(asked, call.ask["input_tokens"], call.ask.get("output_tokens"))
        if asked.stream:
            body = _streamed(door, asked, call, charge, request_id)
            await anext(body)
            return Answer(200, of_call(call, request_id, stream=True), body)
        reply = await _whole(call, charge)
        headers = of_call(call, request_id, stream=False)
        return Answer(200, headers, door.whole(reply, asked, stamp_of(call, request_id)))
    except Exception as error:
        return refused(door, error, request_id, call)


def called(client: Client, asked: Asked) -> Call:
    """The call that is asked for. Raises `InvalidRequest` for what no provider could answer."""
    options: dict[str, Any] = dict(asked.options)
    together = "session" in options or "affinity" in options
    if not together and asked.person is not None and not client.router.keeps_prefixes(asked.model):
        options["affinity"] = asked.person
    if asked.kind == "embeddings":
        options.pop("encoding")
        inputs, dimensions = options.pop("inputs"), options.pop("dimensions")
        return client.begin_embedding(asked.model, inputs, dimensions, cast(EmbedOptions, options))
    messages = options.pop("messages")
    return client.begin(asked.model, messages, cast(CallOptions, options), streaming=asked.stream)


async def _whole(call: Call, charge: Charge) -> Reply | Embeddings:
    reply: Reply | Embeddings | None = None
    try:
        reply = await complete(call)
    finally:
        charge.settle(*spent(call, reply))
    return reply


async def _streamed(
    door: Door, asked: Asked, call: Call, charge: Charge, request_id: str
) -> AsyncGenerator[bytes, None]:
    """The bytes of a stream, after one empty piece that says that they begin. Raises what comes before that."""
    reply: Reply | None = None
    stream = ReplyStream(call)
    try:
        event: Event | Raw = await anext(stream)
        yield b""
        writer = door.writer(asked, stamp_of(call, request_id))
        write = writer.write
        try:
            if isinstance(event, Done):
                reply = event.reply
            if piece := write(event):
                yield piece
            async for event in stream:
                if event.__class__ is Done:
                    reply = event.reply
                if piece := write(event):
                    yield piece
        except Exception as error:
            _note(error)
            yield writer.fail(error)
    finally:
        try:
            await stream.aclose()
        finally:
            charge.settle(*spent(call, reply))


def spent(call: Call, reply: Reply | Embeddings | None) -> tuple[Usage | None, int]:
    """What a call used and cost in micro-dollars: as its answer says, or else as its attempts were settled."""
    # Of a cascade the answer's usage is that of one step.
    if reply is not None and reply.usage.known and call.trail.cascade is None:
        return reply.usage, call.cost_usd_micros
    receipt = call.trail.receipt()
    read = sum(attempt.input_tokens for attempt in receipt.attempts)
    written = sum(attempt.output_tokens for attempt in receipt.attempts)
    usage = Usage(input_tokens=read, output_tokens=written, known=False) if read or written else None
    return usage, receipt.cost_usd_micros


def refused(door: Door, error: Exception, request_id: str, call: Call | None = None) -> Answer:
    """The dialect's own answer to an error."""
    _note(error)
    found = door.refuse(error, request_id)
    return _named(found, request_id, call)


def _named(found: Answer, request_id: str, call: Call | None = None) -> Answer:
    return Answer(found.status, {**found.headers, **of_failure(call, request_id)}, found.body)


def _note(error: Exception) -> None:
    """An error that is not ours is a fault of ours: log where it happened, not its words, which may quote a prompt."""
    if not isinstance(error, JunctorError):
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s while answering a request:\n%s", type(error).__name__, where)


def request_id_of(incoming: Incoming) -> str:
    """The caller's own id of the request if it gave a proper one, else a new one."""
    given = incoming.headers.get("x-request-id")
    if given is not None and _ID.fullmatch(given):
        return given
    return f"req_{_draws.getrandbits(96):024x}"


def stamp_of(call: Call, request_id: str) -> Stamp:
    """What the answer of this call carries."""
    held = cast("Reservation | None", call.trail.last)
    return Stamp(request_id, int(time.time()), call.model if held is None else held.endpoint.model)
