//! What a run showed.

use junctor_core::outcome::Ending;
use junctor_core::units::Nanos;

use crate::world::{Attempt, Call, World};

fn secs(secs: f64) -> Nanos {
    Nanos::from_secs_f64(secs)
}

impl World {
    /// Attempts that began in [`from`, `to`) seconds.
    pub fn between(&self, from: f64, to: f64) -> impl Iterator<Item = &Attempt> {
        // They are in the order of their decisions, so the span is a slice.
        let first = self.attempts.partition_point(|attempt| attempt.at < secs(from));
        let last = self.attempts.partition_point(|attempt| attempt.at < secs(to));
        self.attempts.get(first..last).unwrap_or_default().iter()
    }

    /// Calls that came in [`from`, `to`) seconds.
    pub fn came(&self, from: f64, to: f64) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| (secs(from)..secs(to)).contains(&call.arrived))
    }

    /// Share of the attempts in [`from`, `to`) that went to a provider.
    #[must_use]
    pub fn share(&self, provider: usize, from: f64, to: f64) -> f64 {
        let all = self.between(from, to).count();
        self.between(from, to).filter(|attempt| attempt.provider == provider).count() as f64 / all.max(1) as f64
    }

    /// Seconds from `from` until the first half second in which a provider gets less than a tenth of `fair`.
    #[must_use]
    pub fn time_to_shift(&self, provider: usize, from: f64, fair: f64) -> f64 {
        let quiet = (0..1_000).find(|half| {
            let begin = from + f64::from(*half) / 2.0;
            self.share(provider, begin, begin + 0.5) < fair / 10.0
        });
        quiet.map_or(f64::INFINITY, |half| f64::from(half + 1) / 2.0)
    }

    /// How many attempts ended so, of those that began in [`from`, `to`).
    #[must_use]
    pub fn endings(&self, from: f64, to: f64, ended: impl Fn(Ending) -> bool) -> usize {
        self.between(from, to).filter(|attempt| attempt.ending.is_some_and(&ended)).count()
    }

    /// Share of the attempts that were answered 429, of those that began in [`from`, `to`).
    #[must_use]
    pub fn share_of_429(&self, from: f64, to: f64) -> f64 {
        let throttled = self.endings(from, to, |ending| matches!(ending, Ending::Throttled));
        throttled as f64 / self.between(from, to).count().max(1) as f64
    }

    /// Share of the calls that came in [`from`, `to`) and failed.
    #[must_use]
    pub fn failures(&self, from: f64, to: f64) -> f64 {
        let (came, failed) =
            self.came(from, to).fold((0, 0), |(came, failed), call| (came + 1, failed + usize::from(!call.well)));
        failed as f64 / came.max(1) as f64
    }

    /// The 99th percentile of seconds to the first content, retries included.
    #[must_use]
    pub fn p99_s(&self, from: f64, to: f64) -> f64 {
        let wait = |call: &Call| Some(call.first_content?.since(call.arrived).as_secs_f64());
        let waits: Vec<f64> = self.came(from, to).filter_map(wait).collect();
        quantile(waits, 0.99)
    }

    /// Whether everything that was held has been given back, and nothing was promised in vain on the way.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.ledger.breached == 0 && self.calls.iter().all(|call| call.ended.is_some())
    }
}

/// The value below which this part of the samples lies; NaN without samples.
#[must_use]
pub fn quantile(mut samples: Vec<f64>, part: f64) -> f64 {
    if samples.is_empty() {
        return f64::NAN;
    }
    samples.sort_unstable_by(f64::total_cmp);
    let place = (samples.len() as f64 * part) as usize;
    samples[place.min(samples.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_samples() {
        let hundred = || (1..=100).map(f64::from).collect::<Vec<_>>();
        assert_eq!((quantile(hundred(), 0.0), quantile(hundred(), 0.5), quantile(hundred(), 1.0)), (1.0, 51.0, 100.0));
        assert!(quantile(Vec::new(), 0.5).is_nan());
    }
}
