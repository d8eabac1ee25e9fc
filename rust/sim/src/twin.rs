//! A naive twin of each limit: counts what was granted, and knows what may not be exceeded.
//!
//! Paced limits are a leaking sum: it leaks at `limit / window`, and a grant may not lift it above the burst. That is
//! the same as counting every span of time, wherever it begins, against `limit · t / window + burst`, and costs one
//! subtraction. A day is a plain sum per local day, a fixed window the sum of what was granted in the last window,
//! concurrency a count. Floats, one unit of tolerance, no rounding tricks: nothing is shared with the core's arithmetic.

use std::collections::VecDeque;

use junctor_core::spec::{Dimension, LimitSpec};
use junctor_core::units::Nanos;

/// Debt beyond so many windows is forgotten, as the core's documentation says.
const DEBT_WINDOWS: f64 = 16.0;

/// The twin of one limit.
#[derive(Clone, Debug)]
pub struct Twin {
    limit: f64,
    count: Count,
}

#[derive(Clone, Debug)]
enum Count {
    Paced { window_s: f64, burst: f64, sum: f64, at: Nanos },
    Fixed { window: Nanos, burst: f64, grants: VecDeque<(Nanos, usize, f64)> },
    Daily { epoch_s: i64, zone: Vec<(i64, i32)>, day: i64, sum: f64 },
    Running(f64),
}

impl Twin {
    /// The twin of a limit. `wall_epoch_s` is the wall clock's time at the router's zero.
    #[must_use]
    pub fn of(spec: &LimitSpec, wall_epoch_s: i64) -> Self {
        let limit = spec.limit as f64;
        let burst = |burst_s: f64| (limit * burst_s / spec.window_s).clamp(1.0, limit.max(1.0));
        let count = if spec.dimension == Dimension::Concurrency {
            Count::Running(0.0)
        } else if let Some(zone) = &spec.calendar {
            Count::Daily { epoch_s: wall_epoch_s, zone: zone.clone(), day: i64::MIN, sum: 0.0 }
        } else if spec.fixed_window {
            let window = Nanos::from_secs_f64(spec.window_s);
            Count::Fixed { window, burst: burst(1.0), grants: VecDeque::new() }
        } else {
            let (window_s, burst) = (spec.window_s, burst(spec.burst_s));
            Count::Paced { window_s, burst, sum: 0.0, at: Nanos::ZERO }
        };
        Self { limit, count }
    }

    /// An attempt was granted so many units. Answers by how much that is too much, if it is.
    pub fn grant(&mut self, attempt: usize, units: u64, now: Nanos) -> Option<f64> {
        let (units, limit) = (units as f64, self.limit);
        let (before, most) = match &mut self.count {
            Count::Paced { window_s, burst, sum, at } => {
                leak(sum, at, limit / *window_s, now);
                let before = *sum;
                *sum += units;
                (before, burst.max(if units > *burst { units } else { 0.0 }))
            }
            Count::Fixed { window, burst, grants } => {
                while grants.front().is_some_and(|(at, ..)| *at + *window <= now) {
                    grants.pop_front();
                }
                let before: f64 = grants.iter().map(|(.., units)| units).sum();
                grants.push_back((now, attempt, units));
                let large = grants.iter().map(|(.., units)| units - *burst).fold(0.0, f64::max);
                (before, limit + large)
            }
            Count::Daily { epoch_s, zone, day, sum } => {
                let today = local_day(*epoch_s, zone, now);
                if today > *day {
                    (*day, *sum) = (today, 0.0);
                }
                let before = *sum;
                *sum += units;
                (before, limit)
            }
            Count::Running(sum) => {
                let before = *sum;
                *sum += units;
                (before, limit)
            }
        };
        let over = before + units - most;
        (over > 1.0 + limit * 1e-9).then_some(over)
    }

    /// The attempt is over: of `held` units `charged` are what it was in the end.
    pub fn settle(&mut self, attempt: usize, held: u64, charged: u64, granted_at: Nanos, now: Nanos) {
        let (held, charged, limit) = (held as f64, charged as f64, self.limit);
        match &mut self.count {
            Count::Paced { window_s, sum, at, .. } => {
                leak(sum, at, limit / *window_s, now);
                *sum = (*sum + charged - held).clamp(0.0, DEBT_WINDOWS * limit);
            }
            // What an answer used beyond its grant is debt, which no limit can prevent: only grants are counted.
            Count::Fixed { grants, .. } => {
                if let Some(grant) = grants.iter_mut().rev().find(|(_, of, _)| *of == attempt) {
                    grant.2 = charged.min(held);
                }
            }
            Count::Daily { epoch_s, zone, day, sum } => {
                if local_day(*epoch_s, zone, granted_at) == *day {
                    *sum = (*sum + charged.min(held) - held).max(0.0);
                }
            }
            Count::Running(sum) => *sum -= held,
        }
    }

    /// A header said that so much is left. Where that is more than we count, the core may come nearer by a twentieth of the
    /// limit, and the provider's own count is what the limit is about. How often it must be said is the core's affair, so
    /// a limit with headers is counted with leniency and one without to the unit.
    pub fn told(&mut self, remaining: u64, now: Nanos) {
        let (remaining, limit) = (remaining as f64, self.limit);
        match &mut self.count {
            Count::Paced { window_s, burst, sum, at } => {
                leak(sum, at, limit / *window_s, now);
                if remaining > *burst - *sum {
                    *sum = (*sum - limit / 20.0).max(0.0);
                }
            }
            Count::Daily { sum, .. } => {
                if remaining > limit - *sum {
                    *sum = (*sum - limit / 20.0).max(0.0);
                }
            }
            Count::Fixed { grants, .. } => grants.clear(),
            Count::Running(_) => {}
        }
    }

    /// What runs now, for a limit of what runs at once.
    #[must_use]
    pub const fn running(&self) -> Option<f64> {
        match self.count {
            Count::Running(sum) => Some(sum),
            _ => None,
        }
    }
}

fn leak(sum: &mut f64, at: &mut Nanos, per_s: f64, now: Nanos) {
    *sum = (*sum - now.since(*at).as_secs_f64() * per_s).max(0.0);
    *at = now;
}

fn local_day(epoch_s: i64, zone: &[(i64, i32)], now: Nanos) -> i64 {
    let wall = epoch_s + (now.0 / 1_000_000_000) as i64;
    let offset = zone.iter().rev().find(|(from, _)| *from <= wall).or(zone.first()).map_or(0, |(_, offset)| *offset);
    (wall + i64::from(offset)).div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin(spec: serde_json::Value) -> Twin {
        Twin::of(&serde_json::from_value(spec).unwrap(), 0)
    }

    fn at(secs: f64) -> Nanos {
        Nanos::from_secs_f64(secs)
    }

    #[test]
    fn a_paced_limit_allows_its_burst_and_its_rate_and_not_two_units_more() {
        let fresh = || twin(serde_json::json!({"dimension": "tpm", "limit": 6_000}));
        let mut twin = fresh();
        assert_eq!(twin.grant(0, 1_000, at(0.0)), None);
        assert_eq!(twin.grant(1, 100, at(1.0)), None);
        assert!(twin.grant(2, 102, at(2.0)).is_some());
        let mut large = fresh();
        assert_eq!(large.grant(0, 5_000, at(0.0)), None, "larger than the burst, but first");
        assert!(large.grant(1, 10, at(39.0)).is_some());
        let mut settled = fresh();
        settled.grant(0, 1_000, at(0.0));
        settled.settle(0, 1_000, 200, at(0.0), at(0.0));
        assert_eq!(settled.grant(1, 800, at(0.0)), None, "what was given back may be taken again");
        settled.settle(1, 800, 2_000, at(0.0), at(0.0));
        assert!(settled.grant(2, 10, at(9.0)).is_some(), "debt counts");
    }

    #[test]
    fn a_fixed_window_a_day_and_a_number_at_once_are_counted_their_way() {
        let mut fixed = twin(serde_json::json!({"dimension": "rpm", "limit": 60, "fixed_window": true}));
        assert!((0..60).all(|second| fixed.grant(second, 1, at(second as f64)).is_none()));
        assert_eq!([60, 61].map(|id| fixed.grant(id, 1, at(59.9)).is_some()), [false, true], "one unit is forgiven");
        let mut day = twin(serde_json::json!({"dimension": "rpd", "limit": 2, "calendar": [[0, 3_600]]}));
        assert!(day.grant(0, 2, at(82_000.0)).is_none() && day.grant(1, 2, at(83_000.0)).is_none());
        assert!(day.grant(2, 2, at(84_000.0)).is_some());
        let mut running = twin(serde_json::json!({"dimension": "concurrency", "limit": 2}));
        assert!(running.grant(0, 1, at(0.0)).is_none() && running.grant(1, 1, at(0.0)).is_none());
        running.settle(0, 1, 1, at(0.0), at(1.0));
        assert_eq!(running.running(), Some(1.0));
        assert!(running.grant(2, 1, at(2.0)).is_none() && running.grant(3, 2, at(2.0)).is_some());
    }
}
