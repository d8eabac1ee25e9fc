"""`python -m junctor` is the command `junctor`."""

from __future__ import annotations

import sys

from junctor.cli import main

if __name__ == "__main__":
    sys.exit(main())
