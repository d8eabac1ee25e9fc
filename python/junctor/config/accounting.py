"""What providers enforce, as data with a date: how a call is charged to their limits, and when days begin.

Providers count differently: one holds `max_tokens` at admission, another counts only what was written, a third counts
input only. Charging all alike either wastes quota or runs into 429s. The table is data so that a change at a provider
is one line here, or one line (`accounting:`) in the fleet file until then.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

AS_OF: Final = "2026-11-01"

Output = Literal["max_tokens", "learned", "none"]


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider charges.

    `output`: what is held for the answer at admission: `max_tokens` of the request, the `learned` usual length, or
    `none` where output is not limited. `count_cached_input`: cached prompt tokens count against the limit.
    `reconcile`: what was held and not used comes back within the window. `fixed_window`: the counter restarts each
    minute instead of refilling all the time. `output_weight`: how many tokens of `tpm` and `tpd` a written token takes.
    `reset_zone`: at whose midnight daily limits begin anew. `name`: the profile's word in the fleet file, empty for one
    that the file spells out.
    """

    output: Output = "max_tokens"
    count_cached_input: bool = True
    reconcile: bool = True
    fixed_window: bool = False
    output_weight: int = 1
    reset_zone: str = "UTC"
    source: str = ""
    name: str = ""


PROFILES: Final[dict[str, Accounting]] = {
    "openai": Accounting(
        name="openai",
        source="help.openai.com/en/articles/5955604: max_tokens or an estimate, the larger one; continuous refill",
    ),
    "azure": Accounting(
        name="azure",
        reconcile=False,
        fixed_window=True,
        source="learn.microsoft.com, Azure OpenAI quota: prompt + max_tokens, not reconciled, reset each minute",
    ),
    "anthropic": Accounting(
        name="anthropic",
        output="learned",
        count_cached_input=False,
        source="platform.claude.com, rate limits: output counted as produced, cache reads free on most models",
    ),
    "gemini": Accounting(
        name="gemini",
        output="none",
        reset_zone="America/Los_Angeles",
        source="ai.google.dev, rate limits: tokens per minute count input only, days begin at midnight Pacific",
    ),
    "bedrock": Accounting(
        name="bedrock",
        count_cached_input=False,
        source="docs.aws.amazon.com, Bedrock quotas-token-burndown: input, cache writes and max_tokens at admission",
    ),
    "default": Accounting(
        name="default", source="no provider's word: the careful reading, used for hosts that have no profile"
    ),
}

CLAUDE_AT_AWS: Final = 5
"""Tokens of the quota for each one that Claude writes, from 3.7 on; input and older models count as they are."""

_WEIGHTY_AT_AWS: Final = re.compile(r"anthropic\.claude-(?!v|instant|[12]\b|3-(?:haiku|sonnet|opus|5)\b)")


def weight_of(accounting: Accounting, model: str) -> int:
    """How many tokens of a limit a written token takes, at a provider that counts so for this model of its."""
    if accounting.name == "bedrock" and _WEIGHTY_AT_AWS.search(model):
        return CLAUDE_AT_AWS
    return accounting.output_weight
