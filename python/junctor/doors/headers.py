"""What an answer's headers tell of its call.

They are made on every call, so they are read from the reservation that answers; the receipt is put together only by who
asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.dispatch import Call


def of_call(call: Call, request_id: str, *, stream: bool) -> dict[str, str]:
    """The headers of an answer that a deployment gives."""
    headers = {
        "content-type": "text/event-stream; charset=utf-8" if stream else "application/json",
        "x-request-id": request_id,
        "x-junctor-request-id": request_id,
        "x-junctor-attempts": str(call.made),
    }
    if stream:
        headers["cache-control"] = "no-cache"
    else:
        headers["x-junctor-cost-usd"] = _dollars(call.cost_usd_micros)
    if (held := call.trail.last) is not None:
        _of_reservation(cast("Reservation", held), headers)
        if (climb := call.trail.cascade) is not None:  # its later steps are no downgrade
            headers.pop("x-junctor-downgrade", None)
            headers["x-junctor-cascade"] = _plain(climb.cascade)
            if climb.degraded:
                headers["x-junctor-downgrade"] = "true"
    headers["x-junctor-overhead-us"] = str(max(0, round((call.clock() - call.begun - call.upstream_s) * 1e6)))
    return headers


def of_failure(call: Call | None, request_id: str) -> dict[str, str]:
    """The headers of an error."""
    headers = {"x-request-id": request_id, "x-junctor-request-id": request_id}
    if call is not None:
        headers["x-junctor-attempts"] = str(call.made)
    return headers


def _of_reservation(held: Reservation, headers: dict[str, str]) -> None:
    headers["x-junctor-deployment"] = _plain(held.deployment)
    headers["x-junctor-provider"] = _plain(held.provider)
    headers["x-junctor-model"] = _plain(held.model)
    headers["x-junctor-group"] = _plain(held.group)
    if held.downgrade:
        headers["x-junctor-downgrade"] = "true"
    if (rule := held.rule) is not None:
        headers["x-junctor-rule"] = _plain(rule)


def _plain(name: str) -> str:
    """A name as a header can hold it."""
    return name if name.isascii() and name.isprintable() else quote(name)


def _dollars(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
