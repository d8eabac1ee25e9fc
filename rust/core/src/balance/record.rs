//! The record of one deployment in the shared state: which word means what.

use super::averages::{Latency, Success, slow_start};
use super::pending::{Pending, PendingCell};
use crate::breaker::{BREAKER_WORDS, Breaker};
use crate::gauge::Gauge;
use crate::limit::{Capacity, HoldUntil};
use crate::state::{DEPLOYMENT_WORDS, State};
use crate::sync::{AtomicU64, Ordering};
use crate::units::Nanos;

// Line 0: what every pick reads.
const IDENTITY: usize = 0;
const IN_FLIGHT: usize = 1;
const LATENCY: usize = 2;
const SUCCESS: usize = 3;
const CAPACITY: usize = 4;
const HOLD: usize = 5;
const OLDEST: usize = 6;
const JOINED_AT: usize = 7;
// Line 1: what a settlement writes.
const LATENCY_SAMPLES: usize = 8;
/// Totals since the record was claimed.
const TOTALS: usize = 9;

/// Lines 0 and 1; the breaker's words and the cells of unanswered attempts follow.
const HEAD_WORDS: usize = 16;
const PENDING_WORDS: usize = DEPLOYMENT_WORDS - HEAD_WORDS - BREAKER_WORDS;

/// Totals of one deployment, by place in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Attempts that ended well.
    Succeeded,
    /// Hard failures.
    Failed,
    /// Answers 429 or 529.
    Throttled,
    /// Input tokens used.
    InputTokens,
    /// Output tokens used.
    OutputTokens,
    /// Money spent in micro-dollars.
    UsdMicros,
    /// Walks that its limits, its hold or its breaker turned away.
    Refusals,
}

const _: () = assert!(TOTALS + Total::Refusals as usize == HEAD_WORDS - 1, "the totals fill the head");

/// A view of one deployment's record.
#[derive(Clone, Copy)]
pub struct DeploymentRecord<'s> {
    head: &'s [AtomicU64; HEAD_WORDS],
    breaker: &'s [AtomicU64; BREAKER_WORDS],
    pending: &'s [AtomicU64; PENDING_WORDS],
}

impl<'s> DeploymentRecord<'s> {
    /// The record in `slot`.
    #[must_use]
    #[inline]
    pub fn of(state: &'s State, slot: u32) -> Option<Self> {
        let (head, rest) = state.deployment(slot)?.split_first_chunk()?;
        let (breaker, rest) = rest.split_first_chunk()?;
        Some(Self { head, breaker, pending: rest.first_chunk()? })
    }

    /// Whose record this is.
    #[must_use]
    #[inline]
    pub fn identity(self) -> u64 {
        self.head[IDENTITY].load(Ordering::Relaxed)
    }

    /// Attempts in flight, and those ever started.
    #[must_use]
    #[inline]
    pub const fn gauge(self) -> Gauge<'s> {
        let [_, word, ..] = self.head;
        Gauge::new(word)
    }

    /// Attempts in flight.
    #[must_use]
    #[inline]
    pub fn in_flight(self) -> u64 {
        self.gauge().running()
    }

    /// Average of the time to first content.
    #[must_use]
    #[inline]
    pub fn latency(self) -> Latency<'s> {
        Latency::new(&self.head[LATENCY], &self.head[LATENCY_SAMPLES])
    }

    /// Average of success.
    #[must_use]
    #[inline]
    pub fn success(self) -> Success<'s> {
        Success::new(&self.head[SUCCESS])
    }

    /// Learned share of the configured capacity.
    #[must_use]
    #[inline]
    pub fn capacity(self) -> Capacity<'s> {
        Capacity::new(&self.head[CAPACITY])
    }

    /// The provider's "come back later".
    #[must_use]
    #[inline]
    pub fn hold(self) -> HoldUntil<'s> {
        HoldUntil::new(&self.head[HOLD])
    }

    /// Attempts without first content.
    #[must_use]
    #[inline]
    pub fn pending(self) -> Pending<'s> {
        Pending::new(&self.head[OLDEST], self.pending)
    }

    /// Forgets an unanswered attempt that is still in flight.
    #[inline]
    pub fn forget(self, cell: PendingCell) {
        self.pending().forget(cell, || self.in_flight() == 1);
    }

    /// The breaker.
    #[must_use]
    #[inline]
    pub fn breaker(self) -> Breaker<'s> {
        Breaker::new(self.breaker)
    }

    /// Reads a word of each line that a walk and its settlement will read; see [`crate::touch`].
    #[inline]
    pub(crate) fn touch(self, spread: u64) -> u64 {
        let lines =
            [&self.head[IDENTITY], &self.head[LATENCY_SAMPLES], &self.breaker[0], &self.breaker[BREAKER_WORDS - 1]];
        let read = lines.into_iter().fold(0, |read, word| read ^ word.load(Ordering::Relaxed));
        read ^ self.pending().touch(spread)
    }

    /// Slow start: the share of its weight that a deployment gets after being added or after its breaker closed.
    #[must_use]
    #[inline]
    pub fn slow_start(self, now: Nanos) -> f32 {
        let joined = match self.head[JOINED_AT].load(Ordering::Relaxed) {
            0 => Nanos::MAX,
            at => now.since(Nanos(at)),
        };
        let closed = self.breaker().closed_since(now).unwrap_or(Nanos::MAX);
        slow_start(joined.min(closed))
    }

    /// Adds to a total.
    #[inline]
    pub fn add(self, total: Total, amount: u64) {
        if let Some(word) = self.head.get(TOTALS + total as usize) {
            word.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Reads a total.
    #[must_use]
    pub fn total(self, total: Total) -> u64 {
        self.head.get(TOTALS + total as usize).map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

/// Notes that a deployment joined a fleet that was already at work, for its slow start. Those that were there from the
/// beginning have nobody to be slower than.
pub fn note_joined(state: &State, slot: u32, now: Nanos) {
    if let Some(words) = state.deployment(slot) {
        words[JOINED_AT].store(now.0.max(1), Ordering::Release);
    }
}

/// Whether a deployment's record still has attempts in flight.
#[must_use]
pub fn is_busy(words: &[AtomicU64]) -> bool {
    words.get(IN_FLIGHT).is_some_and(|word| Gauge::new(word).running() > 0)
}
