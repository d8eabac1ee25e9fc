"""A call made for another call: a step of its cascade, a further sample."""

from __future__ import annotations

from junctor.dispatch import Call


def part_of(call: Call, model: str) -> Call:
    """The same request to `model`, until the same moment. What it does is joined to the call's by `Trail.adopt`."""
    part = Call(
        call.client,
        model,
        call.request,
        dict(call.ask),
        clock=call.clock,
        deadline_s=call.deadline_s,
        max_wait_s=call.wait_until - call.begun,
        attempts=call.attempts,
        shape=call.shape,
    )
    part.deadline = call.deadline
    part.raw = call.raw
    part.until = call.until
    part.classifies = False  # the labels are in `ask` already
    part.trail.watch = call.trail.watch
    return part
