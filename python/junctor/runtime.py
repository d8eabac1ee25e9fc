"""Where processes of one host meet: the runtime directory, and the name under which a fleet is shared.

Both must come out the same in every worker, however it was started, and be nobody else's. So they do not depend on
variables that a login sets and a service lacks (`XDG_RUNTIME_DIR`): the directory is one of this user's in memory that
every Linux has, or the temporary directory where that is missing. `JUNCTOR_RUNTIME_DIR` overrides it, for containers
that share a volume.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from junctor.config import Config

DIRECTORY_VARIABLE: Final = "JUNCTOR_RUNTIME_DIR"
_MEMORY: Final = pathlib.Path("/dev/shm")


def directory() -> str:
    """The directory of this user's segments. It is made when the first one is."""
    if named := os.environ.get(DIRECTORY_VARIABLE):
        return named
    user = os.getuid() if hasattr(os, "getuid") else 0
    root = _MEMORY if os.access(_MEMORY, os.W_OK) else pathlib.Path(tempfile.gettempdir())
    return str(root / f"junctor-{user}")


def fleet_name(fleet: Config, config_hash: str) -> str:
    """What all that share a fleet's state call it: its own name, else its file, else what it says."""
    if fleet.name is not None:
        return f"name {fleet.name}"
    return f"file {fleet.file}" if fleet.file is not None else f"config {config_hash}"


def place(fleet: Config, config_hash: str) -> tuple[str, str] | None:
    """Directory and name under which `fleet` shares its state; None if it keeps it per process."""
    return None if fleet.state.kind == "process" else (directory(), fleet_name(fleet, config_hash))
