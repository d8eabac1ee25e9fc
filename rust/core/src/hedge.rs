//! Hedging: when has an attempt been silent for so long that a second one beside it pays?
//!
//! **Problem.** One slow or hung deployment out of ten makes the slowest tenth of all calls. A retry comes only after a
//! timeout of many seconds; asking two deployments every time doubles the bill.
//!
//! **Choice.** A group that opts in asks a second deployment once an attempt is later than nearly all others of its
//! group, [`after`]: the greater of the group's learned 95th percentile of the time to first content and four times
//! what is usual at the deployment, between 0.5 and 10 s. The first to have content wins. Hedges have a purse of their
//! own, one in twenty calls and nothing to start with, and take only room that is there twice
//! ([`Request::spare`](crate::request::Request::spare)).
//!
//! An answer that comes in one piece has no first content to wait for. Its wait is longer by the time that writing it
//! usually takes, for the length that nine in ten answers of the route stay below. Without that, long answers would be
//! hedged for their length, and the purse would be empty when a deployment hangs.
//!
//! **What a lost race teaches.** The loser is cut off, so its time is only known to be at least so long. Were that left
//! out, the percentile would sink to where hedges begin, and a hung deployment would look idle, because hedges take
//! away the unanswered attempts by whose age it is shunned. So a loser without content raises the percentile and counts
//! against its deployment's success rate. It is no event for the breaker: slow is not broken. And it does not raise the
//! deployment's latency, which would put off the next hedge just where one is needed.
//!
//! **Cost.** Nothing for groups that do not hedge. For the others one exchange per call and one per settlement.

use crate::balance::DeploymentRecord;
use crate::balance::averages::Reference;
use crate::balance::group::{first_content_p95, median};
use crate::decision::Decision;
use crate::fleet::{Fleet, Group};
use crate::limit::OutputLength;
use crate::outcome::{Ending, Fault, Outcome};
use crate::retry::{Allowance, BUDGET_WORDS, RetryBudget};
use crate::score::UNKNOWN_OUTPUT_TOKENS;
use crate::state::State;
use crate::units::Nanos;

/// Fewer samples say less than the deployment's own average: with 40, two are expected above the percentile.
const MIN_SAMPLES: u32 = 40;
/// An attempt is late at this multiple of what is usual there, as for the age that the balancer sees.
const LATE: f32 = 4.0;
/// No sooner: below, a human notices no delay and the second request only costs.
const SOONEST_S: f64 = 0.5;
/// No later: whoever waits ten seconds for a first word should not wait for a statistic.
const LATEST_S: f64 = 10.0;
/// Tokens that a typical model writes in the time that its first one takes: 0.5 s at 100 tokens a second.
const TOKENS_PER_FIRST_CONTENT: f64 = 50.0;

/// How long after its decision an attempt should be hedged; `None` if never.
///
/// Never in a group that does not hedge or has nobody else, never beside a hedge, and never when a fallback group
/// serves: in an outage the second request would only take room from somebody's first.
#[must_use]
pub fn after(fleet: &Fleet, state: &State, decision: &Decision, now: Nanos) -> Option<Nanos> {
    let group = fleet.group(decision.group?)?;
    if !group.hedge || group.members.len() < 2 || decision.hedge || decision.is_downgrade() {
        return None;
    }
    let usual = usual_ln(fleet, state, group, decision, now)?;
    let slow = first_content_p95(state, group).and_then(|slow| slow.learned(MIN_SAMPLES));
    let late = usual + LATE.ln();
    let silence_s = seconds(slow.map_or(late, |slow| late.max(slow))).clamp(SOONEST_S, LATEST_S);
    Some(Nanos::from_secs_f64(silence_s + writing_s(state, decision, usual)))
}

/// How many times as long as its first content an answer of this many tokens takes.
#[must_use]
pub fn first_contents(tokens: u64) -> f64 {
    1.0 + tokens as f64 / TOKENS_PER_FIRST_CONTENT
}

/// Teaches the group how late first contents are: one came so long after its decision, a natural logarithm of seconds.
pub(crate) fn learn_first_content(state: &State, group: &Group, first_content: f32) {
    if let Some(slow) = first_content_p95(state, group).filter(|_| group.hedge) {
        slow.observe(first_content);
    }
}

/// Teaches a group that hedges that a first content takes at least as long as an attempt was silent before it was cut off.
#[inline(never)]
pub(crate) fn learn_silence(
    fleet: &Fleet,
    state: &State,
    group: &Group,
    decision: &Decision,
    outcome: &Outcome<'_>,
    now: Nanos,
) {
    let cut_off = match outcome.ending {
        Ending::Failed(Fault::Silent) => true,
        Ending::Cancelled { .. } => outcome.beaten,
        _ => false,
    };
    if !cut_off || outcome.first_content.is_some() {
        return;
    }
    let Some(usual) = usual_ln(fleet, state, group, decision, now) else { return };
    let silent_s = now.since(decision.at).as_secs_f64() - writing_s(state, decision, usual);
    if let Some(slow) = first_content_p95(state, group) {
        slow.observe_at_least(silent_s.max(f64::MIN_POSITIVE).ln() as f32);
    }
}

/// The time to first content that is usual at the deployment, as a natural logarithm of seconds.
fn usual_ln(fleet: &Fleet, state: &State, group: &Group, decision: &Decision, now: Nanos) -> Option<f32> {
    let deployment = fleet.deployment(decision.deployment?)?;
    let prior = deployment.latency_prior;
    let reference = Reference { median: median(state, group, now).unwrap_or(prior), prior };
    Some(DeploymentRecord::of(state, deployment.slot)?.latency().expected(now, reference))
}

/// Seconds that the rest of the answer takes after its first content, if that cannot be seen.
fn writing_s(state: &State, decision: &Decision, usual_ln: f32) -> f64 {
    if decision.streamed {
        return 0.0;
    }
    let words = decision.length_slot.and_then(|slot| state.length(slot));
    let tokens = words.map_or(UNKNOWN_OUTPUT_TOKENS, |[_, word, ..]| {
        OutputLength::new(word).estimate(decision.max_tokens, UNKNOWN_OUTPUT_TOKENS)
    });
    seconds(usual_ln) * (first_contents(tokens) - 1.0)
}

fn seconds(ln: f32) -> f64 {
    f64::from(ln).exp()
}

/// The purse of hedges among the router's words, after that of the retries.
#[must_use]
pub fn budget(state: &State) -> Option<RetryBudget<'_>> {
    RetryBudget::from_slice(Allowance::HEDGE, state.router()?.get(BUDGET_WORDS..)?)
}
