//! GCRA: a rate limit whose whole state is one instant.
//!
//! **Problem.** Admit at most `limit` units per window with a bounded burst, exactly, over years, for requests of one
//! unit and of a hundred thousand.
//!
//! **Choice.** The *theoretical arrival time* (TAT): the instant at which everything taken so far is paid off at the
//! emission rate. A request of cost `c` passes if `max(TAT, now) + c ≤ now + burst`. Refilling is the passing of time,
//! so an idle bucket needs no upkeep and cannot overflow. Costs are rounded up once per request, in 1/16 ns, never per
//! token: at ten million tokens a minute a token costs 6 ns, where whole nanoseconds would be 4 % off.
//!
//! A request larger than the burst but not larger than the limit passes when the bucket is completely full, and then
//! runs it into the future. The textbook refuses it for ever; but with a burst of ten seconds that would lock every
//! prompt above 5,000 tokens out of a key of 30,000 a minute, which its provider admits. The long-run rate stays exact,
//! and what is admitted above `limit · t / window` is at most the larger of the burst and that one request.
//!
//! **Rejected.** A float level with a time stamp: two words, and lost fractions at high polling rates. A level that is
//! refilled by a timer: needs a thread, and drifts. One fixed cost per token: up to a whole tick wrong per token.
//!
//! **Cost.** Two multiplications and, unless a remainder times the request overflows 64 bits, one 64-bit division.
//! A limit of 2^a·3·5^c per minute (all that providers sell) divides without remainder and is exact to the tick; for
//! others the burst carries less than one unit of slack, so that its last single unit is not lost to rounding.
//!
//! **Use.** Pure functions `TAT → TAT`; [`Bucket`](super::Bucket) puts the compare-exchange around them.

use super::Denied;
use crate::units::Nanos;

/// Ticks per nanosecond.
pub const TICKS: u64 = 16;

/// How many windows' worth of debt one charge can make. A reported usage is somebody else's number: a mistaken one may
/// block the bucket for a while, not for ever. Real answers stay far below 16 times a minute's limit.
const DEBT_WINDOWS: u64 = 16;

/// An instant in ticks. Saturates 36 years after the epoch.
#[inline]
#[must_use]
pub const fn ticks(now: Nanos) -> u64 {
    now.0.saturating_mul(TICKS)
}

/// `ceil(a · b / c)`, saturating; 64-bit division whenever the product fits.
#[inline]
const fn mul_div_ceil(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product.div_ceil(c),
        None => narrow((a as u128 * b as u128).div_ceil(c as u128)),
    }
}

/// `floor(a · b / c)`, saturating; 64-bit division whenever the product fits.
#[inline]
const fn mul_div_floor(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product / c,
        None => narrow(a as u128 * b as u128 / c as u128),
    }
}

const fn narrow(wide: u128) -> u64 {
    if wide > u64::MAX as u128 { u64::MAX } else { wide as u64 }
}

/// What `part` of `units` is worth if all of them cost `cost`, rounded down: a refund is never more than was paid.
#[inline]
#[must_use]
pub const fn share(cost: u64, part: u64, units: u64) -> u64 {
    if part >= units { cost } else { mul_div_floor(cost, part, units) }
}

/// An emission rate and a burst, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// `window / rate` and its remainder: a cost is `n · whole + ceil(n · rest / rate)`.
    whole: u64,
    rest: u64,
    burst: u64,
    /// The most one request may ask for.
    limit: u64,
    /// Bound any one window by the limit, requests larger than the burst included.
    strict: bool,
    /// Units emitted per window: `limit`, or less where a burst must fit into the same window.
    rate: u64,
    window: u64,
}

/// A pace without remainder whose windows are not strict: what all providers sell, and small enough to be kept beside
/// whatever draws from it, so that a request need not read the pace itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    /// Ticks per unit.
    whole: u64,
    burst: u64,
    /// One more than the most that one request may ask for; 0 if there is nothing plain about it.
    below: u64,
}

impl Plain {
    /// Of a quota that is not paced, or not plainly.
    pub(super) const NONE: Self = Self { whole: 0, burst: 0, below: 0 };

    /// The new TAT and the cost paid, exactly as [`Pace::take`] has them. `None` is no refusal: ask that one, which
    /// knows the rest and says when.
    #[inline]
    pub(super) const fn take(self, tat: u64, n: u64, now: Nanos) -> Option<(u64, u64)> {
        if !self.admits(n) {
            return None;
        }
        // No overflow: n is at most the limit, so the cost is within the window.
        let (cost, now) = (n.wrapping_mul(self.whole), ticks(now));
        let debt = tat.saturating_sub(now);
        // Within the burst, or, for what is larger than the burst, from a full bucket.
        if debt > self.burst.saturating_sub(cost) {
            return None;
        }
        match (now + debt).checked_add(cost) {
            Some(new) => Some((new, cost)),
            None => None,
        }
    }

    /// What [`share`] says, without a division if the units were paid for at this pace.
    #[inline]
    pub(super) const fn share(self, paid: u64, part: u64, units: u64) -> u64 {
        match units.checked_mul(self.whole) {
            Some(cost) if cost == paid && part <= units => part * self.whole,
            _ => share(paid, part, units),
        }
    }

    /// The TAT after `n` more units were used, exactly as [`Pace::charge`] has it; only for what it [`admits`](Self::admits).
    #[inline]
    pub(super) const fn charge(self, tat: u64, n: u64, now: Nanos) -> u64 {
        let now = ticks(now);
        let base = if tat > now { tat } else { now };
        base.saturating_add(n.wrapping_mul(self.whole))
    }

    /// Whether `n` units are few enough for the plain way.
    #[inline]
    pub(super) const fn admits(self, n: u64) -> bool {
        n < self.below
    }

    /// Whether there is nothing plain about it.
    #[inline]
    pub(super) const fn is_none(self) -> bool {
        self.below == 0
    }
}

impl Pace {
    /// `limit` units per `window`, at most `burst` at once. All arguments must be at least 1; 0 counts as 1.
    #[must_use]
    pub fn new(limit: u64, window: Nanos, burst: u64) -> Self {
        Self::compile(limit, limit, window, burst, false)
    }

    /// As [`new`](Self::new), but so slow that the burst and a window of emission together stay within the limit.
    ///
    /// The burst is at most half the limit, or nothing would be left to emit.
    #[must_use]
    pub fn within_any_window(limit: u64, window: Nanos, burst: u64) -> Self {
        let burst = burst.min(limit / 2).max(1);
        Self::compile(limit, limit.saturating_sub(burst), window, burst, true)
    }

    fn compile(limit: u64, rate: u64, window: Nanos, burst: u64, strict: bool) -> Self {
        // A strict window is one tick longer, so that both its ends may be counted to it.
        let window = ticks(window).max(1).saturating_add(u64::from(strict));
        let (limit, rate) = (limit.max(1), rate.max(1));
        let (whole, rest) = (window / rate, window % rate);
        let mut pace = Self { limit, rate, window, whole, rest, burst: 0, strict };
        let burst = burst.clamp(1, limit);
        // Taken one by one, `burst` units cost this much; taken at once, a little less. The difference is kept below
        // the cost of one unit.
        let one_by_one = pace.cost(1).saturating_mul(burst);
        pace.burst = one_by_one.min(pace.cost(burst).saturating_add(whole.saturating_sub(1)));
        pace
    }

    /// Ticks of emission that `n` units need, rounded up.
    #[inline]
    #[must_use]
    pub const fn cost(&self, n: u64) -> u64 {
        let whole = n.saturating_mul(self.whole);
        if self.rest == 0 { whole } else { whole.saturating_add(mul_div_ceil(n, self.rest, self.rate)) }
    }

    /// The part of this pace that nearly every request needs.
    #[must_use]
    pub(super) const fn plain(&self) -> Plain {
        if self.strict || self.rest != 0 {
            return Plain::NONE;
        }
        Plain { whole: self.whole, burst: self.burst, below: self.limit.saturating_add(1) }
    }

    /// What taking `n` units at once costs.
    #[inline]
    fn take_cost(&self, n: u64) -> u64 {
        let cost = self.cost(n);
        if !self.strict || cost <= self.burst || n == 0 {
            return cost;
        }
        // Spaced by a window over k and one tick more, only k requests of limit/k units fall into any one window.
        let spaced = self.window.div_ceil(self.limit / n.min(self.limit)).saturating_add(1);
        if spaced > cost { spaced } else { cost }
    }

    /// The new TAT and the cost paid, or when to ask again.
    ///
    /// # Errors
    /// [`Denied::NotUntil`] with the first nanosecond at which the same call passes; [`Denied::Never`] above the limit.
    #[inline]
    pub fn take(&self, tat: u64, n: u64, now: Nanos) -> Result<(u64, u64), Denied> {
        if n > self.limit {
            return Err(Denied::Never);
        }
        let (cost, now) = (self.take_cost(n), ticks(now));
        let new = tat.max(now).saturating_add(cost);
        // A request above the burst waits for the full bucket, which is where the burst stops helping.
        let ready = new.saturating_sub(self.burst.max(cost));
        if ready <= now { Ok((new, cost)) } else { Err(Denied::NotUntil(Nanos(ready.div_ceil(TICKS)))) }
    }

    /// The TAT after `n` more units were used than anybody asked for: debt, bounded but never refused.
    #[inline]
    #[must_use]
    pub fn charge(&self, tat: u64, n: u64, now: Nanos) -> u64 {
        let cost = self.cost(n).min(self.window.saturating_mul(DEBT_WINDOWS));
        tat.max(ticks(now)).saturating_add(cost)
    }

    /// Whole units not yet paid off.
    #[inline]
    #[must_use]
    pub const fn used(&self, tat: u64, now: Nanos) -> u64 {
        mul_div_floor(tat.saturating_sub(ticks(now)), self.rate, self.window)
    }

    /// Units that a series of small takes could have now.
    #[inline]
    #[must_use]
    pub fn headroom(&self, tat: u64, now: Nanos) -> u64 {
        mul_div_floor(self.room(tat, now), self.rate, self.window).min(self.burst_units())
    }

    /// Units available; negative while in debt.
    #[must_use]
    pub fn level(&self, tat: u64, now: Nanos) -> i64 {
        let debt = tat.saturating_sub(ticks(now).saturating_add(self.burst));
        if debt == 0 { signed(self.headroom(tat, now)) } else { -signed(mul_div_ceil(debt, self.rate, self.window)) }
    }

    /// Free share of the burst, 0 to 1.
    #[inline]
    #[must_use]
    pub fn fraction(&self, tat: u64, now: Nanos) -> f64 {
        self.room(tat, now) as f64 / self.burst as f64
    }

    /// The TAT at which exactly `headroom` units are left.
    #[must_use]
    pub fn with_headroom(&self, headroom: u64, now: Nanos) -> u64 {
        let room = mul_div_floor(headroom, self.window, self.rate).min(self.burst);
        ticks(now).saturating_add(self.burst - room)
    }

    /// The TAT after `n` units were forgiven; never below "full".
    #[must_use]
    pub fn forgive(&self, tat: u64, n: u64, now: Nanos) -> u64 {
        tat.saturating_sub(self.cost(n)).max(ticks(now).min(tat))
    }

    /// The burst in units.
    #[must_use]
    pub fn burst_units(&self) -> u64 {
        mul_div_floor(self.burst, self.rate, self.window)
    }

    /// Whether one window can never hold more than the limit.
    #[must_use]
    pub const fn is_strict(&self) -> bool {
        self.strict
    }

    #[inline]
    const fn room(&self, tat: u64, now: Nanos) -> u64 {
        self.burst.saturating_sub(tat.saturating_sub(ticks(now)))
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Nanos = Nanos::from_secs(60);
    const T: Nanos = Nanos::from_secs(1_000);

    fn wait(secs: u64) -> Denied {
        Denied::NotUntil(T + Nanos::from_secs(secs))
    }

    #[test]
    fn the_plain_way_is_the_pace_itself() {
        let mut draw = crate::draw::Draw::new(9);
        for _ in 0..200_000 {
            let limit = [1, 7, 60, 6_000, 70_007, 30_000_000, 1 << 53][draw.below(7) as usize];
            let window = Nanos::from_secs([1, 60, 86_400][draw.below(3) as usize]);
            let pace = Pace::new(limit, window, 1 + draw.below(limit));
            let now = [Nanos(draw.below(1 << 45)), Nanos::MAX][usize::from(draw.below(50) == 0)];
            let tat = ticks(now).saturating_add(draw.below(1 << 42)).saturating_sub(1 << 41);
            let most = [2, 100, limit.saturating_add(5)][draw.below(3) as usize];
            let n = draw.below(most);
            let plain = pace.plain();
            if plain.admits(n) {
                assert_eq!(plain.charge(tat, n, now), pace.charge(tat, n, now), "{pace:?} {tat} {n} {now:?}");
            }
            match plain.take(tat, n, now) {
                Some(taken) => assert_eq!(pace.take(tat, n, now), Ok(taken), "{pace:?} {tat} {n} {now:?}"),
                // Where it declines although it could not: only what is not plain, and the end of time.
                None => assert!(
                    pace.take(tat, n, now).is_err() || plain.is_none() || ticks(now) > u64::MAX / 2,
                    "{pace:?} {tat} {n} {now:?}"
                ),
            }
            let (part, paid) = (draw.below(n.max(1)), [pace.cost(n), draw.below(1 << 50)][draw.below(2) as usize]);
            assert_eq!(plain.share(paid, part, n), share(paid, part, n), "{pace:?} {paid} {part} of {n}");
        }
        assert!(Pace::within_any_window(60, Nanos::from_secs(60), 1).plain().is_none());
    }

    #[test]
    fn a_cost_is_rounded_up_once_per_request() {
        // (limit, n, ticks)
        let table = [
            (60, 1, 16_000_000_000),
            (60, 60, 960_000_000_000),
            (7, 1, 137_142_857_143),
            (7, 7, 960_000_000_000),
            (100_000_000, 1, 9_600),
            (7_000_000, 1, 137_143),
            (7_000_000, 1_000_000, 137_142_857_143),
        ];
        for (limit, n, want) in table {
            assert_eq!(Pace::new(limit, MINUTE, 1).cost(n), want, "{n} of {limit}");
        }
        // Where the remainder times the request overflows 64 bits, the wide path takes over and stays exact.
        let pace = Pace::new((1 << 53) - 111, Nanos::from_secs(86_400), 1);
        let want = (u128::from(u64::MAX >> 12) * u128::from(pace.window)).div_ceil(u128::from(pace.rate));
        assert_eq!(u128::from(pace.cost(u64::MAX >> 12)), want);
    }

    #[test]
    fn the_last_unit_of_the_burst_is_admitted_and_one_more_is_not() {
        for (limit, burst) in [(7, 7), (60, 10), (1_000_003, 166_667), (11, 3), (30_000_001, 5_000_000), (1, 1)] {
            let pace = Pace::new(limit, MINUTE, burst);
            assert_eq!(pace.burst_units(), burst);
            let mut tat = 0;
            for _ in 0..burst.min(200_000) {
                tat = pace.take(tat, 1, T).unwrap().0;
            }
            if burst <= 200_000 {
                assert!(pace.take(tat, 1, T).is_err(), "{burst} + 1 of {limit}");
            }
            let at_once = pace.take(0, burst, T).unwrap().0;
            assert!(pace.take(at_once, 1, T).is_err());
        }
    }

    #[test]
    fn a_refusal_names_the_first_nanosecond_that_passes() {
        let pace = Pace::new(7, MINUTE, 2);
        let tat = pace.take(0, 2, T).unwrap().0;
        let Err(Denied::NotUntil(at)) = pace.take(tat, 1, T) else { panic!("refused") };
        assert!(pace.take(tat, 1, at).is_ok());
        assert!(pace.take(tat, 1, Nanos(at.0 - 1)).is_err());
    }

    #[test]
    fn a_request_above_the_burst_waits_for_the_full_bucket() {
        let pace = Pace::new(30_000, MINUTE, 5_000);
        let (tat, cost) = pace.take(0, 20_000, T).unwrap();
        assert_eq!((tat - ticks(T), cost), (40 * 16_000_000_000, 40 * 16_000_000_000));
        assert_eq!(pace.take(tat, 1, T).unwrap_err(), Denied::NotUntil(Nanos(T.0 + 30_002_000_000)));
        assert_eq!(pace.take(tat, 20_000, T), Err(wait(40)));
        assert_eq!(pace.take(0, 30_001, T), Err(Denied::Never));
        assert!(pace.take(0, 30_000, T).is_ok());
        assert_eq!(pace.level(tat, T), -15_000);
    }

    #[test]
    fn no_window_holds_more_than_the_limit_even_for_large_requests() {
        for n in [1, 30, 99, 100, 101, 700, 1_000, 1_500, 2_900, 3_001, 6_000] {
            let pace = Pace::within_any_window(6_000, MINUTE, 100);
            let (mut tat, mut now, mut taken) = (0, T, Vec::new());
            while now < T + Nanos::from_secs(200) {
                match pace.take(tat, n, now) {
                    Ok((new, _)) => {
                        tat = new;
                        taken.push(now);
                    }
                    Err(Denied::NotUntil(at)) => now = at,
                    Err(Denied::Never) => unreachable!(),
                }
            }
            for &start in &taken {
                let inside = taken.iter().filter(|&&at| at >= start && at <= start + MINUTE).count() as u64 * n;
                assert!(inside <= 6_000, "{inside} in one minute by requests of {n}");
            }
            // And the limit is used: only whole requests and the one second of burst are lost.
            assert!(taken.len() as u64 * n >= (6_000 / n) * n * 3 * 98 / 100, "{n}: {}", taken.len());
        }
    }

    #[test]
    fn a_long_idle_time_refills_the_burst_and_no_more() {
        let pace = Pace::new(60, MINUTE, 10);
        let tat = pace.take(0, 10, T).unwrap().0;
        for idle in [Nanos::from_secs(12 * 3_600), Nanos::from_secs(10 * 365 * 86_400), Nanos::MAX] {
            assert_eq!(pace.headroom(tat, T + idle), 10);
            assert_eq!(pace.level(tat, T + idle), 10);
        }
        assert_eq!(
            pace.take(u64::MAX, 1, Nanos::MAX).map(|(tat, _)| tat),
            Ok(u64::MAX),
            "past year 36: open, not stuck"
        );
    }

    #[test]
    fn debt_is_bounded() {
        let pace = Pace::new(60, MINUTE, 10);
        let tat = pace.charge(0, u64::MAX, T);
        assert_eq!(tat, ticks(T + Nanos::from_secs(16 * 60)));
        assert_eq!(pace.charge(0, 600, T), ticks(T + Nanos::from_secs(600)));
    }

    #[test]
    fn a_share_never_exceeds_what_was_paid() {
        assert_eq!(share(100, 3, 7), 42);
        assert_eq!((0..=7).map(|part| share(100, part, 7)).max(), Some(100));
        assert_eq!(share(u64::MAX, 1 << 40, 1 << 41), u64::MAX / 2);
        assert_eq!(share(5, 9, 7), 5);
    }
}
