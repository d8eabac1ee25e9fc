"""Doors: the APIs that people already speak, as ways in.

An adapter translates a canonical request into a provider's dialect; a door translates a caller's dialect into a
canonical request, and the reply back. The gateway and the transport under the official SDKs both come in here, so what
a caller sees does not depend on which of them carried the bytes.

`find` says which door a path leads to, `answer` serves one request through it, `list_models` tells what can be asked
for, `turn_away` is the dialect's own error for what never gets that far (no key, a body that is too large).
"""

from __future__ import annotations

from junctor.doors.answer import answer
from junctor.doors.contract import Answer, Asked, Caller, Charge, Door, Incoming, Stream, StreamWriter
from junctor.doors.errors import turn_away
from junctor.doors.models import list_models, models_path
from junctor.doors.paths import ENDINGS, dialect_of, ending_of, find

__all__ = [
    "ENDINGS",
    "Answer",
    "Asked",
    "Caller",
    "Charge",
    "Door",
    "Incoming",
    "Stream",
    "StreamWriter",
    "answer",
    "dialect_of",
    "ending_of",
    "find",
    "list_models",
    "models_path",
    "turn_away",
]
