"""How a command ends: its exit statuses, the error that carries one, and a reader who leaves before the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OK: Final = 0
PROBLEMS: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended."""


class CommandError(Exception):
    """The command cannot go on: one line for standard error, and the exit status."""

    def __init__(self, message: str, *, status: int = PROBLEMS) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Print inside: a reader who has enough (`| head`) does not change how the command ends."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        give_output_up()


def give_output_up() -> None:
    """What is still in the buffer goes nowhere: Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
