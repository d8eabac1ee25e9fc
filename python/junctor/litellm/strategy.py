"""The strategy: LiteLLM asks where an attempt goes, junctor's walk answers and holds what the attempt needs.

The entry that LiteLLM gets carries the reservation's ticket in its `model_info`. LiteLLM sends, and its callback brings
the ticket back (`settling`). Retries, fallbacks between groups, timeouts and translation stay as they are LiteLLM's.
What it knows of its deployments' health is not asked: cooldowns, tags and pre-call checks stand before the strategies
that it has itself, not before this one.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from junctor import attempts
from junctor.config import load
from junctor.exceptions import ConfigError, InvalidRequest, JunctorError, NoCapacity, Refused
from junctor.litellm import places
from junctor.litellm.asking import Asked, asked
from junctor.litellm.bases import CustomRoutingStrategyBase, LiteLLMRouter, callbacks
from junctor.litellm.denials import denial
from junctor.litellm.settling import Settlement
from junctor.litellm.tickets import KEY, Tickets
from junctor.router import Router

if TYPE_CHECKING:
    from junctor._core import ManualClock, Reservation

ABANDON_AFTER_S: Final = 600.0
"""How long an attempt may hold what it reserved when nobody tells how it ended. Long answers take minutes."""

COUNTED: Final = ("attempts", "settled", "abandoned", "waited", "refused", "elsewhere")

Entry = Mapping[str, Any]


class JunctorStrategy(CustomRoutingStrategyBase):
    """junctor as a LiteLLM Router's strategy. `use_junctor` makes one and registers it with its `callback`.

    `fleet` is a fleet file, or a `junctor.Router` that the program opened, whose deployments have the ids
    (`model_info.id`) of the Router's entries as names. Without it the fleet is made of the Router's own `model_list`,
    and anew when that changes. No key of a provider is read, as LiteLLM sends with its own. Names that the fleet does
    not know go where LiteLLM itself sends them.

    `max_wait_s` is how long an attempt may wait for capacity before it is refused; without it the fleet's, 2 seconds
    unless it says otherwise. `abandon_after_s` bounds how long an attempt of which LiteLLM never tells holds its place.

    `router` is junctor's, for `snapshot` and `explain`. `counters` counts attempts, settled, abandoned, waited, refused
    and elsewhere (names that are not junctor's). `notes` is what of the `model_list` did not come over.

    Raises `ConfigError`.
    """

    def __init__(
        self,
        router: LiteLLMRouter,
        fleet: str | PathLike[str] | Router | None = None,
        *,
        max_wait_s: float | None = None,
        abandon_after_s: float = ABANDON_AFTER_S,
        seed: int | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        for word, value, least in (("max_wait_s", max_wait_s, 0.0), ("abandon_after_s", abandon_after_s, 1.0)):
            if value is not None and not least <= value < float("inf"):
                raise ConfigError(f"{word}: is {value}; it must be {least:g} or more seconds")
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self.notes: tuple[Any, ...] = ()
        self._registry = router.registry()
        self._renewing = threading.Lock()
        self._own_fleet = fleet is None
        if fleet is None:
            self._places, self.notes = places.read(self._registry)
            self.router = Router.from_config(self._places.fleet, seed=seed, clock=clock, keys=False)
        else:
            if not isinstance(fleet, Router):
                fleet = Router.from_config(load(fleet), seed=seed, clock=clock, keys=False)
            self.router = fleet
            self._places = places.match(self.router.config, self._registry)
        self._max_wait_s = max_wait_s
        self._closed = False
        self._tickets = Tickets(self.counters, abandon_after_s=abandon_after_s)
        self.callback = Settlement(self.router, self._tickets, self.counters)
        with warnings.catch_warnings():
            # LiteLLM's own choice has no other public name; what replaces it asks the strategy, which is this one.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._own: Callable[..., Entry] = cast("Any", router).get_available_deployment
            self._own_async: Callable[..., Awaitable[Entry]] = cast("Any", router).async_get_available_deployment

    @property
    def open(self) -> int:
        """Attempts that have not ended yet."""
        return len(self._tickets)

    def name_of(self, id: str) -> str:
        """What LiteLLM's deployment with this id is called in the fleet. Raises `KeyError` if it is not in it."""
        return self._places.names[id]

    def close(self) -> None:
        """Let LiteLLM choose by itself again. Attempts under way count as abandoned; twice is harmless."""
        self._closed = True
        callbacks().remove_callback_from_all_lists(self.callback)

    async def async_get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Entry:
        """Where this attempt goes. Raises LiteLLM's exceptions; see `junctor.litellm.denials`."""
        request = {} if request_kwargs is None else request_kwargs
        wanted = self._wanted(model, messages, input, request)
        if wanted is None:
            return await self._own_async(
                model=model, messages=messages, input=input, specific_deployment=specific_deployment,
                request_kwargs=request,
            )  # fmt: skip
        until_s = self.router.now_s() + wanted.max_wait_s
        while True:
            found = self._pick(wanted, model, request, left_s=until_s - self.router.now_s())
            if not isinstance(found, float):
                return found
            await asyncio.sleep(found)

    def get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Entry:
        """As `async_get_available_deployment`; LiteLLM runs blocking calls on threads of their own."""
        request = {} if request_kwargs is None else request_kwargs
        wanted = self._wanted(model, messages, input, request)
        if wanted is None:
            return self._own(
                model=model, messages=messages, input=input, specific_deployment=specific_deployment,
                request_kwargs=request,
            )  # fmt: skip
        until_s = self.router.now_s() + wanted.max_wait_s
        while True:
            found = self._pick(wanted, model, request, left_s=until_s - self.router.now_s())
            if not isinstance(found, float):
                return found
            time.sleep(found)

    def _wanted(
        self, model: str, messages: Sequence[Any] | None, inputs: object, request: Mapping[str, Any]
    ) -> Asked | None:
        """What the walk is to be asked; None if the name is none of junctor's."""
        if self._closed:
            return None
        if self._stale:
            self._renew()
        name = self._places.asked(model)
        if name is None:
            self.counters["elsewhere"] += 1
            return None
        try:
            wanted = asked(
                self.router, name, messages, inputs, request, self._places.names, max_wait_s=self._max_wait_s
            )
        except InvalidRequest as error:
            raise denial(error, model) from error
        if wanted.first and self.router.note_call():
            self.router.catch_up_soon()
        return wanted

    def _pick(self, wanted: Asked, model: str, request: MutableMapping[str, Any], *, left_s: float) -> Entry | float:
        """The entry to send to, its limits held; or how many seconds to wait for one. Raises LiteLLM's exceptions."""
        left_s = max(0.0, left_s)
        try:
            reservation = self._reserve(wanted, left_s)
        except NoCapacity as error:
            wait_s = attempts.capacity_wait_s(error.retry_after_s, draw=random.random(), left_s=left_s)
            if wait_s is not None:
                self.counters["waited"] += 1
                return wait_s
            self.counters["refused"] += 1
            raise denial(error, model) from error
        except JunctorError as error:
            self.counters["refused"] += 1
            raise denial(error, model) from error
        _bound(request, reservation, wanted)
        return self._entry(reservation, wanted.name)

    def _reserve(self, wanted: Asked, left_s: float) -> Reservation:
        """Where this call was not yet, else anywhere."""
        if wanted.tried:
            try:
                return self.router.reserve(wanted.name, max_wait_s=0.0, tried=wanted.tried, **wanted.ask)
            except (NoCapacity, Refused):
                pass  # whoever failed may do better now; who is asked decides
        return self.router.reserve(wanted.name, max_wait_s=left_s, **wanted.ask)

    def _entry(self, reservation: Reservation, asked: str) -> Entry:
        """LiteLLM's entry of the deployment that was picked, with the ticket of its reservation."""
        id = self._places.id_of(reservation.deployment)
        entry = None if id is None else self._registry.deployment_dict(id)
        if entry is None:  # it went between two looks
            reservation.cancel(sent=False)
            gone = reservation.deployment
            error = InvalidRequest(f"deployment {gone!r} was picked and is no longer in the LiteLLM Router; ask again")
            raise denial(error, asked) from error
        self.counters["attempts"] += 1
        ticket = self._tickets.issue(reservation, now_s=self.router.now_s())
        return {**entry, "model_info": {**entry["model_info"], KEY: ticket}}

    @property
    def _stale(self) -> bool:
        """Whether the Router's list or the fleet has changed since they were matched."""
        found = self._places
        return self._registry.version != found.version or self.router.config is not found.fleet

    def _renew(self) -> None:
        """Match list and fleet anew. Attempts under way end where they are; what cannot be used is told, once."""
        with self._renewing:
            if not self._stale:
                return
            try:
                if self._own_fleet:
                    found, notes = places.read(self._registry)
                    self.router.reload_config(found.fleet)
                    self._places, self.notes = found, notes
                else:
                    self._places = places.match(self.router.config, self._registry)
            except ConfigError as error:
                warnings.warn(f"junctor goes on with what it had: {error}", RuntimeWarning, stacklevel=2)
                now = self.router.config or self._places.fleet
                self._places = msgspec.structs.replace(self._places, fleet=now, version=self._registry.version)


def use_junctor(
    router: LiteLLMRouter,
    fleet: str | PathLike[str] | Router | None = None,
    *,
    max_wait_s: float | None = None,
    abandon_after_s: float = ABANDON_AFTER_S,
) -> JunctorStrategy:
    """Let junctor decide in this LiteLLM Router from now on; see `JunctorStrategy` for the arguments.

    Registers the strategy with the Router and its callback with LiteLLM. Give the Router `disable_cooldowns=True`:
    LiteLLM's cooldowns are not asked where to send, but would end its retries early. Raises `ConfigError`.
    """
    strategy = JunctorStrategy(router, fleet, max_wait_s=max_wait_s, abandon_after_s=abandon_after_s)
    callbacks().add_litellm_callback(strategy.callback)
    if strategy.callback not in callbacks().get_all_callbacks():
        raise ConfigError("litellm.callbacks: takes no more; raise LITELLM_MAX_CALLBACKS, or close older strategies")
    router.register_plugin(strategy)
    return strategy


def _bound(request: MutableMapping[str, Any], reservation: Reservation, wanted: Asked) -> None:
    """What the matching rule lets through of this attempt's request: no longer an answer, the effort it asks for."""
    cap, bound = reservation.max_output_tokens, wanted.ask.get("output_tokens")
    if cap is not None and wanted.bounded_by is not None and (bound is None or bound > cap):
        request[wanted.bounded_by] = cap
    if reservation.effort is not None and wanted.takes_effort and request.get("reasoning_effort") is None:
        request["reasoning_effort"] = reservation.effort
