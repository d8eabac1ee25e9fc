//! How long answers get: a learned 90th percentile in one word.
//!
//! **Problem.** Output tokens must be reserved before the first is written. The caller's `max_tokens` is usually ten
//! times too high; reserving it leaves most of the quota idle, reserving the average runs into 429s half the time.
//!
//! **Choice.** A [`Quantile`] of the lengths seen on the route, with a prior until there are enough of them. Nine in ten
//! answers stay below what is held.
//!
//! **Rejected.** See [`Quantile`], which says why not a histogram, a mean or a fixed gain.
//!
//! **Cost.** A logarithm and a compare-exchange per finished answer; an exponential per estimate.

use crate::quantile::Quantile;
use crate::sync::AtomicU64;

/// The percentile that is reserved for: one in ten goes into debt, which the bucket bears.
pub const QUANTILE: f32 = 0.9;
/// Fewer samples say less than the prior: with 20, two are expected above the percentile.
pub const MIN_SAMPLES: u32 = 20;

/// A view of one learned length.
#[derive(Clone, Copy, Debug)]
pub struct OutputLength<'a>(Quantile<'a>);

impl<'a> OutputLength<'a> {
    /// A view of `word`; zero has learned nothing.
    #[must_use]
    pub const fn new(word: &'a AtomicU64) -> Self {
        Self(Quantile::new(word, QUANTILE))
    }

    /// An answer of `tokens` ended by itself. One cut short by the caller says nothing; do not report it.
    pub fn observe(&self, tokens: u64) {
        self.0.observe((tokens.max(1) as f32).ln());
    }

    /// Tokens to reserve: the learned percentile, or `prior` before 20 answers; never above `max_tokens`.
    ///
    /// ```
    /// # use junctor_core::{limit::OutputLength, sync::AtomicU64};
    /// let word = AtomicU64::new(0);
    /// let output = OutputLength::new(&word);
    /// assert_eq!(output.estimate(Some(256), 400), 256);
    /// (0..100).for_each(|_| output.observe(50));
    /// assert_eq!(output.estimate(None, 400), 50);
    /// ```
    #[inline]
    #[must_use]
    pub fn estimate(&self, max_tokens: Option<u64>, prior: u64) -> u64 {
        let length = self.0.learned(MIN_SAMPLES).map_or(prior, |ln| ln.exp().round() as u64);
        max_tokens.map_or(length, |most| length.min(most)).max(1)
    }

    /// Answers seen so far.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.0.samples()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    /// A log-normal length with median 250 and σ = 1.1, as the balancing simulations assume it.
    fn length(draw: &mut Draw, median: f64) -> u64 {
        // Box–Muller.
        let radius = (-2.0 * (1.0 - draw.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * draw.unit()).cos();
        (median * (1.1 * normal).exp()).round() as u64
    }

    /// The 90 % point of the standard normal.
    const Z90: f64 = 1.2816;

    #[test]
    fn the_estimate_converges_to_the_true_percentile_within_ten_percent() {
        let truth = 250.0 * (1.1 * Z90).exp();
        let ratio = |seed| {
            let (word, mut draw) = (AtomicU64::new(0), Draw::new(seed));
            let output = OutputLength::new(&word);
            (0..10_000).for_each(|_| output.observe(length(&mut draw, 250.0)));
            output.estimate(None, 1) as f64 / truth
        };
        let ratios: Vec<f64> = (0..20).map(ratio).collect();
        // The standard error is 3 %: one in twenty may stand three of them away, their mean may not.
        let within = |bound: f64| ratios.iter().filter(|&&ratio| (ratio - 1.0).abs() < bound).count();
        assert!(within(0.10) >= 19 && within(0.15) == 20, "{ratios:?}");
        let mean = ratios.iter().sum::<f64>() / 20.0;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }

    #[test]
    fn a_shift_is_followed() {
        let (word, mut draw) = (AtomicU64::new(0), Draw::new(5));
        let output = OutputLength::new(&word);
        (0..10_000).for_each(|_| output.observe(length(&mut draw, 1_000.0)));
        (0..6_000).for_each(|_| output.observe(length(&mut draw, 250.0)));
        let ratio = output.estimate(None, 1) as f64 / (250.0 * (1.1 * Z90).exp());
        assert!((0.85..1.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn before_twenty_answers_the_prior_counts_and_max_tokens_always_does() {
        let word = AtomicU64::new(0);
        let output = OutputLength::new(&word);
        (0..19).for_each(|_| output.observe(10));
        assert_eq!(output.estimate(None, 700), 700);
        output.observe(10);
        assert_eq!(output.estimate(None, 700), 10);
        assert_eq!(output.estimate(Some(4), 700), 4);
        assert_eq!(output.estimate(Some(0), 700), 1);
    }

    #[test]
    fn one_absurd_answer_moves_it_by_at_most_one_step() {
        let word = AtomicU64::new(0);
        let output = OutputLength::new(&word);
        (0..2_000).for_each(|_| output.observe(100));
        output.observe(u64::MAX);
        assert_eq!(output.estimate(None, 1), 100);
    }
}
