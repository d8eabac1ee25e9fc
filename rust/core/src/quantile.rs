//! A learned percentile of something positive, in one word.
//!
//! **Problem.** How long answers get and how late first contents come is asked for every request, per model, route or
//! group. An average says too little: what is held, or waited for, must suffice nearly always.
//!
//! **Choice.** A stochastic quantile estimate in the natural logarithm: above the estimate step up by `share` of the
//! gain, below step down by the rest; it rests where `share` of the samples are below. The gain falls as 4/(n + 8) to
//! 0.004. Lengths and times are roughly log-normal, so a step in the logarithm suits small ones as well as large ones.
//! The word is `samples:32 | estimate as f32 bits:32`; zero has no samples.
//!
//! **Rejected.** A histogram or sketch: kilobytes per key where one word does. Mean plus deviations: one sample of
//! 100,000 shifts it for hours. A fixed gain: either thousands of samples to converge or a noisy end.
//!
//! **Cost.** A compare-exchange per sample and an exponential per question. At the final gain the standard error is
//! about 3 % for the 90th percentile, and a shift is followed within some 1,500 samples.

use crate::sync::{AtomicU64, Ordering, update};

/// First gain: 4/9 halves or doubles the estimate in two steps while nothing is known.
const GAIN: f32 = 4.0;
const GAIN_DELAY: f32 = 8.0;
/// Last gain: see the standard error above.
const LEAST_GAIN: f32 = 0.004;

/// A view of one learned percentile.
#[derive(Clone, Copy, Debug)]
pub struct Quantile<'a> {
    word: &'a AtomicU64,
    share: f32,
}

impl<'a> Quantile<'a> {
    /// A view of `word`, which learns the value that `share` of the samples stay below; zero has learned nothing.
    #[must_use]
    pub const fn new(word: &'a AtomicU64, share: f32) -> Self {
        Self { word, share }
    }

    /// Adds a sample by its natural logarithm. Not finite: ignored.
    ///
    /// ```
    /// # use junctor_core::{quantile::Quantile, sync::AtomicU64};
    /// let word = AtomicU64::new(0);
    /// let slow = Quantile::new(&word, 0.95);
    /// (0..40).for_each(|_| slow.observe(2.0_f32.ln()));
    /// assert_eq!(slow.learned(40), Some(2.0_f32.ln()));
    /// assert_eq!(slow.learned(41), None);
    /// ```
    pub fn observe(&self, ln: f32) {
        self.learn(ln, false);
    }

    /// Adds a sample that was cut off: it would have been at least this. Below the estimate that says nothing.
    pub fn observe_at_least(&self, ln: f32) {
        self.learn(ln, true);
    }

    /// The natural logarithm of the percentile, once there are `least` samples.
    #[inline]
    #[must_use]
    pub fn learned(&self, least: u32) -> Option<f32> {
        let word = self.word.load(Ordering::Acquire);
        let count = samples(word);
        (count > 0 && count >= least).then(|| estimate(word))
    }

    /// Samples seen so far.
    #[must_use]
    pub fn samples(&self) -> u32 {
        samples(self.word.load(Ordering::Relaxed))
    }

    fn learn(&self, ln: f32, only_up: bool) {
        if !ln.is_finite() {
            return;
        }
        let _ = update(self.word, |word| {
            let moves = !only_up || samples(word) > 0 && ln > estimate(word);
            moves.then(|| self.observed(word, ln))
        });
    }

    fn observed(&self, word: u64, ln: f32) -> u64 {
        let count = samples(word);
        let known = if count == 0 { ln } else { estimate(word) };
        let gain = (GAIN / (count as f32 + GAIN_DELAY)).max(LEAST_GAIN);
        // The step ends at the sample itself: constant samples are learned exactly.
        let next =
            if ln > known { (known + gain * self.share).min(ln) } else { (known - gain * (1.0 - self.share)).max(ln) };
        (u64::from(count.saturating_add(1)) << 32) | u64::from(next.to_bits())
    }
}

const fn samples(word: u64) -> u32 {
    (word >> 32) as u32
}

const fn estimate(word: u64) -> f32 {
    f32::from_bits(word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    #[test]
    fn it_rests_where_its_share_of_the_samples_is_below() {
        for share in [0.5, 0.9, 0.95] {
            let (word, mut draw) = (AtomicU64::new(0), Draw::new(3));
            let quantile = Quantile::new(&word, share);
            (0..20_000).for_each(|_| quantile.observe(draw.unit() as f32));
            let learned = quantile.learned(1).unwrap();
            assert!((learned - share).abs() < 0.02, "{learned} for {share}");
        }
    }

    #[test]
    fn a_sample_that_was_cut_off_only_raises_it() {
        let word = AtomicU64::new(0);
        let quantile = Quantile::new(&word, 0.95);
        quantile.observe_at_least(1.0);
        assert_eq!(quantile.samples(), 0, "a bound alone is no beginning");
        (0..100).for_each(|_| quantile.observe(0.0));
        quantile.observe_at_least(-1.0);
        assert_eq!((quantile.learned(1), quantile.samples()), (Some(0.0), 100));
        quantile.observe_at_least(1.0);
        assert!(quantile.learned(1).unwrap() > 0.0);
    }

    #[test]
    fn what_is_no_number_is_ignored() {
        let word = AtomicU64::new(0);
        let quantile = Quantile::new(&word, 0.95);
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().for_each(|value| quantile.observe(value));
        assert_eq!(quantile.learned(0), None);
    }
}
