"""Following a reload that another process made.

**Problem.** A fleet file is reloaded in one worker, and the others that share its state should run it too, without a
signal to each of them and without a call that waits for a file to be read.

**Choice.** The state says which configuration is the newest. Whoever notices that it runs another one reads its own
file again, on a thread, and adopts it if that is the newest. A file that is not is read again when it or the newest
changes, and not before: such a process stays behind, and `Router.snapshot()` says so.

**Cost.** A thread for as long as reading takes, at most one at a time.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from junctor.router import Router


class Follower:
    """Brings one router up to date when asked, at most once for each state of its file."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._busy = threading.Lock()
        self._process = os.getpid()
        self._read: tuple[str | None, int, int, int] | None = None

    def soon(self, file: str) -> None:
        """Read `file` again on a thread, unless that is under way or was of no use."""
        if self._process != os.getpid():  # a forked child: its parent's thread holds the lock for ever
            self._busy, self._process = threading.Lock(), os.getpid()
        if not self._busy.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._follow, args=(file,), name="junctor-follow", daemon=True).start()
        except RuntimeError:  # the interpreter is ending, or out of threads: the next call tries again
            self._busy.release()

    def _follow(self, file: str) -> None:
        try:
            seen = os.stat(file)
            read = (self._router.newer_config, seen.st_mtime_ns, seen.st_size, seen.st_ino)
            if read != self._read:
                # Noted before it is read: what changes while it is read is seen the next time.
                self._read = read
                self._router.catch_up()
        except OSError:
            pass  # no file, nothing to follow: `catch_up` itself would say the same
        finally:
            self._busy.release()
