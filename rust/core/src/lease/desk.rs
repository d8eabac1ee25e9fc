//! A host's side of the counter: what it reports, and what it makes of the answer.
//!
//! **Problem.** Between a report and its answer requests go on taking, answers get lost or come late, and the process that
//! reports may die at any point. No unit may be used twice because of that.
//!
//! **Choice.** What a report gives back is taken out of the grant *before* it is sent ([`Desk::report`]); what an answer
//! grants is added to what is left by then ([`Desk::adopt`]). An answer that never comes leaves both sides poorer: the
//! units given back are gone, the debt is kept here as well. A report carries a *fence*, the coordinator's time after
//! which it must not be read: so it is known when a lost one can no longer have been, and the safe share begins only
//! when the coordinator surely charges for it.
//!
//! **Rejected.** Numbering reports and asking what became of the last: one more state on both sides, for the units of one
//! lost answer. Keeping a desk's memory in the shared words: it would be eight words more for every limit.
//!
//! **Cost.** A process that takes over from a dead one does not know what its host used on its own; the coordinator then
//! keeps what it has charged for it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::memo::{Memo, in_force, per_second, share_of, signed, whole_share_of, window};
use super::share::Share;
use super::words::{LeaseWords, Standing};
use super::{FENCE, FORGET, HUNGRY_TICK, LEASE, TICK};
use crate::fleet::{Fleet, Limit, LimitRef};
use crate::limit::Bucket;
use crate::limit::grant::{Grant, MOST, Terms};
use crate::reserve::bucket;
use crate::state::State;
use crate::sync::{Ordering, update};
use crate::units::Nanos;

/// Numbers at the beginning of an answer, and per limit after that.
const HEAD: usize = 4;
const GIVEN: usize = 4;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// Whether this process speaks with the coordinator for its host.
    pub speaks: bool,
    /// Whether a report is due.
    pub due: bool,
}

/// What is sent to the coordinator's script, in the order of its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The host's name.
    pub host: String,
    /// The coordinator's time in milliseconds after which it must not read this; 0 for none.
    pub fence_ms: i64,
    /// The number of hosts that this one goes by while it is on its own.
    pub goes_by: u64,
    /// The number of hosts that it was told last; 0 if never.
    pub knew: u64,
    /// `renew` or `bye`.
    pub verb: &'static str,
    /// How long a lease is, and after how long a silent host is forgotten.
    pub lease_ms: u64,
    /// See there.
    pub forget_ms: u64,
    /// One name per limit.
    pub keys: Vec<String>,
    /// [`FIELDS`](super::FIELDS) numbers per limit.
    pub body: Vec<i64>,
}

/// A limit in a report that is under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    identity: u64,
    returned: i64,
    debt: i64,
}

/// What one process remembers between reports. See the [module](self).
#[derive(Debug, Default)]
pub struct Desk {
    memos: BTreeMap<u64, Memo>,
    /// The coordinator's time in milliseconds, and when it was heard.
    heard: Option<(i64, Nanos)>,
    /// The report under way.
    sent: Option<(Nanos, Vec<Sent>)>,
    reported: Option<Nanos>,
    /// Since when it speaks for its host, and whether it knows all that its host used on its own since the last answer.
    since: Option<Nanos>,
    knows: bool,
}

/// Everything that a report or an answer is about.
struct Scene<'a> {
    fleet: &'a Fleet,
    state: &'a State,
    words: LeaseWords<'a>,
}

impl<'a> Scene<'a> {
    fn of(fleet: &'a Fleet) -> Option<Self> {
        fleet.leases?;
        let state = &*fleet.state;
        Some(Self { fleet, state, words: LeaseWords::new(state.leases()?) })
    }

    /// Runs `with` on every leased limit.
    fn each(&self, mut with: impl FnMut(&Limit, &Bucket<'_>, Option<&Terms>)) {
        for (index, limit) in (0..).zip(&self.fleet.limits) {
            let at: LimitRef = limit.referred_to_by(index);
            if let Some(bucket) = bucket(self.fleet, self.state, &at).filter(|_| limit.quota.is_leased()) {
                with(limit, &bucket, limit.quota.terms());
            }
        }
    }

    /// The number of hosts to go by without a coordinator.
    fn goes_by(&self) -> u64 {
        let told = self.words.hosts();
        if told > 0 { told } else { self.fleet.leases.map_or(1, |leases| leases.hosts.max(1)) }
    }
}

impl Desk {
    /// What `owner` has to do for its host at `now`.
    pub fn turn(&mut self, fleet: &Fleet, owner: u64, now: Nanos) -> Turn {
        let Some(scene) = Scene::of(fleet) else { return Turn { speaks: false, due: false } };
        if !scene.words.elect(owner, now) {
            // Whoever speaks meanwhile changes what we remember of.
            *self = Self::default();
            return Turn { speaks: false, due: false };
        }
        self.since.get_or_insert(now);
        let since = self.reported.map(|reported| now.since(reported));
        let hungry = || {
            let mut hungry = false;
            scene.each(|_, bucket, _| hungry |= bucket.asked()[2].load(Ordering::Relaxed) > 0);
            hungry
        };
        let due = since.is_none_or(|since| since >= TICK || since >= HUNGRY_TICK && hungry());
        Turn { speaks: true, due }
    }

    /// The coordinator said what time it is, in milliseconds.
    pub const fn hear(&mut self, server_ms: i64, now: Nanos) {
        self.heard = Some((server_ms, now));
    }

    /// Takes what can be given back out of the grants, and says all that the coordinator must know. With `bye` everything
    /// is given back. Exactly one of [`adopt`](Self::adopt), [`lost`](Self::lost) and [`unsent`](Self::unsent) follows.
    pub fn report(&mut self, fleet: &Fleet, host: u64, bye: bool, now: Nanos) -> Option<Report> {
        let scene = Scene::of(fleet)?;
        let millis = |span: Nanos| span.0 / Nanos::from_millis(1).0;
        let server = |at: Nanos| self.heard.map(|(ms, heard)| ms.saturating_add(signed(millis(at.since(heard)))));
        let mut report = Report {
            host: format!("{:016x}", scene.words.host(host)),
            fence_ms: server(now + FENCE).unwrap_or(0),
            goes_by: scene.goes_by(),
            knew: scene.words.hosts(),
            verb: if bye { "bye" } else { "renew" },
            lease_ms: millis(LEASE),
            forget_ms: millis(FORGET),
            keys: Vec::new(),
            body: Vec::new(),
        };
        let (wall_s, elapsed) = (server(now).unwrap_or(0) / 1_000, now.since(self.reported.unwrap_or(Nanos::ZERO)));
        let (mut sent, mut memos) = (Vec::new(), BTreeMap::new());
        scene.each(|limit, bucket, terms| {
            let mut memo = self.memos.remove(&limit.identity).unwrap_or_default();
            let taken = memo.look(bucket, elapsed, now);
            report.keys.push(key(fleet, limit));
            let (mut returned, mut debt) = (0, 0);
            if let Some(terms) = terms {
                let spare = per_second(terms.rate, limit.quota.window());
                let held;
                (held, returned, debt) = surrender(bucket, taken, spare, bye, now);
                let alone = if self.knows { signed(memo.alone) } else { -1 };
                report.body.extend(memo.fields(bucket, terms, wall_s, [held, returned, debt, alone], now));
            } else {
                report.body.extend(memo.permit_fields(bucket, bye, now));
            }
            sent.push(Sent { identity: limit.identity, returned, debt });
            memos.insert(limit.identity, memo);
        });
        self.memos = memos;
        self.sent = Some((now, sent));
        self.reported = Some(now);
        // Should nobody ever hear of this report again, it may have been read until the fence.
        scene.words.not_over_before(now + FENCE + LEASE);
        Some(report)
    }

    /// Takes over an answer: status, the coordinator's time, hosts, length of the lease, then for each limit of the report
    /// the units granted, milliseconds until they end, the day and what is used of it. Says whether it was one.
    pub fn adopt(&mut self, fleet: &Fleet, answer: &[i64], now: Nanos) -> bool {
        let Some(scene) = Scene::of(fleet) else { return false };
        let Some((at, sent)) = self.sent.take() else { return false };
        let Some(&[status, server_ms, hosts, lease_ms]) = answer.first_chunk::<HEAD>() else {
            self.sent = Some((at, sent));
            self.lost(fleet);
            return false;
        };
        self.heard = Some((server_ms, now));
        if status < 0 {
            // Too late to be read: as if it had never been sent.
            self.sent = Some((at, sent));
            self.unsent(fleet);
            return false;
        }
        scene.words.count_answer();
        let learning = status == 0;
        if !learning {
            // While it learns it knows no better than we do.
            scene.words.set_hosts(u64::try_from(hosts).unwrap_or(0));
        }
        scene.words.set_standing(if learning { Standing::Learning } else { Standing::Reachable });
        let given: BTreeMap<u64, (&Sent, &[i64; GIVEN])> = sent
            .iter()
            .zip(answer.get(HEAD..).unwrap_or_default().as_chunks::<GIVEN>().0)
            .map(|(sent, given)| (sent.identity, (sent, given)))
            .collect();
        scene.each(|limit, bucket, terms| {
            let Some(&(sent, &[units, ends_ms, day, used])) = given.get(&limit.identity) else { return };
            let memo = self.memos.entry(limit.identity).or_default();
            memo.alone = 0;
            memo.share = Share::default();
            if terms.is_none() {
                let permits = signed(bucket.permits()).saturating_add(units);
                bucket.set_permits(u64::try_from(permits).unwrap_or(0));
                return;
            }
            if learning {
                put_back(bucket, sent.returned, sent.debt);
                return;
            }
            let day = u64::try_from(day).ok();
            (memo.day, memo.used) = (day, u64::try_from(used).unwrap_or(0));
            let ends = Nanos::from_millis(u64::try_from(ends_ms.min(lease_ms)).unwrap_or(0)).min(LEASE);
            renew(bucket, at + ends, day.unwrap_or(0), units);
        });
        let length = if learning { Nanos::ZERO } else { LEASE };
        scene.words.set_over(now + length);
        (self.since, self.knows) = (Some(now), true);
        true
    }

    /// The report went out and nobody knows what became of it.
    pub fn lost(&mut self, fleet: &Fleet) {
        self.fail(fleet, false);
    }

    /// There was no report, or it surely was not read.
    pub fn unsent(&mut self, fleet: &Fleet) {
        self.fail(fleet, true);
    }

    fn fail(&mut self, fleet: &Fleet, unread: bool) {
        let Some(scene) = Scene::of(fleet) else { return };
        scene.words.count_failure();
        if scene.words.standing() != Standing::Unknown {
            scene.words.set_standing(Standing::Away);
        }
        let Some((_, sent)) = self.sent.take() else { return };
        let sent: BTreeMap<u64, Sent> = sent.into_iter().map(|sent| (sent.identity, sent)).collect();
        scene.each(|limit, bucket, terms| {
            if let (Some(sent), Some(_)) = (sent.get(&limit.identity), terms) {
                // What was given back may have been taken; a debt may have been charged, and is charged again.
                put_back(bucket, if unread { sent.returned } else { 0 }, sent.debt);
            }
        });
    }

    /// Forgets everything that was granted, and the host's name: in a forked child, if its state is a copy of its parent's.
    pub fn disown(&mut self, fleet: &Fleet) {
        *self = Self::default();
        let Some(scene) = Scene::of(fleet).filter(|scene| !scene.state.is_shared()) else { return };
        scene.words.clear();
        scene.each(|_, bucket, terms| {
            if terms.is_some() {
                bucket.level_word().store(0, Ordering::Release);
            } else {
                bucket.set_permits(0);
            }
        });
    }

    /// Grants this host its safe share if its lease is over. To be called several times a second, whatever happens.
    pub fn live_alone(&mut self, fleet: &Fleet, now: Nanos) {
        let Some(scene) = Scene::of(fleet) else { return };
        let from = scene.words.over().max(self.since.unwrap_or(now));
        if now <= from {
            return;
        }
        let hosts = scene.goes_by();
        // Nobody else has been told of us, or we have been given up: then our permits are anybody's.
        let stranger = scene.words.standing() == Standing::Unknown;
        let forgotten = now.since(from) + TICK >= FORGET;
        scene.each(|limit, bucket, terms| {
            let Some(terms) = terms else {
                let (permits, safe) = (bucket.permits(), whole_share_of(limit.quota.limit(), hosts));
                if stranger && permits < safe || forgotten && permits > safe {
                    bucket.set_permits(safe);
                }
                return;
            };
            let memo = self.memos.entry(limit.identity).or_default();
            let (rate, ..) = in_force(bucket, terms);
            let (ticks, tick_ms) = window(limit.quota.window());
            let accrued = memo.share.accrue(rate, Nanos::from_millis(ticks * tick_ms), hosts, from, now);
            memo.notice(bucket, now);
            let most = share_of(terms.burst, hosts).max(memo.least(now));
            let mut until = now + LEASE;
            if let Some(days) = &terms.days {
                let today = days.day(now);
                if memo.day.replace(today) != Some(today) {
                    (memo.alone, memo.used) = (0, 0);
                }
                until = until.min(days.end_of(today, now));
            }
            let given = on_its_own(bucket, until, memo.day.unwrap_or(0), accrued, most, now);
            memo.alone = memo.alone.saturating_add(given);
        });
    }
}

/// What names a limit at the coordinator.
fn key(fleet: &Fleet, limit: &Limit) -> String {
    let pool = fleet.pool_of(limit).map_or("", |pool| &pool.name);
    let counted = match limit.quota.kind() {
        crate::limit::Kind::Calendar => "day",
        crate::limit::Kind::FixedWindow => "window",
        crate::limit::Kind::Paced => "paced",
        crate::limit::Kind::Concurrency => "at_once",
    };
    format!("{pool}:{}:{counted}", limit.dimension.name())
}

/// Takes out of a grant what can be given back, or everything. Kept is what was `taken` since the last report, and half of
/// the rest up to `spare`, so that nobody is refused while the report is under way. Answers what is held, given back, owed.
fn surrender(bucket: &Bucket<'_>, taken: u64, spare: u64, all: bool, now: Nanos) -> (i64, i64, i64) {
    let mut told = (0, 0, 0);
    let _ = update(bucket.level_word(), |word| {
        let grant = Grant::of(word);
        let held = match grant.units {
            debt if debt < 0 => {
                told = (0, 0, -debt);
                0
            }
            units if all || !grant.is_live(now) => {
                told = (0, units, 0);
                0
            }
            units => {
                let held = signed(taken).max((units / 2).min(signed(spare))).min(units);
                told = (held, units - held, 0);
                held
            }
        };
        Some(Grant { units: held, ..grant }.word())
    });
    told
}

/// Undoes [`surrender`].
fn put_back(bucket: &Bucket<'_>, returned: i64, debt: i64) {
    let _ = update(bucket.level_word(), |word| Some(Grant::of(word).plus(returned.saturating_sub(debt)).word()));
}

/// A grant's next term. Units of another day are none.
fn renew(bucket: &Bucket<'_>, until: Nanos, day: u64, units: i64) {
    let _ = update(bucket.level_word(), |word| {
        let (old, new) = (Grant::of(word), Grant::until(until, day, 0));
        let kept = if old.era == new.era { old.units } else { old.units.min(0) };
        Some(new.plus(kept.saturating_add(units.clamp(0, MOST))).word())
    });
}

/// Adds what has accrued to a grant of our own making, up to `most` units; answers how many were added.
fn on_its_own(bucket: &Bucket<'_>, until: Nanos, day: u64, accrued: u64, most: u64, now: Nanos) -> u64 {
    let mut added = 0;
    let _ = update(bucket.level_word(), |word| {
        let (old, new) = (Grant::of(word), Grant::until(until, day, 0));
        // Units of a term that ended are the coordinator's to give anew, those of another day nobody's.
        let kept = if old.era == new.era && old.is_live(now) { old.units } else { old.units.min(0) };
        added = signed(most).saturating_sub(kept).clamp(0, signed(accrued));
        Some(new.plus(kept.saturating_add(added)).word())
    });
    u64::try_from(added).unwrap_or(0)
}
