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

from junctor.cascade.signals import tokens_of
from junctor.labelling.records import LabelError, Record, private
from junctor.labelling.scrub import Scrub, unicode
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

        `model` is what the table shall call it. Token log-probabilities are kept where the call asked for them. Raises
        `OSError` if the file cannot be written.
        """
        if not self.wants(prompt):
            return False
        identity = hashlib.sha256(f"{self._salt}\x00{prompt}".encode("utf-8", "replace")).hexdigest()[16:32]
        receipt, tokens = reply.receipt, tokens_of(reply.logprobs)
        record = Record(
            id=identity,
            prompt=unicode(self._scrub(prompt)),
            model=model,
            answer=unicode(_said(reply, self._scrub)),
            task=task,
            cost_usd=None if receipt is None else receipt.cost_usd,
            token_logprobs=() if isinstance(tokens, str) else tokens.logprobs,
            propensity=None if receipt is None else receipt.propensity,
        )
        self._append(record)
        return True

    def _append(self, record: Record) -> None:
        line = msgspec.json.encode(record) + b"\n"
        with self._lock, open(self._path, "ab", opener=private) as file:
            file.write(line)


def _said(reply: Reply, scrub: Scrub) -> str:
    """The answer as people read it: its text, and the calls that it wants made, whose arguments are JSON."""
    calls = [f"{call.name}({scrub(call.arguments)})" for call in reply.tool_calls]
    return "\n".join(filter(None, [scrub(reply.text), *calls]))


def _as_it_is(text: str) -> str:
    return text
