//! Load: how busy, slow and unreliable a candidate looks, as one number. Less is better.

use super::averages::Reference;
use super::record::DeploymentRecord;
use crate::fleet::Deployment;
use crate::spec::BalanceSpec;
use crate::units::Nanos;

/// How sharply two loads are told apart; see [`Load::prefers`].
const SHARPNESS: i32 = 8;
/// Success rates below this count as this: the score stays finite, and a failing deployment stays reachable.
const LEAST_SUCCESS: f32 = 0.1;
/// A weight that is not positive counts as this.
const LEAST_WEIGHT: f32 = 1e-6;

/// What a pick sees of one candidate. Kept in receipts, so that the pick can be made again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Attempts in flight.
    pub in_flight: u32,
    /// Share of the configured weight in force: learned capacity × slow start.
    pub share: f32,
    /// Weight in force relative to the group's mean: 1 is an average member.
    pub weight: f32,
    /// Expected time to first content, natural logarithm of seconds.
    pub latency: f32,
    /// Success rate.
    pub success: f32,
    /// Age of the oldest unanswered attempt in seconds.
    pub age_s: f32,
    /// Seconds that this request would wait longer for its first content here than where its beginning is cached.
    pub move_s: f32,
}

impl Load {
    /// Reads the load of a deployment now.
    #[must_use]
    #[inline]
    pub fn of(
        deployment: &Deployment,
        record: DeploymentRecord<'_>,
        mean_weight: f32,
        median: Option<f32>,
        constants: &BalanceSpec,
        now: Nanos,
    ) -> Self {
        let prior = deployment.latency_prior;
        let latency = record.latency().expected(now, Reference { median: median.unwrap_or(prior), prior });
        let age = match constants.age_factor {
            Some(factor) if record.pending().any() => {
                record.pending().age(now, Nanos::from_secs_f64(factor * f64::from(latency.exp())))
            }
            _ => Nanos::ZERO,
        };
        let share = record.capacity().factor(now) as f32 * record.slow_start(now);
        Self {
            in_flight: u32::try_from(record.in_flight()).unwrap_or(u32::MAX),
            share,
            weight: deployment.weight as f32 / mean_weight * share,
            latency,
            success: record.success().rate(now),
            age_s: age.as_secs_f64() as f32,
            move_s: 0.0,
        }
    }

    /// Whether the second of two candidates is taken instead of the first, whose scores are these.
    ///
    /// Never if it is not better; surely if it is much better; in between with probability `1 − (second/first)⁸`.
    /// Taking the better one always, by however little, would starve the worst of a group: of two idle members the one
    /// with a trace of an old failure would get nothing. So it keeps nearly its share, and one that is twice as
    /// loaded a two hundredth of it.
    #[must_use]
    #[inline]
    pub fn prefers(first: f64, second: f64, chance: f64) -> bool {
        chance >= Self::keeps(first, second)
    }

    /// The probability of staying with the first of two candidates; above 1 if the second is the worse one.
    #[must_use]
    #[inline]
    pub fn keeps(first: f64, second: f64) -> f64 {
        (second / first).powi(SHARPNESS)
    }

    /// Expected time to the first content of this request, natural logarithm of seconds.
    #[must_use]
    #[inline]
    pub fn awaited(&self) -> f32 {
        if self.move_s > 0.0 { self.awaited_cold() } else { self.latency }
    }

    /// Apart, because hardly a request has anything cached elsewhere.
    #[cold]
    #[inline(never)]
    fn awaited_cold(&self) -> f32 {
        (self.latency.exp() + self.move_s).ln()
    }

    #[cold]
    #[inline(never)]
    fn slow_cold(&self, constants: &BalanceSpec) -> f64 {
        let awaited = self.awaited_cold();
        (constants.gamma * f64::from(if awaited.is_finite() { awaited } else { 0.0 })).exp()
    }

    /// Whether every part is a usable number.
    #[must_use]
    #[inline]
    pub fn is_sane(&self) -> bool {
        self.weight.is_normal() && self.weight > 0.0 && self.latency.is_finite() && self.success.is_finite()
    }

    /// `(n/W + 1) · e^(γℓ) · A / max(r, 0.1)³`: permits per weight, times what the averages say. A request whose beginning
    /// is cached elsewhere has its longer wait in ℓ, but not in A: how long others wait already is no affair of its.
    ///
    /// Idle members of any weight score alike, so that the draw alone gives them their shares.
    ///
    /// Whatever is not a usable number is replaced by what nothing being known would say: a broken input may cost
    /// precision, never the pick.
    #[must_use]
    #[inline]
    pub fn score(&self, constants: &BalanceSpec) -> f64 {
        let weight = f64::from(if self.weight.is_normal() { self.weight.max(LEAST_WEIGHT) } else { LEAST_WEIGHT });
        let latency = f64::from(if self.latency.is_finite() { self.latency } else { 0.0 });
        let success = f64::from(if self.success.is_finite() { self.success.max(LEAST_SUCCESS) } else { 1.0 });
        let slow = if self.move_s > 0.0 { self.slow_cold(constants) } else { (constants.gamma * latency).exp() };
        // Most candidates owe nobody an answer; for them the quotient is none or zero, and counts as one.
        let age = match constants.age_factor {
            Some(factor) if self.age_s > 0.0 => (f64::from(self.age_s) / (factor * latency.exp())).max(1.0),
            _ => 1.0,
        };
        (f64::from(self.in_flight) / weight + 1.0) * slow * age / (success * success * success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Load =
        Load { in_flight: 0, share: 1.0, weight: 1.0, latency: 0.0, success: 1.0, age_s: 0.0, move_s: 0.0 };

    fn score(load: Load) -> f64 {
        load.score(&BalanceSpec::default())
    }

    #[test]
    fn an_idle_candidate_scores_by_the_formula() {
        assert_eq!(score(IDLE), 1.0);
        assert_eq!(score(Load { in_flight: 3, weight: 2.0, ..IDLE }), 2.5);
        assert_eq!(score(Load { weight: 0.1, ..IDLE }), 1.0, "nobody idle is loaded");
        assert!((score(Load { latency: 2.0, ..IDLE }) - 1.0_f64.exp()).abs() < 1e-9);
        assert!((score(Load { success: 0.5, ..IDLE }) - 8.0).abs() < 1e-9);
        assert!((score(Load { age_s: 8.0, ..IDLE }) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn worse_is_never_better() {
        let worse = [
            Load { in_flight: 1, ..IDLE },
            Load { latency: 0.1, ..IDLE },
            Load { success: 0.99, ..IDLE },
            Load { age_s: 4.1, ..IDLE },
            Load { move_s: 0.1, ..IDLE },
        ];
        assert!(worse.into_iter().all(|load| score(load) > score(IDLE)));
        let busy = Load { in_flight: 2, ..IDLE };
        assert!(score(Load { weight: 0.5, ..busy }) > score(busy));
    }

    #[test]
    fn the_second_is_taken_by_how_much_better_it_is() {
        let never_better = [(1.0, 1.0), (1.0, 1.5), (f64::MAX, f64::MAX)];
        assert!(never_better.into_iter().all(|(first, second)| !Load::prefers(first, second, 0.999_999)));
        assert!(Load::prefers(1_000.0, 1.0, 1e-9));
        assert!(Load::prefers(2.0, 1.0, 0.004) && !Load::prefers(2.0, 1.0, 0.003));
    }

    #[test]
    fn broken_inputs_leave_a_usable_score() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0] {
            for load in [
                Load { weight: value, ..IDLE },
                Load { latency: value, ..IDLE },
                Load { success: value, ..IDLE },
                Load { age_s: value, ..IDLE },
                Load { move_s: value, ..IDLE },
            ] {
                assert!(score(load) > 0.0, "{load:?}");
            }
        }
    }
}
