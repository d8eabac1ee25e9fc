//! Stage 3, score: who is likely to do it well, and at what price?
//!
//! Money is exact integer arithmetic ([`crate::price`]). Quality is the configured one, or predicted from the prompt
//! ([`crate::learned`]). A group's objective turns quality, cost and expected latency into a tier, and the balancer draws among the
//! best tier only. Cost and latency enter by their logarithms, so "twice as dear" weighs the same at every price and no
//! normalisation over the group is needed.

use crate::fleet::{Deployment, Member};
use crate::limit::OutputLength;
use crate::price::{Tokens, cost, fresh_cost};
use crate::request::Warm;
use crate::spec::{ObjectiveWeights, OutputAccounting};
use crate::state::State;

/// Answers of an unknown length are taken for this long until some have been seen.
pub(crate) const UNKNOWN_OUTPUT_TOKENS: u64 = 512;
/// Tiers are this far apart: alternatives within 5 % of each other share by load instead of flapping.
const TIER_STEP: f32 = 0.05;
/// Tiers of predicted quality: finer, because predictions of one prompt do not flap.
const FINE_STEP: f32 = 0.005;
/// What lies between those whose quality is enough and the rest: more than any tier by itself.
const ENOUGH: i32 = 1 << 28;

/// What an attempt at one deployment is expected to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Input tokens among them that are expected from the provider's cache, where those do not count.
    pub uncounted_tokens: u64,
    /// Output tokens that its provider holds against the limit.
    pub held_output_tokens: u64,
    /// Micro-dollars that the attempt is expected to cost.
    pub cost: u64,
}

impl Estimate {
    /// Estimates an attempt. `max_tokens` is the bound on the answer after rules and the caller had their say, `warm`
    /// what was read from a cache lately, and where.
    #[must_use]
    #[inline]
    pub fn of(
        state: &State,
        deployment: &Deployment,
        member: Member,
        input_tokens: u64,
        max_tokens: Option<u64>,
        warm: Option<Warm>,
    ) -> Self {
        let priced = answer(state, deployment, member, max_tokens);
        let held_output_tokens = match deployment.accounting.output {
            OutputAccounting::None => 0,
            OutputAccounting::MaxTokens | OutputAccounting::Learned => priced,
        };
        let uncounted_tokens = match warm {
            Some(warm) if warm.deployment == deployment.identity && !deployment.accounting.count_cached_input => {
                warm.tokens.min(input_tokens)
            }
            _ => 0,
        };
        Self {
            input_tokens,
            uncounted_tokens,
            held_output_tokens,
            cost: fresh_cost(deployment.rates(input_tokens), input_tokens, priced),
        }
    }
}

/// Tokens of the answer that an attempt is priced with: the bound where that is what is held, else what is usual.
#[inline]
fn answer(state: &State, deployment: &Deployment, member: Member, max_tokens: Option<u64>) -> u64 {
    if let (OutputAccounting::MaxTokens, Some(bound)) = (deployment.accounting.output, max_tokens) {
        return bound;
    }
    let Some([_, word, ..]) = state.length(member.length_slot) else { return UNKNOWN_OUTPUT_TOKENS };
    OutputLength::new(word).estimate(max_tokens, UNKNOWN_OUTPUT_TOKENS)
}

/// What it means for a candidate's cost that the beginning of a prompt is cached somewhere, in micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Move {
    /// What the cache changes in the full price: less where the beginning is read, more where it has to be written anew.
    pub cached: i64,
    /// What the request pays here for not being where its beginning is cached: the price of having it cold less that of
    /// having it warm, both at the candidate's own rates. Nothing where it is cached.
    pub charge: u64,
}

impl Move {
    /// For an attempt as [`Estimate::of`] has it.
    #[cold]
    #[must_use]
    pub fn of(
        state: &State,
        deployment: &Deployment,
        member: Member,
        input: u64,
        max_tokens: Option<u64>,
        warm: Warm,
    ) -> Self {
        let output = answer(state, deployment, member, max_tokens);
        let tokens = warm.tokens.min(input);
        let rates = deployment.rates(input);
        let full = fresh_cost(rates, input, output);
        let read = cost(rates, &Tokens { input, cached: tokens, output, ..Tokens::default() });
        let written = cost(rates, &Tokens { input, written: tokens, output, ..Tokens::default() });
        let here = warm.deployment == deployment.identity;
        let expected = if here { read } else { written };
        let cached = i64::try_from(i128::from(expected) - i128::from(full));
        Self {
            cached: cached.unwrap_or(if expected > full { i64::MAX } else { i64::MIN }),
            charge: if here { 0 } else { written.saturating_sub(read) },
        }
    }
}

/// The tier of a candidate under an objective: higher is better, equal is "as good as".
#[must_use]
pub fn tier(weights: &ObjectiveWeights, quality: f32, cost: u64, latency: f32) -> i32 {
    let dear = (cost.max(1) as f32).ln();
    ((weights.quality * quality - weights.cost * dear - weights.latency * latency) / TIER_STEP).round() as i32
}

/// The tier of a candidate whose quality was predicted: as [`tier`], in finer steps of quality.
#[must_use]
pub fn fine_tier(weights: &ObjectiveWeights, quality: f32, cost: u64, latency: f32) -> i32 {
    let steps = (TIER_STEP / FINE_STEP).round() as i32;
    let rest = ObjectiveWeights { quality: 0.0, ..*weights };
    let fine = (weights.quality * quality / FINE_STEP).round() as i32;
    tier(&rest, 0.0, cost, latency).saturating_mul(steps).saturating_add(fine)
}

/// The tier of a candidate where a quality of `least` is enough: above all others if it has that, else by its quality.
#[must_use]
pub fn tier_of_enough(least: f32, quality: f32, among_enough: i32) -> i32 {
    if quality >= least {
        ENOUGH + among_enough.clamp(1 - ENOUGH, ENOUGH - 1)
    } else {
        // Qualities lie in [0, 1], so these are below any that is enough.
        (quality / FINE_STEP).round() as i32 - ENOUGH
    }
}

/// The tier of a candidate that is weaker than its session has reached: below all that are not, in the same order.
#[must_use]
pub fn tier_of_weaker(tier: i32) -> i32 {
    tier.clamp(-2 * ENOUGH, 2 * ENOUGH) - 4 * ENOUGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Objective, ObjectiveWord};

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
