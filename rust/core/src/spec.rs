//! The fleet as it arrives: plain serde types, one to one with the JSON that the Python configuration writes.
//!
//! Everything has been validated once, with file and path, before it gets here. [`crate::fleet`] still refuses what it
//! cannot represent, because a core that trusts its caller is a core that panics one day.

use serde::Deserialize;

use crate::learned::standing::ScorerSpec;
use crate::rules::Predicate;
use crate::session::SessionSpec;

/// A whole fleet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetSpec {
    /// Names this configuration in receipts; equal for equal configurations.
    pub config_hash: String,
    /// Wall-clock seconds (Unix) at the router's time zero: where calendar days begin.
    pub wall_epoch_s: i64,
    /// Quota scopes.
    pub pools: Vec<PoolSpec>,
    /// Deployments; their order is the order of the endpoints beside them.
    pub deployments: Vec<DeploymentSpec>,
    /// Named groups. Each model and each deployment is a group of its own as well.
    pub groups: Vec<GroupSpec>,
    /// What the law asks for.
    pub compliance: Vec<ClauseSpec>,
    /// What the operator asks for; the first match wins.
    pub rules: Vec<RuleSpec>,
    /// Constants of the balancer.
    pub balance: BalanceSpec,
    /// Constants of the retry budget.
    pub retry: RetrySpec,
    /// Whether its limits are shared with other hosts.
    pub leases: Option<LeaseSpec>,
    /// What predicts quality, if anything does.
    pub scorer: Option<ScorerSpec>,
    /// What holds for sessions, if anything does.
    pub sessions: Option<SessionSpec>,
}

/// A provider's quota scope: an organisation, project, class of models or region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSpec {
    /// Its name; state is kept by it across reloads.
    pub name: String,
    /// Its limits, one per dimension.
    pub limits: Vec<LimitSpec>,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Requests per minute.
    Rpm,
    /// Input and output tokens per minute.
    Tpm,
    /// Input tokens per minute.
    InputTpm,
    /// Output tokens per minute.
    OutputTpm,
    /// Requests per day.
    Rpd,
    /// Input and output tokens per day.
    Tpd,
    /// Attempts in flight.
    Concurrency,
    /// Micro-dollars per day.
    UsdPerDay,
}

impl Dimension {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Rpm,
        Self::Tpm,
        Self::InputTpm,
        Self::OutputTpm,
        Self::Rpd,
        Self::Tpd,
        Self::Concurrency,
        Self::UsdPerDay,
    ];

    /// The word for it in configuration, receipts and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Tpm => "tpm",
            Self::InputTpm => "input_tpm",
            Self::OutputTpm => "output_tpm",
            Self::Rpd => "rpd",
            Self::Tpd => "tpd",
            Self::Concurrency => "concurrency",
            Self::UsdPerDay => "usd_per_day",
        }
    }

    /// The dimension called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "rpm" => Self::Rpm,
            "tpm" => Self::Tpm,
            "input_tpm" => Self::InputTpm,
            "output_tpm" => Self::OutputTpm,
            "rpd" => Self::Rpd,
            "tpd" => Self::Tpd,
            "concurrency" => Self::Concurrency,
            "usd_per_day" => Self::UsdPerDay,
            _ => return None,
        })
    }
}

/// One limit of a pool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    /// What is counted.
    pub dimension: Dimension,
    /// How much of it fits in a window; micro-dollars for money.
    pub limit: u64,
    /// Length of the window in seconds. Unused for concurrency.
    #[serde(default = "minute_s")]
    pub window_s: f64,
    /// How many seconds of the limit may pass at once.
    #[serde(default = "burst_s")]
    pub burst_s: f64,
    /// `(from wall second, offset from UTC in seconds)`: the limit starts anew at each local midnight.
    #[serde(default)]
    pub calendar: Option<Vec<(i64, i32)>>,
    /// The provider counts by its own wall minutes, so no 60 seconds may hold more than the limit.
    #[serde(default)]
    pub fixed_window: bool,
}

const fn minute_s() -> f64 {
    60.0
}

const fn burst_s() -> f64 {
    10.0
}

/// One model at one provider account and region, with its own quota.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeploymentSpec {
    /// Its name; state is kept by it across reloads.
    pub name: String,
    /// Whose it is.
    pub provider: String,
    /// `provider/model`, the name under which the model can be asked for.
    pub model: String,
    /// Where requests are processed; empty if unknown.
    pub region: String,
    /// Share of traffic relative to the other members of a group; 0 drains the deployment.
    pub weight: f64,
    /// Pools that it draws from, shared ones first.
    pub pools: Vec<String>,
    /// Capability words.
    pub capabilities: Vec<String>,
    /// Longest prompt plus answer in tokens; `None` if unknown.
    pub context_tokens: Option<u64>,
    /// Longest answer in tokens; `None` if unknown.
    pub max_output_tokens: Option<u64>,
    /// Tokens of its model's tokenizer per thousand of a request's estimate.
    pub tokens_permille: u16,
    /// Agreements in force, such as `baa`.
    pub agreements: Vec<String>,
    /// Data classes that it is cleared for.
    pub data: Vec<String>,
    /// Tenants that may use it; empty for all.
    pub tenants: Vec<String>,
    /// What it charges.
    pub price: Price,
    /// Predicted quality in [0, 1], used until something better is known.
    pub quality: f64,
    /// How its provider counts.
    pub accounting: Accounting,
    /// Longest wait for the first content in seconds; also the lease of a breaker's probe, up to 60 s.
    pub first_content_timeout_s: f64,
    /// Expected time to first content before anything was measured, in seconds.
    pub latency_prior_s: f64,
}

impl Default for DeploymentSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            provider: String::new(),
            model: String::new(),
            region: String::new(),
            weight: 1.0,
            pools: Vec::new(),
            capabilities: Vec::new(),
            context_tokens: None,
            max_output_tokens: None,
            tokens_permille: 1_000,
            agreements: Vec::new(),
            data: Vec::new(),
            tenants: Vec::new(),
            price: Price::default(),
            quality: 0.5,
            accounting: Accounting::default(),
            first_content_timeout_s: 20.0,
            latency_prior_s: 0.8,
        }
    }
}

/// Micro-dollars per million tokens, as they are written; [`crate::price`] has them as they are charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// Input tokens that were not cached.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the provider's prompt cache; the input price if not given.
    pub cached_input: Option<u64>,
    /// Input tokens written to the provider's prompt cache; the input price if not given.
    pub cache_write: Option<u64>,
    /// Those that are kept for an hour; the price of other writes if not given.
    pub cache_write_1h: Option<u64>,
    /// Dearer prices of long prompts.
    pub tiers: Vec<Tier>,
}

/// What every token of a request costs whose prompt has more than `above` tokens, cached ones included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// The longest prompt that is not of this tier.
    pub above: u64,
    /// As [`Price::input`].
    pub input: u64,
    /// As [`Price::output`].
    pub output: u64,
    /// As [`Price::cached_input`].
    pub cached_input: Option<u64>,
    /// As [`Price::cache_write`].
    pub cache_write: Option<u64>,
    /// As [`Price::cache_write_1h`].
    pub cache_write_1h: Option<u64>,
}

/// What a provider holds against the output limit when a request arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputAccounting {
    /// The request's `max_tokens`.
    #[default]
    MaxTokens,
    /// Only what was really generated: the learned 90th percentile is held.
    Learned,
    /// Output does not count.
    None,
}

/// How a provider counts tokens against its limits. Data with a date, kept by the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounting {
    /// What is held for the answer.
    pub output: OutputAccounting,
    /// Whether input tokens read from the prompt cache count against token limits.
    pub count_cached_input: bool,
    /// Whether the provider corrects its count once the real usage is known.
    pub reconcile: bool,
    /// How many tokens of the limits over input and output each token of the answer takes once it is written.
    pub output_weight: u8,
}

impl Default for Accounting {
    fn default() -> Self {
        Self { output: OutputAccounting::MaxTokens, count_cached_input: true, reconcile: true, output_weight: 1 }
    }
}

/// Interchangeable deployments behind one name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Names of its deployments.
    pub members: Vec<String>,
    /// Names of the groups to fall back to, in order: a visible downgrade.
    pub fallback: Vec<String>,
    /// What to prefer among its members.
    pub objective: Objective,
    /// Whether a slow attempt may be hedged by a second one at another member.
    pub hedge: bool,
    /// How long prompts are made to fit its members, for requests that are.
    pub prune: Option<Prune>,
    /// Share of choices that go to a model drawn evenly instead of the best; `None` explores nothing. With 0, too, every
    /// member is looked at, so that the chance of each choice is known.
    pub explore: Option<f64>,
    /// Whether a session that was answered by a strong member stays with members that are as strong. Only with an
    /// objective.
    pub one_way: bool,
}

/// What a prompt that is too long is cut to before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prune {
    /// What the roomiest context of the group leaves beside the answer.
    Context,
    /// So many tokens of the deployment's tokenizer.
    Tokens(u64),
}

/// What to prefer among a group's members.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Objective {
    /// A word: `balanced`, `cheapest`, `fastest` or `best`.
    Word(ObjectiveWord),
    /// Weights of what the words stand for, and what quality is enough.
    Weights(WeightedObjective),
}

impl Default for Objective {
    fn default() -> Self {
        Self::Word(ObjectiveWord::Balanced)
    }
}

impl Objective {
    /// The weights behind the word.
    #[must_use]
    pub const fn weights(self) -> ObjectiveWeights {
        let (quality, cost, latency) = match self {
            Self::Word(ObjectiveWord::Balanced) => (0.0, 0.0, 0.0),
            Self::Word(ObjectiveWord::Cheapest) => (0.0, 1.0, 0.0),
            Self::Word(ObjectiveWord::Fastest) => (0.0, 0.0, 1.0),
            Self::Word(ObjectiveWord::Best) => (1.0, 0.0, 0.0),
            Self::Weights(WeightedObjective { quality, cost, latency, .. }) => (quality, cost, latency),
        };
        ObjectiveWeights { quality, cost, latency }
    }

    /// What quality is enough; `None` where more is always better.
    #[must_use]
    pub fn standard(self) -> Option<Standard> {
        let Self::Weights(WeightedObjective { floor, gap, tolerance, .. }) = self else { return None };
        let asked = floor.is_some() || gap.is_some() || tolerance.is_some();
        asked.then(|| Standard {
            floor: floor.unwrap_or(0.0),
            gap: gap.unwrap_or(1.0),
            tolerance: tolerance.unwrap_or(1.0),
        })
    }
}

/// An objective in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeightedObjective {
    /// As [`ObjectiveWeights::quality`].
    pub quality: f32,
    /// As [`ObjectiveWeights::cost`].
    pub cost: f32,
    /// As [`ObjectiveWeights::latency`].
    pub latency: f32,
    /// As [`Standard::floor`].
    pub floor: Option<f32>,
    /// As [`Standard::gap`].
    pub gap: Option<f32>,
    /// As [`Standard::tolerance`].
    pub tolerance: Option<f32>,
}

/// What quality is enough among the members that may take a request. Whoever meets all three is chosen by the weights;
/// where nobody does, the best predicted is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standard {
    /// Least quality in [0, 1]; 0 asks for none.
    pub floor: f32,
    /// Most that it may lie below the best member's; 1 asks for nothing.
    pub gap: f32,
    /// The same as a share of the distance between the best and the worst member.
    pub tolerance: f32,
}

impl Standard {
    /// The least quality that is enough among members of these qualities.
    #[must_use]
    pub fn least(&self, best: f32, worst: f32) -> f32 {
        self.floor.max(best - self.gap).max(best - self.tolerance * (best - worst))
    }
}

/// How much each side of a choice counts. All zero: shares follow weights and load alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ObjectiveWeights {
    /// Weight of the predicted quality.
    pub quality: f32,
    /// Weight of the logarithm of the estimated cost.
    pub cost: f32,
    /// Weight of the logarithm of the expected time to first content.
    pub latency: f32,
}

/// The objectives that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveWord {
    /// Shares follow weights and load alone.
    Balanced,
    /// Least estimated cost.
    Cheapest,
    /// Least expected time to first content.
    Fastest,
    /// Highest predicted quality.
    Best,
}

/// A compliance clause: requests that match must go where the requirement holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseSpec {
    /// Its name in refusals.
    #[serde(default)]
    pub name: String,
    /// Which requests it binds.
    #[serde(default)]
    pub when: Predicate,
    /// What it asks of a deployment.
    pub require: Requirement,
}

/// What a compliance clause asks of a deployment; an empty list asks nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requirement {
    /// One of these regions.
    pub region: Vec<String>,
    /// One of these providers.
    pub provider: Vec<String>,
    /// None of these providers.
    pub not_provider: Vec<String>,
    /// All of these agreements.
    pub agreements: Vec<String>,
    /// Cleared for all of these data classes.
    pub data: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Its name in receipts.
    #[serde(default)]
    pub name: String,
    /// Which requests it is for.
    #[serde(default)]
    pub when: Predicate,
    /// What it does.
    pub action: ActionSpec,
}

/// What a rule does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionSpec {
    /// The group, deployment or model to use.
    #[serde(rename = "use")]
    pub target: Option<String>,
    /// Cap on the answer's tokens.
    pub max_tokens: Option<u64>,
    /// Reasoning effort.
    pub effort: Option<String>,
    /// Cap on the estimated cost of one attempt in micro-dollars.
    pub max_cost_usd_micros: Option<u64>,
    /// Refuse the request with this message.
    pub refuse: Option<String>,
    /// As [`GroupSpec::prune`], and before it.
    pub prune: Option<Prune>,
}

/// Constants of the balancer.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceSpec {
    /// How much latency counts: 0 ignores it, 1 is proportional.
    pub gamma: f64,
    /// Multiple of the expected time to first content after which an unanswered attempt counts; `None` is never.
    pub age_factor: Option<f64>,
    /// How far above the mean load of its group a preferred deployment may be.
    pub affinity_bound: f64,
    /// Microseconds by which each token of a beginning that is not cached puts off the first content. Anthropic's
    /// announcement of prompt caching (2024) has 11.5 s instead of 2.4 s for 100,000 tokens and 1.6 s instead of 1.1 s
    /// for 10,000: 91 and 50 a token. The smaller counts, since models have not become slower.
    pub prefill_us_per_token: f64,
}

impl Default for BalanceSpec {
    fn default() -> Self {
        Self { gamma: 0.5, age_factor: Some(4.0), affinity_bound: 1.25, prefill_us_per_token: 50.0 }
    }
}

/// Constants of the retry budget.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySpec {
    /// Extra attempts per request.
    pub ratio: f64,
    /// Extra attempts per second that are always allowed.
    pub floor_per_s: f64,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self { ratio: 0.2, floor_per_s: 3.0 }
    }
}

/// Limits that are shared with other hosts, and granted by a coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseSpec {
    /// How many hosts there are, as long as no coordinator has said.
    pub hosts: u64,
}

/// What `model: auto` means to people: the word that hands the choice to the rules.
pub const AUTO: &str = "auto";
