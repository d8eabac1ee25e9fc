//! How long the breaker stays open: 30, 60, 120, 240, 300, 300 … seconds.
//!
//! **Problem.** A dead deployment should be asked ever less often; one that comes back for a moment and dies again must
//! not count as recovered; one that has been well for an hour should start small again.
//!
//! **Choice.** An exponent in the breaker's word. It rises with each failed probe, and with each trip that follows less
//! than a minute of health; it falls by one per minute of health (Envoy's decay). No jitter: the probe is one call, so
//! there is no crowd to spread, and the times stay testable.
//!
//! **Rejected.** Resetting at the first success, which lets an endpoint that flaps every 40 s begin at 30 s each time.
//!
//! **Cost.** Nothing beyond the word.

use crate::units::Nanos;

/// First open time.
const BASE: Nanos = Nanos::from_secs(30);
/// Longest open time by backing off: five minutes is how late a recovery may be noticed.
pub const LONGEST: Nanos = Nanos::from_secs(300);
/// 30 s · 2^4 is above the longest, so the exponent stops here.
pub const MAX_EXPONENT: u32 = 4;
/// Health that takes back one doubling, and below which a trip counts as flapping.
pub const FORGIVE: Nanos = Nanos::from_secs(60);
/// How long a refused key (401, 403, 404 model) stays out: nobody mends it in less, and each probe is an alert.
pub const CONFIG_OPEN: Nanos = Nanos::from_secs(300);
/// The longest lease of a probe. A longer one would delay its replacement when its process was killed.
pub const MAX_LEASE: Nanos = Nanos::from_secs(60);
/// Between two probes that the last resort forces on one deployment.
pub const BETWEEN_FORCED: Nanos = Nanos::from_secs(1);
/// The longest open time of all: a hint's hour, and some ticks of rounding.
pub const LONGEST_OPEN: Nanos = Nanos::from_secs(3_601);

const _: () = assert!(BASE.0 << MAX_EXPONENT >= LONGEST.0 && BASE.0 << (MAX_EXPONENT - 1) < LONGEST.0);
const _: () = assert!(LONGEST_OPEN.0 > crate::limit::hold::MAX_HINT.0 && LONGEST_OPEN.0 > CONFIG_OPEN.0);

/// The open time that `exponent` stands for.
#[must_use]
pub fn open_time(exponent: u32) -> Nanos {
    Nanos(BASE.0 << exponent.min(MAX_EXPONENT)).min(LONGEST)
}

/// The exponent after one more failure.
#[must_use]
pub fn raised(exponent: u32) -> u32 {
    (exponent + 1).min(MAX_EXPONENT)
}

/// The exponent of a trip after `healthy` time closed.
#[must_use]
pub fn at_trip(exponent: u32, healthy: Nanos) -> u32 {
    if healthy < FORGIVE {
        return raised(exponent);
    }
    exponent.saturating_sub(u32::try_from(healthy.0 / FORGIVE.0).unwrap_or(u32::MAX))
}

/// Whether a probe may be forced `now` if the last one was at `last` (0: never).
#[must_use]
pub fn may_force(last: u64, now: Nanos) -> bool {
    last == 0 || now.since(Nanos(last)) >= BETWEEN_FORCED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_times_double_up_to_five_minutes() {
        let secs: Vec<u64> = (0..16).map(|exponent| open_time(exponent).0 / 1_000_000_000).collect();
        assert_eq!(secs[..6], [30, 60, 120, 240, 300, 300]);
        assert_eq!(secs[15], 300);
    }

    #[test]
    fn one_doubling_is_forgotten_per_minute_of_health() {
        let s = Nanos::from_secs;
        // (exponent, closed for, exponent of the trip)
        let table = [
            (0, s(0), 1),
            (2, s(59), 3),
            (4, s(1), 4),
            (3, s(60), 2),
            (3, s(119), 2),
            (3, s(120), 1),
            (3, s(3_600), 0),
            (0, s(60), 0),
            (4, Nanos::MAX, 0),
        ];
        for (exponent, healthy, want) in table {
            assert_eq!(at_trip(exponent, healthy), want, "{exponent} after {healthy:?}");
        }
    }
}
