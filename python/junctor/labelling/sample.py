"""Keeps a share of a program's answers, scrubbed, as lines of JSON.

Which prompts are kept follows from the prompt and a salt, not from a draw per call: the same prompt is kept for every
model that answers it, which is what a comparison needs, and a restart changes nothing. Whoever wants content kept says
so by making a `Sample`; there is no switch that does it by accident, and no default that leaves out the scrubbing.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Final

import msgspec

from junctor.labelling.records import LabelError, Record
from junctor.labelling.scrub import Scrub
from junctor.reply import Reply

SCALE: Final = 2**64


class Sample:
    """A file that a share of the answers is kept in. May be used from several threads."""

    def __init__(self, path: str | os.PathLike[str], *, share: float, scrub: Scrub | None, salt: str = "") -> None:
        """`scrub` takes out of a text what identifies people; None says that nothing has to be taken out. A secret
        `salt` keeps ids from being guessed from prompts.

        Raises `LabelError` for a share that is none.
        """
        if not 0.0 < share <= 1.0:
            raise LabelError(
                f"the share is {share!r}; allowed is above 0 to 1, such as 0.01 for one prompt in a hundred"
            )
        self._path, self._share, self._scrub, self._salt = Path(path), share, scrub or _as_it_is, salt
        self._lock = threading.Lock()

    def wants(self, prompt: str) -> bool:
        """Whether answers to this prompt are kept."""
        digest = hashlib.sha256(f"{self._salt}\x00{prompt}".encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:8], "big") < self._share * SCALE

    def keep(self, prompt: str, reply: Reply, *, model: str, task: str = "") -> bool:
        """Keeps this answer if its prompt is in the sample, and answers whether it is.

        `model` is what the table shall call it. Raises `OSError` if the file cannot be written.
        """
        if not self.wants(prompt):
            return False
        identity = hashlib.sha256(f"{self._salt}\x00{prompt}".encode("utf-8", "replace")).hexdigest()[16:32]
        receipt = reply.receipt
        record = Record(
            id=identity,
            prompt=self._scrub(prompt),
            model=model,
            answer=self._scrub(reply.text),
            task=task,
            cost_usd=None if receipt is None else receipt.cost_usd,
            propensity=None if receipt is None else receipt.propensity,
        )
        self._append(record)
        return True

    def _append(self, record: Record) -> None:
        line = msgspec.json.encode(record) + b"\n"
        with self._lock, open(self._path, "ab", opener=_private) as file:
            file.write(line)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _as_it_is(text: str) -> str:
    return text
