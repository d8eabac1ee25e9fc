"""The section `gateway:` of a fleet file: who may come in over HTTP, and within which bounds.

It is a section of its own with a reader of its own, because a fleet without a gateway never looks at it: `FleetSpec`
keeps the mapping as written, and `gateway` here makes the closed form of it with the same messages as everywhere else.
It decides nothing about routing, so it is not in the hash that receipts carry.

Keys stand in it as SHA-256 digests and never in clear, so the file may be committed like any other fleet file;
`junctor key NAME` makes both.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from junctor.config.errors import Path, Problems, did_you_mean, scrub, show
from junctor.config.read import look
from junctor.config.spec import Closed, LimitsSpec, Word

MAX_KEYS: Final = 10_000  # each is two deployments of the keys' own fleet at most, whose bound is 20,000
MIB: Final = 2**20
AUTO: Final = "auto"

KeyName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z",
        description="a name of up to 64 letters, digits, dots, dashes and underscores",
    ),
]
KeyHash = Annotated[
    str,
    Meta(
        pattern=r"^sha256:[0-9a-f]{64}\Z", description="sha256: and 64 hexadecimal digits, as `junctor key` prints them"
    ),
]
Day = Annotated[str, Meta(min_length=10, max_length=40, description="a day or a time in ISO form, such as 2027-01-31")]
Bytes = Annotated[int, Meta(ge=1024, le=1024 * MIB)]
ReadSeconds = Annotated[float, Meta(ge=0.05, le=3600)]
WaitSeconds = Annotated[float, Meta(ge=0, le=3600)]


class KeySpec(LimitsSpec, frozen=True, kw_only=True):
    """One key of the gateway: whose it is, what it may ask for, and how much.

    `groups` and `models` name what it may ask for, everything if both are empty. `tenant`, `tags` and `user_tier` are
    put on its requests and cannot be set by them. From `expires` on (midnight UTC for a day) it is refused. `metrics`
    lets it read `/metrics`. The limits are those of deployments, and hold for the key over all workers and hosts that
    share the fleet's state.
    """

    hash: KeyHash
    tenant: Word | None = None
    groups: list[Word] = msgspec.field(default_factory=list)
    models: list[Word] = msgspec.field(default_factory=list)
    tags: dict[Word, Word] = msgspec.field(default_factory=dict)
    user_tier: Word | None = None
    expires: Day | None = None
    metrics: bool = False


class GatewaySpec(Closed, frozen=True, kw_only=True):
    """The whole section. `keys: none` lets everybody in, which is for loopback only and has to be said.

    Bodies larger than `max_body_bytes` and bodies that take longer than `body_timeout_s` are refused; a reader that
    takes nothing for `write_timeout_s` is left. `metrics` says who may read `/metrics`: keys with `metrics: true`,
    everybody, nobody. On the way out `/readyz` says so for `drain_notice_s` before new connections are refused, and
    requests under way have `drain_s` from then on.
    """

    keys: Literal["none"] | dict[KeyName, KeySpec]
    metrics: Literal["keys", "open", "off"] = "keys"
    max_body_bytes: Bytes = 32 * MIB
    body_timeout_s: ReadSeconds = 30.0
    write_timeout_s: ReadSeconds = 60.0
    drain_notice_s: WaitSeconds = 2.0
    drain_s: WaitSeconds = 30.0

    @property
    def named(self) -> Mapping[str, KeySpec]:
        """The keys; none if everybody may come in."""
        return {} if self.keys == "none" else self.keys


def gateway(raw: Mapping[str, Any] | None, names: Collection[str], problems: Problems) -> GatewaySpec | None:
    """The section in its closed form; None if there is none, or after saying what is wrong with it.

    `names` is everything that requests of this fleet may ask for.
    """
    if raw is None:
        return None
    before = len(problems.found)
    try:
        spec = msgspec.convert(raw, GatewaySpec)
    except msgspec.ValidationError as error:
        look(raw, GatewaySpec, ("gateway",), problems)
        if len(problems.found) == before:
            problems.error(("gateway",), scrub(str(error)))
        return None
    _check_keys(spec.named, names, problems)
    return spec


def expiry_s(text: str) -> float:
    """Unix time of a day (its midnight) or a time, UTC if it names no zone. Raises `ValueError` for anything else."""
    moment = datetime.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _check_keys(keys: Mapping[str, KeySpec], names: Collection[str], problems: Problems) -> None:
    where: Path = ("gateway", "keys")
    if len(keys) > MAX_KEYS:
        problems.error(where, f"{len(keys):,} keys are more than the {MAX_KEYS:,} that one gateway may have")
    seen: dict[str, str] = {}
    for name, key in keys.items():
        path = (*where, name)
        if key.hash in seen:
            problems.error((*path, "hash"), f"is that of {seen[key.hash]} already; every key needs one of its own")
        seen.setdefault(key.hash, name)
        for word in ("groups", "models"):
            for index, asked in enumerate(getattr(key, word)):
                if asked != AUTO and asked not in names:
                    hint = did_you_mean(asked, names, what="groups, models and deployments")
                    problems.error(
                        (*path, word, index), f"there is no group, model or deployment {show(asked)}; {hint}"
                    )
        if key.expires is not None:
            try:
                expiry_s(key.expires)
            except (ValueError, OverflowError):
                problems.error((*path, "expires"), f"{show(key.expires)} is no day and no time; write it as 2027-01-31")
