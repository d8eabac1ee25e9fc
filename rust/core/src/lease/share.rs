//! The safe share: what a host may use that nobody grants anything.
//!
//! **Choice.** `rate · 9 / (10 · hosts · window)` units per nanosecond, added up in integers: what is not yet a whole unit
//! stays in the remainder, so that a share of a tenth of a unit per second is one unit every ten seconds. Units are
//! never made twice: each nanosecond is turned into units once.
//!
//! **Cost.** A change of the rate or of the number of hosts drops the remainder, less than one unit.

use super::SAFE_TENTHS;
use crate::units::Nanos;

/// A running safe share of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Up to when time has been turned into units.
    until: Option<Nanos>,
    /// What was left over, in units of one over `divisor`.
    rest: u128,
    divisor: u128,
}

impl Share {
    /// Units that have accrued since the last call, but not before `from`.
    ///
    /// ```
    /// # use junctor_core::{lease::Share, units::Nanos};
    /// let mut share = Share::default();
    /// let (start, minute) = (Nanos::from_secs(100), Nanos::from_secs(60));
    /// // 60 a minute among 9 hosts: a tenth of a unit per second.
    /// let units: Vec<u64> = (0..=20).map(|s| share.accrue(60, minute, 9, start, start + Nanos::from_secs(s))).collect();
    /// assert_eq!((units.iter().sum::<u64>(), units[10], units[20]), (2, 1, 1));
    /// ```
    pub fn accrue(&mut self, rate: u64, window: Nanos, hosts: u64, from: Nanos, now: Nanos) -> u64 {
        let since = self.until.map_or(from, |until| until.max(from));
        if now <= since {
            return 0;
        }
        self.until = Some(now);
        let divisor = u128::from(window.0.max(1)) * 10 * u128::from(hosts.max(1));
        if divisor != self.divisor {
            (self.rest, self.divisor) = (0, divisor);
        }
        let parts = u128::from(rate) * u128::from(SAFE_TENTHS) * u128::from(now.since(since).0) + self.rest;
        self.rest = parts % divisor;
        u64::try_from(parts / divisor).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_it_is_asked_no_fraction_is_lost_or_doubled() {
        let (minute, start) = (Nanos::from_secs(60), Nanos::from_secs(7));
        for (rate, hosts) in [(1, 1), (60, 9), (7, 3), (1_000_003, 17), (1 << 53, 1), (1, 1_000)] {
            for step in [1_000_000_007, 33_333_333, 250_000_000] {
                let (mut share, mut sum, mut now) = (Share::default(), 0_u128, start);
                for _ in 0..2_000 {
                    now = now + Nanos(step);
                    sum += u128::from(share.accrue(rate, minute, hosts, start, now));
                }
                let exact = u128::from(rate) * 9 * u128::from(now.since(start).0)
                    / (u128::from(minute.0) * 10 * u128::from(hosts));
                assert_eq!(sum, exact, "{rate} per minute, {hosts} hosts, every {step} ns");
            }
        }
    }

    #[test]
    fn time_that_stands_still_or_goes_back_gives_nothing() {
        let (mut share, minute, t) = (Share::default(), Nanos::from_secs(60), Nanos::from_secs(100));
        assert_eq!(share.accrue(600, minute, 1, t, t), 0);
        assert_eq!(share.accrue(600, minute, 1, t, t + Nanos::from_secs(1)), 9);
        assert_eq!(share.accrue(600, minute, 1, t, t), 0);
        assert_eq!(share.accrue(600, minute, 1, t, t + Nanos::from_secs(1)), 0);
    }
}
