//! The fleet: everything immutable that a decision reads, with names resolved to indices.
//!
//! A fleet is compiled once from its [`FleetSpec`](crate::spec::FleetSpec) and swapped whole on a reload; what changes
//! while it runs lives in [`State`] under the same identities. Rejected: a registry that is
//! edited in place, because a decision must see one consistent fleet from its first line to its last.

mod actions;
mod compile;
mod error;
mod groups;
mod names;
mod pools;
mod tickets;

use std::sync::Arc;

use arrayvec::ArrayVec;

pub use self::error::FleetError;
pub use self::names::{MAX_NAME_BYTES, NameBits, Names};
pub use self::tickets::Tickets;
use crate::learned::Learned;
use crate::limit::{Plain, Quota};
use crate::price::{Price, Rates, Tier};
use crate::request::Needs;
use crate::rules::RuleSet;
use crate::session::SessionSpec;
use crate::spec::{Accounting, BalanceSpec, Dimension, LeaseSpec, ObjectiveWeights, Prune, RetrySpec, Standard};
use crate::state::State;
use crate::units::Nanos;

/// Most limits that one deployment may draw from: what one reservation holds.
pub const MAX_LIMITS: usize = 8;
/// Most groups that one request may visit: the asked one and its fallbacks.
pub const MAX_CHAIN: usize = 8;
/// Most compliance clauses: each is one bit of a word.
pub const MAX_CLAUSES: usize = 64;

/// All deployments, groups, pools and rules: an immutable snapshot.
#[derive(Debug)]
pub struct Fleet {
    /// The state that it was compiled over: its slots mean nothing in another.
    pub(crate) state: Arc<State>,
    /// Names this configuration in receipts.
    pub config_hash: Box<str>,
    /// Deployments by index.
    pub deployments: Box<[Deployment]>,
    /// Named groups first, then one per model, then one per deployment.
    pub groups: Box<[Group]>,
    /// Quota scopes.
    pub pools: Box<[Pool]>,
    /// Limits of all pools, those of one pool together.
    pub limits: Box<[Limit]>,
    /// Groups and deployments by name.
    pub names: Names,
    /// The operator's rules.
    pub rules: Rules,
    /// Compliance clauses; bit `i` of [`Deployment::satisfies`] belongs to clause `i`.
    pub clauses: RuleSet,
    /// Names of the clauses.
    pub clause_names: Box<[Box<str>]>,
    /// Regions as bits.
    pub regions: NameBits,
    /// Providers as bits.
    pub providers: NameBits,
    /// Agreements as bits.
    pub agreements: NameBits,
    /// Constants of the balancer.
    pub balance: BalanceSpec,
    /// Constants of the retry budget.
    pub retry: RetrySpec,
    /// Whether any group hedges.
    pub hedges: bool,
    /// Whether its limits are shared with other hosts.
    pub leases: Option<LeaseSpec>,
    /// What predicts quality, if anything does.
    pub learned: Option<Learned>,
    /// What holds for sessions, if anything does.
    pub sessions: Option<SessionSpec>,
}

/// One model at one provider account and region, with its own quota.
///
/// In the order in which a walk reads it, from the beginning of a cache line: in a fleet of ten thousand, most of a
/// walk's time is waiting for lines. The first line is the gate's, the second the score's, then come the limits; names
/// and the rest come last.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Deployment {
    /// What it can do.
    pub capabilities: Needs,
    /// How its provider counts.
    pub accounting: Accounting,
    /// Tokens of its model's tokenizer per thousand of a request's estimate.
    pub tokens_permille: u16,
    /// Its record in the shared state.
    pub slot: u32,
    /// Its provider's bit.
    pub provider_bit: u64,
    /// Its region's bit; none if the region is unknown.
    pub region_bit: u64,
    /// Bits of its agreements.
    pub agreements: u64,
    /// Bits of the compliance clauses whose requirement it meets.
    pub satisfies: u64,
    /// Longest prompt plus answer.
    pub context_tokens: u64,
    /// Longest answer.
    pub max_output_tokens: u64,
    /// What it charges.
    pub price: Price,
    /// Natural logarithm of the expected seconds to first content before anything was measured.
    pub latency_prior: f32,
    /// Predicted quality in [0, 1].
    pub quality: f32,
    /// Share of traffic; 0 drains it.
    pub weight: f64,
    /// Tenants that may use it; empty for all.
    pub tenants: Box<[Box<str>]>,
    /// Lease of a breaker's probe.
    pub probe_lease: Nanos,
    /// Stable hash of its name.
    pub identity: u64,
    /// Limits it draws from, in the order of its pools: shared ones first.
    pub limits: ArrayVec<LimitRef, MAX_LIMITS>,
    /// Pools that it shares with others, as indices; also those without a limit.
    pub shared_pools: Box<[u32]>,
    /// What it charges for long prompts, lowest bound first.
    pub tiers: Box<[Tier]>,
    /// Its name.
    pub name: Box<str>,
    /// Whose it is.
    pub provider: Box<str>,
    /// The model it runs.
    pub model: Box<str>,
}

impl Deployment {
    /// What the tokens of a request with so many input tokens cost here.
    #[must_use]
    #[inline]
    pub fn rates(&self, input: u64) -> &Rates {
        self.price.rates(&self.tiers, input)
    }
}

/// A limit that a deployment draws from, with all that most requests need to know of it: the limits of a deployment
/// then lie side by side, and their own lines in [`Fleet::limits`] are rarely read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRef {
    /// Stable hash of the pool's name and the dimension.
    pub identity: u64,
    pub(crate) plain: Plain,
    /// Its index in [`Fleet::limits`].
    pub index: u32,
    /// Its record in the shared state.
    pub slot: u32,
    /// What is counted.
    pub dimension: Dimension,
}

/// A provider's quota scope.
#[derive(Debug)]
pub struct Pool {
    /// Its name.
    pub name: Box<str>,
    /// Whether only the deployment of the same name draws from it.
    pub private: bool,
    /// Its limits, as indices.
    pub limits: std::ops::Range<u32>,
}

/// One limit of a pool.
#[derive(Debug)]
pub struct Limit {
    /// Stable hash of the pool's name and the dimension.
    pub identity: u64,
    /// What is counted.
    pub dimension: Dimension,
    /// Its record in the shared state.
    pub slot: u32,
    /// How much is allowed.
    pub quota: Quota,
    /// Index of its pool.
    pub pool: u32,
}

impl Limit {
    /// What a deployment that draws from it keeps of it. `index` is its own.
    pub(crate) const fn referred_to_by(&self, index: u32) -> LimitRef {
        let Self { identity, dimension, slot, .. } = *self;
        LimitRef { identity, plain: *self.quota.plain(), index, slot, dimension }
    }
}

/// Interchangeable deployments behind one name. What a walk reads of it is its first cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Group {
    /// For a draw by the members' weights.
    pub tickets: Tickets,
    /// Its deployments.
    pub members: Box<[Member]>,
    /// Where to go when it has no one free, in order, as group indices.
    pub fallback: Box<[u32]>,
    /// Its record in the shared state.
    pub slot: u32,
    /// Mean weight of its members that are not drained.
    pub mean_weight: f32,
    /// Whether a slow attempt may be hedged by a second one at another member.
    pub hedge: bool,
    /// Whether sessions do not go back to weaker members.
    pub one_way: bool,
    /// What to prefer among its members; `None` is load alone.
    pub objective: Option<ObjectiveWeights>,
    /// What long prompts are cut to, if requests let them.
    pub prune: Option<Prune>,
    /// The member whose context holds the longest prompt, as a deployment's index.
    pub roomiest: u32,
    /// What quality is enough; `None` where more is always better. Only with an objective.
    pub standard: Option<Box<Standard>>,
    /// Share of choices that go to a model drawn evenly. Only with an objective.
    pub explore: Option<f64>,
    /// Its name.
    pub name: Box<str>,
}

/// A deployment's place in a group.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Index of the deployment.
    pub deployment: u32,
    /// Record of the learned output length of this model in this group.
    pub length_slot: u32,
}

impl Member {
    /// Tells the models of one group apart: each has one record of lengths there.
    #[must_use]
    pub const fn model(self) -> u32 {
        self.length_slot
    }
}

/// The operator's rules with their actions.
#[derive(Debug, Default)]
pub struct Rules {
    /// Conditions of all rules.
    pub all: RuleSet,
    /// Conditions of the rules that name a model: the only ones that bind a request for something else than `auto`.
    pub naming_model: RuleSet,
    /// Index among all rules of each rule that names a model.
    pub naming_model_index: Box<[u32]>,
    /// Names and actions.
    pub actions: Box<[Action]>,
}

/// What a rule does.
#[derive(Debug)]
pub struct Action {
    /// The rule's name.
    pub rule: Box<str>,
    /// The group to use.
    pub group: Option<u32>,
    /// Cap on the answer's tokens.
    pub max_tokens: Option<u64>,
    /// Reasoning effort.
    pub effort: Option<Box<str>>,
    /// Cap on the estimated cost of one attempt, in micro-dollars.
    pub max_cost: Option<u64>,
    /// Refuse with this message.
    pub refuse: Option<Box<str>>,
    /// What long prompts are cut to, if requests let them.
    pub prune: Option<Prune>,
}

impl Deployment {
    /// Tokens that a prompt is here: an estimate times what its tokenizer makes of it, a count as it is.
    #[must_use]
    #[inline]
    pub fn tokens_of(&self, input_tokens: u64, estimated: bool) -> u64 {
        if estimated { input_tokens.saturating_mul(u64::from(self.tokens_permille)) / 1_000 } else { input_tokens }
    }

    /// The longest estimate that makes no more than so many tokens here.
    #[must_use]
    pub fn measured(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(1_000) / u64::from(self.tokens_permille.max(1))
    }
}

impl Fleet {
    /// The limit at an index.
    #[must_use]
    #[inline]
    pub fn limit(&self, index: u32) -> Option<&Limit> {
        self.limits.get(index as usize)
    }

    /// The pool of a limit.
    #[must_use]
    pub fn pool_of(&self, limit: &Limit) -> Option<&Pool> {
        self.pools.get(limit.pool as usize)
    }

    /// The deployment at an index.
    #[must_use]
    #[inline]
    pub fn deployment(&self, index: u32) -> Option<&Deployment> {
        self.deployments.get(index as usize)
    }

    /// The index of the deployment called `name`.
    #[must_use]
    pub fn deployment_named(&self, name: &str) -> Option<u32> {
        self.names.deployment(name)
    }

    /// The group at an index.
    #[must_use]
    #[inline]
    pub fn group(&self, index: u32) -> Option<&Group> {
        self.groups.get(index as usize)
    }
}
