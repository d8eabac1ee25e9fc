"""The terminal while a live view has it: a screen of its own, single keys, and all as it was afterwards.

Afterwards is when a key ends it, an exception, or a signal from outside; and in between when the user puts it into the
background (Ctrl-Z), until it comes back.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from shutil import get_terminal_size
from typing import IO, Any, Final

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_KEY_BYTES: Final = 32
"""More than any key sends at once."""

ESCAPE: Final = "\x1b"
QUIT: Final = frozenset(["q", "Q", "\x03", "\x04", ESCAPE])
"""q, Ctrl-C, Ctrl-D, Escape."""


class Screen:
    """Draws lines in place and waits for a key. Use it as a context manager, which gives the terminal back."""

    def __init__(self, out: IO[str], keys: IO[str] | None = None) -> None:
        self._out = out
        self._keys = keys if keys is not None else sys.stdin
        self._mode: list[Any] | None = None
        self._handlers = ExitStack()

    def __enter__(self) -> Screen:
        with ExitStack() as handlers:
            # Ended from outside it leaves as by a key.
            handlers.enter_context(_on(signal.SIGTERM, _interrupt))
            handlers.enter_context(_on(signal.SIGHUP, _interrupt))
            handlers.enter_context(_on(signal.SIGTSTP, self._rest))
            handlers.callback(self._give_back)
            self._take()
            self._handlers = handlers.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._handlers.close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines that can be written without the terminal scrolling or breaking a line."""
        size = get_terminal_size()
        return max(20, size.columns - 1), max(3, size.lines - 1)

    def draw(self, lines: list[str]) -> None:
        """Show these lines and nothing else."""
        self._write(_HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a key is pressed that means to leave: answers whether one was."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self._has_keys():
                time.sleep(left)
            elif select.select([self._keys], [], [], left)[0]:
                pressed = os.read(self._keys.fileno(), _KEY_BYTES).decode(errors="replace")
                # Arrows and their like begin with Escape too, but do not end there.
                if not pressed or pressed in QUIT or pressed[0] in QUIT - {ESCAPE}:
                    return True
        return False

    def _take(self) -> None:
        """The terminal becomes ours: keys come as they are pressed, unseen; Ctrl-C and Ctrl-Z stay signals."""
        if self._has_keys():
            import termios
            import tty

            self._mode = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys, termios.TCSANOW)
        self._write(_ENTER)

    def _give_back(self) -> None:
        self._write(_LEAVE)
        if self._mode is not None:
            import termios

            termios.tcsetattr(self._keys, termios.TCSANOW, self._mode)

    def _rest(self, *_signal: object) -> None:
        """Ctrl-Z: the shell gets its terminal until we are called back."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def _has_keys(self) -> bool:
        return not self._keys.closed and self._keys.isatty()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _interrupt(*_signal: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _on(number: signal.Signals, handler: Callable[..., None]) -> Iterator[None]:
    """While inside, `handler` answers the signal."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
