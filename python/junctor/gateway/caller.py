"""A key as the doors see it: what it may ask for, what it says of its requests, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from junctor.doors.contract import Asked
from junctor.exceptions import Refused
from junctor.gateway.keys import Key
from junctor.gateway.limits import KeyCharge, KeyLimits


class KeyCaller:
    """The caller behind one request."""

    __slots__ = ("_key", "_limits")

    def __init__(self, key: Key, limits: KeyLimits) -> None:
        self._key = key
        self._limits = limits

    def options(self, asked: Asked) -> Mapping[str, Any]:
        """The key's tenant, user tier and tags, and that its sessions are its own.

        Raises `Refused` for a name that the key may not ask for.
        """
        key = self._key
        if key.names is not None and asked.model not in key.names:
            allowed = ", ".join(sorted(key.names)[:8])
            raise Refused(f"the API key {key.name!r} may not ask for {asked.model[:100]!r}; it may ask for {allowed}")
        options = key.options
        if (own := options.get("tags")) and (theirs := asked.options.get("tags")):
            options = {**options, "tags": {**theirs, **own}}
        if "session" in asked.options:
            options = {**options, "session_of": key.name}
        return options

    def admit(self, asked: Asked, input_tokens: int, output_tokens: int | None) -> KeyCharge:  # noqa: ARG002 - the contract's
        """Hold the estimate against the key's limits. Raises `NoCapacity` or `TooLarge`."""
        return self._limits.admit(self._key, input_tokens, output_tokens)
