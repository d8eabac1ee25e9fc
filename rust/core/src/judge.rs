//! Stage 3, score, for one walk: how well does a candidate meet its group's objective?
//!
//! The scorer is asked at most once per walk, and only when an objective looks at quality: whoever does not use it does
//! not pay for it. What it says of a request holds for all groups that the walk visits.

use std::cell::{Cell, OnceCell};

use crate::decision::Considered;
use crate::fleet::{Group, Member};
use crate::gate::Terms;
use crate::learned::{Prediction, Source};
use crate::score;
use crate::spec::ObjectiveWeights;
use crate::walk::Scene;

/// Whether a deployment is weaker than the request's session has reached, in a group where that matters. Compared is the
/// configured quality, which does not change with the prompt.
pub fn is_weaker(scene: Scene<'_>, group: &Group, index: u32) -> bool {
    let Some(reached) = scene.request.reached.filter(|_| group.one_way) else { return false };
    scene.fleet.deployment(index).is_some_and(|deployment| deployment.quality < reached)
}

/// What one walk has found out about quality so far.
#[derive(Debug, Default)]
pub struct Judge {
    told: OnceCell<Option<Prediction>>,
    /// The quality that is enough in the group that was asked last, by the group's record.
    least: Cell<Option<(u32, f32)>>,
}

impl Judge {
    /// Gives a candidate its tier, and the quality that it rests on if the objective looks at one.
    pub fn judge(
        &self,
        scene: Scene<'_>,
        terms: &Terms<'_>,
        weights: &ObjectiveWeights,
        group: &Group,
        seen: &mut Considered,
    ) {
        if weights.quality != 0.0 || group.standard.is_some() {
            (seen.quality, seen.source) = self.quality(scene, seen.deployment);
        }
        let tier = match seen.source {
            Source::Predicted | Source::Words | Source::Like => score::fine_tier,
            Source::Configured | Source::Abstained => score::tier,
        };
        let cost = seen.cost.saturating_add_signed(seen.moved.cached);
        seen.tier = tier(weights, seen.quality, cost, seen.load.awaited());
        if group.standard.is_some() {
            seen.tier = score::tier_of_enough(self.least(scene, terms, group), seen.quality, seen.tier);
        }
        if is_weaker(scene, group, seen.deployment) {
            seen.tier = score::tier_of_weaker(seen.tier);
        }
    }

    /// How good a deployment's answer is expected to be, and who says so.
    fn quality(&self, scene: Scene<'_>, index: u32) -> (f32, Source) {
        let Scene { fleet, request, .. } = scene;
        let configured = fleet.deployment(index).map_or(0.0, |deployment| deployment.quality);
        let Some(learned) = &fleet.learned else { return (configured, Source::Configured) };
        let asked = || learned.scorer().tell(request.text, request.outline, request.embedding);
        match self.told.get_or_init(asked) {
            Some(told) => learned.quality(told, index, configured),
            None => (configured, Source::Configured),
        }
    }

    /// The quality that is enough in a group: measured by those of its members that the law lets take the request, also
    /// by those that are not free just now, so that an outage of the best does not lower the standard.
    fn least(&self, scene: Scene<'_>, terms: &Terms<'_>, group: &Group) -> f32 {
        let Some(standard) = group.standard.as_deref() else { return 0.0 };
        if let Some((_, least)) = self.least.get().filter(|(slot, _)| *slot == group.slot) {
            return least;
        }
        let lawful = |member: &Member| {
            let lets = terms.refuse(scene.fleet.deployment(member.deployment)?).is_none();
            lets.then(|| self.quality(scene, member.deployment).0)
        };
        let qualities = group.members.iter().filter_map(lawful);
        let (best, worst) =
            qualities.fold((0.0, 1.0), |(best, worst), quality| (quality.max(best), quality.min(worst)));
        let least = standard.least(best, worst);
        self.least.set(Some((group.slot, least)));
        least
    }
}
