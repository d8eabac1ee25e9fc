"""A loopback HTTP server for tests and measurements.

Tests of a router need a server that starts in a millisecond, runs inside the test's own loop or beside it, can be
lost and come back on the same port, and counts what arrives. Measurements need one that is cheap enough to stay out
of the figure: one core answers well over 5,000 requests a second.

```python
async with Server(app) as server:            # in the caller's loop
    await client.get(server.url)

with Server(app).in_thread() as server:      # in a loop of its own; the caller may block
    requests.get(server.url)
```

An error raised by the application is not lost in a log: it is raised again when the server stops.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import Any, Final, Self, TypeVar

from junctor.testing.app import Answer, App, Headers, Request
from junctor.testing.wire import Connection

__all__ = ["Answer", "App", "Headers", "Request", "Server", "run_in_thread"]

T = TypeVar("T")

BACKLOG: Final = 1024  # connections the kernel holds while the loop is busy: more than any test opens at once
ARRIVALS_KEPT: Final = 100_000  # bound on `Server.arrivals`: about 20 s at full speed
LOOP_ANSWER_S: Final = 10.0  # a loop that takes longer is blocked, not busy


class Server:
    """Serves one application on a loopback port.

    `port` 0 takes a free one. `requests` counts complete requests, `connections_made` connections ever accepted,
    `arrivals` holds the loop time of each of the last 100,000 requests in seconds.
    """

    def __init__(self, app: App, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app = app
        self.host = host
        self.port = port
        self.requests = 0
        self.connections_made = 0
        self.arrivals: deque[float] = deque(maxlen=ARRIVALS_KEPT)
        self.errors: list[BaseException] = []
        self._open: set[Connection] = set()
        self._held: socket.socket | None = None
        self._listening = False
        self._welcoming: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left: asyncio.Event | None = None
        self._resetting = False

    @property
    def url(self) -> str:
        """The root address, without a slash at the end. Raises RuntimeError while a free port is still to be found."""
        if not self.port:
            raise RuntimeError("the server has no port yet; ask for its address inside `with` or `async with`")
        return f"http://{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._open)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._held = self._bind()
        self.port = self._held.getsockname()[1]
        self._listen()
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *rest: object) -> None:
        self._stop_listening()
        await asyncio.gather(*self._welcoming)  # who was let in last, and is not among the open ones yet
        tasks = [connection.task for connection in self._open if connection.task is not None]
        for connection in list(self._open):
            connection.transport.abort()
        if self._open:
            self._left = asyncio.Event()  # connection_lost runs on the loop's next turns, and cancels the tasks
            await self._left.wait()
        await asyncio.gather(*tasks, return_exceptions=True)  # their errors are in self.errors already
        if self.errors and exc_type is None:
            raise self.errors[0]

    def in_thread(self) -> AbstractContextManager[Server]:
        """The same server in a thread with an event loop of its own."""
        return run_in_thread(self)

    def refuse(self) -> None:
        """Become unreachable: open connections are reset and new ones refused. The port stays ours."""
        self.on_loop(self._refuse)

    def reset_all(self) -> None:
        """Become broken: open connections are reset, and new ones as soon as they are made."""
        self.on_loop(self._reset_all)

    def accept(self) -> None:
        """Become reachable again, on the same port. Harmless when nothing was wrong."""
        self.on_loop(self._accept)

    def on_loop(self, act: Callable[[], None]) -> None:
        """Run `act` on the server's loop and wait for it, from whichever thread."""
        if self._loop is None:
            raise RuntimeError("the server is not running: enter it first")
        if _running_loop() is self._loop:
            act()
            return
        done = threading.Event()

        def act_and_tell() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(act_and_tell)
        if not done.wait(LOOP_ANSWER_S):
            raise TimeoutError(f"the server's loop did not answer within {LOOP_ANSWER_S} s")

    # Observer of the connections

    def connected(self, connection: Connection) -> None:
        """A client has connected."""
        self._open.add(connection)
        self.connections_made += 1
        if self._resetting or not self._listening:  # it was let in just before
            connection.reset()

    def arrived(self, request: Request) -> None:
        """A request goes to the application."""
        self.requests += 1
        self.arrivals.append(request.arrived_s)

    def failed(self, error: BaseException) -> None:
        """The application raised; the error is raised again when the server stops."""
        self.errors.append(error)

    def disconnected(self, connection: Connection) -> None:
        """A client has gone."""
        self._open.discard(connection)
        if self._left is not None and not self._open:
            self._left.set()

    # Listening

    def _bind(self) -> socket.socket:
        # With the protocol named, asyncio sets TCP_NODELAY on accepted connections; without it every second small write
        # of a stream waits 40 ms for an acknowledgement.
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setblocking(False)
        try:
            held.bind((self.host, self.port))
        except OSError:
            held.close()
            raise
        return held

    # Not by asyncio's own server: if that is closed between accepting a connection and giving it a transport, it fails
    # an assertion of its own, and the socket stays open (CPython 3.11).

    def _listen(self) -> None:
        assert self._loop is not None
        assert self._held is not None
        self._held.listen(BACKLOG)
        self._loop.add_reader(self._held, self._take)
        self._listening = True

    def _take(self) -> None:
        assert self._loop is not None
        assert self._held is not None
        for _ in range(BACKLOG):
            try:
                taken = self._held.accept()[0]
            except (BlockingIOError, ConnectionAbortedError):
                return  # nobody else knocks, or whoever did has left
            taken.setblocking(False)
            task = self._loop.create_task(self._welcome(taken))
            self._welcoming.add(task)
            task.add_done_callback(self._welcoming.discard)

    async def _welcome(self, taken: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: Connection(self._app, self), taken)

    def _stop_listening(self) -> None:
        if self._held is not None:
            if self._listening and self._loop is not None:
                self._loop.remove_reader(self._held)
            self._held.close()
        self._held, self._listening = None, False

    def _refuse(self) -> None:
        self._resetting = False
        for connection in list(self._open):
            connection.reset()
        if self._listening:
            self._stop_listening()
            # Bound but not listening: the kernel refuses connections, and nobody else can take the port.
            self._held = self._bind()

    def _reset_all(self) -> None:
        self._accept()
        self._resetting = True
        for connection in list(self._open):
            connection.reset()

    def _accept(self) -> None:
        self._resetting = False
        if self._held is not None and not self._listening:
            self._listen()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def run_in_thread(entered: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter an async context manager in a thread with its own event loop, and leave it when the block ends.

    Errors of entering and leaving are raised here.
    """
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, T]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with entered as value:
            running.set_result((asyncio.get_running_loop(), stop, value))
            await stop.wait()

    with ThreadPoolExecutor(1, "junctor-testing-server") as threads:
        ended = threads.submit(lambda: asyncio.run(serve()))
        either: tuple[Future[Any], ...] = (running, ended)
        wait(either, return_when=FIRST_COMPLETED)
        if not running.done():
            ended.result()
        loop, stop, value = running.result()
        try:
            yield value
        finally:
            if not ended.done():
                loop.call_soon_threadsafe(stop.set)
        ended.result()
