//! Decisions as plain data: what receipts carry, and what a decision is made again from.
//!
//! Names instead of indices, so that a record outlives the fleet it came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::balance::load::Load;
use crate::balance::propensity;
use crate::decision::{Considered, Decision, Denial, Log, Why};
use crate::fleet::{Deployment, Fleet, MAX_NAME_BYTES};
use crate::learned::Source;
use crate::refusal::Refusal;
use crate::score::Move;
use crate::units::Nanos;

/// One deployment that a walk looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CandidateRecord {
    /// Its name.
    pub deployment: String,
    /// `chosen`, `passed_over`, or the word of its refusal.
    pub verdict: String,
    /// Attempts in flight.
    pub in_flight: u32,
    /// Effective weight.
    pub weight: f32,
    /// Share of the configured weight in force.
    pub share: f32,
    /// Expected seconds to first content.
    pub latency_s: f32,
    /// The same as a natural logarithm: the form in which it is averaged.
    pub latency_ln: f32,
    /// Success rate.
    pub success: f32,
    /// Age of the oldest unanswered attempt in seconds.
    pub age_s: f32,
    /// Load: less is better.
    pub score: f64,
    /// How well it meets the group's objective.
    pub tier: i32,
    /// Expected cost at full price.
    pub cost_usd_micros: u64,
    /// What the prompt cache changes in that.
    pub cache_usd_micros: i64,
    /// What of it the session would pay for leaving the place where its beginning is cached.
    pub move_usd_micros: u64,
    /// And how many seconds longer it would wait for the first content.
    pub move_s: f32,
    /// Expected quality; 0 where the group's objective does not ask.
    pub quality: f32,
    /// Where that comes from: `predicted`, `like` another model, `abstained`; empty for the configured one.
    pub quality_from: String,
    /// When a refused candidate comes back.
    pub until_ns: Option<u64>,
}

/// One decision, in the fields of a receipt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecisionRecord {
    /// Where it went.
    pub deployment: Option<String>,
    /// The group that served.
    pub group: Option<String>,
    /// What was asked for.
    pub asked: String,
    /// The configuration.
    pub config_hash: String,
    /// The time.
    pub at_ns: u64,
    /// The seed of its draws.
    pub seed: u64,
    /// The rule that matched.
    pub rule: Option<String>,
    /// Whether a fallback group served.
    pub downgrade: bool,
    /// Whether it is a forced probe.
    pub last_resort: bool,
    /// Whether it is weaker than its session has reached.
    pub weaker: bool,
    /// Whether the request's prefix or session preferred it.
    pub warm: bool,
    /// Everybody it looked at, in order.
    pub candidates: Vec<CandidateRecord>,
    /// Why each refused candidate was refused, as a sentence.
    pub refusals: BTreeMap<String, String>,
    /// What the attempt was expected to cost.
    pub estimated_cost_usd_micros: u64,
    /// Bound on the answer's tokens.
    pub max_output_tokens: Option<u64>,
    /// Reasoning effort that a rule asks for.
    pub effort: Option<String>,
    /// The scorer's artifact, if it was asked.
    pub scorer: Option<String>,
    /// With which probability this model was chosen, given what the walk saw; `None` if it did not see enough.
    pub propensity: Option<f64>,
    /// Whether all that the walk looked at is here.
    pub replayable: bool,
}

impl DecisionRecord {
    /// The record of a decision for a request that asked for `asked`.
    #[must_use]
    pub fn of(fleet: &Fleet, decision: &Decision, asked: &str) -> Self {
        let name = |index: u32| fleet.deployment(index).map(|d| d.name.to_string());
        let group = |index: u32| fleet.group(index).map(|g| g.name.to_string());
        let action = decision.rule.and_then(|rule| fleet.rules.actions.get(rule as usize));
        Self {
            deployment: decision.deployment.and_then(name),
            group: decision.group.and_then(group),
            asked: asked.to_owned(),
            config_hash: fleet.config_hash.to_string(),
            at_ns: decision.at.0,
            seed: decision.seed,
            rule: action.map(|action| action.rule.to_string()),
            downgrade: decision.is_downgrade(),
            last_resort: decision.last_resort,
            weaker: decision.weaker,
            warm: decision.log.warm.is_some(),
            candidates: candidates(fleet, decision),
            refusals: refusals(fleet, decision),
            estimated_cost_usd_micros: decision.estimate.cost,
            max_output_tokens: decision.max_tokens,
            effort: action.and_then(|action| action.effort.as_deref()).map(ToOwned::to_owned),
            scorer: scorer(fleet, decision),
            propensity: propensity::of(fleet, decision),
            replayable: decision.log.is_complete(),
        }
    }

    /// What the walk saw, in the indices of `fleet`; `None` if a deployment is unknown there.
    #[must_use]
    pub fn log(&self, fleet: &Fleet) -> Option<Log> {
        let chosen = || self.deployment.as_deref().and_then(|name| fleet.deployment_named(name));
        let mut log = Log::default();
        if self.warm {
            log.warm = chosen();
        }
        for candidate in &self.candidates {
            let refusal = Refusal::named(&candidate.verdict, Nanos(candidate.until_ns.unwrap_or(0)));
            log.add(Considered {
                deployment: fleet.deployment_named(&candidate.deployment)?,
                refusal,
                load: Load {
                    in_flight: candidate.in_flight,
                    share: candidate.share,
                    weight: candidate.weight,
                    latency: candidate.latency_ln,
                    success: candidate.success,
                    age_s: candidate.age_s,
                    move_s: candidate.move_s,
                },
                tier: candidate.tier,
                cost: candidate.cost_usd_micros,
                moved: Move { cached: candidate.cache_usd_micros, charge: candidate.move_usd_micros },
                quality: candidate.quality,
                source: Source::named(&candidate.quality_from),
            });
        }
        Some(log)
    }
}

fn known<'d>(fleet: &'d Fleet, decision: &'d Decision) -> impl Iterator<Item = (&'d Deployment, Considered)> {
    decision.log.considered().filter_map(|seen| Some((fleet.deployment(seen.deployment)?, *seen)))
}

fn candidates(fleet: &Fleet, decision: &Decision) -> Vec<CandidateRecord> {
    let record = |(deployment, seen): (&Deployment, Considered)| {
        let chosen = decision.deployment == Some(seen.deployment);
        let lost = matches!(seen.refusal, Some(Refusal::Lost(_)));
        let shown = seen.refusal.is_none() || lost;
        CandidateRecord {
            deployment: deployment.name.to_string(),
            verdict: match seen.refusal {
                Some(refusal) => refusal.word().to_owned(),
                None if chosen => "chosen".to_owned(),
                None => "passed_over".to_owned(),
            },
            in_flight: seen.load.in_flight,
            weight: seen.load.weight,
            share: seen.load.share,
            latency_s: if shown { seen.load.latency.exp() } else { 0.0 },
            latency_ln: seen.load.latency,
            success: seen.load.success,
            age_s: seen.load.age_s,
            score: if shown { seen.load.score(&fleet.balance) } else { 0.0 },
            tier: seen.tier,
            cost_usd_micros: seen.cost,
            cache_usd_micros: seen.moved.cached,
            move_usd_micros: seen.moved.charge,
            move_s: seen.load.move_s,
            quality: seen.quality,
            quality_from: seen.source.word().to_owned(),
            until_ns: seen.refusal.and_then(Refusal::until).map(|until| until.0),
        }
    };
    known(fleet, decision).map(record).collect()
}

/// The artifact, if any candidate's quality was asked of it.
fn scorer(fleet: &Fleet, decision: &Decision) -> Option<String> {
    let asked = decision.log.considered().any(|seen| seen.source != Source::Configured);
    fleet.learned.as_ref().filter(|_| asked).map(|learned| format!("{:016x}", learned.scorer().id()))
}

/// Why each candidate of a decision that was refused was refused, as a sentence.
#[must_use]
pub fn refusals(fleet: &Fleet, decision: &Decision) -> BTreeMap<String, String> {
    let told = |(deployment, seen): (&Deployment, Considered)| {
        Some((deployment.name.to_string(), seen.refusal?.describe(fleet, deployment, decision.at)))
    };
    known(fleet, decision).filter_map(told).collect()
}

impl Denial {
    /// The denial as one sentence: what was asked, why nobody can take it, and a hint.
    #[must_use]
    pub fn describe(&self, fleet: &Fleet, asked: &str) -> String {
        let rule = self.decision.rule.and_then(|rule| fleet.rules.actions.get(rule as usize));
        let shown: String = asked.chars().take(MAX_NAME_BYTES).collect();
        let asked = shown.as_str();
        match &self.why {
            Why::UnknownModel => {
                let nearest = fleet.names.nearest(asked).map(|name| format!("; did you mean {name:?}?"));
                let hint = nearest.unwrap_or_else(|| "; ask for `auto`, a group, a model or a deployment".to_owned());
                format!("nothing is called {asked:?}{hint}")
            }
            Why::NoRule => {
                "no rule matches this request for `auto`; end the rules with one that has no `when`".to_owned()
            }
            Why::RefusedByRule => rule.map_or_else(String::new, |action| {
                format!("rule {:?} refuses: {}", &*action.rule, action.refuse.as_deref().unwrap_or_default())
            }),
            Why::Refused => format!("no deployment may take this request for {asked:?}{}", self.reasons(fleet)),
            Why::TooLarge => format!("the request for {asked:?} exceeds every limit{}", self.reasons(fleet)),
            Why::NoCapacity { until } => {
                let wait = until.since(self.decision.at).as_secs_f64();
                format!("nobody is free for {asked:?}{}; retry in {wait:.1} s", self.reasons(fleet))
            }
        }
    }

    /// How often each reason occurred, most frequent first.
    fn reasons(&self, fleet: &Fleet) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (deployment, seen) in known(fleet, &self.decision) {
            let Some(refusal) = seen.refusal else { continue };
            *counts.entry(refusal.describe(fleet, deployment, self.decision.at)).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let told: Vec<_> = counts.iter().take(3).map(|(reason, count)| format!("{count} × {reason}")).collect();
        if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) }
    }
}
