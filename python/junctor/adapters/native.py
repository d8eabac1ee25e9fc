"""A caller's own body, sent on in its own dialect.

Whoever comes in by a provider's API often uses what the canonical request has no word for: cache marks inside tool
results, thinking blocks with signatures, server tools, betas of last week. Where the chosen deployment speaks the same
dialect, the body that the caller wrote is sent, and only what routing decides is written anew: the model, whether it
streams, an answer bound that is lower than the caller's, an effort where the body says nothing of it. Building the body
from the canonical request and laying the unknown fields over it was rejected: what is nested in messages would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from junctor.adapters.options import merge
from junctor.request import ChatRequest, Endpoint


def native_body(request: ChatRequest, dialect: str) -> dict[str, Any] | None:
    """A copy of the caller's body that may be changed at its top level; None if it is in another dialect or absent.

    The caller's `provider_options` of this dialect are already in it.
    """
    native = request.native
    if native is None or native.dialect != dialect:
        return None
    body = dict(native.body)
    if extra := request.provider_options.get(dialect):
        merge(body, extra)
    return body


def lower_bound(request: ChatRequest, endpoint: Endpoint, own: Any, dropped: list[str]) -> Any:
    """The answer's bound: what the body says (`own`), unless a rule or the deployment allows less. A cut by the
    deployment is reported, as elsewhere; one by a rule is the operator's will and is in the receipt by its rule.
    """
    bounds = [bound for bound in (own, request.max_tokens) if isinstance(bound, int) and not isinstance(bound, bool)]
    asked = min(bounds, default=None)
    most = endpoint.max_output_tokens
    if asked is not None and most is not None and asked > most:
        dropped.append("max_tokens")
        return most
    return own if asked is None else asked


def native_headers(request: ChatRequest, names: tuple[str, ...]) -> dict[str, str]:
    """Those of the caller's headers that belong to the dialect, by their lower-case names."""
    given: Mapping[str, str] = {} if request.native is None else request.native.headers
    return {low: value for name, value in given.items() if (low := name.lower()) in names}
