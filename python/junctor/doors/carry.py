"""What one provider must see again, carried through a conversation that its caller holds in another dialect.

Signatures of thinking, reasoning of hosts that want it back, a provider's own parts: an answer has them under
`provider_fields`, and a later request must return them to whoever made them. OpenAI's messages take a field more. Other
dialects have closed forms, but each has one that is opaque by design and that clients must return unchanged (redacted
thinking, encrypted reasoning); there it travels as text that begins with a mark of ours, so it is told from what a
provider encrypted, and never sent to one.

It is no secret and no proof: a caller could write the same into its request. What does not decode is dropped.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

MARK: Final = "junctor."
"""How everything of ours in an opaque field begins. No provider's signature has a dot in its first eight characters."""

_encode: Final = msgspec.json.Encoder().encode


def packed(fields: Mapping[str, Any] | None) -> str:
    """`provider_fields` as opaque text; the bare mark if there are none."""
    return MARK + base64.b64encode(_encode(fields)).decode() if fields else MARK


def is_ours(text: object) -> bool:
    """Whether `packed` made this text."""
    return isinstance(text, str) and text.startswith(MARK)


def unpacked(text: str) -> dict[str, Any]:
    """The `provider_fields` that `packed` put into this text; empty if it holds none."""
    try:
        found = msgspec.json.decode(base64.b64decode(text[len(MARK) :], validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
