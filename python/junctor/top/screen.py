"""The terminal while a live view has it: a screen of its own, single keys, and all as it was afterwards."""

from __future__ import annotations

import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from shutil import get_terminal_size
from types import FrameType
from typing import IO, Final

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
QUIT: Final = frozenset("qQ\x03\x04\x1b")
"""q, Ctrl-C, Ctrl-D, Escape."""


class Screen:
    """Draws lines in place and waits for a key. Use it as a context manager, which gives the terminal back."""

    def __init__(self, out: IO[str], keys: IO[str] | None = None) -> None:
        self._out = out
        self._keys = keys if keys is not None else sys.stdin
        self._given_back = ExitStack()

    def __enter__(self) -> Screen:
        with ExitStack() as stack:
            stack.enter_context(_ended_politely())
            if self._has_keys():
                stack.enter_context(_single_keys(self._keys))
            self._out.write(_ENTER)
            stack.callback(self._leave)
            self._given_back = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._given_back.close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines that can be written without the terminal scrolling or breaking a line."""
        size = get_terminal_size()
        return max(20, size.columns - 1), max(3, size.lines - 1)

    def draw(self, lines: list[str]) -> None:
        """Show these lines and nothing else."""
        self._out.write(_HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW)
        self._out.flush()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a key is pressed that means to leave: answers whether one was."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self._has_keys():
                time.sleep(left)
            elif select.select([self._keys], [], [], left)[0]:
                pressed = self._keys.read(1)
                if not pressed or pressed in QUIT:
                    return True
        return False

    def _has_keys(self) -> bool:
        return not self._keys.closed and self._keys.isatty()

    def _leave(self) -> None:
        self._out.write(_LEAVE)
        self._out.flush()


@contextmanager
def _single_keys(keys: IO[str]) -> Iterator[None]:
    """Keys come as they are pressed and are not shown. Ctrl-C still interrupts, Ctrl-Z still stops."""
    import termios
    import tty

    before = termios.tcgetattr(keys)
    tty.setcbreak(keys, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSANOW, before)


@contextmanager
def _ended_politely() -> Iterator[None]:
    """Somebody who ends the program from outside gets the terminal back too."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
