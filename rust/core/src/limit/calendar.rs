//! Daily limits, counted in the provider's own days.
//!
//! **Problem.** Requests per day reset at midnight somewhere: Gemini's at midnight in Los Angeles, whose days last 23
//! or 25 hours twice a year. The host's wall clock may be stepped while we count.
//!
//! **Choice.** One word, `day:24 | used:40`. The day index is `floor((wall_s + offset) / 86400)` with the offset in
//! force, and `wall_s` is the epoch's wall time plus *monotonic* time, so a stepped wall clock cannot refill the
//! bucket. A newer day replaces the old one in the same compare-exchange that takes from it, so there is no moment at
//! which the reset can be seen half done. A word's day never goes back: a clock set back by recalibration, or a zone
//! that repeats an hour around midnight, does not hand the same day out twice.
//!
//! **Rejected.** GCRA over 24 h: the provider admits the whole day's quota in its first minute, and pacing it would
//! refuse 99 % of a morning's batch. A time-zone library in the core: it reads files; the shell does that once and
//! hands in the transitions.
//!
//! **Cost.** A binary search over the transitions per call; with one or two per year in the table that is a handful of
//! comparisons. 40 bits count 10^12 units a day.
//!
//! **Use.** The shell gives all transitions from before the epoch to as far ahead as it likes; the last one stays in
//! force for ever.

use super::{Denied, QuotaError};
use crate::units::Nanos;

const DAY_S: i64 = 86_400;
const USED_BITS: u32 = 40;
const USED_MASK: u64 = (1 << USED_BITS) - 1;
const DAY_MASK: u64 = (1 << (64 - USED_BITS)) - 1;
/// No zone is further from UTC than this; more means that somebody passed minutes or milliseconds.
const MAX_OFFSET_S: i32 = 26 * 3_600;

/// From `from_wall_s` (Unix seconds) on, local time is UTC plus `utc_offset_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Unix time in seconds at which the offset comes into force.
    pub from_wall_s: i64,
    /// Seconds east of UTC.
    pub utc_offset_s: i32,
}

/// A zone's days on the router's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    wall_epoch_s: i64,
    transitions: Box<[Transition]>,
}

impl Calendar {
    /// A zone given by its transitions, on a clock whose epoch was at `wall_epoch_s` (Unix seconds, rounded down: then
    /// a reset is never early). Before the first transition its offset applies too; without any, UTC.
    ///
    /// # Errors
    /// [`QuotaError::Transitions`] if they are not strictly ascending or an offset exceeds 26 hours.
    pub fn new(wall_epoch_s: i64, transitions: Vec<Transition>) -> Result<Self, QuotaError> {
        let ascending = transitions.is_sorted_by(|a, b| a.from_wall_s < b.from_wall_s);
        let plausible = transitions.iter().all(|t| t.utc_offset_s.abs() <= MAX_OFFSET_S);
        if ascending && plausible {
            Ok(Self { wall_epoch_s, transitions: transitions.into_boxed_slice() })
        } else {
            Err(QuotaError::Transitions)
        }
    }

    /// Days that begin at midnight UTC.
    #[must_use]
    pub fn utc(wall_epoch_s: i64) -> Self {
        Self { wall_epoch_s, transitions: Box::default() }
    }

    /// The index of the local day at `now`.
    #[must_use]
    pub fn day(&self, now: Nanos) -> u64 {
        let wall = self.wall_s(now);
        day_of(wall, self.offset_at(wall).0)
    }

    /// The first instant at which the local day is later than `day`.
    #[must_use]
    pub fn end_of(&self, day: u64, now: Nanos) -> Nanos {
        let mut wall = self.wall_s(now);
        let next_day = i64::try_from(day).unwrap_or(i64::MAX / DAY_S / 2).saturating_add(1);
        // Each turn passes one transition, so the table bounds the loop.
        for _ in 0..=self.transitions.len() {
            let (offset, next) = self.offset_at(wall);
            let midnight = next_day.saturating_mul(DAY_S).saturating_sub(i64::from(offset)).max(wall);
            match next {
                Some(transition) if transition.from_wall_s <= midnight => wall = transition.from_wall_s,
                _ => {
                    wall = midnight;
                    break;
                }
            }
            if day_of(wall, self.offset_at(wall).0) > day {
                break;
            }
        }
        Nanos::from_secs(u64::try_from(wall.saturating_sub(self.wall_epoch_s)).unwrap_or(0))
    }

    /// The offset in force at `wall_s` (Unix seconds), when another one comes into force, and that one. Without another,
    /// the time is −1.
    pub(crate) fn around(&self, wall_s: i64) -> (i32, i64, i32) {
        let (offset, next) = self.offset_at(wall_s);
        next.map_or((offset, -1, offset), |next| (offset, next.from_wall_s, next.utc_offset_s))
    }

    fn wall_s(&self, now: Nanos) -> i64 {
        self.wall_epoch_s.saturating_add(i64::try_from(now.0 / Nanos::from_secs(1).0).unwrap_or(i64::MAX))
    }

    /// The offset in force and the next transition.
    fn offset_at(&self, wall: i64) -> (i32, Option<&Transition>) {
        let passed = self.transitions.partition_point(|t| t.from_wall_s <= wall);
        let current = self.transitions.get(passed.saturating_sub(1));
        (current.map_or(0, |t| t.utc_offset_s), self.transitions.get(passed))
    }
}

fn day_of(wall: i64, offset: i32) -> u64 {
    let day = wall.saturating_add(i64::from(offset)).div_euclid(DAY_S);
    u64::try_from(day).unwrap_or(0).min(DAY_MASK)
}

const fn pack(day: u64, used: u64) -> u64 {
    (day << USED_BITS) | if used > USED_MASK { USED_MASK } else { used }
}

/// The day that the word counts, if it is read on `today`.
#[must_use]
pub fn day_in(word: u64, today: u64) -> u64 {
    today.max(word >> USED_BITS)
}

/// Units used on the day in force.
#[must_use]
pub fn used(word: u64, today: u64) -> u64 {
    if word >> USED_BITS >= today { word & USED_MASK } else { 0 }
}

/// The new word after taking `n`.
///
/// # Errors
/// [`Denied::NotUntil`] the next midnight; [`Denied::Never`] above the limit.
pub fn take(word: u64, n: u64, limit: u64, calendar: &Calendar, now: Nanos) -> Result<u64, Denied> {
    if n > limit {
        return Err(Denied::Never);
    }
    let today = calendar.day(now);
    let used = used(word, today).saturating_add(n);
    let day = day_in(word, today);
    if used <= limit { Ok(pack(day, used)) } else { Err(Denied::NotUntil(calendar.end_of(day, now))) }
}

/// The word with `n` more used, limit or not.
#[must_use]
pub fn charge(word: u64, n: u64, today: u64) -> u64 {
    pack(day_in(word, today), used(word, today).saturating_add(n))
}

/// The word with `used` units used.
#[must_use]
pub fn with_used(word: u64, used: u64, today: u64) -> u64 {
    pack(day_in(word, today), used)
}

/// The word with `n` given back, `None` if they were taken on another day: that day's count is gone.
#[must_use]
pub fn refund(word: u64, n: u64, day_taken: u64) -> Option<u64> {
    let day = word >> USED_BITS;
    (day == day_taken).then(|| pack(day, (word & USED_MASK).saturating_sub(n)))
}

/// The largest limit that the word can count.
pub const MAX_LIMIT: u64 = USED_MASK;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-08 00:00 UTC; that day Los Angeles loses an hour at 10:00 UTC.
    const MARCH_8: i64 = 1_772_928_000;
    const HOUR: u64 = 3_600;

    fn los_angeles(epoch: i64) -> Calendar {
        let at = |from_wall_s, hours: i32| Transition { from_wall_s, utc_offset_s: hours * 3_600 };
        // 2025-11-02 09:00, 2026-03-08 10:00 and 2026-11-01 09:00 UTC.
        Calendar::new(epoch, vec![at(1_762_074_000, -8), at(1_772_964_000, -7), at(1_793_523_600, -8)]).unwrap()
    }

    fn hours(h: u64) -> Nanos {
        Nanos::from_secs(h * HOUR)
    }

    #[test]
    fn a_day_lasts_23_hours_in_spring_and_25_in_autumn() {
        let spring = los_angeles(MARCH_8);
        let first = spring.day(Nanos::ZERO);
        assert_eq!(spring.end_of(first, Nanos::ZERO), hours(8), "midnight in Los Angeles is 08:00 UTC");
        assert_eq!(spring.end_of(first + 1, hours(8)), hours(8 + 23));
        assert_eq!(spring.day(hours(31)), first + 2);
        assert_eq!(spring.day(Nanos(hours(31).0 - 1)), first + 1);

        let autumn = los_angeles(1_793_491_200); // 2026-11-01 00:00 UTC
        let first = autumn.day(Nanos::ZERO);
        assert_eq!(autumn.end_of(first, Nanos::ZERO), hours(7));
        assert_eq!(autumn.end_of(first + 1, hours(7)), hours(7 + 25));
    }

    #[test]
    fn a_zone_that_jumps_over_midnight_starts_the_day_at_the_jump() {
        // Samoa skipped 30 December 2011 altogether; here: from UTC-11 to UTC+13 at 12:00 UTC of day 10.
        let jump = 10 * DAY_S + 12 * 3_600;
        let at = |from_wall_s, hours: i32| Transition { from_wall_s, utc_offset_s: hours * 3_600 };
        let calendar = Calendar::new(10 * DAY_S, vec![at(0, -11), at(jump, 13)]).unwrap();
        let day = calendar.day(hours(11));
        assert_eq!(day, 10);
        assert_eq!(calendar.end_of(day, hours(11)), hours(12));
        assert_eq!(calendar.day(hours(12)), 11);
    }

    #[test]
    fn a_repeated_hour_around_midnight_resets_once() {
        // The clock goes from 00:30 back to 23:30.
        let back = 10 * DAY_S + 1_800;
        let at = |from_wall_s, utc_offset_s| Transition { from_wall_s, utc_offset_s };
        let calendar = Calendar::new(10 * DAY_S - 3_600, vec![at(0, 0), at(back, -3_600)]).unwrap();
        let mut word = take(0, 5, 5, &calendar, Nanos::ZERO).unwrap();
        word = take(word, 5, 5, &calendar, hours(1)).expect("day 10 begins");
        let (refused, repeated) = (take(word, 1, 5, &calendar, hours(2)), calendar.day(hours(2)));
        assert!(repeated >= 9, "the zone says day {repeated}");
        assert_eq!(refused, Err(Denied::NotUntil(hours(26))));
        assert_eq!(take(word, 1, 5, &calendar, Nanos::from_secs(HOUR + 1_900)), Err(Denied::NotUntil(hours(26))));
        assert!(take(word, 5, 5, &calendar, hours(26)).is_ok());
    }

    #[test]
    fn the_daily_limit_resets_exactly_once_per_day_whatever_the_wall_clock_did() {
        let calendar = Calendar::utc(20_000 * DAY_S);
        let (mut word, mut admitted) = (0, 0);
        for hour in 0..72 {
            while let Ok(next) = take(word, 1, 100, &calendar, hours(hour)) {
                (word, admitted) = (next, admitted + 1);
            }
        }
        assert_eq!(admitted, 300);
        // A recalibrated epoch one hour back at 00:30 of day 3 finds the word's day and does not open it again.
        let stepped = Calendar::utc(20_000 * DAY_S - 3_600);
        let half_past = Nanos::from_secs(72 * HOUR + 1_800);
        word = take(word, 100, 100, &calendar, half_past).unwrap();
        assert_eq!(take(word, 1, 100, &stepped, half_past), Err(Denied::NotUntil(hours(97))));
        // One day forward: one reset.
        let forward = Calendar::utc(20_001 * DAY_S);
        word = take(word, 100, 100, &forward, half_past).unwrap();
        assert!(take(word, 1, 100, &forward, half_past).is_err());
    }

    #[test]
    fn the_last_unit_is_admitted_and_more_than_the_limit_never() {
        let calendar = Calendar::utc(0);
        assert!(take(0, 7, 7, &calendar, Nanos::ZERO).is_ok());
        assert_eq!(take(7, 1, 7, &calendar, Nanos::ZERO), Err(Denied::NotUntil(hours(24))));
        assert_eq!(take(0, 8, 7, &calendar, Nanos::ZERO), Err(Denied::Never));
    }

    #[test]
    fn a_refund_for_another_day_is_dropped() {
        let word = pack(5, 10);
        assert_eq!(refund(word, 4, 5), Some(pack(5, 6)));
        assert_eq!(refund(word, 40, 5), Some(pack(5, 0)));
        assert_eq!(refund(word, 4, 4), None);
        assert_eq!(charge(word, u64::MAX, 5), pack(5, USED_MASK));
    }

    #[test]
    fn unsorted_or_absurd_transitions_are_refused() {
        let at = |from_wall_s, utc_offset_s| Transition { from_wall_s, utc_offset_s };
        for bad in [vec![at(5, 0), at(5, 60)], vec![at(5, 0), at(4, 0)], vec![at(0, 1_000_000)]] {
            assert_eq!(Calendar::new(0, bad), Err(QuotaError::Transitions));
        }
    }
}
