"""What a failure means: one table that retry, fallback, breaker and limits all read.

Routers that treat every error alike cool down healthy keys on a caller's 400 and keep hammering a key whose credit
is gone. Here an adapter maps whatever a provider said to one of a few kinds, and this table says what each kind does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from junctor import exceptions as exc

if TYPE_CHECKING:
    from junctor.request import Secret

Kind = Literal[
    "auth",
    "permission",
    "not_found",
    "rate_limit",
    "quota",
    "context_length",
    "content_filter",
    "overloaded",
    "timeout",
    "invalid_request",
    "server",
    "malformed",
    "truncated",
    "connection",
]

Next = Literal["elsewhere", "stop"]
Health = Literal["hard", "throttled", "exhausted", "config", "none"]


class Meaning(msgspec.Struct, frozen=True):
    """What one failure kind does.

    `next`: may another deployment be tried (`elsewhere`), or would every one answer the same (`stop`)?
    `health`: what the deployment's state learns. `hard` counts for the breaker, `throttled` holds the deployment and
    lowers its capacity, `exhausted` holds its pools until their reset, `config` opens the breaker at once and alerts,
    `none` is nobody's fault.
    """

    next: Next
    health: Health
    error: type[exc.ProviderError]


KINDS: Final[dict[Kind, Meaning]] = {
    "auth": Meaning("elsewhere", "config", exc.AuthError),
    "permission": Meaning("elsewhere", "config", exc.PermissionDenied),
    "not_found": Meaning("elsewhere", "config", exc.ModelNotFound),
    "rate_limit": Meaning("elsewhere", "throttled", exc.RateLimited),
    "quota": Meaning("elsewhere", "exhausted", exc.QuotaExhausted),
    "context_length": Meaning("stop", "none", exc.ContextLengthExceeded),
    "content_filter": Meaning("stop", "none", exc.ContentFiltered),
    "overloaded": Meaning("elsewhere", "throttled", exc.Overloaded),
    "timeout": Meaning("elsewhere", "hard", exc.ProviderTimeout),
    "invalid_request": Meaning("stop", "none", exc.BadRequest),
    "server": Meaning("elsewhere", "hard", exc.ServerError),
    "malformed": Meaning("elsewhere", "hard", exc.MalformedResponse),
    "truncated": Meaning("elsewhere", "hard", exc.TruncatedResponse),
    "connection": Meaning("elsewhere", "hard", exc.ConnectionFailed),
}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's failure in canonical form, as an adapter classified it.

    `message` is the provider's own text, cut to a bounded length; it may quote the caller's request and is therefore
    never logged by junctor. `retry_after_s` is the provider's hint in seconds, already clamped to [0, 3600], or None.
    """

    kind: Kind
    message: str
    status: int | None = None
    retry_after_s: float | None = None
    code: str | None = None

    @property
    def meaning(self) -> Meaning:
        """The row of the table for this failure's kind."""
        return KINDS[self.kind]

    def without(self, key: Secret | None) -> Failure:
        """The same failure with the key hidden: some hosts quote it in their refusal."""
        if key is None or (message := key.hide_in(self.message)) == self.message:
            return self
        return msgspec.structs.replace(self, message=message)

    def error(self, *, deployment: str | None = None, provider: str | None = None) -> exc.ProviderError:
        """The exception that tells this failure to the caller."""
        return self.meaning.error(
            f"{provider or 'provider'} answered {self.kind}"
            + (f" (status {self.status})" if self.status else "")
            + (f" at deployment {deployment!r}" if deployment else "")
            + f": {self.message}",
            status=self.status,
            retry_after_s=self.retry_after_s,
            deployment=deployment,
            provider=provider,
            code=self.code,
            words=self.message,
        )
