//! How many are at it right now, in a word that never shows the same number twice by accident.
//!
//! **Problem.** Attempts in flight and places in a concurrency limit are counted up and down by threads of many
//! processes. One that is killed in between leaves its count behind, and whoever corrects that must not mistake "nothing
//! happened" for "one came and another went".
//!
//! **Choice.** `started ever:44 | running:20` in one word. Whatever enters raises the upper part for good, so a word that
//! reads the same twice has not moved in between, and a correction by compare-exchange cannot hit a moving count.
//!
//! **Rejected.** A bare counter: it can come back to a value that a corrector has seen. Two words: they can be read apart.
//!
//! **Cost.** A million at a time, and so many a second for half a year.

use crate::sync::{AtomicU64, Ordering, update};

const RUNNING_BITS: u32 = 20;
const RUNNING: u64 = (1 << RUNNING_BITS) - 1;
const STARTED_ONE: u64 = 1 << RUNNING_BITS;

/// The most that can run at once.
pub const MAX_RUNNING: u64 = RUNNING;

/// A view of one such word.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<'s>(&'s AtomicU64);

impl<'s> Gauge<'s> {
    /// A view of `word`; all zero is nobody.
    #[must_use]
    #[inline]
    pub const fn new(word: &'s AtomicU64) -> Self {
        Self(word)
    }

    /// One more.
    #[inline]
    pub fn enter(self) {
        self.0.fetch_add(STARTED_ONE | 1, Ordering::AcqRel);
    }

    /// One less, and never less than nobody. Each `leave` has its `enter`, which whoever settles an attempt sees to; but a
    /// process that was taken for dead, because it closed its locks, may find its attempts gone.
    #[inline]
    pub fn leave(self) {
        give_back(self.0, 1);
    }

    /// How many are at it.
    ///
    /// Acquire and Release pair here: whoever sees one gone also sees what it wrote before it left.
    #[must_use]
    #[inline]
    pub fn running(self) -> u64 {
        running(self.0.load(Ordering::Acquire))
    }

    /// How many ever entered.
    #[must_use]
    pub fn started(self) -> u64 {
        self.0.load(Ordering::Relaxed) >> RUNNING_BITS
    }

    /// The whole word, for [`correct`](Self::correct).
    #[must_use]
    pub fn word(self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Lowers the count to `most` if it is higher. `seen` is what [`word`](Self::word) said before it was known that no
    /// more than `most` are at it; answers whether the gauge is right now, which is `false` if it moved meanwhile.
    #[must_use]
    pub fn correct(self, seen: u64, most: u64) -> bool {
        let surplus = running(seen).saturating_sub(most);
        // Exchanged for itself too: a load could say what was there before.
        self.0.compare_exchange(seen, seen - surplus, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// Takes `n` places: the new word if no more than `limit` are taken then.
#[must_use]
#[inline]
pub fn taken(word: u64, n: u64, limit: u64) -> Option<u64> {
    let sum = running(word).checked_add(n).filter(|&sum| sum <= limit.min(MAX_RUNNING))?;
    Some((word & !RUNNING).wrapping_add(n.wrapping_mul(STARTED_ONE)) | sum)
}

/// Gives `n` places back to `word`; never more than are taken.
#[inline]
pub fn give_back(word: &AtomicU64, n: u64) {
    let _ = update(word, |word| Some(word - running(word).min(n)));
}

/// How many a word counts as being at it.
#[must_use]
#[inline]
pub const fn running(word: u64) -> u64 {
    word & RUNNING
}

/// Makes every exchange fail that began before: whoever has looked at the word looks again, and at what it is compared
/// with.
pub fn stir(word: &AtomicU64) {
    word.fetch_add(STARTED_ONE, Ordering::AcqRel);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_counts_who_is_there_and_who_ever_was() {
        let word = AtomicU64::new(0);
        let gauge = Gauge::new(&word);
        (0..3).for_each(|_| gauge.enter());
        gauge.leave();
        assert_eq!((gauge.running(), gauge.started()), (2, 3));
    }

    #[test]
    fn a_correction_lowers_a_count_that_stands_still_and_none_that_moved() {
        let word = AtomicU64::new(0);
        let gauge = Gauge::new(&word);
        (0..5).for_each(|_| gauge.enter());
        let seen = gauge.word();
        gauge.leave();
        gauge.enter();
        assert!(!gauge.correct(seen, 2), "the same number, but not the same moment");
        assert_eq!(gauge.running(), 5);
        assert!(gauge.correct(gauge.word(), 2));
        assert_eq!((gauge.running(), gauge.started()), (2, 6));
        assert!(gauge.correct(gauge.word(), 9), "it never raises");
        assert_eq!(gauge.running(), 2);
    }

    #[test]
    fn places_end_at_the_limit_and_never_below_nobody() {
        let word = AtomicU64::new(0);
        for place in 1..=3 {
            let next = taken(word.load(Ordering::Relaxed), 1, 3).unwrap();
            word.store(next, Ordering::Relaxed);
            assert_eq!(running(next), place);
        }
        assert_eq!(taken(word.load(Ordering::Relaxed), 1, 3), None);
        assert_eq!(taken(0, u64::MAX, u64::MAX), None);
        assert_eq!(taken(0, MAX_RUNNING, u64::MAX).map(running), Some(MAX_RUNNING));
        give_back(&word, 2);
        assert_eq!(Gauge::new(&word).running(), 1);
        give_back(&word, 2);
        assert_eq!((Gauge::new(&word).running(), Gauge::new(&word).started()), (0, 3));
    }
}
