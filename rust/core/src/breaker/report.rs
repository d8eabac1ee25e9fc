//! How an attempt ended, and what that does to the breaker.

use super::backoff::{self, CONFIG_OPEN};
use super::window::{self, Tally};
use super::word::{Run, State, Word};
use super::{Breaker, Effect, Permit};
use crate::limit::hold::MAX_HINT;
use crate::sync::{Ordering, update};
use crate::units::{Nanos, Tick};

/// Hard failures in a row that trip it, whatever the time between them.
pub const MAX_RUN: u32 = 5;

/// Why a breaker is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Calls failed.
    #[default]
    Failures,
    /// The key or the model was refused (401, 403, 404): somebody has to act.
    Config,
    /// The operator opened it.
    Operator,
}

/// A breaker for people and metrics. Its words are read one after the other, so under load they may be of different
/// moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether traffic passes.
    pub state: State,
    /// Why not; meaningless while closed.
    pub reason: Reason,
    /// Doublings of the open time so far.
    pub exponent: u32,
    /// Changes of state so far, modulo 2^26.
    pub generation: u32,
    /// Until when it refuses.
    pub until: Option<Nanos>,
    /// Results of the last ten seconds.
    pub recent: Tally,
    /// Failures in a row.
    pub run: u32,
}

impl Breaker<'_> {
    /// The attempt was answered well. A probe closes the breaker; a success already counted at its first content is not
    /// counted again.
    #[inline]
    pub fn succeed(&self, permit: Permit, now: Nanos) -> Effect {
        match permit {
            Permit { probe: true, .. } => self.recover(&permit, now).0,
            Permit { answered: true, .. } => self.stale_or_none(&permit),
            Permit { .. } => self.count(&permit, false, now),
        }
    }

    /// The answer has begun: the success counts from now on, not from the end of a long stream. A probe closes the
    /// breaker, and its permit becomes an ordinary one of the new generation. Only the first call counts.
    pub fn first_content(&self, permit: &mut Permit, now: Nanos) -> Effect {
        if permit.probe {
            let (effect, generation) = self.recover(permit, now);
            // A stale probe keeps its generation, so that its end is stale too.
            let lost_probe = permit.lost_probe;
            *permit = Permit { lost_probe, answered: true, ..Permit::ordinary(generation) };
            return effect;
        }
        // A permit of another generation is told so once, at its end.
        if permit.answered || !self.is_live(permit, State::Closed) {
            return Effect::None;
        }
        permit.answered = true;
        self.count(permit, false, now)
    }

    /// A hard failure: connection, TLS or name error, 5xx but 529, timeout, truncated or malformed stream. After a first
    /// content it is one result more: the answer did begin, and it did break.
    #[inline]
    pub fn fail(&self, permit: Permit, now: Nanos) -> Effect {
        if permit.probe { self.reopen(&permit, Nanos::ZERO, now) } else { self.count(&permit, true, now) }
    }

    /// A 429 or 529. Only a probe cares: the deployment is not ready, and stays out for the hint at least.
    pub fn throttled(&self, permit: Permit, now: Nanos, hint: Option<Nanos>) -> Effect {
        let least = hint.unwrap_or(Nanos::ZERO).min(MAX_HINT);
        if permit.probe { self.reopen(&permit, least, now) } else { self.stale_or_none(&permit) }
    }

    /// The caller went away, or the failure was its own (400): no verdict. After a probe the next caller probes.
    pub fn abandon(&self, permit: Permit, now: Nanos) -> Effect {
        if !permit.probe {
            return self.stale_or_none(&permit);
        }
        // The generation stays: the next probe starts another, and this permit is spent.
        let returned = |word: Word| Word { state: State::Open, until: Tick::at(now), ..word };
        self.answer_probe(&permit, returned).map_or(Effect::StaleReport, |_| Effect::ProbeReturned)
    }

    /// 401, 403 or an unknown model: open at once for five minutes, with the reason `Config`.
    pub fn config_failure(&self, permit: Permit, now: Nanos) -> Effect {
        let expected = if permit.probe { State::HalfOpen } else { State::Closed };
        let until = Tick::not_before(now + CONFIG_OPEN);
        let Some(word) = self.advance(&permit, expected, |word| word.next(State::Open, word.exponent, until)) else {
            return Effect::StaleReport;
        };
        self.run.store(Run { length: 0, reason: Reason::Config }.pack(word.generation), Ordering::Release);
        opened(word, now)
    }

    /// Everything about it at `now`.
    #[must_use]
    pub fn snapshot(&self, now: Nanos) -> Snapshot {
        let word = self.load();
        let run = self.run(word.generation);
        let reason = if word.state == State::ForcedOpen { Reason::Operator } else { run.reason };
        let until = if word.state == State::Closed { None } else { word.refuses_until(now) };
        let recent = self.slices.tally(now, since(word, now));
        let Word { state, exponent, generation, .. } = word;
        Snapshot { state, reason, exponent, generation, until, recent, run: run.length }
    }

    /// Counts a result of the closed state and trips if it was one too many.
    fn count(&self, permit: &Permit, failed: bool, now: Nanos) -> Effect {
        let word = self.load();
        if word.state != State::Closed || word.generation != permit.generation {
            return Effect::StaleReport;
        }
        if failed {
            // Zero means never.
            self.failed.fetch_max(now.0.max(1), Ordering::AcqRel);
        }
        self.slices.count(failed, now);
        let run = self.extend_run(word.generation, failed);
        if run < MAX_RUN && !(self.failed_lately(now) && self.slices.tally(now, since(word, now)).trips()) {
            return Effect::None;
        }
        let trip = |word: Word| word.opened(backoff::at_trip(word.exponent, word.closed_for(now)), Nanos::ZERO, now);
        // Another thread's report of the same burst may have tripped it: then this one has done its part.
        self.advance(permit, State::Closed, trip).map_or(Effect::None, |word| opened(word, now))
    }

    /// Whether there can be a failure in the window: without one no share trips.
    fn failed_lately(&self, now: Nanos) -> bool {
        let last = self.failed.load(Ordering::Acquire);
        last != 0 && !window::is_past(Nanos(last), now)
    }

    /// The run after one more result.
    pub(super) fn extend_run(&self, generation: u32, failed: bool) -> u32 {
        let bits = self.run.load(Ordering::Acquire);
        if !failed && Run::of(bits, generation).length == 0 {
            return 0;
        }
        let next = |bits| {
            let length = if failed { Run::of(bits, generation).length + 1 } else { 0 };
            let run = Run { length, reason: Reason::Failures };
            // A report overtaken by a trip must not wipe out what the next generation has counted.
            (!Run::is_after(bits, generation)).then(|| run.pack(generation))
        };
        update(self.run, next).map_or(0, |(_, bits)| Run::of(bits, generation).length)
    }

    fn recover(&self, permit: &Permit, now: Nanos) -> (Effect, u32) {
        // Only the holder of the live probe gets here past the check, so nobody counts into the slices meanwhile but a
        // report that was overtaken by the trip, and of those `since` drops all but ones of this very second.
        if !self.is_live(permit, State::HalfOpen) {
            return (Effect::StaleReport, permit.generation);
        }
        self.slices.clear();
        match self.answer_probe(permit, |word| word.next(State::Closed, word.exponent, Tick::at(now))) {
            Some(word) => (Effect::Closed, word.generation),
            None => (Effect::StaleReport, permit.generation),
        }
    }

    fn reopen(&self, permit: &Permit, least: Nanos, now: Nanos) -> Effect {
        // A last resort probes each second of a total outage: that must not count as so many failed recoveries.
        let exponent = |word: Word| if permit.forced { word.exponent } else { backoff::raised(word.exponent) };
        let reopened = |word: Word| word.opened(exponent(word), least, now);
        self.answer_probe(permit, reopened).map_or(Effect::StaleReport, |word| opened(word, now))
    }

    fn answer_probe(&self, permit: &Permit, next: impl Fn(Word) -> Word) -> Option<Word> {
        self.advance(permit, State::HalfOpen, next)
    }

    /// The new word, if the permit is of the state and generation in force.
    fn advance(&self, permit: &Permit, expected: State, next: impl Fn(Word) -> Word) -> Option<Word> {
        let swapped = update(self.word, |bits| {
            let word = Word::unpack(bits);
            (word.state == expected && word.generation == permit.generation).then(|| next(word).pack())
        });
        swapped.ok().map(|(_, new)| Word::unpack(new))
    }

    fn is_live(&self, permit: &Permit, expected: State) -> bool {
        let word = self.load();
        word.state == expected && word.generation == permit.generation
    }

    fn stale_or_none(&self, permit: &Permit) -> Effect {
        if self.is_live(permit, State::Closed) { Effect::None } else { Effect::StaleReport }
    }
}

fn opened(word: Word, now: Nanos) -> Effect {
    Effect::Opened { until: word.refuses_until(now).unwrap_or(now) }
}

/// When the current count began, to the tick.
fn since(word: Word, now: Nanos) -> Nanos {
    now - word.closed_for(now) - Tick::SPAN
}
