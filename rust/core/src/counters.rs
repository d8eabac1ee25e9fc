//! Counts of what should be rare: each is a question that an operator asks.

use crate::state::{BUDGETS, ROUTER_WORDS, State};
use crate::sync::{AtomicU64, Ordering};

/// Words of the counters, with room to grow.
pub const COUNTER_WORDS: usize = ROUTER_WORDS - BUDGETS;

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
    /// Dead processes whose counts were taken back.
    Reaped = "reaped",
    /// Attempts refused because no cell was left to list them in.
    Unlisted = "unlisted",
}

const _: () = assert!(Counter::ALL.len() <= COUNTER_WORDS);

/// Adds one.
#[inline]
pub fn count(state: &State, counter: Counter) {
    add(state, counter, 1);
}

/// Adds `amount`. Where processes share a state, each counts at its own seat, on lines that no other one writes.
#[inline]
pub fn add(state: &State, counter: Counter, amount: u64) {
    if let Some(word) = state.own_counters().and_then(|words| words.get(counter as usize)) {
        word.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Reads a counter: what all processes counted, those that are gone included.
#[must_use]
pub fn read(state: &State, counter: Counter) -> u64 {
    let at = |words: Option<&[AtomicU64]>| {
        words.and_then(|words| words.get(counter as usize)).map_or(0, |word| word.load(Ordering::Relaxed))
    };
    let seated: u64 = state.seats().map(|seat| at(state.seat_counters(seat))).sum();
    at(state.common_counters()).wrapping_add(seated)
}

/// Takes over what a seat has counted, for when it is cleared.
pub(crate) fn inherit(state: &State, seat: u8) {
    let (from, to) = (state.seat_counters(seat), state.common_counters());
    for (from, to) in from.into_iter().flatten().zip(to.into_iter().flatten()) {
        to.fetch_add(from.swap(0, Ordering::AcqRel), Ordering::Relaxed);
    }
}
