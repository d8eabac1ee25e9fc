//! The breaker: a deployment that fails gets no traffic, and one call at a time to prove that it has recovered.
//!
//! **Problem.** A deployment that answers 500 in 20 ms looks fast and attracts traffic. When it comes back, a thousand
//! callers must not find out together. And whoever was sent to find out may be killed before it can tell.
//!
//! **Choice.** One word, `state:2 | exponent:4 | generation:26 | until:32`, changed by compare-exchange only:
//!
//! ```text
//!            5 failures in a row,                      until passed: the winner of the
//!            or half of ≥ 10 in 10 s                   exchange is the only probe
//!  CLOSED ───────────────────────────▶ OPEN ───────────────────────────▶ HALF OPEN
//!    ▲                                  ▲ │  failed: longer; cancelled: at once   │
//!    │                                  └─┼───────────────────────────────────────┤
//!    └────────────────────────────────────┴── first content of the probe ─────────┘
//! ```
//!
//! Each permit carries the generation it was given in. A report from another generation is late news and ignored, so
//! neither an old success closes the breaker nor an old failure prolongs it. An answer counts when its first content comes,
//! not when it ends: what began before a fault and ends well during it says nothing about the fault. A probe holds a lease: if its holder dies,
//! the next caller after the lease becomes the probe, and the loss is counted. The open time doubles from 30 s to 300 s,
//! for failed probes and for flapping alike, and one doubling is forgotten per minute of health.
//!
//! **Rejected.** A state enum behind a lock: a killed process holds it for ever. A number of half-open permits: under a
//! race more get through than were meant. Resetting the open time at each success: an endpoint that flaps every 40 s
//! starts over each time. Counting 429s: a full bucket is not a broken one, see [`crate::limit::hold`].
//!
//! **Cost.** Admission while closed is one load and a compare. A report adds to one slice; if there was a failure in the
//! window, it reads all ten, see [`window`]. Times are ticks of 16 ms, an open time is never shorter than stated.
//!
//! **Use.** `peek` while filtering, `admit` as the last step, then exactly one of `succeed`, `fail`, `throttled`,
//! `abandon`, `config_failure`; `first_content` before them if the answer streams.

pub mod backoff;
mod report;
pub mod window;
mod word;

use crate::sync::{AtomicU64, Ordering, update};
use crate::units::{Nanos, Tick};
use backoff::MAX_LEASE;
use window::Slices;
use word::{Run, Word};

pub use report::{MAX_RUN, Reason, Snapshot};
pub use word::State;

/// Words per breaker: two cache lines. 0 state, 1 run and reason, 2 last forced probe, 3 last failure, 4–13 health
/// slices, rest spare.
pub const BREAKER_WORDS: usize = 16;

/// What [`Breaker::admit`] would answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// Closed.
    Admits,
    /// The next to be admitted is the probe.
    WouldProbe,
    /// Not before this instant; [`Nanos::MAX`] while the operator holds it open.
    Refuses(Nanos),
}

/// Leave for one attempt. Report how it ended, once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is never reported costs a probe's lease"]
pub struct Permit {
    /// The breaker's generation when it was given.
    pub generation: u32,
    /// Whether this attempt decides if the breaker closes.
    pub probe: bool,
    /// Whether an earlier probe never reported within its lease. Count it.
    pub lost_probe: bool,
    /// Whether it is a probe before its time. Its failure says nothing new about how long to wait.
    pub forced: bool,
    /// Whether its first content was already counted as a success.
    pub answered: bool,
}

impl Permit {
    /// A permit of a closed breaker.
    const fn ordinary(generation: u32) -> Self {
        Self { generation, probe: false, lost_probe: false, forced: false, answered: false }
    }
}

/// What a report did to the breaker. Count everything but `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// It refuses until this instant.
    Opened {
        /// When the next probe is due; [`Nanos::MAX`] if the operator opened it.
        until: Nanos,
    },
    /// It admits again.
    Closed,
    /// The probe ended without a verdict; the next caller probes.
    ProbeReturned,
    /// The report was of another generation and changed nothing.
    StaleReport,
}

/// A view of a breaker's words. All zero has been closed for ever.
#[derive(Clone, Copy, Debug)]
pub struct Breaker<'a> {
    word: &'a AtomicU64,
    run: &'a AtomicU64,
    forced: &'a AtomicU64,
    failed: &'a AtomicU64,
    slices: Slices<'a>,
}

impl<'a> Breaker<'a> {
    /// A view of `words`.
    #[must_use]
    pub const fn new(words: &'a [AtomicU64; BREAKER_WORDS]) -> Self {
        let [word, run, forced, failed, slices @ .., _, _] = words;
        Self { word, run, forced, failed, slices: Slices::new(slices) }
    }

    /// A view of the first sixteen of `words`; `None` if there are fewer.
    #[must_use]
    pub fn from_slice(words: &'a [AtomicU64]) -> Option<Self> {
        words.first_chunk().map(Self::new)
    }

    /// What [`admit`](Self::admit) would answer. Writes nothing; another caller may still be faster.
    #[inline]
    #[must_use]
    pub fn peek(&self, now: Nanos) -> Peek {
        let word = self.load();
        match word.state {
            State::Closed => Peek::Admits,
            State::ForcedOpen => Peek::Refuses(Nanos::MAX),
            State::Open | State::HalfOpen => match word.refuses_until(now) {
                Some(until) => Peek::Refuses(until),
                None => Peek::WouldProbe,
            },
        }
    }

    /// Leave for one attempt, if the breaker is closed or the caller becomes the probe.
    ///
    /// `lease` is how long a probe may take to its first content; at most 60 s. Of any number of threads and processes
    /// that ask when an open time has passed, exactly one gets the permit.
    ///
    /// # Errors
    /// The instant until which it refuses.
    #[inline]
    pub fn admit(&self, now: Nanos, lease: Nanos) -> Result<Permit, Nanos> {
        let word = self.load();
        if word.state == State::Closed {
            return Ok(Permit::ordinary(word.generation));
        }
        self.probe(now, lease, |word| word.refuses_until(now))
    }

    /// Leave for an attempt that must not be a probe: only while it is closed.
    ///
    /// # Errors
    /// The instant until which it refuses; `now` if it waits for a probe.
    pub fn admit_if_closed(&self, now: Nanos) -> Result<Permit, Nanos> {
        let word = self.load();
        match word.state {
            State::Closed => Ok(Permit::ordinary(word.generation)),
            State::ForcedOpen => Err(Nanos::MAX),
            State::Open | State::HalfOpen => Err(word.refuses_until(now).unwrap_or(now)),
        }
    }

    /// Last resort, when every deployment is open: a probe before its time, at most one per second.
    ///
    /// # Errors
    /// The instant at which to ask again: a probe is under way, another was forced within the last second, or the
    /// operator holds the breaker open ([`Nanos::MAX`]).
    pub fn force_probe(&self, now: Nanos, lease: Nanos) -> Result<Permit, Nanos> {
        let word = self.load();
        let due = match word.state {
            State::Closed => true,
            State::Open | State::HalfOpen => word.refuses_until(now).is_none(),
            State::ForcedOpen => return Err(Nanos::MAX),
        };
        if due {
            return self.admit(now, lease);
        }
        if let (State::HalfOpen, Some(until)) = (word.state, word.refuses_until(now)) {
            return Err(until);
        }
        // Zero means never, so an instant of zero is remembered as one.
        let claim = update(self.forced, |last| backoff::may_force(last, now).then_some(now.0.max(1)));
        claim.map_err(|last| Nanos(last) + backoff::BETWEEN_FORCED)?;
        let permit = self.probe(now, lease, |word| match word.state {
            State::Open => None,
            _ => word.refuses_until(now),
        })?;
        Ok(Permit { forced: permit.probe, ..permit })
    }

    /// Whether [`force_probe`](Self::force_probe) would pass. Writes nothing; another caller may still be faster.
    ///
    /// # Errors
    /// As [`force_probe`](Self::force_probe).
    pub fn peek_forced(&self, now: Nanos) -> Result<(), Nanos> {
        let word = self.load();
        match (word.state, word.refuses_until(now)) {
            (State::ForcedOpen, _) => Err(Nanos::MAX),
            (State::Closed, _) | (_, None) => Ok(()),
            (State::HalfOpen, Some(until)) => Err(until),
            (State::Open, Some(_)) => {
                let last = self.forced.load(Ordering::Acquire);
                if backoff::may_force(last, now) { Ok(()) } else { Err(Nanos(last) + backoff::BETWEEN_FORCED) }
            }
        }
    }

    /// Moves to half open unless `refuses` says otherwise; the winner of the exchange is the only probe.
    #[cold]
    fn probe(&self, now: Nanos, lease: Nanos, refuses: impl Fn(Word) -> Option<Nanos>) -> Result<Permit, Nanos> {
        let until = Tick::not_before(now + lease.min(MAX_LEASE));
        let swapped = update(self.word, |bits| {
            let word = Word::unpack(bits);
            let probes = matches!(word.state, State::Open | State::HalfOpen) && refuses(word).is_none();
            probes.then(|| word.next(State::HalfOpen, word.exponent, until).pack())
        });
        match swapped.map_err(Word::unpack) {
            Ok((old, new)) => Ok(Permit {
                probe: true,
                lost_probe: Word::unpack(old).state == State::HalfOpen,
                ..Permit::ordinary(Word::unpack(new).generation)
            }),
            // Another probe was faster and has already closed it.
            Err(word) if word.state == State::Closed => Ok(Permit::ordinary(word.generation)),
            Err(word) => Err(refuses(word).unwrap_or(Nanos::MAX)),
        }
    }

    /// For how long it has been closed, [`Nanos::MAX`] if for ever; `None` if it is not.
    #[inline]
    #[must_use]
    pub fn closed_since(&self, now: Nanos) -> Option<Nanos> {
        let word = self.load();
        (word.state == State::Closed).then(|| word.closed_for(now))
    }

    /// Refuses everything until told otherwise.
    pub fn force_open(&self, now: Nanos) -> Effect {
        self.command(|word| word.next(State::ForcedOpen, word.exponent, Tick::at(now)));
        Effect::Opened { until: Nanos::MAX }
    }

    /// Closes it as a successful probe would: the next open time remembers the last ones.
    pub fn force_close(&self, now: Nanos) -> Effect {
        self.slices.clear();
        self.command(|word| word.next(State::Closed, word.exponent, Tick::at(now)));
        Effect::Closed
    }

    /// Closes it and forgets everything: as if it had been healthy for a minute.
    pub fn reset(&self, now: Nanos) -> Effect {
        self.slices.clear();
        self.command(|word| word.next(State::Closed, 0, Tick::at(now - backoff::FORGIVE)));
        self.forced.store(0, Ordering::Release);
        Effect::Closed
    }

    fn command(&self, next: impl Fn(Word) -> Word) {
        // The closure never declines, so this never fails.
        let _ = update(self.word, |bits| Some(next(Word::unpack(bits)).pack()));
    }

    #[inline]
    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    fn run(&self, generation: u32) -> Run {
        Run::of(self.run.load(Ordering::Acquire), generation)
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
