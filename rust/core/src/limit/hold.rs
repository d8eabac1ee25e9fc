//! `hold_until`: the provider said no, so nobody asks before it makes sense.
//!
//! **Problem.** After a 429 or 529 more calls are wasted, sometimes punished. Several answers arrive out of order with
//! different hints, some without any, and a spent budget is not the same as a busy minute.
//!
//! **Choice.** One word: `until_ms:44 | streak:4 | exhausted:1`. Holds merge by maximum and are never shortened, so a
//! late, smaller hint cannot undo an earlier one. Hints are clamped to one hour. Without a hint the hold doubles from
//! one second to sixty, once per hold and not once per answer: ten calls refused together count as one refusal.
//! `exhausted` says that a daily, spend or account limit is used up: retrying is useless before the reset.
//!
//! **Rejected.** Trusting any hint: 24 hours were seen for a minute's limit. Opening the breaker: the deployment is
//! healthy, and a probe would be one more 429.
//!
//! **Cost.** One load to ask. An `until` is rounded up to the millisecond.

use super::{MILLIS_BITS, millis, millis_up};
use crate::sync::{AtomicU64, Ordering, update};
use crate::units::Nanos;

/// The longest hold that a hint can cause. Providers that answer with more (24 h has been seen) are asked again after
/// an hour; one wasted call an hour is cheaper than a day without the deployment.
pub const MAX_HINT: Nanos = Nanos::from_secs(3_600);
/// First hold without a hint; doubles with each further one.
pub const FIRST_HOLD: Nanos = Nanos::from_secs(1);
/// Longest hold without a hint: a rate limit's window is a minute, so later it would have refilled anyway.
pub const LONGEST_HOLD: Nanos = Nanos::from_secs(60);
/// The longest exhaustion: a month's budget and a day.
pub const MAX_EXHAUSTED: Nanos = Nanos::from_secs(32 * 86_400);

/// 2^6 s is above the longest hold, so the streak needs to count no further than this.
const MAX_STREAK: u64 = 7;

const STREAK_SHIFT: u32 = MILLIS_BITS;
const EXHAUSTED: u64 = 1 << (MILLIS_BITS + 4);

/// A hold in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it ends.
    pub until: Nanos,
    /// Whether a quota is used up until then, rather than a rate exceeded.
    pub exhausted: bool,
}

/// A view of the word that says until when nobody asks.
#[derive(Clone, Copy, Debug)]
pub struct HoldUntil<'a>(&'a AtomicU64);

impl<'a> HoldUntil<'a> {
    /// A view of `word`; zero is "not held".
    #[must_use]
    pub const fn new(word: &'a AtomicU64) -> Self {
        Self(word)
    }

    /// The hold in force at `now`.
    #[inline]
    #[must_use]
    pub fn in_force(&self, now: Nanos) -> Option<Hold> {
        let word = self.0.load(Ordering::Acquire);
        if word == 0 {
            return None;
        }
        let until = Nanos::from_millis(until_ms(word));
        (until > now).then_some(Hold { until, exhausted: word & EXHAUSTED != 0 })
    }

    /// A 429 or 529, with the provider's hint if it gave one. Returns the end of the hold now in force.
    ///
    /// ```
    /// # use junctor_core::{limit::HoldUntil, sync::AtomicU64, units::Nanos};
    /// let word = AtomicU64::new(0);
    /// let hold = HoldUntil::new(&word);
    /// let secs = Nanos::from_secs;
    /// assert_eq!(hold.throttle(Some(secs(20)), secs(100)), secs(120));
    /// assert_eq!(hold.throttle(Some(secs(5)), secs(101)), secs(120)); // never shortened
    /// assert!(hold.in_force(secs(120)).is_none());
    /// ```
    #[inline(never)]
    pub fn throttle(&self, hint: Option<Nanos>, now: Nanos) -> Nanos {
        self.merge(|word| throttled(word, hint, now))
    }

    /// A daily, spend or account limit is used up until `reset`. Returns the end of the hold now in force.
    #[inline(never)]
    pub fn exhaust(&self, reset: Nanos, now: Nanos) -> Nanos {
        let until = millis_up(Nanos(reset.0.min((now + MAX_EXHAUSTED).0)));
        self.merge(|word| later(word, until, streak(word), EXHAUSTED))
    }

    /// A success of an attempt sent at `sent_at`: the next hold without a hint is short again. Does not end the hold in
    /// force.
    #[inline]
    pub fn ease(&self, sent_at: Nanos) {
        if streak(self.0.load(Ordering::Relaxed)) == 0 {
            return;
        }
        // An answer to a call from before the hold's end proves nothing, however late it comes.
        let after = |word: u64| until_ms(word) <= millis(sent_at);
        let _ = update(self.0, |word| after(word).then_some(word & !(MAX_STREAK << STREAK_SHIFT)));
    }

    /// Ends the hold: the operator knows better.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }

    fn merge(&self, next: impl Fn(u64) -> u64) -> Nanos {
        let word = match update(self.0, |word| Some(next(word)).filter(|&new| new != word)) {
            Ok((_, word)) | Err(word) => word,
        };
        Nanos::from_millis(until_ms(word))
    }
}

fn throttled(word: u64, hint: Option<Nanos>, now: Nanos) -> u64 {
    let (streak, span) = match hint {
        Some(hint) => (streak(word), hint.min(MAX_HINT)),
        None => {
            let streak = next_streak(word, millis(now));
            (streak, Nanos(FIRST_HOLD.0 << (streak - 1)).min(LONGEST_HOLD))
        }
    };
    later(word, millis_up(now + span), streak, 0)
}

/// Holds without a hint in a row, this one included: at least 1.
fn next_streak(word: u64, now_ms: u64) -> u64 {
    let quiet_ms = millis(LONGEST_HOLD);
    if until_ms(word) > now_ms {
        return streak(word).max(1);
    }
    if until_ms(word).saturating_add(quiet_ms) < now_ms { 1 } else { (streak(word) + 1).min(MAX_STREAK) }
}

/// The later of two holds, with its own flag; the newer streak either way.
fn later(word: u64, until: u64, streak: u64, flag: u64) -> u64 {
    let old = until_ms(word);
    let flag = match until.cmp(&old) {
        std::cmp::Ordering::Less => word & EXHAUSTED,
        std::cmp::Ordering::Equal => flag | word & EXHAUSTED,
        std::cmp::Ordering::Greater => flag,
    };
    until.max(old) | (streak << STREAK_SHIFT) | flag
}

const fn until_ms(word: u64) -> u64 {
    word & super::MILLIS_MAX
}

const fn streak(word: u64) -> u64 {
    (word >> STREAK_SHIFT) & MAX_STREAK
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Nanos = Nanos::from_secs(1_000);
    const fn s(secs: u64) -> Nanos {
        Nanos::from_secs(secs)
    }

    #[test]
    fn a_hint_is_clamped_to_an_hour_and_zero_does_not_hold() {
        for (hint, want) in [
            (s(0), T),
            (Nanos(1), T + Nanos(1_000_000)),
            (s(59), T + s(59)),
            (s(86_400), T + s(3_600)),
            (Nanos::MAX, T + s(3_600)),
        ] {
            let word = AtomicU64::new(0);
            assert_eq!(HoldUntil::new(&word).throttle(Some(hint), T), want, "{hint:?}");
        }
    }

    #[test]
    fn a_shorter_hint_never_shortens() {
        let word = AtomicU64::new(0);
        let hold = HoldUntil::new(&word);
        for (hint, want) in [(30, 30), (5, 30), (31, 31), (0, 31)] {
            assert_eq!(hold.throttle(Some(s(hint)), T), T + s(want));
        }
        assert_eq!(hold.throttle(None, T), T + s(31));
    }

    #[test]
    fn without_a_hint_the_hold_doubles_from_one_second_to_sixty() {
        let word = AtomicU64::new(0);
        let hold = HoldUntil::new(&word);
        let mut now = T;
        for want in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let until = hold.throttle(None, now);
            assert_eq!(until.since(now), s(want));
            now = until;
        }
        assert_eq!(hold.throttle(None, now + s(61)).since(now + s(61)), s(1), "a minute of quiet starts over");
    }

    #[test]
    fn refusals_of_one_burst_count_once() {
        let word = AtomicU64::new(0);
        let hold = HoldUntil::new(&word);
        for _ in 0..50 {
            assert_eq!(hold.throttle(None, T), T + s(1));
        }
    }

    #[test]
    fn a_success_after_the_hold_starts_over_and_one_from_before_it_does_not() {
        let word = AtomicU64::new(0);
        let hold = HoldUntil::new(&word);
        hold.throttle(None, T);
        hold.throttle(None, T + s(1));
        hold.ease(T + s(2));
        assert_eq!(hold.in_force(T + s(2)).map(|h| h.until), Some(T + s(3)));
        assert_eq!(hold.throttle(None, T + s(3)), T + s(3 + 4));
        hold.ease(T + s(7));
        assert_eq!(hold.throttle(None, T + s(8)), T + s(8 + 1));
    }

    #[test]
    fn exhaustion_is_told_apart_and_outlives_rate_limits() {
        let word = AtomicU64::new(0);
        let hold = HoldUntil::new(&word);
        hold.exhaust(T + s(86_400), T);
        hold.throttle(Some(s(3_600)), T);
        assert_eq!(hold.in_force(T), Some(Hold { until: T + s(86_400), exhausted: true }));
        assert_eq!(hold.in_force(T + s(86_400)), None);
        hold.throttle(Some(s(5)), T + s(86_400));
        assert_eq!(hold.in_force(T + s(86_401)).map(|h| h.exhausted), Some(false));
        assert_eq!(hold.exhaust(Nanos::MAX, T), T + MAX_EXHAUSTED);
        hold.clear();
        assert_eq!(hold.in_force(T), None);
    }
}
