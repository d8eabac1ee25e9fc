//! A picture of the state, for people and metrics. Each figure is read on its own: the whole is not one instant.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::balance::DeploymentRecord;
use crate::balance::load::Load;
use crate::balance::record::Total;
use crate::breaker;
use crate::counters::{self, Counter};
use crate::fleet::{Deployment, Fleet, Pool};
use crate::lease::words::LeaseWords;
use crate::process::seats::Process;
use crate::reserve::bucket;
use crate::state::State;
use crate::units::Nanos;

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Time of the router's clock in seconds.
    pub at_s: f64,
    /// The configuration in force.
    pub config_hash: String,
    /// One entry per deployment, by name.
    pub deployments: BTreeMap<String, DeploymentSnapshot>,
    /// One entry per pool and dimension.
    pub pools: BTreeMap<String, BTreeMap<&'static str, LimitSnapshot>>,
    /// Counts since the state was made.
    pub counters: BTreeMap<&'static str, u64>,
    /// The processes that share the state; none if nobody can.
    pub processes: Vec<Process>,
    /// What the coordinator of leases is to this host, if limits are shared with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases: Option<LeaseSnapshot>,
}

/// This host among those that share its limits.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseSnapshot {
    /// `reachable`, `learning` (it has just started), `away`, or `unknown` if it was never heard.
    pub coordinator: &'static str,
    /// Hosts that share the limits, as last told; before that, as configured.
    pub hosts: u64,
    /// Answers of the coordinator.
    pub answers: u64,
    /// Calls that brought none.
    pub failures: u64,
}

/// One deployment.
#[derive(Clone, Debug, Serialize)]
pub struct DeploymentSnapshot {
    /// Whose it is.
    pub provider: String,
    /// The model it runs.
    pub model: String,
    /// Configured weight.
    pub weight: f64,
    /// Share of it in force: learned capacity × slow start.
    pub share: f32,
    /// Attempts in flight.
    pub in_flight: u32,
    /// Expected seconds to first content.
    pub latency_s: f32,
    /// Success rate.
    pub success: f32,
    /// Age of the oldest unanswered attempt in seconds.
    pub age_s: f32,
    /// Seconds for which its provider asked to be left alone; 0 if it did not.
    pub held_s: f64,
    /// Whether its quota or credit is used up.
    pub exhausted: bool,
    /// State of its breaker: `closed`, `open`, `half_open` or `forced_open`.
    pub breaker: &'static str,
    /// Why the breaker opened last: `failures`, `config` or `operator`.
    pub breaker_reason: &'static str,
    /// Seconds until the breaker probes; 0 if it is not open.
    pub breaker_s: f64,
    /// Attempts since it joined.
    pub attempts: u64,
    /// Those that ended well.
    pub succeeded: u64,
    /// Hard failures.
    pub failed: u64,
    /// Answers 429 and 529.
    pub throttled: u64,
    /// Input tokens used.
    pub input_tokens: u64,
    /// Output tokens used.
    pub output_tokens: u64,
    /// Micro-dollars spent.
    pub cost_usd_micros: u64,
    /// Requests that found its limits, its hold or its breaker in the way.
    pub refusals: u64,
}

/// One limit.
#[derive(Clone, Debug, Serialize)]
pub struct LimitSnapshot {
    /// The limit in force: the configured one, or the provider's own if that is lower.
    pub limit: u64,
    /// Units that could be taken now; negative is debt.
    pub level: i64,
    /// Share of it that is free, 0 to 1.
    pub free: f64,
}

impl Snapshot {
    /// Takes one.
    #[must_use]
    pub fn take(fleet: &Fleet, now: Nanos) -> Self {
        let state = &*fleet.state;
        let deployment = |d: &Deployment| Some((d.name.to_string(), deployment_snapshot(fleet, state, d, now)?));
        let pool = |pool: &Pool| (pool.name.to_string(), pool_snapshot(fleet, state, pool, now));
        Self {
            at_s: now.as_secs_f64(),
            config_hash: fleet.config_hash.to_string(),
            deployments: fleet.deployments.iter().filter_map(deployment).collect(),
            pools: fleet.pools.iter().map(pool).collect(),
            leases: leases(fleet, state),
            counters: Counter::ALL.iter().map(|&counter| (counter.name(), counters::read(state, counter))).collect(),
            processes: state.processes(),
        }
    }
}

fn leases(fleet: &Fleet, state: &State) -> Option<LeaseSnapshot> {
    let (configured, words) = (fleet.leases?.hosts, LeaseWords::new(state.leases()?));
    let hosts = if words.hosts() > 0 { words.hosts() } else { configured };
    let (answers, failures) = words.counts();
    Some(LeaseSnapshot { coordinator: words.standing().name(), hosts, answers, failures })
}

fn deployment_snapshot(
    fleet: &Fleet,
    state: &State,
    deployment: &Deployment,
    now: Nanos,
) -> Option<DeploymentSnapshot> {
    let record = DeploymentRecord::of(state, deployment.slot)?;
    let load = Load::of(deployment, record, 1.0, None, &fleet.balance, now);
    let held = record.hold().in_force(now);
    let breaker = record.breaker().snapshot(now);
    Some(DeploymentSnapshot {
        provider: deployment.provider.to_string(),
        model: deployment.model.to_string(),
        weight: deployment.weight,
        share: load.share,
        in_flight: load.in_flight,
        latency_s: load.latency.exp(),
        success: load.success,
        age_s: load.age_s,
        held_s: held.map_or(0.0, |held| held.until.since(now).as_secs_f64()),
        exhausted: held.is_some_and(|held| held.exhausted),
        breaker: state_word(breaker.state),
        breaker_reason: reason_word(breaker.reason),
        breaker_s: breaker.until.map_or(0.0, |until| until.since(now).as_secs_f64()),
        attempts: record.gauge().started(),
        succeeded: record.total(Total::Succeeded),
        failed: record.total(Total::Failed),
        throttled: record.total(Total::Throttled),
        input_tokens: record.total(Total::InputTokens),
        output_tokens: record.total(Total::OutputTokens),
        cost_usd_micros: record.total(Total::UsdMicros),
        refusals: record.total(Total::Refusals),
    })
}

const fn state_word(state: breaker::State) -> &'static str {
    match state {
        breaker::State::Closed => "closed",
        breaker::State::Open => "open",
        breaker::State::HalfOpen => "half_open",
        breaker::State::ForcedOpen => "forced_open",
    }
}

const fn reason_word(reason: breaker::Reason) -> &'static str {
    match reason {
        breaker::Reason::Failures => "failures",
        breaker::Reason::Config => "config",
        breaker::Reason::Operator => "operator",
    }
}

fn pool_snapshot(fleet: &Fleet, state: &State, pool: &Pool, now: Nanos) -> BTreeMap<&'static str, LimitSnapshot> {
    let told = |index| {
        let at = fleet.limit(index)?.referred_to_by(index);
        let bucket = bucket(fleet, state, &at)?;
        let limit = LimitSnapshot { limit: bucket.limit(), level: bucket.level(now), free: bucket.fraction(now) };
        Some((at.dimension.name(), limit))
    };
    pool.limits.clone().filter_map(told).collect()
}
