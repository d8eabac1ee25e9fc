//! Time and money as integers.
//!
//! Floats are for scores and averages; whatever is held, charged or compared with a deadline is an integer, so that
//! ten thousand small additions lose nothing and a decision can be replayed bit for bit.

use std::ops::{Add, Sub};

/// Nanoseconds on the router's monotonic clock, counted from its epoch.
///
/// Both an instant ("now") and a span (a window, a delay): the operations saturate, so neither can wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The epoch itself, or no time at all.
    pub const ZERO: Self = Self(0);
    /// Later than anything that can happen (584 years).
    pub const MAX: Self = Self(u64::MAX);

    /// Whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Seconds with a fraction. Negative and NaN become zero, what is too large the maximum.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e9) as u64)
    }

    /// Seconds with a fraction, for averages and messages.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, span: Self) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// Millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsdMicros(pub u64);

/// A 32-bit tick of 16 ms, small enough to share one word with other state.
///
/// It wraps after 2.18 years; comparisons are by wrapping distance, so two ticks less than 1.09 years apart always
/// compare rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick(pub u32);

impl Tick {
    /// Length of a tick.
    pub const SPAN: Nanos = Nanos::from_millis(16);

    /// The tick that contains `now`.
    #[must_use]
    pub const fn at(now: Nanos) -> Self {
        Self((now.0 / Self::SPAN.0) as u32)
    }

    /// The first tick that starts at or after `instant`: an "until" rounded this way is never early.
    #[must_use]
    pub const fn not_before(instant: Nanos) -> Self {
        Self(instant.0.div_ceil(Self::SPAN.0) as u32)
    }

    /// Ticks from `earlier` to `self`, negative if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// The span from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn span_since(self, earlier: Self) -> Nanos {
        let ticks = self.since(earlier);
        if ticks <= 0 { Nanos::ZERO } else { Nanos((ticks as u64).saturating_mul(Self::SPAN.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_at_both_ends() {
        assert_eq!(Nanos(5) - Nanos(9), Nanos::ZERO);
        assert_eq!(Nanos::MAX + Nanos(1), Nanos::MAX);
        assert_eq!(Nanos::from_secs_f64(-1.0), Nanos::ZERO);
        assert_eq!(Nanos::from_secs_f64(f64::NAN), Nanos::ZERO);
        assert_eq!(Nanos::from_secs_f64(f64::INFINITY), Nanos::MAX);
    }

    #[test]
    fn ticks_compare_across_the_wrap() {
        let before = Tick(u32::MAX);
        let after = Tick(3);
        assert_eq!(after.since(before), 4);
        assert_eq!(before.since(after), -4);
        assert_eq!(after.span_since(before), Nanos::from_millis(64));
        assert_eq!(before.span_since(after), Nanos::ZERO);
    }

    #[test]
    fn an_until_is_never_early() {
        let instant = Nanos::from_millis(17);
        assert_eq!(Tick::at(instant), Tick(1));
        assert_eq!(Tick::not_before(instant), Tick(2));
        assert_eq!(Tick::not_before(Nanos::from_millis(32)), Tick(2));
    }
}
