//! The share of failures over the last ten seconds, exactly.
//!
//! **Problem.** Half the answers failing is a fault even if five in a row never fail. A burst of a thousand failures
//! within a millisecond must lead to the same decision as the same failures spread over nine seconds.
//!
//! **Choice.** Ten slices of a second, each one word `second:24 | total:20 | failed:20`. A slice with an old second is
//! replaced by the same compare-exchange that counts into it: there is no reset to race with. The share is the exact
//! quotient of counts.
//!
//! **Rejected.** A decaying average: a tight burst carries almost no weight, so a total outage can hide in it. A ring of
//! the last hundred results: at one request a minute it judges by what happened an hour ago.
//!
//! **Cost.** One exchange per result and ten loads per judgement. The window is nine to ten seconds long. A second's
//! tag repeats after 194 days; a slice untouched for exactly that long would count once more.

use crate::sync::{AtomicU64, Ordering, update};
use crate::units::Nanos;

/// Slices, one second each.
pub const SLICES: usize = 10;
/// Fewer results than this say nothing about a share.
pub const MIN_RESULTS: u64 = 10;

const SECOND_BITS: u32 = 24;
const SECOND_MASK: u64 = (1 << SECOND_BITS) - 1;
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// Results of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All results.
    pub total: u64,
    /// Those that were hard failures.
    pub failed: u64,
}

impl Tally {
    /// At least half of at least ten failed.
    #[must_use]
    pub const fn trips(self) -> bool {
        self.total >= MIN_RESULTS && self.failed * 2 >= self.total
    }
}

/// A view of the ten slices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slices<'a>(&'a [AtomicU64; SLICES]);

impl<'a> Slices<'a> {
    pub const fn new(words: &'a [AtomicU64; SLICES]) -> Self {
        Self(words)
    }

    /// Counts one result.
    pub fn count(&self, failed: bool, now: Nanos) {
        let second = second(now);
        let place = usize::try_from(second % SLICES as u64).unwrap_or(0);
        if let Some(slice) = self.0.get(place) {
            let _ = update(slice, |word| counted(word, second & SECOND_MASK, failed));
        }
    }

    /// The last ten seconds, without what lies before the second of `since`.
    pub fn tally(&self, now: Nanos, since: Nanos) -> Tally {
        let now = second(now);
        let span = (now.saturating_sub(second(since)) + 1).min(SLICES as u64);
        self.0.iter().map(|slice| slice.load(Ordering::Acquire)).fold(Tally::default(), |sum, word| {
            let age = now.wrapping_sub(word >> (2 * COUNT_BITS)) & SECOND_MASK;
            if age >= span {
                return sum;
            }
            Tally { total: sum.total + ((word >> COUNT_BITS) & COUNT_MASK), failed: sum.failed + (word & COUNT_MASK) }
        })
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.iter().for_each(|slice| slice.store(0, Ordering::Release));
    }
}

/// Whether a result of `at` has left the window at `now`.
pub(super) const fn is_past(at: Nanos, now: Nanos) -> bool {
    second(at) + SLICES as u64 <= second(now)
}

const fn second(now: Nanos) -> u64 {
    now.0 / Nanos::from_secs(1).0
}

/// One more result of `second`; `None` if the slice is full, or already counts a later second.
fn counted(word: u64, second: u64, failed: bool) -> Option<u64> {
    let failed = u64::from(failed);
    let held = word >> (2 * COUNT_BITS);
    if held != second {
        // The reading is older than what the slice holds: within ten seconds it is out of the window anyway.
        let ahead = held.wrapping_sub(second) & SECOND_MASK;
        let newer = word != 0 && ahead < SECOND_MASK / 2;
        return (!newer).then_some((second << (2 * COUNT_BITS)) | (1 << COUNT_BITS) | failed);
    }
    // A million results a second: the share is known by now.
    ((word >> COUNT_BITS) & COUNT_MASK < COUNT_MASK).then(|| word + (1 << COUNT_BITS) + failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    fn tally(results: &[(u64, bool)], now: u64) -> Tally {
        let words: [AtomicU64; SLICES] = Default::default();
        let slices = Slices::new(&words);
        results.iter().for_each(|&(ms, failed)| slices.count(failed, at(ms)));
        slices.tally(at(now), Nanos::ZERO)
    }

    #[test]
    fn a_result_counts_until_its_second_is_ten_seconds_old() {
        for (now, total) in [(5_000, 1), (5_999, 1), (14_999, 1), (15_000, 0), (1_000_000, 0)] {
            assert_eq!(tally(&[(5_500, true)], now), Tally { total, failed: total }, "at {now} ms");
        }
    }

    #[test]
    fn an_old_slice_is_replaced_not_added_to() {
        let results = [(3_000, true), (3_100, true), (13_000, false), (23_500, true), (23_600, false)];
        assert_eq!(tally(&results, 23_700), Tally { total: 2, failed: 1 });
    }

    #[test]
    fn a_reading_from_before_the_slice_is_dropped() {
        assert_eq!(tally(&[(13_000, false), (3_000, true)], 13_000), Tally { total: 1, failed: 0 });
    }

    #[test]
    fn the_share_trips_at_half_of_ten() {
        for (total, failed, trips) in
            [(9, 9, false), (10, 4, false), (10, 5, true), (100, 49, false), (100, 50, true), (11, 5, false)]
        {
            assert_eq!(Tally { total, failed }.trips(), trips, "{failed} of {total}");
        }
    }

    #[test]
    fn what_happened_before_the_closing_does_not_count() {
        let words: [AtomicU64; SLICES] = Default::default();
        let slices = Slices::new(&words);
        slices.count(true, at(1_900));
        slices.count(true, at(2_100));
        assert_eq!(slices.tally(at(2_200), at(2_000)), Tally { total: 1, failed: 1 });
    }

    #[test]
    fn a_full_slice_stays_full() {
        let full = (7 << (2 * COUNT_BITS)) | (COUNT_MASK << COUNT_BITS) | 3;
        assert_eq!(counted(full, 7, true), None);
    }
}
