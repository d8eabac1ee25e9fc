//! Where is the beginning of this prompt cached, and what does it pay for going elsewhere?
//!
//! Two answers of a walk. One is a preference: the member that has the cache, or is to have it, is taken without a draw
//! unless it is too busy. The other is a figure beside every candidate, which objectives and load weigh; it is what keeps a
//! session where it is when the draw decides, and what lets it go when something is worth more than the cache.

use super::{Intent, Picked, Scene, Walk};
use crate::balance::{DeploymentRecord, affinity};
use crate::decision::Considered;
use crate::fleet::{Deployment, Group, Member};
use crate::request::Warm;
use crate::score::Move;

impl Walk<'_> {
    /// The member that the request's prefix prefers, if it is a candidate and not too busy: the one where its beginning
    /// is cached, else the one that the key says. With an objective, only among the best tier.
    pub(super) fn pick_warm(&mut self, group: &Group, key: u64) -> Option<Picked> {
        let Scene { fleet, state, request, .. } = self.scene;
        let best = match &group.objective {
            Some(_) => Some(self.best_tier(group)?),
            None => None,
        };
        let cached = request.warm.and_then(|warm| affinity::place_of(fleet, group, key, warm.deployment));
        let place = match (cached.filter(|&place| self.is_of(group, place, best)), best) {
            (Some(place), _) => place,
            (None, Some(_)) => affinity::preferred(fleet, group, key, |place| self.is_of(group, place, best))?,
            (None, None) => affinity::preferred(fleet, group, key, |_| true)?,
        };
        self.standing(group, place)?;
        let member = *group.members.get(place)?;
        let load = |member: &Member| {
            let deployment = fleet.deployment(member.deployment)?;
            Some((DeploymentRecord::of(state, deployment.slot)?.in_flight(), deployment.weight))
        };
        let (in_flight, weight) = load(&member)?;
        let block = affinity::block(group, key);
        let bound = fleet.balance.affinity_bound;
        let within = match (self.scene.intent, best) {
            // How busy the block was is not recorded, only what came of it.
            (Intent::Replay(log), _) => log.warm == Some(member.deployment),
            (Intent::Hold | Intent::Tell, None) => {
                affinity::within_bound(in_flight, weight, group.members.get(block)?.iter().filter_map(load), bound)
            }
            (Intent::Hold | Intent::Tell, Some(_)) => {
                // Who is not good enough, or too dear, is idle for that reason: no measure of being busy.
                let peers = block.filter(|&at| self.is_of(group, at, best));
                let peers = peers.filter_map(|at| group.members.get(at)).filter_map(load);
                affinity::within_bound(in_flight, weight, peers, bound)
            }
        };
        if !within {
            return None;
        }
        let estimate = self.hold(member)?;
        self.decision.log.warm = Some(member.deployment);
        Some((member, estimate))
    }

    /// The best tier among the candidates of a group with an objective.
    fn best_tier(&mut self, group: &Group) -> Option<i32> {
        (0..group.members.len()).filter_map(|place| self.standing(group, place)).map(|standing| standing.tier).max()
    }

    /// Whether this member is a candidate, and of this tier if one is asked for.
    fn is_of(&mut self, group: &Group, place: usize, tier: Option<i32>) -> bool {
        self.standing(group, place).is_some_and(|standing| tier.is_none_or(|tier| standing.tier == tier))
    }

    /// What it would cost the request to leave the place where its beginning is cached for this one.
    #[cold]
    pub(super) fn weigh_move(&self, deployment: &Deployment, member: Member, warm: Warm, seen: &mut Considered) {
        let Scene { fleet, state, .. } = self.scene;
        let input_tokens = self.terms.prompt_tokens(deployment);
        seen.moved = Move::of(state, deployment, member, input_tokens, self.decision.max_tokens, warm);
        if warm.deployment != deployment.identity {
            let tokens = warm.tokens.min(input_tokens);
            seen.load.move_s = (tokens as f64 * fleet.balance.prefill_us_per_token / 1e6) as f32;
        }
    }
}
