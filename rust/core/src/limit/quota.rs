//! What a key is allowed, compiled from the numbers in the config.
//!
//! **Problem.** The config says "30,000 tokens a minute"; a bucket needs ticks, remainders and a burst, and must not
//! work them out again for every request.
//!
//! **Choice.** An immutable [`Quota`], checked and compiled once per fleet, of one of four kinds that follow how
//! providers count: paced (continuous refill), fixed window (a counter per wall minute), calendar (per local day) and
//! concurrency. A bucket holds a reference to it, so a reload swaps the rule and keeps the level.
//!
//! **Rejected.** A trait object per kind: an indirect call and an allocation where a `match` of four does. One kind
//! with many options: then "burst of a calendar quota" means something.
//!
//! **Cost.** Some 120 bytes per quota; nothing on the way of a request, which reads a copy of its plain part.

use super::calendar::{self, Calendar};
use super::gcra::{Pace, Plain};
use super::grant::Terms;
use crate::gauge;
use crate::units::Nanos;

/// The largest limit: every integer up to here is exact in the JSON that configs and headers come in.
pub const MAX_LIMIT: u64 = 1 << 53;

/// Default burst, as a span of the rate. Providers refuse short bursts well under a minute's limit (OpenAI looks at
/// seconds, Azure at 1 or 10 s); ten seconds smooths over our own arrival jitter without waking that.
pub const BURST_SPAN: Nanos = Nanos::from_secs(10);

/// Burst of a fixed window: every second of burst is a second less of emission in the same window.
pub const FIXED_BURST_SPAN: Nanos = Nanos::from_secs(1);

/// What a leased limit may have in the hands of hosts and in its bucket together, as a span of the rate: a term of two
/// seconds, and the second between two reports.
pub const LEASED_SPAN: Nanos = Nanos::from_secs(3);

/// The longest window: a leap year. Also keeps `window · 16` far from overflow.
const MAX_WINDOW: Nanos = Nanos::from_secs(366 * 86_400);

/// Why a quota cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// The limit is 0.
    #[error("limit 0: a quota admits at least 1; to drain a deployment set its weight to 0")]
    ZeroLimit,
    /// The limit cannot be counted exactly.
    #[error("limit {0} is above {1}")]
    LimitTooLarge(u64, u64),
    /// The window is 0 or longer than a year.
    #[error("window of {0:?}: expected more than 0 and at most 366 days")]
    Window(Nanos),
    /// The zone's transitions are not in order, or an offset exceeds 26 hours.
    #[error("time zone transitions must ascend and their offsets stay within 26 h")]
    Transitions,
}

/// How a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Continuous refill.
    Paced,
    /// The provider resets a counter each wall minute; we pace so that any window holds at most the limit.
    FixedWindow,
    /// Per local day.
    Calendar,
    /// At once.
    Concurrency,
}

/// The compiled rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    Paced(Pace),
    Calendar(Calendar),
    /// Paced or counted elsewhere; here are the units granted.
    Grant(Terms),
    Concurrency,
    /// At once, up to the permits granted.
    Permits,
}

/// An allowed rate or number. See the [module](self).
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    plain: Plain,
    pub(super) rule: Rule,
    limit: u64,
    burst: u64,
    window: Nanos,
    kind: Kind,
}

impl Quota {
    /// `limit` units per `window`, refilled continuously. The burst is what the rate emits in `burst_span` (10 s if
    /// `None`), at least one unit and at most the limit.
    ///
    /// # Errors
    /// A [`QuotaError`] naming the number that is out of range.
    ///
    /// ```
    /// # use junctor_core::{limit::Quota, units::Nanos};
    /// let tokens = Quota::paced(30_000, Nanos::from_secs(60), None)?;
    /// assert_eq!(tokens.burst(), 5_000);
    /// # Ok::<(), junctor_core::limit::QuotaError>(())
    /// ```
    pub fn paced(limit: u64, window: Nanos, burst_span: Option<Nanos>) -> Result<Self, QuotaError> {
        let burst = burst(limit, window, burst_span.unwrap_or(BURST_SPAN))?;
        let rule = Rule::Paced(Pace::new(limit, window, burst));
        Ok(Self::of(limit, burst, window, Kind::Paced, rule))
    }

    /// `limit` units per `window` where the provider counts by the wall clock's windows: no `window`, wherever it
    /// begins, admits more than the limit.
    ///
    /// That holds for requests up to the burst (one second's worth) in any mixture and for larger ones of one size; a
    /// mixture can exceed it by what one request is larger than the burst.
    ///
    /// # Errors
    /// A [`QuotaError`] naming the number that is out of range.
    pub fn fixed_window(limit: u64, window: Nanos) -> Result<Self, QuotaError> {
        let pace = Pace::within_any_window(limit, window, burst(limit, window, FIXED_BURST_SPAN)?);
        Ok(Self::of(limit, pace.burst_units(), window, Kind::FixedWindow, Rule::Paced(pace)))
    }

    /// `limit` units per local day.
    ///
    /// # Errors
    /// [`QuotaError::ZeroLimit`], or [`QuotaError::LimitTooLarge`] above 2^40 − 1.
    pub fn calendar(limit: u64, calendar: Calendar) -> Result<Self, QuotaError> {
        let limit = within(limit, calendar::MAX_LIMIT)?;
        let window = Nanos::from_secs(86_400);
        Ok(Self::of(limit, limit, window, Kind::Calendar, Rule::Calendar(calendar)))
    }

    /// `limit` units at once.
    ///
    /// # Errors
    /// [`QuotaError::ZeroLimit`], or [`QuotaError::LimitTooLarge`] above 2^20 − 1.
    pub fn concurrency(limit: u64) -> Result<Self, QuotaError> {
        let limit = within(limit, gauge::MAX_RUNNING)?;
        Ok(Self::of(limit, limit, Nanos::ZERO, Kind::Concurrency, Rule::Concurrency))
    }

    /// The same limit where hosts share it: it is granted by a coordinator, which paces or counts it for all of them.
    ///
    /// What it and all grants hold together is the burst, or what the limit emits in [`LEASED_SPAN`] if that is more:
    /// with less, units in the hands of hosts would stop the bucket from filling. A fixed window's rate is lowered by
    /// as much, so that no window admits more than the limit. Of a number of requests at once, permits are granted.
    #[must_use]
    pub fn leased(self) -> Self {
        let span = u128::from(self.limit) * u128::from(LEASED_SPAN.0) / u128::from(self.window.0.max(1));
        let span = u64::try_from(span).unwrap_or(self.limit).clamp(1, self.limit);
        let terms = match self.rule {
            Rule::Calendar(days) => Terms { days: Some(days), rate: self.limit, burst: self.limit, cap: self.limit },
            Rule::Paced(_) if self.kind == Kind::FixedWindow => {
                let cap = span.min(self.limit.div_ceil(2));
                let rate = self.limit.saturating_sub(cap).max(1);
                Terms { days: None, rate, burst: self.burst.min(cap), cap }
            }
            Rule::Paced(_) => Terms { days: None, rate: self.limit, burst: self.burst, cap: self.burst.max(span) },
            Rule::Concurrency => return Self { rule: Rule::Permits, ..self },
            Rule::Grant(_) | Rule::Permits => return self,
        };
        Self { plain: Plain::NONE, rule: Rule::Grant(terms), ..self }
    }

    /// Whether hosts share it.
    pub(crate) const fn is_leased(&self) -> bool {
        matches!(self.rule, Rule::Grant(_) | Rule::Permits)
    }

    /// How its coordinator counts, if it is leased and not a number of permits.
    pub(crate) const fn terms(&self) -> Option<&Terms> {
        match &self.rule {
            Rule::Grant(terms) => Some(terms),
            _ => None,
        }
    }

    const fn of(limit: u64, burst: u64, window: Nanos, kind: Kind, rule: Rule) -> Self {
        let plain = match &rule {
            Rule::Paced(pace) => pace.plain(),
            Rule::Calendar(_) | Rule::Grant(_) | Rule::Concurrency | Rule::Permits => Plain::NONE,
        };
        Self { plain, rule, limit, burst, window, kind }
    }

    /// The part of it that nearly every request needs; [`Bucket::beside`](super::Bucket::beside) takes a copy.
    pub(crate) const fn plain(&self) -> &Plain {
        &self.plain
    }

    /// How it counts.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Units per window (or day, or at once).
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Units that a full bucket gives at once. A single larger request may still pass, see [`super::gcra`].
    #[must_use]
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// The window; a nominal day for calendars, zero for concurrency.
    #[must_use]
    pub const fn window(&self) -> Nanos {
        self.window
    }

    /// The same rule with a lower limit, its burst lowered in proportion: what a header taught us.
    pub(super) fn pace_at(&self, limit: u64) -> Pace {
        let burst = u128::from(self.burst) * u128::from(limit) / u128::from(self.limit.max(1));
        let burst = u64::try_from(burst).unwrap_or(self.burst).max(1);
        match self.kind {
            Kind::FixedWindow => Pace::within_any_window(limit, self.window, burst),
            _ => Pace::new(limit, self.window, burst),
        }
    }
}

fn within(limit: u64, most: u64) -> Result<u64, QuotaError> {
    match limit {
        0 => Err(QuotaError::ZeroLimit),
        _ if limit > most => Err(QuotaError::LimitTooLarge(limit, most)),
        _ => Ok(limit),
    }
}

fn burst(limit: u64, window: Nanos, span: Nanos) -> Result<u64, QuotaError> {
    let limit = within(limit, MAX_LIMIT)?;
    if window == Nanos::ZERO || window > MAX_WINDOW {
        return Err(QuotaError::Window(window));
    }
    let units = u128::from(limit) * u128::from(span.0) / u128::from(window.0);
    Ok(u64::try_from(units).unwrap_or(limit).clamp(1, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Nanos = Nanos::from_secs(60);

    #[test]
    fn the_default_burst_is_ten_seconds_and_at_least_one() {
        // (limit, window in s, burst)
        for (limit, window, want) in
            [(60, 60, 10), (5, 60, 1), (1, 60, 1), (7, 60, 1), (100, 1, 100), (86_400, 86_400, 10)]
        {
            assert_eq!(
                Quota::paced(limit, Nanos::from_secs(window), None).unwrap().burst(),
                want,
                "{limit}/{window} s"
            );
        }
        assert_eq!(Quota::paced(60, MINUTE, Some(Nanos::from_secs(600))).unwrap().burst(), 60, "at most the limit");
        assert_eq!(Quota::fixed_window(6_000, MINUTE).unwrap().burst(), 100);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        assert_eq!(Quota::paced(0, MINUTE, None), Err(QuotaError::ZeroLimit));
        assert_eq!(Quota::paced(1, Nanos::ZERO, None), Err(QuotaError::Window(Nanos::ZERO)));
        assert_eq!(Quota::concurrency(u64::MAX), Err(QuotaError::LimitTooLarge(u64::MAX, gauge::MAX_RUNNING)));
        let error = Quota::calendar(1 << 40, Calendar::utc(0)).unwrap_err();
        assert_eq!(error.to_string(), "limit 1099511627776 is above 1099511627775");
    }
}
