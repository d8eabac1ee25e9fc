"""The cost, put into a provider's own answer without touching the rest.

Only the outer two levels are taken apart; every value below stays the bytes that the provider wrote, so numbers keep
their digits and texts their escapes. `usage.cost_usd` is a field that no provider has and every official SDK lets pass.
"""

from __future__ import annotations

from typing import Final

import msgspec

_outer: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode

COST: Final = "cost_usd"
"""The field of the usage object that tells the cost of the whole call, failed attempts included, in dollars."""


def with_cost(body: bytes, cost_usd: float, inside: str | None = None) -> bytes:
    """The JSON object `body` with the cost in its `usage`, or in that of the object in its field `inside`.

    A body that has no such usage comes back unchanged.
    """
    try:
        found = _outer.decode(body)
        if inside is not None:
            if inside not in found:
                return body
            found[inside] = msgspec.Raw(with_cost(bytes(found[inside]), cost_usd))
        elif "usage" in found:
            usage = _outer.decode(found["usage"])
            usage[COST] = msgspec.Raw(_encode(cost_usd))
            found["usage"] = msgspec.Raw(_encode(usage))
        else:
            return body
    except msgspec.DecodeError:  # usage is null, or no object
        return body
    return _encode(found)


def block_with_cost(block: bytes, cost_usd: float, inside: str | None = None) -> bytes:
    """A server-sent event with the cost in its data."""
    head, mark, data = block.partition(b"data:")
    text = data.strip()
    if not mark or b"\n" in text:
        return block
    return head + b"data: " + with_cost(text, cost_usd, inside) + b"\n\n"
