//! Who asks for what, and when: recorded calls, or calls drawn from a seed.

use junctor_core::request::Needs;
use junctor_core::units::Nanos;

use crate::chance::{Stream, exponential, log_normal, stream};

/// What calls have in common: everything that routes them but their sizes.
#[derive(Clone, Debug)]
pub struct Kind {
    /// `auto`, a group, a model or a deployment.
    pub model: String,
    /// Names and values that rules and compliance ask about.
    pub tags: Vec<(String, String)>,
    /// Capabilities that they cannot do without.
    pub needs: Needs,
    /// The callers' bound on the answer's tokens.
    pub max_tokens: Option<u64>,
    /// Whether calls of one session, or with one beginning, should meet.
    pub affinity: bool,
}

impl Kind {
    /// Calls for `model` and no more.
    #[must_use]
    pub fn of(model: &str) -> Self {
        Self { model: model.to_owned(), tags: Vec::new(), needs: Needs::NONE, max_tokens: None, affinity: false }
    }
}

/// One call that comes.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// When.
    pub at: Nanos,
    /// Which kind.
    pub kind: usize,
    /// Tokens of its prompt.
    pub input_tokens: u64,
    /// Tokens that its answer will have.
    pub output_tokens: u64,
    /// Its session; 0 for none.
    pub session: u64,
    /// Leading blocks of its prompt, if they are known.
    pub blocks: Box<[u64]>,
}

/// How calls follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// Independently of each other, so many a second on average.
    Poisson {
        /// Calls per second.
        per_s: f64,
    },
    /// One after the other at equal distance.
    Constant {
        /// Calls per second.
        per_s: f64,
    },
    /// Poisson, at many times the rate for a while of each round, and at what is left of it in between.
    Bursts {
        /// Calls per second, on average over a round.
        per_s: f64,
        /// Seconds of a round.
        every_s: f64,
        /// Seconds of each round in which they come faster.
        lasts_s: f64,
        /// How many times faster than on average.
        times: f64,
    },
}

/// How long prompts and answers are: log-normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Median tokens of a prompt.
    pub input: f64,
    /// Standard deviation of its logarithm; 0 for prompts of one length.
    pub input_sigma: f64,
    /// Median tokens of an answer.
    pub output: f64,
    /// Standard deviation of its logarithm.
    pub output_sigma: f64,
    /// The longest answer.
    pub output_max: f64,
}

impl Default for Sizes {
    /// SPEC's: prompts of a thousand tokens, answers of 250 at the median and 1,024 at most.
    fn default() -> Self {
        Self { input: 1_000.0, input_sigma: 0.0, output: 250.0, output_sigma: 1.1, output_max: 1_024.0 }
    }
}

/// Longest prompt that is ever drawn: longer than any model's context.
const INPUT_MAX: f64 = 10_000_000.0;

/// Calls of one kind from `from_s` to `to_s`. `sessions` of them go on at a time, and none for 0.
#[must_use]
pub fn drawn(
    pattern: Pattern,
    sizes: Sizes,
    kind: usize,
    sessions: u64,
    (from_s, to_s): (f64, f64),
    seed: u64,
) -> Vec<Arrival> {
    let mut draw = stream(seed, Stream::Traffic);
    let mut calls = Vec::new();
    let mut at_s = from_s;
    loop {
        at_s += match pattern {
            Pattern::Constant { per_s } => 1.0 / per_s,
            _ => exponential(&mut draw, fastest(pattern)),
        };
        if at_s >= to_s {
            return calls;
        }
        // Gaps are drawn at the fastest pace of the pattern, and the calls of a slower phase are thinned out.
        if matches!(pattern, Pattern::Bursts { .. }) && draw.unit() * fastest(pattern) >= pace(pattern, at_s - from_s) {
            continue;
        }
        calls.push(Arrival {
            at: Nanos::from_secs_f64(at_s),
            kind,
            input_tokens: log_normal(&mut draw, sizes.input, sizes.input_sigma).round().clamp(1.0, INPUT_MAX) as u64,
            output_tokens: log_normal(&mut draw, sizes.output, sizes.output_sigma).round().clamp(1.0, sizes.output_max)
                as u64,
            session: if sessions == 0 { 0 } else { 1 + draw.below(sessions) },
            blocks: Box::default(),
        });
    }
}

/// Calls per second at this moment of the traffic.
fn pace(pattern: Pattern, at_s: f64) -> f64 {
    match pattern {
        Pattern::Poisson { per_s } | Pattern::Constant { per_s } => per_s,
        Pattern::Bursts { per_s, every_s, lasts_s, times } => {
            let share = lasts_s / every_s;
            let rest = ((1.0 - share * times) / (1.0 - share)).max(0.0);
            per_s * if at_s.rem_euclid(every_s) < lasts_s { times } else { rest }
        }
    }
}

fn fastest(pattern: Pattern) -> f64 {
    match pattern {
        Pattern::Poisson { per_s } | Pattern::Constant { per_s } => per_s,
        Pattern::Bursts { per_s, times, .. } => per_s * times.max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(pattern: Pattern, from: u64, to: u64) -> usize {
        let calls = drawn(pattern, Sizes::default(), 0, 0, (0.0, 600.0), 1);
        assert!(calls.is_sorted_by_key(|call| call.at));
        calls.iter().filter(|call| (Nanos::from_secs(from)..Nanos::from_secs(to)).contains(&call.at)).count()
    }

    #[test]
    fn calls_come_at_their_rate() {
        assert_eq!(count(Pattern::Constant { per_s: 5.0 }, 0, 60), 299);
        let poisson = count(Pattern::Poisson { per_s: 50.0 }, 0, 600);
        assert!((29_000..31_000).contains(&poisson), "{poisson}");
    }

    #[test]
    fn bursts_keep_the_mean_and_crowd_it() {
        let bursts = Pattern::Bursts { per_s: 50.0, every_s: 60.0, lasts_s: 6.0, times: 5.0 };
        let (all, first) =
            (count(bursts, 0, 600), (0..10).map(|at| count(bursts, at * 60, at * 60 + 6)).sum::<usize>());
        assert!((28_000..32_000).contains(&all), "{all}");
        assert!((14_000..16_000).contains(&first), "{first} in a tenth of the time");
    }

    #[test]
    fn sizes_have_their_medians_and_a_longest_answer() {
        let sizes = Sizes { input_sigma: 1.0, ..Sizes::default() };
        let calls = drawn(Pattern::Constant { per_s: 100.0 }, sizes, 0, 40, (0.0, 300.0), 3);
        let median = |mut all: Vec<u64>| {
            all.sort_unstable();
            all[all.len() / 2]
        };
        assert!((950..1_050).contains(&median(calls.iter().map(|call| call.input_tokens).collect())));
        assert!((230..270).contains(&median(calls.iter().map(|call| call.output_tokens).collect())));
        assert!(calls.iter().all(|call| call.output_tokens <= 1_024 && (1..=40).contains(&call.session)));
    }
}
