//! A budget for extra attempts: in a total outage, one in five requests is tried again, not all of them three times.
//!
//! **Problem.** Retries are cheap while failures are rare and ruinous when everything fails. Each request alone cannot
//! tell which it is.
//!
//! **Choice.** A purse that all requests share: each request pays in 0.2 tokens, each retry takes one out. What is saved
//! is capped at what ten seconds of traffic pay in, so a quiet night does not finance a storm. Small services get a
//! floor of three tokens a second, but only where the requests' own deposits fall short of it: at 500 requests per
//! second there is no floor on top of the 20 %. A fresh purse holds what ten quiet seconds leave in it, so that a process
//! that starts into a fault is no poorer than one that was idle (Finagle's budget starts with the same reserve).
//!
//! *How traffic is measured.* Word 0 is `second:24 | deposits:16 | purse:24`: the purse in hundredths of a token and the
//! requests counted in the current second. Whoever first comes in a later second closes the old one in the same
//! exchange, adds what the floor owes it, and then folds its count into word 1, a sum that forgets a tenth per second:
//! at a steady rate it rests at nine seconds of traffic, and with the running second at ten.
//!
//! **Rejected.** Load, compare, then add: between the two, other threads spend the same token (tower's budget once let
//! 60 % become 100 %). Slots that expire: ten words to sum for every retry, and no single word to exchange. A cap as a
//! plain number: it is wrong by the factor between two services' traffic.
//!
//! **Cost.** One exchange per request and per retry, one more per second. Word 1 follows word 0 by an instant, in which
//! another thread sees a cap that lacks the last second and may cut off a tenth of what was saved (of the very first
//! second, all but the floor or one token); never the opposite. More than 65,535 requests a second pay in as they come,
//! but count as that many for the cap.

use crate::sync::{AtomicU64, Ordering, update};
use crate::units::Nanos;

/// Words per budget.
pub const BUDGET_WORDS: usize = 2;

/// Hundredths, so that a percentage is what one request pays in.
const TOKEN: u64 = 100;
/// Seconds of traffic that can be saved up.
const SAVED_S: u64 = 10;

const PURSE_BITS: u32 = 24;
const PURSE_MASK: u64 = (1 << PURSE_BITS) - 1;
const DEPOSIT_BITS: u32 = 16;
const DEPOSIT_MASK: u64 = (1 << DEPOSIT_BITS) - 1;
const SECOND_SHIFT: u32 = PURSE_BITS + DEPOSIT_BITS;
const SECOND_MASK: u64 = (1 << (64 - SECOND_SHIFT)) - 1;

/// How much extra work is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Extra attempts per hundred requests.
    pub percent: u32,
    /// Extra attempts per second that even the smallest service has.
    pub floor_per_s: u32,
}

impl Allowance {
    /// 20 %, and three a second: Finagle's and Envoy's default, with a floor that lets one request exhaust its attempts.
    pub const RETRY: Self = Self { percent: 20, floor_per_s: 3 };
    /// 5 % and no floor: a hedge is a comfort, not a rescue (The Tail at Scale measured 2 %).
    pub const HEDGE: Self = Self { percent: 5, floor_per_s: 0 };

    /// Hundredths of a token that the floor pays in per second.
    const fn floor(self) -> u64 {
        self.floor_per_s as u64 * TOKEN
    }
}

/// A view of a budget's words. All zero starts with what ten quiet seconds of the floor pay in.
#[derive(Clone, Copy, Debug)]
pub struct RetryBudget<'a> {
    allowance: Allowance,
    purse: &'a AtomicU64,
    traffic: &'a AtomicU64,
}

impl<'a> RetryBudget<'a> {
    /// A view of `words` under `allowance`.
    #[must_use]
    pub const fn new(allowance: Allowance, words: &'a [AtomicU64; BUDGET_WORDS]) -> Self {
        let [purse, traffic] = words;
        Self { allowance, purse, traffic }
    }

    /// A view of the first two of `words`; `None` if there are fewer.
    #[must_use]
    pub fn from_slice(allowance: Allowance, words: &'a [AtomicU64]) -> Option<Self> {
        words.first_chunk().map(|words| Self::new(allowance, words))
    }

    /// A request has come in. Once per request, not per attempt.
    #[inline]
    pub fn deposit(&self, now: Nanos) {
        let paid = u64::from(self.allowance.percent);
        self.change(now, |purse| {
            Some(Purse {
                deposits: (purse.deposits + 1).min(DEPOSIT_MASK),
                hundredths: purse.hundredths + paid,
                ..purse
            })
        });
    }

    /// Pays for one extra attempt, if there is enough.
    ///
    /// ```
    /// # use junctor_core::{retry::{Allowance, RetryBudget, BUDGET_WORDS}, sync::AtomicU64, units::Nanos};
    /// let words: [AtomicU64; BUDGET_WORDS] = Default::default();
    /// let budget = RetryBudget::new(Allowance::HEDGE, &words);
    /// let now = Nanos::from_secs(1);
    /// (0..20).for_each(|_| budget.deposit(now));
    /// assert!(budget.withdraw(now)); // 20 × 5 %
    /// assert!(!budget.withdraw(now));
    /// ```
    #[must_use]
    pub fn withdraw(&self, now: Nanos) -> bool {
        self.change(now, |purse| purse.hundredths.checked_sub(TOKEN).map(|hundredths| Purse { hundredths, ..purse }))
    }

    /// The attempt that was paid for did not start.
    pub fn give_back(&self, now: Nanos) {
        self.change(now, |purse| Some(Purse { hundredths: purse.hundredths + TOKEN, ..purse }));
    }

    /// Extra attempts that could be paid for now.
    #[must_use]
    pub fn balance(&self, now: Nanos) -> f64 {
        let sum = self.traffic.load(Ordering::Acquire);
        let now = self.rolled(Purse::unpack(self.purse.load(Ordering::Acquire)), sum, now);
        now.purse.hundredths as f64 / TOKEN as f64
    }

    /// One exchange that closes past seconds and applies `next`; whether `next` agreed.
    fn change(&self, now: Nanos, next: impl Fn(Purse) -> Option<Purse>) -> bool {
        let sum = self.traffic.load(Ordering::Acquire);
        let swapped = update(self.purse, |bits| {
            let rolled = self.rolled(Purse::unpack(bits), sum, now);
            Some(self.capped(next(rolled.purse)?, rolled.sum).pack())
        });
        let Ok((old, _)) = swapped else { return false };
        // Only the one exchange that left the old second gets here with seconds to close.
        let old = Purse::unpack(old);
        let passed = self.rolled(old, sum, now).passed;
        if passed > 0 {
            let _ = update(self.traffic, |sum| Some(decayed(sum + old.deposits, passed)));
        }
        true
    }

    /// The state in the second of `now`.
    fn rolled(&self, purse: Purse, sum: u64, now: Nanos) -> Rolled {
        let second = (now.0 / Nanos::from_secs(1).0 + 1) & SECOND_MASK;
        let floor = self.allowance.floor();
        if purse.second == 0 {
            // Zero means never used; the seconds therefore count from one.
            return Rolled { purse: Purse { second, deposits: 0, hundredths: floor * SAVED_S }, sum, passed: 0 };
        }
        let passed = second.wrapping_sub(purse.second) & SECOND_MASK;
        if passed == 0 || passed > SECOND_MASK / 2 {
            // The same second, or a reading older than what has been seen.
            return Rolled { purse, sum, passed: 0 };
        }
        let paid = purse.deposits * u64::from(self.allowance.percent);
        let owed = floor * passed - paid.min(floor);
        let sum = decayed(sum + purse.deposits, passed);
        let purse = Purse { second, deposits: 0, hundredths: purse.hundredths + owed };
        Rolled { purse: self.capped(purse, sum), sum, passed }
    }

    fn capped(&self, purse: Purse, sum: u64) -> Purse {
        Purse { hundredths: purse.hundredths.min(self.cap(&purse, sum)), ..purse }
    }

    /// What ten seconds of traffic pay in, at least ten seconds of the floor, and at least one token: where traffic is
    /// so thin that ten seconds pay in less, a purse that forgot it would never pay anything.
    fn cap(&self, purse: &Purse, sum: u64) -> u64 {
        let traffic = (sum + purse.deposits) * u64::from(self.allowance.percent);
        traffic.max(self.allowance.floor() * SAVED_S).clamp(TOKEN, PURSE_MASK)
    }
}

/// `second:24 | deposits:16 | purse:24`, unpacked.
#[derive(Clone, Copy, Debug)]
struct Purse {
    second: u64,
    deposits: u64,
    hundredths: u64,
}

/// A purse after past seconds were closed, the traffic before its second, and how many seconds that were.
struct Rolled {
    purse: Purse,
    sum: u64,
    passed: u64,
}

impl Purse {
    const fn unpack(bits: u64) -> Self {
        Self {
            second: bits >> SECOND_SHIFT,
            deposits: (bits >> PURSE_BITS) & DEPOSIT_MASK,
            hundredths: bits & PURSE_MASK,
        }
    }

    const fn pack(self) -> u64 {
        (self.second << SECOND_SHIFT) | (self.deposits << PURSE_BITS) | self.hundredths
    }
}

/// `sum` after `seconds`, each of which forgets a tenth, rounded down. After 200 nothing is left of the largest sum.
fn decayed(sum: u64, seconds: u64) -> u64 {
    if seconds > 200 { 0 } else { (0..seconds).fold(sum, |sum, _| sum * 9 / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> [AtomicU64; BUDGET_WORDS] {
        Default::default()
    }

    fn drain(budget: &RetryBudget<'_>, now: Nanos) -> u64 {
        (0..1_000_000).take_while(|_| budget.withdraw(now)).count() as u64
    }

    /// `rps` requests a second for `seconds`, each failing and asking for two retries.
    fn storm(budget: &RetryBudget<'_>, rps: u64, from: u64, seconds: u64) -> u64 {
        let gap = 1_000_000_000 / rps;
        (0..rps * seconds).fold(0, |retries, i| {
            let now = Nanos::from_secs(from) + Nanos(i * gap);
            budget.deposit(now);
            retries + u64::from(budget.withdraw(now)) + u64::from(budget.withdraw(now))
        })
    }

    #[test]
    fn a_fresh_purse_is_that_of_ten_quiet_seconds() {
        let words = words();
        let budget = RetryBudget::new(Allowance::RETRY, &words);
        assert_eq!(drain(&budget, Nanos::from_secs(100)), 30);
        assert_eq!(drain(&budget, Nanos::from_secs(110)), 30, "nor does the first one grow by being older");
    }

    #[test]
    fn when_everything_fails_one_request_in_five_is_tried_again() {
        for rps in [16, 50, 500, 20_000] {
            let words = words();
            let budget = RetryBudget::new(Allowance::RETRY, &words);
            drain(&budget, Nanos::from_secs(99));
            let retries = storm(&budget, rps, 100, 20);
            let fifth = rps * 20 / 5;
            assert!(retries >= fifth && retries <= fifth + 3, "{retries} of {} at {rps}/s", rps * 20);
        }
    }

    #[test]
    fn a_small_service_has_three_a_second() {
        let words = words();
        let budget = RetryBudget::new(Allowance::RETRY, &words);
        drain(&budget, Nanos::from_secs(99));
        assert_eq!(storm(&budget, 2, 100, 20), 60, "its deposits and the floor together, not one on top of the other");
        let words = self::words();
        let budget = RetryBudget::new(Allowance::RETRY, &words);
        drain(&budget, Nanos::from_secs(99));
        let retries: u64 = (100..120).map(|second| drain(&budget, Nanos::from_secs(second))).sum();
        assert_eq!(retries, 60);
    }

    #[test]
    fn at_most_ten_seconds_of_traffic_are_saved() {
        for (rps, least, most) in [(500, 900, 1_000), (100, 180, 200), (1, 30, 30)] {
            let words = words();
            let budget = RetryBudget::new(Allowance::RETRY, &words);
            let gap = 1_000_000_000 / rps;
            let mut now = Nanos::ZERO;
            for i in 0..rps * 300 {
                now = Nanos::from_secs(100) + Nanos(i * gap);
                budget.deposit(now);
            }
            let saved = drain(&budget, now);
            assert!((least..=most).contains(&saved), "{saved} saved at {rps}/s");
        }
    }

    #[test]
    fn a_quiet_hour_leaves_the_floor_and_no_more() {
        let words = words();
        let budget = RetryBudget::new(Allowance::RETRY, &words);
        (0..50_000).for_each(|i| budget.deposit(Nanos::from_secs(100) + Nanos(i * 100_000)));
        assert_eq!(drain(&budget, Nanos::from_secs(3_700)), 30);
        assert_eq!(drain(&budget, Nanos::from_secs(3_701)), 3);
    }

    #[test]
    fn hedges_have_no_floor() {
        let words = words();
        let budget = RetryBudget::new(Allowance::HEDGE, &words);
        assert_eq!(drain(&budget, Nanos::from_secs(1_000)), 0);
        (0..1_000).for_each(|_| budget.deposit(Nanos::from_secs(1_000)));
        assert_eq!(drain(&budget, Nanos::from_secs(1_000)), 50);
    }

    #[test]
    fn thin_traffic_hedges_too_one_in_twenty() {
        let words = words();
        let budget = RetryBudget::new(Allowance::HEDGE, &words);
        let hedges = storm(&budget, 1, 1, 2_000);
        assert!((99..=100).contains(&hedges), "{hedges} of 2,000 calls");
    }

    #[test]
    fn what_is_given_back_can_be_spent_once() {
        let words = words();
        let budget = RetryBudget::new(Allowance::RETRY, &words);
        let now = Nanos::from_secs(5);
        assert_eq!(drain(&budget, now), 30);
        budget.give_back(now);
        assert_eq!(budget.balance(now), 1.0);
        assert_eq!(drain(&budget, now), 1);
    }

    #[test]
    fn an_older_reading_closes_no_second() {
        let words = words();
        let budget = RetryBudget::new(Allowance::RETRY, &words);
        assert_eq!(drain(&budget, Nanos::from_secs(100)), 30);
        assert_eq!(drain(&budget, Nanos::from_secs(99)), 0);
        assert_eq!(drain(&budget, Nanos::from_secs(100)), 0);
    }
}
