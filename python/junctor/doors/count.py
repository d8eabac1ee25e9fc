"""How many tokens a request has: by the provider's own count if it has one, else by the estimate that limits go by.

The deployment is picked as for a call and released before anything is sent, so counting holds nothing and charges
nothing. A provider that cannot be asked, or is slow, is not waited for: the estimate is what a caller can plan with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.adapters.lenient import loads
from junctor.doors.contract import Answer, Asked
from junctor.estimate import BYTES_PER_TOKEN
from junctor.exceptions import NoCapacity
from junctor.request import Endpoint, HttpRequest
from junctor.transport.base import TransportError

if TYPE_CHECKING:
    from junctor.client import Client
    from junctor.dispatch import Call

PATIENCE_S: Final = 5.0
"""How long a provider may take to count. Real ones need some 200 ms."""

_COUNTED: Final = frozenset(
    {
        "messages",
        "model",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "mcp_servers",
        "context_management",
        "cache_control",
    }
)
"""The fields of a request that the provider's counting takes; it refuses any other."""

_encode: Final = msgspec.json.Encoder().encode


async def counted(client: Client, asked: Asked, call: Call) -> Answer:
    """The answer to `POST …/messages/count_tokens`. Raises what `Client.chat` would for a model that nobody serves."""
    estimate = int(call.ask["input_tokens"])
    try:
        reservation = client.router.reserve(asked.model, max_wait_s=0.0, **call.ask)
    except NoCapacity:
        return _told(estimate)
    endpoint: Endpoint = reservation.endpoint
    reservation.cancel(sent=False)
    tokens = await _asked_of(client, call, endpoint)
    if tokens is None:
        tokens = math.ceil(estimate * BYTES_PER_TOKEN / endpoint.bytes_per_token)
    return _told(tokens)


async def _asked_of(client: Client, call: Call, endpoint: Endpoint) -> int | None:
    """The provider's own count; None if it has none or does not say it."""
    if call.dialect_at(endpoint) != "anthropic" or endpoint.signer is not None:
        return None
    message = client.adapter("anthropic").build(call.request, endpoint)
    head, mark, query = message.url.partition("?")
    if not head.endswith("/messages"):  # a cloud that serves the model under another address
        return None
    body: Mapping[str, Any] = msgspec.json.decode(message.body)
    kept = {name: value for name, value in body.items() if name in _COUNTED}
    request = HttpRequest("POST", f"{head}/count_tokens{mark}{query}", message.headers, _encode(kept))
    try:
        response = await client.transport.send(request, timeout_s=PATIENCE_S)
    except TransportError:
        return None
    found = loads(response.body) if response.status == 200 else None
    tokens = found.get("input_tokens") if isinstance(found, dict) else None
    return tokens if isinstance(tokens, int) else None


def _told(tokens: int) -> Answer:
    return Answer(200, {"content-type": "application/json"}, _encode({"input_tokens": tokens}))
