"""How a command ends: its exit statuses, and the error that carries one."""

from __future__ import annotations

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
