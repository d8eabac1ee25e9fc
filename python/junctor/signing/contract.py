"""The seam between the dispatch and whatever proves who asks."""

from __future__ import annotations

from typing import Protocol

from junctor.request import HttpRequest
from junctor.transport.base import TransportError


class SigningError(TransportError):
    """A request could not be signed, so nothing was sent. `kind` is "auth": another deployment may do better.

    The message names what was looked for, never a credential.
    """

    def __init__(self, message: str) -> None:
        super().__init__("auth", message)


class Signer(Protocol):
    """Signs requests with credentials that it renews itself. One signer serves all loops and threads."""

    @property
    def ready(self) -> bool:
        """Whether `sign` can be called now. Starts a renewal, without waiting for it, when the end is near."""
        ...

    def prepare(self) -> None:
        """Begin to fetch credentials if there are none, without waiting for them."""
        ...

    async def renew(self) -> None:
        """Fetch credentials off the event loop; callers that come meanwhile wait for the same ones.

        Raises `SigningError` if there are none.
        """
        ...

    def sign(self, request: HttpRequest) -> HttpRequest:
        """The request with what proves who asks. Raises `SigningError` if it was not ready."""
        ...
