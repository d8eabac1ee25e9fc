"""Time for tests: it stands still while somebody works and jumps ahead when everybody waits.

Sleeping tests are slow, and tests with short sleeps are wrong on a busy machine. `ManualTime` runs asyncio code on a
loop whose clock is a number: whenever no task can go on, the number moves to the next timer at once. So
`asyncio.sleep(3600)`, `asyncio.timeout`, `asyncio.wait_for` and `loop.call_later` take no time and always happen in
the same order. Rejected: patching `asyncio.sleep` (misses timeouts and `call_later`), and real time made short.

Give it the core's `ManualClock` and the router lives on the same time, because the loop has no clock of its own then:

```python
clock = ManualClock()
router = junctor.Router.open("fleet.yaml", clock=clock)
ManualTime(clock).run(scenario(router))
```

What happens outside the loop has no part in this time: answers from other threads and processes, and so from
libraries with a runtime of their own, arrive after all timers. Use `ScriptedProvider`, or servers in the same loop.
Work handed to `loop.run_in_executor` is waited for.
"""

from __future__ import annotations

import asyncio
import importlib
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from junctor._core import ManualClock

__all__ = ["ManualClock", "ManualTime", "NothingCanHappen", "SteppedClock"]

T = TypeVar("T")

STUCK_AFTER_S: Final = 1.0  # real seconds without any timer, input or thread before a scenario counts as stuck
EXECUTOR_POLL_S: Final = 0.001
TICK_S: Final = 1e-9  # the core's clocks count nanoseconds


def __getattr__(name: str) -> Any:
    # Imported on demand: the compiled core is not needed to run servers and scripts.
    if name == "ManualClock":
        return importlib.import_module("junctor._core").ManualClock
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class NothingCanHappen(RuntimeError):
    """Every task waits for something, and there is neither a timer nor input that could wake one."""


class SteppedClock(Protocol):
    """A clock that moves when told; `junctor.testing.ManualClock` is one."""

    def advance(self, s: float, /) -> None:
        """Move ahead by `s` seconds."""

    def now_s(self) -> float:
        """Seconds since the clock's start."""


class PlainClock:
    """A number of seconds, for scenarios without the core."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def advance(self, s: float, /) -> None:
        """Move ahead by `s` seconds."""
        if s < 0:
            raise ValueError(f"advance by {s} s, allowed is 0 or more; time does not run backwards")
        self._now_s += s

    def now_s(self) -> float:
        """Seconds since the start."""
        return self._now_s


class ManualTime:
    """Runs coroutines on manual time. `clock` is the only clock there is; default: one that starts at 0."""

    def __init__(self, clock: SteppedClock | None = None) -> None:
        self.clock: SteppedClock = clock if clock is not None else PlainClock()

    def now_s(self) -> float:
        """The time, in seconds; the same as `loop.time()` inside."""
        return self.clock.now_s()

    def advance(self, s: float) -> None:
        """Move the time by `s` seconds from inside a scenario. Timers that are due fire on the loop's next turn."""
        self.clock.advance(s)

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Run a scenario to its end, as `asyncio.run` does, and return its value. Time goes on in the next run.

        Raises `NothingCanHappen` when the scenario waits for something that no timer and no input will bring.
        """
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(scenario)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """A loop on this time, for test frameworks that take a loop factory."""
        return _Loop(self.clock)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that reads a stepped clock."""

    def __init__(self, clock: SteppedClock) -> None:
        self._clock = clock
        self._selector_of_jumps = _Selector(clock)
        super().__init__(self._selector_of_jumps)

    def time(self) -> float:
        return self._clock.now_s()

    # The base class declares a generic over argument types that cannot be repeated here without its private names.
    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._selector_of_jumps.threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self._selector_of_jumps.threads_busy -= 1


class _Selector(selectors.BaseSelector):
    """Looks for input without waiting; when there is none, it moves the clock by what the loop wanted to wait."""

    def __init__(self, clock: SteppedClock) -> None:
        self._real = selectors.DefaultSelector()
        self._clock = clock
        self.threads_busy = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads_busy:
            return self._real.select(EXECUTOR_POLL_S)
        if timeout is not None:
            self._jump(timeout)
            return []
        ready = self._real.select(STUCK_AFTER_S)
        if not ready:
            raise NothingCanHappen(
                f"at {self._clock.now_s():g} s every task waits, no timer is set and no input came; "
                "look for a future that nobody completes, such as a hang without a timeout around it"
            )
        return ready

    def _jump(self, timeout: float) -> None:
        due_s = self._clock.now_s() + timeout
        self._clock.advance(timeout)
        while self._clock.now_s() < due_s:  # clocks that count in ticks may have rounded down
            self._clock.advance(TICK_S)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def close(self) -> None:
        self._real.close()
