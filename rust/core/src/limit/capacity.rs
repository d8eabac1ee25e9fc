//! The capacity factor: how much of its configured share a deployment really bears.
//!
//! **Problem.** A provider cuts a quota without saying so, another host burns the same key, or a pool has no numbers at
//! all. The only sign is a share of 429s.
//!
//! **Choice.** A refusal cuts the factor to 70 %, at most once a second however many arrive together; it recovers by 1 %
//! of itself per second, up to 1. Both are proportions, so an account is asked too much equally seldom whatever is left
//! of it: every 36 seconds, at 90 % of the configured quota as at 10 %. The word is `cut_ms:44 | deficit:20` with the
//! deficit from 1 in millionths, and the recovery is worked out on reading, so there is no timer and an all-zero word is
//! a factor of 1.
//!
//! **Rejected.** Recovery by 0.01 per second, as TCP would: where a fifth of the quota is left, that is found again
//! after 6 seconds and refused again (docs/decisions/013). Learning a number of requests per minute: it is wrong the
//! moment somebody else uses the key. A lower bound of 0: what gets no traffic cannot prove that it has recovered.
//!
//! **Cost.** One load; an exponential while it recovers. From the bottom to the top takes five minutes.

use super::{MILLIS_BITS, MILLIS_MAX, millis};
use crate::sync::{AtomicU64, Ordering, update};
use crate::units::Nanos;

const ONE: u64 = 1_000_000;
/// The least factor, 0.05: a twentieth of the traffic still notices within seconds that the provider has recovered.
pub const LEAST: f64 = 0.05;
const MOST_DEFICIT: u64 = 950_000;
/// Growth per second.
const RECOVERY: f64 = 0.01;
/// Refusals within a second are answers to one and the same excess.
const BETWEEN_CUTS_MS: u64 = 1_000;

const _: () = assert!(MOST_DEFICIT < 1 << (64 - MILLIS_BITS), "the deficit fits beside the time");

/// A view of a capacity factor.
#[derive(Clone, Copy, Debug)]
pub struct Capacity<'a>(&'a AtomicU64);

impl<'a> Capacity<'a> {
    /// A view of `word`; zero is a factor of 1.
    #[must_use]
    pub const fn new(word: &'a AtomicU64) -> Self {
        Self(word)
    }

    /// The factor at `now`, 0.05 to 1.
    ///
    /// ```
    /// # use junctor_core::{limit::Capacity, sync::AtomicU64, units::Nanos};
    /// let word = AtomicU64::new(0);
    /// let capacity = Capacity::new(&word);
    /// let now = Nanos::from_secs(100);
    /// assert_eq!(capacity.factor(now), 1.0);
    /// assert!(capacity.cut(now) && !capacity.cut(now));
    /// assert_eq!(capacity.factor(now), 0.7);
    /// assert!((capacity.factor(now + Nanos::from_secs(10)) - 0.7 * 0.1_f64.exp()).abs() < 1e-6);
    /// ```
    #[inline]
    #[must_use]
    pub fn factor(&self, now: Nanos) -> f64 {
        match self.0.load(Ordering::Acquire) {
            0 => 1.0,
            word => (ONE - deficit(word, millis(now))) as f64 / ONE as f64,
        }
    }

    /// A refusal. Returns whether it cut, which it does at most once a second.
    pub fn cut(&self, now: Nanos) -> bool {
        update(self.0, |word| cut(word, millis(now))).is_ok()
    }
}

/// The deficit left at `now_ms`. A reading older than the cut recovers nothing.
fn deficit(word: u64, now_ms: u64) -> u64 {
    let elapsed = now_ms.saturating_sub(word & MILLIS_MAX);
    let deficit = word >> MILLIS_BITS;
    if deficit == 0 {
        return 0;
    }
    let recovered = (ONE - deficit) as f64 * (elapsed as f64 / 1e3 * RECOVERY).exp();
    ONE.saturating_sub(recovered as u64)
}

fn cut(word: u64, now_ms: u64) -> Option<u64> {
    if word != 0 && now_ms < (word & MILLIS_MAX) + BETWEEN_CUTS_MS {
        return None;
    }
    let factor = (ONE - deficit(word, now_ms)) * 7 / 10;
    let deficit = (ONE - factor).min(MOST_DEFICIT);
    Some((deficit << MILLIS_BITS) | now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn a_burst_of_refusals_cuts_once_a_second() {
        let word = AtomicU64::new(0);
        let capacity = Capacity::new(&word);
        let cuts = (0..3_000).filter(|&t| capacity.cut(ms(t))).count();
        assert_eq!(cuts, 3);
        let by_hand = 0.7_f64.powi(3) * 0.02_f64.exp();
        assert!(
            (capacity.factor(ms(2_000)) - by_hand).abs() < 1e-5,
            "three cuts, two seconds of recovery between them"
        );
    }

    #[test]
    fn it_never_falls_below_a_twentieth_and_recovers_to_one() {
        let word = AtomicU64::new(0);
        let capacity = Capacity::new(&word);
        for second in 0..100 {
            capacity.cut(ms(second * 1_000));
        }
        assert_eq!(capacity.factor(ms(99_000)), LEAST);
        // e^(0.01 t) = 20
        assert!(capacity.factor(ms(99_000 + 299_000)) < 1.0);
        assert_eq!(capacity.factor(ms(99_000 + 300_000)), 1.0);
        assert_eq!(capacity.factor(Nanos::MAX), 1.0);
    }

    #[test]
    fn whatever_is_left_is_asked_too_much_equally_seldom() {
        for cuts in [1, 4, 8] {
            let word = AtomicU64::new(0);
            let capacity = Capacity::new(&word);
            assert!((0..cuts).all(|second| capacity.cut(ms(second * 1_000))));
            let (low, later) = (capacity.factor(ms(cuts * 1_000)), capacity.factor(ms(cuts * 1_000 + 10_000)));
            assert!((later / low - 0.1_f64.exp()).abs() < 1e-4, "after {cuts} cuts: {low} and {later}");
        }
    }

    #[test]
    fn an_older_reading_neither_recovers_nor_cuts() {
        let word = AtomicU64::new(0);
        let capacity = Capacity::new(&word);
        assert!(capacity.cut(ms(5_000)));
        assert!(!capacity.cut(ms(3_000)));
        assert_eq!(capacity.factor(ms(3_000)), 0.7);
    }
}
