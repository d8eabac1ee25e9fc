"""Errors that are junctor's and LangChain's at once.

Callers catch `NoCapacity` or `Refused`; LangChain's own retries, fallbacks and summaries look for `ModelError` and ask
whether it is retryable. Raising LangChain's errors from ours would take the receipt from the first, and raising ours
alone would make the second retry what no retry can help. So an error stays the object it is, and its class becomes one
that both know: same name, same fields, same traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from langchain_core import exceptions as theirs

from junctor import exceptions as ours

MEANINGS: Final[dict[type[ours.JunctorError], type[theirs.ModelError]]] = {
    ours.InvalidRequest: theirs.ModelInvalidRequestError,
    ours.Refused: theirs.ModelError,
    ours.TooLarge: theirs.ModelError,
    ours.NoCapacity: theirs.ModelRateLimitError,
    ours.DeadlineExceeded: theirs.ModelTimeoutError,
    ours.StreamInterrupted: theirs.ModelAPIError,
    ours.AuthError: theirs.ModelAuthenticationError,
    ours.PermissionDenied: theirs.ModelPermissionDeniedError,
    ours.ModelNotFound: theirs.ModelNotFoundError,
    ours.RateLimited: theirs.ModelRateLimitError,
    ours.QuotaExhausted: theirs.ModelError,
    ours.Overloaded: theirs.ModelAPIError,
    ours.ContextLengthExceeded: theirs.ContextOverflowError,
    ours.ContentFiltered: theirs.ModelError,
    ours.BadRequest: theirs.ModelInvalidRequestError,
    ours.ServerError: theirs.ModelAPIError,
    ours.ProviderTimeout: theirs.ModelTimeoutError,
    ours.ConnectionFailed: theirs.ModelConnectionError,
    ours.MalformedResponse: theirs.ModelAPIError,
    ours.TruncatedResponse: theirs.ModelAPIError,
}
"""What each of our errors is to LangChain. Plain `ModelError` is what another try cannot help."""


def _both(kind: type[ours.JunctorError], meaning: type[theirs.ModelError]) -> type[ours.JunctorError]:
    return type(kind.__name__, (kind, meaning), {"__doc__": kind.__doc__, "__module__": __name__})


BOTH: Final = {kind: _both(kind, meaning) for kind, meaning in MEANINGS.items()}
"""The class that each of our errors gets."""


@contextmanager
def known_to_langchain() -> Iterator[None]:
    """Errors that leave the block are known to LangChain too."""
    try:
        yield
    except ours.JunctorError as error:
        error.__class__ = BOTH.get(error.__class__, error.__class__)
        raise
