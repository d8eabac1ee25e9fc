//! What a deployment's past says about it: expected time to first content, success rate, slow start.
//!
//! Each average is one or two packed words, updated by a pure function in one compare-exchange loop. All of them forget:
//! an estimate that nobody refreshes drifts to its group's median or to certainty of success, so a deployment that lost
//! its traffic gets it back without anybody having to probe.

use crate::sync::{AtomicU64, Ordering, update};
use crate::units::{Nanos, Tick};

/// Weight of a new sample.
const ALPHA: f32 = 0.1;
/// A sample counts for at most this factor (e) above the average: one outlier moves it by at most 10 %.
const CLIP: f32 = 1.0;
/// Each factor e by which late samples in a row were late doubles the weight and the reach of the next one, up to so many
/// doublings: one answer in twenty is late by chance, but hardly two in a row, and nobody is a hundred times late by chance.
const MAX_SURPRISES: u32 = 7;
/// So many surprises end the blackout: the first late sample moves the average by a tenth only, and the next one is no
/// coincidence.
const DOUBTLESS: u32 = 3;
/// The most that one sample weighs.
const MOST_ALPHA: f32 = 0.5;
/// Time after which two thirds of the distance to the group's median are gone.
const TO_MEDIAN_S: f32 = 60.0;
/// A fresh average is believed after this many samples …
const BLACKOUT_SAMPLES: u32 = 10;
/// … or this long after its first sample, as in gRPC A58.
const BLACKOUT: Nanos = Nanos::from_secs(10);
/// Without samples for so long, nothing is known any more (gRPC A58).
pub const EXPIRY: Nanos = Nanos::from_secs(180);
/// Time after which two thirds of past failures are forgiven.
const FORGIVE_S: f32 = 30.0;
/// Slow start lasts so long (Envoy, aggression 1) …
const SLOW_START_S: f32 = 30.0;
const SLOW_START: Nanos = Nanos::from_secs(30);
/// … and begins at this share of the weight.
const SLOW_START_FROM: f32 = 0.1;

const fn pack(value: f32, low: u32) -> u64 {
    (value.to_bits() as u64) << 32 | low as u64
}

const fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}

/// What the average is compared with when it knows too little.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// Median of the group, as a natural logarithm of seconds.
    pub median: f32,
    /// What was configured, as a natural logarithm of seconds.
    pub prior: f32,
}

/// Average logarithm of the time to first content, in natural logarithms of seconds.
///
/// Logarithms, because these times are log-normal; time to first content, because total latency measures how long
/// the answer is.
#[derive(Clone, Copy)]
pub struct Latency<'s> {
    /// `average: f32 | tick of the last sample`.
    average: &'s AtomicU64,
    /// `surprises: 3 bits | number of samples, at most those of the blackout: 29 bits | tick of the first`.
    samples: &'s AtomicU64,
}

impl<'s> Latency<'s> {
    /// A view over two words.
    #[must_use]
    #[inline]
    pub const fn new(average: &'s AtomicU64, samples: &'s AtomicU64) -> Self {
        Self { average, samples }
    }

    /// The expected value at `now`: median during the blackout, prior after expiry, otherwise the decayed average.
    #[must_use]
    #[inline]
    pub fn expected(self, now: Nanos, reference: Reference) -> f32 {
        let word = self.average.load(Ordering::Acquire);
        let samples = Samples::unpack(self.samples.load(Ordering::Acquire));
        if word == 0 || !samples.are_believed(now) {
            return reference.median;
        }
        Self::decayed(word, now, reference)
    }

    /// The average as it is kept, if it is still worth anything: what the group's median is made of.
    #[must_use]
    pub fn known(self, now: Nanos) -> Option<f32> {
        let word = self.average.load(Ordering::Acquire);
        let (average, last) = unpack(word);
        (word != 0 && Tick::at(now).span_since(Tick(last)) <= EXPIRY).then_some(average)
    }

    /// Adds a sample: seconds to first content, as a natural logarithm. Not finite: ignored.
    pub fn add(self, sample: f32, now: Nanos, reference: Reference) {
        self.learn(sample, now, reference, false);
    }

    /// Adds what a timeout says: it took at least so long. A failure never lowers the average.
    pub fn add_at_least(self, sample: f32, now: Nanos, reference: Reference) {
        self.learn(sample, now, reference, true);
    }

    fn learn(self, sample: f32, now: Nanos, reference: Reference, only_up: bool) {
        if !sample.is_finite() {
            return;
        }
        let mut base = reference.median;
        let surprises = Samples::unpack(self.samples.load(Ordering::Acquire)).surprises;
        let step = |word: u64| {
            base = if word == 0 { reference.median } else { Self::decayed(word, now, reference) };
            let learned = moved(base, sample, surprises);
            (!only_up || learned > base).then(|| pack(learned, Tick::at(now).0))
        };
        let Ok((old, _)) = update(self.average, step) else { return };
        let begins = old == 0 || Tick::at(now).span_since(Tick(unpack(old).1)) > EXPIRY;
        let late = ((sample - base) / CLIP).max(0.0) as u32;
        // A lost race here miscounts one sample of the blackout, or of a row of surprises. Mostly there is nothing to write.
        let _ = update(self.samples, |word| {
            let next = Samples::unpack(word).and_one(late, begins, now).pack();
            (next != word).then_some(next)
        });
    }

    fn decayed(word: u64, now: Nanos, reference: Reference) -> f32 {
        let (average, last) = unpack(word);
        let idle = Tick::at(now).span_since(Tick(last));
        if idle > EXPIRY || !average.is_finite() {
            return reference.prior;
        }
        reference.median + (average - reference.median) * fade(idle, TO_MEDIAN_S)
    }
}

/// How many samples an average has, and how the last ones were.
#[derive(Clone, Copy)]
struct Samples {
    /// Once there are enough to be believed, nobody asks how many.
    count: u32,
    /// By how many factors of e the last samples in a row were late.
    surprises: u32,
    first: Tick,
}

impl Samples {
    const COUNT_BITS: u32 = 29;
    const COUNT_MASK: u32 = (1 << Self::COUNT_BITS) - 1;

    const fn unpack(word: u64) -> Self {
        let high = (word >> 32) as u32;
        Self { count: high & Self::COUNT_MASK, surprises: high >> Self::COUNT_BITS, first: Tick(word as u32) }
    }

    const fn pack(self) -> u64 {
        ((self.surprises << Self::COUNT_BITS | self.count) as u64) << 32 | self.first.0 as u64
    }

    #[inline]
    fn are_believed(self, now: Nanos) -> bool {
        let long_enough = || self.count > 0 && Tick::at(now).span_since(self.first) >= BLACKOUT;
        self.count >= BLACKOUT_SAMPLES || self.surprises >= DOUBTLESS || long_enough()
    }

    /// One more sample, `late` times e late.
    fn and_one(self, late: u32, begins: bool, now: Nanos) -> Self {
        let surprises = if late > 0 { late.saturating_add(self.surprises).min(MAX_SURPRISES) } else { 0 };
        if begins {
            return Self { count: 1, surprises, first: Tick::at(now) };
        }
        Self { count: (self.count + 1).min(BLACKOUT_SAMPLES), surprises, ..self }
    }
}

const _: () = assert!(MAX_SURPRISES < 1 << (u32::BITS - Samples::COUNT_BITS), "a row fits above the count");

/// Where a sample moves the average to, after so many surprises.
fn moved(average: f32, sample: f32, surprises: u32) -> f32 {
    let times = if sample > average + CLIP { (1_u32 << surprises.min(MAX_SURPRISES)) as f32 } else { 1.0 };
    let (alpha, clip) = ((ALPHA * times).min(MOST_ALPHA), CLIP * times);
    average + alpha * (sample.min(average + clip) - average)
}

/// Success rate, kept as its deficit so that a fresh word means "always".
#[derive(Clone, Copy)]
pub struct Success<'s> {
    /// `1 − rate: f32 | tick of the last sample`.
    word: &'s AtomicU64,
}

impl<'s> Success<'s> {
    /// A view over its word.
    #[must_use]
    #[inline]
    pub const fn new(word: &'s AtomicU64) -> Self {
        Self { word }
    }

    /// The rate at `now`, past failures partly forgiven.
    #[must_use]
    #[inline]
    pub fn rate(self, now: Nanos) -> f32 {
        1.0 - Self::deficit(self.word.load(Ordering::Acquire), now)
    }

    /// Adds one result. Answers 429 and the caller's own errors are not results.
    pub fn add(self, succeeded: bool, now: Nanos) {
        let missed = if succeeded { 0.0 } else { 1.0 };
        let _ = update(self.word, |word| {
            let deficit = Self::deficit(word, now);
            let learned = deficit + ALPHA * (missed - deficit);
            // Nothing to say and nothing said: spare the write.
            (word != 0 || learned > 0.0).then(|| pack(learned, Tick::at(now).0))
        });
    }

    fn deficit(word: u64, now: Nanos) -> f32 {
        if word == 0 {
            return 0.0;
        }
        let (deficit, last) = unpack(word);
        deficit * fade(Tick::at(now).span_since(Tick(last)), FORGIVE_S)
    }
}

/// Share of its weight that a deployment gets, by the time since it was added or its breaker closed.
#[must_use]
#[inline]
pub fn slow_start(since: Nanos) -> f32 {
    if since >= SLOW_START {
        return 1.0;
    }
    (seconds(since) / SLOW_START_S).clamp(SLOW_START_FROM, 1.0)
}

/// What is left of 1 after `idle`, with time constant `tau_s`.
#[inline]
fn fade(idle: Nanos, tau_s: f32) -> f32 {
    if idle.0 == 0 { 1.0 } else { (-seconds(idle) / tau_s).exp() }
}

fn seconds(span: Nanos) -> f32 {
    span.as_secs_f64() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Reference = Reference { median: 0.0, prior: -1.0 };

    fn at(secs: u64) -> Nanos {
        Nanos::from_secs(1_000 + secs)
    }

    fn taught(samples: &[f32]) -> (AtomicU64, AtomicU64) {
        let (average, count) = (AtomicU64::new(0), AtomicU64::new(0));
        samples.iter().for_each(|&sample| Latency::new(&average, &count).add(sample, at(0), LEVEL));
        (average, count)
    }

    #[test]
    fn nothing_known_reads_as_the_median() {
        let (average, count) = taught(&[]);
        assert_eq!(Latency::new(&average, &count).expected(at(0), LEVEL), 0.0);
    }

    #[test]
    fn one_outlier_moves_the_average_by_at_most_a_tenth() {
        let (average, count) = taught(&[0.0; 20]);
        let latency = Latency::new(&average, &count);
        latency.add(8.0, at(0), LEVEL);
        assert!((latency.expected(at(0), LEVEL) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn a_row_of_late_answers_is_believed_quickly_and_an_ordinary_one_ends_the_row() {
        let (average, count) = taught(&[0.0; 20]);
        let latency = Latency::new(&average, &count);
        let mut after = |sample| {
            latency.add(sample, at(0), LEVEL);
            latency.expected(at(0), LEVEL)
        };
        let moves = [4.0, 4.0, 4.0, 4.0].map(&mut after);
        for (moved, by_hand) in moves.iter().zip([0.1, 2.05, 3.025, 3.1225]) {
            assert!((moved - by_hand).abs() < 1e-5, "{moves:?}");
        }
        let calmer = after(2.0);
        assert!(after(8.0) - calmer < 0.1 + 1e-5, "one outlier again");
    }

    #[test]
    fn a_fresh_average_is_not_believed_for_ten_samples_or_ten_seconds() {
        let (average, count) = taught(&[1.0; 9]);
        let latency = Latency::new(&average, &count);
        assert_eq!(latency.expected(at(9), LEVEL), 0.0, "nine samples, nine seconds");
        assert!(latency.expected(at(11), LEVEL) > 0.4, "eleven seconds");
        latency.add(1.0, at(9), LEVEL);
        assert!(latency.expected(at(9), LEVEL) > 0.4, "ten samples");
    }

    #[test]
    fn very_late_answers_are_believed_before_the_blackout_is_over() {
        let (average, count) = taught(&[4.0, 4.0]);
        let latency = Latency::new(&average, &count);
        assert!((latency.expected(at(0), LEVEL) - 2.05).abs() < 1e-5);
        latency.add(0.0, at(0), LEVEL);
        assert_eq!(latency.expected(at(0), LEVEL), 0.0, "an ordinary one brings the doubt back");
    }

    #[test]
    fn an_idle_average_decays_to_the_median_and_expires_to_the_prior() {
        let (average, count) = taught(&[1.0; 200]);
        let latency = Latency::new(&average, &count);
        let now = latency.expected(at(0), LEVEL);
        assert!((latency.expected(at(60), LEVEL) / now - (-1.0_f32).exp()).abs() < 1e-3);
        assert_eq!(latency.expected(at(181), LEVEL), -1.0);
        assert_eq!(latency.known(at(181)), None);
    }

    #[test]
    fn a_timeout_only_ever_raises_the_average() {
        let (average, count) = taught(&[1.0; 50]);
        let latency = Latency::new(&average, &count);
        let before = latency.expected(at(0), LEVEL);
        latency.add_at_least(-3.0, at(0), LEVEL);
        assert_eq!(latency.expected(at(0), LEVEL), before);
        latency.add_at_least(3.0, at(0), LEVEL);
        assert!(latency.expected(at(0), LEVEL) > before);
    }

    #[test]
    fn nonsense_is_no_sample() {
        let (average, count) = taught(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(Latency::new(&average, &count).known(at(0)), None);
    }

    #[test]
    fn failures_lower_success_and_are_forgiven_with_time() {
        let word = AtomicU64::new(0);
        let success = Success::new(&word);
        assert_eq!(success.rate(at(0)), 1.0);
        (0..10).for_each(|_| success.add(false, at(0)));
        let low = success.rate(at(0));
        assert!((low - 0.9_f32.powi(10)).abs() < 1e-5, "{low}");
        assert!((1.0 - success.rate(at(30)) - (1.0 - low) * (-1.0_f32).exp()).abs() < 1e-3);
        success.add(true, at(0));
        assert!(success.rate(at(0)) > low);
    }

    #[test]
    fn slow_start_grows_from_a_tenth_in_thirty_seconds() {
        assert_eq!(slow_start(Nanos::ZERO), 0.1);
        assert_eq!(slow_start(Nanos::from_secs(15)), 0.5);
        assert_eq!(slow_start(Nanos::MAX), 1.0);
    }
}
