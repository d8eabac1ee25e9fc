"""AWS credentials for Bedrock: given ones, or what botocore finds where it always looks.

`botocore` (extra `bedrock`) is needed for the second only. It is loaded on the thread that fetches, because loading it
takes longer than a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from junctor.request import HttpRequest
from junctor.signing import sigv4
from junctor.signing.contract import SigningError
from junctor.signing.renewal import Held, Renewal
from junctor.signing.sigv4 import Keys


class AwsSigner:
    """Signs for `region` and `service`, with `keys` or with those of botocore's default chain (`profile` chooses one).

    `clock` gives Unix time, because signatures carry it.
    """

    def __init__(
        self,
        region: str,
        *,
        keys: Keys | None = None,
        profile: str | None = None,
        service: str = "bedrock",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._region = region
        self._service = service
        self._keys = keys
        self._clock = clock
        self._chain = Renewal(lambda: _from_chain(profile))

    @property
    def ready(self) -> bool:
        """Whether there are credentials that still hold."""
        return self._current() is not None

    def prepare(self) -> None:
        """Begin to look for credentials, unless they were given."""
        if self._keys is None:
            self._chain.prepare()

    async def renew(self) -> None:
        """Look for credentials in botocore's default chain. Raises `SigningError` if it finds none."""
        await self._chain.obtain()

    def sign(self, request: HttpRequest) -> HttpRequest:
        """The request, signed. Raises `SigningError` if there are no credentials."""
        keys = self._current()
        if keys is None:
            raise SigningError("the AWS credentials have run out; renew them")
        return sigv4.sign(request, keys, now_s=self._clock(), region=self._region, service=self._service)

    def _current(self) -> Keys | None:
        return self._keys or self._chain.current()

    def __repr__(self) -> str:
        return f"AwsSigner({self._region}, {self._service})"


def _from_chain(profile: str | None) -> Held[Keys]:
    try:
        from botocore.session import Session  # type: ignore[import-untyped]  # it ships no types
    except ImportError as error:
        raise SigningError('botocore is not installed; pip install "junctor[bedrock]"') from error
    found: Any = Session(profile=profile).get_credentials()
    if found is None:
        raise SigningError("no AWS credentials were found; set AWS_ACCESS_KEY_ID, a profile, a role, or a key")
    frozen = found.get_frozen_credentials()
    needs_refresh = getattr(found, "refresh_needed", None)  # keys of a user never run out and have no such method

    def holds(seconds: float) -> bool:
        return needs_refresh is None or not needs_refresh(refresh_in=seconds)

    return Held(Keys(frozen.access_key, frozen.secret_key, frozen.token), holds)
