"""Early exit: the events of one stream to its end, or to where its answer is sure. Then it is cut off and settled.

For the provider's health such an answer is a good one. What it cost is the prompt and the pieces that came, since a cut
stream has no final usage; providers bill what they wrote before they noticed, which is a few tokens more. In a cascade
what came is judged as a whole answer would be, by the log-probabilities of the tokens up to there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from junctor.cascade.enough import condition
from junctor.reply import Event, Finish, StreamError, TextDelta

if TYPE_CHECKING:
    from junctor.cascade.enough import Until
    from junctor.streaming import StreamAttempt


async def events(attempt: StreamAttempt, until: Until | None) -> AsyncGenerator[Event, None]:
    """The events of this attempt but `Finish` and `Done`. After the last one its `reply` is there.

    Raises `StreamInterrupted` for every end that is neither proper nor wished for.
    """
    enough, text = condition(until), ""
    batch: list[Event] | None = attempt.held
    while batch is not None:
        for event in batch:
            if isinstance(event, StreamError):
                raise attempt.interrupted(event.failure)
            if enough is not None and isinstance(event, TextDelta):
                length = enough.feed(event.text)
                if length is not None:
                    text += event.text[:length]
                    if length:
                        yield TextDelta(event.text[:length])
                    attempt.enough(text)
                    await attempt.release()
                    return
                text += event.text
            if not isinstance(event, Finish):
                yield event
        batch = await attempt.more()
