//! What a provider really admits: a token bucket per limit, which answers 429 and knows nothing of ours.

use junctor_core::spec::{Dimension, LimitSpec};
use junctor_core::units::Nanos;

use crate::fault::{Ailment, Fault};

/// What one attempt asks of a key.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// Prompt tokens that count.
    pub input: f64,
    /// Tokens of the answer, known in advance as only a simulation can.
    pub output: f64,
}

/// One limit of a key or of a pool of keys.
#[derive(Clone, Debug)]
pub struct Quota {
    /// What it counts.
    pub dimension: Dimension,
    /// Units per window.
    pub limit: f64,
    /// Seconds of the window.
    pub window_s: f64,
    /// Seconds of the limit that may pass at once.
    pub burst_s: f64,
    /// What cuts it or burns it, and when.
    pub faults: Vec<Ailment>,
    free: f64,
    filled_at: Nanos,
}

impl Quota {
    /// A full one.
    #[must_use]
    pub fn new(dimension: Dimension, limit: f64, window_s: f64, burst_s: f64) -> Self {
        let mut made =
            Self { dimension, limit, window_s, burst_s, faults: Vec::new(), free: 0.0, filled_at: Nanos::ZERO };
        made.free = made.capacity(limit);
        made
    }

    /// What a fleet file says of it, taken for the truth. `None` for money, which no provider counts this way.
    #[must_use]
    pub fn of(limit: &LimitSpec) -> Option<Self> {
        if limit.dimension == Dimension::UsdPerDay {
            return None;
        }
        let by_day = limit.calendar.is_some() || matches!(limit.dimension, Dimension::Rpd | Dimension::Tpd);
        let (window_s, burst_s) = if by_day { (86_400.0, 86_400.0) } else { (limit.window_s, limit.burst_s) };
        Some(Self::new(limit.dimension, limit.limit as f64, window_s, burst_s))
    }

    /// The same, so many times larger, and full.
    #[must_use]
    pub fn scaled(&self, times: f64) -> Self {
        let limit = (self.limit * times).round().max(1.0);
        Self { faults: self.faults.clone(), ..Self::new(self.dimension, limit, self.window_s, self.burst_s) }
    }

    /// Whether `want` fits now.
    pub fn has_room(&mut self, want: Want, now: Nanos) -> bool {
        self.fill(now);
        let units = self.units(want);
        // As with real keys, one that is larger than the burst passes when nothing else has.
        units <= self.free || (units <= self.limit && self.free >= self.capacity(self.limit_at(now)))
    }

    /// Takes it.
    pub fn take(&mut self, want: Want) {
        self.free -= self.units(want);
    }

    /// Gives back what only lasts as long as the attempt.
    pub fn release(&mut self) {
        if self.dimension == Dimension::Concurrency {
            self.free += 1.0;
        }
    }

    /// What a header says is left, and the limit it names.
    #[must_use]
    pub fn told(&self) -> (u64, u64) {
        (self.limit as u64, self.free.max(0.0) as u64)
    }

    fn limit_at(&self, now: Nanos) -> f64 {
        let cut = |ailment: &Ailment| match ailment.fault {
            Fault::Quota(left) if ailment.hits(now) => left,
            _ => 1.0,
        };
        self.limit * self.faults.iter().map(cut).product::<f64>()
    }

    fn burnt_per_s(&self, now: Nanos) -> f64 {
        let burns = |ailment: &Ailment| match ailment.fault {
            Fault::Burns(per_minute) if ailment.hits(now) => per_minute / 60.0,
            _ => 0.0,
        };
        self.faults.iter().map(burns).sum()
    }

    fn capacity(&self, limit: f64) -> f64 {
        match self.dimension {
            Dimension::Concurrency => limit,
            _ => (limit * self.burst_s / self.window_s).min(limit).max(1.0),
        }
    }

    fn fill(&mut self, now: Nanos) {
        if self.dimension == Dimension::Concurrency {
            return;
        }
        let (limit, passed_s) = (self.limit_at(now), now.since(self.filled_at).as_secs_f64());
        self.filled_at = now;
        let filled = self.free + passed_s * (limit / self.window_s - self.burnt_per_s(now));
        // Others can take what is there, not what is not: their calls are refused as ours are.
        self.free = filled.max(self.free.min(0.0)).min(self.capacity(limit));
    }

    const fn units(&self, want: Want) -> f64 {
        match self.dimension {
            Dimension::Rpm | Dimension::Rpd | Dimension::Concurrency => 1.0,
            Dimension::Tpm | Dimension::Tpd => want.input + want.output,
            Dimension::InputTpm => want.input,
            Dimension::OutputTpm => want.output,
            Dimension::UsdPerDay => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Want = Want { input: 50.0, output: 50.0 };

    fn admitted(quota: &mut Quota, from: u64, to: u64) -> usize {
        let tries = (from * 100..to * 100).map(|at| Nanos::from_millis(at * 10));
        let mut admits = |now| {
            let room = quota.has_room(ONE, now);
            if room {
                quota.take(ONE);
            }
            room
        };
        tries.filter(|now| admits(*now)).count()
    }

    #[test]
    fn a_bucket_admits_its_burst_and_then_its_rate() {
        let mut quota = Quota::new(Dimension::Tpm, 6_000.0, 60.0, 10.0);
        assert_eq!(admitted(&mut quota, 0, 1), 10, "1,000 units at once");
        assert_eq!(admitted(&mut quota, 1, 61), 60, "then 100 a second");
    }

    #[test]
    fn a_cut_quota_and_a_burnt_one_admit_less() {
        let ailing = |fault| {
            let mut quota = Quota::new(Dimension::Tpm, 6_000.0, 60.0, 10.0);
            quota.faults.push(Ailment { from_s: 0.0, to_s: 1e9, round: None, fault });
            admitted(&mut quota, 0, 60);
            admitted(&mut quota, 60, 120)
        };
        assert_eq!(
            (ailing(Fault::Quota(0.2)), ailing(Fault::Burns(4_500.0)), ailing(Fault::Burns(9_000.0))),
            (12, 15, 0)
        );
    }

    #[test]
    fn what_runs_at_once_comes_back() {
        let mut quota = Quota::new(Dimension::Concurrency, 2.0, 60.0, 10.0);
        quota.take(ONE);
        quota.take(ONE);
        assert!(!quota.has_room(ONE, Nanos::from_secs(9)));
        quota.release();
        assert!(quota.has_room(ONE, Nanos::from_secs(9)));
    }
}
