//! The sweep: what the dead left behind is taken back.
//!
//! **Problem.** A killed worker's attempts stay in the gauges, its unanswered attempts make a deployment look hung, and
//! its blocks and seat are lost. All of it must be free again within seconds, by whoever is still there, without anybody
//! being taken for dead who was only stopped, and even if the one who sweeps is killed or stopped in the middle.
//!
//! **Choice.** Once a second one of the processes, the first to come by, tries the lock of every other taken seat. Only
//! the kernel frees such a lock, so whoever gets it may clear the seat: its blocks, its marks among unanswered attempts, its
//! counters. Then the gauges are audited: each is read, then all cells are counted, then each gauge above its number of
//! cells is lowered to it, unless it moved meanwhile. A gauge that moved, or of which a cell was not sure, is looked at
//! again: some times at once, and if that did not help in the next sweep, which two words that differ ask for and which then
//! comes soon.
//!
//! Why that is right: without deaths a gauge is never above its cells ([`super::cells`]), and gauge words do not repeat
//! ([`crate::gauge`]). A gauge that stood still while the cells were counted, and is above them, has counts of the dead in
//! it. A cell that is written before the gauge is raised, or not yet cleared after it is lowered, makes the count of cells
//! larger, which corrects less, never more; but then it hides one of the dead, so that only an audit of sure cells is the
//! last. That one corrects exactly: a sure cell is in the gauge that stood still, and a free one is not.
//!
//! **Rejected.** A thread that sweeps: there is none in the core, and one would not survive a fork. One elected sweeper
//! with a lease: a stopped one comes back in the middle of another's work.
//!
//! **Cost.** A compare per decision; once a second a system call for every other process; after a death a pass over all
//! records. Tokens and requests of the dead stay charged and heal with their window.

use std::collections::HashMap;

use super::Keeper;
use super::cells::Counted;
use crate::balance::DeploymentRecord;
use crate::counters::{self, Counter};
use crate::gauge::Gauge;
use crate::state::{Section, State};
use crate::sync::Ordering;
use crate::units::Nanos;

/// Time between two sweeps. A dead worker is swept away within two: the one it died after, and the next.
pub const EVERY: Nanos = Nanos::from_secs(1);

/// How often an audit looks at gauges that move within one sweep. Each look takes some microseconds.
const AUDITS: usize = 16;

/// When an audit that could not finish is gone on with: a process that was put aside in the middle of coming or going runs
/// again by then.
const AGAIN: Nanos = Nanos::from_millis(100);

impl State {
    /// Whether it is time to [`sweep`](Self::sweep); cheap enough to ask for every decision.
    #[must_use]
    #[inline]
    pub fn is_sweep_due(&self, now: Nanos) -> bool {
        self.common().is_some_and(|common| now.since(Nanos(common.swept_at.load(Ordering::Relaxed))) >= EVERY)
    }

    /// Sweeps if it is time and nobody else does: answers how many dead processes were cleared away.
    pub fn sweep_if_due(&self, now: Nanos) -> usize {
        let Some(common) = self.common() else { return 0 };
        let last = common.swept_at.load(Ordering::Acquire);
        let due = now.since(Nanos(last)) >= EVERY;
        let mine = due && common.swept_at.compare_exchange(last, now.0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if mine { self.sweep_at(now) } else { 0 }
    }

    /// Sits down at the own seat, which the caller holds, with the latch closed: clears what an earlier owner left there and sweeps.
    pub fn take_seat(&self, pid: u32, now: Nanos) {
        if let (Some(seat), Some(common)) = (self.seat(), self.common()) {
            let died_here = self.clear(seat.number());
            self.sit(pid, now);
            counters::add(self, Counter::Reaped, u64::from(died_here));
            common.swept_at.fetch_max(now.0, Ordering::AcqRel);
            self.sweep_at(now);
        }
    }

    /// A sweep that says when the next one is due.
    fn sweep_at(&self, now: Nanos) -> usize {
        let reaped = self.sweep();
        if let Some(common) = self.common()
            && common.audits_wanted.load(Ordering::Acquire) != common.audits_done.load(Ordering::Acquire)
        {
            let sooner = (now + AGAIN).0.saturating_sub(EVERY.0);
            let _ = common.swept_at.compare_exchange(now.0, sooner, Ordering::AcqRel, Ordering::Relaxed);
        }
        reaped
    }

    /// Clears the seats of all that died, and audits the gauges if any did.
    pub fn sweep(&self) -> usize {
        let Some(keeper) = self.keeper() else { return 0 };
        let own = self.seat().map(super::Seat::number);
        let others = self.seats().filter(|&seat| Some(seat) != own && self.owner_of(seat).is_some());
        let reaped = others.filter(|&seat| self.reap(keeper, seat)).count();
        counters::add(self, Counter::Reaped, reaped as u64);
        self.audit_if_wanted();
        reaped
    }

    fn reap(&self, keeper: &dyn Keeper, seat: u8) -> bool {
        if !keeper.hold(seat) {
            return false;
        }
        // Looked at again under the lock: somebody else may have cleared it a moment ago.
        let found = self.clear(seat);
        keeper.let_go(seat);
        found
    }

    /// Clears a seat that the caller holds, if anybody sat there. May be begun again from the start by another if this one
    /// ends in between.
    fn clear(&self, seat: u8) -> bool {
        let Some(owner) = self.owner_of(seat) else { return false };
        self.free_blocks(owner);
        // Only now: an audit that somebody else makes meanwhile would find those cells still there, and be done. Whoever
        // ends before this line leaves an owner at the seat, and is followed by another.
        if let Some(common) = self.common() {
            common.audits_wanted.fetch_add(1, Ordering::AcqRel);
        }
        self.records().for_each(|(_, record)| record.pending().forget_all_of(seat));
        counters::inherit(self, seat);
        self.empty(seat);
        true
    }

    /// Gives up the own seat, with nothing in flight.
    pub(crate) fn leave(&self) {
        if let Some((seat, _)) = self.own_seat() {
            self.clear(seat.number());
            self.audit_if_wanted();
        }
    }

    fn audit_if_wanted(&self) {
        let Some(common) = self.common() else { return };
        let wanted = common.audits_wanted.load(Ordering::Acquire);
        if wanted == common.audits_done.load(Ordering::Acquire) {
            return;
        }
        let deployments = self.records().map(|(slot, _)| Counted::Deployment(slot));
        let mut open: Vec<_> = deployments.chain(self.gauged_buckets().map(Counted::Bucket)).collect();
        for _ in 0..AUDITS {
            open = self.audit(open);
            if open.is_empty() {
                // A slower audit of an earlier wish must not undo a newer one's word.
                let _ = common.audits_done.fetch_max(wanted, Ordering::AcqRel);
                return;
            }
        }
    }

    /// Lowers these gauges to their numbers of cells; answers which are to be looked at again.
    fn audit(&self, gauges: Vec<Counted>) -> Vec<Counted> {
        let running =
            |counted| self.gauge_of(counted).filter(|gauge| gauge.running() > 0).map(|gauge| (counted, gauge));
        let seen: Vec<_> =
            gauges.into_iter().filter_map(running).map(|(of, gauge)| (of, gauge, gauge.word())).collect();
        let mut cells = HashMap::<_, (u64, bool)>::new();
        for (counted, sure) in self.all_counted() {
            let (count, all_sure) = cells.entry(counted).or_insert((0, true));
            (*count, *all_sure) = (*count + 1, *all_sure && sure);
        }
        let is_open = |&(counted, gauge, word): &(Counted, Gauge<'_>, u64)| {
            let (count, all_sure) = cells.get(&counted).copied().unwrap_or((0, true));
            !(gauge.correct(word, count) && all_sure)
        };
        seen.into_iter().filter(is_open).map(|(counted, ..)| counted).collect()
    }

    fn gauge_of(&self, counted: Counted) -> Option<Gauge<'_>> {
        match counted {
            Counted::Deployment(slot) => DeploymentRecord::of(self, slot).map(DeploymentRecord::gauge),
            Counted::Bucket(slot) => self.bucket(slot).map(|words| Gauge::new(&words[1])),
        }
    }

    /// All claimed records of deployments.
    fn records(&self) -> impl Iterator<Item = (u32, DeploymentRecord<'_>)> {
        self.claimed_slots(Section::Deployments).filter_map(|(slot, _)| Some((slot, DeploymentRecord::of(self, slot)?)))
    }

    /// Slots of all claimed records of limits whose level is a gauge: their identity is odd.
    fn gauged_buckets(&self) -> impl Iterator<Item = u32> {
        self.claimed_slots(Section::Buckets).filter(|(_, identity)| identity & 1 == 1).map(|(slot, _)| slot)
    }
}
