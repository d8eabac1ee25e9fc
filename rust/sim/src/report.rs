//! What a simulated run comes to, as plain data.

use std::collections::BTreeMap;

use junctor_core::outcome::Ending;
use junctor_core::snapshot::Snapshot;
use junctor_core::spec::FleetSpec;
use serde::Serialize;

use crate::figures::quantile;
use crate::policy::Policy;
use crate::world::{Attempt, End, World};

/// Columns of the timeline.
const SPANS: usize = 48;

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Who decided.
    pub policy: Policy,
    /// Seconds from the first call's zero to the last thing that happened.
    pub seconds: f64,
    /// Calls that came.
    pub calls: usize,
    /// How many of them were over in which way.
    pub ends: Ends,
    /// Attempts that they made.
    pub attempts: usize,
    /// Attempts by how they ended: words of outcomes.
    pub endings: BTreeMap<&'static str, usize>,
    /// Answers 429.
    pub throttled: usize,
    /// Attempts after a failed one of the same call.
    pub retries: usize,
    /// Attempts beside a slow one.
    pub hedges: usize,
    /// Attempts at a fallback group.
    pub downgrades: usize,
    /// Seconds from a call's arrival to its first content, answered calls.
    pub first_content_s: Quantiles,
    /// Seconds from a call's arrival to its end, answered calls.
    pub whole_s: Quantiles,
    /// Tokens and money.
    pub used: Used,
    /// Answered attempts that found some of their prompt in a cache.
    pub cache_hits: usize,
    /// Each deployment.
    pub deployments: Vec<Served>,
    /// The run in spans of equal length.
    pub timeline: Vec<Span>,
    /// The core's own counters; all 0 for a simple policy.
    pub counters: BTreeMap<&'static str, u64>,
    /// Promises that were broken, in words; nobody has seen one.
    pub broken: Vec<String>,
    /// Equal for equal decisions.
    pub decision_hash: String,
}

/// How calls were over.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Ends {
    /// With a whole answer.
    pub answered: usize,
    /// With the failure of the last attempt.
    pub failed: usize,
    /// With a broken stream.
    pub interrupted: usize,
    /// Nobody was free in time.
    pub no_capacity: usize,
    /// Nobody may take it.
    pub refused: usize,
    /// The deadline passed.
    pub late: usize,
}

/// Some quantiles; null without samples.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quantiles {
    /// Half of the samples are below.
    pub p50: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 95 %.
    pub p95: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
}

/// Tokens and money of attempts that a provider admitted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Used {
    /// Prompt tokens, cached ones included.
    pub input_tokens: u64,
    /// Those that were in a cache.
    pub cached_tokens: u64,
    /// Tokens of answers, as far as they were written.
    pub output_tokens: u64,
    /// Micro-dollars.
    pub cost_usd_micros: u64,
}

/// One deployment.
#[derive(Clone, Debug, Serialize)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Attempts there.
    pub attempts: usize,
    /// Part of all attempts.
    pub share: f64,
    /// Those that ended well.
    pub answered: usize,
    /// Those that were answered 429.
    pub throttled: usize,
    /// Those that failed otherwise.
    pub failed: usize,
    /// Seconds to first content there, half of the attempts.
    pub first_content_s_p50: Option<f64>,
    /// The slowest hundredth begins here.
    pub first_content_s_p99: Option<f64>,
    /// Its tokens and money.
    pub used: Used,
    /// Attempts per span of the timeline.
    pub timeline: Vec<usize>,
}

/// One span of the run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Span {
    /// When it begins.
    pub from_s: f64,
    /// Calls that came.
    pub calls: usize,
    /// Those of them that were not answered.
    pub unanswered: usize,
    /// Attempts that began and were answered 429.
    pub throttled: usize,
    /// The slowest twentieth of the first contents of its calls begins here.
    pub first_content_s_p95: Option<f64>,
}

impl Report {
    /// The report of a world that has run.
    #[must_use]
    pub fn of(world: &World, spec: &FleetSpec) -> Self {
        let span_s = world.arrivals.iter().map(|call| call.at.as_secs_f64()).fold(0.0, f64::max) / SPANS as f64;
        let span_of = |at_s: f64| ((at_s / span_s.max(1e-9)) as usize).min(SPANS - 1);
        let mut ends = Ends::default();
        let mut waits: Vec<Vec<f64>> = vec![Vec::new(); SPANS];
        let mut timeline: Vec<Span> =
            (0..SPANS).map(|at| Span { from_s: at as f64 * span_s, ..Span::default() }).collect();
        let (mut firsts, mut wholes) = (Vec::new(), Vec::new());
        for call in &world.calls {
            let span = span_of(call.arrived.as_secs_f64());
            timeline[span].calls += 1;
            timeline[span].unanswered += usize::from(!call.well);
            match call.end {
                Some(End::Answered) => ends.answered += 1,
                Some(End::Failed) | None => ends.failed += 1,
                Some(End::Interrupted) => ends.interrupted += 1,
                Some(End::NoCapacity) => ends.no_capacity += 1,
                Some(End::Refused) => ends.refused += 1,
                Some(End::Late) => ends.late += 1,
            }
            if let (true, Some(first), Some(ended)) = (call.well, call.first_content, call.ended) {
                firsts.push(first.since(call.arrived).as_secs_f64());
                waits[span].push(first.since(call.arrived).as_secs_f64());
                wholes.push(ended.since(call.arrived).as_secs_f64());
            }
        }
        let throttled = |attempt: &Attempt| matches!(attempt.ending, Some(Ending::Throttled | Ending::Exhausted));
        let mut endings: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut served: Vec<Served> = world.providers.iter().map(|provider| Served::nothing(&provider.name)).collect();
        let mut seen: Vec<Vec<f64>> = vec![Vec::new(); served.len()];
        let mut used = Used::default();
        for attempt in &world.attempts {
            let span = span_of(attempt.at.as_secs_f64());
            let there = &mut served[attempt.provider];
            *endings.entry(word(attempt)).or_default() += 1;
            there.attempts += 1;
            there.timeline[span] += 1;
            timeline[span].throttled += usize::from(throttled(attempt));
            match attempt.ending {
                Some(Ending::Succeeded) => there.answered += 1,
                Some(Ending::Throttled | Ending::Exhausted) => there.throttled += 1,
                Some(Ending::Failed(_) | Ending::Misconfigured) => there.failed += 1,
                _ => {}
            }
            if let Some(first) = attempt.first_content {
                seen[attempt.provider].push(first.since(attempt.at).as_secs_f64());
            }
            there.used.add(attempt, world);
            used.add(attempt, world);
        }
        for (there, firsts) in served.iter_mut().zip(seen) {
            there.share = there.attempts as f64 / world.attempts.len().max(1) as f64;
            let quantiles = Quantiles::of(firsts);
            (there.first_content_s_p50, there.first_content_s_p99) = (quantiles.p50, quantiles.p99);
        }
        for (span, waits) in timeline.iter_mut().zip(waits) {
            span.first_content_s_p95 = Quantiles::of(waits).p95;
        }
        let count = |what: &dyn Fn(&Attempt) -> bool| world.attempts.iter().filter(|attempt| what(attempt)).count();
        let hedges = count(&|attempt| attempt.hedge);
        let made: usize = world.calls.iter().map(|call| call.attempts.saturating_sub(1) as usize).sum();
        let order: BTreeMap<&str, usize> = spec.deployments.iter().map(|d| d.name.as_str()).zip(0..).collect();
        served.sort_by_key(|there| order.get(there.name.as_str()).copied());
        Self {
            policy: world.policy,
            seconds: world.now.as_secs_f64(),
            calls: world.calls.len(),
            ends,
            attempts: world.attempts.len(),
            throttled: count(&throttled),
            retries: made - hedges,
            hedges,
            downgrades: count(&|attempt| attempt.downgrade),
            endings,
            first_content_s: Quantiles::of(firsts),
            whole_s: Quantiles::of(wholes),
            used,
            cache_hits: count(&|attempt| attempt.cached > 0 && matches!(attempt.ending, Some(Ending::Succeeded))),
            deployments: served,
            timeline,
            counters: Snapshot::take(&world.router.fleet(), world.now).counters,
            broken: world.ledger.breaches.clone(),
            decision_hash: format!("{:016x}", world.log_hash),
        }
    }
}

fn word(attempt: &Attempt) -> &'static str {
    match attempt.ending {
        Some(Ending::Succeeded) => "ok",
        Some(Ending::Throttled) => "rate_limit",
        Some(Ending::Exhausted) => "quota",
        Some(Ending::Misconfigured) => "auth",
        Some(Ending::Failed(fault)) => match fault {
            junctor_core::outcome::Fault::Down => "server",
            junctor_core::outcome::Fault::Broken => "truncated",
            junctor_core::outcome::Fault::Silent => "timeout",
        },
        Some(Ending::CallersFault) => "invalid_request",
        Some(Ending::Cancelled { .. }) if attempt.beaten => "beaten",
        Some(Ending::Cancelled { .. }) | None => "cancelled",
    }
}

impl Quantiles {
    fn of(samples: Vec<f64>) -> Self {
        if samples.is_empty() {
            return Self::default();
        }
        let at = |part: f64| Some(quantile(samples.clone(), part));
        Self { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

impl Used {
    fn add(&mut self, attempt: &Attempt, world: &World) {
        if attempt.admitted {
            self.cost_usd_micros += attempt.cost;
            self.input_tokens += world.arrivals[attempt.call].input_tokens;
            self.cached_tokens += attempt.cached;
            self.output_tokens += attempt.output_tokens;
        }
    }
}

impl Served {
    fn nothing(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            attempts: 0,
            share: 0.0,
            answered: 0,
            throttled: 0,
            failed: 0,
            first_content_s_p50: None,
            first_content_s_p99: None,
            used: Used::default(),
            timeline: vec![0; SPANS],
        }
    }
}
