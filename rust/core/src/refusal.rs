//! Refusals: why a deployment is not a candidate.
//!
//! A value of two words, because the walk records one for every deployment it rules out; the sentence is made only
//! when somebody asks.

use crate::fleet::{Deployment, Fleet, Limit};
use crate::request::Needs;
use crate::units::Nanos;

/// Why a deployment was ruled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A compliance clause, by its index.
    Clause(u32),
    /// Not in a region that the request allows.
    Region,
    /// Not a provider that the request allows.
    Provider,
    /// Lacks an agreement that the request asks for.
    Agreement,
    /// Reserved for other tenants.
    Tenant,
    /// Cannot do what the request needs.
    Capability(Needs),
    /// The answer asked for is longer than it can give.
    Output,
    /// The prompt and answer do not fit its context.
    Context,
    /// Its weight is 0.
    Drained,
    /// Would cost more than the rule allows.
    Cost,
    /// Was tried already for this call.
    Tried,
    /// Its provider throttled it; free again at this time.
    Held(Nanos),
    /// Its quota or credit is used up; worth another try at this time.
    Exhausted(Nanos),
    /// Its breaker refuses until this time.
    Breaker(Nanos),
    /// Its breaker refuses even a last resort now; it probes by itself at this time.
    NoProbe(Nanos),
    /// A limit, by its place among the deployment's limits, has no room before this time.
    Limit(u8, Nanos),
    /// The request is more than the whole window of a limit.
    TooLarge(u8),
    /// Others took the last room between the look and the hold.
    Lost(Nanos),
}

impl Refusal {
    /// When the same request could pass, if time alone can help: not where an operator keeps the breaker open.
    #[must_use]
    pub fn until(self) -> Option<Nanos> {
        match self {
            Self::Held(until)
            | Self::Exhausted(until)
            | Self::Breaker(until)
            | Self::NoProbe(until)
            | Self::Limit(_, until)
            | Self::Lost(until) => Some(until).filter(|&until| until < Nanos::MAX),
            _ => None,
        }
    }

    /// Of two refusals by one deployment the one that lasts longer: what a caller has to wait for. One without an end
    /// lasts for ever.
    #[must_use]
    pub fn or_longer(self, other: Self) -> Self {
        let end = |refusal: Self| refusal.until().unwrap_or(Nanos::MAX);
        if end(other) > end(self) { other } else { self }
    }

    /// Whether waiting for room is what helps: a breaker is not worth waiting for, it may open again.
    #[must_use]
    pub const fn frees_by_itself(self) -> bool {
        matches!(self, Self::Held(_) | Self::Limit(..) | Self::Lost(_))
    }

    /// Whether it is the deployment's state that refuses, and not what the request is or may do.
    #[must_use]
    pub const fn is_by_state(self) -> bool {
        matches!(self, Self::Held(_) | Self::Exhausted(_) | Self::Breaker(_) | Self::Limit(..) | Self::Lost(_))
    }

    /// One word for metrics and tests.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Clause(_) => "compliance",
            Self::Region => "region",
            Self::Provider => "provider",
            Self::Agreement => "agreement",
            Self::Tenant => "tenant",
            Self::Capability(_) => "capability",
            Self::Output => "output_length",
            Self::Context => "context_length",
            Self::Drained => "drained",
            Self::Cost => "cost_cap",
            Self::Tried => "tried",
            Self::Held(_) => "held",
            Self::Exhausted(_) => "quota_exhausted",
            Self::Breaker(_) => "breaker_open",
            Self::NoProbe(_) => "probe_refused",
            Self::Limit(..) => "limit",
            Self::TooLarge(_) => "too_large",
            Self::Lost(_) => "lost_race",
        }
    }

    /// The refusal behind a word, as far as a replay needs it; `None` for a word that is no refusal.
    #[must_use]
    pub fn named(word: &str, until: Nanos) -> Option<Self> {
        Some(match word {
            "compliance" => Self::Clause(0),
            "region" => Self::Region,
            "provider" => Self::Provider,
            "agreement" => Self::Agreement,
            "tenant" => Self::Tenant,
            "capability" => Self::Capability(Needs::NONE),
            "output_length" => Self::Output,
            "context_length" => Self::Context,
            "drained" => Self::Drained,
            "cost_cap" => Self::Cost,
            "tried" => Self::Tried,
            "held" => Self::Held(until),
            "quota_exhausted" => Self::Exhausted(until),
            "breaker_open" => Self::Breaker(until),
            "probe_refused" => Self::NoProbe(until),
            "limit" => Self::Limit(0, until),
            "too_large" => Self::TooLarge(0),
            "lost_race" => Self::Lost(until),
            _ => return None,
        })
    }

    /// One sentence for people: the word, then what it means here.
    #[must_use]
    pub fn describe(self, fleet: &Fleet, deployment: &Deployment, now: Nanos) -> String {
        let limit = |index: u8| {
            let found = deployment.limits.get(usize::from(index)).and_then(|at| fleet.limit(at.index));
            let named =
                |limit: &Limit| Some(format!("{} of pool {}", limit.dimension.name(), fleet.pool_of(limit)?.name));
            found.and_then(named).unwrap_or_default()
        };
        let wait = |until: Nanos| format!("{:.1} s", until.since(now).as_secs_f64());
        let detail = match self {
            Self::Clause(index) => fleet.clause_names.get(index as usize).map_or_else(String::new, ToString::to_string),
            Self::Capability(missing) => format!("lacks {}", missing.names().collect::<Vec<_>>().join(", ")),
            Self::Output => format!("at most {} output tokens", deployment.max_output_tokens),
            Self::Context => format!("at most {} tokens", deployment.context_tokens),
            Self::Drained => "weight 0".to_owned(),
            Self::Held(until) | Self::Exhausted(until) => format!("for {}", wait(until)),
            Self::Breaker(Nanos::MAX) | Self::NoProbe(Nanos::MAX) => "held open by hand".to_owned(),
            Self::Breaker(until) | Self::NoProbe(until) => format!("probes in {}", wait(until)),
            Self::Limit(index, until) => format!("{}, room in {}", limit(index), wait(until)),
            Self::TooLarge(index) => format!("more than the whole {}", limit(index)),
            _ => return self.word().to_owned(),
        };
        format!("{}: {detail}", self.word())
    }
}
