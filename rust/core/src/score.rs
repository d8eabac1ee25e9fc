//! Stage 3, score: who is likely to do it well, and at what price?
//!
//! Money is exact integer arithmetic. Quality comes through a [`Scorer`]; the neutral one answers with the configured
//! figure. A group's objective turns quality, cost and expected latency into a tier, and the balancer draws among the
//! best tier only. Cost and latency enter by their logarithms, so "twice as dear" weighs the same at every price and no
//! normalisation over the group is needed.

use crate::fleet::{Deployment, Member};
use crate::limit::OutputLength;
use crate::request::Request;
use crate::spec::{ObjectiveWeights, OutputAccounting, Price};
use crate::state::State;

/// Answers of an unknown length are taken for this long until some have been seen.
pub(crate) const UNKNOWN_OUTPUT_TOKENS: u64 = 512;
/// Tiers are this far apart: alternatives within 5 % of each other share by load instead of flapping.
const TIER_STEP: f32 = 0.05;
const MILLION: u64 = 1_000_000;

/// Predicts how well a deployment's model will do a request: the place where learned routing plugs in.
pub trait Scorer: Send + Sync {
    /// Quality in [0, 1]. Must be a pure function of its arguments: decisions are replayed.
    fn quality(&self, request: &Request<'_>, deployment: &Deployment) -> f32;
}

/// Knows nothing: the quality is the one in the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeutralScorer;

impl Scorer for NeutralScorer {
    fn quality(&self, _: &Request<'_>, deployment: &Deployment) -> f32 {
        deployment.quality
    }
}

/// What an attempt at one deployment is expected to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Output tokens that its provider holds against the limit.
    pub held_output_tokens: u64,
    /// Micro-dollars that the attempt is expected to cost.
    pub cost: u64,
}

impl Estimate {
    /// Estimates an attempt. `max_tokens` is the bound on the answer after rules and the caller had their say.
    #[must_use]
    #[inline]
    pub fn of(
        state: &State,
        deployment: &Deployment,
        member: Member,
        input_tokens: u64,
        max_tokens: Option<u64>,
    ) -> Self {
        let expected = || {
            let Some([_, word, ..]) = state.length(member.length_slot) else { return UNKNOWN_OUTPUT_TOKENS };
            OutputLength::new(word).estimate(max_tokens, UNKNOWN_OUTPUT_TOKENS)
        };
        let held_output_tokens = match (deployment.accounting.output, max_tokens) {
            (OutputAccounting::MaxTokens, Some(bound)) => bound,
            (OutputAccounting::MaxTokens, None) | (OutputAccounting::Learned, _) => expected(),
            (OutputAccounting::None, _) => 0,
        };
        let priced = match deployment.accounting.output {
            OutputAccounting::None => expected(),
            _ => held_output_tokens,
        };
        Self { input_tokens, held_output_tokens, cost: fresh_cost(&deployment.price, input_tokens, priced) }
    }
}

/// Micro-dollars for these tokens, rounded up once. Cached and written tokens are part of the input tokens.
#[must_use]
#[inline]
pub fn cost(price: &Price, input: u64, cached: u64, written: u64, output: u64) -> u64 {
    let cached = cached.min(input);
    let written = written.min(input - cached);
    let parts = [
        (input - cached - written, price.input),
        (cached, price.cached_input.unwrap_or(price.input)),
        (written, price.cache_write.unwrap_or(price.input)),
        (output, price.output),
    ];
    // A million tokens at a million dollars a million fit: the wide sum is for what nobody has paid yet.
    let narrow = parts.iter().try_fold(0_u64, |sum, (tokens, price)| sum.checked_add(tokens.checked_mul(*price)?));
    narrow.map_or_else(|| wide_cost(parts), |sum| sum.div_ceil(MILLION))
}

/// [`cost`] of a prompt of which nothing is cached: what is expected of every one.
#[inline]
fn fresh_cost(price: &Price, input: u64, output: u64) -> u64 {
    let (prompt, answer) = (input.checked_mul(price.input), output.checked_mul(price.output));
    let sum = prompt.and_then(|prompt| prompt.checked_add(answer?));
    sum.map_or_else(|| cost(price, input, 0, 0, output), |sum| sum.div_ceil(MILLION))
}

#[cold]
fn wide_cost(parts: [(u64, u64); 4]) -> u64 {
    // The tokens of the first three parts are those of the input together, so the sum fits.
    let sum = parts.iter().fold(0_u128, |sum, &(tokens, price)| sum + u128::from(tokens) * u128::from(price));
    u64::try_from(sum.div_ceil(u128::from(MILLION))).unwrap_or(u64::MAX)
}

/// The tier of a candidate under an objective: higher is better, equal is "as good as".
#[must_use]
pub fn tier(weights: &ObjectiveWeights, quality: f32, cost: u64, latency: f32) -> i32 {
    let dear = (cost.max(1) as f32).ln();
    ((weights.quality * quality - weights.cost * dear - weights.latency * latency) / TIER_STEP).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Objective, ObjectiveWord};

    const OPUS: Price =
        Price { input: 5_000_000, output: 25_000_000, cached_input: Some(500_000), cache_write: Some(6_250_000) };

    #[test]
    fn cost_is_exact_and_rounds_up_once() {
        assert_eq!(cost(&OPUS, 1_000_000, 0, 0, 1_000_000), 30_000_000);
        assert_eq!(
            cost(&OPUS, 1_000, 800, 100, 10),
            (100 * 5_000_000 + 800 * 500_000 + 100 * 6_250_000) / 1_000_000 + 250
        );
        assert_eq!(cost(&Price { input: 1, ..Price::default() }, 1, 0, 0, 0), 1);
        assert_eq!(cost(&Price::default(), u64::MAX, 5, 5, u64::MAX), 0);
        assert_eq!(cost(&Price { input: u64::MAX, ..Price::default() }, u64::MAX, 0, 0, 0), u64::MAX);
    }

    #[test]
    fn a_cost_that_fits_into_a_word_is_the_wide_one() {
        let mut draw = crate::draw::Draw::new(2);
        for _ in 0..100_000 {
            let parts = [(); 4].map(|()| (draw.next_u64() >> draw.below(64), draw.next_u64() >> (20 + draw.below(44))));
            let [(input, _), (cached, _), (written, _), (output, _)] = parts.map(|(tokens, price)| (tokens / 4, price));
            let [(_, fresh), (_, from_cache), (_, to_cache), (_, answer)] = parts;
            let price =
                Price { input: fresh, output: answer, cached_input: Some(from_cache), cache_write: Some(to_cache) };
            let (cached, written) = (cached.min(input), written.min(input - cached.min(input)));
            let split =
                [(input - cached - written, fresh), (cached, from_cache), (written, to_cache), (output, answer)];
            assert_eq!(cost(&price, input, cached, written, output), wide_cost(split), "{price:?} {split:?}");
            assert_eq!(fresh_cost(&price, input, output), cost(&price, input, 0, 0, output), "{price:?} {split:?}");
        }
    }

    #[test]
    fn more_cached_tokens_than_input_cannot_make_the_cost_negative() {
        assert_eq!(cost(&OPUS, 10, 1_000, 1_000, 0), 5);
    }

    #[test]
    fn each_objective_prefers_what_it_says() {
        let weights = |word| Objective::Word(word).weights();
        assert!(
            tier(&weights(ObjectiveWord::Cheapest), 0.1, 100, 5.0)
                > tier(&weights(ObjectiveWord::Cheapest), 0.9, 200, 0.1)
        );
        assert!(
            tier(&weights(ObjectiveWord::Fastest), 0.1, 200, -1.0)
                > tier(&weights(ObjectiveWord::Fastest), 0.9, 100, 0.0)
        );
        assert!(
            tier(&weights(ObjectiveWord::Best), 0.9, 200, 5.0) > tier(&weights(ObjectiveWord::Best), 0.8, 100, 0.1)
        );
        assert_eq!(
            tier(&weights(ObjectiveWord::Cheapest), 0.0, 1_000, 0.0),
            tier(&weights(ObjectiveWord::Cheapest), 0.0, 1_010, 0.0)
        );
    }
}
