//! Counts of what should be rare: each is a question that an operator asks.

use crate::state::{ROUTER_WORDS, State};
use crate::sync::Ordering;

/// Where the counters begin among the router's words; the budgets of retries and hedges come before.
const FIRST: usize = 8;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter {
            $($(#[$doc])* $name,)*
        }

        impl Counter {
            /// All of them, in the order of their words.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its word in metrics and snapshots.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word),*
                }
            }
        }
    };
}

counters! {
    /// Decisions that held something.
    Reserved = "reserved",
    /// Requests that the gate or a rule refused.
    Refused = "refused",
    /// Requests for which nobody was free.
    NoCapacity = "no_capacity",
    /// Decisions that a fallback group served.
    Downgraded = "downgraded",
    /// Probes forced because everything was out.
    ForcedProbe = "forced_probe",
    /// Probes that were sent.
    Probe = "probe",
    /// Probes whose lease ran out.
    ProbeLost = "probe_lost",
    /// Reports of attempts from before a breaker's last change.
    StaleReport = "stale_report",
    /// Times a breaker opened.
    Opened = "opened",
    /// Times a breaker opened because a key or model is wrong.
    Misconfigured = "misconfigured",
    /// Reservations that nobody settled.
    Abandoned = "abandoned",
    /// Settlements without the provider's usage.
    UsageUnknown = "usage_unknown",
    /// Loads with a part that is not a usable number, replaced by what nothing being known would say.
    BadLoad = "bad_load",
    /// Rate-limit reports that made no sense.
    BadHeader = "bad_header",
    /// Rate-limit reports of a limit that differs from the configured one.
    LimitChanged = "limit_changed",
    /// Retries that the budget allowed.
    Retried = "retried",
    /// Retries that the budget refused.
    RetryDenied = "retry_denied",
    /// Hedges that the budget allowed.
    Hedged = "hedged",
    /// Hedges that were faster than the attempt beside them.
    HedgeWon = "hedge_won",
    /// Hedges that the budget refused.
    HedgeDenied = "hedge_denied",
    /// Tokens that attempts used which another one of the same call beat.
    HedgeWasteTokens = "hedge_waste_tokens",
    /// Micro-dollars that such attempts cost.
    HedgeWasteUsdMicros = "hedge_waste_usd_micros",
}

const _: () = assert!(FIRST + Counter::ALL.len() <= ROUTER_WORDS);

/// Adds one.
#[inline]
pub fn count(state: &State, counter: Counter) {
    add(state, counter, 1);
}

/// Adds `amount`.
#[inline]
pub fn add(state: &State, counter: Counter, amount: u64) {
    if let Some(word) = state.router().and_then(|words| words.get(FIRST + counter as usize)) {
        word.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Reads a counter.
#[must_use]
pub fn read(state: &State, counter: Counter) -> u64 {
    let word = state.router().and_then(|words| words.get(FIRST + counter as usize));
    word.map_or(0, |word| word.load(Ordering::Relaxed))
}
