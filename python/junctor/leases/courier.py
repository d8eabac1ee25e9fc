"""Carries a host's reports and grants: a daemon thread per router that speaks with the coordinator.

Grants last two seconds and must be renewed by somebody whom no request waits for, in programs that run event loops,
threads, forks, or nothing while they compute. So one thread per router wakes ten times a second, looks at some words,
and once a second (up to four times, if somebody was refused) makes one call. Of the processes of a host one speaks; the
others look on and take over when it is silent for three seconds.

Rejected: the caller's event loop (there may be none, or it is busy); a call at the time of a request (it would wait).
What it costs: the thread's wake-ups, and a late renewal where a program holds the interpreter's lock for a second.

It knows its router weakly: one that is dropped without closing ends it. In a forked child it starts again, without what
the parent was granted.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor._core import LeaseDesk
from junctor.leases.coordinator import Unreachable

if TYPE_CHECKING:
    from junctor._core import Router
    from junctor.leases.coordinator import Coordinator

WAKE_S: Final = 0.1
"""Between two looks. A waiting request is noticed within it."""

OPEN_S: Final = 1.0
"""How long opening a router waits for the first answer: longer than one may take, short enough to start without."""

FIRST_BACKOFF_S: Final = 0.25
LONGEST_BACKOFF_S: Final = 2.0
"""Waits between attempts to reach a coordinator that is away: they double. A lease is two seconds, so longer would only
prolong the outage."""

CLOSE_S: Final = 2.0
"""How long closing waits for the thread: longer than a connection and three answers may take."""

_log = logging.getLogger("junctor.leases")


class Report(msgspec.Struct, frozen=True):
    """What the core wants to be told; see `rust/core/src/lease/desk.rs`."""

    host: str
    fence_ms: int
    goes_by: int
    knew: int
    verb: str
    lease_ms: int
    forget_ms: int
    keys: list[str]
    body: list[int]


_report_of = msgspec.json.Decoder(Report).decode


class Courier:
    """The leases of one router's host. `name` is how messages call the coordinator: its address without secrets.

    `start` begins a thread; without it, call `step` as often as the thread would.
    """

    def __init__(
        self,
        router: Router,
        coordinator: Coordinator,
        *,
        name: str = "the coordinator",
        time: Callable[[], float] = monotonic,
    ) -> None:
        self._router = weakref.ref(router)
        self._coordinator = coordinator
        self._name = name
        self._time = time
        self._desk = LeaseDesk()
        self._connected = False
        self._warned = False
        self._backoff_s = 0.0
        self._retry_at = 0.0
        self._closed = False
        self._begin()
        self._desk.join(router)
        _couriers.add(self)

    def _begin(self) -> None:
        self._owner = secrets.randbits(64)
        self._host = secrets.randbits(64)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._first = threading.Event()

    def start(self) -> None:
        """Start the thread, and wait a short while for the first answer."""
        arguments = (weakref.ref(self), self._stop)
        self._thread = threading.Thread(target=_keep, args=arguments, name="junctor-leases", daemon=True)
        self._thread.start()
        self._first.wait(OPEN_S)

    def step(self) -> bool:
        """Do what is due now. False once the router is gone."""
        router = self._router()
        if router is None:
            return False
        speaks, due = self._desk.turn(router, self._owner)
        if speaks:
            if due and self._time() >= self._retry_at:
                self._renew(router, bye=False)
            self._desk.live_alone(router)
        self._first.set()
        return True

    def close(self) -> None:
        """Stop, and give back what is left: the coordinator need not wait until it forgets this host."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        _couriers.discard(self)
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_S)
            if thread.is_alive():
                return
        router = self._router()
        if router is not None:
            # Resigned first: whoever finds itself the last must not find the election held by one that left before.
            self._desk.resign(router, self._owner)
            last = self._desk.leave(router) or not _others(router)
            if last and self._desk.turn(router, self._owner)[0]:
                self._renew(router, bye=True)
            self._desk.resign(router, self._owner)
        self._coordinator.close()
        self._connected = False

    def forked(self) -> None:
        """In a forked child: the parent's connection, thread and grants are the parent's."""
        ran, router = self._thread is not None, self._router()
        self._begin()
        self._coordinator.close()
        self._connected, self._retry_at = False, 0.0
        self._desk = LeaseDesk()
        if router is not None:
            self._desk.disown(router)
            self._desk.join(router)
            if ran:
                self._first.set()
                self.start()

    def _renew(self, router: Router, *, bye: bool) -> None:
        if not self._connected:
            try:
                self._desk.hear(router, self._coordinator.hello())
            except Unreachable as error:
                self._desk.unsent(router)
                self._put_off(error)
                return
            self._connected = True
        told = self._desk.report_json(router, self._host, bye=bye)
        if told is None:
            return
        report = _report_of(told)
        head = (
            report.host,
            report.fence_ms,
            report.goes_by,
            report.knew,
            report.verb,
            report.lease_ms,
            report.forget_ms,
        )
        try:
            answer = self._coordinator.ask(report.keys, head, report.body)
        except Unreachable as error:
            if error.sent:
                self._desk.lost(router)
            else:
                self._desk.unsent(router)
            self._put_off(error)
            return
        if self._desk.adopt(router, answer):
            if self._warned:
                _log.info("%s answers again", self._name)
            self._warned, self._backoff_s = False, 0.0

    def _put_off(self, error: Unreachable) -> None:
        self._coordinator.close()
        self._connected = False
        self._backoff_s = min(max(FIRST_BACKOFF_S, 2 * self._backoff_s), LONGEST_BACKOFF_S)
        self._retry_at = self._time() + self._backoff_s
        if not self._warned:
            self._warned = True
            _log.warning(
                "%s does not answer (%s); until it does, this host keeps to its safe share of every limit",
                self._name,
                error,
            )


def _others(router: Router) -> bool:
    """Whether other processes of this host go on with the state that it shares."""
    told: dict[str, Any] = msgspec.json.decode(router.snapshot_json())
    return any(not process["own"] for process in told["processes"])


def _keep(courier_of: Any, stop: threading.Event) -> None:
    """The thread: it keeps neither router nor courier alive."""
    while not stop.is_set():
        courier = courier_of()
        if courier is None or not courier.step():
            return
        del courier
        stop.wait(WAKE_S)


_couriers: weakref.WeakSet[Courier] = weakref.WeakSet()


def _after_fork() -> None:
    for courier in list(_couriers):
        courier.forked()


def _at_exit() -> None:
    for courier in list(_couriers):
        courier.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
