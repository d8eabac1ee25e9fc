"""Who comes in: keys that are known by their digest.

**Problem.** A gateway's keys open a fleet that costs money, and its file is committed and copied like any other.

**Choice.** A key is 256 random bits, and the file holds its SHA-256. One plain hash is right here: salts and slow
hashes (bcrypt, argon2) protect words that people choose, of which an attacker can try the likely ones; of 2^256 equally
likely keys there are none to try, and a slow hash would be a way to use up the gateway's CPU without any key.

The digest of what was presented is looked up in a table. What the lookup's time tells is told about that digest, which
its sender can compute alone, and to steer it towards a stored one is to invert the hash. The last comparison takes the
same time wherever two digests differ, and an unknown digest is compared as well, with one that nobody has.

**Cost.** About a microsecond per request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.config.gateway_spec import GatewaySpec, KeySpec, expiry_s
from junctor.config.spec import DIMENSIONS
from junctor.options import KNOWN_TAGS

PREFIX: Final = "sk-junctor-"
"""What keys begin with: some SDKs ask for `sk-`, and scanners of leaked secrets need a pattern."""

RANDOM_BYTES: Final = 32
MAX_PRESENTED: Final = 4096
"""Characters of a presented key that are looked at: hashing a header of any length is work for free."""

SECRET_HEADERS: Final = ("authorization", "x-api-key", "api-key", "x-junctor-key", "cookie", "proxy-authorization")
"""Headers that stop here: neither doors nor providers are told what a caller authenticates with."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key as the gateway uses it.

    `names` is what it may ask for, everything if None; `options` is put on its requests; `limited` and `budgeted` tell
    whether anything is to be held for them.
    """

    name: str
    digest: bytes
    names: frozenset[str] | None = None
    options: Mapping[str, Any] = {}
    expires_s: float | None = None
    metrics: bool = False
    limited: bool = False
    budgeted: bool = False


class KeyRefused(Exception):
    """Nobody, or nobody known, or nobody any more. The message is for whoever asks; it never holds the key."""


OPEN: Final = Key(name="-", digest=b"", metrics=True)
"""Everybody, where `keys: none` lets everybody in."""

_NOBODY: Final = Key(name="", digest=secrets.token_bytes(32))


def make() -> tuple[str, str]:
    """A new key, and its hash for the fleet file."""
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return key, f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


class Keys:
    """The keys of one configuration."""

    __slots__ = ("_by_digest", "open")

    def __init__(self, spec: GatewaySpec) -> None:
        self.open = spec.keys == "none"
        made = (_key(name, item) for name, item in spec.named.items())
        self._by_digest = {key.digest: key for key in made}

    def find(self, headers: Mapping[str, str], now_s: float) -> Key:
        """The key that these headers present, at this Unix time. Raises `KeyRefused`."""
        if self.open:
            return OPEN
        presented = _presented(headers)
        if not presented:
            raise KeyRefused("no API key was given; send it as `Authorization: Bearer KEY` or as `x-api-key`")
        digest = hashlib.sha256(presented[:MAX_PRESENTED].encode("latin-1", "replace")).digest()
        key = self._by_digest.get(digest, _NOBODY)
        if not hmac.compare_digest(key.digest, digest):
            raise KeyRefused("the API key is not known here; ask for one, or check what your client sends")
        if key.expires_s is not None and now_s >= key.expires_s:
            raise KeyRefused(f"the API key {key.name!r} has expired; ask for another one")
        return key


def _presented(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and (token := token.strip()):
        return token
    return headers.get("x-api-key", "") or headers.get("api-key", "") or headers.get("x-junctor-key", "")


def _key(name: str, spec: KeySpec) -> Key:
    names = frozenset((*spec.groups, *spec.models))
    # A well-known tag is an option of its own: among `tags` a header of the caller's would win over it.
    known = {word: spec.tags.get(word) for word in KNOWN_TAGS}
    further = {word: text for word, text in spec.tags.items() if word not in known}
    options: dict[str, Any] = {**known, "tags": further}
    options |= {word: text for word, text in (("tenant", spec.tenant), ("user_tier", spec.user_tier)) if text}
    return Key(
        name=name,
        digest=bytes.fromhex(spec.hash.removeprefix("sha256:")),
        names=names or None,
        options={word: value for word, value in options.items() if value},
        expires_s=None if spec.expires is None else expiry_s(spec.expires),
        metrics=spec.metrics,
        limited=any(getattr(spec, word) is not None for word in DIMENSIONS if word != "usd_per_day"),
        budgeted=spec.usd_per_day is not None,
    )
