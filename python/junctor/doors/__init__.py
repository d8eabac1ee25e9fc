"""Doors: the APIs that people already speak, as ways in.

An adapter translates a canonical request into a provider's dialect; a door translates a caller's dialect into a
canonical request, and the reply back. The gateway and the transport under the official SDKs both come in here, so what
a caller sees does not depend on which of them carried the bytes.
"""

from __future__ import annotations

from junctor.doors.contract import Answer, Asked, Caller, Charge, Door, Incoming, StreamWriter

__all__ = ["Answer", "Asked", "Caller", "Charge", "Door", "Incoming", "StreamWriter"]
