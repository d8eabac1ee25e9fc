"""The keys of a simulated provider: what each may do, and what happened on it."""

from __future__ import annotations

from random import Random

import msgspec

from junctor.testing.counts import Counts
from junctor.testing.dialects import DIALECTS
from junctor.testing.faults import Fault, Kind
from junctor.testing.latency import Latency
from junctor.testing.prompt_cache import PromptCache
from junctor.testing.quota import Limits, Quota


class Key(msgspec.Struct, frozen=True):
    """One API key.

    `secret` is what the client sends; `name` is how counters and faults call it (default: the secret itself, which is
    a made-up one here). `dialect` is `openai` or `openai-responses` (either takes both of
    OpenAI's interfaces), `anthropic`, `gemini`, `bedrock` (there a bearer token, or the access key id of signatures) or
    `mistral`. Keys that name the same `quota` share its limits, as keys of one
    organisation do, and must state the same `limits`. `latency` overrides the provider's.
    """

    secret: str
    dialect: str = "openai"
    region: str = "us"
    name: str = ""
    limits: Limits = Limits()
    quota: str | None = None
    latency: Latency | None = None

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise ValueError(f"key {self.label!r}: dialect is {self.dialect!r}, allowed are {', '.join(DIALECTS)}")

    @property
    def label(self) -> str:
        """The name, or the secret when no name was given."""
        return self.name or self.secret


class Account:
    """A key at run time: its buckets, its dice, its counters, its prompt cache and the faults that hit it now."""

    def __init__(self, key: Key, quota: Quota, *, seed: int) -> None:
        self.key = key
        self.quota = quota
        self.counts = Counts()
        self.random = Random(f"{seed}/{key.label}")
        self.faults: tuple[Fault, ...] = ()
        self.cache = PromptCache()

    def hit_by(self) -> dict[Kind, Fault]:
        """The faults that hit the next request; of several of one kind the first."""
        hit: dict[Kind, Fault] = {}
        for fault in self.faults:
            if (fault.rate >= 1.0 or self.random.random() < fault.rate) and fault.kind not in hit:
                hit[fault.kind] = fault
                self.counts.saw_fault(fault.kind)
        return hit


def open_accounts(keys: list[Key], *, seed: int, now_s: float) -> dict[tuple[str, str], Account]:
    """Accounts by provider and secret. Raises ValueError for a key named twice and for a quota stated in two ways."""
    quotas: dict[str, Quota] = {}
    accounts: dict[tuple[str, str], Account] = {}
    labels: set[str] = set()
    for key in keys:
        provider = DIALECTS[key.dialect].name
        if key.label in labels or (provider, key.secret) in accounts:
            raise ValueError(f"key {key.label!r} appears twice; give each key its own secret and name")
        labels.add(key.label)
        shared = key.quota or f"key {key.label}"
        quota = quotas.setdefault(shared, Quota(key.limits, now_s=now_s))
        if quota.limits != key.limits:
            raise ValueError(f"key {key.label!r} states other limits for quota {shared!r} than the key before it")
        accounts[provider, key.secret] = Account(key, quota, seed=seed)
    return accounts
