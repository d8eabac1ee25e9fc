"""Copies the dashboard and the alert rules into a directory: `python -m junctor.observe.grafana [DIRECTORY]`."""

from __future__ import annotations

import sys
from pathlib import Path

from junctor.observe.grafana import DASHBOARD, RULES, read


def main(arguments: list[str]) -> int:
    """Write both files; the status is 2 if they cannot be written."""
    directory = Path(arguments[0] if arguments else ".")
    for name in (DASHBOARD, RULES):
        target = directory / name
        try:
            target.write_text(read(name), encoding="utf-8")
        except OSError as error:
            print(f"{target}: {error.strerror}; give a directory that exists", file=sys.stderr)
            return 2
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
