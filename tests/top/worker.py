"""Workers as processes of their own, told line by line what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]

WORKER = """\
import sys
import time
import junctor


def until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise TimeoutError


router = junctor.Router.open(sys.argv[1])
assert router.why_private is None, router.why_private
held = []
print("open", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Worker:
    """A process that has a fleet file open. It has `router` and the list `held` to work with."""

    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": self.python_path()},
        )
        self._hear("open")

    @staticmethod
    def python_path() -> str:
        """Where a process finds this checkout's package."""
        return os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])

    def do(self, line: str) -> None:
        """Runs one line of Python there, to its end."""
        self._pipe(self.process.stdin).write(line + "\n")
        self._pipe(self.process.stdin).flush()
        self._hear("done")

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.kill()
        self._end()

    def leave(self) -> None:
        """Lets it end by itself."""
        self._pipe(self.process.stdin).close()
        self._end()

    def _end(self) -> None:
        self.process.wait(60)
        self._pipe(self.process.stdin).close()
        self._pipe(self.process.stdout).close()

    def _hear(self, word: str) -> None:
        heard = self._pipe(self.process.stdout).readline()
        assert heard == word + "\n", f"the worker said {heard!r}"

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe
