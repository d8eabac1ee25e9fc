"""The run under show: one `junctor.Client`, used as any program would use it."""

from __future__ import annotations

import asyncio
from typing import Any

from junctor.client import Client
from junctor.config import Config
from junctor.demo.caller import Standing
from junctor.demo.fleet import KEYS
from junctor.demo.tally import INTERRUPTED, NO_CAPACITY, OK, Ended
from junctor.demo.traffic import Ask
from junctor.exceptions import (
    DeadlineExceeded,
    JunctorError,
    NoCapacity,
    ProviderError,
    Refused,
    StreamInterrupted,
)
from junctor.receipts import Receipt
from junctor.reply import Done, ReasoningDelta, Reply, TextDelta, ToolCallDelta
from junctor.router import Router
from junctor.transport.base import Transport


class ByClient:
    """Asks the client. Keeps the first call that the law left without anybody, to show its answer."""

    title = "junctor"

    def __init__(self, fleet: Config, transport: Transport, *, seed: int) -> None:
        self.router = Router.from_config(fleet, seed=seed)
        self.client = Client(self.router, transport, seed=seed)
        self.nobody: tuple[Ask, NoCapacity] | None = None
        self._pools = {item.name: item.pools for item in fleet.deployments}

    async def ask(self, ask: Ask, *, due_s: float) -> Ended:
        """See `Caller.ask`."""
        clock = asyncio.get_running_loop().time
        try:
            reply, first_s = await self._reply(ask)
        except JunctorError as error:
            if isinstance(error, NoCapacity) and ask.eu_only and self.nobody is None:
                self.nobody = (ask, error)
            return _ended(ask, kind_of(error), clock() - due_s, error.receipt)
        first_content_s = None if first_s is None else first_s - due_s
        return _ended(ask, OK, clock() - due_s, reply.receipt, first_content_s=first_content_s)

    async def _reply(self, ask: Ask) -> tuple[Reply, float | None]:
        """The reply, and for a stream the loop's time of its first content."""
        if not ask.streamed:
            return await self.client.chat(ask.model, ask.messages, **ask.options), None
        clock, first_s = asyncio.get_running_loop().time, None
        async with self.client.stream(ask.model, ask.messages, **ask.options) as events:
            async for event in events:
                if first_s is None and isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
                    first_s = clock()
                elif isinstance(event, Done):
                    return event.reply, first_s
        raise AssertionError("a stream ended without Done and without an error")

    def standings(self) -> list[Standing]:
        """See `Caller.standings`."""
        told = self.router.snapshot()
        return [self._standing(plan.name, told) for plan in KEYS]

    def _standing(self, name: str, told: dict[str, Any]) -> Standing:
        row = told["deployments"][name]
        limits = [limit["free"] for pool in self._pools[name] for limit in told["pools"][pool].values()]
        return Standing(
            name=name,
            attempts=row["attempts"],
            in_flight=row["in_flight"],
            throttled=row["throttled"],
            failed=row["failed"],
            latency_s=row["latency_s"],
            breaker=row["breaker"],
            breaker_reason=row["breaker_reason"],
            breaker_s=row["breaker_s"],
            held_s=row["held_s"],
            free=min(limits, default=1.0),
        )


def kind_of(error: JunctorError) -> str:
    """One word for how a call failed."""
    match error:
        case StreamInterrupted():
            return INTERRUPTED
        case NoCapacity():
            return NO_CAPACITY
        case Refused():
            return "refused"
        case DeadlineExceeded():
            return "deadline"
        case ProviderError():
            return error.kind
    raise error


def _ended(
    ask: Ask, kind: str, total_s: float, receipt: Receipt | None, *, first_content_s: float | None = None
) -> Ended:
    told = receipt or Receipt()
    return Ended(
        kind=kind,
        streamed=ask.streamed,
        total_s=total_s,
        first_content_s=first_content_s,
        attempts=len(told.attempts),
        downgrade=told.downgrade,
        cost_usd_micros=told.cost_usd_micros,
    )
