//! Who decides: junctor's core, or one of the simple rules that it is compared with.
//!
//! The simple ones choose among the deployments that the asked group would allow for the call (what may not take it by
//! law or ability is left out for them too, so the comparison is about choosing), send at once, and try again elsewhere
//! up to the same number of attempts after the same short delay. They hold no limits, open no breaker, have no retry
//! budget, never wait for capacity and never hedge.

use junctor_core::draw::Draw;
use serde::{Deserialize, Serialize};

/// Who decides where a call goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The real core.
    #[default]
    Junctor,
    /// By weight, at random.
    Random,
    /// One after the other.
    RoundRobin,
    /// Fewest attempts in flight per weight; the first of equals.
    LeastInFlight,
    /// Shortest average time to first content; whoever was never tried comes first.
    LatencyOnly,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Junctor, Self::Random, Self::RoundRobin, Self::LeastInFlight, Self::LatencyOnly];
}

/// What a simple policy knows of one provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Attempts in flight.
    pub in_flight: u32,
    /// Average seconds to first content; 0 before the first.
    pub latency_s: f64,
}

/// Weight of a new sample in the average of latencies.
const NEW: f64 = 0.1;

/// What the simple policies remember.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// By provider.
    pub seen: Vec<Seen>,
    turn: usize,
}

impl Memory {
    /// One that knows nothing of so many providers.
    #[must_use]
    pub fn of(providers: usize) -> Self {
        Self { seen: vec![Seen::default(); providers], turn: 0 }
    }

    /// Notes a time to first content.
    pub fn learn(&mut self, provider: usize, first_s: f64) {
        let seen = &mut self.seen[provider];
        seen.latency_s =
            if seen.latency_s == 0.0 { first_s } else { seen.latency_s + NEW * (first_s - seen.latency_s) };
    }

    /// One of `candidates` (provider and weight), which are not empty.
    pub fn pick(&mut self, policy: Policy, candidates: &[(usize, f64)], draw: &mut Draw) -> Option<usize> {
        let least = |of: &dyn Fn(&(usize, f64)) -> f64| {
            candidates.iter().min_by(|a, b| of(a).total_cmp(&of(b))).map(|found| found.0)
        };
        match policy {
            Policy::RoundRobin => {
                self.turn = self.turn.wrapping_add(1);
                candidates.get(self.turn % candidates.len().max(1)).map(|found| found.0)
            }
            Policy::LeastInFlight => least(&|(at, weight)| f64::from(self.seen[*at].in_flight + 1) / weight),
            Policy::LatencyOnly => least(&|(at, _)| self.seen[*at].latency_s),
            Policy::Random | Policy::Junctor => {
                let mut left = draw.unit() * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
                let hit = candidates.iter().find(|(_, weight)| {
                    left -= weight;
                    left < 0.0
                });
                hit.or(candidates.last()).map(|found| found.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: [(usize, f64); 2] = [(0, 1.0), (1, 3.0)];

    fn memory() -> Memory {
        Memory { seen: vec![Seen::default(); 2], turn: 0 }
    }

    #[test]
    fn each_policy_chooses_by_what_it_is_called() {
        let mut draw = Draw::new(1);
        let mut memory = memory();
        let turns: Vec<_> = (0..4).map(|_| memory.pick(Policy::RoundRobin, &TWO, &mut draw)).collect();
        assert_eq!(turns, [Some(1), Some(0), Some(1), Some(0)]);
        memory.seen[1].in_flight = 2;
        assert_eq!(memory.pick(Policy::LeastInFlight, &TWO, &mut draw), Some(0), "3/3 is no less than 1/1");
        memory.seen[0].in_flight = 1;
        assert_eq!(memory.pick(Policy::LeastInFlight, &TWO, &mut draw), Some(1));
        memory.learn(0, 0.2);
        assert_eq!(memory.pick(Policy::LatencyOnly, &TWO, &mut draw), Some(1), "never tried");
        memory.learn(1, 0.9);
        assert_eq!(memory.pick(Policy::LatencyOnly, &TWO, &mut draw), Some(0));
        assert_eq!(memory.pick(Policy::Random, &[], &mut draw), None);
    }

    #[test]
    fn random_follows_the_weights() {
        let (mut draw, mut memory) = (Draw::new(1), memory());
        let second = (0..10_000).filter(|_| memory.pick(Policy::Random, &TWO, &mut draw) == Some(1)).count();
        assert!((7_300..7_700).contains(&second), "{second}");
    }
}
