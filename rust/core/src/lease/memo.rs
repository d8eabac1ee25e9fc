//! What a desk remembers of one limit between two reports, and what it tells of it.

use super::share::Share;
use super::{SAFE_TENTHS, TICK};
use crate::limit::Bucket;
use crate::limit::grant::Terms;
use crate::sync::Ordering;
use crate::units::Nanos;

/// Numbers per limit in a report.
pub const FIELDS: usize = 19;
/// How long a host keeps asking for room for the largest request that it had to refuse.
const REMEMBER: Nanos = Nanos::from_secs(60);
/// Milliseconds of a window that the coordinator can count exactly: a day. Longer ones are counted in coarser ticks.
const WINDOW_TICKS: u64 = 86_400_000;

/// What a desk remembers of one limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    /// The running total of units taken, as last seen.
    total: Option<u64>,
    /// Units asked for per second, the refused included, and those refused since the last report.
    demand: u64,
    waiting: u64,
    /// The largest request refused lately, and until when that matters.
    least: u64,
    least_until: Nanos,
    /// The running safe share, and what of it was added to the grant since the last answer.
    pub(super) share: Share,
    pub(super) alone: u64,
    /// The day of the grant, and what was used of it by all hosts, as last told.
    pub(super) day: Option<u64>,
    pub(super) used: u64,
}

impl Memo {
    /// Reads what was asked for in the time since the last look; answers how many units were taken.
    pub(super) fn look(&mut self, bucket: &Bucket<'_>, elapsed: Nanos, now: Nanos) -> u64 {
        let [total, refused, _] = bucket.asked().map(|word| word.load(Ordering::Acquire));
        let taken = self.total.map_or(0, |seen| u64::try_from(total.wrapping_sub(seen).cast_signed()).unwrap_or(0));
        (self.total, self.waiting) = (Some(total), refused);
        bucket.asked()[1].fetch_sub(refused, Ordering::AcqRel);
        let asked = u128::from(taken.saturating_add(refused)) * 1_000_000_000 / u128::from(elapsed.0.max(1));
        self.demand = u64::try_from(asked).unwrap_or(u64::MAX).max(self.demand / 2);
        self.notice(bucket, now);
        taken
    }

    /// Remembers the largest request that was refused.
    pub(super) fn notice(&mut self, bucket: &Bucket<'_>, now: Nanos) {
        let wanted = bucket.asked()[2].swap(0, Ordering::AcqRel);
        if wanted > 0 && wanted >= self.least(now) {
            (self.least, self.least_until) = (wanted, now + REMEMBER);
        }
    }

    pub(super) fn least(&self, now: Nanos) -> u64 {
        if now < self.least_until { self.least } else { 0 }
    }

    /// What is told of a number of requests at once. At least what runs is held; nothing is given back, because only what
    /// the answer lowers is given up, and told with the next report.
    pub(super) fn permit_fields(&self, bucket: &Bucket<'_>, bye: bool, now: Nanos) -> [i64; FIELDS] {
        if bye {
            bucket.set_permits(0);
        }
        let (limit, running) = (signed(bucket.quota.limit()), signed(bucket.used(now)));
        let held = signed(bucket.permits()).max(running);
        let waiting = signed(self.waiting).min(limit);
        let wanted = if waiting > 0 { running + 1 } else { 0 };
        [2, limit, limit, 1, 1, limit, limit, held, 0, 0, running + waiting, wanted, 0, 0, -1, 0, 0, -1, 0]
    }

    pub(super) fn fields(
        &self,
        bucket: &Bucket<'_>,
        terms: &Terms,
        wall_s: i64,
        [held, returned, debt, alone]: [i64; 4],
        now: Nanos,
    ) -> [i64; FIELDS] {
        let (rate, burst, cap) = in_force(bucket, terms);
        let (ticks, tick_ms) = window(bucket.quota.window());
        let (offset, next, after) = terms.days.as_ref().map_or((0, -1, 0), |days| days.around(wall_s));
        let hungry = now.since(self.least_until.since(REMEMBER)) < TICK;
        let wanted = if hungry { self.least(now) } else { 0 };
        [
            i64::from(terms.days.is_some()),
            signed(bucket.limit()),
            signed(rate),
            signed(ticks),
            signed(tick_ms),
            signed(burst),
            signed(cap),
            held,
            returned,
            debt,
            signed(self.demand),
            signed(wanted),
            signed(self.least(now)),
            alone,
            self.day.map_or(-1, signed),
            signed(self.used),
            i64::from(offset),
            next,
            i64::from(after),
        ]
    }
}

/// Rate, burst and cap of a limit in force: those compiled, or as much less as headers taught.
pub(super) fn in_force(bucket: &Bucket<'_>, terms: &Terms) -> (u64, u64, u64) {
    let (now, compiled) = (bucket.limit(), bucket.quota.limit());
    let part = |units: u64| {
        let scaled = u128::from(units) * u128::from(now) / u128::from(compiled.max(1));
        u64::try_from(scaled).unwrap_or(units).max(1)
    };
    (part(terms.rate), part(terms.burst), part(terms.cap))
}

/// A window in the coordinator's ticks, and how long those are in milliseconds. Rounded up, so that nothing is faster.
pub(super) fn window(span: Nanos) -> (u64, u64) {
    let ms = span.0.div_ceil(Nanos::from_millis(1).0).max(1);
    let tick_ms = ms.div_ceil(WINDOW_TICKS);
    (ms.div_ceil(tick_ms), tick_ms)
}

/// Units that a rate emits in a second, rounded down.
pub(super) fn per_second(rate: u64, window: Nanos) -> u64 {
    let units = u128::from(rate) * u128::from(Nanos::from_secs(1).0) / u128::from(window.0.max(1));
    u64::try_from(units).unwrap_or(u64::MAX)
}

/// The safe share of what can be had at once; at least one unit, which then takes its time to accrue.
pub(super) fn share_of(units: u64, hosts: u64) -> u64 {
    whole_share_of(units, hosts).max(1)
}

/// The safe share of a number of units, rounded down.
pub(super) fn whole_share_of(units: u64, hosts: u64) -> u64 {
    let share = u128::from(units) * u128::from(SAFE_TENTHS) / (10 * u128::from(hosts.max(1)));
    u64::try_from(share).unwrap_or(units)
}

/// A number as the coordinator's script takes it.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
