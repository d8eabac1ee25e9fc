"""What a provider's error means: status, code and words into one failure kind.

A status alone is not enough: the same 429 says "slow down" or "your credit is gone", the same 400 says "your request is
wrong" or "the prompt is too long", and several hosts answer 400 to a bad key. Codes decide first, because they are
meant for programs; then well-known phrases (only those real errors showed, or that the providers document); then the
status; an unknown status by its hundred. Every dialect reads its own body shape and comes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from junctor.adapters.lenient import UNFIT, loads
from junctor.adapters.retry_after import hint_s
from junctor.failures import Failure, Kind

MAX_MESSAGE_CHARS: Final = 1000

BY_STATUS: Final[dict[int, Kind]] = {
    401: "auth",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    429: "rate_limit",
    498: "overloaded",
    499: "timeout",
    503: "overloaded",
    504: "timeout",
    522: "timeout",
    524: "timeout",
    529: "overloaded",
}

_CONTEXT: Final = (
    "maximum context length",
    "max context length",
    "context window",
    "context length",
    "context size",
    "context limit",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input token count",
    "maximum number of tokens allowed",
    "input tokens exceeded",
    "total length of all messages is too long",
    "reduce the length of the messages",
)
_AUTH: Final = ("api key not valid", "incorrect api key", "invalid api key", "api key expired", "invalid x-api-key")
_QUOTA: Final = (
    "credit balance is too low",
    "insufficient balance",
    "insufficient credits",
    "insufficient_quota",
    "api usage limits",
    "spend limit",
    "spending limit",
    "spending cap",
    "billing hard limit",
    "monthly limit",
)
_DAILY: Final = ("per day", "(rpd)", "(tpd)")
_FILTER: Final = ("content management policy", "content filtering policy", "requires moderation", "content_policy")
_BUSY: Final = ("overloaded", "over capacity", "at capacity")

_CALLER_STATUS: Final = frozenset({400, 413, 422})


def effective_status(status: int | None, code: object) -> int | None:
    """The HTTP status, or the one an error inside a successful answer carries as its code."""
    if status is not None and not 200 <= status < 300:
        return status
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return status


def by_status(status: int | None) -> Kind:
    """The kind that a status means when nothing else is known; an unknown one by its hundred."""
    if status is None:
        return "server"  # an error inside a stream that names nothing: retry elsewhere
    known = BY_STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        return "invalid_request"
    return "server" if 500 <= status < 600 else "malformed"


def by_words(status: int | None, message: str) -> Kind | None:
    """The kind that the provider's own text tells, where a status is ambiguous; None if it tells nothing."""
    words = message.lower()
    if status is None or status in _CALLER_STATUS:
        for phrases, kind in _CALLER_WORDS:
            if any(phrase in words for phrase in phrases):
                return kind
    if status in (400, 402, 403, 429, None) and any(phrase in words for phrase in _QUOTA):
        return "quota"
    if status == 429 and any(phrase in words for phrase in _DAILY):
        return "quota"
    if status in (400, 403) and any(phrase in words for phrase in _FILTER):
        return "content_filter"
    if (status is None or status in (429, 500, 502)) and any(phrase in words for phrase in _BUSY):
        return "overloaded"
    return None


_CALLER_WORDS: Final[tuple[tuple[tuple[str, ...], Kind], ...]] = (
    (_CONTEXT, "context_length"),
    (_AUTH, "auth"),
    (_FILTER, "content_filter"),
)


def error_body(body: bytes) -> Any:
    """The decoded body of an error answer; None if it is no JSON. Google wraps stream errors in a list."""
    found = loads(body)
    if isinstance(found, list) and found:
        found = found[0]
    return None if found is UNFIT else found


def words_of(value: object) -> str:
    """A provider's message, whatever it put there, as bounded text."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text[:MAX_MESSAGE_CHARS]


def plain(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure of an answer whose body is no error in the provider's shape (a proxy's HTML, nothing at all)."""
    kind = by_status(status)
    form = headers.get("content-type", "no content type").partition(";")[0]
    return Failure(
        kind="malformed" if 200 <= status < 300 else kind,
        message=f"a body of {len(body)} bytes ({form[:80]}) that is not the provider's JSON",
        status=status,
        retry_after_s=hint_s(headers),
    )


def malformed(message: str, status: int | None = 200) -> Failure:
    """An answer that is not what the provider's API promises."""
    return Failure(kind="malformed", message=message, status=status)


def truncated(message: str = "the stream ended without its terminal marker") -> Failure:
    """A stream that stopped in the middle."""
    return Failure(kind="truncated", message=message, status=200)
