//! Attempts that have no first content yet, and how old the oldest is.
//!
//! A deployment that accepts requests and never answers looks idle to every average: nothing comes back that could
//! raise one. The age of its oldest unanswered attempt shows it within seconds. Each attempt writes its sent time into
//! a free cell and clears it at first content or at its end; a hint word keeps the minimum so that a pick reads one
//! word. Rejected: a queue or heap (a lock); only the newest sent time (a trickle of answers would hide the hung ones).
//!
//! A cell is `sent time:56 | seat:8`, the time to 256 ns: what a dead process left unanswered is found by its seat.
//!
//! There are 32 cells. Attempts beyond them are not tracked: then the in-flight count speaks loudly enough.

use crate::sync::{AtomicU64, Ordering};
use crate::units::Nanos;

/// A view of one deployment's cells.
#[derive(Clone, Copy)]
pub struct Pending<'s> {
    /// The smallest sent time, 0 if none. A hint: it may name an attempt that has just been answered.
    oldest: &'s AtomicU64,
    cells: &'s [AtomicU64],
}

/// The cell of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingCell {
    index: u8,
    sent: u64,
}

/// The lowest bits of a cell: the seat of whoever sent the attempt.
const SEAT: u64 = 0xff;

impl<'s> Pending<'s> {
    /// A view over the hint word and the cells.
    #[must_use]
    #[inline]
    pub const fn new(oldest: &'s AtomicU64, cells: &'s [AtomicU64]) -> Self {
        Self { oldest, cells }
    }

    /// Notes an attempt that `seat` sent at `now`; `None` if all cells are taken. `spread` chooses where the search begins.
    #[inline]
    pub fn note(self, now: Nanos, seat: u8, spread: u64) -> Option<PendingCell> {
        let sent = (now.0 & !SEAT).max(SEAT + 1) | u64::from(seat);
        let count = self.cells.len();
        let first = first_cell(spread);
        let index = (0..count).map(|step| (first.wrapping_add(step)) % count).find(|&index| {
            let cell = self.cells.get(index);
            cell.is_some_and(|cell| cell.compare_exchange(0, sent, Ordering::AcqRel, Ordering::Relaxed).is_ok())
        })?;
        // Only an empty hint is filled: a set one is older, since time only grows. It is read by writing nothing to it,
        // because then whoever empties it afterwards sees our cell; a plain load might see what has just been emptied.
        if self.oldest.fetch_add(0, Ordering::AcqRel) == 0 {
            let _ = self.oldest.compare_exchange(0, sent, Ordering::AcqRel, Ordering::Relaxed);
        }
        Some(PendingCell { index: u8::try_from(index).ok()?, sent })
    }

    /// Forgets an attempt: it was answered or is over. `alone` says whether no other is in flight: then there is
    /// nobody to look for who might be the oldest now.
    #[inline]
    pub fn forget(self, cell: PendingCell, alone: impl Fn() -> bool) {
        // Until it is zero the cell is this attempt's alone, so a store does; unless somebody has given the record away.
        if let Some(word) = self.cells.get(usize::from(cell.index))
            && word.load(Ordering::Relaxed) == cell.sent
        {
            word.store(0, Ordering::Release);
        }
        if self.oldest.load(Ordering::Acquire) != cell.sent {
            return;
        }
        if !alone() {
            self.refresh(cell.sent);
        } else if self.oldest.compare_exchange(cell.sent, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() && !alone() {
            // Whoever came in between may have taken our hint for an older attempt's and left none of its own.
            self.refresh(0);
        }
    }

    /// Forgets what a dead process left unanswered.
    pub fn forget_all_of(self, seat: u8) {
        for cell in self.cells {
            let sent = cell.load(Ordering::Acquire);
            if sent != 0 && sent & SEAT == u64::from(seat) {
                let _ = cell.compare_exchange(sent, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
        self.refresh(self.oldest.load(Ordering::Acquire));
    }

    /// Reads the cell where [`note`](Self::note) will begin, so that it is near when that comes.
    #[inline]
    pub(crate) fn touch(self, spread: u64) -> u64 {
        let cell = self.cells.get(first_cell(spread) % self.cells.len().max(1));
        cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// Whether any attempt may be unanswered.
    #[must_use]
    #[inline]
    pub fn any(self) -> bool {
        self.oldest.load(Ordering::Acquire) != 0
    }

    /// Age of the oldest unanswered attempt; zero if there is none.
    ///
    /// Below `doubtful` the hint is good enough; above, the cells are read, so that a stale hint cannot shun anybody.
    #[must_use]
    #[inline]
    pub fn age(self, now: Nanos, doubtful: Nanos) -> Nanos {
        let age = Self::span(self.oldest.load(Ordering::Acquire), now);
        if age <= doubtful { age } else { self.true_age(now) }
    }

    #[cold]
    fn true_age(self, now: Nanos) -> Nanos {
        let hint = self.oldest.load(Ordering::Acquire);
        Self::span(self.refresh(hint), now)
    }

    /// Replaces the hint `seen` by the true minimum and returns that.
    fn refresh(self, seen: u64) -> u64 {
        let oldest = self.oldest_cell();
        let emptied = oldest == 0 && seen != 0;
        let swapped = self.oldest.compare_exchange(seen, oldest, Ordering::AcqRel, Ordering::Relaxed);
        // Whoever came after the cells were read and before the hint was emptied has left none of its own.
        if emptied && swapped.is_ok() { self.refresh(0) } else { oldest }
    }

    /// The smallest sent time in the cells, 0 if all are empty.
    fn oldest_cell(self) -> u64 {
        let sent = self.cells.iter().map(|cell| cell.load(Ordering::Acquire)).filter(|&sent| sent != 0);
        sent.min().unwrap_or(0)
    }

    const fn span(sent: u64, now: Nanos) -> Nanos {
        if sent == 0 { Nanos::ZERO } else { now.since(Nanos(sent & !SEAT)) }
    }
}

#[inline]
fn first_cell(spread: u64) -> usize {
    usize::try_from(spread).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    const NEVER: Nanos = Nanos::MAX;
    const ALWAYS: Nanos = Nanos::ZERO;

    /// Times that a cell holds exactly.
    const fn at(time: u64) -> Nanos {
        Nanos(time << 8)
    }

    #[test]
    fn the_age_is_that_of_the_oldest_unanswered_attempt() {
        let (oldest, cells) = (AtomicU64::new(0), words(4));
        let pending = Pending::new(&oldest, &cells);
        assert_eq!(pending.age(at(50), NEVER), Nanos::ZERO);
        let first = pending.note(at(10), 7, 3).unwrap();
        let second = pending.note(at(20) + Nanos(255), 255, 3).unwrap();
        assert_eq!(pending.age(at(50), NEVER), at(40));
        pending.forget(first, || false);
        assert_eq!(pending.age(at(50), NEVER), at(30), "to 256 ns");
        pending.forget(second, || true);
        assert_eq!(pending.age(at(50), NEVER), Nanos::ZERO);
    }

    #[test]
    fn the_last_one_in_flight_leaves_nothing_behind() {
        let (oldest, cells) = (AtomicU64::new(0), words(4));
        let pending = Pending::new(&oldest, &cells);
        let only = pending.note(at(10), 0, 1).unwrap();
        pending.forget(only, || true);
        assert!(!pending.any() && cells.iter().all(|cell| cell.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn an_attempt_without_a_cell_is_not_tracked() {
        let (oldest, cells) = (AtomicU64::new(0), words(2));
        let pending = Pending::new(&oldest, &cells);
        assert!(pending.note(Nanos(1), 0, 0).is_some());
        assert!(pending.note(Nanos(2), 0, 0).is_some());
        assert!(pending.note(Nanos(3), 0, 0).is_none());
    }

    #[test]
    fn what_a_dead_process_left_is_forgotten_and_nobody_elses() {
        let (oldest, cells) = (AtomicU64::new(0), words(4));
        let pending = Pending::new(&oldest, &cells);
        (0..2).for_each(|spread| _ = pending.note(at(10), 3, spread));
        pending.note(at(30), 0, 2).unwrap();
        pending.forget_all_of(3);
        assert_eq!(pending.age(at(50), NEVER), at(20));
        pending.forget_all_of(0);
        assert!(!pending.any());
    }

    #[test]
    fn a_stale_hint_is_corrected_before_it_can_shun_anybody() {
        let (oldest, cells) = (AtomicU64::new(7), words(2));
        let pending = Pending::new(&oldest, &cells);
        assert_eq!(pending.age(Nanos(1_000), ALWAYS), Nanos::ZERO);
        assert_eq!(oldest.load(Ordering::Relaxed), 0);
    }
}
