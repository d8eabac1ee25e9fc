"""Looking at the shared state of a fleet: again and again, while its file and its workers come and go.

An observer is compiled from the fleet file once, not for every look. It is made anew when the file has changed, and
while nobody lives, because whoever starts next may share another segment.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from junctor import _core, config, runtime
from junctor.exceptions import ConfigError


class Nobody(Exception):
    """There is nothing to look at: a sentence that says why, and what to do."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look: the fleet file, and what the observer saw through it (see `Router.snapshot`)."""

    fleet: config.Config
    seen: dict[str, Any]


class Watch:
    """Looks at the state that processes share for the fleet file at `path`.

    Raises `ConfigError` if the file is wrong, and `Nobody` if no process of this host has opened it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._fleet, self._observer = _observer(path)
        self._alive(self.look())

    def look(self) -> Look:
        """What is to be seen now. A file that is wrong meanwhile leaves us with what it said before."""
        seen = self._see()
        if (stamp := _stamp(self._path)) != self._stamp or not _lives(seen):
            self._stamp = stamp
            try:
                self._fleet, self._observer = _observer(self._path)
                seen = self._see()
            except (ConfigError, Nobody, OSError):
                pass
        return Look(fleet=self._fleet, seen=seen)

    def _see(self) -> dict[str, Any]:
        seen: dict[str, Any] = msgspec.json.decode(self._observer.snapshot_json())
        return seen

    def _alive(self, look: Look) -> None:
        if not _lives(look.seen):
            raise Nobody(f"no process has {self._path} open any more; {_HINT}")


_HINT = "start a worker, then look again"


def _observer(path: Path) -> tuple[config.Config, _core.Observer]:
    fleet = config.load(path)
    compiled = config.compile(fleet, wall_epoch_s=int(time.time()), secrets=False)
    place = runtime.place(fleet, compiled.config_hash)
    if place is None:
        raise Nobody(f"{path} says `state: process`: each process keeps a state of its own that nobody else can see")
    try:
        return fleet, _core.Observer(compiled.fleet, place)
    except FileNotFoundError:
        directory, name = place
        raise Nobody(f"no process of this user has {path} open (nothing in {directory} for {name}); {_HINT}") from None
    except OSError as error:
        raise Nobody(f"the state of {path} cannot be looked at: {error}") from None


def _lives(seen: dict[str, Any]) -> bool:
    return any(process["alive"] for process in seen["processes"])


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
