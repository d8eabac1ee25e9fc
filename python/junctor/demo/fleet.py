"""The demo's fleet: ten keys at three providers in two regions, told once for both sides.

The simulated providers are given the keys and enforce their limits; the client is given a fleet file about them. Both
come from one table, since a demo whose two halves disagree would show faults that nobody injected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from junctor import config
from junctor.config import Config
from junctor.request import Secret
from junctor.testing import Key, Latency, Limits

REGIONS: Final = ("us", "eu")
GROUPS: Final = ("strong", "small")
"""Each falls back to those after it."""

BURST_S: Final = 5
"""Seconds of a limit that may be used at once: providers reject shorter bursts than a minute's, and so do ours."""

TIME_SCALE: Final = 0.1
"""The models run ten times as fast as real ones, so that a day's worth of calls fits into seconds."""

TIMEOUT_S: Final = 2.0
"""Until the first content and between two pieces of it: 20 s of a real model."""

DEADLINE_S: Final = 6.0
MAX_WAIT_S: Final = 1.0
EU_PERSONAL: Final = "eu-personal"


class Model(msgspec.Struct, frozen=True):
    """One model: its name, its group, and how fast it is at real speed."""

    name: str
    group: str
    first_token_s: float
    per_output_token_s: float

    @property
    def latency(self) -> Latency:
        """As the simulated provider takes it, with a realistic spread."""
        return Latency(
            first_token_s=self.first_token_s,
            per_input_token_s=0.000_05,
            per_output_token_s=self.per_output_token_s,
            sigma=0.5,
        )


GPT: Final = Model("openai/gpt-5.6", "strong", 0.45, 0.010)
OPUS: Final = Model("anthropic/claude-opus-4-8", "strong", 0.60, 0.014)
PRO: Final = Model("gemini/gemini-3.1-pro-preview", "strong", 0.50, 0.010)
HAIKU: Final = Model("anthropic/claude-haiku-4-5", "small", 0.30, 0.007)
FLASH: Final = Model("gemini/gemini-3.5-flash", "small", 0.25, 0.006)


class KeyPlan(msgspec.Struct, frozen=True):
    """One key and the deployment that uses it. Limits are per minute; `quota` names one that keys share."""

    name: str
    model: Model
    region: str
    rpm: int
    tpm: int
    quota: str | None = None

    @property
    def dialect(self) -> str:
        """The provider's dialect, which is also its name."""
        return self.model.name.partition("/")[0]

    @property
    def secret(self) -> str:
        """A made-up key: it opens nothing but the simulated provider."""
        return f"demo-{self.name}"

    @property
    def limits(self) -> dict[str, int]:
        """The limits in a fleet file's words; Anthropic counts input and output apart."""
        if self.dialect == "anthropic":
            return {"rpm": self.rpm, "input_tpm": self.tpm, "output_tpm": self.tpm // 4}
        return {"rpm": self.rpm, "tpm": self.tpm}

    @property
    def weight(self) -> float:
        """Its part of the requests per minute: keys that share a quota halve it between the two of them."""
        return self.rpm / (600 if self.quota else 300)

    @property
    def key(self) -> Key:
        """The key as the simulated provider knows it."""
        return Key(
            self.secret,
            dialect=self.dialect,
            region=self.region,
            name=self.name,
            limits=Limits(**self.limits, burst_s=BURST_S),
            quota=self.quota,
            latency=self.model.latency,
        )


KEYS: Final = (
    KeyPlan("gpt-us-a", GPT, "us", 1_500, 2_100_000),
    KeyPlan("gpt-us-b", GPT, "us", 360, 600_000),
    KeyPlan("gpt-eu", GPT, "eu", 540, 800_000),
    KeyPlan("opus-us", OPUS, "us", 960, 1_200_000, quota="acme-opus"),
    KeyPlan("opus-eu", OPUS, "eu", 960, 1_200_000, quota="acme-opus"),
    KeyPlan("pro-us", PRO, "us", 660, 900_000),
    KeyPlan("haiku-us", HAIKU, "us", 1_200, 1_400_000),
    KeyPlan("haiku-eu", HAIKU, "eu", 480, 600_000),
    KeyPlan("flash-us", FLASH, "us", 1_500, 1_800_000),
    KeyPlan("flash-eu", FLASH, "eu", 660, 800_000),
)
"""Quotas differ as they do in life: who balances evenly runs into the small ones. The strong keys together have room
for all of their traffic until one of them dies; then some of it has to go to the small group."""


def provider_keys() -> list[Key]:
    """What the simulated providers serve."""
    return [plan.key for plan in KEYS]


def members(group: str) -> list[KeyPlan]:
    """The keys of a group."""
    return [plan for plan in KEYS if plan.model.group == group]


def fleet(base_url: Callable[[str, str], str]) -> Config:
    """The fleet as the client is told it. `base_url` gives the address of a dialect in a region.

    Keys are put in place of their references, as a program would that holds keys of its own.
    """
    found = config.from_mapping(mapping(base_url), source="demo")
    secrets = {plan.name: Secret(plan.secret, f"demo:{plan.name}") for plan in KEYS}
    placed = tuple(msgspec.structs.replace(item, key=secrets[item.name]) for item in found.deployments)
    return msgspec.structs.replace(found, deployments=placed)


def mapping(base_url: Callable[[str, str], str]) -> dict[str, Any]:
    """The same in the shape of a fleet file."""
    sites = dict.fromkeys((plan.dialect, plan.region) for plan in KEYS)
    shared = {plan.quota: plan for plan in KEYS if plan.quota}
    return {
        "version": 1,
        "state": "process",
        "providers": {
            f"{dialect}-{region}": {"adapter": dialect, "base_url": base_url(dialect, region)}
            for dialect, region in sites
        },
        "pools": {name: {**plan.limits, "burst_s": BURST_S} for name, plan in shared.items()},
        "deployments": {plan.name: _deployment(plan) for plan in KEYS},
        "groups": {
            "strong": {"members": [plan.name for plan in members("strong")], "fallback": ["small"]},
            "small": {"members": [plan.name for plan in members("small")]},
        },
        "compliance": [
            {"name": "EU personal data", "when": {"data": EU_PERSONAL}, "require": {"region": "eu"}},
        ],
        "rules": list(RULES),
        "dispatch": {
            "deadline_s": DEADLINE_S,
            "max_wait_s": MAX_WAIT_S,
            "first_content_timeout_s": TIMEOUT_S,
            "idle_timeout_s": TIMEOUT_S,
        },
    }


RULES: Final[tuple[Mapping[str, Any], ...]] = (
    {"name": "free tier", "when": {"user_tier": "free"}, "use": "small"},
    {"name": "classification", "when": {"task": "classification"}, "use": "small"},
    {"name": "otherwise", "use": "strong"},
)


def _deployment(plan: KeyPlan) -> dict[str, Any]:
    own = {"pools": [plan.quota]} if plan.quota else {**plan.limits, "burst_s": BURST_S}
    return {
        "model": plan.model.name,
        "provider": f"{plan.dialect}-{plan.region}",
        "key": f"env:DEMO_{plan.name.upper().replace('-', '_')}",
        "region": plan.region,
        "weight": plan.weight,
        "latency_prior_s": max(0.05, plan.model.first_token_s * TIME_SCALE),
        **own,
    }
