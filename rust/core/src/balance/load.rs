//! Load: how busy, slow and unreliable a candidate looks, as one number. Less is better.

use super::averages::Reference;
use super::record::DeploymentRecord;
use crate::fleet::Deployment;
use crate::spec::BalanceSpec;
use crate::units::Nanos;

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
    /// Configured weight × `share`.
    pub weight: f32,
    /// Expected time to first content, natural logarithm of seconds.
    pub latency: f32,
    /// Success rate.
    pub success: f32,
    /// Age of the oldest unanswered attempt in seconds.
    pub age_s: f32,
}

impl Load {
    /// Reads the load of a deployment now.
    #[must_use]
    #[inline]
    pub fn of(
        deployment: &Deployment,
        record: DeploymentRecord<'_>,
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
            weight: deployment.weight as f32 * share,
            latency,
            success: record.success().rate(now),
            age_s: age.as_secs_f64() as f32,
        }
    }

    /// SPEC A1: `(n + 1)/W · e^(γℓ) · A / max(r, 0.1)³`.
    ///
    /// Whatever is not a usable number is replaced by what nothing being known would say: a broken input may cost
    /// precision, never the pick.
    #[must_use]
    #[inline]
    pub fn score(&self, constants: &BalanceSpec) -> f64 {
        let weight = f64::from(if self.weight.is_normal() { self.weight.max(LEAST_WEIGHT) } else { LEAST_WEIGHT });
        let latency = f64::from(if self.latency.is_finite() { self.latency } else { 0.0 });
        let success = f64::from(if self.success.is_finite() { self.success.max(LEAST_SUCCESS) } else { 1.0 });
        let age =
            constants.age_factor.map_or(1.0, |factor| (f64::from(self.age_s) / (factor * latency.exp())).max(1.0));
        (f64::from(self.in_flight) + 1.0) / weight * (constants.gamma * latency).exp() * age
            / (success * success * success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Load = Load { in_flight: 0, share: 1.0, weight: 1.0, latency: 0.0, success: 1.0, age_s: 0.0 };

    fn score(load: Load) -> f64 {
        load.score(&BalanceSpec::default())
    }

    #[test]
    fn an_idle_candidate_scores_by_the_formula() {
        assert_eq!(score(IDLE), 1.0);
        assert_eq!(score(Load { in_flight: 3, weight: 2.0, ..IDLE }), 2.0);
        assert!((score(Load { latency: 2.0, ..IDLE }) - 1.0_f64.exp()).abs() < 1e-9);
        assert!((score(Load { success: 0.5, ..IDLE }) - 8.0).abs() < 1e-9);
        assert!((score(Load { age_s: 8.0, ..IDLE }) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn worse_is_never_better() {
        let worse = [
            Load { in_flight: 1, ..IDLE },
            Load { weight: 0.5, ..IDLE },
            Load { latency: 0.1, ..IDLE },
            Load { success: 0.99, ..IDLE },
            Load { age_s: 4.1, ..IDLE },
        ];
        assert!(worse.into_iter().all(|load| score(load) > score(IDLE)));
    }

    #[test]
    fn broken_inputs_leave_a_usable_score() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0] {
            for load in [
                Load { weight: value, ..IDLE },
                Load { latency: value, ..IDLE },
                Load { success: value, ..IDLE },
                Load { age_s: value, ..IDLE },
            ] {
                assert!(score(load) > 0.0, "{load:?}");
            }
        }
    }
}
