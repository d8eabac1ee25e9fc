"""The gateway under granian: workers, signals, reload and a graceful end.

**Problem.** A server's own idea of a reload is new workers: warm connections and running streams go with the old ones.
Its idea of an end is to stop listening, which balancers learn by failed connections.

**Choice.** The main process holds no fleet. It reads the file to say what is wrong with it before anything starts, then
passes signals on. SIGHUP: if the file is right, every worker adopts it in place, levels and connections kept; if it is
wrong, that is said and nothing changes. SIGTERM or SIGINT: the workers' `/readyz` turns 503 while they go on serving;
after `drain_notice_s` they stop listening, and what still runs `drain_s` after the signal gets its dialect's error. A
second signal skips the notice. A worker that dies is started again; what it held is swept up by the others, because
workers share the fleet's state.

Only granian's public hooks are used: two signal methods of its server are overridden, and workers are told by signals.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from junctor import _core, config
from junctor.config.gateway_spec import GatewaySpec
from junctor.exceptions import ConfigError
from junctor.gateway.access import AccessLog
from junctor.gateway.application import Gateway, section

try:
    from granian.constants import Interfaces, RuntimeModes
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import MPServer
except ImportError as error:
    raise ImportError('granian is not installed; pip install "junctor[gateway]"') from error

if TYPE_CHECKING:
    from junctor.config import Config

AccessForm = Literal["text", "json", "off"]

HEADERS_WITHIN_MS: Final = 15_000
"""How long a client may take for its headers. Real ones take one round trip."""

AT_ONCE: Final = 8_192
"""Requests that one worker takes at once: streams wait for minutes, so there are many and they cost little."""

COLLECT: Final = (20_000, 20, 10)
"""Objects after which the garbage collector looks. Requests leave no cycles behind: with its usual 700 it looks every
few requests and finds nothing, for an eighth of their CPU. What the start has made is not looked at again."""

LAST_S: Final = 5
"""How much longer than `drain_s` a worker may live before it is killed."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """How a fleet file is to be served. The workers add their counts up in `metrics_directory`."""

    file: str
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    log_level: str = "warning"
    access: AccessForm = "text"
    metrics_directory: str | None = None

    @property
    def url(self) -> str:
        """The root address for clients on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def prepare(serving: Serving) -> Config:
    """The fleet that is to be served, with everything checked that can be wrong. Raises `ConfigError`."""
    fleet = config.load(serving.file)
    spec = section(fleet)
    _core.check_fleet(config.compile(fleet).fleet)
    if spec.keys == "none" and not is_loopback(serving.host):
        raise ConfigError(
            f"{serving.file}: gateway.keys is none, and {serving.host} can be reached from elsewhere; "
            "give it keys (see `junctor key NAME`), or serve on 127.0.0.1"
        )
    return fleet


def serve(serving: Serving, spec: GatewaySpec) -> None:
    """Serve until a signal ends it. `spec` is the section of the fleet that `prepare` answered."""
    with TemporaryDirectory(prefix="junctor-metrics-", dir=_memory()) as folder:
        _serve(msgspec.structs.replace(serving, metrics_directory=folder), spec)


def _memory() -> str | None:
    """Where files are memory, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _serve(serving: Serving, spec: GatewaySpec) -> None:
    server = _Server(
        serving,
        spec,
        target="junctor.gateway",
        address=serving.host,
        port=serving.port,
        workers=serving.workers,
        interface=Interfaces.ASGI,
        runtime_mode=RuntimeModes.st,  # a worker has one thread for its sockets, which needs no scheduler for several
        websockets=False,
        backpressure=AT_ONCE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN_MS),
        log_level=LogLevels(serving.log_level),
        log_dictconfig=_TO_STDERR,
        respawn_failed_workers=True,
        workers_kill_timeout=int(spec.drain_s) + LAST_S,
    )
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # inherited by workers until they listen
    server.serve(target_loader=partial(_worker, serving), wrap_loader=False)


def say(text: str) -> None:
    """A line for whoever started the server."""
    print(f"junctor: {text}", file=sys.stderr, flush=True)


class _Server(MPServer):
    """The main process. It passes on what signals mean, and holds nothing else."""

    def __init__(self, serving: Serving, spec: GatewaySpec, **options: Any) -> None:
        super().__init__(**options)
        self._serving = serving
        self._notice_s = spec.drain_notice_s
        self._ending = False

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """The end: announced first, begun after the notice, at once when asked twice."""
        if self._ending or not self._notice_s:
            self._tell(signal.SIGUSR1)
            super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]  # granian's is not annotated
            return
        self._ending = True
        self._tell(signal.SIGUSR1)
        timer = threading.Timer(self._notice_s, super().signal_handler_interrupt)
        timer.daemon = True
        timer.start()

    def signal_handler_reload(self, *_args: Any, **_kwargs: Any) -> None:
        """A changed file: passed on if it is right."""
        try:
            prepare(self._serving)
        except ConfigError as error:
            say(f"reload refused, the running configuration stays: {error}")
            return
        self._tell(signal.SIGHUP)

    def _tell(self, number: signal.Signals) -> None:
        for worker in list(self.wrks):
            if worker.is_alive():  # type: ignore[no-untyped-call]  # granian's is not annotated
                os.kill(worker.inner.pid, number)


class _Served(Gateway):
    """The gateway of one worker, which listens to its main process."""

    def __init__(self, serving: Serving, told: set[int]) -> None:
        self._told = told
        self._log = None if serving.access == "off" else AccessLog(json=serving.access == "json")
        super().__init__(serving.file, access=self._log, metrics_directory=serving.metrics_directory)
        self._reloading: asyncio.Task[None] | None = None

    def open(self) -> None:
        first = not self.is_open
        super().open()
        if first:
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECT)
            loop = asyncio.get_running_loop()
            for number, act in ((signal.SIGHUP, self._soon), (signal.SIGUSR1, self.drain)):
                loop.add_signal_handler(number, act)
                if number in self._told:
                    act()

    async def aclose(self, within_s: float | None = None) -> None:
        await super().aclose(within_s)
        if self._log is not None:
            self._log.flush()

    def _soon(self) -> None:
        before = self._reloading
        self._reloading = asyncio.get_running_loop().create_task(self._adopt_file(before))

    async def _adopt_file(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:  # one after the other, so that the last file wins
            await asyncio.wait([before])
        try:
            await asyncio.to_thread(self.reload)
        except ConfigError as error:
            say(f"reload refused in worker {os.getpid()}, its configuration stays: {error}")
        else:
            say(f"worker {os.getpid()} has adopted {self.client.router.config_hash}")


def _worker(serving: Serving) -> Callable[..., Any]:
    """The application of one worker, made in its process."""
    told: set[int] = set()
    for number in (signal.SIGHUP, signal.SIGUSR1):
        # What the main process says before the worker's loop runs is kept: the file may be read already.
        signal.signal(number, lambda said, _: told.add(said))
    return _Served(serving, told)


_TO_STDERR: Final[dict[str, Any]] = {
    "handlers": {"console": {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
    "loggers": {
        "_granian": {"handlers": ["console"], "propagate": False},
        "junctor.gateway": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
"""Standard output is for access lines alone."""
