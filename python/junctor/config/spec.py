"""The fleet file as it is typed: closed structs, one per section, with the range of every number.

`Spec` is what the author wrote; `Config` (see `valid`) is what it means. Every struct forbids unknown keys, because a
misspelt limit that is silently ignored is found out by the provider's bill. Ranges stand in the types, so the decoder
checks them in C and the messages and the guide read them from one place. Bounds are generous: they stop slips and
overflow, not large fleets.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from junctor.config.cascades import CascadeSpec
from junctor.config.classifiers import ClassifierSpec
from junctor.config.cloud_spec import CredentialsSpec, Project, Region
from junctor.config.shaping import Cache, Prompts, Prune

CAPABILITIES: Final = (
    "tools",
    "parallel_tools",
    "images",
    "files",
    "audio",
    "structured_output",
    "reasoning",
    "streaming",
    "logprobs",
    "embeddings",
)
"""The words that a deployment's `capabilities` and a condition's flags may use."""

DIMENSIONS: Final = ("rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd", "concurrency", "usd_per_day")
"""The limits that a deployment or a pool may have, in the order in which they are written to the core."""

Capability = Literal[
    "tools",
    "parallel_tools",
    "images",
    "files",
    "audio",
    "structured_output",
    "reasoning",
    "streaming",
    "logprobs",
    "embeddings",
]
AdapterName = Literal["openai", "openai-responses", "anthropic", "gemini", "bedrock", "mistral", "vertex"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Objective = Literal["balanced", "cheapest", "fastest", "best"]

# Names are short words without "/" and blanks: a "/" is what tells a model from a group or a deployment.
Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
        description="a name of up to 100 letters, digits, dots, dashes and underscores",
    ),
]
Model = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[\x21-\x7e]{1,200}\Z",
        description="a provider and a model name, such as anthropic/claude-haiku-4-5",
    ),
]
Word = Annotated[str, Meta(min_length=1, max_length=256, description="a text of 1 to 256 characters")]
Value = Word | Annotated[int, Meta(ge=-(2**53), le=2**53)] | bool
Words = Word | Annotated[list[Word], Meta(min_length=1, max_length=1000)]
Values = Value | Annotated[list[Value], Meta(min_length=1, max_length=1000)]
Text = Annotated[str, Meta(min_length=1, max_length=2000, description="a text of 1 to 2,000 characters")]
Url = Annotated[str, Meta(min_length=1, max_length=2000, description="an http or https address")]
KeyReference = Annotated[str, Meta(min_length=1, max_length=5000, description="a reference: env:NAME or file:path")]

ApiVersion = Annotated[
    str,
    Meta(
        pattern=r"^(\d{4}-\d{2}-\d{2}(-[a-z]{1,20})?|v1|latest|preview)\Z",
        description="a date such as 2024-10-21, with -preview at its end or not, v1, latest or preview",
    ),
]

PerMinute = Annotated[int, Meta(ge=1, le=10**9)]
PerDay = Annotated[int, Meta(ge=1, le=10**12)]  # the core counts in words of 2^40 units
Permits = Annotated[int, Meta(ge=1, le=10**6)]
Tokens = Annotated[int, Meta(ge=1, le=10**8)]
BytesPerToken = Annotated[float, Meta(ge=0.5, le=16)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
Weight = Annotated[float, Meta(ge=0, le=10**6)]
Usd = Annotated[float, Meta(ge=0, le=10_000)]
UsdPerDay = Annotated[float, Meta(ge=0.01, le=10**6)]
UsdPerCall = Annotated[float, Meta(ge=0.000001, le=10_000)]
Seconds = Annotated[float, Meta(ge=0.05, le=3600)]
Wait = Annotated[float, Meta(ge=0, le=3600)]
BurstSeconds = Annotated[float, Meta(ge=1, le=60)]
Share = Annotated[float, Meta(ge=0, le=1)]
Escalation = Literal["free", "one-way"]
MAX_TIERS: Final = 8
"""Dearer prices for longer prompts; providers have one or two."""
HostCount = Annotated[int, Meta(ge=1, le=10_000)]

DEFAULT_HOSTS: Final = 10
"""What a host assumes that never heard of any other: few fleets have more, and a smaller number is the bolder guess."""


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section that refuses keys it does not know."""


class RedisSpec(Closed, frozen=True, kw_only=True):
    """`state: {redis: …}`: an address without a password, or a reference to one.

    `hosts` is how many hosts there are, as long as no coordinator has said.
    """

    redis: KeyReference
    hosts: HostCount = DEFAULT_HOSTS


class AccountingSpec(Closed, frozen=True, kw_only=True):
    """How a provider charges its limits, for hosts that no profile describes."""

    output: Literal["max_tokens", "learned", "none"] = "max_tokens"
    count_cached_input: bool = True
    reconcile: bool = True
    fixed_window: bool = False
    output_weight: Annotated[int, Meta(ge=1, le=100)] = 1


class ProviderSpec(Closed, frozen=True, kw_only=True):
    """One account or host: how it is spoken to and reached."""

    adapter: AdapterName | None = None
    dialects: list[AdapterName] | None = None
    api_version: ApiVersion | None = None
    base_url: Url | None = None
    region: Region | None = None
    project: Project | None = None
    key: KeyReference | None = None
    credentials: CredentialsSpec | None = None
    headers: dict[Word, Annotated[str, Meta(max_length=5000, description="a text, env:NAME or file:path")]] = {}
    accounting: Literal["openai", "azure", "anthropic", "gemini", "bedrock", "default"] | AccountingSpec | None = None
    first_content_timeout_s: Seconds | None = None
    idle_timeout_s: Seconds | None = None
    cache: Cache = "off"


class ResetSpec(Closed, frozen=True, kw_only=True):
    """`reset: {zone: America/Los_Angeles}`: at whose midnight daily limits begin anew."""

    zone: Word


class LimitsSpec(Closed, frozen=True, kw_only=True):
    """The limits that pools and deployments share. Those that are not given are not enforced."""

    rpm: PerMinute | None = None
    tpm: PerMinute | None = None
    input_tpm: PerMinute | None = None
    output_tpm: PerMinute | None = None
    rpd: PerDay | None = None
    tpd: PerDay | None = None
    concurrency: Permits | None = None
    usd_per_day: UsdPerDay | None = None
    burst_s: BurstSeconds | None = None
    reset: ResetSpec | None = None


class PoolSpec(LimitsSpec, frozen=True, kw_only=True):
    """A provider's own quota scope, shared by the deployments that name it."""

    provider: Name | None = None


class RatesSpec(Closed, frozen=True, kw_only=True):
    """US dollars per million tokens. Cached input and writes cost what input costs where they are not given, writes
    that are kept for an hour what shorter ones cost."""

    input: Usd
    output: Usd
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None


class TierSpec(RatesSpec, frozen=True, kw_only=True):
    """What every token of a request costs whose prompt has more than `above` tokens, cached ones included."""

    above: Tokens


class PriceSpec(RatesSpec, frozen=True, kw_only=True):
    """What a request costs, and the dearer tiers for long prompts."""

    tiers: Annotated[list[TierSpec], Meta(max_length=MAX_TIERS)] = []


class DeploymentSpec(LimitsSpec, frozen=True, kw_only=True):
    """One model at one account and region. `keys` makes one deployment per key."""

    model: Model
    provider: Name | None = None
    provider_model: Word | None = None
    key: KeyReference | None = None
    keys: Annotated[list[KeyReference], Meta(min_length=1, max_length=1000)] | None = None
    pools: list[Name] = []
    weight: Weight = 1.0
    region: Word | None = None
    baa: bool = False
    agreements: list[Word] = []
    data: list[Word] = []
    tenants: list[Word] = []
    capabilities: list[Capability] | None = None
    context_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    bytes_per_token: BytesPerToken | None = None
    price: PriceSpec | None = None
    quality: Share = 0.5
    first_content_timeout_s: Seconds | None = None
    idle_timeout_s: Seconds | None = None
    latency_prior_s: Seconds | None = None


class ObjectiveWeights(Closed, frozen=True, kw_only=True):
    """How much quality, cost and speed count for a group; only their proportion matters.

    With `floor`, `gap` or `tolerance` a member whose quality is enough is preferred to one whose is not, and the
    weights choose among those: by cost alone if there are none. A gap is from the best member; a tolerance is a gap as
    a share of the distance between the best and the worst.
    """

    quality: Weight = 0.0
    cost: Weight = 0.0
    latency: Weight = 0.0
    floor: Share | None = None
    gap: Share | None = None
    tolerance: Share | None = None


class ScorerSpec(Closed, frozen=True, kw_only=True):
    """`scorer: {file: scorer.jqs}`: what predicts quality, and whose. Models of equal names need no line.

    `models` says which of the artifact's models a model of the fleet is, `like` which one a model resembles that was
    not measured.
    """

    file: Word
    models: dict[Model, Word] = {}
    like: dict[Model, Word] = {}


class GroupSpec(Closed, frozen=True, kw_only=True):
    """Interchangeable deployments behind one name. `fallback` groups are a visible downgrade, tried in order.

    `explore` is the share of choices that go to a model drawn evenly among those that may be chosen, whatever the
    objective says. With 0 none do, but every member is looked at, so that receipts tell how likely each choice was.
    """

    members: Annotated[list[Name], Meta(min_length=1)]
    fallback: list[Word] = []
    objective: Objective | ObjectiveWeights = "balanced"
    explore: Share | None = None
    affinity: Literal["off", "prefix", "session"] | None = None
    hedge: bool = False
    prune: Prune | None = None
    cache: Cache | None = None
    escalation: Escalation = "free"


class RangeSpec(Closed, frozen=True, kw_only=True):
    """Inclusive bounds; a missing one is open."""

    min: Count | None = None
    max: Count | None = None


class TagSpec(Closed, frozen=True, kw_only=True):
    """A test of one tag other than equality."""

    prefix: Word | None = None
    present: bool | None = None


Number = Annotated[str, Meta(max_length=64)] | Count | RangeSpec


class ConditionSpec(Closed, frozen=True, kw_only=True):
    """What a request must be like; several keys must all hold. An empty condition holds always."""

    task: Values | None = None
    user_tier: Values | None = None
    priority: Values | None = None
    tenant: Values | None = None
    data: Values | None = None
    model: Values | None = None
    input_tokens: Number | None = None
    prompt_chars: Number | None = None
    output_tokens: Number | None = None
    tools: bool | None = None
    parallel_tools: bool | None = None
    images: bool | None = None
    files: bool | None = None
    audio: bool | None = None
    structured_output: bool | None = None
    reasoning: bool | None = None
    streaming: bool | None = None
    logprobs: bool | None = None
    embeddings: bool | None = None
    tags: dict[Word, Value | Annotated[list[Value], Meta(min_length=1, max_length=1000)] | TagSpec] = {}
    all: list[ConditionSpec] | None = None
    any: Annotated[list[ConditionSpec], Meta(min_length=1)] | None = None
    not_: ConditionSpec | None = msgspec.field(default=None, name="not")


class RequireSpec(Closed, frozen=True, kw_only=True):
    """What a deployment must be so that a matching request may reach it. All given keys must hold."""

    region: Words | None = None
    provider: Words | None = None
    not_provider: Words | None = None
    agreements: Words | None = None
    baa: bool | None = None
    data: Words | None = None


class ComplianceSpec(Closed, frozen=True, kw_only=True):
    """A law: applied before everything else and again on every retry and fallback."""

    require: RequireSpec
    when: ConditionSpec = ConditionSpec()
    name: Word | None = None


class RuleSpec(Closed, frozen=True, kw_only=True):
    """What the operator wants for requests that match. The first match wins."""

    name: Word | None = None
    when: ConditionSpec = ConditionSpec()
    use: Word | None = None
    cascade: Word | None = None
    classify: Word | None = None
    max_tokens: Tokens | None = None
    effort: Effort | None = None
    max_cost_usd: UsdPerCall | None = None
    refuse: Text | None = None
    prune: Prune | None = None


class BalanceSpec(Closed, frozen=True, kw_only=True):
    """How strongly latency, silence and prompt affinity move the choice among free deployments."""

    gamma: Share = 0.5
    age_factor: Annotated[float, Meta(ge=0.5, le=1000)] | Literal["off"] = 4.0
    affinity_bound: Annotated[float, Meta(ge=1, le=10)] = 1.25
    prefill_us_per_token: Annotated[float, Meta(ge=0, le=10_000)] = 50.0


class RetrySpec(Closed, frozen=True, kw_only=True):
    """The budget of extra attempts, shared by everything that uses one router."""

    ratio: Share = 0.2
    floor_per_s: Annotated[float, Meta(ge=0, le=1000)] = 3.0


class SessionsSpec(Closed, frozen=True, kw_only=True):
    """Sessions: when one begins anew, how many are remembered, what all calls of one may cost and use together."""

    idle_s: Annotated[float, Meta(ge=1, le=7 * 86_400)] = 3600.0
    most: Annotated[int, Meta(ge=1, le=10**6)] = 10_000
    budget_usd: UsdPerDay | None = None
    budget_tokens: Tokens | None = None


class DispatchSpec(Closed, frozen=True, kw_only=True):
    """Defaults for the client's attempts; a call may ask for less time."""

    attempts: Annotated[int, Meta(ge=1, le=3)] = 3
    deadline_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 300.0
    first_content_timeout_s: Seconds = 20.0
    idle_timeout_s: Seconds = 30.0
    max_wait_s: Wait = 2.0


class FleetSpec(Closed, frozen=True, kw_only=True):
    """A whole fleet file."""

    version: Literal[1]
    deployments: dict[Name, DeploymentSpec]
    name: Name | None = None
    state: Literal["process", "host"] | RedisSpec | None = None
    catalog: Word | None = None
    providers: dict[Name, ProviderSpec] = {}
    pools: dict[Name, PoolSpec] = {}
    groups: dict[Name, GroupSpec] = {}
    cascades: dict[Name, CascadeSpec] = {}
    classifiers: dict[Name, ClassifierSpec] = {}
    compliance: list[ComplianceSpec] = []
    rules: list[RuleSpec] = []
    gateway: dict[str, Any] | None = None  # read by `gateway_spec`, which builds on this module
    balance: BalanceSpec = BalanceSpec()
    retry: RetrySpec = RetrySpec()
    dispatch: DispatchSpec = DispatchSpec()
    prompts: Prompts = {}
    scorer: ScorerSpec | None = None
    sessions: SessionsSpec | None = None
