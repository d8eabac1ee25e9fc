"""Types of options that several commands share."""

from __future__ import annotations

import argparse
from typing import Final

MAX_SEED: Final = 2**63 - 1


def seed(text: str) -> int:
    """A seed of draws. Raises what argparse turns into a line about the option."""
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_SEED):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 2^63 - 1")
    return int(text)
