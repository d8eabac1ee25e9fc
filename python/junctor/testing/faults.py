"""The ways a provider fails, as values that are switched on and off while it runs.

Each constructor makes one `Fault`. A fault hits a request with probability `rate`; several may be active at once, and
the first that ends the request wins, in the order of the list below. Streams only: `stall`, `cut` and `stream_error`
hit streamed answers; on a whole answer `cut` breaks the body in half, `stall` never finishes it, and `stream_error`
does nothing.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Kind = Literal[
    "dead", "hang", "throttle", "spend_cap", "overloaded", "server_error", "html", "empty",
    "slow", "stall", "cut", "stream_error", "no_usage", "unsure", "lying_headers", "lost",
]  # fmt: skip
Break = Literal["close", "reset", "clean"]
Cause = Literal["overloaded", "server", "rate_limit"]


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to fail; made by the constructors of this module, which say what the fields mean."""

    kind: Kind
    rate: float = 1.0
    factor: float = 1.0
    status: int | None = None
    retry_after_s: float | None = None
    after_events: int = 0
    how: Break = "close"
    cause: Cause = "overloaded"
    remaining: str = "999999999"
    limit: str | None = None
    logprob: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise ValueError(f"fault {self.kind}: rate is {self.rate}, allowed is 0 to 1")
        if self.after_events < 0:
            raise ValueError(f"fault {self.kind}: after_events is {self.after_events}, allowed is 0 or more")
        if self.factor <= 0:
            raise ValueError(f"fault {self.kind}: factor is {self.factor}, allowed is above 0")
        if self.status is not None and not 400 <= self.status <= 599:
            raise ValueError(f"fault {self.kind}: status is {self.status}, allowed is 400 to 599")
        for name, word, allowed in (("how", self.how, get_args(Break)), ("cause", self.cause, get_args(Cause))):
            if word not in allowed:
                raise ValueError(f"fault {self.kind}: {name} is {word!r}, allowed are {', '.join(allowed)}")


def dead() -> Fault:
    """The key is revoked: 401 (Gemini: 400 with API_KEY_INVALID, as it really answers)."""
    return Fault(kind="dead")


def hang(rate: float = 1.0) -> Fault:
    """The request is accepted and never answered."""
    return Fault(kind="hang", rate=rate)


def throttle(rate: float = 1.0, *, retry_after_s: float | None = None) -> Fault:
    """A storm of 429s whatever the real limits say, with a hint in seconds or with none."""
    return Fault(kind="throttle", rate=rate, retry_after_s=retry_after_s)


def spend_cap(*, status: int | None = None) -> Fault:
    """The account's money is used up: 429 without any hint, in the provider's words.

    `status` overrides the 429: Anthropic has been seen to say the same with 400.
    """
    return Fault(kind="spend_cap", status=status)


def overloaded(rate: float = 1.0) -> Fault:
    """The provider has no room: 529 from Anthropic, 503 from the others."""
    return Fault(kind="overloaded", rate=rate)


def server_error(rate: float = 1.0, *, status: int = 500) -> Fault:
    """A failing provider: `status` with its error body, at once."""
    return Fault(kind="server_error", rate=rate, status=status)


def html(rate: float = 1.0) -> Fault:
    """Status 200 with a web page, as captive proxies and load balancers send it."""
    return Fault(kind="html", rate=rate)


def empty(rate: float = 1.0) -> Fault:
    """Status 200 with an empty body."""
    return Fault(kind="empty", rate=rate)


def slow(factor: float, rate: float = 1.0) -> Fault:
    """Everything takes `factor` times as long."""
    return Fault(kind="slow", factor=factor, rate=rate)


def stall(after_events: int = 0, rate: float = 1.0) -> Fault:
    """Headers, the prelude and `after_events` content events arrive; then silence on an open connection."""
    return Fault(kind="stall", after_events=after_events, rate=rate)


def cut(after_events: int = 0, rate: float = 1.0, *, how: Break = "close") -> Fault:
    """The stream ends after the prelude and `after_events` content events.

    `close`: the connection ends inside the chunked body. `reset`: it breaks (RST). `clean`: HTTP ends properly, but
    the provider's terminal marker never came.
    """
    return Fault(kind="cut", after_events=after_events, rate=rate, how=how)


def stream_error(after_events: int = 0, rate: float = 1.0, *, cause: Cause = "overloaded") -> Fault:
    """Status 200, the prelude, `after_events` content events, then the provider's error event."""
    return Fault(kind="stream_error", after_events=after_events, rate=rate, cause=cause)


def no_usage() -> Fault:
    """Answers that report no usage."""
    return Fault(kind="no_usage")


def unsure(logprob: float | None = None, rate: float = 1.0) -> Fault:
    """Answers whose words have this log-probability, told to who asks; None: answers that tell none."""
    return Fault(kind="unsure", logprob=logprob, rate=rate)


def lying_headers(remaining: str = "999999999", *, limit: str | None = None) -> Fault:
    """Rate-limit headers that say `remaining` (and `limit`) whatever is true; any text, to test parsers."""
    return Fault(kind="lying_headers", remaining=remaining, limit=limit)


def lost(how: Literal["close", "reset"] = "close") -> Fault:
    """A region is gone: connections are refused, or with `reset` accepted and broken. Needs `region=`."""
    return Fault(kind="lost", how=how)
