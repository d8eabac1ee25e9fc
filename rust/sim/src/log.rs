//! The log of decisions as one number: equal if and only if every decision and all that it saw were equal, in order.
//!
//! The bits of what was looked at are folded in, not a text of them: an hour of traffic has a hundred thousand decisions,
//! and writing them out would take longer than making them.

use junctor_core::decision::{Decision, Why};
use junctor_core::draw::{identity, mix};
use junctor_core::fleet::Fleet;

/// The hash so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecisionLog(u64);

impl DecisionLog {
    /// One word more.
    pub fn word(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(7) ^ word);
    }

    /// A decision, or why there was none.
    pub fn decision(&mut self, fleet: &Fleet, decision: &Decision, why: Option<&Why>) {
        let name = |index: Option<u32>| index.and_then(|at| fleet.deployment(at)).map_or(0, |d| d.identity);
        let flags = u64::from(decision.last_resort) | u64::from(decision.hedge) << 1;
        for word in [decision.at.0, decision.seed, name(decision.deployment), decision.estimate.cost, flags] {
            self.word(word);
        }
        let place = |index: Option<u32>| index.map_or(u64::MAX, u64::from);
        [decision.rule, decision.asked_group, decision.group].into_iter().for_each(|index| self.word(place(index)));
        for seen in decision.log.considered() {
            self.word(name(Some(seen.deployment)));
            let refused =
                seen.refusal.map_or(0, |refusal| identity(&[refusal.word()]) ^ refusal.until().map_or(0, |at| at.0));
            self.word(refused);
            let load = &seen.load;
            let floats = [load.share, load.weight, load.latency, load.success, load.age_s];
            floats.into_iter().for_each(|float| self.word(u64::from(float.to_bits())));
            self.word(u64::from(load.in_flight) << 32 ^ u64::from(seen.tier as u32));
        }
        self.word(match why {
            None => 0,
            Some(Why::NoCapacity { until }) => until.0,
            Some(other) => identity(&[&format!("{other:?}")]),
        });
    }

    /// The number.
    #[must_use]
    pub const fn hash(self) -> u64 {
        self.0
    }
}
