"""The callback: LiteLLM tells how an attempt ended, and its reservation is settled by that, once.

LiteLLM has two ways to tell. Its deployment hooks are awaited on the request's own path, for each attempt that is not
a stream; its log events come for the rest, later: from a queue that waits for a turn of the event loop, or from a
thread. A permit that waits for a queue is a permit less, so whoever tells first settles, and the ticket can be taken
once. One list of callbacks serves all Routers of a process: most of what is heard here is somebody else's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from junctor import attempts
from junctor.litellm import endings
from junctor.litellm.bases import CustomLogger
from junctor.litellm.tickets import Tickets
from junctor.router import Router


class Settlement(CustomLogger):
    """Settles the attempts whose tickets it issued.

    `name` is public because LiteLLM takes two callbacks of one class for the same unless such a field differs.
    """

    def __init__(self, router: Router, tickets: Tickets, counters: Counter[str]) -> None:
        super().__init__()
        self.name = f"junctor-{tickets.prefix}"
        self._router = router
        self._tickets = tickets
        self._counters = counters

    async def async_post_call_success_deployment_hook(
        self, request_data: Mapping[str, Any], response: object, *_: object, **__: object
    ) -> None:
        """An attempt answered, told before its caller gets the answer. A stream has only begun."""
        if not isinstance(response, AsyncIterator | Iterator):
            self._answered(request_data, response)

    async def async_post_call_failure_deployment_hook(
        self, request_data: Mapping[str, Any], exception: object, *_: object, **__: object
    ) -> None:
        """An attempt failed, told before LiteLLM thinks of another one."""
        self._failed(request_data, exception)

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: object, *_: object, **__: object
    ) -> None:
        """A stream came to its end."""
        self._answered(kwargs, response_obj)

    async def async_log_failure_event(self, kwargs: Mapping[str, Any], *_: object, **__: object) -> None:
        """A stream broke."""
        self._failed(kwargs, kwargs.get("exception"))

    def log_success_event(self, kwargs: Mapping[str, Any], response_obj: object, *_: object, **__: object) -> None:
        """A blocking call or its stream answered, told on a thread of LiteLLM's."""
        self._answered(kwargs, response_obj)

    def log_failure_event(self, kwargs: Mapping[str, Any], *_: object, **__: object) -> None:
        """A blocking call or its stream failed."""
        self._failed(kwargs, kwargs.get("exception"))

    def _answered(self, told: Mapping[str, Any], response: object) -> None:
        ticket = self._tickets.take(told)
        if ticket is None:
            return
        self._counters["settled"] += 1
        if told.get("cache_hit") is True:
            ticket.reservation.cancel(sent=False)  # LiteLLM's cache answered
        else:
            ticket.reservation.settle("ok", **endings.succeeded(told, response))

    def _failed(self, told: Mapping[str, Any], error: object) -> None:
        ticket = self._tickets.take(told)
        if ticket is None:
            return
        self._counters["settled"] += 1
        reservation = ticket.reservation
        kind, details = endings.failed(told, error)
        waited_s = self._router.now_s() - ticket.issued_s
        if kind == "timeout" and attempts.deadline_outcome(waited_s, reservation.endpoint) == "cancelled":
            reservation.cancel(sent=True)  # an impatient caller is nobody's ill health
        else:
            reservation.settle(kind, **details)
