"""Early exit: a stream is left as soon as its answer is sure, cut off upstream and settled with what was used.

For the provider's health it is a good answer. What it cost is the prompt and the pieces that came, since a cut stream
has no final usage; providers bill what they wrote before they noticed, which is a few tokens more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from junctor.reply import Done, Event, Finish, StreamError, TextDelta

if TYPE_CHECKING:
    from junctor.cascade.enough import Enough
    from junctor.dispatch import Call
    from junctor.streaming import StreamAttempt


async def events(call: Call, attempt: StreamAttempt, enough: Enough) -> AsyncGenerator[Event, None]:
    """The events of this attempt up to where its answer is sure, or to its end. It concludes the call before `Done`."""
    text = ""
    batch: list[Event] | None = attempt.held
    while batch is not None:
        for event in batch:
            if isinstance(event, StreamError):
                raise attempt.interrupted(event.failure)
            if isinstance(event, TextDelta):
                length = enough.feed(event.text)
                if length is not None:
                    text += event.text[:length]
                    if length:
                        yield TextDelta(event.text[:length])
                    reply = attempt.enough(text)
                    await attempt.release()
                    call.client.counters["early_exit"] += 1
                    call.trail.note((f"until: the answer was sure after {len(text)} characters, the rest was cut off",))
                    yield Finish(reply.finish_reason)
                    call.conclude()
                    yield Done(reply=reply)
                    return
                text += event.text
            if not isinstance(event, Finish):
                yield event
        batch = await attempt.more()
    yield Finish(attempt.reply.finish_reason)
    call.conclude()
    yield Done(reply=attempt.reply)
