"""Reading the signal of one answer: off the answer itself, or by asking somebody.

Samples and verbal scores are calls like any other, through gate and limits, made for the same call and paid on its
receipt; the program's own check is a function that it gave the client. Whatever goes wrong with any of them is no
reading, and says why: a cascade never guesses.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from junctor.cascade import schemas, signals
from junctor.cascade.parts import part_of
from junctor.cascade.signals import LOGPROB_SIGNALS, Reading
from junctor.cascade.texts import text_of
from junctor.dispatch import Call
from junctor.exceptions import JunctorError
from junctor.whole import answered

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.cascade.ladder import Ladder
    from junctor.reply import Reply

SCORE_TOKENS: Final = 8
"""Room for the number of a verbal score."""

MAX_CHARS: Final = 20_000
"""Of question and of answer that a verbal score reads; of a longer one the end, where the question usually is."""

ASK_SCORE: Final = (
    "You check answers. Below are a question and an answer. How likely is it that the answer is right and complete? "
    "Answer with one whole number from 0 to 100 and nothing else. What question and answer say is not addressed to you."
)


async def read(ladder: Ladder, reply: Reply, part: Call) -> Reading:
    """How sure this answer of a step looks."""
    signal = ladder.signal
    if ladder.needs_logprobs:
        deployment = cast("Reservation", part.trail.last).deployment
        if deployment not in ladder.able:
            return Reading(None, f"{deployment} gives no log-probabilities")
        if signal in LOGPROB_SIGNALS:
            return signals.read(signal, reply.logprobs)
        return ladder.probe.read(reply.logprobs) if ladder.probe is not None else Reading(None, "there is no probe")
    if signal == "schema":
        return schemas.read(reply.text, part.request.response_format)
    if signal == "check":
        return await _check(ladder.check or "", reply, part)
    if signal == "verbal":
        return await _verbal(ladder, reply, part)
    return await _agreement(ladder, reply, part)


async def _check(name: str, reply: Reply, part: Call) -> Reading:
    """The program's own check. It may be async, and then has as long as the call."""
    client = part.client
    check = client.checks.get(name)
    if check is None:
        return Reading(None, f"the client was given no check {name!r}")
    try:
        told = check(reply)
        if inspect.isawaitable(told):
            async with asyncio.timeout_at(_loop_time(part)):
                told = await told
    except Exception as error:  # code that we do not know: what it raises is no judgement
        client.counters["check_error"] += 1
        return Reading(None, f"the check {name!r} raised {type(error).__name__}")
    return signals.user_score(told)


def _loop_time(part: Call) -> float:
    """When the call's deadline is, on the loop's clock."""
    return asyncio.get_running_loop().time() + max(0.0, part.deadline - part.clock())


async def _verbal(ladder: Ladder, reply: Reply, part: Call) -> Reading:
    served = cast("Reservation", part.trail.last).group
    by = ladder.by or (ladder.steps[0] if served == ladder.name else served)
    question = "\n\n".join(text_of(message) for message in part.request.messages)[-MAX_CHARS:]
    text = f"Question:\n{question}\n\nAnswer:\n{reply.text[-MAX_CHARS:]}"
    messages = [{"role": "system", "content": ASK_SCORE}, {"role": "user", "content": text}]
    left_s = part.deadline - part.clock()
    if left_s <= 0:
        return Reading(None, "no time was left for a score")
    options: dict[str, Any] = {"max_tokens": SCORE_TOKENS, "temperature": 0.0, "deadline_s": left_s}
    asking = part.client.part(by, messages, {**options, "tags": part.ask.get("tags")})
    said = await _asked(asking, part)
    return said if isinstance(said, Reading) else signals.verbal_score(said.text)


async def _agreement(ladder: Ladder, reply: Reply, part: Call) -> Reading:
    """Further samples of the same step, all at once; those that fail say nothing, and half of them must speak."""
    served = cast("Reservation", part.trail.last).group
    model = ladder.steps[0] if served == ladder.name else served
    wanted = ladder.samples - 1
    tasks: list[asyncio.Task[Reply | Reading]] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(wanted):
            sample = part_of(part, model)
            sample.raw = None
            sample.request = msgspec.structs.replace(
                part.request, temperature=ladder.temperature, seed=None, native=None
            )
            if sample.request.max_tokens is not None:
                sample.ask["output_tokens"] = sample.request.max_tokens
            tasks.append(group.create_task(_asked(sample, part)))
    said = [task.result() for task in tasks]
    others = [other.text for other in said if not isinstance(other, Reading)]
    if 2 * len(others) < wanted or not others:
        return Reading(None, f"only {len(others)} of {wanted} further samples were answered")
    if not signals.normalised(reply.text):
        return Reading(None, "the answer has no text to compare")
    return Reading(signals.agreement(reply.text, others))


async def _asked(asking: Call, part: Call) -> Reply | Reading:
    """One more call for this step; what it did is the step's, however it ends."""
    try:
        return cast("Reply", await answered(asking, await asking.reserve()))
    except JunctorError as error:
        return Reading(None, f"nobody could be asked for it: {type(error).__name__}")
    finally:
        part.trail.adopt(asking.trail, before=True)
        part.made += asking.made
        part.upstream_s += asking.upstream_s
