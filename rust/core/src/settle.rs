//! Settle: what did we learn, and what was really used?
//!
//! The one place where an attempt's end reaches the state: limits are corrected, the provider's own figures believed
//! where they are lower, averages taught, the breaker told. Everything here happens exactly once per attempt.

use arrayvec::ArrayVec;

use crate::balance::DeploymentRecord;
use crate::balance::averages::Reference;
use crate::balance::group::{median, refresh_median};
use crate::balance::pending::PendingCell;
use crate::balance::record::Total;
use crate::breaker::{Effect, Permit};
use crate::counters::{Counter, add, count};
use crate::decision::Decision;
use crate::fleet::{Deployment, Fleet, Group, MAX_LIMITS};
use crate::hedge;
use crate::limit::{Bucket, Held, Level, OutputLength, Report};
use crate::outcome::{Ending, Fault, LimitReport, Outcome};
use crate::price::{Tokens, cost, fresh_cost};
use crate::reserve::{Hold, bucket, doubt, unlist};
use crate::score::Estimate;
use crate::spec::Dimension;
use crate::state::State;
use crate::units::Nanos;

/// An account without quota and without a hint is asked again after this long.
const EXHAUSTED_FOR: Nanos = Nanos::from_secs(3_600);
/// No hint holds anybody longer: a provider that says "tomorrow" is asked again in an hour.
const LONGEST_HINT: Nanos = Nanos::from_secs(3_600);

/// What an attempt really used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Micro-dollars.
    pub cost: u64,
    /// Input tokens charged.
    pub input_tokens: u64,
    /// Output tokens charged.
    pub output_tokens: u64,
    /// Whether the provider said so, or it is an estimate.
    pub usage_known: bool,
    /// Units finally charged per limit, by index.
    pub charged: ArrayVec<(u32, u64), MAX_LIMITS>,
}

/// Settles one attempt: takes what it holds, and writes what it really used where that stays.
pub(crate) fn settle(
    fleet: &Fleet,
    decision: &Decision,
    hold: &mut Hold,
    cell: Option<PendingCell>,
    outcome: &Outcome<'_>,
    now: Nanos,
    settlement: &mut Settlement,
) {
    doubt(&fleet.state, &hold.cells);
    settle_held(fleet, decision, hold, cell, outcome, now, settlement);
    unlist(&fleet.state, &mut hold.cells);
}

fn settle_held(
    fleet: &Fleet,
    decision: &Decision,
    hold: &mut Hold,
    cell: Option<PendingCell>,
    outcome: &Outcome<'_>,
    now: Nanos,
    settlement: &mut Settlement,
) {
    let state = &*fleet.state;
    let Some(permit) = hold.permit.take() else { return };
    let found = decision.deployment.and_then(|index| fleet.deployment(index));
    let Some(deployment) = found else { return };
    let Some(record) = DeploymentRecord::of(state, deployment.slot) else { return };
    let group = decision.group.and_then(|index| fleet.group(index));
    charge_tokens(deployment, decision, outcome, settlement);
    settle_limits(fleet, state, deployment, decision, &mut hold.limits, outcome, settlement, now);
    if record.identity() != deployment.identity {
        // A reload gave the record to somebody else: there is nothing left to tell.
        return;
    }
    if let Some(cell) = cell {
        record.forget(cell);
    }
    record.gauge().leave();
    learn(fleet, state, deployment, record, group, decision, outcome, now);
    let effect = tell_breaker(record, permit, outcome, now);
    count_effect(state, effect);
    add_totals(state, record, outcome, settlement);
}

/// Tokens and money that the attempt is charged with.
fn charge_tokens(deployment: &Deployment, decision: &Decision, outcome: &Outcome<'_>, settlement: &mut Settlement) {
    let estimate = decision.estimate;
    let nothing = outcome.ending.used_no_tokens();
    let input = outcome.input_tokens.unwrap_or(if nothing { 0 } else { estimate.input_tokens });
    let output = outcome.output_tokens.unwrap_or(if nothing { 0 } else { estimate.held_output_tokens });
    let usage_known = nothing || (outcome.input_tokens.is_some() && outcome.output_tokens.is_some());
    let tokens = Tokens {
        input,
        cached: outcome.cached_tokens,
        written: outcome.cache_write_tokens,
        written_1h: outcome.cache_write_1h_tokens,
        output,
    };
    let mut cost = cost(deployment.rates(input), &tokens);
    if outcome.output_tokens.is_none() && !nothing {
        // An answer that counts against no limit was held at nothing, but not for nothing.
        let expected = estimate.cost.saturating_sub(price_of(deployment, &estimate));
        cost = cost.saturating_add(expected);
    }
    settlement.cost = cost;
    settlement.input_tokens = input;
    settlement.output_tokens = output;
    settlement.usage_known = usage_known;
}

/// What the held tokens of an estimate cost.
fn price_of(deployment: &Deployment, estimate: &Estimate) -> u64 {
    fresh_cost(deployment.rates(estimate.input_tokens), estimate.input_tokens, estimate.held_output_tokens)
}

#[expect(clippy::too_many_arguments, reason = "the one meeting point of an attempt's end and all of the state")]
fn settle_limits(
    fleet: &Fleet,
    state: &State,
    deployment: &Deployment,
    decision: &Decision,
    limits: &mut ArrayVec<Held, MAX_LIMITS>,
    outcome: &Outcome<'_>,
    settlement: &mut Settlement,
    now: Nanos,
) {
    // Which reports have found their limit, one bit each.
    let mut placed = 0_u64;
    for (at, held) in deployment.limits.iter().zip(limits.drain(..)) {
        let Some(bucket) = bucket(fleet, state, at) else { continue };
        let sent_after = if outcome.reports.is_empty() { 0 } else { bucket.sent_after(&held) };
        let charge = charged(at.dimension, deployment, outcome, settlement, held.units());
        bucket.settle(held, charge, now);
        settlement.charged.push((at.index, charge));
        if !outcome.reports.is_empty() {
            believe_report(state, &bucket, at.dimension, decision.at, sent_after, outcome, &mut placed, now);
        }
    }
    outcome.reports.iter().filter(|report| report.is_nonsense()).for_each(|_| count(state, Counter::BadHeader));
    if matches!(outcome.ending, Ending::Exhausted) {
        exhaust_pools(fleet, state, deployment, outcome, now);
    }
}

/// Takes over what the headers say of one limit, if they speak of it.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "as above")]
fn believe_report(
    state: &State,
    bucket: &Bucket<'_>,
    dimension: Dimension,
    sent: Nanos,
    sent_after: u64,
    outcome: &Outcome<'_>,
    placed: &mut u64,
    now: Nanos,
) {
    // Headers speak of the provider's own scope: the first pool that has the dimension, and shared pools come first.
    let fits = |&(place, report): &(usize, &LimitReport)| {
        *placed >> place & 1 == 0 && report.dimension == dimension && !report.is_nonsense()
    };
    let Some((place, report)) = outcome.reports.iter().take(64).enumerate().find(fits) else { return };
    *placed |= 1 << place;
    // Adapters know how their provider rounds, and report lower bounds.
    let report = Report { limit: report.limit, remaining: report.remaining, rounding: 0 };
    let resynced = bucket.resync(report, sent, sent_after, now);
    if resynced.limit_changed.is_some() {
        count(state, Counter::LimitChanged);
    }
    if matches!(resynced.level, Level::Malformed) {
        count(state, Counter::BadHeader);
    }
}

/// Units of one limit that the attempt is charged with, by its provider's accounting.
fn charged(dimension: Dimension, deployment: &Deployment, outcome: &Outcome<'_>, used: &Settlement, held: u64) -> u64 {
    let accounting = deployment.accounting;
    let cached = if accounting.count_cached_input { 0 } else { outcome.cached_tokens };
    let input = used.input_tokens.saturating_sub(cached);
    let output = match accounting.output {
        crate::spec::OutputAccounting::None => 0,
        _ => used.output_tokens,
    };
    let weighed = output.saturating_mul(u64::from(accounting.output_weight));
    let tokens = match dimension {
        // A request that was sent counts, however it ended; one that never left does not.
        Dimension::Rpm | Dimension::Rpd => {
            return u64::from(!matches!(outcome.ending, Ending::Cancelled { sent: false }));
        }
        Dimension::Concurrency => return 0,
        Dimension::UsdPerDay => return used.cost,
        Dimension::Tpm | Dimension::Tpd => input.saturating_add(weighed),
        Dimension::InputTpm => input,
        Dimension::OutputTpm => output,
    };
    // A provider that never corrects its own count keeps what it took, unless it never saw the request.
    if accounting.reconcile || outcome.ending.used_no_tokens() { tokens } else { tokens.max(held) }
}

/// The quota is gone for everybody who draws from the same shared pools.
#[cold]
fn exhaust_pools(fleet: &Fleet, state: &State, deployment: &Deployment, outcome: &Outcome<'_>, now: Nanos) {
    let until = now + outcome.retry_after.map_or(EXHAUSTED_FOR, |hint| hint.min(LONGEST_HINT));
    for at in &deployment.limits {
        if fleet.limit(at.index).and_then(|limit| fleet.pool_of(limit)).is_some_and(|pool| !pool.private)
            && let Some(bucket) = bucket(fleet, state, at)
        {
            bucket.hold_until().exhaust(until, now);
        }
    }
    // A pool without numbers has no limit to hold: its deployments are held instead.
    let shares = |other: &&Deployment| other.shared_pools.iter().any(|pool| deployment.shared_pools.contains(pool));
    let others = fleet.deployments.iter().filter(shares).filter_map(|other| DeploymentRecord::of(state, other.slot));
    others.for_each(|other| _ = other.hold().exhaust(until, now));
}

/// Teaches the averages.
#[expect(clippy::too_many_arguments, reason = "as above")]
fn learn(
    fleet: &Fleet,
    state: &State,
    deployment: &Deployment,
    record: DeploymentRecord<'_>,
    group: Option<&Group>,
    decision: &Decision,
    outcome: &Outcome<'_>,
    now: Nanos,
) {
    match outcome.ending {
        Ending::Succeeded => {
            if let Some(tokens) = outcome.output_tokens {
                observe_length(state, decision, tokens);
            }
        }
        Ending::Failed(fault) => {
            record.success().add(false, now);
            if matches!(fault, Fault::Silent) && outcome.first_content.is_none() {
                let silent = ln_seconds(now.since(decision.at));
                record.latency().add_at_least(silent, now, reference(state, deployment, group, now));
            }
        }
        Ending::Throttled => {
            record.hold().throttle(outcome.retry_after.map(|hint| hint.min(LONGEST_HINT)), now);
            record.capacity().cut(now);
        }
        Ending::Exhausted => {
            let until = now + outcome.retry_after.map_or(EXHAUSTED_FOR, |hint| hint.min(LONGEST_HINT));
            record.hold().exhaust(until, now);
        }
        Ending::Cancelled { sent: true } if outcome.beaten && outcome.first_content.is_none() => {
            // The latency is left alone: it would put off the next hedge there.
            record.success().add(false, now);
        }
        Ending::Misconfigured | Ending::CallersFault | Ending::Cancelled { .. } => {}
    }
    if let Some(group) = group {
        if group.hedge {
            hedge::learn_silence(fleet, state, group, decision, outcome, now);
        }
        refresh_median(fleet, state, group, now);
    }
}

/// What the averages are compared with.
fn reference(state: &State, deployment: &Deployment, group: Option<&Group>, now: Nanos) -> Reference {
    let prior = deployment.latency_prior;
    Reference { median: group.and_then(|group| median(state, group, now)).unwrap_or(prior), prior }
}

/// Teaches that an answer has begun, `first_content` (a natural logarithm of seconds) after its decision.
///
/// That is known at the first content; waiting for the end of the stream would judge a deployment by how it was when
/// its longest answers began.
pub(crate) fn answered(fleet: &Fleet, decision: &Decision, first_content: f32, now: Nanos) {
    let state = &*fleet.state;
    let Some(deployment) = decision.deployment.and_then(|index| fleet.deployment(index)) else { return };
    let group = decision.group.and_then(|index| fleet.group(index));
    let record = DeploymentRecord::of(state, deployment.slot).filter(|record| record.identity() == deployment.identity);
    let Some(record) = record else { return };
    record.success().add(true, now);
    record.hold().ease(decision.at);
    record.latency().add(first_content, now, reference(state, deployment, group, now));
    if let Some(group) = group {
        hedge::learn_first_content(state, group, first_content);
    }
}

/// Logarithm of the time to first content. Where only the whole answer was timed, the time is divided by how many
/// first contents long the answer was, so that long answers do not make a deployment look slow.
pub(crate) fn first_content_ln(outcome: &Outcome<'_>, elapsed: Nanos) -> f32 {
    if let Some(first) = outcome.first_content {
        return ln_seconds(first);
    }
    let tokens = outcome.output_tokens.unwrap_or(0);
    (elapsed.as_secs_f64().max(1e-6) / hedge::first_contents(tokens)).ln() as f32
}

pub(crate) fn ln_seconds(span: Nanos) -> f32 {
    span.as_secs_f64().max(1e-6).ln() as f32
}

fn observe_length(state: &State, decision: &Decision, tokens: u64) {
    if let Some([_, word, ..]) = decision.length_slot.and_then(|slot| state.length(slot)) {
        OutputLength::new(word).observe(tokens);
    }
}

fn tell_breaker(record: DeploymentRecord<'_>, permit: Permit, outcome: &Outcome<'_>, now: Nanos) -> Effect {
    let breaker = record.breaker();
    match outcome.ending {
        Ending::Succeeded => breaker.succeed(permit, now),
        Ending::Failed(_) => breaker.fail(permit, now),
        Ending::Throttled | Ending::Exhausted => breaker.throttled(permit, now, outcome.retry_after),
        Ending::Misconfigured => breaker.config_failure(permit, now),
        Ending::CallersFault | Ending::Cancelled { .. } => breaker.abandon(permit, now),
    }
}

/// Counts what a report did to a breaker.
pub(crate) fn count_effect(state: &State, effect: Effect) {
    match effect {
        Effect::Opened { .. } => count(state, Counter::Opened),
        Effect::StaleReport => count(state, Counter::StaleReport),
        Effect::None | Effect::Closed | Effect::ProbeReturned => {}
    }
}

fn add_totals(state: &State, record: DeploymentRecord<'_>, outcome: &Outcome<'_>, settlement: &Settlement) {
    let ended = match outcome.ending {
        Ending::Succeeded => Some(Total::Succeeded),
        Ending::Failed(_) | Ending::Misconfigured => Some(Total::Failed),
        Ending::Throttled | Ending::Exhausted => Some(Total::Throttled),
        Ending::CallersFault | Ending::Cancelled { .. } => None,
    };
    if let Some(total) = ended {
        record.add(total, 1);
    }
    record.add(Total::InputTokens, settlement.input_tokens);
    record.add(Total::OutputTokens, settlement.output_tokens);
    record.add(Total::UsdMicros, settlement.cost);
    if !settlement.usage_known {
        count(state, Counter::UsageUnknown);
    }
    if matches!(outcome.ending, Ending::Misconfigured) {
        count(state, Counter::Misconfigured);
    }
    if outcome.beaten {
        add(state, Counter::HedgeWasteTokens, settlement.input_tokens.saturating_add(settlement.output_tokens));
        add(state, Counter::HedgeWasteUsdMicros, settlement.cost);
    }
}
