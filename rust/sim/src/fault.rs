//! What ails a provider, from when to when.

use junctor_core::units::Nanos;

/// What ails a provider for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// This share of the calls is answered with a 500 after `after_s`.
    Errors {
        /// Seconds to the answer.
        after_s: f64,
        /// Share of the calls, 0 to 1.
        share: f64,
    },
    /// Every call is answered with a 429 after `after_s`.
    Throttles {
        /// Seconds to the answer.
        after_s: f64,
        /// When to come back, if it says so.
        hint_s: Option<f64>,
    },
    /// Nothing comes, ever.
    Hangs,
    /// First content takes so many times longer.
    Slow(f64),
    /// The quota is so many times smaller, and nobody says so.
    Quota(f64),
    /// Every call is answered with a 401.
    Misconfigured,
    /// The credit is used up: every call is answered with a 429 of that kind.
    Exhausted,
    /// This share of the answers breaks off half way.
    Cuts(f64),
    /// This share of the answers stops half way and never ends.
    Stalls(f64),
    /// Another host takes so many units a minute of every limit of the key.
    Burns(f64),
    /// The headers lie.
    Lies(Lie),
}

/// How headers lie about what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Far more than there is.
    Huge,
    /// A negative number, which an adapter leaves out.
    Negative,
    /// Nothing at all is left.
    Nothing,
    /// What was left long ago, when the bucket was full.
    Stale,
}

/// A fault on schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ailment {
    /// Second at which it begins.
    pub from_s: f64,
    /// Second at which it is over.
    pub to_s: f64,
    /// For a fault that comes and goes: the length of a round, and how much of each round it lasts, in seconds.
    pub round: Option<(f64, f64)>,
    /// The fault.
    pub fault: Fault,
}

impl Ailment {
    /// Whether it hits at `now`.
    #[must_use]
    pub fn hits(&self, now: Nanos) -> bool {
        let at = now.as_secs_f64();
        let in_round = || self.round.is_none_or(|(every, lasts)| (at - self.from_s).rem_euclid(every) < lasts);
        (self.from_s..self.to_s).contains(&at) && in_round()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_begins_ends_and_comes_in_rounds() {
        let steady = Ailment { from_s: 10.0, to_s: 20.0, round: None, fault: Fault::Hangs };
        let flapping = Ailment { to_s: 100.0, round: Some((40.0, 15.0)), ..steady };
        let hits = |ailment: Ailment, at: u64| ailment.hits(Nanos::from_secs(at));
        assert_eq!([9, 10, 19, 20].map(|at| hits(steady, at)), [false, true, true, false]);
        assert_eq!(
            [10, 24, 25, 49, 50, 64, 65, 99].map(|at| hits(flapping, at)),
            [true, true, false, false, true, true, false, true]
        );
    }
}
