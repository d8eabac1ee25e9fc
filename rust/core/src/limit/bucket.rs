//! A quota's running state: eight shared words and what may be done with them.
//!
//! **Problem.** Whether the state lives on the heap of one process or in a segment shared by many, taking from it must
//! be exact, refunds must not create capacity, and a reservation must not be settled twice.
//!
//! **Choice.** A [`Bucket`] borrows the words and the [`Quota`]; it owns nothing and is copied freely. What a take
//! gives is a [`Held`]: it remembers what was paid *in the bucket's own currency* (ticks, or the day), so a refund is
//! right even if the limit changed meanwhile, and it is consumed by `settle` and `cancel`, so a second settlement does
//! not compile.
//!
//! **Rejected.** A guard that refunds on drop: it would have to borrow the words for as long as the request runs, which
//! a Python object cannot. The reservation above is that guard.
//!
//! **Cost.** One cache line per bucket. Level and running total are two words: a concurrent [`resync`](Bucket::resync)
//! may see a take's level before its total, and then trusts the provider's number by one estimate too much until the
//! next header.
//!
//! | word | holds |
//! |---|---|
//! | 0 | identity, set by whoever lays out the state; must change with the kind of quota |
//! | 1 | level: TAT, `day:24 | used:40`, a grant, or a gauge of those running |
//! | 2 | running total of units ever taken, wrapping |
//! | 3 | header resync, see [`super::resync`] |
//! | 4 | limit learned from headers, 0 for the config's; where hosts share a number at once, the permits granted |
//! | 5 | `hold_until`, see [`super::hold`] |
//! | 6, 7 | grants only: units refused since the last report to the coordinator, and the largest such request |

use super::gcra::{Pace, Plain};
use super::grant::Grant;
use super::hold::HoldUntil;
use super::quota::{Quota, Rule};
use super::{Denied, calendar, concurrency, grant};
use crate::gauge;
use crate::sync::{AtomicU64, Ordering, update};
use crate::units::Nanos;

/// Words per bucket: one cache line.
pub const BUCKET_WORDS: usize = 8;

/// Units taken from a bucket and not yet settled.
///
/// Neither copied nor cloned: `settle` and `cancel` consume it.
///
/// ```compile_fail
/// # use junctor_core::{limit::{Bucket, Quota}, units::Nanos};
/// fn twice(bucket: Bucket<'_>, now: Nanos) {
///     let held = bucket.take(1, now).unwrap();
///     bucket.settle(held, 1, now);
///     bucket.cancel(held); // use of moved value
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "held units stay taken until they are settled or cancelled"]
pub struct Held {
    units: u64,
    /// What was paid: ticks if paced, the day if daily, its era if granted.
    mark: u64,
    /// The running total right after this take.
    sequence: u64,
}

impl Held {
    /// Units still held.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.units
    }
}

/// A take that can be undone to the bit.
#[derive(Debug)]
pub(super) struct Grab {
    before: u64,
    after: u64,
    mark: u64,
}

/// A view of a quota's state.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    pub(crate) quota: &'a Quota,
    plain: &'a Plain,
    pub(super) words: &'a [AtomicU64; BUCKET_WORDS],
}

impl<'a> Bucket<'a> {
    /// A view of `words` under `quota`. All zero is a full bucket, or no grant.
    #[must_use]
    pub const fn new(quota: &'a Quota, words: &'a [AtomicU64; BUCKET_WORDS]) -> Self {
        Self::beside(quota.plain(), quota, words)
    }

    /// The same with a copy of the quota's plain part, so that most requests do not read the quota itself.
    #[inline]
    pub(crate) const fn beside(plain: &'a Plain, quota: &'a Quota, words: &'a [AtomicU64; BUCKET_WORDS]) -> Self {
        Self { quota, plain, words }
    }

    /// A view of the first eight of `words`; `None` if there are fewer.
    #[must_use]
    pub fn from_slice(quota: &'a Quota, words: &'a [AtomicU64]) -> Option<Self> {
        words.first_chunk().map(|words| Self::new(quota, words))
    }

    /// Whether [`take`](Self::take) would pass. Writes nothing; another caller may still be faster.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn peek(&self, n: u64, now: Nanos) -> Result<(), Denied> {
        if self.plainly(n, now).is_some() { Ok(()) } else { self.peek_slowly(n, now) }
    }

    #[inline(never)]
    fn peek_slowly(&self, n: u64, now: Nanos) -> Result<(), Denied> {
        let word = self.level_word().load(Ordering::Acquire);
        let rule = self.next(word, n, now).map(|_| ());
        match self.hold_until().in_force(now) {
            None => rule,
            Some(hold) => {
                Err(rule.err().unwrap_or(Denied::NotUntil(hold.until)).or_later(Denied::NotUntil(hold.until)))
            }
        }
    }

    /// Takes `n` units, or says when they could be taken.
    ///
    /// `now` is the caller's reading; an older one than already seen is harmless.
    ///
    /// # Errors
    /// [`Denied::NotUntil`] if the same call would pass at that instant with nobody else asking (a guess if the limit
    /// is one of concurrency); [`Denied::Never`] if `n` exceeds the limit. A refusal changes nothing.
    #[inline]
    pub fn take(&self, n: u64, now: Nanos) -> Result<Held, Denied> {
        Ok(self.keep(&self.grab(n, now)?, n))
    }

    /// Takes without counting: the first half of [`take`](Self::take).
    #[inline]
    pub(super) fn grab(&self, n: u64, now: Nanos) -> Result<Grab, Denied> {
        match self.plainly(n, now) {
            Some(mut seen) => self.grab_as_seen(&mut seen, n, now).map(|()| seen),
            None => self.grab_slowly(n, now),
        }
    }

    /// Takes what [`plainly`](Self::plainly) has seen, or what there is now if somebody was faster: then `seen` is that.
    #[inline]
    pub(super) fn grab_as_seen(&self, seen: &mut Grab, n: u64, now: Nanos) -> Result<(), Denied> {
        let swapped = self.level_word().compare_exchange(seen.before, seen.after, Ordering::AcqRel, Ordering::Relaxed);
        if swapped.is_err() {
            *seen = self.grab_slowly(n, now)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn grab_slowly(&self, n: u64, now: Nanos) -> Result<Grab, Denied> {
        if self.hold_until().in_force(now).is_some() {
            self.peek(n, now)?;
        }
        let mut outcome = Err(Denied::Never);
        let swapped = update(self.level_word(), |word| {
            outcome = self.next(word, n, now);
            outcome.ok().map(|(new, _)| new)
        });
        let (_, mark) = outcome?;
        // `Err` without a refusal cannot be; should it ever, refusing is the safe answer.
        let (before, after) = swapped.map_err(|_| Denied::Never)?;
        Ok(Grab { before, after, mark })
    }

    /// Counts what was grabbed: the second half of [`take`](Self::take).
    #[inline]
    pub(super) fn keep(&self, grab: &Grab, n: u64) -> Held {
        let before = self.total_word().fetch_add(n, Ordering::AcqRel);
        Held { units: n, mark: grab.mark, sequence: before.wrapping_add(n) }
    }

    /// Undoes a grab: to the bit if nobody came between, by subtraction otherwise.
    pub(super) fn undo(&self, grab: &Grab, n: u64) {
        let exact = self.level_word().compare_exchange(grab.after, grab.before, Ordering::AcqRel, Ordering::Acquire);
        if exact.is_err() {
            self.cancel(Held { units: n, mark: grab.mark, sequence: 0 });
        }
    }

    /// Gives back `units` of a hold, at most what it still has. The rest stays held.
    ///
    /// Units of another day are dropped: that day's count is gone.
    #[inline]
    pub fn refund(&self, held: &mut Held, units: u64) {
        let units = units.min(held.units);
        if units == 0 {
            return;
        }
        let word = self.level_word();
        if self.is_paced() {
            let ticks = self.plain.share(held.mark, units, held.units);
            let _ = update(word, |tat| Some(tat.saturating_sub(ticks)));
            held.mark -= ticks;
        } else {
            self.refund_count(units, held.mark);
        }
        held.units -= units;
    }

    /// Gives back units of what counts by the day or at once.
    #[inline(never)]
    fn refund_count(&self, units: u64, day: u64) {
        let word = self.level_word();
        match &self.quota.rule {
            Rule::Concurrency | Rule::Permits => gauge::give_back(word, units),
            Rule::Grant(_) => _ = update(word, |word| grant::refund(word, units, day)),
            _ => _ = update(word, |word| calendar::refund(word, units, day)),
        }
    }

    /// Gives everything back: it was never sent.
    pub fn cancel(&self, mut held: Held) {
        let units = held.units;
        self.refund(&mut held, units);
    }

    /// Replaces the estimate by what was used: the difference is refunded, or charged as debt.
    ///
    /// A place in a concurrency limit is given back whatever `actual` says.
    #[inline]
    pub fn settle(&self, mut held: Held, actual: u64, now: Nanos) {
        let places = !self.is_paced() && matches!(self.quota.rule, Rule::Concurrency | Rule::Permits);
        match held.units.checked_sub(actual) {
            _ if places => self.cancel(held),
            Some(unused) => self.refund(&mut held, unused),
            None => self.charge(actual - held.units, now),
        }
    }

    /// Charges `n` units that were used without being held. Never refused: later calls wait.
    #[inline]
    pub fn charge(&self, n: u64, now: Nanos) {
        if self.learned().is_none() && self.plain.admits(n) {
            let _ = update(self.level_word(), |tat| Some(self.plain.charge(tat, n, now)));
        } else {
            self.charge_by_rule(n, now);
        }
    }

    #[inline(never)]
    fn charge_by_rule(&self, n: u64, now: Nanos) {
        let word = self.level_word();
        let _ = match &self.quota.rule {
            Rule::Paced(pace) => self.at_pace(pace, |pace| update(word, |tat| Some(pace.charge(tat, n, now)))),
            Rule::Calendar(days) => {
                let today = days.day(now);
                update(word, |word| Some(calendar::charge(word, n, today)))
            }
            Rule::Grant(_) => {
                let limit = self.quota.limit();
                update(word, |word| Some(grant::charge(word, n, limit)))
            }
            Rule::Concurrency | Rule::Permits => return,
        };
    }

    /// Units available, hold or not; negative while in debt.
    #[must_use]
    pub fn level(&self, now: Nanos) -> i64 {
        let word = self.level_word().load(Ordering::Acquire);
        match &self.quota.rule {
            Rule::Paced(pace) => self.at_pace(pace, |pace| pace.level(word, now)),
            Rule::Grant(_) => Grant::of(word).left(now),
            Rule::Permits => self.permits().cast_signed().saturating_sub(gauge::running(word).cast_signed()),
            _ => i64::try_from(i128::from(self.limit()) - i128::from(self.used(now))).unwrap_or(i64::MIN),
        }
    }

    /// Units that could be taken now in small requests; 0 while held.
    #[must_use]
    pub fn headroom(&self, now: Nanos) -> u64 {
        if self.hold_until().in_force(now).is_some() { 0 } else { u64::try_from(self.level(now)).unwrap_or(0) }
    }

    /// Units taken and not yet paid off (paced), used today (daily) or running (concurrency).
    #[must_use]
    pub fn used(&self, now: Nanos) -> u64 {
        let word = self.level_word().load(Ordering::Acquire);
        match &self.quota.rule {
            Rule::Paced(pace) => self.at_pace(pace, |pace| pace.used(word, now)),
            Rule::Calendar(days) => calendar::used(word, days.day(now)),
            // What of a grant is used is used up: only the coordinator knows the rest.
            Rule::Grant(_) => 0,
            Rule::Concurrency | Rule::Permits => gauge::running(word),
        }
    }

    /// The limit in force: the configured one, or the lower one that headers taught.
    #[inline]
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.learned().unwrap_or(self.quota.limit())
    }

    /// Free share of what the bucket gives at once, 0 to 1; 0 while held.
    #[must_use]
    pub fn fraction(&self, now: Nanos) -> f64 {
        if self.hold_until().in_force(now).is_some() {
            return 0.0;
        }
        match &self.quota.rule {
            Rule::Paced(pace) => {
                let tat = self.level_word().load(Ordering::Acquire);
                self.at_pace(pace, |pace| pace.fraction(tat, now))
            }
            Rule::Grant(terms) => (self.headroom(now) as f64 / terms.burst as f64).min(1.0),
            _ => self.headroom(now) as f64 / self.limit() as f64,
        }
    }

    /// Units taken after this hold was: what a header that answers it cannot know of yet.
    ///
    /// Holds cancelled since then still count, so it errs upwards.
    #[must_use]
    pub fn sent_after(&self, held: &Held) -> u64 {
        let since = self.total_word().load(Ordering::Acquire).wrapping_sub(held.sequence);
        // A concurrent roll-back may be ahead of us; what looks negative is nothing.
        u64::try_from(since.cast_signed()).unwrap_or(0)
    }

    /// The word that says until when nobody takes from this bucket.
    #[inline]
    #[must_use]
    pub fn hold_until(&self) -> HoldUntil<'a> {
        let [_, _, _, _, _, hold, _, _] = self.words;
        HoldUntil::new(hold)
    }

    /// What nearly every request meets: a paced bucket at its configured limit, not held back, with room.
    #[inline]
    pub(super) fn plainly(&self, n: u64, now: Nanos) -> Option<Grab> {
        if self.learned().is_some() || self.hold_until().in_force(now).is_some() {
            return None;
        }
        let before = self.level_word().load(Ordering::Acquire);
        self.plain.take(before, n, now).map(|(after, mark)| Grab { before, after, mark })
    }

    #[inline]
    fn next(&self, word: u64, n: u64, now: Nanos) -> Result<(u64, u64), Denied> {
        match &self.quota.rule {
            Rule::Paced(pace) => self.at_pace(pace, |pace| pace.take(word, n, now)),
            Rule::Calendar(days) => {
                calendar::take(word, n, self.limit(), days, now).map(|new| (new, calendar::day_in(new, 0)))
            }
            Rule::Grant(_) => grant::take(word, n, self.limit(), now),
            Rule::Concurrency => concurrency::take(word, n, self.limit(), now).map(|new| (new, 0)),
            Rule::Permits => {
                // More than we have been granted may still be less than there is.
                let granted = concurrency::take(word, n, self.permits(), now);
                let later =
                    |_| if n > self.quota.limit() { Denied::Never } else { Denied::NotUntil(now + grant::RECHECK) };
                granted.map(|new| (new, 0)).map_err(later)
            }
        }
    }

    /// Whether it is paced; a plain pace is known without reading the quota.
    #[inline]
    fn is_paced(&self) -> bool {
        !self.plain.is_none() || matches!(self.quota.rule, Rule::Paced(_))
    }

    /// Runs `f` at the pace in force: the compiled one unless headers taught a lower limit.
    #[inline]
    pub(super) fn at_pace<R>(&self, compiled: &Pace, f: impl FnOnce(&Pace) -> R) -> R {
        match self.learned() {
            None => f(compiled),
            Some(limit) => f(&self.quota.pace_at(limit)),
        }
    }

    /// A limit below the configured one. One above it stems from a config since lowered, and is void.
    #[inline]
    fn learned(&self) -> Option<u64> {
        let [_, _, _, _, learned, _, _, _] = self.words;
        let limit = learned.load(Ordering::Relaxed);
        (limit != 0 && limit < self.quota.limit()).then_some(limit)
    }

    /// Notes that `n` units were asked for and refused: the next report to the coordinator asks for them.
    #[cold]
    pub(crate) fn note_wanted(&self, n: u64) {
        let [_, _, _, _, _, _, refused, largest] = self.words;
        if self.quota.is_leased() && n <= self.quota.limit() {
            refused.fetch_add(n, Ordering::Relaxed);
            largest.fetch_max(n, Ordering::AcqRel);
        }
    }

    #[inline]
    pub(crate) fn level_word(&self) -> &'a AtomicU64 {
        let [_, level, _, _, _, _, _, _] = self.words;
        level
    }

    /// Permits granted to this host: the limit in force of a leased number of requests at once.
    pub(crate) fn permits(&self) -> u64 {
        let [_, _, _, _, permits, ..] = self.words;
        permits.load(Ordering::Acquire)
    }

    /// Changes them. Whoever is about to take by the old number finds that the word has moved, and looks again.
    pub(crate) fn set_permits(&self, count: u64) {
        let [_, _, _, _, permits, ..] = self.words;
        permits.store(count, Ordering::Release);
        gauge::stir(self.level_word());
    }

    /// The counters that only a report to the coordinator reads: taken ever, refused, largest refused.
    pub(crate) const fn asked(&self) -> [&'a AtomicU64; 3] {
        let [_, _, total, _, _, _, refused, largest] = self.words;
        [total, refused, largest]
    }

    #[inline]
    fn total_word(&self) -> &'a AtomicU64 {
        let [_, _, total, _, _, _, _, _] = self.words;
        total
    }
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
