"""Every error that junctor raises, in one tree.

```
JunctorError
├── ConfigError (ValueError)            the fleet file or an option is wrong
├── InvalidRequest (ValueError)         the call itself is wrong; nothing was sent
├── Refused                             no deployment may take this request, now or later
│   └── TooLarge                        the request exceeds every candidate's whole limit
├── NoCapacity                          nobody is free; says when to come back
├── DeadlineExceeded (TimeoutError)     the caller's deadline passed; everything was released
├── StreamInterrupted                   a stream broke after its first content was handed over
├── BudgetSpent                         an agent's run or thread has spent its budget (`junctor.langchain`)
└── ProviderError                       a provider answered with a failure and no attempt was left
    ├── AuthError · PermissionDenied · ModelNotFound
    ├── RateLimited · QuotaExhausted · Overloaded
    ├── ContextLengthExceeded · ContentFiltered · BadRequest
    └── ServerError · ProviderTimeout (TimeoutError) · ConnectionFailed (ConnectionError)
        · MalformedResponse · TruncatedResponse
```

One warning: `NarrowerStateWarning`.

A message names the thing, the value and the allowed range, then gives one hint. No message carries a secret, and none
of ours the content of a prompt; a `ProviderError` ends with the provider's own words, which may quote the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from junctor.receipts import Receipt
    from junctor.reply import Usage


class JunctorError(Exception):
    """Base of every error raised by junctor.

    `receipt` is set on errors of a request that reached the walk: it says who was ruled out and why, and lists the
    attempts that were made.
    """

    receipt: Receipt | None = None


class NarrowerStateWarning(UserWarning):
    """Limits and breakers are kept in a narrower scope than the fleet file asks for, so they multiply by processes."""


class ConfigError(JunctorError, ValueError):
    """The fleet file, or an option given in code, is wrong.

    `problems` holds every problem that was found, each as one line naming file, path, value, range and a hint.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class InvalidRequest(JunctorError, ValueError):
    """The call itself is wrong: no messages, an unknown need or model, too many tags. Nothing was sent."""


class Refused(JunctorError):
    """No deployment may take this request, now or later: the gate or a rule said no.

    `refusals` maps each deployment that was looked at to the reason why it was ruled out.
    """

    def __init__(self, message: str, *, refusals: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.refusals = refusals or {}


class TooLarge(Refused):
    """The request needs more than a whole window of every candidate's limit, so waiting would not help."""


class NoCapacity(JunctorError):
    """Nobody is free. `retry_after_s` is the shortest time after which the same call could pass."""

    def __init__(self, message: str, *, retry_after_s: float, refusals: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.refusals = refusals or {}


class DeadlineExceeded(JunctorError, TimeoutError):
    """The caller's deadline passed. Every reservation was released or settled before this was raised."""


class StreamInterrupted(JunctorError):
    """A stream broke after its first content had been handed over, so it cannot be restarted unseen.

    `partial` is all text that was delivered, `usage` what is known of the cost so far, `kind` the failure kind.
    """

    def __init__(self, message: str, *, partial: str, usage: Usage, kind: str) -> None:
        super().__init__(message)
        self.partial = partial
        self.usage = usage
        self.kind = kind


class ProviderError(JunctorError):
    """A provider answered with a failure, and no further attempt was allowed or possible.

    `kind` is one of `junctor.failures.KINDS`; `status` the HTTP status if there was one; `retry_after_s` the
    provider's own hint; `deployment` and `provider` say who answered, `words` what, without our frame around it.
    """

    kind: ClassVar[str] = "server"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        deployment: str | None = None,
        provider: str | None = None,
        code: str | None = None,
        words: str | None = None,
    ) -> None:
        super().__init__(message)
        self.words = words
        self.status = status
        self.retry_after_s = retry_after_s
        self.deployment = deployment
        self.provider = provider
        self.code = code


class AuthError(ProviderError):
    """The key was refused (401)."""

    kind = "auth"


class PermissionDenied(ProviderError):
    """The key is valid but may not do this (403)."""

    kind = "permission"


class ModelNotFound(ProviderError):
    """The provider does not know this model or address (404)."""

    kind = "not_found"


class RateLimited(ProviderError):
    """The provider's rate limit was reached (429)."""

    kind = "rate_limit"


class QuotaExhausted(ProviderError):
    """A daily quota, a spend cap or the account's credit is used up: retrying soon is useless."""

    kind = "quota"


class ContextLengthExceeded(ProviderError):
    """The prompt is longer than the model's context."""

    kind = "context_length"


class ContentFiltered(ProviderError):
    """The provider's content filter refused the prompt or the answer."""

    kind = "content_filter"


class Overloaded(ProviderError):
    """The provider has no capacity for anybody (529, 503 with an overload body)."""

    kind = "overloaded"


class ProviderTimeout(ProviderError, TimeoutError):
    """No first content, or no further content, within the deployment's timeout."""

    kind = "timeout"


class BadRequest(ProviderError):
    """The provider says that the request is wrong (400, 413, 422)."""

    kind = "invalid_request"


class ServerError(ProviderError):
    """The provider failed (5xx)."""

    kind = "server"


class MalformedResponse(ProviderError):
    """The answer is not what the provider's API promises, for instance HTML with status 200."""

    kind = "malformed"


class TruncatedResponse(ProviderError):
    """The answer ended without its terminal marker."""

    kind = "truncated"


class ConnectionFailed(ProviderError, ConnectionError):
    """The connection could not be made or was lost before the answer began."""

    kind = "connection"
