//! When to try again, and whether it is worth it.
//!
//! Another deployment is asked almost at once: a random part of 50 ms only spreads the callers whom one failure hit
//! together. The same one is asked later and later, or when it said it would be ready; a hint is a *not before*, so its
//! jitter only adds. All draws come from the request's [`Draw`], so a delay can be replayed.

use crate::draw::Draw;
use crate::limit::hold::MAX_HINT;
use crate::units::Nanos;

/// Another deployment: enough to spread a crowd, too little to feel.
const ELSEWHERE: Nanos = Nanos::from_millis(50);
/// First delay at the same deployment; doubles.
const BASE: Nanos = Nanos::from_millis(500);
/// Longest delay without a hint: what the providers' own clients use.
const LONGEST: Nanos = Nanos::from_secs(8);
/// 0.5 s · 2^4 is the longest, so there is no need to shift further.
const MAX_DOUBLINGS: u32 = 4;
/// With less time left no provider answers; starting would only burn quota.
const MIN_ATTEMPT: Nanos = Nanos::from_millis(100);

/// How long to wait before retry number `retry` (0 for the first).
///
/// At another deployment up to 50 ms, whatever the hint, which is about the one that gave it. At the same one 0.5 s
/// doubled per retry, ± 25 %, at most 8 s; with a hint that, plus up to 25 %.
///
/// ```
/// # use junctor_core::{draw::Draw, retry::delay, units::Nanos};
/// let mut draw = Draw::new(1);
/// assert!(delay(false, 0, None, &mut draw) < Nanos::from_millis(50));
/// let hint = Some(Nanos::from_secs(4));
/// let wait = delay(true, 0, hint, &mut draw);
/// assert!(wait >= Nanos::from_secs(4) && wait <= Nanos::from_secs(5));
/// ```
#[must_use]
pub fn delay(same_deployment: bool, retry: u32, hint: Option<Nanos>, draw: &mut Draw) -> Nanos {
    if !same_deployment {
        return Nanos(draw.below(ELSEWHERE.0));
    }
    if let Some(hint) = hint {
        let hint = hint.min(MAX_HINT);
        return hint + Nanos(draw.below(hint.0 / 4 + 1));
    }
    let base = Nanos(BASE.0 << retry.min(MAX_DOUBLINGS));
    let low = base - Nanos(base.0 / 4);
    (low + Nanos(draw.below(base.0 / 2 + 1))).min(LONGEST)
}

/// The instant by which a request must be answered, all its attempts included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Nanos);

impl Deadline {
    /// `span` from `now`.
    #[must_use]
    pub fn after(now: Nanos, span: Nanos) -> Self {
        Self(now + span)
    }

    /// Time left.
    #[must_use]
    pub fn remaining(self, now: Nanos) -> Nanos {
        self.0.since(now)
    }

    /// Whether an attempt may start: there is at least 100 ms left and half of the time to first content that is usual
    /// there. Half, because the usual time is a median-like average and an early answer is worth the try.
    #[must_use]
    pub fn may_start(self, now: Nanos, expected_first_content: Option<Nanos>) -> bool {
        let half = Nanos(expected_first_content.unwrap_or(Nanos::ZERO).0 / 2);
        self.remaining(now) >= half.max(MIN_ATTEMPT)
    }

    /// Whether an attempt could still start after sleeping for `delay`. If not: go elsewhere or fail now.
    #[must_use]
    pub fn fits(self, now: Nanos, delay: Nanos) -> bool {
        self.remaining(now) >= delay + MIN_ATTEMPT
    }

    /// How long an attempt may take to its first content: its own timeout, or what is left.
    #[must_use]
    pub fn attempt_timeout(self, now: Nanos, first_content: Nanos) -> Nanos {
        self.remaining(now).min(first_content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(same: bool, retry: u32, hint: Option<Nanos>) -> (u64, u64) {
        let mut draw = Draw::new(9);
        let delays: Vec<u64> = (0..20_000).map(|_| delay(same, retry, hint, &mut draw).0 / 1_000_000).collect();
        (*delays.iter().min().unwrap(), *delays.iter().max().unwrap())
    }

    #[test]
    fn delays_fill_their_range_and_never_leave_it() {
        // (same, retry, hint in s, least ms, most ms)
        let table = [
            (false, 0, None, 0, 49),
            (false, 9, Some(60), 0, 49),
            (true, 0, None, 375, 624),
            (true, 1, None, 750, 1_249),
            (true, 2, None, 1_500, 2_499),
            (true, 3, None, 3_000, 4_999),
            (true, 4, None, 6_000, 8_000),
            (true, u32::MAX, None, 6_000, 8_000),
            (true, 0, Some(20), 20_000, 24_999),
            (true, 0, Some(0), 0, 0),
            (true, 0, Some(86_400), 3_600_000, 4_499_999),
        ];
        for (same, retry, hint, least, most) in table {
            let (low, high) = range(same, retry, hint.map(Nanos::from_secs));
            let slack = (most - least) / 500;
            assert!(low >= least && low <= least + slack, "{same} {retry} {hint:?}: least {low}");
            assert!(high <= most && high + slack >= most, "{same} {retry} {hint:?}: most {high}");
        }
    }

    #[test]
    fn an_attempt_starts_only_if_it_could_still_answer() {
        let (now, ms) = (Nanos::from_secs(10), Nanos::from_millis);
        // (left, expected, may start)
        let table = [
            (99, None, false),
            (100, None, true),
            (100, Some(200), true),
            (100, Some(202), false),
            (999, Some(2_000), false),
            (1_000, Some(2_000), true),
            (0, None, false),
        ];
        for (left, expected, want) in table {
            let deadline = Deadline::after(now, ms(left));
            assert_eq!(deadline.may_start(now, expected.map(ms)), want, "{left} ms for {expected:?}");
        }
        assert!(!Deadline(now).may_start(now + ms(1), None), "past it");
    }

    #[test]
    fn nobody_sleeps_past_the_deadline() {
        let (now, ms) = (Nanos::from_secs(10), Nanos::from_millis);
        let deadline = Deadline::after(now, ms(1_000));
        assert!(deadline.fits(now, ms(900)) && !deadline.fits(now, ms(901)));
        assert!(!deadline.fits(now, Nanos::MAX));
        assert!(!deadline.fits(now + ms(2_000), Nanos::ZERO));
        assert_eq!(deadline.attempt_timeout(now, ms(20_000)), ms(1_000));
        assert_eq!(deadline.attempt_timeout(now, ms(300)), ms(300));
        assert_eq!(deadline.attempt_timeout(now + ms(5_000), ms(300)), Nanos::ZERO);
    }
}
