"""AWS Signature Version 4: the headers that sign one request, from credentials and a time that is passed in.

The algorithm is short and frozen, so it is written here: no library needs to be installed by those who have explicit
keys, the time is an argument, and nothing that holds a token is written to a debug log, which AWS's own client does.
What it makes is compared with that client, header for header.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from posixpath import normpath
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from junctor.request import HttpRequest

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNSIGNED: Final = frozenset({"authorization", "connection", "expect", "transfer-encoding", "user-agent"}) | frozenset(
    {"x-amzn-trace-id", "x-amz-date", "x-amz-security-token"}
)
"""Headers that are made here, or that what carries the request may change."""


class Keys(msgspec.Struct, frozen=True):
    """AWS credentials. They show themselves to nobody."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Keys(...)"


def sign(request: HttpRequest, keys: Keys, *, now_s: float, region: str, service: str) -> HttpRequest:
    """The request with `authorization`, `x-amz-date` and, for temporary keys, `x-amz-security-token`.

    `now_s` is Unix time; AWS accepts signatures that are some minutes off. Header names must be lower-case.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    made = {"x-amz-date": stamp}
    if keys.session_token:
        made["x-amz-security-token"] = keys.session_token
    signed = {name: value for name, value in request.headers.items() if name not in _UNSIGNED}
    signed |= {"host": _host(request.url), **made}
    names = ";".join(sorted(signed))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    canonical = _canonical(request, signed, names)
    text = "\n".join((ALGORITHM, stamp, scope, sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{keys.secret_access_key}".encode()
    for word in (stamp[:8], region, service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{keys.access_key_id}/{scope}"
    made["authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return msgspec.structs.replace(request, headers={**request.headers, **made})


def _canonical(request: HttpRequest, signed: Mapping[str, str], names: str) -> str:
    parts = urlsplit(request.url)
    pairs = (pair.partition("=") for pair in parts.query.split("&")) if parts.query else ()
    query = "&".join(f"{name}={value}" for name, value in sorted((name, value) for name, _, value in pairs))
    lines = [f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed)]
    return "\n".join(
        (request.method, _path(parts.path), query, "".join(lines), names, sha256(request.body).hexdigest())
    )


def _path(path: str) -> str:
    """The path without dot segments, encoded once more than it is sent: so AWS wants it everywhere but in S3."""
    clean = normpath(path) if path else "/"
    if clean.startswith("//"):  # POSIX gives two slashes in front a meaning of their own
        clean = clean[1:]
    if path.endswith("/") and clean != "/":
        clean += "/"
    return quote(clean, safe="/-_.~")


def _host(url: str) -> str:
    """The `host` header as HTTP clients send it: without the scheme's own port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"
