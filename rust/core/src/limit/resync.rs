//! Believing the provider's headers, within reason.
//!
//! **Problem.** Another host burns the same key, or our estimates are off: the provider's `limit` and `remaining` know
//! better. But headers arrive out of order, are rounded, describe a moment that is past, and now and then are nonsense.
//!
//! **Choice.** Caution in one direction only.
//! - *Down at once*: headroom becomes at most `remaining − rounding/2 − what was sent since`, not below zero.
//! - *Up slowly*: only when three responses in a row say that less is used than we think, by 5 % of the limit each, and at
//!   most once in a tenth of the window. So a proxy whose headers always say "99 of 100 left" opens the limit by half at most.
//!   Headroom compares with `remaining` only where the burst is the whole window; with a shorter burst `remaining` is
//!   nearly always larger, and believing it would switch our pacing off. So the *used* amounts are compared: theirs,
//!   `limit − remaining`, with what we have not yet seen paid off. Where both agree the two forms are the same. Only
//!   what is used of our own limit counts: a key that the operator keeps below its provider's limit stays there.
//! - Fixed windows are never raised: at each minute's edge their counter falls to zero, which proves nothing.
//! - A `limit` unlike ours twice in a row becomes ours, never above the configured one.
//! - A report older than the last one is ignored; so is one that cannot be (see [`Report`]), and the caller counts it.
//!
//! **Rejected.** Setting the level to `remaining`: one late response would hand out capacity a second time. Lowering
//! into debt when more was sent since than remained: a response that took a minute would block the bucket for one.
//!
//! **Cost.** One word, `raised:16 | limit:2 | raise:2 | sent_ms:44`: the second of the last raise, two streaks, and the sent
//! time of the last accepted report. Two reports of one millisecond are both accepted; 18 hours after a raise another one
//! may come late by as much as lies between two.

use super::bucket::Bucket;
use super::gcra::Pace;
use super::quota::{MAX_LIMIT, Quota, Rule};
use super::{MILLIS_BITS, MILLIS_MAX, calendar, grant, millis};
use crate::sync::{Ordering, update};
use crate::units::Nanos;

/// Responses in a row that must be higher before anything is raised: one could be late, two a coincidence.
const RAISE_AFTER: u64 = 3;
/// Responses in a row with another limit before it is believed.
const LIMIT_AFTER: u64 = 2;
/// A raise is at most a twentieth of the limit.
const RAISE_PART: u64 = 20;
/// Raises in a window are at most so many: what was held too much is paid off by itself in one window.
const RAISES: u64 = 10;

const RAISE_SHIFT: u32 = MILLIS_BITS;
const LIMIT_SHIFT: u32 = MILLIS_BITS + 2;
const STREAK_MASK: u64 = 0b11;
const RAISED_SHIFT: u32 = MILLIS_BITS + 4;
const RAISED_MASK: u64 = u64::MAX >> RAISED_SHIFT;
/// Milliseconds in a unit of `raised`, as a power of two: about a second.
const RAISED_UNIT: u32 = 10;

const _: () = assert!(RAISE_AFTER <= STREAK_MASK && LIMIT_AFTER <= STREAK_MASK, "streaks fit their bits");
const _: () = assert!((86_400_000 / RAISES) >> RAISED_UNIT < RAISED_MASK, "a tenth of a day is told from none");

/// One dimension of a response's rate-limit headers, parsed.
///
/// Impossible: a number above 2^53, a limit of 0, more remaining than the limit (rounding aside).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The provider's limit.
    pub limit: Option<u64>,
    /// What it says is left.
    pub remaining: Option<u64>,
    /// Step to which `remaining` is rounded: 1,000 for Anthropic's tokens, else 0.
    pub rounding: u64,
}

/// What a report did to the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Unchanged,
    /// It fell.
    Lowered,
    /// It rose, by at most 5 % of the limit.
    Raised,
    /// Nothing: a newer report has been seen.
    Older,
    /// Nothing: the report is impossible. Count it as a bad header.
    Malformed,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resynced {
    /// The level.
    pub level: Level,
    /// The limit now in force, if the report changed it. An event worth telling the operator.
    pub limit_changed: Option<u64>,
}

impl Report {
    fn is_possible(&self) -> bool {
        let sane = |n: Option<u64>| n.is_none_or(|n| n <= MAX_LIMIT);
        let fits = match (self.limit, self.remaining) {
            (Some(limit), Some(remaining)) => remaining <= limit.saturating_add(self.rounding),
            _ => true,
        };
        sane(self.limit) && sane(self.remaining) && sane(Some(self.rounding)) && self.limit != Some(0) && fits
    }
}

impl Bucket<'_> {
    /// Takes over what a response's headers say about this limit.
    ///
    /// `sent` is when its attempt was sent; `sent_after` what was taken since, from [`sent_after`](Bucket::sent_after).
    /// Concurrency limits have no headers and ignore it.
    pub fn resync(&self, report: Report, sent: Nanos, sent_after: u64, now: Nanos) -> Resynced {
        let nothing = |level| Resynced { level, limit_changed: None };
        if !report.is_possible() {
            return nothing(Level::Malformed);
        }
        let target = self.target(&report, sent_after, now);
        let [_, _, _, state, learned, _, _, _] = self.words;
        let candidate = report.limit.map(|limit| limit.min(self.quota.limit()));
        let differs = candidate.map(|limit| limit != self.limit());
        let higher = report.remaining.map(|_| target.excess > 0);
        let at = Raise::of(self.quota.window(), now);
        let Ok((old, word)) = update(state, |word| accept(word, millis(sent), higher, differs, at)) else {
            return nothing(Level::Older);
        };
        let limit_changed = candidate.filter(|_| differs == Some(true) && streak(word, LIMIT_SHIFT) == 0);
        if let Some(limit) = limit_changed {
            learned.store(if limit == self.quota.limit() { 0 } else { limit }, Ordering::Release);
        }
        let may_raise = streak(word, RAISE_SHIFT) >= RAISE_AFTER && at.is_due(old);
        Resynced { level: self.apply(target, may_raise, now), limit_changed }
    }

    /// What the report says our level should be.
    fn target(&self, report: &Report, sent_after: u64, now: Nanos) -> Target {
        let Some(remaining) = report.remaining else { return Target { headroom: u64::MAX, excess: 0 } };
        let unsure = report.rounding.div_ceil(2).saturating_add(sent_after);
        let theirs = self.limit().saturating_sub(remaining).saturating_add(unsure);
        // What is used of another limit decays at another pace and proves nothing: an operator may allow less than the
        // provider does. What is left of a limit that is not told proves as little.
        let same = report.limit == Some(self.limit());
        let excess = if same { self.used(now).saturating_sub(theirs) } else { 0 };
        Target { headroom: remaining.saturating_sub(unsure), excess }
    }

    fn apply(&self, target: Target, may_raise: bool, now: Nanos) -> Level {
        let step = (self.limit() / RAISE_PART).max(1).min(target.excess);
        let raise = if may_raise && raisable(self.quota) { step } else { 0 };
        let moved = match &self.quota.rule {
            Rule::Paced(pace) => self.at_pace(pace, |pace| {
                update(self.level_word(), |tat| changed(tat, paced(pace, tat, target.headroom, raise, now)))
            }),
            Rule::Calendar(days) => {
                let (today, limit) = (days.day(now), self.limit());
                update(self.level_word(), |word| changed(word, daily(word, today, limit, target.headroom, raise)))
            }
            Rule::Grant(_) => {
                let lower = |word| changed(word, grant::at_most(word, target.headroom));
                return if update(self.level_word(), lower).is_ok() { Level::Lowered } else { Level::Unchanged };
            }
            Rule::Concurrency | Rule::Permits => return Level::Unchanged,
        };
        match moved {
            Err(_) => Level::Unchanged,
            // More of the word is more used, be it a TAT or a day's count.
            Ok((old, new)) if new > old => Level::Lowered,
            Ok(_) => Level::Raised,
        }
    }
}

#[derive(Clone, Copy)]
struct Target {
    /// Headroom is at most this.
    headroom: u64,
    /// By how much we think more is used than they do.
    excess: u64,
}

fn raisable(quota: &Quota) -> bool {
    !matches!(&quota.rule, Rule::Paced(pace) if pace.is_strict())
}

/// The new TAT: what exceeds the headroom is taken away; only if nothing does, `raise` is given back.
fn paced(pace: &Pace, tat: u64, headroom: u64, raise: u64, now: Nanos) -> u64 {
    let least = pace.with_headroom(headroom, now);
    if least > tat { least } else { pace.forgive(tat, raise, now).max(least) }
}

/// The new day word, likewise.
fn daily(word: u64, today: u64, limit: u64, headroom: u64, raise: u64) -> u64 {
    let used = calendar::used(word, today);
    let least = limit.saturating_sub(headroom);
    let new = if least > used { least } else { used.saturating_sub(raise).max(least) };
    if new == used { word } else { calendar::with_used(word, new, today) }
}

fn changed(old: u64, new: u64) -> Option<u64> {
    (new != old).then_some(new)
}

/// A raise at some second, and how many must lie between two.
#[derive(Clone, Copy)]
struct Raise {
    second: u64,
    apart: u64,
}

impl Raise {
    fn of(window: Nanos, now: Nanos) -> Self {
        let apart = (millis(window) / RAISES).div_ceil(1 << RAISED_UNIT);
        // Zero is "never".
        Self { second: ((millis(now) >> RAISED_UNIT) & RAISED_MASK).max(1), apart }
    }

    /// Whether the last raise of the word is long enough ago.
    const fn is_due(self, word: u64) -> bool {
        let last = word >> RAISED_SHIFT;
        last == 0 || self.second.wrapping_sub(last) & RAISED_MASK >= self.apart
    }
}

/// The new state word, `None` if the report is older than the last. The limit's streak starts over once it is full.
fn accept(word: u64, sent_ms: u64, higher: Option<bool>, differs: Option<bool>, at: Raise) -> Option<u64> {
    if sent_ms < word & MILLIS_MAX {
        return None;
    }
    let raise = count(streak(word, RAISE_SHIFT), higher).min(RAISE_AFTER);
    let limit = count(streak(word, LIMIT_SHIFT), differs) % LIMIT_AFTER;
    let raised = if raise >= RAISE_AFTER && at.is_due(word) { at.second } else { word >> RAISED_SHIFT };
    Some(sent_ms | (raise << RAISE_SHIFT) | (limit << LIMIT_SHIFT) | (raised << RAISED_SHIFT))
}

fn count(streak: u64, seen: Option<bool>) -> u64 {
    match seen {
        Some(true) => streak + 1,
        Some(false) => 0,
        None => streak,
    }
}

const fn streak(word: u64, shift: u32) -> u64 {
    (word >> shift) & STREAK_MASK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{BUCKET_WORDS, Calendar};
    use crate::sync::AtomicU64;

    const MINUTE: Nanos = Nanos::from_secs(60);
    const T: Nanos = Nanos::from_secs(100_000);
    type Words = [AtomicU64; BUCKET_WORDS];

    fn said(limit: u64, remaining: u64) -> Report {
        Report { limit: Some(limit), remaining: Some(remaining), rounding: 0 }
    }

    fn full_minute(limit: u64) -> Quota {
        Quota::paced(limit, MINUTE, Some(MINUTE)).unwrap()
    }

    #[test]
    fn another_host_on_the_same_key_lowers_us_at_once() {
        let (quota, words) = (full_minute(60_000), Words::default());
        let bucket = Bucket::new(&quota, &words);
        let held = bucket.take(1_000, T).unwrap();
        drop(bucket.take(500, T));
        let sent_after = bucket.sent_after(&held);
        assert_eq!(sent_after, 500);
        assert_eq!(bucket.resync(said(60_000, 20_000), T, sent_after, T).level, Level::Lowered);
        assert_eq!(bucket.headroom(T), 19_500);
        assert_eq!(bucket.resync(said(60_000, 20_000), T, sent_after, T).level, Level::Unchanged);
    }

    #[test]
    fn lowering_stops_at_zero_and_a_rounded_remaining_counts_as_the_lower() {
        let (quota, words) = (full_minute(60_000), Words::default());
        let bucket = Bucket::new(&quota, &words);
        let rounded = Report { rounding: 1_000, ..said(60_000, 1_000) };
        bucket.resync(rounded, T, 0, T);
        assert_eq!(bucket.headroom(T), 500);
        bucket.resync(rounded, T, 1_000_000, T);
        assert_eq!(bucket.level(T), 0);
    }

    #[test]
    fn an_older_response_is_ignored() {
        let (quota, words) = (full_minute(60_000), Words::default());
        let bucket = Bucket::new(&quota, &words);
        bucket.resync(said(60_000, 30_000), T, 0, T);
        let late = T - Nanos::from_millis(1);
        assert_eq!(bucket.resync(said(60_000, 10), late, 0, T).level, Level::Older);
        assert_eq!(bucket.resync(said(50, 50), late, 0, T).limit_changed, None);
        assert_eq!(bucket.headroom(T), 30_000);
    }

    #[test]
    fn three_higher_responses_raise_by_a_twentieth_now_and_then_and_never_above_full() {
        use Level::{Raised, Unchanged};
        for (quota, apart_s) in [(full_minute(60_000), 6), (Quota::calendar(60_000, Calendar::utc(0)).unwrap(), 8_640)]
        {
            let words = Words::default();
            let bucket = Bucket::new(&quota, &words);
            drop(bucket.take(50_000, T));
            let hear = |after_s| {
                let now = T + Nanos::from_secs(after_s);
                (bucket.resync(said(60_000, 60_000), now, 0, now).level, bucket.headroom(now))
            };
            assert_eq!([0, 0, 0, 0].map(hear).map(|(level, _)| level), [Unchanged, Unchanged, Raised, Unchanged]);
            assert_eq!(hear(0), (Unchanged, 13_000));
            assert_eq!([apart_s - 2, apart_s + 2].map(hear).map(|(level, _)| level), [Unchanged, Raised]);
            let last = (2..8).fold(0, |_, turn| hear(turn * (apart_s + 2)).1);
            assert!((34_000..=60_000).contains(&last), "{last}: eight raises and what is paid off meanwhile");
        }
    }

    #[test]
    fn headers_that_always_say_that_nearly_all_is_left_open_the_limit_by_half_at_most() {
        let (quota, words) = (full_minute(100), Words::default());
        let bucket = Bucket::new(&quota, &words);
        let mut admitted = 0;
        for at in (0..600_000).step_by(10) {
            let now = T + Nanos::from_millis(at);
            if bucket.take(1, now).is_ok() {
                admitted += 1;
            }
            bucket.resync(said(100, 99), now, 0, now);
        }
        assert!((1_000..=100 + 1_500 + 5).contains(&admitted), "{admitted} in ten minutes of 100 each");
    }

    #[test]
    fn one_response_that_is_not_higher_starts_the_count_again() {
        let (quota, words) = (full_minute(60_000), Words::default());
        let bucket = Bucket::new(&quota, &words);
        drop(bucket.take(30_000, T));
        for remaining in [60_000, 60_000, 30_000, 60_000, 60_000] {
            assert_eq!(bucket.resync(said(60_000, remaining), T, 0, T).level, Level::Unchanged);
        }
        assert_eq!(bucket.resync(said(60_000, 60_000), T, 0, T).level, Level::Raised);
    }

    #[test]
    fn a_provider_with_room_for_a_minute_does_not_switch_our_pacing_off() {
        let (quota, words) = (Quota::paced(60_000, MINUTE, None).unwrap(), Words::default());
        let bucket = Bucket::new(&quota, &words);
        drop(bucket.take(10_000, T));
        for _ in 0..10 {
            bucket.resync(said(60_000, 50_000), T, 0, T);
        }
        assert_eq!(bucket.headroom(T), 0);
    }

    #[test]
    fn a_fixed_window_is_never_raised() {
        let (quota, words) = (Quota::fixed_window(60_000, MINUTE).unwrap(), Words::default());
        let bucket = Bucket::new(&quota, &words);
        drop(bucket.take(1_000, T));
        for _ in 0..10 {
            assert_eq!(bucket.resync(said(60_000, 60_000), T, 0, T).level, Level::Unchanged);
        }
    }

    #[test]
    fn another_limit_counts_from_the_second_response_on_and_never_above_ours() {
        let (quota, words) = (full_minute(60_000), Words::default());
        let bucket = Bucket::new(&quota, &words);
        let limit = |limit| Report { limit: Some(limit), ..Report::default() };
        // (said, changed to, in force)
        let table = [
            (30_000, None, 60_000),
            (60_000, None, 60_000),
            (30_000, None, 60_000),
            (30_000, Some(30_000), 30_000),
            (30_000, None, 30_000),
            (1_000_000, None, 30_000),
            (1_000_000, Some(60_000), 60_000),
            (1_000_000, None, 60_000),
            (1_000_000, None, 60_000),
        ];
        for (said, changed, in_force) in table {
            assert_eq!(bucket.resync(limit(said), T, 0, T).limit_changed, changed, "{said}");
            assert_eq!(bucket.limit(), in_force, "{said}");
        }
    }

    #[test]
    fn lying_headers_are_malformed_and_change_nothing() {
        let (quota, words) = (full_minute(60_000), Words::default());
        let bucket = Bucket::new(&quota, &words);
        let bad = [said(0, 0), said(u64::MAX, 1), said(60_000, (1 << 53) + 1), said(60_000, 60_001), said(10, 1 << 52)];
        for report in bad {
            assert_eq!(bucket.resync(report, T, 0, T).level, Level::Malformed, "{report:?}");
        }
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        // Huge but alone: the minimum of both, for ever.
        let huge = Report { remaining: Some(1 << 53), ..Report::default() };
        drop(bucket.take(30_000, T));
        assert!((0..9).all(|_| bucket.resync(huge, T, 0, T).level == Level::Unchanged));
    }
}
