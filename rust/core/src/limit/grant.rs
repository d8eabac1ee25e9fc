//! A grant: what a coordinator lets this host take of a limit that many hosts share.
//!
//! **Problem.** Hosts that pace the same key each for itself admit the limit once per host. Asking somebody else for every
//! request would put a network between a request and its decision.
//!
//! **Choice.** Units are handed out ahead of time, for a *term* of two seconds ([`crate::lease`]). The whole grant is one
//! word, `term:24 | era:2 | units:38`, so taking, refunding and going into debt are additions on one atomic, as for
//! every other limit. The term is the instant at which the grant ends, in ticks of 67 ms: what nobody renews is nothing,
//! without a timer. Units are signed: what was used beyond them is debt, which the coordinator is told of. The era tells
//! days apart, so that a refund of yesterday's units makes none of today's. An all-zero word grants nothing.
//!
//! **Rejected.** The end of the term in a word of its own: a take could see the old end with the new units. Units that
//! pace themselves within their term: the coordinator's bucket has paced them already.
//!
//! **Cost.** A grant is forgotten up to 67 ms before its term. 38 bits hold 10^11 units of two seconds; more is not granted.

use super::Denied;
use super::calendar::Calendar;
use crate::units::Nanos;

/// When to look again after a refusal: a host whose grant was too small asks for more within this time.
pub const RECHECK: Nanos = Nanos::from_millis(250);

/// The most units that one grant can hold, and the deepest debt.
pub const MOST: i64 = (1 << (UNIT_BITS - 1)) - 1;

/// How many windows' worth of debt one charge can make, as for a paced limit.
const DEBT_WINDOWS: u64 = 16;

const UNIT_BITS: u32 = 38;
const UNIT_MASK: u64 = (1 << UNIT_BITS) - 1;
const ERA_MASK: u64 = 0b11;
const TERM_SHIFT: u32 = 40;
const TERM_MASK: u64 = (1 << (64 - TERM_SHIFT)) - 1;
/// Nanoseconds in a tick, as a power of two: 67 ms.
const TICK_SHIFT: u32 = 26;
/// No term is longer than so many ticks (8.6 s); the word's 24 bits wrap after 13 days, and what is older than that
/// looks as if it ended in a far future.
const LONGEST: u64 = 128;

/// How a leased limit counts, for its coordinator.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Days, if it counts by them.
    pub(crate) days: Option<Calendar>,
    /// Units that the coordinator's bucket emits per window.
    pub(crate) rate: u64,
    /// Units that it gives at once when it is full.
    pub(crate) burst: u64,
    /// Units that it and all grants together hold at most.
    pub(crate) cap: u64,
}

/// A word taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) term: u64,
    /// Which of four days in turn the units belong to; 0 for limits that do not count by the day.
    pub(crate) era: u64,
    /// Units left; negative is debt.
    pub(crate) units: i64,
}

impl Grant {
    /// The grant in `word`.
    #[inline]
    pub(crate) const fn of(word: u64) -> Self {
        let units = (word << (64 - UNIT_BITS)).cast_signed() >> (64 - UNIT_BITS);
        Self { term: word >> TERM_SHIFT, era: word >> UNIT_BITS & ERA_MASK, units }
    }

    /// One that ends at `until`.
    pub(crate) const fn until(until: Nanos, era: u64, units: i64) -> Self {
        Self { term: until.0 >> TICK_SHIFT & TERM_MASK, era: era & ERA_MASK, units }
    }

    /// Its word.
    #[inline]
    pub(crate) fn word(self) -> u64 {
        let units = self.units.clamp(-MOST, MOST).cast_unsigned() & UNIT_MASK;
        self.term << TERM_SHIFT | self.era << UNIT_BITS | units
    }

    /// The same grant with `more` units.
    #[inline]
    pub(crate) const fn plus(self, more: i64) -> Self {
        Self { units: self.units.saturating_add(more), ..self }
    }

    /// Whether its term has not ended.
    #[inline]
    pub(crate) const fn is_live(self, now: Nanos) -> bool {
        let left = self.term.wrapping_sub(now.0 >> TICK_SHIFT) & TERM_MASK;
        left != 0 && left <= LONGEST
    }

    /// Units that can be taken now; negative while in debt, whatever the term.
    #[inline]
    pub(crate) const fn left(self, now: Nanos) -> i64 {
        if self.units < 0 || self.is_live(now) { self.units } else { 0 }
    }
}

/// The word with `n` units less, and the era they belong to.
///
/// # Errors
/// [`Denied::Never`] for more than the limit; otherwise [`Denied::NotUntil`], when the grant will have been renewed.
#[inline]
pub(super) fn take(word: u64, n: u64, limit: u64, now: Nanos) -> Result<(u64, u64), Denied> {
    if n > limit {
        return Err(Denied::Never);
    }
    let grant = Grant::of(word);
    match i64::try_from(n) {
        Ok(n) if n <= grant.left(now) => Ok((grant.plus(-n).word(), grant.era)),
        _ => Err(Denied::NotUntil(now + RECHECK)),
    }
}

/// The word with `n` units given back, whatever became of the term they were taken in: they are still ours to return.
/// `None` if they belong to another day.
#[inline]
pub(super) fn refund(word: u64, n: u64, era: u64) -> Option<u64> {
    let grant = Grant::of(word);
    (grant.era == era).then(|| grant.plus(signed(n)).word())
}

/// The word with `n` more used than anybody asked for.
#[inline]
pub(super) fn charge(word: u64, n: u64, limit: u64) -> u64 {
    Grant::of(word).plus(-signed(n.min(limit.saturating_mul(DEBT_WINDOWS)))).word()
}

/// The word with at most `headroom` units: the provider says that no more are left.
pub(super) fn at_most(word: u64, headroom: u64) -> u64 {
    let grant = Grant::of(word);
    Grant { units: grant.units.min(signed(headroom)), ..grant }.word()
}

/// As much of `n` as a word can hold.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Nanos = Nanos::from_secs(1_000);
    const TERM: Nanos = Nanos::from_secs(2);

    fn granted(units: i64) -> u64 {
        Grant::until(T + TERM, 1, units).word()
    }

    #[test]
    fn an_empty_word_grants_nothing_and_waits() {
        assert_eq!(take(0, 1, 10, T), Err(Denied::NotUntil(T + RECHECK)));
        assert_eq!(take(0, 11, 10, T), Err(Denied::Never));
        assert_eq!(Grant::of(0), Grant { term: 0, era: 0, units: 0 });
    }

    #[test]
    fn the_last_unit_is_given_and_no_more() {
        let (word, era) = take(granted(3), 3, 10, T).unwrap();
        assert_eq!((Grant::of(word).units, era), (0, 1));
        assert!(take(word, 1, 10, T).is_err());
        assert!(take(granted(3), 4, 10, T).is_err());
    }

    #[test]
    fn a_grant_ends_with_its_term_and_never_later() {
        assert!(take(granted(3), 1, 10, T + Nanos::from_millis(1_900)).is_ok());
        for late in [TERM, Nanos::from_secs(60), Nanos::from_secs(86_400), Nanos::from_secs(13 * 86_400)] {
            assert!(take(granted(3), 1, 10, T + late).is_err(), "{late:?}");
        }
    }

    #[test]
    fn a_refund_returns_after_the_term_and_not_after_the_day() {
        let word = refund(granted(3), 2, 1).unwrap();
        assert_eq!(Grant::of(word).units, 5);
        assert_eq!(refund(granted(3), 2, 2), None);
    }

    #[test]
    fn debt_is_kept_beyond_the_term_and_bounded() {
        let word = charge(granted(3), 10, 10);
        assert_eq!(Grant::of(word).units, -7);
        assert_eq!(Grant::of(word).left(T + Nanos::from_secs(9)), -7);
        assert!(take(word, 0, 10, T).is_err(), "debt refuses even the smallest");
        assert_eq!(Grant::of(charge(granted(0), u64::MAX, 10)).units, -160);
        assert_eq!(Grant::of(charge(granted(0), u64::MAX, u64::MAX)).units, -MOST);
    }

    #[test]
    fn a_header_lowers_and_never_lifts() {
        assert_eq!(Grant::of(at_most(granted(30), 4)).units, 4);
        assert_eq!(Grant::of(at_most(granted(3), 4)).units, 3);
        assert_eq!(at_most(granted(-3), 4), granted(-3));
    }

    #[test]
    fn every_part_of_a_word_comes_back() {
        for (era, units) in [(0, 0), (3, MOST), (2, -MOST), (1, -1), (3, 1)] {
            let grant = Grant::until(Nanos(u64::MAX), era, units);
            assert_eq!(Grant::of(grant.word()), grant);
        }
    }
}
