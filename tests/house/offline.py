"""Runs a program as `python PROGRAM` would, except that it cannot leave the machine. Used by test_examples.py.

An audit hook sees every connection and every name that is looked up, whichever library asks. Pointing the proxy
variables at a dead port was the other way; it would have changed the transport that the client chooses.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

HERE = ("127.0.0.1", "::1", "localhost", "", None)


def stay(event: str, arguments: tuple[Any, ...]) -> None:
    """Raises for a connection or a look-up that leads away from this machine."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if (host.decode() if isinstance(host, bytes) else host) not in HERE:
        raise PermissionError(f"{event} to {host!r}: examples and pages stay on this machine")


if __name__ == "__main__":
    sys.addaudithook(stay)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
