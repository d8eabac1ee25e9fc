//! Draws of the world: each from its own stream, so that what one party draws never shifts what another does.
//!
//! An attempt's luck follows from the seed, the call, the provider and how often the call has been there. Two runs of
//! the same traffic under different policies then meet the same slow answers wherever they decide alike, and their
//! difference is the policy's, not the dice's.

use junctor_core::draw::{Draw, mix};

/// The streams of one seed.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// When calls come and how long they are.
    Traffic = 1,
    /// What routers and policies draw.
    Decisions = 2,
    /// Jitter of callers who wait.
    Callers = 3,
    /// How a provider answers one attempt.
    Answers = 4,
    /// What a random world is made of.
    Worlds = 5,
}

/// One stream of `seed`.
#[must_use]
pub const fn stream(seed: u64, which: Stream) -> Draw {
    Draw::new(mix(seed ^ (which as u64) << 56))
}

/// The luck of one attempt.
#[must_use]
pub const fn of_attempt(seed: u64, call: usize, provider: usize, nth: u32) -> Draw {
    let place = (call as u64) << 24 ^ (provider as u64) << 4 ^ nth as u64;
    Draw::new(mix(mix(seed ^ (Stream::Answers as u64) << 56) ^ place))
}

/// A log-normal draw: `median`, and the standard deviation of the logarithm.
pub fn log_normal(draw: &mut Draw, median: f64, sigma: f64) -> f64 {
    let radius = (-2.0 * (1.0 - draw.unit()).ln()).sqrt();
    median * (sigma * radius * (std::f64::consts::TAU * draw.unit()).cos()).exp()
}

/// Seconds to the next event of a Poisson process of so many a second.
pub fn exponential(draw: &mut Draw, per_s: f64) -> f64 {
    -(1.0 - draw.unit()).ln() / per_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_a_seed_are_unrelated_and_repeat() {
        let first = |seed, which| stream(seed, which).next_u64();
        assert_eq!(first(7, Stream::Traffic), first(7, Stream::Traffic));
        assert_ne!(first(7, Stream::Traffic), first(7, Stream::Decisions));
        assert_ne!(first(7, Stream::Traffic), first(8, Stream::Traffic));
        assert_ne!(of_attempt(1, 2, 3, 0).next_u64(), of_attempt(1, 2, 3, 1).next_u64());
    }

    #[test]
    fn a_log_normal_has_its_median_and_spread() {
        let mut draw = stream(1, Stream::Traffic);
        let mut drawn: Vec<f64> = (0..20_001).map(|_| log_normal(&mut draw, 0.5, 0.6)).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        assert!((drawn[10_000] - 0.5).abs() < 0.02, "{}", drawn[10_000]);
        assert!((drawn[16_827] / (0.5 * 0.6_f64.exp()) - 1.0).abs() < 0.05, "{}", drawn[16_827]);
    }

    #[test]
    fn waits_of_a_poisson_process_have_its_mean() {
        let mut draw = stream(2, Stream::Traffic);
        let mean = (0..20_000).map(|_| exponential(&mut draw, 50.0)).sum::<f64>() / 20_000.0;
        assert!((mean * 50.0 - 1.0).abs() < 0.03, "{mean}");
    }
}
