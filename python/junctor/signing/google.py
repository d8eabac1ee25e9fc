"""Google access tokens for Vertex AI, from what google-auth finds: a service account, a metadata server, a login.

`google-auth` (extra `vertex`) is loaded and asked on the thread that fetches. It needs an HTTP library to renew with;
`urllib3` and `requests` are its own choices, and where neither is there a small one over the standard library serves.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from http.client import HTTPException
from importlib import import_module
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import msgspec

from junctor.request import HttpRequest, Secret
from junctor.signing.contract import SigningError
from junctor.signing.renewal import Held, Renewal

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
FETCH_TIMEOUT_S: Final = 30.0


class GoogleSigner:
    """Puts a current access token on requests.

    `account` holds a service account's key as JSON; without one, application default credentials are looked for.
    `clock` gives Unix time, by which tokens end.
    """

    def __init__(self, *, account: Secret | None = None, clock: Callable[[], float] = time.time) -> None:
        self._tokens = Renewal(lambda: _fetch(account, clock))

    @property
    def ready(self) -> bool:
        """Whether there is a token that still holds."""
        return self._tokens.current() is not None

    def prepare(self) -> None:
        """Begin to fetch a token."""
        self._tokens.prepare()

    async def renew(self) -> None:
        """Fetch a token. Raises `SigningError` if Google gives none."""
        await self._tokens.obtain()

    def sign(self, request: HttpRequest) -> HttpRequest:
        """The request with its token. Raises `SigningError` if there is none."""
        token = self._tokens.current()
        if token is None:
            raise SigningError("the Google access token has run out; renew it")
        headers = {**request.headers, "authorization": f"Bearer {token.reveal()}"}
        return msgspec.structs.replace(request, headers=headers)

    def __repr__(self) -> str:
        return "GoogleSigner()"


def _fetch(account: Secret | None, clock: Callable[[], float]) -> Held[Secret]:
    try:
        auth: Any = import_module("google.auth")  # partly typed; what it finds has many forms
        service_account: Any = import_module("google.oauth2.service_account")
    except ImportError as error:
        raise SigningError('google-auth is not installed; pip install "junctor[vertex]"') from error
    if account is not None:
        try:
            fields = json.loads(account.reveal())
            found = service_account.Credentials.from_service_account_info(fields, scopes=[SCOPE])
        except ValueError:
            raise SigningError(f"{account.reference} holds no service account key; give it the whole JSON") from None
    else:
        found, _ = auth.default(scopes=[SCOPE], request=_ask)
    found.refresh(_ask)
    ends = found.expiry  # UTC without saying so, or None
    ends_s = None if ends is None else ends.replace(tzinfo=datetime.UTC).timestamp()
    token = Secret(found.token, "the Google access token")
    return Held(token, lambda seconds: ends_s is None or clock() + seconds < ends_s)


class _Answer(msgspec.Struct):
    status: int
    headers: Any
    data: bytes


def _ask(
    url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float | None = None, **_: Any
) -> _Answer:
    """An HTTP request in the form that google-auth calls one."""
    unreached = import_module("google.auth.exceptions").TransportError
    data = body.encode() if isinstance(body, str) else body
    request = Request(url, data=data, headers=dict(headers or {}), method=method)
    try:
        with urlopen(request, timeout=timeout or FETCH_TIMEOUT_S) as answer:
            return _Answer(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:  # it is the answer, with its connection
            return _Answer(error.code, error.headers, error.read())
    except (URLError, HTTPException, OSError) as error:
        raise unreached(error) from error
