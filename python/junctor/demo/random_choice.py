"""What the client is compared with: a key drawn at random, three tries.

This is the balancer that people write first, given every help but state: it knows the groups and the law (a prompt
that may not leave the EU is only offered EU keys), never tries a key twice for one call, tries the next one at once
after any failure that another key might not have, moves a stream as long as nothing was handed over, and has the same
adapters, transport, timeouts and deadline. What it lacks is what is under show: weights, limits, breakers, holds,
load and fallback groups.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import msgspec

from junctor import adapters, config
from junctor.attempts import MAX_ATTEMPTS, whole_answer_timeout_s
from junctor.config import Config
from junctor.demo.caller import Standing
from junctor.demo.fleet import DEADLINE_S, KEYS, TIMEOUT_S, KeyPlan
from junctor.demo.tally import INTERRUPTED, OK, Ended
from junctor.demo.traffic import Ask
from junctor.failures import Failure
from junctor.options import take_apart
from junctor.reply import Event, ReasoningDelta, Reply, StreamError, TextDelta, ToolCallDelta, Usage
from junctor.request import ChatRequest, Endpoint
from junctor.transport.base import Transport, TransportError

RECENT: Final = 20
"""Answers that the latency in the live table is averaged over."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One try: what came, when its first content came, what it used."""

    answer: Reply | Failure
    first_s: float | None
    usage: Usage


class Place:
    """One key: its endpoint, and counts for the live table."""

    def __init__(self, plan: KeyPlan, endpoint: Endpoint) -> None:
        self.plan = plan
        self.endpoint = endpoint
        self.attempts = self.in_flight = self.throttled = self.failed = 0
        self.recent_s: deque[float] = deque(maxlen=RECENT)

    def note(self, tried: Tried, started_s: float) -> None:
        """Count how a try ended."""
        if tried.first_s is not None:
            self.recent_s.append(tried.first_s - started_s)
        if isinstance(tried.answer, Failure):
            throttled = tried.answer.meaning.health == "throttled"
            self.throttled += throttled
            self.failed += not throttled

    def standing(self) -> Standing:
        """For the live table."""
        latency_s = sum(self.recent_s) / len(self.recent_s) if self.recent_s else 0.0
        return Standing(
            name=self.plan.name, attempts=self.attempts, in_flight=self.in_flight, throttled=self.throttled,
            failed=self.failed, latency_s=latency_s,
        )  # fmt: skip


class RandomChoice:
    """Calls with a random key, up to three of them."""

    title = "random choice"

    def __init__(self, fleet: Config, transport: Transport, *, seed: int) -> None:
        endpoints = {each.deployment: each for each in config.compile(fleet).endpoints}
        self._places = [Place(plan, endpoints[plan.name]) for plan in KEYS]
        self._prices = {item.name: item.price for item in fleet.deployments}
        self._transport = transport
        self._random = Random(f"random choice/{seed}")

    def standings(self) -> Sequence[Standing]:
        """See `Caller.standings`."""
        return [place.standing() for place in self._places]

    async def ask(self, ask: Ask, *, due_s: float) -> Ended:
        """See `Caller.ask`."""
        clock = asyncio.get_running_loop().time
        options: dict[str, Any] = dict(ask.options)
        request = take_apart(ask.messages, options, deadline_s=DEADLINE_S, max_wait_s=0.0).request
        deadline, cost, made = clock() + DEADLINE_S, 0, 0
        for place in self._drawn(ask):
            made += 1
            tried = await self._try(place, request, ask, deadline=deadline)
            cost += self._cost(place, tried)
            kind, goes_on = _verdict(tried, ask)
            if not goes_on or clock() >= deadline:
                break
        first_s = tried.first_s if ask.streamed and kind == OK else None
        return Ended(
            kind=kind,
            streamed=ask.streamed,
            total_s=clock() - due_s,
            first_content_s=None if first_s is None else first_s - due_s,
            attempts=made,
            cost_usd_micros=cost,
        )

    def _drawn(self, ask: Ask) -> list[Place]:
        """Up to three keys of the group that the law allows."""
        allowed = [
            place
            for place in self._places
            if place.plan.model.group == ask.group and (place.plan.region == "eu" or not ask.eu_only)
        ]
        return self._random.sample(allowed, min(MAX_ATTEMPTS, len(allowed)))

    async def _try(self, place: Place, request: ChatRequest, ask: Ask, *, deadline: float) -> Tried:
        started_s = asyncio.get_running_loop().time()
        place.attempts += 1
        place.in_flight += 1
        try:
            tried = await (self._stream if ask.streamed else self._whole)(place.endpoint, request, deadline - started_s)
        finally:
            place.in_flight -= 1
        place.note(tried, started_s)
        return tried

    async def _whole(self, endpoint: Endpoint, request: ChatRequest, left_s: float) -> Tried:
        adapter = adapters.get(endpoint.adapter)
        timeout_s = whole_answer_timeout_s(endpoint, request.max_tokens, remaining_s=left_s)
        answer: Reply | Failure
        try:
            response = await self._transport.send(adapter.build(request, endpoint), timeout_s=timeout_s)
            answer = adapter.parse(response.status, response.headers, response.body)
        except TransportError as error:
            answer = Failure(kind=error.kind, message=str(error))
        usage = answer.usage if isinstance(answer, Reply) else Usage()
        return Tried(answer=answer, first_s=asyncio.get_running_loop().time(), usage=usage)

    async def _stream(self, endpoint: Endpoint, request: ChatRequest, left_s: float) -> Tried:
        adapter, loop = adapters.get(endpoint.adapter), asyncio.get_running_loop()
        reader, first_s = adapter.reader(), None
        broken: Failure | None = None
        try:
            async with (
                asyncio.timeout(min(TIMEOUT_S, left_s)) as timer,
                self._transport.stream(adapter.build(request, endpoint, stream=True), timeout_s=left_s) as response,
            ):
                if response.status // 100 != 2:
                    failure = adapter.classify(response.status, response.headers, await response.read())
                    return Tried(answer=failure, first_s=None, usage=Usage())
                while broken is None and (chunk := await response.read_chunk()) is not None:
                    events = reader.feed(chunk)
                    broken = next((event.failure for event in events if isinstance(event, StreamError)), None)
                    if any(map(_is_content, events)):
                        first_s = first_s or loop.time()
                        timer.reschedule(loop.time() + TIMEOUT_S)
        except TransportError as error:
            broken = Failure(kind=error.kind, message=str(error))
        except TimeoutError:
            broken = Failure(kind="timeout", message="no content came in time")
        known = reader.usage.known
        usage = reader.usage if known else Usage(output_tokens=reader.output_chunks, known=False)
        return Tried(answer=broken or reader.close(), first_s=first_s, usage=usage)

    def _cost(self, place: Place, tried: Tried) -> int:
        price, usage = self._prices[place.plan.name], tried.usage
        return (usage.input_tokens * price.input + usage.output_tokens * price.output) // 1_000_000


def _verdict(tried: Tried, ask: Ask) -> tuple[str, bool]:
    """How the call stands after this try, and whether another key may be tried."""
    answer = tried.answer
    if isinstance(answer, Reply):
        return OK, False
    if ask.streamed and tried.first_s is not None:
        return INTERRUPTED, False
    return answer.kind, answer.meaning.next == "elsewhere"


def _is_content(event: Event) -> bool:
    return isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta)
