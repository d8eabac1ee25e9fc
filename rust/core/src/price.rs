//! What tokens cost, exactly: integers, the tier of a long prompt, rounded up once.
//!
//! Providers charge a long prompt as a whole: one input token above a tier's bound makes every token of the request cost
//! that tier's price, answer and cache included. So an attempt has one set of rates, and which one is a comparison with
//! one word beside the base rates; the tiers themselves lie apart, since few requests are that long. What a file leaves
//! open is filled in when a fleet is compiled, never on the way of a request. Rejected: prices per kind of token, each
//! with tiers of its own. No provider charges so, and every estimate would pay five comparisons.

use crate::spec;

const MILLION: u64 = 1_000_000;

/// Micro-dollars per million tokens of each kind, nothing left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Rates {
    /// Input tokens that were neither read from a cache nor written to one.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the provider's prompt cache.
    pub cached_input: u64,
    /// Input tokens written to it.
    pub cache_write: u64,
    /// Input tokens written to it for an hour.
    pub cache_write_1h: u64,
}

/// The rates of requests with more than `above` input tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The longest prompt that is not of this tier.
    pub above: u64,
    /// What all of its tokens cost.
    pub rates: Rates,
}

/// The rates of most requests, and from where on the tiers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Price {
    /// What tokens cost where no tier is reached.
    pub base: Rates,
    /// The longest prompt that no tier is for; all of them if there is none.
    pub long_above: u64,
}

impl Default for Price {
    fn default() -> Self {
        Self { base: Rates::default(), long_above: u64::MAX }
    }
}

impl Price {
    /// The price that a fleet names, and its tiers, lowest first. Of two tiers with one bound the later counts.
    #[must_use]
    pub fn of(spec: &spec::Price) -> (Self, Box<[Tier]>) {
        let base = filled(spec.input, spec.output, [spec.cached_input, spec.cache_write, spec.cache_write_1h]);
        let tier = |tier: &spec::Tier| Tier {
            above: tier.above,
            rates: filled(tier.input, tier.output, [tier.cached_input, tier.cache_write, tier.cache_write_1h]),
        };
        let mut tiers: Box<[Tier]> = spec.tiers.iter().map(tier).collect();
        tiers.sort_by_key(|tier| tier.above);
        let long_above = tiers.first().map_or(u64::MAX, |tier| tier.above);
        (Self { base, long_above }, tiers)
    }

    /// The rates of a request with so many input tokens, cached ones included.
    #[must_use]
    #[inline]
    pub fn rates<'a>(&'a self, tiers: &'a [Tier], input: u64) -> &'a Rates {
        if input > self.long_above { long(&self.base, tiers, input) } else { &self.base }
    }
}

/// Cached input and writes cost what input costs unless it is said, an hour's writes what shorter ones cost.
fn filled(input: u64, output: u64, [cached, write, write_1h]: [Option<u64>; 3]) -> Rates {
    let cache_write = write.unwrap_or(input);
    Rates {
        input,
        output,
        cached_input: cached.unwrap_or(input),
        cache_write,
        cache_write_1h: write_1h.unwrap_or(cache_write),
    }
}

#[cold]
fn long<'a>(base: &'a Rates, tiers: &'a [Tier], input: u64) -> &'a Rates {
    tiers.iter().rev().find(|tier| input > tier.above).map_or(base, |tier| &tier.rates)
}

/// Tokens of one request, as providers bill them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The whole prompt.
    pub input: u64,
    /// Part of the input that was read from the prompt cache.
    pub cached: u64,
    /// Part of the input that was written to it.
    pub written: u64,
    /// Part of what was written that is kept for an hour.
    pub written_1h: u64,
    /// The whole answer.
    pub output: u64,
}

/// Micro-dollars for these tokens at these rates, rounded up once. Parts that are larger than their whole count as whole.
#[must_use]
#[inline]
pub fn cost(rates: &Rates, tokens: &Tokens) -> u64 {
    let cached = tokens.cached.min(tokens.input);
    let written = tokens.written.min(tokens.input - cached);
    let written_1h = tokens.written_1h.min(written);
    let parts = [
        (tokens.input - cached - written, rates.input),
        (cached, rates.cached_input),
        (written - written_1h, rates.cache_write),
        (written_1h, rates.cache_write_1h),
        (tokens.output, rates.output),
    ];
    // A million tokens at a million dollars a million fit: the wide sum is for what nobody has paid yet.
    let narrow = parts.iter().try_fold(0_u64, |sum, (tokens, rate)| sum.checked_add(tokens.checked_mul(*rate)?));
    narrow.map_or_else(|| wide_cost(parts), |sum| sum.div_ceil(MILLION))
}

/// [`cost`] of a prompt of which nothing is cached: what is expected of every one.
#[inline]
pub(crate) fn fresh_cost(rates: &Rates, input: u64, output: u64) -> u64 {
    let (prompt, answer) = (input.checked_mul(rates.input), output.checked_mul(rates.output));
    let sum = prompt.and_then(|prompt| prompt.checked_add(answer?));
    sum.map_or_else(|| cost(rates, &Tokens { input, output, ..Tokens::default() }), |sum| sum.div_ceil(MILLION))
}

#[cold]
fn wide_cost(parts: [(u64, u64); 5]) -> u64 {
    let sum =
        parts.iter().fold(0_u128, |sum, &(tokens, rate)| sum.saturating_add(u128::from(tokens) * u128::from(rate)));
    u64::try_from(sum.div_ceil(u128::from(MILLION))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Claude Opus 4.8 as Anthropic publishes it: $5, $25, reads $0.50, writes $6.25 and $10.
    const OPUS: Rates = Rates {
        input: 5_000_000,
        output: 25_000_000,
        cached_input: 500_000,
        cache_write: 6_250_000,
        cache_write_1h: 10_000_000,
    };

    fn fresh(input: u64, output: u64) -> Tokens {
        Tokens { input, output, ..Tokens::default() }
    }

    fn flat(input: u64) -> Rates {
        filled(input, 0, [None; 3])
    }

    #[test]
    fn cost_is_exact_and_rounds_up_once() {
        assert_eq!(cost(&OPUS, &fresh(1_000_000, 1_000_000)), 30_000_000);
        let all = Tokens { input: 1_000, cached: 700, written: 200, written_1h: 80, output: 10 };
        // 100 plain at $5, 700 read at $0.50, 120 written at $6.25, 80 at $10, 10 answered at $25 per million.
        assert_eq!(cost(&OPUS, &all), 500 + 350 + 750 + 800 + 250);
        assert_eq!(cost(&flat(1), &fresh(1, 0)), 1);
        assert_eq!(cost(&Rates::default(), &Tokens { cached: 5, written: 5, ..fresh(u64::MAX, u64::MAX) }), 0);
        assert_eq!(cost(&flat(u64::MAX), &fresh(u64::MAX, 0)), u64::MAX);
        assert_eq!(cost(&Rates { output: u64::MAX, ..flat(u64::MAX) }, &fresh(u64::MAX, u64::MAX)), u64::MAX);
    }

    #[test]
    fn parts_that_are_larger_than_their_whole_cannot_make_the_cost_negative() {
        let more = Tokens { input: 10, cached: 1_000, written: 1_000, written_1h: 1_000, output: 0 };
        assert_eq!(cost(&OPUS, &more), 5);
        assert_eq!(cost(&OPUS, &Tokens { cached: 0, ..more }), 100);
    }

    #[test]
    fn what_a_price_leaves_open_costs_what_input_costs_and_an_hour_what_a_shorter_write_costs() {
        let (price, tiers) = Price::of(&spec::Price { input: 3, output: 9, ..spec::Price::default() });
        assert_eq!(price.base, Rates { input: 3, output: 9, cached_input: 3, cache_write: 3, cache_write_1h: 3 });
        assert!(tiers.is_empty());
        let (price, _) = Price::of(&spec::Price { input: 3, cache_write: Some(4), ..spec::Price::default() });
        assert_eq!(price.base.cache_write_1h, 4);
    }

    #[test]
    fn one_token_above_the_bound_makes_all_of_them_dearer() {
        // Gemini 2.5 Pro as Google publishes it: $1.25 and $10 up to 200,000 tokens of prompt, $2.50 and $15 above.
        let tier = spec::Tier { above: 200_000, input: 2_500_000, output: 15_000_000, ..spec::Tier::default() };
        let spec = spec::Price { input: 1_250_000, output: 10_000_000, tiers: vec![tier], ..spec::Price::default() };
        let (price, tiers) = Price::of(&spec);
        let asked = |input| cost(price.rates(&tiers, input), &fresh(input, 1_000));
        assert_eq!(asked(200_000), 250_000 + 10_000);
        assert_eq!(asked(200_001), 500_003 + 15_000); // 200,001 × 2.5 = 500,002.5
    }

    fn rates() -> impl Strategy<Value = Rates> {
        let rate = || prop_oneof![0..100_000_000_u64, any::<u64>()];
        (rate(), rate(), rate(), rate(), rate()).prop_map(
            |(input, output, cached_input, cache_write, cache_write_1h)| Rates {
                input,
                output,
                cached_input,
                cache_write,
                cache_write_1h,
            },
        )
    }

    fn tokens() -> impl Strategy<Value = Tokens> {
        let count = || prop_oneof![0..2_000_000_u64, any::<u64>()];
        (count(), count(), count(), count(), count()).prop_map(|(input, cached, written, written_1h, output)| Tokens {
            input,
            cached,
            written,
            written_1h,
            output,
        })
    }

    /// Part by part, each in numbers that cannot overflow, the tier found by looking at all of them.
    fn naive(base: Rates, tiers: &[(u64, Rates)], tokens: &Tokens) -> u64 {
        let mut rates = base;
        let mut bound = None;
        for (above, dearer) in tiers {
            if tokens.input > *above && bound.is_none_or(|known| known <= *above) {
                (rates, bound) = (*dearer, Some(*above));
            }
        }
        let mut left = u128::from(tokens.input);
        let mut take = |wanted: u64| {
            let part = left.min(u128::from(wanted));
            left -= part;
            part
        };
        let (cached, written) = (take(tokens.cached), take(tokens.written));
        let long = written.min(u128::from(tokens.written_1h));
        let mut sum = cached * u128::from(rates.cached_input) + long * u128::from(rates.cache_write_1h);
        sum += (written - long) * u128::from(rates.cache_write) + left * u128::from(rates.input);
        let whole = sum.saturating_add(u128::from(tokens.output) * u128::from(rates.output));
        u64::try_from(whole / 1_000_000 + u128::from(whole % 1_000_000 > 0)).unwrap_or(u64::MAX)
    }

    proptest! {
        #[test]
        fn a_cost_is_that_of_the_naive_twin(
            base in rates(),
            tiers in prop::collection::vec((prop_oneof![0..3_000_000_u64, any::<u64>()], rates()), 0..4),
            tokens in tokens(),
        ) {
            let named = |rates: &Rates| [Some(rates.cached_input), Some(rates.cache_write), Some(rates.cache_write_1h)];
            let [cached_input, cache_write, cache_write_1h] = named(&base);
            let spec = spec::Price {
                input: base.input, output: base.output, cached_input, cache_write, cache_write_1h,
                tiers: tiers.iter().map(|(above, rates)| {
                    let [cached_input, cache_write, cache_write_1h] = named(rates);
                    spec::Tier {
                        above: *above, input: rates.input, output: rates.output, cached_input, cache_write, cache_write_1h,
                    }
                }).collect(),
            };
            let (price, compiled) = Price::of(&spec);
            let rates = price.rates(&compiled, tokens.input);
            prop_assert_eq!(cost(rates, &tokens), naive(base, &tiers, &tokens));
            let plain = fresh(tokens.input, tokens.output);
            prop_assert_eq!(fresh_cost(rates, tokens.input, tokens.output), naive(base, &tiers, &plain));
        }
    }
}
