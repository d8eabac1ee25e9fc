//! The breaker's two packed words.

use super::backoff;
use super::report::Reason;
use crate::units::{Nanos, Tick};

/// Whether traffic passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It passes.
    #[default]
    Closed,
    /// It does not, until a time.
    Open,
    /// One probe is under way.
    HalfOpen,
    /// It does not, until the operator says so.
    ForcedOpen,
}

/// 26 bits: a breaker that probes every second meets the same generation after two years.
const GENERATION_MASK: u32 = (1 << 26) - 1;

/// `state:2 | exponent:4 | generation:26 | until:32`, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub state: State,
    pub exponent: u32,
    pub generation: u32,
    /// Open: when a probe is due. Half open: when its lease ends. Closed: since when.
    pub until: Tick,
}

impl Word {
    #[inline]
    pub const fn unpack(bits: u64) -> Self {
        let high = (bits >> 32) as u32;
        let state = match high >> 30 {
            0 => State::Closed,
            1 => State::Open,
            2 => State::HalfOpen,
            _ => State::ForcedOpen,
        };
        Self { state, exponent: (high >> 26) & 0xf, generation: high & GENERATION_MASK, until: Tick(bits as u32) }
    }

    #[inline]
    pub const fn pack(self) -> u64 {
        let high = ((self.state as u32) << 30) | ((self.exponent & 0xf) << 26) | (self.generation & GENERATION_MASK);
        ((high as u64) << 32) | self.until.0 as u64
    }

    /// Another state in the next generation.
    pub const fn next(self, state: State, exponent: u32, until: Tick) -> Self {
        Self { state, exponent, generation: (self.generation + 1) & GENERATION_MASK, until }
    }

    /// Open for the time that `exponent` stands for, or for `least` if that is longer.
    pub fn opened(self, exponent: u32, least: Nanos, now: Nanos) -> Self {
        let span = backoff::open_time(exponent).max(least);
        self.next(State::Open, exponent, Tick::not_before(now + span))
    }

    /// `until` as an instant, if it lies ahead of `now`.
    ///
    /// Ticks wrap after two years; what seems further ahead than any open time can be lies behind.
    #[inline]
    pub fn refuses_until(self, now: Nanos) -> Option<Nanos> {
        if self.state == State::ForcedOpen {
            return Some(Nanos::MAX);
        }
        let ahead = self.until.span_since(Tick::at(now));
        let start_of_tick = Nanos(now.0 - now.0 % Tick::SPAN.0);
        (ahead > Nanos::ZERO && ahead <= backoff::LONGEST_OPEN).then(|| start_of_tick + ahead)
    }

    /// How long it has been closed. A fresh word, or one that has wrapped: for ever.
    #[inline]
    pub fn closed_for(self, now: Nanos) -> Nanos {
        let (closed, now) = (self.until, Tick::at(now));
        if self == Self::default() || closed.span_since(now) > backoff::LONGEST_OPEN {
            return Nanos::MAX;
        }
        now.span_since(closed)
    }
}

/// `generation:26 | reason:2 | length:8`: failures in a row, and why it is open, of one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub length: u32,
    pub reason: Reason,
}

impl Run {
    const REASON_SHIFT: u32 = 8;
    const GENERATION_SHIFT: u32 = 10;

    /// The run of `generation`: empty if the word counts another one.
    pub const fn of(bits: u64, generation: u32) -> Self {
        if (bits >> Self::GENERATION_SHIFT) as u32 != generation {
            return Self { length: 0, reason: Reason::Failures };
        }
        let reason = if (bits >> Self::REASON_SHIFT) & 1 == 1 { Reason::Config } else { Reason::Failures };
        Self { length: (bits & 0xff) as u32, reason }
    }

    /// Whether the word counts a later generation than `generation`.
    pub const fn is_after(bits: u64, generation: u32) -> bool {
        let ahead = ((bits >> Self::GENERATION_SHIFT) as u32).wrapping_sub(generation) & GENERATION_MASK;
        ahead != 0 && ahead <= GENERATION_MASK / 2
    }

    pub const fn pack(self, generation: u32) -> u64 {
        let reason = (matches!(self.reason, Reason::Config) as u64) << Self::REASON_SHIFT;
        let length = if self.length > 0xff { 0xff } else { self.length as u64 };
        ((generation as u64) << Self::GENERATION_SHIFT) | reason | length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_packing_and_zero_is_fresh() {
        assert_eq!(Word::unpack(0), Word::default());
        for state in [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen] {
            let word = Word { state, exponent: 15, generation: GENERATION_MASK, until: Tick(u32::MAX) };
            assert_eq!(Word::unpack(word.pack()), word);
            assert_eq!(word.next(state, 0, Tick(0)).generation, 0, "the generation wraps within its bits");
        }
        let run = Run { length: 7, reason: Reason::Config };
        assert_eq!(Run::of(run.pack(GENERATION_MASK), GENERATION_MASK), run);
        assert_eq!(Run::of(run.pack(3), 4), Run::default());
        assert!(Run::is_after(run.pack(0), GENERATION_MASK) && Run::is_after(run.pack(5), 4));
        assert!(!Run::is_after(run.pack(4), 4) && !Run::is_after(run.pack(3), 4));
    }

    #[test]
    fn a_wrapped_tick_neither_refuses_for_a_year_nor_counts_as_just_closed() {
        let year = Nanos::from_secs(400 * 86_400);
        let open = Word { state: State::Open, ..Word::default() }.opened(4, Nanos::ZERO, Nanos::from_secs(10));
        assert!(open.refuses_until(Nanos::from_secs(11)).is_some());
        assert_eq!(open.refuses_until(year), None);
        let closed = Word::default().next(State::Closed, 2, Tick::at(Nanos::from_secs(10)));
        assert_eq!(closed.closed_for(year), Nanos::MAX);
        assert_eq!(closed.closed_for(Nanos::from_secs(9)), Nanos::ZERO, "an older reading");
    }
}
