"""The live view in a terminal that the test holds the other end of."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.top.worker import Worker

LINES, COLUMNS = 24, 80
PATIENCE_S = 30.0


class Terminal:
    """`junctor top` in a pseudo terminal of 80 columns and 24 lines."""

    def __init__(self, *argv: str, **env: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._theirs = theirs
        self.before = self.mode()
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "junctor", "top", *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=kept | {"PYTHONPATH": Worker.python_path(), "TERM": "xterm-256color"} | env,
            start_new_session=True,
            preexec_fn=self._take_the_terminal,
        )
        self.said = ""

    @staticmethod
    def _take_the_terminal() -> None:
        """In the new session: so that Ctrl-C is a signal, as at a shell."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def until(self, pattern: str) -> str:
        """Reads until this is on the screen, and answers all that came so far."""
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.said):
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.said[-2_000:]!r}"
            if select.select([self._ours], [], [], left)[0]:
                self.said += os.read(self._ours, 65_536).decode(errors="replace")
        return self.said

    def mode(self) -> list[Any]:
        """How keys are treated."""
        return termios.tcgetattr(self._theirs)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.said = ""

    def end(self) -> int:
        """The exit status, once it has given the terminal back."""
        status = self.process.wait(PATIENCE_S)
        self.until(r"\x1b\[\?25h\x1b\[\?1049l")
        assert self.mode() == self.before, "keys are as they were"
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def one(*argv: str, **env: str) -> Terminal:
        opened.append(Terminal(*argv, **env))
        return opened[-1]

    yield one
    for each in opened:
        each.close()


def _pictures(said: str) -> list[list[str]]:
    """The lines of each whole picture that was drawn, without their styles."""
    drawn = re.findall(r"\x1b\[H(.*?)\x1b\[J", said, re.DOTALL)
    return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", one).replace("\r", "").split("\n")[:-1] for one in drawn]


@pytest.mark.parametrize("key", ["q", "Q", "\x03", "\x1b"], ids=["q", "Q", "Ctrl-C", "Escape"])
def test_it_draws_in_place_until_a_key_ends_it(
    fleet: Path, start: Callable[[Path], Worker], terminal: Callable[..., Terminal], key: str
) -> None:
    """Every picture fits the terminal, what happens is seen, the status is 0 and the terminal is as before."""
    worker = start(fleet)
    top = terminal(str(fleet), "--interval", "0.1")
    top.until("closed")
    worker.do("[router.reserve('small').settle('server') for _ in range(5)]")
    top.until(r"failures \d+s")
    assert "\x1b[1;31m" in top.said, "an open breaker is red"
    for shown in _pictures(top.said):
        assert len(shown) < LINES
        assert max(map(len, shown)) < COLUMNS
    top.press("\x1b[A")  # an arrow
    top.said = ""
    top.until("closed")
    top.press("x")
    top.until(r"(?s)closed.*\x1b\[J.*closed")
    top.press(key)
    assert top.end() == 0
    assert "Traceback" not in top.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(
    fleet: Path, start: Callable[[Path], Worker], terminal: Callable[..., Terminal], number: signal.Signals
) -> None:
    start(fleet)
    top = terminal(str(fleet))
    top.until("closed")
    top.process.send_signal(number)
    assert top.end() == 0


def test_ctrl_z_gives_the_terminal_back_until_it_is_called(
    fleet: Path, start: Callable[[Path], Worker], terminal: Callable[..., Terminal]
) -> None:
    start(fleet)
    top = terminal(str(fleet), "--interval", "0.1")
    top.until("closed")
    top.said = ""
    top.press("\x1a")
    top.until(r"\x1b\[\?25h\x1b\[\?1049l$")
    os.waitid(os.P_PID, top.process.pid, os.WSTOPPED | os.WNOWAIT)
    assert top.mode() == top.before
    top.said = ""
    top.process.send_signal(signal.SIGCONT)
    top.until(r"^\x1b\[\?1049h\x1b\[\?25l")
    top.until("closed")
    top.press("q")
    assert top.end() == 0


def test_it_stays_when_the_workers_go_and_sees_new_ones(
    fleet: Path, start: Callable[[Path], Worker], terminal: Callable[..., Terminal]
) -> None:
    first = start(fleet)
    top = terminal(str(fleet), "--interval", "0.1")
    top.until("1 process")
    first.leave()
    top.until("no process has it open now")
    top.said = ""
    start(fleet)
    start(fleet)
    top.until("2 processes")
    top.press("q")
    assert top.end() == 0


def test_a_smaller_window_gets_a_smaller_picture(
    fleet: Path, start: Callable[[Path], Worker], terminal: Callable[..., Terminal]
) -> None:
    start(fleet)
    top = terminal(str(fleet), "--interval", "0.1")
    top.until("seat 0")
    top.resize(8, 40)
    top.until(r"(?s)\x1b\[J.*\x1b\[J")
    shown = _pictures(top.said)[-1]
    assert len(shown) < 8
    assert max(map(len, shown)) < 40
    top.press("q")
    assert top.end() == 0


def test_no_colour_where_none_is_wanted(
    fleet: Path, start: Callable[[Path], Worker], terminal: Callable[..., Terminal]
) -> None:
    start(fleet)
    top = terminal(str(fleet), NO_COLOR="1")
    top.until("closed")
    assert not re.search(r"\x1b\[[0-9;]*m", top.said)
    top.press("q")
    assert top.end() == 0


def test_a_dumb_terminal_gets_one_plain_picture(
    fleet: Path, start: Callable[[Path], Worker], terminal: Callable[..., Terminal]
) -> None:
    start(fleet)
    top = terminal(str(fleet), "--interval", "0.1", TERM="dumb")
    assert "\x1b" not in top.until("processes +pid")
    assert top.process.wait(PATIENCE_S) == 0
