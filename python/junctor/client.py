"""The client: `chat`, `stream` and `embed` over a router, adapters and a transport.

People who balance over several keys by hand write this file themselves: a pick, a request, a classification, a retry,
and somewhere a counter that leaks when a task is cancelled. Here it is once, with every wait bounded by one deadline.

Everything hangs off the instance. Two clients share nothing but a router that both were given; the transport opens
its connections at the first request, so a client may be made before a fork or outside any event loop.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from junctor import adapters
from junctor.dispatch import Call
from junctor.estimate import last_question, measure, prefix_affinity, shared_tokens
from junctor.options import CallOptions, EmbedOptions, Inputs, Wish, take_apart, take_apart_inputs
from junctor.outline import outline
from junctor.router import Router
from junctor.streaming import ReplyStream, last
from junctor.transport import default_transport
from junctor.warmth import Warmth
from junctor.whole import complete

if TYPE_CHECKING:
    from os import PathLike

    from junctor.adapters import Adapter
    from junctor.cascade.classify import Memory
    from junctor.embed import EmbedCall
    from junctor.observe import Observer
    from junctor.observe.watch import Watchers
    from junctor.receipts import Receipt, Trail
    from junctor.reply import Embeddings, Reply
    from junctor.request import ChatRequest, Message
    from junctor.shaping import Shape
    from junctor.sink import Sink
    from junctor.transport.base import Transport

Callback = Callable[["Receipt"], object]
Checks = Mapping[str, Callable[["Reply"], Any]]


class Client:
    """Sends chat requests to the deployments of one router.

    `transport` moves the bytes. The default is `junctor.transport.default_transport()`, made at first use and closed
    with the client; one that you hand in stays yours to close.
    `on_receipt` is called with the receipt of every call that ended, well or not: on a thread of the client's own, one
    after the other, in the order in which the calls ended, and a moment after their callers went on. So it may block,
    raise or use the client and its router, and can neither delay nor fail a call. `aclose` waits a few seconds for
    what is still to be told. Beside the callback's own work it costs up to a fifth more CPU per chat and a twentieth
    per stream (`python -m benches.python.bench_client`); `junctor.sink` says what is counted and what is dropped.
    `observers` are told of the same calls on the same thread, with more than a receipt holds: see `junctor.observe`.
    `checks` are the program's own judgements of answers, by name, for cascades with `signal: check`: functions of a
    reply, plain or async, that answer a truth value or a number, more is better. They run on the event loop.
    `seed` makes the jitter of waits repeatable.

    `counters` counts since the client was made: calls, retry, hedge, hedge_error, attempt_failed, capacity_wait,
    usage_unknown, stream_interrupted, callback_error, callback_slow, callback_dropped, callback_us; of cascades
    cascade_accepted, cascade_escalated, cascade_unknown, cascade_degraded, check_error, speculation_waste_tokens,
    speculation_waste_usd_micros; early_exit; of classifiers label_model, label_cache, label_fallback.
    """

    def __init__(
        self,
        router: Router,
        transport: Transport | None = None,
        *,
        on_receipt: Callback | None = None,
        observers: Sequence[Observer] = (),
        checks: Checks | None = None,
        seed: int | None = None,
    ) -> None:
        self.router = router
        self.checks: Checks = checks or {}
        self.labels: dict[str, Memory] = {}
        """What classifiers said lately, by classifier."""
        self.counters: Counter[str] = Counter()
        self.warmth = Warmth()
        self._transport = transport
        self._owns_transport = transport is None
        self._owns_router = False
        self._watchers = _watchers(observers, self.counters, router.now_s) if observers else None
        self._sink = _sink(on_receipt, self.counters, self._watchers) if on_receipt or observers else None
        self._random = random.Random(seed)
        self._adapters: dict[str, Adapter] = {}
        router.begin_sending()

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        transport: Transport | None = None,
        *,
        on_receipt: Callback | None = None,
        observers: Sequence[Observer] = (),
        checks: Checks | None = None,
        seed: int | None = None,
    ) -> Self:
        """A client for the fleet file at `path`. Raises `ConfigError` naming everything that is wrong with it."""
        router = Router.open(path, seed=seed)
        client = cls(router, transport, on_receipt=on_receipt, observers=observers, checks=checks, seed=seed)
        client._owns_router = True
        return client

    @classmethod
    def over_keys(
        cls,
        model: str,
        *,
        keys: Sequence[str],
        shared: bool = False,
        base_url: str | None = None,
        transport: Transport | None = None,
        on_receipt: Callback | None = None,
        observers: Sequence[Observer] = (),
        seed: int | None = None,
        **limits: float,
    ) -> Self:
        """A client for one model over several keys: the shortest way in, without a file.

        `keys` are the keys themselves or references (`env:NAME`, `file:path`). `limits` (rpm, tpm, input_tpm,
        output_tpm, rpd, tpd, concurrency, usd_per_day, burst_s) hold for each key, or with `shared=True` for all of
        them together.
        """
        router = Router.over_keys(model, keys=keys, shared=shared, base_url=base_url, seed=seed, clock=None, **limits)
        return cls(router, transport, on_receipt=on_receipt, observers=observers, seed=seed)

    async def chat(self, model: str, messages: Sequence[Message], **options: Unpack[CallOptions]) -> Reply:
        """Ask and return the whole answer. `model` is a group, a model, a deployment or `auto`.

        Raises, each with its `receipt`: `Refused` (no deployment may take it), `NoCapacity` (nobody is free in time),
        `DeadlineExceeded`, or the `ProviderError` of the last attempt. `InvalidRequest` means that nothing was sent.
        """
        if options.get("until") is not None:
            return await last(self.stream(model, messages, **options))
        return cast("Reply", await complete(self.begin(model, messages, options, streaming=False)))

    def stream(self, model: str, messages: Sequence[Message], **options: Unpack[CallOptions]) -> ReplyStream:
        """Ask and return the answer as events: `TextDelta`, `ReasoningDelta`, `ToolCallDelta`, `Finish`, `Done`.

        The iterator raises what `chat` does, and `StreamInterrupted` if the stream breaks after its first content.
        """
        return ReplyStream(self.begin(model, messages, options, streaming=True))

    async def embed(
        self, model: str, inputs: Inputs, *, dimensions: int | None = None, **options: Unpack[EmbedOptions]
    ) -> Embeddings:
        """The vectors of `inputs`, in their order: a text, texts, token ids or lists of token ids.

        `dimensions` shortens the vectors where the model can. All inputs go to one deployment in one request, with the
        same limits, attempts and receipts as a chat; only deployments with the capability `embeddings` are asked.
        Vectors of different models cannot be compared, so a group for this has members of one model. Raises what
        `chat` does.
        """
        return cast("Embeddings", await complete(self.begin_embedding(model, inputs, dimensions, options)))

    def begin_embedding(self, model: str, inputs: Inputs, dimensions: int | None, options: EmbedOptions) -> EmbedCall:
        """As `begin`, for vectors."""
        from junctor.embed import EmbedCall

        watch = None if self._watchers is None else self._watchers.begin()
        router, clock = self.router, asyncio.get_running_loop().time
        wish = take_apart_inputs(
            inputs,
            dimensions,
            cast(dict[str, Any], options),
            deadline_s=router.deadline_s,
            max_wait_s=router.max_wait_s,
        )
        self.counters["calls"] += 1
        call = EmbedCall(self, model, wish, clock=clock)
        if watch is not None:
            watch.asked(model, wish.request, operation="embeddings", tags=wish.tags, session=wish.session)
            call.trail.watch = watch
        return call

    async def aclose(self) -> None:
        """Close the connections that this client opened, and tell the receipts that wait for their callback.

        Call it when no call is under way: one that is may fail, as its transport will have it. Twice is harmless.
        """
        try:
            if self._owns_transport and self._transport is not None:
                await self._transport.close()
        finally:
            if self._sink is not None:
                await self._sink.close()
            if self._owns_router and self.router.shares_limits:
                await asyncio.to_thread(self.router.close)

    async def leave_loop(self) -> None:
        """Close the connections that were made in the running event loop, which is about to end; others stay.

        For programs that use one client in several event loops. Transports without such connections have nothing to do.
        """
        leave = getattr(self._transport, "leave_loop", None)
        if leave is not None:
            await leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def transport(self) -> Transport:
        """What moves the bytes."""
        if self._transport is None:
            self._transport = default_transport()
        return self._transport

    def adapter(self, name: str) -> Adapter:
        """The dialect of this name, looked up once."""
        found = self._adapters.get(name)
        if found is None:
            found = self._adapters[name] = adapters.get(name)
        return found

    def draw(self) -> float:
        """A number in [0, 1) for the jitter of waits."""
        return self._random.random()

    def draw_bits(self) -> int:
        """A seed of 64 bits for the core's delays."""
        return self._random.getrandbits(64)

    def tell(self, trail: Trail) -> None:
        """The call of this trail is over: its receipt goes to the callback, if there is one."""
        if self._sink is not None:
            self._sink.put(trail)

    def begin(self, model: str, messages: Sequence[Message], options: CallOptions, *, streaming: bool) -> Call:
        """A call with everything decided that can be before anything is held. For doors, which make it themselves."""
        watch = None if self._watchers is None else self._watchers.begin()
        call, wish = self._prepared(model, messages, options, streaming=streaming)
        if watch is not None:
            watch.asked(model, wish.request, streamed=streaming, tags=wish.tags, session=wish.session)
            call.trail.watch = watch
        return call

    def _prepared(
        self, model: str, messages: Sequence[Message], options: CallOptions, *, streaming: bool
    ) -> tuple[Call, Wish[ChatRequest]]:
        router, clock = self.router, asyncio.get_running_loop().time
        wish = take_apart(
            messages, cast(dict[str, Any], options), deadline_s=router.deadline_s, max_wait_s=router.max_wait_s
        )
        request, shape = wish.request, None
        if router.shapes or wish.shaping is not None:
            shape = router.shaping.shape(model, wish.shaping)
        self.counters["calls"] += 1
        call = Call(
            self,
            model,
            request,
            self._ask(model, request, wish, shape, streaming=streaming, now_s=clock()),
            clock=clock,
            deadline_s=wish.deadline_s,
            max_wait_s=wish.max_wait_s,
            attempts=wish.attempts,
            shape=shape,
        )
        if wish.until is not None:
            from junctor.cascade.enough import condition  # for those who use it

            condition(wish.until)  # a wish that is none is told before anything is held
            call.until = wish.until
        return call, wish

    async def part_of_call(
        self, model: str, messages: Sequence[Message], *, tags: dict[str, str], deadline_s: float, max_tokens: int
    ) -> Reply:
        """A call made for another one, whose receipt tells what it cost: callback and observers hear of that one."""
        options: dict[str, Any] = {"tags": tags, "deadline_s": deadline_s, "max_tokens": max_tokens}
        return cast("Reply", await complete(self.part(model, messages, options)))

    def part(self, model: str, messages: Sequence[Message], options: dict[str, Any]) -> Call:
        """As `begin`, for a call made for another one. No rule asks for a label of it, or labels would want labels."""
        if self.router.shapes:
            options = {**options, "prune": "off", "cache": "off"}
        call, _ = self._prepared(model, messages, cast(CallOptions, options), streaming=False)
        call.trail.over = True  # so it is told to nobody by itself
        call.classifies = False
        return call

    def _ask(
        self,
        model: str,
        request: ChatRequest,
        wish: Wish[ChatRequest],
        shape: Shape | None,
        *,
        streaming: bool,
        now_s: float,
    ) -> dict[str, Any]:
        """What the walk is asked, the same for every attempt of a call."""
        input_tokens, prompt_chars = measure(request)
        tags, session = wish.tags, wish.session
        if shape is not None:
            input_tokens = shape.input_tokens(input_tokens, request)
        needs = adapters.needs(request)
        ask: dict[str, Any] = {"input_tokens": input_tokens, "estimated": True, "prompt_chars": prompt_chars}
        if request.max_tokens is not None:
            ask["output_tokens"] = request.max_tokens
        if streaming:
            needs |= {"streaming"}
        if needs:
            ask["needs"] = needs
        if tags is not None:
            ask["tags"] = tags
        if shape is not None and shape.leaves_pruning_to_the_file:
            ask["prunes"] = True
        if session is not None:
            ask["affinity"] = session
            if wish.account is not None and self.router.keeps_sessions:
                ask["session"] = wish.account
            if warm := self.warmth.expected(session, now_s):
                ask["warm"] = warm
        elif self.router.keeps_prefixes(model) and (prefix := prefix_affinity(request.messages)):
            ask["affinity"] = prefix
            if warm := self.warmth.expected(prefix, now_s):
                # The last answer may have read more than this beginning: what another conversation has in common.
                ask["warm"] = (warm[0], min(warm[1], shared_tokens(request)))
        if self.router.reads_text and (text := last_question(request.messages)):
            ask["text"] = text
            if self.router.reads_outline:
                ask["outline"] = outline(request)
        if wish.embedding is not None:
            ask["embedding"] = wish.embedding
        return ask


def _sink(callback: Callback | None, counters: Counter[str], watchers: Watchers | None) -> Sink:
    from junctor.sink import Sink  # threads and queues are for those who want to be told

    return Sink(callback, counters, watchers)


def _watchers(observers: Sequence[Observer], counters: Counter[str], now_s: Callable[[], float]) -> Watchers:
    from junctor.observe.watch import Watchers  # as above

    return Watchers(observers, counters, now_s)
