//! Propensity: how likely a decision was to choose the *model* that it chose, given all that it saw.
//!
//! **Problem.** What other rules would have been worth on logged traffic can be told without asking again, if the log says
//! with which probability each answer's model was chosen ([`super::draw`] is where the chance comes in).
//!
//! **Choice.** It is computed from the decision's log when a receipt is written, never in a walk. Of models, not of
//! deployments: which account or region answers is irrelevant to the answer's quality. Exploring, each candidate's model is
//! as likely as any other; otherwise the best tier is drawn from by weight, twice, and the less loaded of two is preferred
//! with a known probability.
//!
//! **Rejected.** Counting draws of other seeds: an estimate of what is known exactly. Asking the state again: it has
//! moved on.
//!
//! **Cost.** Squares of the members that tie for the best tier, 64 at most, in receipts of groups that mix models.

use arrayvec::ArrayVec;

use super::load::Load;
use crate::decision::{Considered, Decision, MAX_CONSIDERED};
use crate::fleet::{Fleet, Group, Member};
use crate::spec::BalanceSpec;

/// The candidates of one group as the last draw found them.
type Candidates<'d> = ArrayVec<(Member, &'d Considered), MAX_CONSIDERED>;

/// The probability with which the chosen deployment's model was chosen; `None` if nobody was, or if the walk did not see
/// enough: it drew by load from a group that mixes models and has neither an objective nor `explore`.
///
/// A candidate that was lost in a race counts as one that was not there.
#[must_use]
pub fn of(fleet: &Fleet, decision: &Decision) -> Option<f64> {
    let group = fleet.group(decision.group?)?;
    let chosen = group.members.iter().find(|member| Some(member.deployment) == decision.deployment)?;
    let mixed = group.members.iter().any(|member| member.model() != chosen.model());
    if !mixed || decision.last_resort || decision.log.warm.is_some() {
        return Some(1.0);
    }
    if group.objective.is_none() || !decision.log.is_complete() {
        return None;
    }
    let standing = |member: &Member| {
        let seen = decision.log.find(member.deployment).filter(|seen| seen.refusal.is_none())?;
        Some((*member, seen))
    };
    let candidates: Candidates<'_> = group.members.iter().filter_map(standing).take(MAX_CONSIDERED).collect();
    let best = best_tier(&candidates, chosen.model(), &fleet.balance);
    Some(group.explore.map_or(best, |share| share / models(&candidates, group) + (1.0 - share) * best))
}

/// How many models there are among the candidates.
fn models(candidates: &Candidates<'_>, group: &Group) -> f64 {
    let first_of_its_model =
        |place: usize, member: Member| !candidates.iter().take(place).any(|(other, _)| other.model() == member.model());
    let count =
        candidates.iter().enumerate().filter(|(place, (member, _))| first_of_its_model(*place, *member)).count();
    debug_assert!(count > 0 && count <= group.members.len(), "who was chosen is a candidate");
    count as f64
}

/// The probability of `model` where the best tier is drawn from.
fn best_tier(candidates: &Candidates<'_>, model: u32, constants: &BalanceSpec) -> f64 {
    let Some(tier) = candidates.iter().map(|(_, seen)| seen.tier).max() else { return 0.0 };
    let drawn = |(member, seen): &(Member, &Considered)| {
        let weight = f64::from(seen.load.weight).max(f64::MIN_POSITIVE);
        (seen.tier == tier).then(|| (member.model() == model, weight, seen.load.score(constants)))
    };
    let drawn: ArrayVec<(bool, f64, f64), MAX_CONSIDERED> = candidates.iter().filter_map(drawn).collect();
    let (mine, all) =
        drawn.iter().fold((0, 0.0), |(mine, all), (its, weight, _)| (mine + usize::from(*its), all + weight));
    if mine == 0 {
        return 0.0;
    }
    if mine == drawn.len() {
        return 1.0;
    }
    let mut chance = 0.0;
    for (place, &(first_is, weight, score)) in drawn.iter().enumerate() {
        for (other, &(second_is, second_weight, second_score)) in drawn.iter().enumerate() {
            if place != other {
                let both = weight / all * (second_weight / (all - weight));
                let stays = Load::keeps(score, second_score).min(1.0);
                chance +=
                    both * (f64::from(u8::from(first_is)) * stays + f64::from(u8::from(second_is)) * (1.0 - stays));
            }
        }
    }
    // Sums of roundings.
    chance.clamp(0.0, 1.0)
}
